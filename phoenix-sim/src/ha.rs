//! `ha-manager`, without a cluster: resources are kept, guests are started and stopped a while after that was asked for, and
//! nothing moves (pve-ha-manager `CLI/ha_manager.pm`).

use std::time::Duration;

use phoenix_types::GuestKind;
use serde_json::{Value as Json, json};

use crate::node::{Call, Failure, Request, Resource, State, Worker};

/// How long it takes until the HA manager acts: its two services look every ten seconds.
const ROUND: Duration = Duration::from_secs(8);

/// Whether a start or a stop is asked of the HA manager, and so ends at once (pve-container `API2/LXC/Status.pm`, qemu-server
/// `API2/Qemu.pm`).
pub(crate) fn takes(call: &mut Call<'_>) -> bool {
    let action = call.inv.command.clone();
    if !["start", "stop", "shutdown"].contains(&action.as_str()) {
        return false;
    }
    let vmid = call.vmid();
    let is_managed = {
        let state = call.state();
        state_of(&state, vmid).is_some_and(|wanted| wanted != "ignored")
            && !state.requests.acting.contains(&vmid)
            && state.is_running(vmid) != (action == "start")
    };
    if !is_managed {
        return false;
    }
    call.begin(Worker::Checked, if action == "start" { "hastart" } else { "hastop" }, vmid);
    let (word, kind) = (if action == "start" { "start" } else { "stop" }, call.state().guest_kind(vmid));
    let kind = if kind == Some(GuestKind::Container) { "CT" } else { "VM" };
    call.out(&format!("Requesting HA {word} for {kind} {vmid}\n"));
    let wanted = if action == "start" { "started" } else { "stopped" };
    let now = call.node.clock().now();
    let mut state = call.state();
    if let Some((_, resource)) = state.ha.iter_mut().find(|(sid, _)| sid.ends_with(&format!(":{vmid}"))) {
        resource.state = wanted.to_owned();
        resource.options.insert("state".to_owned(), wanted.to_owned());
    }
    state.requests.waiting.insert(vmid, Request { action, due: now + ROUND });
    true
}

/// Asks for what a resource's new state means.
fn follow(state: &mut State, vmid: u32, wanted: &str, now: Duration) {
    let action = match (wanted, state.is_running(vmid)) {
        ("started" | "enabled", false) => "start",
        ("stopped" | "disabled", true) => "shutdown",
        _ => return,
    };
    state.requests.waiting.insert(vmid, Request { action: action.to_owned(), due: now + ROUND });
}

/// Whether the HA manager looks after a guest.
pub(crate) fn manages(state: &State, vmid: u32) -> bool {
    state.ha.keys().any(|sid| sid.ends_with(&format!(":{vmid}")))
}

/// The HA manager forgets a guest.
pub(crate) fn forget(state: &mut State, vmid: u32) {
    state.ha.retain(|sid, _| !sid.ends_with(&format!(":{vmid}")));
    state.requests.waiting.remove(&vmid);
}

/// The HA manager looks after a guest from now on.
pub(crate) fn manage(state: &mut State, kind: GuestKind, vmid: u32, wanted: &str) {
    let prefix = if kind == GuestKind::Container { "ct" } else { "vm" };
    let options = [("state".to_owned(), wanted.to_owned())].into();
    state.ha.insert(format!("{prefix}:{vmid}"), Resource { state: wanted.to_owned(), options });
}

/// What the HA manager wants of a guest.
pub(crate) fn state_of(state: &State, vmid: u32) -> Option<String> {
    let (_, resource) = state.ha.iter().find(|(sid, _)| sid.ends_with(&format!(":{vmid}")))?;
    Some(resource.state.clone())
}

/// The `ha` part of a guest's status.
pub(crate) fn status_of(state: &State, vmid: u32) -> Json {
    match state_of(state, vmid) {
        Some(wanted) => json!({"managed": 1, "state": wanted}),
        None => json!({"managed": 0}),
    }
}

