//! Troubles of guests that do not get healthy: the nearest cause is reported in a sentence, to people, in JSON and in the report.

use std::fs;

use insta::{assert_snapshot, with_settings};
use serde_json::{Value, json};
use test_case::test_case;

use crate::program::Place;

/// What goes wrong, in which kind of guest, and what asks.
struct Trouble {
    kind: Kind,
    /// The guest's `health_check`.
    gates: Value,
    /// The world's words about the inside of the guest.
    inside: Value,
    /// Files of the node.
    files: Value,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Container,
    Vm,
}

fn container(gate: Value, inside: Value) -> Trouble {
    Trouble { kind: Kind::Container, gates: json!([with_bounds(gate)]), inside, files: json!({}) }
}

fn vm(gate: Value, inside: Value) -> Trouble {
    Trouble { kind: Kind::Vm, ..container(gate, inside) }
}

fn with_bounds(mut gate: Value) -> Value {
    for (key, value) in [("retries", json!(3)), ("interval", json!(5))] {
        gate.as_object_mut().unwrap().entry(key).or_insert(value);
    }
    gate
}

/// A service that does this after a second, while nothing else listens.
fn service(event: Value) -> Value {
    let mut event = event;
    event["after"] = json!("1s");
    json!({"other_ports": "closed", "services": {"app": {"events": [event]}}})
}

/// A world in which a command says something.
fn said(when: &str, answer: Value) -> Value {
    let mut command = answer;
    command["when"] = json!(when);
    json!({"other_ports": "open", "commands": [command]})
}

fn port() -> Value {
    json!({"tcp": {"port": 9000}})
}

fn failed_service() -> Trouble {
    container(port(), service(json!({"state": "failed", "log": ["error opening password.txt: no such file"]})))
}

fn crash_loop() -> Trouble {
    vm(port(), service(json!({"state": "auto_restart", "log": ["bind: address already in use"]})))
}

fn service_that_is_off() -> Trouble {
    container(json!({"command": "nc -z localhost 9000"}), service(json!({"state": "inactive"})))
}

fn loopback_only() -> Trouble {
    let sockets = "State Recv-Q Send-Q Local Address:Port Peer Address:Port\nLISTEN 0 128 127.0.0.1:9000 0.0.0.0:*\n";
    let mut inside = said("ss -ltn", json!({"stdout": sockets}));
    inside["other_ports"] = json!("closed");
    vm(port(), inside)
}

fn firewall() -> Trouble {
    let sockets = "State Recv-Q Send-Q Local Address:Port Peer Address:Port\nLISTEN 0 128 0.0.0.0:9000 0.0.0.0:*\n";
    let mut inside = said("ss -ltn", json!({"stdout": sockets}));
    inside["other_ports"] = json!("filtered");
    container(port(), inside)
}

fn full_disk() -> Trouble {
    let disks = "Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/vda1 100 100 0 100% /\n";
    let mut inside = said("df *", json!({"stdout": disks}));
    inside["services"] = json!({"app": {"events": [{"state": "failed", "log": ["write: No space left on device"]}]}});
    inside["other_ports"] = json!("closed");
    container(port(), inside)
}

fn out_of_memory() -> Trouble {
    vm(
        port(),
        service(json!({"log": ["Out of memory: Killed process 812 (java) total-vm:9000000kB, anon-rss:800000kB"]})),
    )
}

fn cloud_init() -> Trouble {
    vm(port(), json!({"boot": {"cloud_init_result": "error"}, "guest_agent": "installed"}))
}

fn silent_agent() -> Trouble {
    vm(port(), json!({"boot": {"never": ["agent"]}}))
}

fn guest_that_is_off() -> Trouble {
    let stops = json!({"name": "someone stops it", "host_command": "pct stop 103", "retries": 1});
    let asks = json!({"name": "app", "command": "nc -z localhost 9000", "retries": 3, "interval": 5});
    Trouble { gates: json!([stops, asks]), ..container(port(), service(json!({}))) }
}

fn missing_mount() -> Trouble {
    vm(json!({"file": "/mnt/ca/ca.ready"}), service(json!({"files": {"/mnt/ca/": ""}})))
}

fn missing_folder_on_the_host() -> Trouble {
    container(json!({"file": {"path": "/srv/ca/ca.ready", "on": "host"}}), json!({}))
}

fn unavailable() -> Trouble {
    let mut inside = service(json!({"open": [8080]}));
    inside["services"]["app"]["http"] = json!({"/health": {"status": 503, "body": "migrating the database\n"}});
    container(json!({"http": {"port": 8080, "path": "/health"}, "retries": 2}), inside)
}

fn untrusted() -> Trouble {
    let stderr = "curl: (60) SSL certificate problem: unable to get local issuer certificate\n";
    let probe = json!({"http": {"scheme": "https", "port": 8443, "from": "guest"}});
    vm(probe, said("curl *", json!({"exit": 60, "stderr": stderr})))
}

fn missing_program() -> Trouble {
    container(json!({"command": "pg_isready -q"}), json!({"missing": ["pg_isready"]}))
}

fn hanging_command() -> Trouble {
    vm(json!({"command": "check-all", "timeout": 5}), said("check-all", json!({"duration": "1h"})))
}

fn marker_from_before() -> Trouble {
    let probe = json!({"file": {"path": "/srv/ca.ready", "on": "host", "newer_than_start": true}});
    Trouble { files: json!({"/srv/ca.ready": "yes\n"}), ..container(probe, json!({})) }
}

