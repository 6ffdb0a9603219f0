//! A plan for people: quiet when there is nothing to do, exact when there is.

use phoenix_config::model::{Dependency, Need};
use phoenix_engine::{Difference, Disposition, Effect, GuestPlan, Obstacle, Outage, Plan, Stage, Step};
use phoenix_types::{GuestId, Power};

use super::progress::Detail;
use super::style::{bound, columns, push_wrapped, tame};
use super::{Canvas, Tone};

/// Whether the commands of a step are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commands {
    Shown,
    Hidden,
}

/// Every step of every guest, and what the configuration does not manage.
pub(crate) fn full(plan: &Plan, commands: Commands, canvas: Canvas) -> String {
    draw(plan, Detail::Full, commands, canvas)
}

/// The same before it is carried out: guests that are made take one line, since all of each is new.
pub(crate) fn outline(plan: &Plan, detail: Detail, canvas: Canvas) -> String {
    draw(plan, detail, Commands::Hidden, canvas)
}

fn draw(plan: &Plan, detail: Detail, commands: Commands, canvas: Canvas) -> String {
    let mut text = String::new();
    let shown = |guest: &&GuestPlan| {
        !guest.is_empty() || !guest.unmet.is_empty() || !guest.remarks.is_empty() || is_left_alone(guest.disposition)
    };
    for guest in plan.guests.iter().filter(shown) {
        text.push_str(&heading(guest, canvas));
        let is_new = matches!(guest.disposition, Disposition::Create | Disposition::Finish);
        if is_new && detail == Detail::Brief {
            text.push_str(&brief(guest, canvas));
        } else if detail == Detail::Brief && (power(guest).is_some() || guest.disposition == Disposition::Destroy) {
            // The heading says it all.
        } else {
            for step in &guest.steps {
                text.push_str(&one(step, is_new, canvas));
                if commands == Commands::Shown {
                    text.push_str(&super::commands::commands(step, canvas));
                }
            }
            text.push_str(&conditions(guest, canvas));
            if let Some(outage) = &guest.outage {
                text.push_str(&down(outage, canvas));
            }
        }
        text.push_str(&unmet(guest, canvas));
        for Obstacle { check, message, advice, .. } in &guest.obstacles {
            push_wrapped(&mut text, "      ", &format!("{message} [{check}]"), Tone::Bad, canvas);
            push_wrapped(&mut text, "      ", &format!("fix: {advice}"), Tone::Plain, canvas);
        }
        for remark in &guest.remarks {
            push_wrapped(&mut text, "      ", &format!("note: {}", tame(remark)), Tone::Warn, canvas);
        }
        if detail == Detail::Full {
            text.push('\n');
        }
    }
    if !text.is_empty() && detail == Detail::Brief {
        text.push('\n');
    }
    if detail == Detail::Full {
        text.push_str(&unmanaged(plan, canvas));
    }
    for guest in &plan.removed {
        let state = if guest.power == Power::Stopped { "off" } else { "running" };
        let words = format!(
            "note: {} {} ({}, {state}) is removed from the configuration and stays: {}",
            guest.id,
            tame(&guest.name),
            guest.kind,
            guest.advice()
        );
        push_wrapped(&mut text, "", &words, Tone::Warn, canvas);
    }
    for remark in &plan.remarks {
        push_wrapped(&mut text, "", &format!("note: {}", tame(remark)), Tone::Warn, canvas);
    }
    text.push_str(&count(plan, canvas));
    text
}

fn is_left_alone(disposition: Disposition) -> bool {
    disposition.leaves_alone() || disposition == Disposition::Held
}

/// What a plan does that only switches a guest on or off.
fn power(guest: &GuestPlan) -> Option<&'static str> {
    if guest.disposition != Disposition::Update {
        return None;
    }
    let has = |stage: Stage| guest.steps.iter().any(|step| step.stage == stage);
    let others = |step: &Step| !matches!(step.stage, Stage::Stop | Stage::Start | Stage::Agent | Stage::Health);
    match (guest.steps.iter().any(others), has(Stage::Stop), has(Stage::Start)) {
        (false, true, true) => Some("is restarted"),
        (false, true, false) => Some("is stopped"),
        (false, false, true) => Some("is started"),
        _ => None,
    }
}

