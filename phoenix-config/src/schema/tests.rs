//! The schemas and the types accept the same documents.

use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Part, SchemaKind, compiled, schema};
use crate::diagnostic::{Code, FileKind};
use crate::dialect::{ContainerEntry, HypervisorEntry, LxcFrame, VmEntry, VmFrame};

/// A document with every key, but for keys that exclude each other only in meaning.
fn complete(name: &str) -> Value {
    let text = match name {
        "container" => include_str!("../../tests/complete/container.json"),
        "gate" => include_str!("../../tests/complete/gate.json"),
        "vm" => include_str!("../../tests/complete/vm.json"),
        "lxc_frame" => include_str!("../../tests/complete/lxc_frame.json"),
        "vm_frame" => include_str!("../../tests/complete/vm_frame.json"),
        _ => include_str!("../../tests/complete/hypervisor.json"),
    };
    serde_json::from_str(text).unwrap()
}

/// Values that are right somewhere and wrong elsewhere.
const VALUES: &str = include_str!("../../tests/complete/values.json");

/// Keys that are right somewhere.
const KEYS: [&str; 14] = [
    "x-a", "X-a", "zzz", "name", "port", "path", "ip", "retries", "firewall", "comment", "$schema", "file", "x-",
    "type",
];

/// One change of a document: which of its values, and what happens to it.
type Change = (prop::sample::Index, u8, prop::sample::Index);

/// All values inside, in order.
fn count(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(count).sum(),
        Value::Object(members) => members.values().map(count).sum(),
        _ => 0,
    }
}

fn nth(value: &mut Value, mut index: usize) -> &mut Value {
    if index == 0 {
        return value;
    }
    index -= 1;
    let inner: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(members) => members.values_mut().collect(),
        _ => unreachable!("the count of values says that there are more"),
    };
    for item in inner {
        let size = count(item);
        if index < size {
            return nth(item, index);
        }
        index -= size;
    }
    unreachable!("the count of values says that there are more")
}

fn change(document: &mut Value, (which, what, with): &Change) {
    let values: Vec<Value> = serde_json::from_str(VALUES).unwrap();
    let size = count(document);
    let value = nth(document, which.index(size));
    match (what % 5, value) {
        (0, value) => *value = values[with.index(values.len())].clone(),
        (1, Value::Object(members)) if !members.is_empty() => {
            let key = members.keys().nth(with.index(members.len())).unwrap().clone();
            members.remove(&key);
        }
        (2, Value::Object(members)) => {
            members.insert(KEYS[with.index(KEYS.len())].to_owned(), values[with.index(values.len())].clone());
        }
        (3, value) => *value = json!([value.clone()]),
        (_, Value::String(text)) => {
            text.push(['a', 'Z', '0', ' ', ',', ':', '/', '.', '-', '_', '\n', 'é'][with.index(12)]);
        }
        (_, Value::Number(number)) => *number = serde_json::Number::from(number.as_u64().unwrap_or(7).wrapping_mul(10)),
        (_, Value::Array(items)) if !items.is_empty() => {
            items.remove(with.index(items.len()));
        }
        _ => {}
    }
}

fn changes() -> impl Strategy<Value = Vec<Change>> {
    prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<prop::sample::Index>()), 1..4)
}

/// Both agree about the document.
fn agree<T: DeserializeOwned>(part: Part, document: &Value) -> Result<(), TestCaseError> {
    let by_type = serde_json::from_str::<T>(&document.to_string());
    let faults: Vec<String> = compiled(part)
        .validator
        .iter_errors(document)
        .map(|fault| format!("{fault} at {}", fault.instance_path()))
        .collect();
    prop_assert_eq!(
        by_type.is_ok(),
        faults.is_empty(),
        "types: {:?}\nschema: {:?}\n{}",
        by_type.err(),
        faults,
        document
    );
    Ok(())
}

fn changed(mut document: Value, changes: &[Change]) -> Value {
    for one in changes {
        change(&mut document, one);
    }
    document
}