#[test_case("failed_service", &failed_service(),
    "nothing listens on port 9000; app.service is failed: error opening password.txt: no such file"; "failed service")]
#[test_case("crash_loop", &crash_loop(),
    "nothing listens on port 9000; app.service ends with an error and is started again and again: bind: address already in use";
    "crash loop")]
#[test_case("service_that_is_off", &service_that_is_off(), "nothing listens on port 9000"; "service that is off")]
#[test_case("loopback_only", &loopback_only(),
    "port 9000 listens on 127.0.0.1 only, so it cannot be reached from outside the guest"; "loopback only")]
#[test_case("firewall", &firewall(),
    "port 9000 listens in the guest, but the node cannot connect: check the firewalls and the guest's address";
    "firewall")]
#[test_case("full_disk", &full_disk(),
    "nothing listens on port 9000; app.service is failed: write: No space left on device; the file system at / is 100 % full";
    "full disk")]
#[test_case("out_of_memory", &out_of_memory(),
    "nothing listens on port 9000; the guest ran out of memory, and the kernel ended `java`"; "out of memory")]
#[test_case("cloud_init", &cloud_init(), "cloud-init failed: "; "cloud-init")]
#[test_case("silent_agent", &silent_agent(), "the guest agent of 103 does not answer: "; "silent agent")]
#[test_case("guest_that_is_off", &guest_that_is_off(), "guest 103 does not run"; "guest that is off")]
#[test_case("missing_mount", &missing_mount(), "`/mnt/ca` is empty and nothing is mounted there"; "missing mount")]
#[test_case("missing_folder", &missing_folder_on_the_host(), "the folder `/srv/ca` does not exist on the host"; "missing folder")]
#[test_case("unavailable", &unavailable(),
    "the server on port 8080 runs and says `migrating the database`: check its log"; "unavailable")]
#[test_case("untrusted", &untrusted(),
    "the server's certificate is not signed by a trusted authority: set `ca_file` to the authority's file";
    "untrusted")]
#[test_case("missing_program", &missing_program(), "`pg_isready` is not installed where the probe runs"; "missing program")]
#[test_case("hanging_command", &hanging_command(),
    "the command was still running and was killed: check what it waits for"; "hanging command")]
#[test_case("marker_from_before", &marker_from_before(), "nothing has written `/srv/ca.ready` since the guest's start"; "marker from before")]
fn the_nearest_cause_is_told_everywhere(name: &str, trouble: &Trouble, cause: &str) {
    let place = Place::empty();
    let (file, text) = configuration(trouble);
    fs::write(place.config().join(file), text.to_string()).unwrap();
    let world = place.beside("world.json");
    let files = &trouble.files;
    fs::write(&world, json!({"guests": {"103": trouble.inside}, "files": files}).to_string()).unwrap();
    let report = place.beside("report.html");
    let options = ["--host", "sim:", "--world", world.to_str().unwrap()];

    let told = place.phoenix(&[&options[..], &["up", "--report", report.to_str().unwrap()]].concat());
    assert_eq!(told.exit, Some(1), "{}", told.all());
    let message = unfolded(&told.stderr);
    assert!(message.contains(cause), "people are told: {cause}\n{}", told.all());

    let data = place.phoenix(&[&options[..], &["--format", "json", "up"]].concat());
    assert_eq!(data.exit, Some(1), "{}", data.all());
    let failure = &data.json()["summary"]["guests"]["103"]["failure"];
    assert!(
        failure["cause"].as_str().is_some_and(|told| told.contains(cause)),
        "programs are told: {cause}\n{failure:#}"
    );
    let text = |section: &Value| section[1].as_str().unwrap().len();
    let evidence: usize = failure["evidence"].as_array().into_iter().flatten().map(text).sum();
    assert!(evidence <= 64 << 10, "{evidence} bytes of evidence");

    let page = fs::read_to_string(report).unwrap();
    let page = page.replace("&#39;", "'").replace("&quot;", "\"");
    assert!(page.contains(cause), "the report tells: {cause}");

    let filters = [(r"[A-Z][a-z][a-z] +\d+ \d\d:\d\d:\d\d", "MOMENT")];
    with_settings!({filters => filters}, { assert_snapshot!(name, failure_in(&told.stderr)) });
}

fn configuration(trouble: &Trouble) -> (&'static str, Value) {
    let network = json!({"ip": "10.0.0.103/24", "gw": "10.0.0.1"});
    match trouble.kind {
        Kind::Container => (
            "phoenix_lxc_configs.json",
            json!({"lxc_configs": {"103": {
                "name": "guest", "template": "local:vztmpl/debian-12.tar.zst", "storage_pool": "local-zfs",
                "storage_size_gb": 8, "state": "running", "health_check": trouble.gates,
                "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": network["ip"], "gw": network["gw"]},
            }}}),
        ),
        Kind::Vm => (
            "phoenix_vm_configs.json",
            json!({"vms": [{
                "vmid": 103, "name": "guest", "template_image": "debian-12-genericcloud-amd64.qcow2",
                "storage_pool": "local-zfs", "state": "running", "network_config": network,
                "health_check": trouble.gates,
            }]}),
        ),
    }
}

/// A message in one line, as it was before it was made to fit the terminal.
fn unfolded(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// From the message of the failure on.
fn failure_in(stderr: &str) -> &str {
    &stderr[stderr.find("error: ").unwrap_or_default()..]
}
