//! Does a command end with status 0?

use std::time::Duration;

use phoenix_host::{Command, Effect, Output};
use phoenix_types::gate::{CommandLine, CommandProbe};

use super::answer::{self, OUTPUT_KEPT};
use crate::{Answer, Ask, ProbeContext, Verdict};

impl Ask for CommandProbe {
    async fn ask(&self, context: &ProbeContext, limit: Duration) -> Answer {
        let mut command = match &self.command {
            CommandLine::Shell(line) => Command::new("sh", Effect::Read, limit).args(["-c", line]),
            CommandLine::Argv(argv) => match argv.split_first() {
                Some((program, args)) => Command::new(program, Effect::Read, limit).args(args),
                None => return Answer::new(Verdict::Never, "the command is empty"),
            },
        };
        command.output_limit = OUTPUT_KEPT;
        match context.run(self.place, command).await {
            Ok(output) => judge(&output),
            Err(answer) => answer,
        }
    }
}

/// Status 0 is yes; the words are the status and the last line of what was printed.
pub(super) fn judge(output: &Output) -> Answer {
    let text = answer::both_streams(output);
    let (verdict, status) = match output.status {
        Some(0) => (Verdict::Yes, "exit status 0".to_owned()),
        Some(126) => (Verdict::No, "exit status 126 (it cannot be executed)".to_owned()),
        Some(127) => (Verdict::No, "exit status 127 (no such command)".to_owned()),
        Some(status) => (Verdict::No, format!("exit status {status}")),
        None => (Verdict::No, "ended by a signal".to_owned()),
    };
    let said = match answer::last_line(&text) {
        Some(line) if verdict != Verdict::Yes => format!("{status}: {line}"),
        _ => status,
    };
    Answer::new(verdict, said).with_output(text)
}