#[test]
fn documents_with_every_key_are_accepted() {
    agree::<ContainerEntry>(Part::Guest(FileKind::Lxc), &complete("container")).unwrap();
    agree::<VmEntry>(Part::Guest(FileKind::Vm), &complete("vm")).unwrap();
    agree::<HypervisorEntry>(Part::Frame(FileKind::Hypervisor), &complete("hypervisor")).unwrap();
    assert!(serde_json::from_value::<ContainerEntry>(complete("container")).is_ok());
    assert!(serde_json::from_value::<VmEntry>(complete("vm")).is_ok());
    assert!(serde_json::from_value::<HypervisorEntry>(complete("hypervisor")).is_ok());
}

#[test]
fn these_documents_have_every_key() {
    for (kind, part, document) in [
        (SchemaKind::Lxc, "/$defs/ContainerEntry", complete("container")),
        (SchemaKind::Vm, "/$defs/VmEntry", complete("vm")),
        (SchemaKind::Hypervisor, "", complete("hypervisor")),
        (SchemaKind::Vm, "/$defs/GateEntry", complete("gate")),
    ] {
        let schema = schema(kind);
        let keys = schema.pointer(part).unwrap()["properties"].as_object().unwrap();
        for key in keys.keys() {
            assert!(document.get(key).is_some(), "{key} is not in the document");
        }
    }
}

/// A file that holds everything, before it is expanded, as JSON.
fn unexpanded(text: &str) -> Value {
    serde_json::from_str(&crate::expand::yaml_as_json(text).unwrap()).unwrap()
}

#[test]
fn the_schema_of_whole_files_takes_the_short_example_and_nothing_that_is_wrong() {
    let validator = jsonschema::validator_for(&schema(SchemaKind::Fleet)).unwrap();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/ai-lab/phoenix.yaml");
    let text = std::fs::read_to_string(example).unwrap();
    let faults: Vec<String> = validator.iter_errors(&unexpanded(&text)).map(|fault| fault.to_string()).collect();
    assert_eq!(faults, [""; 0]);
    for (right, wrong) in [
        ("boot_order: 6", "boot_order: six"),
        ("features: [nvidia, model_server]", "featrues: [nvidia, model_server]"),
        ("gpu: { gpu", "gpu: { gqu"),
        ("lxc_configs:", "containers:"),
        ("gw: 10.30.0.1", "gw: [10.30.0.1]"),
    ] {
        assert!(text.contains(right), "{right}");
        assert!(!validator.is_valid(&unexpanded(&text.replacen(right, wrong, 1))), "{wrong}");
    }
}

#[test]
fn schemas_are_schemas() {
    for kind in SchemaKind::ALL {
        let schema = schema(kind);
        assert!(jsonschema::meta::is_valid(&schema), "{kind:?}");
        assert!(jsonschema::validator_for(&schema).is_ok(), "{kind:?}");
    }
}

/// Where values of different keys stand, each key once.
fn kinds_of_places(document: &Value) -> Vec<usize> {
    fn walk(value: &Value, name: &str, next: &mut usize, found: &mut std::collections::BTreeMap<String, usize>) {
        let index = *next;
        *next += 1;
        found.entry(name.to_owned()).or_insert(index);
        match value {
            Value::Array(items) => items.iter().for_each(|item| walk(item, &format!("{name}[]"), next, found)),
            Value::Object(members) => {
                // The gates and probes inside each other are all alike.
                let around = name.rsplit('.').next().unwrap_or(name);
                members.iter().for_each(|(key, inner)| walk(inner, &format!("{around}.{key}"), next, found));
            }
            _ => {}
        }
    }
    let mut found = std::collections::BTreeMap::new();
    walk(document, "", &mut 0, &mut found);
    found.into_values().collect()
}

/// Values at every kind of place: at each of them another third of all, so that every value comes to every few places. (All of
/// them everywhere agree too, and take a minute.)
fn agree_everywhere<T: DeserializeOwned>(part: Part, document: &Value) {
    let values: Vec<Value> = serde_json::from_str(VALUES).unwrap();
    for place in kinds_of_places(document) {
        for value in values.iter().skip(place % 3).step_by(3) {
            let mut changed = document.clone();
            *nth(&mut changed, place) = value.clone();
            agree::<T>(part, &changed).unwrap();
        }
    }
}

#[test]
fn values_at_every_place_of_a_container() {
    let mut document = complete("container");
    for key in ["health_checks", "wait_for", "health_check"] {
        document.as_object_mut().unwrap().remove(key);
    }
    agree_everywhere::<ContainerEntry>(Part::Guest(FileKind::Lxc), &document);
}