fn heading(guest: &GuestPlan, canvas: Canvas) -> String {
    let power = power(guest);
    let worst = guest.steps.iter().map(|step| step.effect).max();
    let (tone, sign, what) = match guest.disposition {
        Disposition::Create => (Tone::Good, "+", "is created"),
        Disposition::Finish => (Tone::Good, "+", "is completed: an earlier run was interrupted while creating it"),
        Disposition::Update if power.is_some() => (Tone::Warn, "~", power.unwrap_or_default()),
        Disposition::Update if worst == Some(Effect::Restart) => (Tone::Warn, "~", "is changed, with a restart"),
        Disposition::Update => (Tone::Warn, "~", "is changed"),
        Disposition::Keep if !guest.unmet.is_empty() => (Tone::Warn, "!", "differs, and is left as it is"),
        Disposition::Keep => (Tone::Plain, " ", "is up to date"),
        Disposition::NotOurs => (Tone::Warn, "!", "exists but is not managed by Phoenix: left alone"),
        Disposition::Elsewhere => (Tone::Warn, "!", "is on another node of the cluster: left alone"),
        Disposition::Held => (Tone::Bad, canvas.glyph("✗", "X"), "is blocked and not changed"),
        Disposition::OtherKind => (Tone::Warn, "!", "is of the other kind: left alone"),
        Disposition::WrongState => (Tone::Warn, "!", "cannot get the configured state: left alone"),
        Disposition::Destroy => (Tone::Bad, "-", "is destroyed, with its disks"),
        Disposition::Replace => (Tone::Bad, "-", "is destroyed with its disks, and created again"),
    };
    let id = canvas.paint(Tone::Strong, format!("{:>4} {}", guest.id, guest.name));
    format!("{} {id} ({}) {}\n", canvas.paint(tone, sign), guest.kind, canvas.paint(tone, what))
}

/// What a new guest is made from, and what is run in it.
fn brief(guest: &GuestPlan, canvas: Canvas) -> String {
    let mut parts: Vec<String> = guest.steps.first().map(|step| step.summary.clone()).into_iter().collect();
    match guest.steps.len() {
        0 | 1 => {}
        2 => parts.push("1 more step".to_owned()),
        steps => parts.push(format!("{} more steps", steps - 1)),
    }
    if !guest.gates.is_empty() {
        parts.push(format!("done when `{}` passes", guest.gates.join("` and `")));
    }
    let mut text = String::new();
    push_wrapped(&mut text, "       ", &tame(&parts.join(", ")), Tone::Faint, canvas);
    text
}

fn one(step: &Step, is_new: bool, canvas: Canvas) -> String {
    let effect = match step.effect {
        // Everything about a new guest is new.
        _ if is_new => "",
        // To switch it on or off, or to take a snapshot, is no change of what it is.
        Effect::Hot if matches!(step.stage, Stage::Start | Stage::Stop | Stage::SnapshotBefore) => "",
        Effect::Hot if matches!(step.stage, Stage::SnapshotAfter | Stage::Template) => "",
        Effect::Hot => " (while it runs)",
        Effect::Restart => " (restart)",
        _ => "",
    };
    let mut text = String::new();
    push_wrapped(&mut text, "       ", &format!("{}{effect}", tame(&step.summary)), Tone::Plain, canvas);
    if !is_new && !step.reason.is_empty() {
        push_wrapped(&mut text, "         because ", &tame(&step.reason), Tone::Faint, canvas);
    }
    if !is_new {
        // Which of them needs the restart is of interest where there are several.
        let restarts = |difference: &Difference| match difference.effect {
            Effect::Restart if step.effect == Effect::Restart && step.differences.len() > 1 => " (restart)",
            _ => "",
        };
        for difference in &step.differences {
            text.push_str(&changed(difference, restarts(difference), canvas));
        }
    }
    text
}

/// For what a guest waits, where that is more than that another one must be done.
fn conditions(guest: &GuestPlan, canvas: Canvas) -> String {
    if guest.conditions.is_empty() || guest.is_empty() {
        return String::new();
    }
    let one = |(id, Dependency { until, need }): (&GuestId, &Dependency)| match need {
        Need::Required => format!("{id} is {until}"),
        Need::Optional => format!("{id} is {until}, or failed"),
    };
    let all: Vec<String> = guest.conditions.iter().map(one).collect();
    let mut text = String::new();
    push_wrapped(&mut text, "       ", &format!("begins when {}", all.join(" and ")), Tone::Faint, canvas);
    text
}

/// What differs and stays so, each with its reason; one reason that several have is said once.
fn unmet(guest: &GuestPlan, canvas: Canvas) -> String {
    let mut text = String::new();
    if !guest.unmet.is_empty() && !guest.is_empty() {
        push_wrapped(&mut text, "       ", "differs, and is left as it is:", Tone::Warn, canvas);
    }
    for (at, difference) in guest.unmet.iter().enumerate() {
        let effect = match difference.effect {
            Effect::Recreate => " (a new guest only)",
            _ => " (not possible)",
        };
        text.push_str(&changed(difference, effect, canvas));
        if guest.unmet.get(at + 1).is_none_or(|next| next.reason != difference.reason) {
            push_wrapped(&mut text, "           because ", &tame(&difference.reason), Tone::Faint, canvas);
        }
    }
    text
}

