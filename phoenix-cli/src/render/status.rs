//! What is configured and what there is, side by side.

use phoenix_engine::Ownership;

use super::{Canvas, Column, Table, Tone};
use crate::commands::GuestRow;

/// One row a guest, and below it what a person should know.
pub(crate) fn table(rows: &[GuestRow], canvas: Canvas) -> String {
    let mut table = Table::new([
        Column::right("ID"),
        Column::left("NAME").giving_way(8),
        Column::left("KIND").with_room(),
        Column::left("CONFIGURED").with_room(),
        Column::left("ACTUAL"),
        Column::left("OWNER").with_room(),
        Column::left("HEALTH"),
        Column::left("DRIFT").giving_way(8).with_room(),
    ]);
    for GuestRow { status, health, .. } in rows {
        let wanted = status.configured.map_or_else(|| "removed".to_owned(), |state| state.to_string());
        let actual = match status.power {
            None if status.ownership == Ownership::Elsewhere => "elsewhere".to_owned(),
            None => "absent".to_owned(),
            Some(_) if status.template => "template".to_owned(),
            Some(power) => power.to_string(),
        };
        let (owner_tone, owner) = match status.ownership {
            Ownership::Ours => (Tone::Plain, "phoenix"),
            Ownership::NotOurs => (Tone::Warn, "not ours"),
            Ownership::Elsewhere => (Tone::Warn, "other node"),
            Ownership::Removed => (Tone::Warn, "phoenix"),
            Ownership::Absent => (Tone::Faint, "-"),
        };
        let (health_tone, health) = match health {
            Some(health) if status.power.is_some() && !health.gates.is_empty() => {
                let passed = health.gates.iter().filter(|(_, attempt)| attempt.passed()).count();
                let tone = if health.is_healthy() { Tone::Good } else { Tone::Bad };
                (tone, format!("{passed}/{} gates", health.gates.len()))
            }
            _ => (Tone::Faint, "-".to_owned()),
        };
        let (drift_tone, drift) = match (status.pending, status.unmet.len()) {
            (0, 0) => (Tone::Good, "none".to_owned()),
            (0, 1) => (Tone::Warn, "1 stays".to_owned()),
            (0, stay) => (Tone::Warn, format!("{stay} stay")),
            (1, _) => (Tone::Warn, "1 step".to_owned()),
            (steps, _) => (Tone::Warn, format!("{steps} steps")),
        };
        table.row([
            (Tone::Strong, status.id.to_string()),
            (Tone::Plain, status.name.clone()),
            (Tone::Faint, status.kind.to_string()),
            (Tone::Plain, wanted.clone()),
            (if actual == wanted { Tone::Good } else { Tone::Warn }, actual),
            (owner_tone, owner.to_owned()),
            (health_tone, health),
            (drift_tone, drift),
        ]);
    }
    let mut text = table.render(canvas);
    for GuestRow { status, .. } in rows {
        let mut keys: Vec<&str> = status.unmanaged.iter().map(|setting| setting.key.as_str()).collect();
        keys.dedup();
        let unmanaged = (!keys.is_empty()).then(|| format!("not managed by the configuration: {}", keys.join(", ")));
        let lock = status.lock.as_ref().map(|lock| format!("locked on the node: {lock}"));
        let unmet = status.unmet.iter().map(|stays| format!("`{}` differs: {}", stays.key, stays.reason));
        for remark in unmet.chain(status.remarks.iter().cloned()).chain(unmanaged).chain(lock) {
            text.push_str(&format!("{} {}: {remark}\n", canvas.paint(Tone::Warn, "note:"), status.id));
        }
    }
    text
}
