//! The examples of `docs/concepts/gates.md`: they are valid, they pass in a guest that is as they say, and not in another.

use std::fs;
use std::time::Duration;

use phoenix_host::Host as _;
use phoenix_types::GuestKind;
use serde_json::{Value, json};

use super::asked::Asked;
use crate::program::root;

/// The longest list of gates on the page.
fn examples() -> Value {
    let page = fs::read_to_string(root().join("docs/concepts/gates.md")).unwrap();
    let blocks = page.split("```json\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let gates =
        blocks.map(|block| serde_json::from_str::<Value>(&format!("{{{block}}}")).unwrap()["health_check"].clone());
    gates.filter(Value::is_array).max_by_key(|gates| gates.as_array().unwrap().len()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn every_example_passes_where_it_should() {
    let inside = json!({"guest_agent": "installed", "commands": [{"when": "pg_isready *"}], "services": {"step-ca": {
        "events": [{
            "after": "1m", "open": [9000], "log": ["serving HTTPS on :9000"],
            "files": {"/etc/step-ca/ssl/ca.ready": "ready\n", "/var/log/step-ca.log": "serving HTTPS on :9000\n", "/etc/hosts": "10.0.0.103 ca.lan\n"},
        }],
        "http": {"/health": {"body": "ok\n"}, "/": {}},
    }}});
    let asked = Asked::of(GuestKind::Vm, &inside).await;
    asked.run("mkdir -p /srv/ca").await;
    asked.host.write("/srv/ca/root_ca.crt".into(), b"a certificate\n", 0o644).await.unwrap();
    asked.host.write("/etc/hosts".into(), b"10.0.0.2 pve\n10.0.0.103 ca.lan\n", 0o644).await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    for (attempt, gate) in asked.ask(&examples()).await.iter().zip(examples().as_array().unwrap()) {
        assert!(attempt.passed(), "{gate}: {attempt:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_example_passes_where_it_should_not() {
    let inside = json!({"guest_agent": "installed", "other_ports": "closed", "missing": ["pg_isready"]});
    let asked = Asked::of(GuestKind::Vm, &inside).await;
    let of_the_system = |gate: &Value| gate.get("agent").or(gate.get("cloud_init")).is_some();
    for (attempt, gate) in asked.ask(&examples()).await.iter().zip(examples().as_array().unwrap()) {
        assert_eq!(attempt.passed(), of_the_system(gate), "{gate}: {attempt:?}");
    }
}

#[test]
fn there_is_one_for_each_kind() {
    let examples = examples();
    for kind in ["command", "host_command", "tcp", "dns", "http", "file", "log", "agent", "cloud_init", "all", "any"] {
        assert!(examples.as_array().unwrap().iter().any(|gate| gate.get(kind).is_some()), "{kind}");
    }
}
