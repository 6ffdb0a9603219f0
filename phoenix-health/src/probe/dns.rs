//! Does a name resolve?

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use phoenix_host::{Command, Effect};
use phoenix_types::gate::DnsProbe;

use super::answer::{self, OUTPUT_KEPT};
use crate::{Answer, Ask, ProbeContext};

/// What `getent` ends with when there is no such name.
const UNKNOWN: i32 = 2;

impl Ask for DnsProbe {
    async fn ask(&self, context: &ProbeContext, limit: Duration) -> Answer {
        let mut question = Command::new("getent", Effect::Read, limit).args(["ahosts", self.name.as_str()]);
        question.output_limit = OUTPUT_KEPT;
        let output = match context.run(self.from, question).await {
            Ok(output) => output,
            Err(answer) => return answer,
        };
        let text = output.stdout_text();
        let words = text.lines().filter_map(|line| line.split_whitespace().next());
        let found: BTreeSet<IpAddr> = words.filter_map(|word| word.parse().ok()).collect();
        let Self { name, address, .. } = self;
        let list = found.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match (output.status, address) {
            (Some(0), None) if !found.is_empty() => Answer::yes(format!("{name} is {list}")),
            (Some(0), Some(address)) if found.contains(address) => Answer::yes(format!("{name} is {address}")),
            (Some(0), Some(address)) if !found.is_empty() => {
                Answer::no(format!("{name} is {list}, not {address}")).with_output(answer::both_streams(&output))
            }
            (Some(0 | UNKNOWN), _) => Answer::no(format!("{name} does not resolve")),
            (Some(127), _) => Answer::unanswered("`getent` is not installed there"),
            _ => super::command::judge(&output),
        }
    }
}
