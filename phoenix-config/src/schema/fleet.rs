//! The schema of a file that holds everything: the three documents in one, with profiles, variables and includes.

use schemars::JsonSchema as _;
use serde_json::{Map, Value, json};

use super::{SchemaKind, document};
use crate::dialect::{ContainerEntry, HypervisorEntry, LxcFrame, VmEntry, VmFrame};

const EXTENDS: &str = "extends";

/// The schema. Any value may be `${…}`, nothing is required that a profile could give, and lists may be changed.
pub(super) fn fleet() -> Value {
    let mut whole = document::<LxcFrame>(SchemaKind::Fleet, |generator, root| {
        let frame = VmFrame::json_schema(generator).to_value();
        let container = generator.subschema_for::<ContainerEntry>();
        let vm = generator.subschema_for::<VmEntry>();
        let hypervisor = generator.subschema_for::<HypervisorEntry>();
        let guests = |guest: &Value, what: &str| {
            json!({
                "description": format!("The {what} by id, or several as a range such as `801..805`."),
                "type": "object",
                "patternProperties": {r"^[1-9][0-9]{2,8}( *\.\. *[1-9][0-9]{2,8})?$": guest, "^x-": {}},
                "additionalProperties": false,
            })
        };
        let (container, vm) = (container.to_value(), vm.to_value());
        let names = json!({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]});
        let include = json!({"anyOf": [{"type": "string"}, {
            "type": "object",
            "properties": {"path": {"type": "string"}, "vars": {"type": "object"}},
            "required": ["path"],
            "additionalProperties": false,
        }]});
        let one_or_many = |one: &Value| json!({"anyOf": [one, {"type": "array", "items": one}]});
        let own = [
            ("hypervisor", hypervisor.to_value()),
            ("lxc_configs", guests(&container, "containers")),
            ("lxc", guests(&container, "containers")),
            ("vms", json!({"anyOf": [guests(&vm, "VMs"), {"type": "array", "items": vm}]})),
            (
                "profiles",
                json!({
                    "description": "Keys that several guests share with `extends`.",
                    "type": "object",
                    "additionalProperties": {"$ref": "#/$defs/Profile"},
                }),
            ),
            (
                "vars",
                json!({
                    "description": "Variables for `${name}`.",
                    "type": "object",
                    "additionalProperties": {"$ref": "#/$defs/Variable"},
                }),
            ),
            ("include", one_or_many(&include)),
            ("overlays", names.clone()),
        ];
        if let Some(properties) = root["properties"].as_object_mut() {
            if let Some(frame) = frame["properties"].as_object() {
                properties.extend(frame.clone());
            }
            properties.extend(own.map(|(key, schema)| (key.to_owned(), schema)));
        }
    });
    let definitions = whole["$defs"].take();
    let mut definitions = definitions.as_object().cloned().unwrap_or_default();
    let mut profile =
        json!({"type": "object", "properties": {}, "patternProperties": {"^x-": {}}, "additionalProperties": false});
    for guest in ["ContainerEntry", "VmEntry"] {
        let Some(properties) = definitions.get_mut(guest).and_then(|guest| guest["properties"].as_object_mut()) else {
            continue;
        };
        properties.insert(
            EXTENDS.to_owned(),
            json!({
                "description": "The profiles of the guest. A later profile overrides an earlier one; the guest's own keys override all profiles.",
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}],
            }),
        );
        for (key, schema) in properties.iter().filter(|(key, _)| *key != "vmid") {
            match profile["properties"].get_mut(key) {
                None => profile["properties"][key] = schema.clone(),
                Some(other) if other == schema => {}
                Some(other) => *other = json!({"anyOf": [other.clone(), schema]}),
            }
        }
    }
    definitions.insert("Profile".to_owned(), profile);
    definitions.values_mut().for_each(loosen);
    definitions.insert("Filled".to_owned(), json!({"type": "string", "pattern": r"\$\{"}));
    definitions.insert(
        "Changed".to_owned(),
        json!({
            "type": "object",
            "properties": {"+": {"type": "array"}, "-": {"type": "array"}},
            "additionalProperties": false,
            "minProperties": 1,
        }),
    );
    definitions.insert("Variable".to_owned(), variable());
    whole["$defs"] = Value::Object(definitions);
    if let Some(whole) = whole.as_object_mut() {
        whole.remove("required");
    }
    whole
}

fn variable() -> Value {
    let scalar = json!({"type": ["string", "number", "boolean"]});
    json!({"anyOf": [scalar, {
        "type": "object",
        "properties": {
            "default": {"description": "The default value.", "type": ["string", "number", "boolean"]},
            "type": {"enum": ["string", "integer", "number", "boolean"]},
            "description": {"type": "string"},
            "pattern": {"description": "A regular expression, or `ipv4`, `ipv6`, `cidr`, `hostname` or `mac`.", "type": "string"},
            "one_of": {"type": "array"},
            "minimum": {"type": "number"},
            "maximum": {"type": "number"},
            "env": {"description": "The environment variable with its value.", "type": "string"},
            "secret": {"description": "The source of the secret."},
        },
        "patternProperties": {"^x-": {}},
        "additionalProperties": false,
    }]})
}

/// Lets values be `${…}`, lists be changes, keys be removed and be missing.
fn loosen(schema: &mut Value) {
    let Some(members) = schema.as_object_mut() else {
        if let Value::Array(items) = schema {
            items.iter_mut().for_each(loosen);
        }
        return;
    };
    members.values_mut().for_each(loosen);
    if let Some(items) = members.get_mut("items") {
        *items = any_of(&items.take(), None);
    }
    let closed = members.contains_key("additionalProperties");
    if let (true, Some(Value::Object(properties))) = (closed, members.get_mut("properties")) {
        for property in properties.values_mut() {
            let description = property.get("description").cloned();
            *property = any_of(&property.take(), description);
        }
        members.remove("required");
    }
}

fn any_of(schema: &Value, description: Option<Value>) -> Value {
    let mut loose = Map::new();
    loose.extend(description.map(|text| ("description".to_owned(), text)));
    let choices = json!([schema, {"$ref": "#/$defs/Filled"}, {"$ref": "#/$defs/Changed"}, {"type": "null"}]);
    loose.insert("anyOf".to_owned(), choices);
    Value::Object(loose)
}
