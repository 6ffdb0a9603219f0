//! From an argv to a verdict.

use std::sync::Arc;

use super::arguments::{self, Call};
use super::command::{self, Resolution};
use super::invocation::{Invocation, Verdict, refusal};
use super::params::{Locale, Params};
use super::tool::{Answer, Tool};
use super::tree::Command;
use super::{perl, pvesh, usage};

/// The verdict of the real tools over an argv, in a UTF-8 locale. `argv[0]` is the program's name or path.
#[must_use]
pub fn parse(argv: &[String]) -> Verdict {
    parse_in(argv, Locale::Utf8)
}

/// As [`parse`], in a given locale.
#[must_use]
pub fn parse_in(argv: &[String], locale: Locale) -> Verdict {
    let (program, words) = argv.split_first().map_or(("", [].as_slice()), |(program, words)| (program.as_str(), words));
    let Some(tool) = Tool::from_program(program) else {
        return Verdict::Answered(Answer {
            exit: 127,
            stdout: String::new(),
            stderr: format!("{program}: command not found\n"),
        });
    };
    if tool == Tool::Pvesh {
        return pvesh::parse(words, locale);
    }
    let verdict = resolve(tool, words).and_then(|(command, rest)| {
        let call = arguments::read(command, rest, locale).map_err(|refused| refusal(&refused, &command.usage))?;
        if command.class == "PVE::CLIHandler" {
            return Err(command::help(tool, &call.extra_args));
        }
        Ok(invocation(tool, command, call))
    });
    verdict.map_or_else(Verdict::Answered, |call| Verdict::Accepted(Box::new(call)))
}

/// Finds the command, or the answer when there is none.
fn resolve(tool: Tool, words: &[String]) -> Result<(&'static Command, &[String]), Answer> {
    let first = words.first().map_or("", String::as_str);
    match command::resolve(tool, words) {
        Some(Resolution::Command { command, rest }) => Ok((command, rest)),
        _ if !perl::is_true(first) => Err(command::abort(tool, "no command specified", None)),
        // Words for the shell's completion and for developers; nothing to see without their environment.
        _ if first == "verifyapi" || first == "bashcomplete" => Err(Answer::default()),
        Some(Resolution::Incomplete { group, name }) => {
            Err(command::abort(tool, &format!("incomplete command '{name}'"), Some((group, &name))))
        }
        Some(Resolution::Unknown { name }) => Err(command::abort(tool, &format!("unknown command '{name}'"), None)),
        None => Err(command::abort(tool, &format!("unknown command '{tool} {first}'"), None)),
    }
}

fn invocation(tool: Tool, command: &Command, call: Call) -> Invocation {
    let mut params = call.params;
    let mut output = Params::default();
    if command.formatter {
        for name in usage::OUTPUT_OPTIONS {
            if let Some(value) = params.0.remove(name) {
                output.0.insert(name.to_owned(), value);
            }
        }
    }
    Invocation {
        tool,
        command: command.name.clone(),
        method: command.method.clone(),
        params,
        extra_args: call.extra_args,
        prompts: call.prompts,
        files: call.files,
        output,
        api_path: None,
        usage: Arc::clone(&command.usage),
        takes_extra_args: command.positional.iter().any(|name| name == "extra-args"),
    }
}
