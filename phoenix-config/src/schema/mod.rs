//! JSON Schemas of the dialect, and the thorough look at what the types refuse.
//!
//! The schemas are made from the types that read the files, so the two cannot disagree; a property test holds them together.
//! They are draft 2020-12, closed but for keys that begin with `x-`.
//!
//! ```
//! use phoenix_config::schema::{SchemaKind, schema};
//!
//! let lxc = schema(SchemaKind::Lxc);
//! assert_eq!(lxc["$schema"], "https://json-schema.org/draft/2020-12/schema");
//! assert!(lxc["$defs"]["ContainerEntry"]["properties"]["health_check"].is_object());
//! ```

mod examine;
mod explain;
mod fleet;
mod foreign;
mod rest;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

pub(crate) use examine::{Examined, examine_frame, examine_guest, unreadable, vmid};
pub(crate) use rest::Rest;

use crate::diagnostic::FileKind;
use crate::dialect::{ContainerEntry, HypervisorEntry, LxcFrame, VmEntry, VmFrame};

/// Which of the files a schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaKind {
    /// `phoenix_lxc_configs.json`.
    Lxc,
    /// `phoenix_vm_configs.json`.
    Vm,
    /// `phoenix_hypervisor_config.json`.
    Hypervisor,
    /// `phoenix.yaml`, and any other file that holds everything.
    Fleet,
}

impl SchemaKind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Lxc, Self::Vm, Self::Hypervisor, Self::Fleet];

    /// The word that stands for it on the command line and in file names: `lxc`, `vm`, `hypervisor`, `fleet`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lxc => "lxc",
            Self::Vm => "vm",
            Self::Hypervisor => "hypervisor",
            Self::Fleet => "fleet",
        }
    }

    /// The name of the generated file below `schemas/`.
    #[must_use]
    pub fn file_name(self) -> String {
        format!("{}.schema.json", self.word())
    }
}

/// Where the Debian package puts the schemas.
const INSTALLED: &str = "file:///usr/share/phoenix/schemas";

/// The JSON Schema (draft 2020-12) of a file.
#[must_use]
pub fn schema(kind: SchemaKind) -> Value {
    match kind {
        SchemaKind::Lxc => document::<LxcFrame>(kind, |generator, root| {
            let container = generator.subschema_for::<ContainerEntry>();
            root["properties"]["lxc_configs"] = json!({
                "description": "The containers by id: 100 to 999999999, in one space with the VMs.",
                "type": "object",
                "patternProperties": {"^[1-9][0-9]{2,8}$": container, "^x-": {"description": "Yours: Phoenix does not read it."}},
                "additionalProperties": false,
            });
        }),
        SchemaKind::Vm => document::<VmFrame>(kind, |generator, root| {
            let vm = generator.subschema_for::<VmEntry>();
            root["properties"]["vms"] = json!({"description": "The VMs.", "type": "array", "items": vm});
        }),
        SchemaKind::Hypervisor => document::<HypervisorEntry>(kind, |_, _| {}),
        SchemaKind::Fleet => fleet::fleet(),
    }
}

fn document<T: JsonSchema>(kind: SchemaKind, complete: impl FnOnce(&mut SchemaGenerator, &mut Value)) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let mut root = T::json_schema(&mut generator).to_value();
    complete(&mut generator, &mut root);
    let definitions = generator.take_definitions(true);
    let mut document = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("{INSTALLED}/{}", kind.file_name()),
        "title": format!("Phoenix {}", kind.word()),
    });
    if let (Value::Object(document), Value::Object(root)) = (&mut document, root) {
        document.extend(root);
        if !definitions.is_empty() {
            document.insert("$defs".to_owned(), Value::Object(definitions));
        }
    }
    document
}

/// A compiled schema with its text, for messages.
struct Compiled {
    root: Value,
    validator: jsonschema::Validator,
}

impl Compiled {
    fn new(root: Value) -> Self {
        let validator = jsonschema::validator_for(&root).expect("our schemas are schemas: a test compiles each");
        Self { root, validator }
    }
}

/// What is checked against a schema of its own: each guest, and each file without its guests.
#[derive(Debug, Clone, Copy)]
enum Part {
    Guest(FileKind),
    Frame(FileKind),
}

fn compiled(part: Part) -> &'static Compiled {
    static CONTAINER: OnceLock<Compiled> = OnceLock::new();
    static VM: OnceLock<Compiled> = OnceLock::new();
    static LXC_FRAME: OnceLock<Compiled> = OnceLock::new();
    static VM_FRAME: OnceLock<Compiled> = OnceLock::new();
    static HYPERVISOR: OnceLock<Compiled> = OnceLock::new();
    match part {
        Part::Guest(FileKind::Vm) => VM.get_or_init(|| Compiled::new(document::<VmEntry>(SchemaKind::Vm, |_, _| {}))),
        Part::Guest(_) => {
            CONTAINER.get_or_init(|| Compiled::new(document::<ContainerEntry>(SchemaKind::Lxc, |_, _| {})))
        }
        Part::Frame(FileKind::Lxc) => LXC_FRAME.get_or_init(|| {
            Compiled::new(document::<LxcFrame>(SchemaKind::Lxc, |_, root| {
                root["properties"]["lxc_configs"] = json!({});
            }))
        }),
        Part::Frame(FileKind::Vm) => VM_FRAME.get_or_init(|| {
            Compiled::new(document::<VmFrame>(SchemaKind::Vm, |_, root| {
                root["properties"]["vms"] = json!({});
            }))
        }),
        Part::Frame(FileKind::Hypervisor) => {
            HYPERVISOR.get_or_init(|| Compiled::new(document::<HypervisorEntry>(SchemaKind::Hypervisor, |_, _| {})))
        }
    }
}
