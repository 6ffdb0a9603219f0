//! What people do on the node besides Phoenix.

use std::time::Duration;

use phoenix_sim::SimNode;

use super::fleet::{Fleet, Kind};
use super::random::Random;

/// Whether somebody has an id that the configuration wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Taken {
    Nothing,
    AnId,
}

async fn run(node: &SimNode, line: &str) -> i32 {
    let argv: Vec<String> = line.split(' ').map(str::to_owned).collect();
    // People get impatient with a command that hangs.
    let answer = tokio::time::timeout(Duration::from_secs(300), node.run(&argv, b"")).await;
    answer.map_or(-1, |answer| answer.exit)
}

const TEMPLATE: &str = "local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst";

/// Makes guests that are none of Phoenix's business; now and then one with an id that the configuration wants.
pub(crate) async fn plant(random: &mut Random, node: &SimNode, fleet: &Fleet) -> Taken {
    if random.once_in(3) {
        run(node, &format!("pct create 500 {TEMPLATE} --rootfs tank:2 --hostname stranger")).await;
        if random.once_in(2) {
            run(node, "pct start 500").await;
        }
    }
    if !random.once_in(8) {
        return Taken::Nothing;
    }
    let Some(id) = random.pick_of(fleet.guests.keys().copied()) else { return Taken::Nothing };
    run(node, &format!("pct create {id} {TEMPLATE} --rootfs tank:2 --hostname squatter")).await;
    Taken::AnId
}

/// Changes something on a guest by hand. Says what.
pub(crate) async fn meddle(random: &mut Random, node: &SimNode, fleet: &Fleet) -> String {
    let Some((id, kind)) = random.pick_of(fleet.guests.iter().map(|(id, entry)| (*id, entry.kind))) else {
        return "nobody meddled".to_owned();
    };
    let tool = if kind == Kind::Container { "pct" } else { "qm" };
    let line = match random.below(6) {
        0 => format!("{tool} set {id} --memory 333"),
        1 => format!("{tool} stop {id}"),
        2 => format!("{tool} start {id}"),
        3 => format!("{tool} set {id} --tags by-hand"),
        4 => format!("{tool} set {id} --onboot 1"),
        _ => format!("{tool} snapshot {id} byhand"),
    };
    let exit = run(node, &line).await;
    format!("by hand: {line} ({exit})")
}