#[test]
fn values_at_every_place_of_a_vm() {
    let mut document = complete("vm");
    for key in ["health_checks", "wait_for", "health_check", "firewall"] {
        document.as_object_mut().unwrap().remove(key);
    }
    agree_everywhere::<VmEntry>(Part::Guest(FileKind::Vm), &document);
}

#[test]
fn values_at_every_place_of_a_gate() {
    agree_everywhere::<VmEntry>(
        Part::Guest(FileKind::Vm),
        &json!({"vmid": 100, "name": "a", "wait_for": complete("gate")}),
    );
}

#[test]
fn values_at_every_place_of_the_node() {
    agree_everywhere::<HypervisorEntry>(Part::Frame(FileKind::Hypervisor), &complete("hypervisor"));
    agree_everywhere::<LxcFrame>(Part::Frame(FileKind::Lxc), &complete("lxc_frame"));
    agree_everywhere::<VmFrame>(Part::Frame(FileKind::Vm), &complete("vm_frame"));
}

proptest! {

    #[test]
    fn containers(changes in changes()) {
        agree::<ContainerEntry>(Part::Guest(FileKind::Lxc), &changed(complete("container"), &changes))?;
    }

    #[test]
    fn vms(changes in changes()) {
        agree::<VmEntry>(Part::Guest(FileKind::Vm), &changed(complete("vm"), &changes))?;
    }

    #[test]
    fn gates(changes in changes()) {
        let document = json!({"vmid": 100, "name": "a", "wait_for": changed(complete("gate"), &changes)});
        agree::<VmEntry>(Part::Guest(FileKind::Vm), &document)?;
    }

    #[test]
    fn hypervisors(changes in changes()) {
        agree::<HypervisorEntry>(Part::Frame(FileKind::Hypervisor), &changed(complete("hypervisor"), &changes))?;
    }

    #[test]
    fn frames(changes in changes()) {
        agree::<LxcFrame>(Part::Frame(FileKind::Lxc), &changed(complete("lxc_frame"), &changes))?;
        agree::<VmFrame>(Part::Frame(FileKind::Vm), &changed(complete("vm_frame"), &changes))?;
    }

    /// What the types accept is resolved and looked at by every rule, and told nothing about its form; what they refuse is
    /// told at least one fault.
    #[test]
    fn wild_fleets_are_answered(guest in changes(), machine in changes(), node in changes()) {
        let without = |name: &str, keys: &[&str]| {
            let mut document = complete(name);
            keys.iter().for_each(|key| { document.as_object_mut().and_then(|members| members.remove(*key)); });
            document
        };
        let guest = changed(without("container", &["clone_from_ctid", "health_checks", "health_check", "wait_for"]), &guest);
        let machine = changed(without("vm", &["template_image", "health_checks", "health_check"]), &machine);
        let node = changed(complete("hypervisor"), &node);
        let accepted = serde_json::from_str::<ContainerEntry>(&guest.to_string()).is_ok()
            && serde_json::from_str::<VmEntry>(&machine.to_string()).is_ok()
            && serde_json::from_str::<HypervisorEntry>(&node.to_string()).is_ok();
        let texts = [
            (FileKind::Lxc, json!({"lxc_configs": {"100": guest, "103": {"name": "ca", "template": "local:a"}}}).to_string()),
            (FileKind::Vm, json!({"vms": [machine, {"vmid": 9000, "name": "image", "template_image": "noble-server-cloudimg-amd64.img", "is_template": true}]}).to_string()),
            (FileKind::Hypervisor, node.to_string()),
        ];
        let loaded = crate::Loader::new("/nowhere".into()).load_texts(texts);
        let form = [Code::NotJson, Code::UnknownKey, Code::MissingKey, Code::WrongType];
        let found: Vec<String> =
            loaded.diagnostics.iter().filter(|diagnostic| form.contains(&diagnostic.code)).map(ToString::to_string).collect();
        prop_assert!(accepted || loaded.errors() > 0);
        prop_assert!(!accepted || found.is_empty(), "{:?}", found);
        prop_assert_eq!(loaded.fleet.is_some(), loaded.errors() == 0);
    }
}
