//! The pages about the configuration: every key, and every code of a diagnostic.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use phoenix_config::proxmox::overview;
use phoenix_config::schema::{SchemaKind, schema};
use phoenix_config::{Code, Loaded, load};
use phoenix_types::GuestKind;
use serde_json::Value;

use crate::reference::MADE;

/// Words at the end of a key's description that say that Phoenix itself does nothing with it.
const HANDED: &str = "Handed to scripts";

/// The word in a key's description that says that Phoenix does not do what it asks.
const REFUSED: &str = "Refused";

/// Every key of the three files.
pub(crate) fn keys() -> String {
    let mut page = format!("{MADE}\n# The configuration\n\n");
    page.push_str(include_str!("configuration.md"));
    for (kind, file) in [
        (SchemaKind::Lxc, "phoenix_lxc_configs.json"),
        (SchemaKind::Vm, "phoenix_vm_configs.json"),
        (SchemaKind::Hypervisor, "phoenix_hypervisor_config.json"),
    ] {
        let root = schema(kind);
        let _ = write!(page, "\n## `{file}`\n\n| key | value | | what it does |\n| --- | --- | --- | --- |\n");
        Table { root: &root, page: &mut page }.object(&root, "", Part::Acts);
    }
    let root = schema(SchemaKind::Vm);
    for (definition, title) in SECTIONS {
        let object = &root["$defs"][definition];
        let about = object.get("description").and_then(Value::as_str).unwrap_or_default();
        let _ =
            write!(page, "\n## {title}\n\n{about}\n\n| key | value | | what it does |\n| --- | --- | --- | --- |\n");
        Table { root: &root, page: &mut page }.object(object, "", Part::Acts);
    }
    page
}

/// The page of Proxmox's own keys.
pub(crate) fn proxmox_keys() -> String {
    let mut page = format!("{MADE}\n# Proxmox's keys\n\n");
    page.push_str(include_str!("proxmox-keys.md"));
    for (kind, title, tool) in [(GuestKind::Container, "Containers", "pct"), (GuestKind::Vm, "VMs", "qm")] {
        let _ = write!(page, "\n## {title}\n\n| Proxmox | Phoenix | value | default |\n| --- | --- | --- | --- |\n");
        for row in overview(kind) {
            let ours = row.word.map_or_else(|| format!("`{tool}.{}`", row.key), |word| format!("`{word}`"));
            let value = match row.items.as_slice() {
                [] => row.value.replace('|', "\\|"),
                items => items.iter().map(|item| format!("`{item}`")).collect::<Vec<_>>().join(", "),
            };
            let default = row.default.map_or_else(String::new, |default| format!("`{default}`"));
            let _ = writeln!(page, "| `{}` | {ours} | {value} | {default} |", row.key);
        }
    }
    page
}

/// Objects with a page of their own.
const PAGES: [&str; 2] = ["#/$defs/PctKeys", "#/$defs/QmKeys"];

/// Objects that are at several places: each has a section of its own.
const SECTIONS: [(&str, &str); 3] = [("GateEntry", "Gates"), ("ProbeEntry", "Probes"), ("FirewallEntry", "Firewalls")];

fn section(reference: &str) -> Option<&'static str> {
    let name = reference.strip_prefix("#/$defs/")?;
    SECTIONS.iter().find(|(definition, _)| *definition == name).map(|(_, title)| *title)
}

/// What comes of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Acts,
    Handed,
    Refused,
}

struct Table<'a> {
    root: &'a Value,
    page: &'a mut String,
}