/// How long a guest is down, and who is without it.
fn down(outage: &Outage, canvas: Canvas) -> String {
    let parts: Vec<String> =
        outage.parts.iter().map(|part| format!("{} {}", bound(part.up_to_seconds), part.what)).collect();
    let words = match outage.up_to_seconds {
        Some(seconds) => format!("down for up to {}: {} (limits; usually far less)", bound(seconds), parts.join(", ")),
        None => "down from then on".to_owned(),
    };
    let mut text = String::new();
    push_wrapped(&mut text, "       ", &tame(&words), Tone::Warn, canvas);
    if !outage.affects.is_empty() {
        let affected: Vec<String> = outage.affects.iter().map(|(id, name)| format!("{id} {name}")).collect();
        push_wrapped(&mut text, "       without it meanwhile: ", &tame(&affected.join(", ")), Tone::Warn, canvas);
    }
    text
}

/// What others put on our guests.
fn unmanaged(plan: &Plan, canvas: Canvas) -> String {
    let mut text = String::new();
    for guest in plan.guests.iter().filter(|guest| !guest.unmanaged.is_empty()) {
        text.push_str(&format!("{:>6} {}\n", guest.id, guest.name));
        for setting in &guest.unmanaged {
            push_wrapped(
                &mut text,
                "         ",
                &tame(&format!("{}: {}", setting.key, setting.value)),
                Tone::Faint,
                canvas,
            );
        }
    }
    if text.is_empty() {
        return text;
    }
    let heading = canvas.paint(Tone::Strong, "Not managed by the configuration, and left alone:");
    format!("{heading}\n{text}\n")
}

fn changed(difference: &Difference, effect: &str, canvas: Canvas) -> String {
    // One line each, however many there are in a value.
    let flat = |value: &Option<String>| value.as_deref().map(|value| value.replace('\n', canvas.glyph(" ⏎ ", " / ")));
    let (key, from, to) = (&difference.key, flat(&difference.from), flat(&difference.to));
    let arrow = canvas.glyph("→", "->");
    let indent = "         ";
    let (tone, line) = match (from, to) {
        (None, Some(to)) => (Tone::Good, format!("+ {key}: {to}{effect}")),
        (Some(from), None) => (Tone::Bad, format!("- {key}: {from}{effect}")),
        (Some(from), Some(to)) => {
            let line = format!("~ {key}: {from} {arrow} {to}{effect}");
            let fits = indent.len() + columns(&line) <= canvas.width;
            // Two long values are easier to compare below each other.
            let below = || format!("~ {key}: {from}\n{indent}  {:>1$} {to}{effect}", arrow, key.len() + 1);
            (Tone::Warn, if fits { line } else { below() })
        }
        (None, None) => (Tone::Plain, format!("  {key}{effect}")),
    };
    let painted: Vec<String> = line.lines().map(|line| canvas.paint(tone, tame(line)).to_string()).collect();
    format!("{indent}{}\n", painted.join("\n"))
}

/// One sentence about the whole plan.
fn count(plan: &Plan, canvas: Canvas) -> String {
    let of = |wanted: &[Disposition]| plan.guests.iter().filter(|guest| wanted.contains(&guest.disposition)).count();
    let all = plan.guests.len();
    let noun = if all == 1 { "guest" } else { "guests" };
    let stay =
        plan.guests.iter().filter(|guest| guest.disposition == Disposition::Keep && !guest.unmet.is_empty()).count();
    let left_alone = plan.guests.iter().filter(|guest| is_left_alone(guest.disposition)).count();
    if plan.is_empty() && left_alone + stay == 0 {
        let sign = canvas.glyph("✓", "OK");
        let text = if all == 0 {
            format!("{sign} nothing to do")
        } else if all == 1 {
            format!("{sign} the guest is up to date")
        } else {
            format!("{sign} all {all} guests are up to date")
        };
        return format!("{}\n", canvas.paint(Tone::Good, text));
    }
    let counts = [
        (of(&[Disposition::Create, Disposition::Finish]), "to create"),
        (of(&[Disposition::Update]), "to change"),
        (of(&[Disposition::Replace]), "to replace"),
        (of(&[Disposition::Destroy]), "to destroy"),
        (of(&[Disposition::Held]), "held back"),
        (left_alone - of(&[Disposition::Held]), "left alone"),
        (stay, "different and left alone"),
        (of(&[Disposition::Keep]) - stay, "up to date"),
    ];
    let parts: Vec<String> =
        counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
    format!("{}\n", canvas.paint(Tone::Strong, format!("{all} {noun}: {}", parts.join(", "))))
}
