//! One wrong value hides no other fault, and nothing is concluded from what could not be read.

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_config::diagnostic::FileKind;
use phoenix_config::{Loaded, Loader};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};
use test_case::test_case;

fn load(texts: &[(FileKind, &str)]) -> Loaded {
    Loader::new("/nowhere".into()).load_texts(texts.iter().map(|(kind, text)| (*kind, (*text).to_owned())))
}

/// The codes in order, each with the place that it points at.
fn found(loaded: &Loaded) -> Vec<(&'static str, &str)> {
    loaded.diagnostics.iter().map(|diagnostic| (diagnostic.code.as_str(), diagnostic.pointer.as_str())).collect()
}

#[test]
fn all_faults_of_one_guest_come_in_one_run() {
    let loaded = load(&[(
        FileKind::Lxc,
        r#"{"lxc_configs": {
            "100": {"name": "web", "template": "local:a", "memory_mb": "x", "dependencies": [5, "999"], "features": ["no_such_thing"]}
        }}"#,
    )]);
    let expected = [
        ("PHX0107", "/lxc_configs/100/memory_mb"),
        ("PHX0109", "/lxc_configs/100/dependencies/0"),
        ("PHX0202", "/lxc_configs/100/dependencies/1"),
        ("PHX0801", "/lxc_configs/100/features/0"),
    ];
    assert_eq!(found(&loaded), expected);
    let missing = &loaded.diagnostics[2].location;
    let source = &loaded.sources[0];
    assert_eq!(source.text().get(missing.span.start..missing.span.end), Some("\"999\""));
}

#[test]
fn places_are_those_of_what_is_written_after_something_is_left_out() {
    let loaded = load(&[(
        FileKind::Lxc,
        r#"{"lxc_configs": {
            "100": {"name": "web", "template": "local:a", "features": [1, "a", 2, "b"], "dependencies": ["100"],
                    "firewall": {"rules": [{"type": "in", "action": "ACCEPT", "proto": 6}, {"type": "in", "action": "DROP"},
                                           {"type": "in", "action": "DROP"}]}}
        }}"#,
    )]);
    let expected = [
        ("PHX0107", "/lxc_configs/100/features/0"),
        ("PHX0801", "/lxc_configs/100/features/1"),
        ("PHX0107", "/lxc_configs/100/features/2"),
        ("PHX0801", "/lxc_configs/100/features/3"),
        ("PHX0201", "/lxc_configs/100/dependencies/0"),
        ("PHX0107", "/lxc_configs/100/firewall/rules/0/proto"),
        ("PHX0401", "/lxc_configs/100/firewall/rules/2"),
    ];
    assert_eq!(found(&loaded), expected);
}

#[test]
fn faults_of_the_node_hide_none_of_the_guests() {
    let loaded = load(&[
        (
            FileKind::Hypervisor,
            r#"{"helth_check": 1, "network": {"interfaces": {"name": "vmbr0", "address": "10.0.0.13/24", "gateway": 7}}}"#,
        ),
        (
            FileKind::Lxc,
            r#"{"lxc_configs": {"100": {"name": "web", "template": "local:a", "network_config": {"ip": "10.0.1.5/24"}}}}"#,
        ),
    ]);
    let codes: Vec<_> = found(&loaded).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["PHX0105", "PHX0107"], "whether the network is read is not known");
    let loaded = load(&[
        (
            FileKind::Hypervisor,
            r#"{"helth_check": 1, "network": {"interfaces": {"name": "vmbr0", "address": "10.0.0.13/24"}}}"#,
        ),
        (
            FileKind::Lxc,
            r#"{"lxc_configs": {"100": {"name": "web", "template": "local:a", "network_config": {"ip": "10.0.1.5/24"}}}}"#,
        ),
    ]);
    let codes: Vec<_> = found(&loaded).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, ["PHX0105", "PHX0305"]);
}

