//! The commands themselves: rules 9, 11 and 12.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use phoenix_sim::grammar::{Tool, Verdict, parse};

use super::{Breach, Findings};
use crate::harness::fleet::{HIDDEN, SECRET};
use crate::harness::run::Ran;
use crate::harness::watch::What;

/// Whether a text holds a secret, as it is or in base64.
fn shows(text: &str, secret: &str) -> bool {
    text.contains(secret) || in_base64(secret).iter().any(|code| text.contains(code))
}

/// What a text looks like in the middle of something in base64: three ways, by where it begins.
fn in_base64(secret: &str) -> [String; 3] {
    [0, 1, 2].map(|shift| {
        let mut bytes = vec![b' '; shift];
        bytes.extend(secret.as_bytes());
        let code = BASE64.encode(bytes);
        // The first and the last digits depend on what stands next to it.
        code[(shift * 8).div_ceil(6)..code.len() - 2].to_owned()
    })
}

/// The texts that stand for secrets are in no command line, event, plan, summary or command log; those of the node are in nothing
/// at all that leaves the program.
pub(crate) fn rule_9_no_secret_is_seen(ran: &Ran) -> Vec<Breach> {
    let mut findings = Findings::of(9);
    for op in &ran.ops {
        for secret in [SECRET, HIDDEN] {
            findings.check(!shows(&op.words(), secret), || format!("a secret stands in `{}`", op.brief()));
        }
        let (What::Command { stdin: bytes, .. } | What::Write { text: bytes, .. }) = &op.what else { continue };
        findings.check(!shows(&String::from_utf8_lossy(bytes), HIDDEN), || {
            format!("a secret of the node is handed to `{}`", op.brief())
        });
    }
    let shown = [
        ("an event", serde_json::to_string(&ran.events)),
        ("the plan", serde_json::to_string(&ran.plan)),
        ("the summary", serde_json::to_string(&ran.summary)),
        ("the command log", serde_json::to_string(&ran.records)),
    ];
    for (place, text) in shown {
        let text = text.unwrap_or_default();
        findings.check(!shows(&text, SECRET) && !shows(&text, HIDDEN), || format!("a secret stands in {place}"));
    }
    findings.found()
}

/// The same for the log of the program.
pub(crate) fn rule_9_no_secret_in_the_log(log: &str) -> Vec<Breach> {
    let mut findings = Findings::of(9);
    findings.check(!shows(log, SECRET) && !shows(log, HIDDEN), || "a secret stands in the log".to_owned());
    findings.found()
}

/// The real tools' own grammar takes every command.
pub(crate) fn rule_11_every_command_is_accepted(ran: &Ran) -> Vec<Breach> {
    let mut findings = Findings::of(11);
    for op in &ran.ops {
        let argv = op.argv();
        if argv.first().is_none_or(|program| Tool::from_program(program).is_none()) {
            continue;
        }
        if let Verdict::Answered(answer) = parse(argv) {
            findings.add(format!("`{}` is refused: {}", op.words(), answer.stderr.trim()));
        }
    }
    findings.found()
}

/// No command may take longer than a script may, and the run as a whole ends.
const LONGEST: Duration = Duration::from_secs(5 * 3600);

/// Every command has a deadline and keeps it, and the run ends.
pub(crate) fn rule_12_waiting_is_bounded(ran: &Ran) -> Vec<Breach> {
    let mut findings = Findings::of(12);
    findings.check(!ran.endless, || "the run did not end within a week".to_owned());
    // A pause of the harness before the command is no time of the command.
    let slack = Duration::from_millis(500);
    for op in &ran.ops {
        findings.check(op.deadline <= LONGEST, || format!("`{}` may take {:?}", op.words(), op.deadline));
        let took = op.end.map_or(Duration::ZERO, |end| end - op.begin);
        findings.check(took <= op.deadline + slack, || {
            format!("`{}` took {took:?}, its deadline was {:?}", op.words(), op.deadline)
        });
    }
    findings.found()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_wherever_it_stands() {
        for before in ["", "x", "xy", "xyz"] {
            let text = format!("{before}{SECRET} and more");
            assert!(shows(&text, SECRET) && shows(&BASE64.encode(&text), SECRET), "{text}");
        }
        assert!(!shows(&BASE64.encode("nothing of that kind"), SECRET));
    }
}
