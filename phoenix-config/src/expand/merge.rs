//! How one value is laid over another: objects merge, everything else replaces; `{"+": […]}` adds to an inherited list,
//! `{"-": […]}` removes from it, and null takes a key away.

use crate::diagnostic::Code;

use super::fault::Fault;
use super::node::{Node, Value};

/// The keys of a change to an inherited list.
const ADD: &str = "+";
const REMOVE: &str = "-";

/// Lays `over` over `base`.
pub(super) fn merge(base: Node, over: Node, faults: &mut Vec<Fault>) -> Node {
    if is_change(&over) {
        return change(base, over, faults);
    }
    // A secret is one value: where it is found does not mix with where it was found before.
    if is_change(&base) || is_secret(&base) || is_secret(&over) {
        return over;
    }
    match (base.value, over.value) {
        (Value::Object(mut members), Value::Object(others)) => {
            for other in others {
                match members.iter().position(|member| member.key == other.key) {
                    Some(index) if matches!(other.value.value, Value::Null) => {
                        members.remove(index);
                    }
                    Some(index) => {
                        let member = &mut members[index];
                        let base = std::mem::replace(&mut member.value, Node::object(other.at.clone()));
                        member.value = merge(base, other.value, faults);
                        member.at = other.at;
                    }
                    None => members.push(other),
                }
            }
            Node::new(Value::Object(members), over.at)
        }
        (_, value) => Node::new(value, over.at),
    }
}

fn is_secret(node: &Node) -> bool {
    matches!(node.members(), [member] if member.key == "secret")
}

/// Whether a value changes an inherited list.
fn is_change(node: &Node) -> bool {
    let members = node.members();
    !members.is_empty() && members.iter().all(|member| member.key == ADD || member.key == REMOVE)
}

fn items(change: &Node, key: &str, faults: &mut Vec<Fault>) -> Vec<Node> {
    match change.get(key) {
        None => Vec::new(),
        Some(Node { value: Value::List(items), .. }) => items.clone(),
        Some(other) => {
            faults.push(
                Fault::error(
                    Code::InvalidListChange,
                    &other.at,
                    format!("`{key}` takes a list, and this is {}", other.kind()),
                )
                .expected("a list")
                .help(format!("write `\"{key}\": […]`")),
            );
            Vec::new()
        }
    }
}

fn change(base: Node, over: Node, faults: &mut Vec<Fault>) -> Node {
    let (added, removed) = (items(&over, ADD, faults), items(&over, REMOVE, faults));
    match base.value {
        Value::List(mut list) => {
            for gone in removed {
                let before = list.len();
                list.retain(|item| !item.same(&gone));
                if list.len() == before {
                    faults.push(
                        Fault::error(
                            Code::InvalidListChange,
                            &gone.at,
                            "the inherited list does not have this element",
                        )
                        .label(&base.at, "the list")
                        .help("remove it here, or write it as it is in the list"),
                    );
                }
            }
            list.extend(added);
            Node::new(Value::List(list), over.at)
        }
        Value::Object(ref members) if is_change(&base) => {
            // Two changes in a row: what the first adds, the second may remove.
            let mut first = items(&base, ADD, faults);
            let mut gone = items(&base, REMOVE, faults);
            for item in removed {
                let before = first.len();
                first.retain(|other| !other.same(&item));
                if first.len() == before {
                    gone.push(item);
                }
            }
            first.extend(added);
            let Some(key) = members.first().map(|member| member.at.clone()) else { return over };
            let mut both = Node::object(over.at.clone());
            if let Some(members) = both.members_mut() {
                for (word, items) in [(REMOVE, gone), (ADD, first)] {
                    if word == ADD || !items.is_empty() {
                        let value = Node::new(Value::List(items), over.at.clone());
                        members.push(super::node::Member { key: word.to_owned(), at: key.clone(), value });
                    }
                }
            }
            both
        }
        _ => {
            faults.push(
                Fault::error(
                    Code::InvalidListChange,
                    &over.at,
                    format!("the inherited value is {}, not a list", Node::new(base.value, base.at.clone()).kind()),
                )
                .label(&base.at, "the inherited value")
                .help("write the whole value"),
            );
            over
        }
    }
}

