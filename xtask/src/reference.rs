//! The pages of the reference that are made from the code.

use std::fmt::Write as _;

use clap::{Arg, Command};

pub(crate) const MADE: &str = "<!-- Made by `cargo run -p xtask -- generate`. -->\n";

/// The command line: the options of every verb, then the verbs.
pub(crate) fn command_line() -> String {
    let mut program = phoenix_cli::command();
    program.build();
    let mut page = format!("{MADE}\n# The command line\n\n```text\nphoenix [OPTIONS] VERB [GUEST…]\n```\n\n");
    page.push_str("A guest is named by its id or its name. Standard output carries data, standard error progress and diagnostics.\n\n");
    page.push_str("## Options of every verb\n\n");
    page.push_str(&options(program.get_arguments().filter(|arg| arg.is_global_set())));
    for verb in program.get_subcommands() {
        let _ = write!(page, "\n## `phoenix {}`\n\n", verb.get_name());
        let _ = writeln!(page, "{}.", sentence(verb));
        let aliases: Vec<String> = verb.get_visible_aliases().map(|alias| format!("`{alias}`")).collect();
        if !aliases.is_empty() {
            let _ = writeln!(page, "\nAlso called {}.", aliases.join(", "));
        }
        let own = options(verb.get_arguments().filter(|arg| !arg.is_global_set() && arg.get_id() != "help"));
        if !own.is_empty() {
            let _ = write!(page, "\n{own}");
        }
    }
    page
}

fn sentence(verb: &Command) -> String {
    verb.get_about().map(ToString::to_string).unwrap_or_default()
}

fn options<'a>(args: impl Iterator<Item = &'a Arg>) -> String {
    let mut list = String::new();
    for arg in args {
        let mut names: Vec<String> = Vec::new();
        names.extend(arg.get_short().map(|short| format!("-{short}")));
        names.extend(arg.get_long().map(|long| format!("--{long}")));
        let value = arg.get_value_names().filter(|_| arg.get_action().takes_values()).and_then(|names| names.first());
        let value = value.map(ToString::to_string).unwrap_or_default();
        let name = match (names.is_empty(), value.is_empty()) {
            (true, _) => value,
            (false, true) => names.join(", "),
            (false, false) => format!("{} {value}", names.join(", ")),
        };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = write!(list, "- `{name}`: {}", help.replace('\n', " "));
        let values: Vec<String> =
            arg.get_possible_values().iter().map(|value| format!("`{}`", value.get_name())).collect();
        if arg.get_action().takes_values() && !values.is_empty() {
            let _ = write!(list, ". One of {}", values.join(", "));
        }
        let defaults: Vec<String> =
            arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
        if arg.get_action().takes_values() && !defaults.is_empty() {
            let _ = write!(list, ". Default: {}", defaults.join(", "));
        }
        if let Some(variable) = arg.get_env() {
            let _ = write!(list, ". Environment: `{}`", variable.to_string_lossy());
        }
        list.push('\n');
    }
    list
}

/// The exit statuses.
pub(crate) fn exit_status() -> String {
    let mut page = format!("{MADE}\n# Exit status\n\n| status | meaning |\n| --- | --- |\n");
    for status in phoenix_cli::ExitStatus::ALL {
        let _ = writeln!(page, "| {} | {} |", status.code(), status.meaning());
    }
    page
}

/// What `phoenix doctor` looks at.
pub(crate) fn doctor() -> String {
    let mut page = format!(
        "{MADE}\n# What `phoenix doctor` looks at\n\n\
         `phoenix doctor` looks whether a node has what a configuration needs, and changes nothing. Each finding has the name of its\n\
         check, the guests that it is about, the place in the configuration, and what to do. It ends with exit status 1 when there is\n\
         an error, something over which `up` would fail; warnings are for a person to judge. It runs the same few programs on the\n\
         node, however many guests there are.\n\n\
         With `--format json` it prints one object: `good`, `version`, and `findings`, each with `check`, `severity` (`error`,\n\
         `warning`), `guests`, `message`, `advice` and `at` (`file`, `line`, `column`); with `--format jsonl` one finding a line.\n\n\
         | check | holds when |\n| --- | --- |\n"
    );
    for check in phoenix_engine::Check::ALL {
        let _ = writeln!(page, "| `{}` | {} |", check.name(), check.meaning());
    }
    page
}

/// The environment variables.
pub(crate) fn environment() -> String {
    let mut page = format!("{MADE}\n# Environment variables\n\n| variable | effect |\n| --- | --- |\n");
    for (name, effect) in phoenix_cli::ENVIRONMENT {
        let _ = writeln!(page, "| `{}` | {effect} |", name.replace(", ", "`, `"));
    }
    page
}
