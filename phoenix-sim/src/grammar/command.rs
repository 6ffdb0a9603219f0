//! Finding a command by its words (`PVE::CLIHandler::resolve_cmd`), and what the tools answer when there is none.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::table::commands;
use super::tool::{Answer, Tool};
use super::tree::{Command, Node};
use super::usage::{self, Blank};

/// What the words of a command line lead to.
#[derive(Debug)]
pub(crate) enum Resolution<'a> {
    Command {
        command: &'static Command,
        rest: &'a [String],
    },
    /// The words end inside a group, or a prefix fits several commands.
    Incomplete {
        group: &'static BTreeMap<String, Node>,
        name: String,
    },
    Unknown {
        name: String,
    },
}

/// Follows words, prefixes and aliases to a command.
pub(crate) fn resolve(tool: Tool, words: &[String]) -> Option<Resolution<'_>> {
    let root = commands(tool)?;
    let mut group = root;
    let mut name = tool.to_string();
    for (at, word) in words.iter().enumerate() {
        let full = expand(group, word).unwrap_or(word);
        name.push(' ');
        name.push_str(full);
        match group.get(full) {
            None if candidates(group, word).next().is_none() => return Some(Resolution::Unknown { name }),
            None => return Some(Resolution::Incomplete { group, name }),
            Some(Node::Command(command)) => return Some(Resolution::Command { command, rest: &words[at + 1..] }),
            Some(Node::Group(inner)) => group = inner,
            Some(Node::Alias(target)) => {
                // Aliases lead to real commands only, from the root.
                let command = target.iter().try_fold(None, |node: Option<&'static Node>, word| match node {
                    None => root.get(word).map(Some),
                    Some(Node::Group(inner)) => inner.get(word).map(Some),
                    Some(_) => None,
                });
                return match command.flatten() {
                    Some(Node::Command(command)) => Some(Resolution::Command { command, rest: &words[at + 1..] }),
                    _ => Some(Resolution::Unknown { name }),
                };
            }
        }
    }
    Some(Resolution::Incomplete { group, name })
}

/// Whether a tool has a command, or a group of commands, with exactly these first words.
pub(crate) fn has_command(tool: Tool, words: &[&str]) -> bool {
    let Some(mut group) = commands(tool) else {
        return matches!(words.first(), Some(&("get" | "set" | "create" | "delete" | "ls" | "usage")));
    };
    let mut is_command = false;
    for word in words {
        match group.get(*word) {
            Some(Node::Group(inner)) => group = inner,
            Some(Node::Command(_) | Node::Alias(_)) => is_command = true,
            None => return is_command,
        }
    }
    !words.is_empty()
}

/// The commands that a word may be short for; aliases only answer to their full name.
fn candidates<'a>(group: &'a BTreeMap<String, Node>, word: &'a str) -> impl Iterator<Item = &'a String> {
    group
        .range::<str, _>((Bound::Included(word), Bound::Unbounded))
        .take_while(move |(name, _)| name.starts_with(word))
        .filter(|(_, node)| !matches!(node, Node::Alias(_)))
        .map(|(name, _)| name)
}

fn expand<'a>(group: &'a BTreeMap<String, Node>, word: &'a str) -> Option<&'a str> {
    if group.contains_key(word) {
        return Some(word);
    }
    let mut hits = candidates(group, word);
    let only = hits.next()?;
    hits.next().is_none().then_some(only)
}

/// The refusal that lists all commands, or those of the group that was reached.
pub(crate) fn abort(tool: Tool, reason: &str, group: Option<(&BTreeMap<String, Node>, &str)>) -> Answer {
    let listing = match group {
        Some((group, prefix)) => usage::listing(group, prefix, Blank::None),
        None => all(tool),
    };
    Answer { exit: 255, stdout: String::new(), stderr: format!("ERROR: {reason}\n{}{listing}", usage::heading(tool)) }
}

fn all(tool: Tool) -> String {
    commands(tool).map(|root| usage::listing(root, &tool.to_string(), Blank::BetweenClasses)).unwrap_or_default()
}

/// The `help` command. The long descriptions of the real tools are not known here: what is printed is always the short form.
pub(crate) fn help(tool: Tool, words: &[String]) -> Answer {
    if words.is_empty() {
        return Answer { exit: 0, stdout: usage::heading(tool) + &all(tool), stderr: String::new() };
    }
    let text = match resolve(tool, words) {
        Some(Resolution::Command { command, .. }) => usage::line(&format!("{tool} {}", command.name), command),
        Some(Resolution::Incomplete { group, name }) => {
            usage::listing(group, &name, Blank::None).trim_start().to_owned()
        }
        Some(Resolution::Unknown { .. }) | None => {
            return abort(tool, &format!("unknown command '{}'", words[0]), None);
        }
    };
    Answer { exit: 0, stdout: format!("USAGE: {text}\n"), stderr: String::new() }
}
