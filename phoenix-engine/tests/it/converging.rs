//! Whole runs of the example fleets on a simulated node, in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use camino::Utf8Path;
use phoenix_engine::{Desired, EventKind, GuestOutcome, Node, Options, Stage, ask, observe};
use phoenix_host::{Effect, Host as _, Layered};
use phoenix_sim::{SimNode, World};
use phoenix_types::GuestId;
use pretty_assertions::assert_eq;

use crate::fleet::{Folder, id};
use crate::run::{Ran, example, up, up_with};

#[tokio::test(start_paused = true)]
async fn dependants_of_the_ca_start_after_its_gate_and_features_after_the_marker() {
    let (sim, desired) = example("step-ca", "world.json");
    let ran = up(&sim, &desired).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    let healthy = ran.at(103, |kind| matches!(kind, EventKind::GatePassed { .. }));
    for dependant in [101, 102, 1001] {
        let begins = ran.at(dependant, |kind| matches!(kind, EventKind::StepStarted { .. }));
        assert!(begins >= healthy, "{dependant} began at {begins} ms, the CA was healthy at {healthy} ms");
    }
    let marker = ran.at(1001, |kind| matches!(kind, EventKind::GatePassed { gate, .. } if gate == "CA marker"));
    let features = ran.at(1001, |kind| matches!(kind, EventKind::StepStarted { stage: Stage::Provision, .. }));
    assert!(features >= marker);
    let trusted = ran.events.iter().any(|event| {
        matches!(&event.kind, EventKind::Output { line, .. } if line.starts_with("trusts the CA with fingerprint 5f6f0c3c"))
    });
    assert!(trusted, "the docker feature read the fingerprint from the CA's own directory");
}

