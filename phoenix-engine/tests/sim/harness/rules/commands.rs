//! The commands themselves: rules 9, 11 and 12.

use std::time::Duration;

use phoenix_sim::grammar::{Tool, Verdict, parse};

use super::{Breach, Findings};
use crate::harness::fleet::SECRET;
use crate::harness::run::Ran;

/// The text that stands for every secret of a generated fleet is in no command line, event or plan.
pub(crate) fn rule_9_no_secret_is_seen(ran: &Ran) -> Vec<Breach> {
    let mut findings = Findings::of(9);
    for op in &ran.ops {
        findings.check(!op.words().contains(SECRET), || format!("a secret stands in `{}`", op.words()));
    }
    let shown = [serde_json::to_string(&ran.events), serde_json::to_string(&ran.plan)];
    for text in shown.into_iter().flatten() {
        findings.check(!text.contains(SECRET), || "a secret stands in an event or in the plan".to_owned());
    }
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
