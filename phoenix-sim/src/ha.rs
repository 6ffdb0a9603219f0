//! `ha-manager`, without a cluster: resources are kept, and nothing moves (pve-ha-manager `CLI/ha_manager.pm`).

use phoenix_types::GuestKind;
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};

use crate::node::{Call, Failure, State};

/// A guest that the HA manager looks after.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Resource {
    state: String,
    options: std::collections::BTreeMap<String, String>,
}

/// Whether the HA manager looks after a guest.
pub(crate) fn manages(state: &State, vmid: u32) -> bool {
    state.ha.keys().any(|sid| sid.ends_with(&format!(":{vmid}")))
}

/// The HA manager forgets a guest.
pub(crate) fn forget(state: &mut State, vmid: u32) {
    state.ha.retain(|sid, _| !sid.ends_with(&format!(":{vmid}")));
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
    if let Some(wanted) = resource.options.get("state") {
        resource.state.clone_from(wanted);
    }
    Ok(())
}
