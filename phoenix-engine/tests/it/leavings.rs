//! What people wrote next to what Phoenix wrote, in notes and firewall files: it stays, whatever becomes of ours.

use std::sync::Arc;

use camino::Utf8Path;
use phoenix_engine::Desired;
use phoenix_host::Host as _;
use phoenix_sim::{SimNode, World};
use phoenix_types::{GuestConf, GuestKind};
use pretty_assertions::assert_eq;

use crate::fleet::Folder;
use crate::run::{Ran, up};

const CONF: &str = "/etc/pve/lxc/900.conf";
const FIREWALL: &str = "/etc/pve/firewall/900.fw";

fn with(keys: &str) -> Arc<Desired> {
    let guest = format!(
        r#""900": {{"name": "base", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-zfs", "start_at_boot": true{keys}}}"#
    );
    Arc::new(Folder::new(&guest, "", &[]).desired())
}

async fn text(sim: &SimNode, path: &str) -> String {
    String::from_utf8(sim.read(Utf8Path::new(path), 1 << 20).await.unwrap()).unwrap()
}

/// The notes without the record.
async fn notes(sim: &SimNode) -> String {
    let conf = GuestConf::parse(&text(sim, CONF).await, GuestKind::Container);
    let notes = conf.live.description.unwrap_or_default();
    let lines = notes.lines().filter(|line| !line.contains("<!-- phoenix:"));
    lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

async fn good(sim: &SimNode, desired: &Arc<Desired>) -> Ran {
    let ran = up(sim, desired).await;
    assert!(ran.summary.is_good(), "{:#?}", ran.summary);
    assert!(up(sim, desired).await.plan.is_empty(), "a second run has nothing to do");
    ran
}

#[tokio::test(start_paused = true)]
async fn notes_that_are_configured_no_more_go_and_those_of_people_stay() {
    let sim = SimNode::new(World::default());
    good(&sim, &with(r#", "description": "The base.\nMade by us.""#)).await;
    assert_eq!(notes(&sim).await, "The base.\nMade by us.");

    let by_hand = text(&sim, CONF).await.replace("#The base.\n", "#Ask Ann first.\n#The base.\n");
    sim.write(Utf8Path::new(CONF), by_hand.as_bytes(), 0o640).await.unwrap();
    let changed = good(&sim, &with(r#", "description": "The new base.""#)).await;
    assert_eq!(notes(&sim).await, "Ask Ann first.\nThe new base.");
    assert_eq!(changed.plan.guests[0].steps[0].summary, "change description");

    let gone = good(&sim, &with("")).await;
    let difference = &gone.plan.guests[0].steps[0].differences[0];
    assert_eq!((difference.key.as_str(), difference.reason.as_str()), ("description", "no longer configured"));
    assert_eq!(notes(&sim).await, "Ask Ann first.");
}

#[tokio::test(start_paused = true)]
async fn a_firewall_file_keeps_what_no_configuration_has_words_for() {
    let port = |port: &str| {
        with(&format!(
            r#", "firewall": {{"enabled": true, "rules": [{{"type": "in", "action": "ACCEPT", "source": "+trusted", "proto": "tcp", "port": "{port}"}}]}}"#
        ))
    };
    let sim = SimNode::new(World::default());
    good(&sim, &port("22")).await;
    let by_hand = "[OPTIONS]\nlog_level_in: info\nenable: 1\n\n[IPSET trusted] # ours\n\n10.0.0.9\n\n\
                   [RULES]\n\nIN  ACCEPT -source +trusted -p tcp -dport 22\n";
    sim.write(Utf8Path::new(FIREWALL), by_hand.as_bytes(), 0o640).await.unwrap();

    let same = up(&sim, &port("22")).await;
    assert!(same.plan.is_empty(), "{:#?}", same.plan);
    let apart: Vec<String> =
        same.plan.guests[0].unmanaged.iter().map(|one| format!("{}: {}", one.key, one.value)).collect();
    assert_eq!(apart, ["firewall log_level_in: info", "firewall: [IPSET trusted] # ours", "firewall: 10.0.0.9"]);

    let changed = good(&sim, &port("443")).await;
    let told: Vec<(&str, Option<&str>, Option<&str>)> = changed.plan.guests[0].steps[0]
        .differences
        .iter()
        .map(|one| (one.key.as_str(), one.from.as_deref(), one.to.as_deref()))
        .collect();
    let rule = "IN ACCEPT -source +trusted -p tcp -dport";
    let (old, new) = (format!("{rule} 22"), format!("{rule} 443"));
    assert_eq!(told, [("firewall rule 1", Some(old.as_str()), None), ("firewall rule 1", None, Some(new.as_str()))]);
    assert_eq!(
        text(&sim, FIREWALL).await,
        format!("[OPTIONS]\n\nenable: 1\nlog_level_in: info\n\n[IPSET trusted] # ours\n10.0.0.9\n\n[RULES]\n\n{new}\n")
    );
}