#[tokio::test(start_paused = true)]
async fn a_second_run_plans_nothing_and_asks_every_gate_once() {
    for name in ["step-ca", "ai-lab"] {
        let (sim, desired) = example(name, "world.json");
        let first = up(&sim, &desired).await;
        assert!(first.summary.is_good(), "{name}: {:#?}", first.summary);
        let second = up(&sim, &desired).await;
        assert!(second.plan.is_empty(), "{name}: {:#?}", second.plan);
        assert!(second.summary.is_good(), "{name}: {:#?}", second.summary);
        let foreign: Vec<_> = second.plan.guests.iter().flat_map(|guest| &guest.unmanaged).collect();
        assert!(foreign.is_empty(), "{name}: nobody else put anything there: {foreign:?}");
        assert_eq!(second.processes(), 2, "{name}: one `pct list`, one `qm list`");
        assert!(second.commands.iter().all(|command| command.effect == Effect::Read), "{:#?}", second.commands);
        let gates: usize = desired.guests.values().map(|guest| guest.health.len()).sum();
        let asked = second.events.iter().filter(|event| matches!(event.kind, EventKind::GateAsked { .. })).count();
        assert_eq!(asked, gates, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_ca_that_never_gets_ready_blocks_what_needs_it_and_nothing_else() {
    let (sim, desired) = example("step-ca", "world-ca-never-ready.json");
    let ran = up(&sim, &desired).await;
    let outcome = |guest: u32| &ran.summary.guests[&id(guest)];
    assert!(outcome(900).is_good() && outcome(9000).is_good());
    let GuestOutcome::Failed { failure } = outcome(103) else { panic!("{:#?}", outcome(103)) };
    assert_eq!((failure.stage, failure.attempts), (Stage::Health, Some(30)));
    assert!(failure.elapsed_ms >= 290_000, "29 pauses of 10 s");
    assert!(
        failure.evidence.iter().any(|(_, text)| text.contains("no space left on device")),
        "{:#?}",
        failure.evidence
    );
    for dependant in [101, 102, 1001] {
        assert_eq!(outcome(dependant), &GuestOutcome::Blocked { by: id(103) });
        let touched = ran.commands.iter().any(|command| command.guest == Some(id(dependant)));
        assert!(!touched, "{dependant} was touched");
    }
}

#[tokio::test(start_paused = true)]
async fn a_changed_setting_and_a_changed_script_cost_little() {
    let (sim, desired) = example("ai-lab", "world.json");
    let fresh = up(&sim, &desired).await;
    assert!(fresh.summary.is_good(), "{:#?}", fresh.summary);
    assert!(fresh.processes() <= 150, "{} processes for a fresh fleet", fresh.processes());

    let mut more = (*desired).clone();
    let guest = more.guests.get_mut(&id(721)).unwrap();
    if let phoenix_engine::Spec::Container(container) = &mut guest.spec {
        container.settings.memory = Some(phoenix_types::MemoryMib(20_480));
    }
    let changed = up(&sim, &Arc::new(more)).await;
    assert!(changed.summary.is_good(), "{:#?}", changed.summary);
    assert_eq!(changed.plan.step_count(), 2, "the setting, and the gates: {:#?}", changed.plan);
    assert!(changed.processes() <= 6, "{:#?}", changed.commands);
}

#[tokio::test(start_paused = true)]
async fn a_named_guest_comes_up_with_what_it_needs_only() {
    let folder = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/step-ca");
    let fleet = phoenix_config::load(&folder).fleet.unwrap();
    let desired = Arc::new(Desired::new(&fleet, Some(&[id(102)].into())).unwrap());
    let (sim, _) = example("step-ca", "world.json");
    let ran = up(&sim, &desired).await;
    let guests: Vec<GuestId> = ran.summary.guests.keys().copied().collect();
    assert_eq!(guests, [id(102), id(103), id(900)]);
    assert!(ran.summary.is_good());
}

/// The longest way through the graph, each guest counted with the time that it worked or its gates took, without what it
/// waited for others to let go of a clone source or a slot. In milliseconds.
fn critical_path(ran: &Ran, desired: &Desired) -> u64 {
    let mut own: BTreeMap<GuestId, i64> = BTreeMap::new();
    for event in &ran.events {
        let Some(guest) = event.guest else { continue };
        let time = own.entry(guest).or_insert(0);
        match event.kind {
            EventKind::StepFinished { ms, .. } => *time += i64::try_from(ms).unwrap(),
            EventKind::StepHeld { ms, .. } => *time -= i64::try_from(ms).unwrap(),
            _ => {}
        }
    }
    let mut ends: BTreeMap<GuestId, i64> = BTreeMap::new();
    for id in &desired.order {
        let begin = desired.guests[id].needs.iter().map(|need| ends[need]).max().unwrap_or(0);
        ends.insert(*id, begin + own.get(id).copied().unwrap_or(0));
    }
    u64::try_from(ends.into_values().max().unwrap_or(0)).unwrap()
}

fn assert_bounded_by_critical_path(name: &str, ran: &Ran, desired: &Desired) {
    assert!(ran.summary.is_good(), "{name}: {:#?}", ran.summary);
    let (took, path) = (ran.summary.elapsed_ms, critical_path(ran, desired));
    assert!(took * 100 <= path * 102, "{name}: {took} ms, and the critical path has {path} ms");
}

#[tokio::test(start_paused = true)]
async fn a_run_takes_no_longer_than_its_critical_path() {
    for name in ["step-ca", "ai-lab"] {
        let (sim, desired) = example(name, "world.json");
        let ran = up(&sim, &desired).await;
        assert_bounded_by_critical_path(name, &ran, &desired);
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_guests_take_no_longer_than_their_critical_path() {
    let mut containers = Vec::new();
    for number in 0..1000_u32 {
        let vmid = 1000 + number;
        // Chains and fans: each tenth guest hangs on one far back, the others on a neighbour or on nobody.
        let needs = match number % 10 {
            0 if number >= 100 => format!(r#", "dependencies": ["{}"]"#, vmid - 97),
            3 | 4 => format!(r#", "dependencies": ["{}"]"#, vmid - 1),
            7 => format!(r#", "dependencies": ["{}", "{}"]"#, vmid - 3, vmid - 1),
            _ => String::new(),
        };
        containers.push(format!(
            r#""{vmid}": {{"name": "guest-{vmid}", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-zfs", "start_at_boot": true{needs}}}"#
        ));
    }
    let desired = Arc::new(Folder::new(&containers.join(","), "", &[]).desired());
    let sim = SimNode::new(World::default());
    let ran = up_with(&sim, &desired, &Options { jobs: 1000, jobs_per_storage: 1000, ..Options::default() }).await;
    assert_bounded_by_critical_path("1,000 guests", &ran, &desired);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_does_not_shut_down_is_switched_off() {
    let (_, desired) = example("step-ca", "world.json");
    let fault = r#"{"faults": [{"when": "pct shutdown 900", "after": "2m", "fail": {"exit": 255, "stderr": "container did not stop\n"}}]}"#;
    let sim = SimNode::new(serde_json::from_str(fault).unwrap());
    let ran = up(&sim, &desired).await;
    assert!(ran.summary.guests[&id(900)].is_good(), "{:#?}", ran.summary.guests[&id(900)]);
    assert!(ran.commands.iter().any(|command| command.argv.starts_with(&["pct", "stop", "900"].map(String::from))));
}

#[tokio::test(start_paused = true)]
async fn a_firewall_that_is_configured_no_more_goes_and_one_of_somebody_else_stays() {
    let with = r#""900": {"name": "base", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-zfs", "start_at_boot": true,
        "firewall": {"enabled": true, "rules": [{"type": "in", "action": "ACCEPT", "proto": "tcp", "port": "22"}]}}"#;
    let without = r#""900": {"name": "base", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-zfs", "start_at_boot": true}"#;
    let file = Utf8Path::new("/etc/pve/firewall/900.fw");
    let (with, without) = (Folder::new(with, "", &[]), Folder::new(without, "", &[]));
    let sim = SimNode::new(World::default());
    let made = up(&sim, &Arc::new(with.desired())).await;
    assert!(made.summary.is_good(), "{:#?}", made.summary);
    assert!(sim.stat(file).await.unwrap().is_some());
    let without = Arc::new(without.desired());
    let removing = up(&sim, &without).await;
    assert!(removing.summary.is_good(), "{:#?}", removing.summary);
    assert!(sim.stat(file).await.unwrap().is_none(), "{:#?}", removing.plan);
    assert!(up(&sim, &without).await.plan.is_empty());

    sim.write(file, b"[OPTIONS]\n\nenable: 1\n\n[RULES]\n\nIN ACCEPT -p tcp -dport 22\n", 0o640).await.unwrap();
    let left_alone = up(&sim, &without).await;
    assert!(left_alone.plan.is_empty() && sim.stat(file).await.unwrap().is_some());
    let unmanaged = &left_alone.plan.guests[0].unmanaged;
    assert_eq!((unmanaged[0].key.as_str(), unmanaged[0].value.as_str()), ("firewall", "a file with 1 rule"));
}

async fn on_the_node(sim: &SimNode, line: &str) {
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    let ended = sim.run(&words, b"").await;
    assert_eq!(ended.exit, 0, "{line}: {}", ended.stderr);
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_the_node_has_just_started_gets_the_time_of_a_start() {
    let (sim, desired) = example("step-ca", "world.json");
    assert!(up(&sim, &desired).await.summary.is_good());
    on_the_node(&sim, "pct stop 103").await;
    on_the_node(&sim, "pct start 103").await;
    let ran = up(&sim, &desired).await;
    assert!(ran.plan.is_empty(), "{:#?}", ran.plan);
    assert_eq!(ran.summary.guests[&id(103)], GuestOutcome::Unchanged { gates: 1 }, "{:#?}", ran.summary);
    let healthy = ran.at(103, |kind| matches!(kind, EventKind::GatePassed { .. }));
    assert!(healthy >= 70_000, "the CA takes 80 s: {healthy} ms");
    let asked = ran.at(102, |kind| matches!(kind, EventKind::GateAsked { .. }));
    assert!(asked >= healthy, "a dependant was asked at {asked} ms");
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_fell_ill_long_after_its_start_is_asked_once() {
    let (sim, desired) = example("step-ca", "world.json");
    assert!(up(&sim, &desired).await.summary.is_good());
    tokio::time::sleep(Duration::from_secs(3600)).await;
    on_the_node(&sim, "pct exec 103 -- systemctl stop step-ca").await;
    let ran = up(&sim, &desired).await;
    let GuestOutcome::Failed { failure } = &ran.summary.guests[&id(103)] else { panic!("{:#?}", ran.summary) };
    assert_eq!((failure.stage, failure.attempts), (Stage::Health, Some(1)));
    assert!(failure.elapsed_ms < 30_000, "{failure:#?}");
    assert_eq!(ran.summary.guests[&id(102)], GuestOutcome::Blocked { by: id(103) });
}

#[tokio::test(start_paused = true)]
async fn who_answers_in_the_place_of_a_guest_that_went_off_is_no_sign_of_its_health() {
    let web = r#""101": {"name": "web", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-zfs",
        "storage_size_gb": 4, "start_at_boot": true, "network_config": {"ip": "10.0.0.101/24", "gw": "10.0.0.1"},
        "health_check": {"tcp": {"port": 22}, "retries": 3, "interval": 5}}"#;
    let desired = Arc::new(Folder::new(web, "", &[]).desired());
    let sim = SimNode::new(World::default());
    assert!(up(&sim, &desired).await.summary.is_good());
    let node = Node::new(Layered::new(Arc::new(sim.clone())));
    let site = node.labelled(None, "observe");
    let observed = observe(&site, &desired).await.unwrap();
    let asked = || async { ask(&node, &desired, &observed, &[id(101)].into(), Duration::MAX).await.remove(0) };
    assert!(asked().await.is_healthy());

    // Meanwhile it goes off, and another container with an open port takes its address.
    on_the_node(&sim, "pct stop 101").await;
    let net = "name=eth0,bridge=vmbr0,ip=10.0.0.101/24";
    on_the_node(&sim, &format!("pct create 300 local:vztmpl/debian-12.tar.zst --rootfs local-zfs:4 --net0 {net}"))
        .await;
    on_the_node(&sim, "pct start 300").await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert!(sim.dial("10.0.0.101", 22, Duration::from_secs(5)).await.is_ok(), "somebody answers there");
    let health = asked().await;
    assert!(!health.is_healthy(), "{health:#?}");
    assert!(health.gates[0].1.answer.said.contains("it does not run"), "{health:#?}");
}