/// One guest, wrong in one way: nothing else is reported.
#[test_case(r#""template": 5"#, "PHX0107" ; "the template")]
#[test_case(r#""template": "local:a", "health_check": {"command": "true", "retries": "x"}"#, "PHX0107" ; "how long a gate waits")]
#[test_case(r#""template": "local:a", "wait_for": {"tcp": {"port": 0}, "timeout": 5}"#, "PHX0108" ; "a probe")]
#[test_case(r#""template": "local:a", "wait_for": {"tpc": {"port": 80}, "timeout": 5}"#, "PHX0105" ; "the name of a probe")]
#[test_case(r#""template": "local:a", "wait_for": [{"command": "true", "timeout": 5}, {"command": "true", "timeuot": 5}]"#, "PHX0105" ; "the name of a deadline")]
#[test_case(r#""template": "local:a", "firewall": {"rules": [{"type": "in", "action": "DROP", "sorce": "10.0.0.1"}, {"type": "in", "action": "ACCEPT"}]}"#, "PHX0105" ; "the source of a rule")]
#[test_case(r#""template": "local:a", "firewall": {"rules": [{"type": "in", "action": "DROP", "proto": 6, "port": 80}]}"#, "PHX0107" ; "the protocol of a rule")]
#[test_case(r#""template": "local:a", "template": "local:b""#, "PHX0103" ; "a template that stands twice")]
fn nothing_follows_from_what_could_not_be_read_of_a_guest(members: &str, code: &str) {
    let text = format!(r#"{{"lxc_configs": {{"100": {{"name": "web", {members}}}}}}}"#);
    let loaded = load(&[(FileKind::Lxc, &text)]);
    let codes: Vec<_> = found(&loaded).into_iter().map(|(code, _)| code).collect();
    assert_eq!(codes, [code]);
}

/// A guest that is wrong in one way, and one next to it that would be wrong if that were not fixed.
#[test_case(
    r#"{"name": "base", "template": "local:a", "template_snapshot_name": 5}"#,
    r#"{"name": "web", "clone_from_ctid": "100"}"# ; "the snapshot that is cloned")]
#[test_case(
    r#"{"name": "base", "template": "local:a", "storage_size_gb": "4", "template_snapshot_name": "snap"}"#,
    r#"{"name": "web", "clone_from_ctid": "100", "storage_size_gb": 6}"# ; "the size of the source")]
#[test_case(
    r#"{"name": "base", "template": "local:a", "template_snapshot_name": "snap", "unprivileged": 0}"#,
    r#"{"name": "web", "clone_from_ctid": "100", "unprivileged": false}"# ; "the privilege of the source")]
#[test_case(
    r#"{"name": "base", "template": "local:a", "start_at_boot": "yes"}"#,
    r#"{"name": "web", "template": "local:a", "start_at_boot": true, "dependencies": ["100"]}"# ; "whether the dependency runs")]
#[test_case(
    r#"{"name": "ca", "template": "local:a", "mount_points": [{"host_path": "/srv/ssl", "container_path": 5}]}"#,
    r#"{"name": "web", "template": "local:a", "mount_points": [{"host_path": "/srv/ssl", "container_path": "/ssl"}], "wait_for": {"file": "/ssl/ready", "timeout": 9}}"# ; "who writes")]
#[test_case(
    r#"{"name": "ca", "template": "local:a", "mount_points": [{"host_path": "/srv/ssl", "container_path": "/ssl"}]}"#,
    r#"{"name": "web", "template": "local:a", "mount_points": [{"host_path": "/srv/ssl", "container_path": "/ssl"}], "wait_for": {"file": "/ssl/ready", "timeout": 9}, "dependecies": ["100"]}"# ; "who is needed")]
#[test_case(
    r#"{"name": "a", "template": "local:a", "network_config": {"ip": "10.0.0.5/24", "vlan": "7"}}"#,
    r#"{"name": "b", "template": "local:a", "network_config": {"ip": "10.0.0.5/24"}}"# ; "which network")]
fn nothing_follows_for_other_guests(wrong: &str, other: &str) {
    let text = format!(r#"{{"lxc_configs": {{"100": {wrong}, "101": {other}}}}}"#);
    let loaded = load(&[(FileKind::Lxc, &text)]);
    let codes: Vec<_> = found(&loaded).into_iter().map(|(code, _)| code).collect();
    assert!(codes.len() == 1 && codes[0].starts_with("PHX01"), "{:#?}", loaded.diagnostics);
}

const WAITS: &str = r#"{"vms": [{"vmid": 1001, "name": "docker", "template_image": "/a.img", "dependencies": [103],
    "volumes": [{"server": "10.0.0.13", "path": "/srv/ssl", "mount_point": "/ssl"}, {"path": "/srv/own", "mount_point": "/own"}],
    "wait_for": {"file": "/ssl/ready", "timeout": 9}}]}"#;
