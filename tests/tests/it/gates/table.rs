//! Every probe with every option, written as in the configuration, in a container and in a VM: what it says before the guest is
//! ready and afterwards.

use std::time::Duration;

use phoenix_health::Verdict;
use phoenix_host::Host as _;
use phoenix_types::GuestKind;
use serde_json::{Value, json};
use test_case::test_case;

use super::asked::Asked;

/// A service that is ready an hour after the guest's start.
fn slow() -> Value {
    json!({"other_ports": "closed", "services": {"app": {
        "events": [{
            "after": "1h", "open": [9000], "log": ["serving HTTPS on :9000"],
            "files": {"/run/app/ready": "fingerprint 12ab\n", "/run/app/empty": "", "/var/log/app.log": "it is up\n", "/etc/hosts": "10.0.0.9 later.lan\n"},
        }],
        "http": {"/": {"body": "green\n"}, "/moved": {"status": 302}, "/down": {"status": 503, "body": "in repair\n"}},
    }}})
}

/// A probe; what it says before; what it says afterwards. A plus says that it passes.
type Row = (Value, &'static str, &'static str);

fn commands() -> Vec<Row> {
    vec![
        (json!({"command": "nc -z localhost 9000"}), "exit status 1", "+exit status 0"),
        (
            json!({"command": "cat /run/app/ready | grep -q 12ab"}),
            "exit status 1: cat: /run/app/ready: No such file or directory",
            "+exit status 0",
        ),
        (json!({"command": ["test", "-s", "/run/app/ready"]}), "exit status 1", "+exit status 0"),
        (json!({"host_command": "test -e /srv/$(echo ready)"}), "exit status 1", "+exit status 0"),
        (json!({"host_command": ["test", "-e", "/srv/ready"]}), "exit status 1", "+exit status 0"),
        (json!({"command": "echo \"not yet\"; exit 7"}), "exit status 7: not yet", "exit status 7: not yet"),
    ]
}

fn ports() -> Vec<Row> {
    vec![
        (json!({"tcp": {"port": 9000}}), "10.0.0.103 port 9000: connection refused", "+10.0.0.103 port 9000 is open"),
        (
            json!({"tcp": {"port": 9000, "host": "10.0.0.103"}}),
            "10.0.0.103 port 9000: connection refused",
            "+10.0.0.103 port 9000 is open",
        ),
        (
            json!({"tcp": {"port": 9000, "from": "guest"}}),
            "localhost port 9000 is closed",
            "+localhost port 9000 is open",
        ),
        (
            json!({"tcp": {"port": 9000, "host": "10.0.0.103", "from": "guest"}}),
            "10.0.0.103 port 9000 is closed",
            "+10.0.0.103 port 9000 is open",
        ),
    ]
}

fn names() -> Vec<Row> {
    vec![
        (json!({"dns": {"name": "later.lan"}}), "later.lan does not resolve", "+later.lan is 10.0.0.9"),
        (
            json!({"dns": {"name": "later.lan", "address": "10.0.0.8"}}),
            "later.lan does not resolve",
            "later.lan is 10.0.0.9, not 10.0.0.8",
        ),
        (
            json!({"dns": {"name": "later.lan", "from": "host"}}),
            "later.lan does not resolve",
            "later.lan does not resolve",
        ),
        (
            json!({"dns": {"name": "guest", "address": "10.0.0.103", "from": "host"}}),
            "+guest is 10.0.0.103",
            "+guest is 10.0.0.103",
        ),
    ]
}

