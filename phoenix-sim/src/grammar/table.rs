//! The option tables of the real tools, read once from `data/` and turned into lookup structures.
//!
//! The tables were taken from the tools themselves (pve-container 6.1.10, qemu-server 9.2.6, pve-storage 9.1.7,
//! pve-manager 9.2.11, pve-firewall 6.0.4, pve-ha-manager 5.2.0). `net[n]` with `index_max` stands for `net0`…`netN`.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use phoenix_sim_guest::ground::NODE;
use serde::Deserialize;

use super::getopt::OptionTable;
use super::properties::{Kind, Mapping, Property, Schema};
use super::tool::Tool;
use super::tree::{Command, Endpoint, Node, Part};
use super::usage;

fn part(text: &str) -> Part {
    match text.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
        Some(name) => Part::Param(name.to_owned()),
        None => Part::Fixed(text.to_owned()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawCommand {
    alias_of: Option<String>,
    #[serde(default)]
    class: String,
    #[serde(default)]
    method: String,
    #[serde(default)]
    positional: Vec<String>,
    #[serde(default)]
    node_preset: bool,
    #[serde(default)]
    preset: BTreeMap<String, String>,
    #[serde(default)]
    formatter: bool,
    #[serde(default)]
    options: BTreeMap<String, Property>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawEndpoint {
    method: String,
    #[serde(default)]
    any: bool,
    options: BTreeMap<String, Property>,
}

/// The command words of a tool, read at the first call; none for pvesh, whose options come from endpoints.
pub(crate) fn commands(tool: Tool) -> Option<&'static BTreeMap<String, Node>> {
    type Table = OnceLock<BTreeMap<String, Node>>;
    static TABLES: [Table; 5] = [const { OnceLock::new() }; 5];
    let [pct, qm, pvesm, pveam, ha] = &TABLES;
    let (table, text) = match tool {
        Tool::Pct => (pct, include_str!("../../data/pct.json")),
        Tool::Qm => (qm, include_str!("../../data/qm.json")),
        Tool::Pvesm => (pvesm, include_str!("../../data/pvesm.json")),
        Tool::Pveam => (pveam, include_str!("../../data/pveam.json")),
        Tool::HaManager => (ha, include_str!("../../data/ha-manager.json")),
        Tool::Pvesh => return None,
    };
    Some(table.get_or_init(|| tree(tool, read(text))))
}

/// The keys of property strings by format, read at the first call.
pub(crate) fn formats() -> &'static BTreeMap<String, Schema> {
    static FORMATS: OnceLock<BTreeMap<String, Schema>> = OnceLock::new();
    FORMATS.get_or_init(|| {
        let raw: BTreeMap<String, BTreeMap<String, Property>> = read(include_str!("../../data/formats.json"));
        raw.into_iter().map(|(name, raw)| (name, Schema::new(raw))).collect()
    })
}

/// The endpoints of the API, read at the first call.
pub(crate) fn endpoints() -> &'static [Endpoint] {
    static ENDPOINTS: OnceLock<Vec<Endpoint>> = OnceLock::new();
    ENDPOINTS.get_or_init(|| {
        let texts = [include_str!("../../data/pvesh.json"), include_str!("../../data/pvesh-cluster.json")];
        let raw = texts.into_iter().flat_map(read::<BTreeMap<String, RawEndpoint>>);
        raw.filter_map(|(key, raw)| {
            let (verb, template) = key.split_once(' ')?;
            Some(Endpoint {
                verb: verb.to_owned(),
                template: template.to_owned(),
                parts: template.split('/').filter(|text| !text.is_empty()).map(part).collect(),
                command: OnceLock::new(),
                method: raw.method,
                schema: Schema::new(raw.options),
                open: raw.any,
            })
        })
        .collect()
    })
}

/// Reads one embedded table.
fn read<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).expect("the embedded tables are part of this program and read by its tests")
}

fn tree(tool: Tool, raw: BTreeMap<String, RawCommand>) -> BTreeMap<String, Node> {
    let mut root = BTreeMap::new();
    for (name, raw) in raw {
        let node = match &raw.alias_of {
            Some(target) => Node::Alias(target.split(' ').map(str::to_owned).collect()),
            None => Node::Command(Box::new(command(tool, &name, raw))),
        };
        insert(&mut root, &name, node);
    }
    insert(&mut root, "help", Node::Command(Box::new(help(tool))));
    root
}

fn insert(group: &mut BTreeMap<String, Node>, path: &str, node: Node) {
    match path.split_once(' ') {
        None => {
            group.insert(path.to_owned(), node);
        }
        Some((first, rest)) => {
            let inner = group.entry(first.to_owned()).or_insert_with(|| Node::Group(BTreeMap::new()));
            if let Node::Group(inner) = inner {
                insert(inner, rest, node);
            }
        }
    }
}

fn command(tool: Tool, name: &str, raw: RawCommand) -> Command {
    let mut fixed = raw.preset;
    if raw.node_preset {
        fixed.insert("node".to_owned(), NODE.to_owned());
    }
    let schema = Schema::new(raw.options);
    let mappings = mappings(tool, &raw.method, &schema);
    let options = OptionTable::new(&schema, &fixed, &mappings);
    let mut command = Command {
        name: name.to_owned(),
        class: raw.class,
        method: raw.method,
        positional: raw.positional,
        fixed,
        schema,
        options,
        mappings,
        formatter: raw.formatter,
        usage: Arc::from(""),
    };
    command.usage = usage::line(&format!("{tool} {name}"), &command).into();
    command
}

/// The `help` command, which every tool has (`PVE::CLIHandler`).
fn help(tool: Tool) -> Command {
    let raw = RawCommand {
        alias_of: None,
        class: "PVE::CLIHandler".to_owned(),
        method: "help".to_owned(),
        positional: vec!["extra-args".to_owned()],
        node_preset: false,
        preset: BTreeMap::new(),
        formatter: false,
        options: BTreeMap::from([
            ("extra-args".to_owned(), Property::optional(Kind::Array)),
            ("verbose".to_owned(), Property::optional(Kind::Boolean)),
        ]),
    };
    command(tool, "help", raw)
}

/// Which parameters a tool's `param_mapping` changes for a method (pct.pm, qm.pm, pvesm.pm).
fn mappings(tool: Tool, method: &str, schema: &Schema) -> BTreeMap<String, Mapping> {
    let known: &[(&str, Mapping)] = match (tool, method) {
        (Tool::Pct, "create_vm") => &[("password", Mapping::Prompt), ("ssh-public-keys", Mapping::File)],
        (Tool::Qm, "create_vm" | "update_vm") => &[("cipassword", Mapping::Prompt), ("sshkeys", Mapping::File)],
        (Tool::Qm, "set-user-password") => &[("password", Mapping::Prompt)],
        (Tool::Pvesm, "create" | "update") => &[
            ("password", Mapping::Prompt),
            ("encryption-key", Mapping::File),
            ("master-pubkey", Mapping::File),
            ("keyring", Mapping::File),
        ],
        _ => &[],
    };
    known
        .iter()
        .filter(|(name, _)| schema.properties.contains_key(*name))
        .map(|(name, mapping)| ((*name).to_owned(), *mapping))
        .collect()
}