const WRITES: &str = r#"{"lxc_configs": {"103": {"name": "ca", "template": "local:a",
    "mount_points": [{"host_path": "/srv/ssl", "container_path": "/ssl"}]}}}"#;
const NODE: &str = r#"{"network": {"nfs_server": "10.0.0.13"}, "shared_volumes": {"ssl": {"host_path": "/srv", "mounts": {"103": "/own"}}}}"#;

#[test]
fn together_they_are_in_order() {
    assert_eq!(found(&load(&[(FileKind::Vm, WAITS), (FileKind::Lxc, WRITES), (FileKind::Hypervisor, NODE)])), []);
}

#[test_case(FileKind::Vm)]
#[test_case(FileKind::Lxc)]
#[test_case(FileKind::Hypervisor)]
fn nothing_follows_from_a_file_that_is_broken(broken: FileKind) {
    let texts = [(FileKind::Vm, WAITS), (FileKind::Lxc, WRITES), (FileKind::Hypervisor, NODE)];
    for text in ["{", "[]", "{\"a\" 1}"] {
        let loaded = load(&texts.map(|(kind, whole)| (kind, if kind == broken { text } else { whole })));
        assert_eq!(loaded.diagnostics.len(), 1, "{:#?}", loaded.diagnostics);
    }
}

#[test_case(FileKind::Vm)]
#[test_case(FileKind::Lxc)]
#[test_case(FileKind::Hypervisor)]
fn nothing_follows_from_a_file_that_cannot_be_read(unreadable: FileKind) {
    let folder = tempfile::tempdir().unwrap();
    let dir = Utf8Path::from_path(folder.path()).unwrap();
    for (kind, text) in [(FileKind::Vm, WAITS), (FileKind::Lxc, WRITES), (FileKind::Hypervisor, NODE)] {
        let path = dir.join(kind.file_name());
        if kind == unreadable { std::fs::create_dir(path).unwrap() } else { std::fs::write(path, text).unwrap() }
    }
    let loaded = phoenix_config::load(dir);
    assert_eq!(loaded.diagnostics.len(), 1, "{:#?}", loaded.diagnostics);
}

#[test_case(r#"{"lxc_configs": {"1o3": {"name": "ca", "template": "local:a"}}}"# ; "an id that is none")]
#[test_case(r#"{"lxc_configs": []}"# ; "guests that are none")]
#[test_case(r#"{"lxc_configs": {}, "lxc_configs": {"103": {"name": "ca", "template": "local:a"}}}"# ; "guests that stand twice")]
fn nothing_follows_from_guests_that_could_not_be_read(lxc: &str) {
    let loaded = load(&[(FileKind::Vm, WAITS), (FileKind::Lxc, lxc), (FileKind::Hypervisor, NODE)]);
    assert_eq!(loaded.diagnostics.len(), 1, "{:#?}", loaded.diagnostics);
}

#[test]
fn a_vm_whose_id_cannot_be_read_is_looked_at_all_the_same() {
    let loaded = load(&[(
        FileKind::Vm,
        r#"{"vms": [{"vmid": "12x", "name": "docker", "template_image": "/a.img", "features": ["no_such_thing"]},
                    {"vmid": 1000, "name": "other", "template_image": "/a.img", "dependencies": [123]}]}"#,
    )]);
    assert_eq!(found(&loaded), [("PHX0109", "/vms/0/vmid"), ("PHX0801", "/vms/0/features/0")]);
}