fn http() -> Vec<Row> {
    let refused = "10.0.0.103 port 9000: connection refused";
    let inside = "curl: (7) Failed to connect to localhost port 9000 after 0 ms: Couldn't connect to server";
    let mut rows = Vec::new();
    for (from, before) in [("host", refused), ("guest", inside)] {
        let probe = |rest: Value| {
            let mut http = json!({"port": 9000, "from": from});
            http.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            json!({"http": http})
        };
        rows.extend([
            (probe(json!({})), before, "+status 200 OK"),
            (probe(json!({"path": "/moved"})), before, "+status 302 Found"),
            (probe(json!({"path": "/moved", "status": 200})), before, "status 302 Found"),
            (probe(json!({"path": "/down"})), before, "status 503 Service Unavailable"),
            (probe(json!({"path": "/down", "status": [200, "500-599"]})), before, "+status 503 Service Unavailable"),
            (probe(json!({"path": "/other?x=1"})), before, "status 404 Not Found"),
            (probe(json!({"body": "green"})), before, "+status 200 OK, body with `green`"),
            (probe(json!({"body": "red"})), before, "status 200 OK, but the body does not contain `red`"),
            (probe(json!({"method": "HEAD"})), before, "+status 200 OK"),
            (probe(json!({"method": "POST", "headers": {"X-Asked-By": "a gate"}})), before, "+status 200 OK"),
        ]);
    }
    rows
}

fn files() -> Vec<Row> {
    let mut rows =
        vec![(json!({"file": "/run/app/ready"}), "`/run/app/ready` is missing", "+`/run/app/ready` is there")];
    for (on, folder) in [("guest", "/run/app"), ("host", "/srv")] {
        let file = |name: &str, rest: Value| {
            let mut file = json!({"path": format!("{folder}/{name}"), "on": on});
            file.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            json!({"file": file})
        };
        let words = |inside: &'static str, on_host: &'static str| if on == "guest" { inside } else { on_host };
        let missing = words("`/run/app/ready` is missing", "`/srv/ready` is missing");
        let there = words("+`/run/app/ready` is there", "+`/srv/ready` is there");
        let with = words("+`/run/app/ready` contains `12ab`", "+`/srv/ready` contains `12ab`");
        let nothing = words("`/run/app/empty` is missing or empty", "`/srv/empty` is missing");
        rows.extend([
            (file("ready", json!({})), missing, there),
            (
                file("ready", json!({"non_empty": true})),
                words("`/run/app/ready` is missing or empty", "`/srv/ready` is missing"),
                there,
            ),
            (
                file("empty", json!({"non_empty": true})),
                nothing,
                words("`/run/app/empty` is missing or empty", "`/srv/empty` is empty"),
            ),
            (file("ready", json!({"newer_than_start": true})), missing, there),
            (
                file("old", json!({"newer_than_start": true})),
                words("`/run/app/old` is missing", "`/srv/old` is older than the guest's start"),
                words("`/run/app/old` is missing", "`/srv/old` is older than the guest's start"),
            ),
            (
                file("empty", json!({"newer_than_start": true, "non_empty": true})),
                words("`/run/app/empty` is missing", "`/srv/empty` is missing"),
                words("`/run/app/empty` is empty", "`/srv/empty` is empty"),
            ),
            (
                file("ready", json!({"contains": "12ab"})),
                words("`/run/app/ready` is missing", "`/srv/ready` is missing"),
                with,
            ),
            (file("ready", json!({"contains": "12ab", "newer_than_start": true})), missing, with),
            (
                file("ready", json!({"contains": "34cd"})),
                words("`/run/app/ready` is missing", "`/srv/ready` is missing"),
                words("`/run/app/ready` does not contain `34cd`", "`/srv/ready` does not contain `34cd`"),
            ),
        ]);
    }
    rows
}

fn logs() -> Vec<Row> {
    vec![
        (
            json!({"log": {"contains": "serving HTTPS"}}),
            "no line with `serving HTTPS` in the journal yet",
            "+logged: serving HTTPS on :9000",
        ),
        (
            json!({"log": {"contains": "serving HTTPS", "unit": "app.service"}}),
            "no line with `serving HTTPS` in the journal of app.service yet",
            "+logged: serving HTTPS on :9000",
        ),
        (
            json!({"log": {"contains": "serving HTTPS", "unit": "other.service"}}),
            "no line with `serving HTTPS` in the journal of other.service yet",
            "no line with `serving HTTPS` in the journal of other.service yet",
        ),
        (
            json!({"log": {"contains": "it is", "file": "/var/log/app.log"}}),
            "no line with `it is` in `/var/log/app.log` yet",
            "+logged: it is up",
        ),
        (
            json!({"log": {"contains": "s.rving"}}),
            "no line with `s.rving` in the journal yet",
            "no line with `s.rving` in the journal yet",
        ),
    ]
}