/// The full service id of a guest: `ct:100`, or `100` alone.
fn sid(call: &Call<'_>) -> Result<String, Failure> {
    let text = call.param("sid").unwrap_or_default().to_owned();
    let (given, vmid) = match text.split_once(':') {
        Some((kind, vmid)) => (Some(kind.to_owned()), vmid.to_owned()),
        None => (None, text.clone()),
    };
    let kind = call.state().guest_kind(vmid.parse().unwrap_or(0));
    let name = kind.map(|kind| if kind == GuestKind::Container { "ct" } else { "vm" });
    match (given, name) {
        (Some(given), _) => Ok(format!("{given}:{vmid}")),
        (None, Some(name)) => Ok(format!("{name}:{vmid}")),
        (None, None) => Err(Failure::with_exit(format!("resource '{text}' does not exist in cluster"), 17)),
    }
}

/// Runs a command of `ha-manager`.
#[expect(clippy::unused_async, reason = "all tools are called alike")]
pub(crate) async fn run(call: &mut Call<'_>) -> Result<(), Failure> {
    match call.inv.command.as_str() {
        "status" => {
            status(call);
            Ok(())
        }
        "config" => {
            let text: String = call
                .state()
                .ha
                .iter()
                .map(|(sid, resource)| {
                    let options: String =
                        resource.options.iter().map(|(key, value)| format!("\t{key} {value}\n")).collect();
                    format!("{sid}\n{options}\n")
                })
                .collect();
            call.out(&text);
            Ok(())
        }
        "add" => add(call),
        "set" => set(call),
        "remove" => {
            let sid = sid(call)?;
            match call.state().ha.remove(&sid) {
                Some(_) => Ok(()),
                None => Err(Failure::die(format!("cannot delete service '{sid}', not HA managed!"))),
            }
        }
        other => Err(Failure::die(format!("`ha-manager {other}` is not part of the simulated node"))),
    }
}

fn status(call: &mut Call<'_>) {
    let mut text = "quorum OK\n".to_owned();
    {
        let state = call.state();
        if state.ha.is_empty() {
            text.push_str("fencing standby (CRM watchdog standby)\n");
        } else {
            text.push_str("master pve (active)\nfencing armed (CRM watchdog active)\nlrm pve (active)\n");
        }
        for (sid, resource) in &state.ha {
            text.push_str(&format!("service {sid} (pve, {})\n", resource.state));
        }
    }
    call.out(&text);
}

/// The options that a call sets.
fn options(call: &Call<'_>) -> std::collections::BTreeMap<String, String> {
    let skipped = ["sid", "type", "digest", "delete"];
    let given = call.inv.params.iter().filter(|(key, _)| !skipped.contains(key));
    given.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn add(call: &Call<'_>) -> Result<(), Failure> {
    let sid = sid(call)?;
    let (kind, vmid) = sid.split_once(':').unwrap_or_default();
    let vmid: u32 = vmid.parse().unwrap_or(0);
    let mut state = call.state();
    if state.ha.contains_key(&sid) {
        return Err(Failure::die(format!("create resource failed: resource ID '{sid}' already defined")));
    }
    match (state.guest_kind(vmid), kind) {
        (None, _) => return Err(Failure::with_exit(format!("resource '{sid}' does not exist in cluster"), 17)),
        (Some(GuestKind::Vm), "ct") => {
            return Err(Failure::die(format!("resource '{sid}' - guest with ID {vmid} is not a container")));
        }
        (Some(GuestKind::Container), "vm") => {
            return Err(Failure::die(format!("resource '{sid}' - guest with ID {vmid} is not a virtual machine")));
        }
        (Some(_), _) => {}
    }
    let options = options(call);
    let wanted = options.get("state").cloned().unwrap_or_else(|| "started".to_owned());
    follow(&mut state, vmid, &wanted, call.node.clock().now());
    state.ha.insert(sid, Resource { state: wanted, options });
    Ok(())
}

fn set(call: &Call<'_>) -> Result<(), Failure> {
    let sid = sid(call)?;
    let changes = options(call);
    let mut state = call.state();
    let Some(resource) = state.ha.get_mut(&sid) else {
        return Err(Failure::die(format!("update resources config failed: no such resource '{sid}'")));
    };
    resource.options.extend(changes);
    if let Some(wanted) = resource.options.get("state").cloned() {
        resource.state.clone_from(&wanted);
        let vmid = sid.split_once(':').and_then(|(_, vmid)| vmid.parse().ok()).unwrap_or(0);
        follow(&mut state, vmid, &wanted, call.node.clock().now());
    }
    Ok(())
}
