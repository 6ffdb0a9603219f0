//! What the gates of guests answered.

use std::time::Duration;

use phoenix_engine::GuestHealth;

use super::style::tame;
use super::{Canvas, Column, Table, Tone};

/// The line above answers that are asked for again and again.
pub(crate) fn heading(healths: &[GuestHealth], pause: Duration, now: &str, canvas: Canvas) -> String {
    let healthy = healths.iter().filter(|health| health.is_healthy()).count();
    let tone = if healthy == healths.len() { Tone::Good } else { Tone::Bad };
    let count = canvas.paint(tone, format!("{healthy} of {} healthy", healths.len()));
    let rest = format!("at {now}, every {} s, Ctrl-C ends it", pause.as_secs());
    format!("{count}  {}", canvas.paint(Tone::Faint, rest))
}

/// One row a gate.
pub(crate) fn answers(healths: &[GuestHealth], canvas: Canvas) -> String {
    if healths.is_empty() {
        return "no guest of the configuration should run\n".to_owned();
    }
    let mut table = Table::new([
        Column::right("ID"),
        Column::left("NAME").giving_way(8),
        Column::left("GATE").giving_way(8),
        Column::left("ANSWER"),
        Column::left("DETAIL").giving_way(16).with_room(),
    ]);
    for health in healths {
        let mut row = |gate: &str, tone: Tone, answer: &str, detail: &str| {
            let detail = detail.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
            table.row([
                (Tone::Strong, health.id.to_string()),
                (Tone::Plain, health.name.clone()),
                (Tone::Plain, gate.to_owned()),
                (tone, answer.to_owned()),
                (Tone::Faint, tame(detail)),
            ]);
        };
        match (health.power, health.gates.as_slice()) {
            (None, _) => match &health.node {
                Some(node) => row("-", Tone::Bad, "elsewhere", &format!("it is on node `{node}`: run Phoenix there")),
                None => row("-", Tone::Bad, "absent", "the guest does not exist"),
            },
            (Some(_), []) if health.is_healthy() => row("-", Tone::Good, "running", "no gate is configured"),
            (Some(power), []) => row("-", Tone::Bad, &power.to_string(), "gates run only for running guests"),
            (Some(_), gates) => {
                for (name, attempt) in gates {
                    let (tone, answer) = if attempt.passed() { (Tone::Good, "passed") } else { (Tone::Bad, "failed") };
                    row(name, tone, answer, &attempt.answer.said);
                }
            }
        }
    }
    table.render(canvas)
}
