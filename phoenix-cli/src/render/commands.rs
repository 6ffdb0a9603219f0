//! The commands of a step, as a shell would take them.

use phoenix_engine::{PlannedGate, Step};
use phoenix_host::Effect;

use super::style::{bound, columns, push_wrapped, tame};
use super::{Canvas, Tone};

const INDENT: &str = "         ";

/// Arguments that are longer than this, or have several lines, are shown by their beginning: `--format json` has all of them.
const LONGEST: usize = 160;

/// How much of such an argument is shown.
const BEGIN: usize = 32;

/// What a step runs, the files that it writes, and what its gates ask.
pub(crate) fn commands(step: &Step, canvas: Canvas) -> String {
    let mut text = String::new();
    // What only looks is of no interest here.
    for command in step.commands.iter().filter(|command| command.effect == Effect::Change) {
        for line in lines(&command.argv, canvas.width.saturating_sub(INDENT.len() + 2)) {
            text.push_str(&format!("{INDENT}{}\n", canvas.paint(Tone::Active, line)));
        }
    }
    for path in &step.writes {
        text.push_str(&format!("{INDENT}{}\n", canvas.paint(Tone::Active, format!("writes {}", tame(path.as_str())))));
    }
    for gate in &step.gates {
        let asked = format!("asks `{}` ({}), {}:", gate.name, gate.question, how_often(gate));
        push_wrapped(&mut text, INDENT, &tame(&asked), Tone::Faint, canvas);
        for line in gate.commands.iter().flat_map(|argv| lines(argv, canvas.width.saturating_sub(INDENT.len() + 4))) {
            text.push_str(&format!("{INDENT}  {}\n", canvas.paint(Tone::Active, line)));
        }
        for address in &gate.connections {
            let line = format!("connects to {}", tame(address));
            text.push_str(&format!("{INDENT}  {}\n", canvas.paint(Tone::Active, line)));
        }
    }
    text
}

/// How often a gate is asked, and when it is given up.
fn how_often(gate: &PlannedGate) -> String {
    let every = match gate.interval_ms {
        ms if ms % 1000 > 0 => format!("every {ms} ms"),
        ms => format!("every {}", bound(ms / 1000)),
    };
    match (gate.attempts, gate.deadline_ms) {
        (Some(1), _) => "once".to_owned(),
        (Some(times), None) => format!("{every}, {times} times at most"),
        (_, Some(deadline)) => format!("{every}, for {} at most", bound(deadline / 1000)),
        (None, None) => every,
    }
}

/// A command line, broken between arguments.
fn lines(argv: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (at, arg) in argv.iter().enumerate() {
        let word = tame(&word(arg));
        match lines.last_mut() {
            Some(line) if columns(line) + 3 + columns(&word) <= width => {
                line.push(' ');
                line.push_str(&word);
            }
            Some(line) => {
                line.push_str(" \\");
                lines.push(format!("    {word}"));
            }
            None => lines.push(if at == 0 { format!("$ {word}") } else { word }),
        }
    }
    lines
}

fn word(arg: &str) -> String {
    let mut lines = arg.lines();
    let first = lines.next().unwrap_or_default();
    let begin: String = first.chars().take(BEGIN).collect();
    if lines.next().is_some() || first.chars().count() > LONGEST {
        return format!("{}…", shell_words::quote(&begin));
    }
    shell_words::quote(arg).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_broken_between_arguments_and_can_be_pasted() {
        let argv = ["pct", "set", "103", "--memory", "1024", "--tags", "a b"].map(str::to_owned);
        assert_eq!(lines(&argv, 80), ["$ pct set 103 --memory 1024 --tags 'a b'"]);
        assert_eq!(lines(&argv, 23), ["$ pct set 103 \\", "    --memory 1024 \\", "    --tags 'a b'"]);
    }

    #[test]
    fn a_program_in_an_argument_is_shown_by_its_beginning() {
        let argv = ["sh", "-c", "set -eu\nexit 3\n"].map(str::to_owned);
        assert_eq!(lines(&argv, 80), ["$ sh -c 'set -eu'…"]);
    }
}