impl Table<'_> {
    fn object(&mut self, schema: &Value, prefix: &str, part: Part) {
        for (key, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let path = format!("{prefix}{key}");
            let description = property.get("description").and_then(Value::as_str).unwrap_or_default();
            let own = match description {
                _ if part == Part::Refused || description.contains(REFUSED) => Part::Refused,
                _ if description.contains(HANDED) || key == "$schema" => Part::Handed,
                _ => part,
            };
            let required =
                schema.get("required").and_then(Value::as_array).is_some_and(|all| all.iter().any(|one| one == key));
            let mark = match own {
                Part::Acts => "acts",
                Part::Handed if key == "$schema" => "for editors",
                Part::Handed => "to scripts",
                Part::Refused => "refused",
            };
            let needed = if required { "**required** " } else { "" };
            let _ = writeln!(
                self.page,
                "| `{path}` | {} | {mark} | {needed}{} |",
                self.value(property),
                description.replace('\n', " ").replace('|', "\\|"),
            );
            self.inside(property, &path, own);
        }
        for (pattern, inner) in schema.get("patternProperties").and_then(Value::as_object).into_iter().flatten() {
            if pattern != "^x-" {
                // Where any name will do, the pattern begins with no particular one.
                let word = if pattern.starts_with("^[1-9]") { "ID" } else { "NAME" };
                self.inside(inner, &format!("{prefix}{word}"), part);
            }
        }
        if let Some(inner) = schema.get("additionalProperties").filter(|inner| inner.is_object()) {
            self.inside(inner, &format!("{prefix}NAME"), part);
        }
    }

    /// The keys of the objects that a value may hold.
    fn inside(&mut self, schema: &Value, path: &str, part: Part) {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            if section(reference).is_some() || PAGES.contains(&reference) {
                return;
            }
            let Some(target) = reference.strip_prefix('#').and_then(|pointer| self.root.pointer(pointer)) else {
                return;
            };
            self.inside(target, path, part);
            return;
        }
        // What stands next to an object's keys only says which of them go together.
        let choices = ["anyOf", "oneOf", "allOf"].into_iter().filter(|_| schema.get("properties").is_none());
        for choices in choices.filter_map(|word| schema.get(word)?.as_array()) {
            // The keys of a list of objects are those of the one object.
            let is_list_of_another = |choice: &Value| choice.get("items").is_some_and(|items| choices.contains(items));
            for choice in choices.iter().filter(|choice| !is_list_of_another(choice)) {
                self.inside(choice, path, part);
            }
        }
        if let Some(items) = schema.get("items") {
            self.inside(items, &format!("{path}[]"), part);
        }
        self.object(schema, &format!("{path}."), part);
    }

    /// What kind of value it is, in a few words.
    fn value(&self, schema: &Value) -> String {
        let mut words = Vec::new();
        self.words(schema, &mut words);
        words.dedup();
        if words.is_empty() { "any".to_owned() } else { words.join(" or ") }
    }

    fn words(&self, schema: &Value, words: &mut Vec<String>) {
        if schema.get("$ref").and_then(Value::as_str).is_some_and(|reference| PAGES.contains(&reference)) {
            words.push("[keys of Proxmox](proxmox-keys.md)".to_owned());
            return;
        }
        if let Some(title) = schema.get("$ref").and_then(Value::as_str).and_then(section) {
            words.push(format!("[{}](#{})", title.trim_end_matches('s').to_lowercase(), title.to_lowercase()));
            return;
        }
        if let Some(target) = schema
            .get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| self.root.pointer(reference.strip_prefix('#')?))
        {
            self.words(target, words);
            return;
        }
        if let Some(options) = schema.get("enum").and_then(Value::as_array) {
            let options = options.iter().filter(|option| !option.is_null());
            words.extend(
                options
                    .map(|option| format!("`{}`", option.as_str().map_or_else(|| option.to_string(), str::to_owned))),
            );
            return;
        }
        if let Some(option) = schema.get("const") {
            words.push(format!("`{}`", option.as_str().map_or_else(|| option.to_string(), str::to_owned)));
            return;
        }
        for choice in ["anyOf", "oneOf"].into_iter().filter_map(|word| schema.get(word)?.as_array()).flatten() {
            self.words(choice, words);
        }
        let kinds: Vec<&str> = match schema.get("type") {
            Some(Value::String(kind)) => vec![kind],
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        for kind in kinds {
            match kind {
                "null" => {}
                "array" => {
                    let items = schema.get("items").map_or_else(|| "any".to_owned(), |items| self.value(items));
                    words.push(format!("list of {items}"));
                }
                "integer" | "number" => words.push(match (schema.get("minimum"), schema.get("maximum")) {
                    (Some(low), Some(high)) => format!("{kind} {low}–{high}"),
                    _ => kind.to_owned(),
                }),
                "boolean" => words.push("true/false".to_owned()),
                other => words.push(other.to_owned()),
            }
        }
    }
}

/// Every code with its two fixtures.
pub(crate) fn codes() -> Result<String, String> {
    let mut page = format!("{MADE}\n# Diagnostics\n\n");
    page.push_str(include_str!("diagnostics.md"));
    page.push_str("\n| code | |\n| --- | --- |\n");
    for code in Code::ALL {
        let _ = writeln!(page, "| [{code}](#{}) | {} |", code.as_str().to_lowercase(), code.title());
    }
    for code in Code::ALL {
        let fixtures =
            Utf8Path::new(env!("CARGO_MANIFEST_DIR")).join("../phoenix-config/tests/fixtures").join(code.as_str());
        let bad = load(&fixtures.join("bad"));
        if bad.diagnostics.iter().all(|diagnostic| diagnostic.code != *code) {
            return Err(format!("the fixture of {code} does not show it"));
        }
        let good = load(&fixtures.join("good"));
        let shown = phoenix_cli::explain(&bad).replace(&format!("{}/", fixtures.join("bad")), "");
        let shown = shown.rsplit_once("\n\n").map_or(shown.as_str(), |(before, _)| before).trim_end();
        let explanation = code.explanation().replace('\n', " ");
        let _ = write!(
            page,
            "\n## {code}\n\n{}.{}\n\n{}\n\n```text\n{shown}\n```\n",
            capital(code.title()),
            if bad.errors() > 0 { " An error." } else { " A warning." },
            explanation.trim(),
        );
        page.push_str(&right(&bad, &good)?);
    }
    Ok(page)
}

fn capital(sentence: &str) -> String {
    let mut chars = sentence.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// The lines of the good files that are not in the bad ones.
fn right(bad: &Loaded, good: &Loaded) -> Result<String, String> {
    let mut text = String::new();
    for source in &good.sources {
        let name: Utf8PathBuf = source.path().file_name().ok_or("a file has a name")?.into();
        let old = bad.sources.iter().find(|other| other.path().file_name() == Some(name.as_str()));
        if old.is_some_and(|old| old.text() == source.text()) {
            continue;
        }
        let _ = write!(text, "\nRight, in `{name}`:\n\n```json\n{}\n```\n", source.text().trim_end());
    }
    if text.is_empty() {
        text.push_str("\nRight: the same files, with the script in its place.\n");
    }
    Ok(text)
}