/// Every value inside a document, as a JSON pointer, in order.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut inside = |key: &str, inner: &Value| {
        let at = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        found.push(at.clone());
        pointers(inner, &at, found);
    };
    match value {
        Value::Object(members) => members.iter().for_each(|(key, inner)| inside(key, inner)),
        Value::Array(items) => items.iter().enumerate().for_each(|(index, inner)| inside(&index.to_string(), inner)),
        _ => {}
    }
}

/// An example that runs, with one change made in one of its files.
struct Example {
    dir: Utf8PathBuf,
    files: Vec<(FileKind, Value)>,
}

impl Example {
    fn new(name: &str) -> Self {
        let dir = Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
        let read = |kind: FileKind| {
            let text = std::fs::read_to_string(dir.join(kind.file_name())).unwrap();
            (kind, serde_json::from_str(&text).unwrap())
        };
        Self { files: FileKind::ALL.map(read).to_vec(), dir }
    }

    fn pointers(&self) -> Vec<(usize, String)> {
        let mut all = Vec::new();
        for (index, (_, document)) in self.files.iter().enumerate() {
            let mut found = Vec::new();
            pointers(document, "", &mut found);
            all.extend(found.into_iter().map(|pointer| (index, pointer)));
        }
        all
    }

    /// The texts with that file changed at that place; nothing when the change changes nothing.
    fn changed(&self, file: usize, change: impl FnOnce(&mut Value)) -> Loaded {
        let mut files = self.files.clone();
        change(&mut files[file].1);
        Loader::new(&self.dir).load_texts(files.into_iter().map(|(kind, document)| (kind, document.to_string())))
    }
}

/// What is told about the form alone: everything else follows from what could not be read.
fn of_form(loaded: &Loaded) -> bool {
    loaded.errors() > 0 && loaded.diagnostics.iter().all(|diagnostic| diagnostic.code.as_str().starts_with("PHX01"))
}

fn told(pointer: &str, loaded: &Loaded) -> String {
    let all: Vec<String> =
        loaded.diagnostics.iter().map(|diagnostic| format!("{} {}", diagnostic.pointer, diagnostic.message)).collect();
    format!("{pointer}: {}", all.join("; "))
}

#[test_case("step-ca")]
#[test_case("ai-lab/plain")]
fn nothing_follows_from_any_value_of_the_wrong_form(name: &str) {
    let example = Example::new(name);
    assert_eq!(found(&example.changed(0, |_| {})), []);
    let (mut wrong, mut followed) = (0, Vec::new());
    for (file, pointer) in example.pointers() {
        let loaded = example.changed(file, |document| *document.pointer_mut(&pointer).unwrap() = json!({"zzz": 1}));
        // A guest of which nothing is left is wrong in many ways; and some values are somebody else's, of any form.
        let guest =
            (pointer.starts_with("/lxc_configs/") || pointer.starts_with("/vms/")) && pointer.matches('/').count() == 2;
        if guest {
            continue;
        }
        let free = ["vllm_engine_config", "x-"].iter().any(|key| pointer.contains(key));
        wrong += usize::from(loaded.errors() > 0);
        if !of_form(&loaded) && (!free || loaded.errors() > 0) {
            followed.push(told(&pointer, &loaded));
        }
    }
    assert_eq!(followed, [""; 0]);
    assert!(wrong > 150, "{wrong}");
}

#[test_case("step-ca")]
#[test_case("ai-lab/plain")]
fn nothing_follows_from_any_key_that_is_misspelt(name: &str) {
    let example = Example::new(name);
    let (mut wrong, mut followed) = (0, Vec::new());
    for (file, pointer) in example.pointers() {
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        let mut changed = false;
        let loaded = example.changed(file, |document| {
            if let Some(Value::Object(members)) = document.pointer_mut(parent) {
                let value = members.remove(key).unwrap();
                members.insert(format!("{key}q"), value);
                changed = true;
            }
        });
        // Names of directories and suites are free.
        let free = pointer.starts_with("/shared_volumes/") || pointer.contains("vllm_engine_config") || !changed;
        wrong += usize::from(loaded.errors() > 0);
        if !of_form(&loaded) && !free {
            followed.push(told(&pointer, &loaded));
        }
    }
    assert_eq!(followed, [""; 0]);
    assert!(wrong > 100, "{wrong}");
}
