//! The names of the builtins.

use crate::tree::Flavour;

const SPECIAL: [&str; 15] = [
    ":", ".", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "times",
    "trap", "unset",
];
const COMMON: [&str; 21] = [
    "true", "false", "echo", "printf", "test", "[", "read", "cd", "pwd", "local", "umask", "wait", "kill", "jobs",
    "type", "command", "hash", "getopts", "alias", "unalias", "ulimit",
];
const BASH: [&str; 13] = [
    "source",
    "declare",
    "typeset",
    "let",
    "shopt",
    "mapfile",
    "readarray",
    "disown",
    "pushd",
    "popd",
    "dirs",
    "builtin",
    "enable",
];

/// Whether an assignment before a command stays, and a mistake in it ends the shell.
pub(super) fn is_special(name: &str) -> bool {
    SPECIAL.contains(&name)
}

/// Whether the shell itself runs a command.
pub(super) fn is_builtin(name: &str, flavour: Flavour) -> bool {
    is_special(name) || COMMON.contains(&name) || (flavour == Flavour::Bash && BASH.contains(&name))
}
