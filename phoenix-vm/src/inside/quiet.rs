//! Commands of which the agent's log shows nothing but the program's name.
//!
//! The agent logs each `guest-exec` with its arguments, on Debian into the journal. A probe that looks for a text in the journal
//! would find its own question there, and a program of a hundred lines would fill it. So the command goes in by standard input,
//! which the agent does not log, ahead of what the command itself reads.

use phoenix_host::Input;
use phoenix_types::Secret;

/// Reads the command from standard input, up to the line `$1`, and becomes it. The shell leaves the rest of it unread.
const BECOME: &str =
    r#"n=$(printf '\n.') c=; n=${n%.}; while IFS= read -r l && [ "$l" != "$1" ]; do c=$c$l$n; done; eval "$c""#;

/// A command in the form in which the agent gets it.
pub(super) struct Quiet {
    /// What it runs.
    pub(super) argv: [String; 5],
    /// What that reads: the words of the command, and behind them what the command reads.
    pub(super) stdin: Input,
}

impl Quiet {
    /// `name` is for the agent's log.
    pub(super) fn new(name: &str, words: &[String], rest: Option<&Input>) -> Self {
        let words: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
        let command = format!("exec {}\n", words.join(" "));
        let mut end = "#phoenix-end".to_owned();
        while command.contains(&format!("\n{end}\n")) {
            end.push('-');
        }
        let command = format!("{command}{end}\n");
        let stdin = match rest {
            Some(Input::Secret(rest)) => Input::Secret(Secret::new(command + rest.expose())),
            rest => {
                let rest = rest.map(Input::as_bytes).unwrap_or_default();
                Input::Bytes([command.as_bytes(), rest].concat())
            }
        };
        Self { argv: ["sh", "-c", BECOME, name, &end].map(str::to_owned), stdin }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use phoenix_host::{Command, Effect, Host as _, Local};

    #[tokio::test]
    async fn words_arrive_as_they_are_and_the_rest_is_read() {
        let odd = "it's $HOME $$ `x` %n \\ \"q\"\n  \n#phoenix-end\n\tü";
        let script = "printf '%s|' \"$@\"; cat".to_owned();
        let words = ["sh", "-c", &script, "name", odd, "", "-n"].map(str::to_owned);
        for rest in ["", "one\ntwo", "#phoenix-end\n"] {
            let Quiet { argv, stdin } = Quiet::new("x", &words, Some(&Input::Bytes(rest.as_bytes().to_vec())));
            assert!(argv.iter().all(|word| !word.contains('\n')), "one line of the agent's log");
            let command = Command::new("sh", Effect::Read, Duration::from_secs(20)).args(&argv[1..]).stdin(stdin);
            let output = Local.run(command).await.unwrap();
            assert_eq!(output.stdout_text(), format!("{odd}||-n|{rest}"), "{}", output.stderr_text());
        }
    }
}
