//! Usage texts: `PVE::RESTHandler::getopt_usage` in its `short` form, `PVE::CLIHandler::print_usage_short`.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::properties::{Mapping, Property};
use super::tool::Tool;
use super::tree::{Command, Node};

/// The names that an output option of `PVE::RESTHandler` has.
pub(crate) const OUTPUT_OPTIONS: [&str; 5] = ["human-readable", "noborder", "noheader", "output-format", "quiet"];

/// The usage line of a command, newline included: `pct create <vmid> <ostemplate> [OPTIONS]`.
pub(crate) fn line(prefix: &str, command: &Command) -> String {
    let options = command
        .schema
        .properties
        .iter()
        .filter(|(name, _)| !(command.formatter && OUTPUT_OPTIONS.contains(&name.as_str())));
    let skipped = |name: &str, property: &Property| {
        command.fixed.contains_key(name)
            || (name == "password" && !property.optional && command.mappings.get(name) == Some(&Mapping::Prompt))
    };
    let mut arguments: Vec<String> = command
        .positional
        .iter()
        .filter_map(|name| {
            let property = command.schema.properties.get(name)?;
            Some(if property.is_list() {
                format!("{{<{name}>}}")
            } else if property.optional {
                format!("[<{name}>]")
            } else {
                format!("<{name}>")
            })
        })
        .collect();
    let mut has_options = false;
    for (name, property) in options {
        if command.positional.contains(name) || skipped(name, property) {
            continue;
        }
        has_options = true;
        if !property.optional {
            let kind = property.kind.map_or("string", super::properties::Kind::name);
            arguments.push(format!("--{name} <{kind}>"));
        }
    }
    let mut text = format!("{prefix} {}", arguments.join(" "));
    if has_options {
        text.push_str(" [OPTIONS]");
    }
    if command.formatter {
        text.push_str(" [FORMAT_OPTIONS]");
    }
    text.push('\n');
    text
}

/// Which blank lines separate the commands of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blank {
    /// One between the classes that implement the commands.
    BetweenClasses,
    None,
}

/// The usage lines of all commands of a group, indented, group by group and class by class.
pub(crate) fn listing(group: &BTreeMap<String, Node>, prefix: &str, blank: Blank) -> String {
    let mut entries: Vec<(&String, &Node)> = group.iter().collect();
    entries.sort_by(|(name_a, a), (name_b, b)| match (a, b) {
        (Node::Command(a), Node::Command(b)) => a.class.cmp(&b.class).then_with(|| name_a.cmp(name_b)),
        (Node::Command(_), _) => Ordering::Greater,
        (_, Node::Command(_)) => Ordering::Less,
        _ => name_a.cmp(name_b),
    });
    let mut text = String::new();
    let mut class = None;
    for (name, node) in entries {
        let prefix = format!("{prefix} {name}");
        match node {
            Node::Command(command) => {
                if blank == Blank::BetweenClasses && class.is_some_and(|last| last != &command.class) {
                    text.push('\n');
                }
                class = Some(&command.class);
                text.push_str("       ");
                text.push_str(&line(&prefix, command));
            }
            Node::Group(inner) => {
                text.push_str(&listing(inner, &prefix, Blank::None));
                if blank == Blank::BetweenClasses {
                    text.push('\n');
                }
            }
            Node::Alias(_) => {}
        }
    }
    text
}

/// What precedes every listing.
pub(crate) fn heading(tool: Tool) -> String {
    format!("USAGE: {tool} <COMMAND> [ARGS] [OPTIONS]\n\n")
}
