//! Questions about the tables.

use std::collections::BTreeMap;

use super::properties::Kind;
use super::table::{commands, endpoints, formats};
use super::tool::Tool;
use super::tree::{Node, Part};

/// The property-string format of an option of `pct create` or `qm create`, such as `lxc-net` for `net0`.
#[must_use]
pub fn option_format(tool: Tool, option: &str) -> Option<&'static str> {
    let Node::Command(create) = commands(tool)?.get("create")? else { return None };
    let format = create.schema.properties.get(option)?.format.as_deref()?;
    formats().contains_key(format).then_some(format)
}

/// Whether an option of `pct set` or `qm set` is a whole number or a boolean.
pub(crate) fn is_integer_option(tool: Tool, option: &str) -> bool {
    let Some(Node::Command(set)) = commands(tool).and_then(|commands| commands.get("set")) else { return false };
    let from_create = || match commands(tool)?.get("create")? {
        Node::Command(create) => create.schema.properties.get(option),
        _ => None,
    };
    let property = set.schema.properties.get(option).or_else(from_create);
    property.is_some_and(|property| matches!(property.kind, Some(Kind::Integer | Kind::Boolean)))
}

/// What is right below a path of the API, with what each answers to as `pvesh ls` prints it: folder, read, write, create, delete.
pub(crate) fn endpoints_below(path: &str) -> Vec<(String, String)> {
    let depth = path.split('/').filter(|part| !part.is_empty()).count();
    let mut below: BTreeMap<&str, [bool; 5]> = BTreeMap::new();
    for endpoint in endpoints() {
        let mut given = path.split('/').filter(|part| !part.is_empty());
        let fits = endpoint.parts.len() > depth
            && endpoint.parts.iter().take(depth).all(|part| match (part, given.next()) {
                (Part::Fixed(name), Some(word)) => name == word,
                (Part::Param(_), Some(_)) => true,
                (_, None) => false,
            });
        let Some(Part::Fixed(name)) = endpoint.parts.get(depth).filter(|_| fits) else { continue };
        let flags = below.entry(name).or_default();
        if endpoint.parts.len() > depth + 1 {
            flags[0] = true;
        } else if let Some(at) = ["", "GET", "PUT", "POST", "DELETE"].iter().position(|verb| *verb == endpoint.verb) {
            flags[at] = true;
        }
    }
    let print = |flags: [bool; 5]| {
        "Drwcd".chars().zip(flags).map(|(letter, set)| if set { letter } else { '-' }).collect::<String>()
    };
    below.into_iter().map(|(name, flags)| (print(flags), name.to_owned())).collect()
}