/// Resolves list changes where nothing is inherited: the added items are the list.
pub(super) fn resolve_list_changes(node: &mut Node, faults: &mut Vec<Fault>) {
    if is_change(node) {
        if let Some(removed) = node.members().iter().find(|member| member.key == REMOVE) {
            faults.push(
                Fault::error(
                    Code::InvalidListChange,
                    &removed.at,
                    "there is no inherited list to remove something from",
                )
                .help("remove the `-`, or inherit the list with `extends`"),
            );
        }
        node.value = Value::List(items(node, ADD, faults));
    }
    match &mut node.value {
        Value::List(items) => items.iter_mut().for_each(|item| resolve_list_changes(item, faults)),
        Value::Object(members) => {
            for member in members.iter_mut().filter(|member| !member.key.starts_with(crate::dialect::USER_PREFIX)) {
                resolve_list_changes(&mut member.value, faults);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;
    use crate::expand::{emit::compact, json};

    fn merged(base: &str, over: &str) -> String {
        let mut faults = Vec::new();
        let read = |text: &str| json::read(text, 0).unwrap();
        let mut node = merge(read(base), read(over), &mut faults);
        resolve_list_changes(&mut node, &mut faults);
        if faults.is_empty() { compact(&node) } else { format!("{} faults", faults.len()) }
    }

    #[test_case(r#"{"a":1,"b":{"c":1}}"#, r#"{"b":{"d":2},"e":3}"#, r#"{"a":1,"b":{"c":1,"d":2},"e":3}"#; "objects merge")]
    #[test_case(r#"{"a":[1,2]}"#, r#"{"a":[3]}"#, r#"{"a":[3]}"#; "lists replace")]
    #[test_case(r#"{"a":[1]}"#, r#"{"a":{"+":[2]}}"#, r#"{"a":[1,2]}"#; "adding")]
    #[test_case(r#"{"a":[1,2]}"#, r#"{"a":{"-":[1],"+":[3]}}"#, r#"{"a":[2,3]}"#; "removing and adding")]
    #[test_case(r#"{"a":[1]}"#, r#"{"a":{"-":[9]}}"#, "1 faults"; "removing what is not there")]
    #[test_case(r#"{"a":1}"#, r#"{"a":{"+":[9]}}"#, "1 faults"; "adding to a number")]
    #[test_case(r#"{}"#, r#"{"a":{"+":[1]}}"#, r#"{"a":[1]}"#; "adding to nothing")]
    #[test_case(r#"{}"#, r#"{"a":{"-":[1]}}"#, "1 faults"; "removing from nothing")]
    #[test_case(r#"{"a":{"+":[1]}}"#, r#"{"a":{"+":[2]}}"#, r#"{"a":[1,2]}"#; "adding twice")]
    #[test_case(r#"{"a":{"+":[1]}}"#, r#"{"a":{"-":[1]}}"#, r#"{"a":[]}"#; "adding and taking back")]
    #[test_case(r#"{"a":1,"b":2}"#, r#"{"a":null}"#, r#"{"b":2}"#; "null takes away")]
    #[test_case(r#"{"b":2}"#, r#"{"a":null}"#, r#"{"b":2,"a":null}"#; "null where nothing is")]
    #[test_case(r#"{"a":{"secret":{"file":"x"}}}"#, r#"{"a":{"secret":{"env":"Y"}}}"#, r#"{"a":{"secret":{"env":"Y"}}}"#; "a secret is one value")]
    #[test_case(r#"{"a":{"+":5}}"#, r#"{"b":1}"#, "1 faults"; "no list")]
    fn values(base: &str, over: &str, expected: &str) {
        assert_eq!(merged(base, over), expected);
    }
}