fn lists() -> Vec<Row> {
    let (up, down) = (json!({"tcp": {"port": 9000}}), json!({"tcp": {"port": 9001, "from": "guest"}}));
    let refused = "tcp 9000: 10.0.0.103 port 9000: connection refused";
    vec![
        (json!({"all": [up, {"file": "/run/app/ready"}]}), refused, "+all 2 passed"),
        (json!({"all": [up, down]}), refused, "tcp 9001 from inside: localhost port 9001 is closed"),
        (
            json!({"any": [down, up]}),
            "tcp 9001 from inside: localhost port 9001 is closed; tcp 9000: 10.0.0.103 port 9000: connection refused",
            "+tcp 9000: 10.0.0.103 port 9000 is open",
        ),
        (
            json!({"all": [{"any": [down, up]}, {"all": [up, {"command": "true"}]}]}),
            "all of (tcp 9000, `true` in the guest): tcp 9000: 10.0.0.103 port 9000: connection refused",
            "+all 2 passed",
        ),
        (
            json!({"any": [{"all": [up, down]}, {"file": "/never"}]}),
            "all of (tcp 9000, tcp 9001 from inside): tcp 9000: 10.0.0.103 port 9000: connection refused; file `/never` in the guest: `/never` is missing",
            "all of (tcp 9000, tcp 9001 from inside): tcp 9001 from inside: localhost port 9001 is closed; file `/never` in the guest: `/never` is missing",
        ),
    ]
}

#[test_case(GuestKind::Container; "container")]
#[test_case(GuestKind::Vm; "vm")]
#[tokio::test(start_paused = true)]
async fn every_probe_says_no_before_and_yes_afterwards_and_why(kind: GuestKind) {
    let asked = Asked::of(kind, &slow()).await;
    asked.host.write("/srv/old".into(), b"from before", 0o644).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    asked.restart().await;
    tokio::time::sleep(Duration::from_secs(120)).await;
    let rows: Vec<Row> = [commands(), ports(), names(), http(), files(), logs(), lists()].concat();
    let probes = Value::Array(rows.iter().map(|(probe, ..)| probe.clone()).collect());
    let mut wrong = Vec::new();
    for time in ["before", "after"] {
        if time == "after" {
            asked.host.write("/srv/ready".into(), b"fingerprint 12ab\n", 0o644).await.unwrap();
            asked.host.write("/srv/empty".into(), b"", 0o644).await.unwrap();
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        for (attempt, (probe, before, after)) in asked.ask(&probes).await.into_iter().zip(&rows) {
            let expected = if time == "before" { *before } else { *after };
            let said = format!("{}{}", if attempt.passed() { "+" } else { "" }, attempt.answer.said);
            if said != expected {
                wrong.push(format!(
                    "{time}: {probe}\n    expected {expected}\n    it says  {said} ({:?})",
                    attempt.answer.verdict
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn what_only_a_vm_has() {
    let inside = json!({"guest_agent": "installed", "boot": {"agent": "20s", "cloud_init": "60s"}});
    let asked = Asked::of(GuestKind::Vm, &inside).await;
    let (agent, cloud_init) = (json!({"agent": true}), json!({"cloud_init": true}));
    assert_eq!(asked.says(&agent).await, (Verdict::Yes, "the agent answers".to_owned()));
    assert_eq!(asked.says(&cloud_init).await, (Verdict::Yes, "done".to_owned()));
    asked.restart().await;
    let silent = "the guest agent of 103 does not answer: QEMU guest agent is not running";
    assert_eq!(asked.says(&agent).await, (Verdict::Unanswered, silent.to_owned()));
    assert_eq!(asked.says(&cloud_init).await, (Verdict::Unanswered, silent.to_owned()));
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(asked.says(&agent).await, (Verdict::Yes, "the agent answers".to_owned()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(asked.says(&cloud_init).await, (Verdict::Yes, "done".to_owned()));
}
