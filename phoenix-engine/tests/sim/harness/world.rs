//! Random worlds: how long things take and what fails.

use std::collections::BTreeMap;

use phoenix_sim::World;
use serde_json::{Value, json};

use super::fleet::{Fleet, Kind};
use super::random::Random;

/// Whether commands fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Calm,
    /// Some commands fail, each only once or twice, so that another run helps.
    Rough,
}

pub(crate) fn random(random: &mut Random, fleet: &Fleet, weather: Weather) -> World {
    let mut world = json!({"seed": random.next() >> 1});
    let mut durations = BTreeMap::new();
    for command in
        ["pct create", "pct clone", "pct start", "pct set", "pct snapshot", "qm create", "qm clone", "qm start"]
    {
        if random.once_in(3) {
            durations.insert(command, format!("{}s", random.between(1, 40)));
        }
    }
    world["durations"] = json!(durations);
    let mut faults: Vec<Value> = Vec::new();
    if weather == Weather::Rough {
        faults.extend((0..random.between(1, 4)).map(|_| fault(random, fleet)));
    }
    faults.push(json!({"when": "qm guest exec", "fail": {"exit": 0, "stdout": "{\"exitcode\":0,\"exited\":1,\"out-data\":\"status: done\\n\"}"}}));
    world["faults"] = json!(faults);
    let folders: BTreeMap<String, String> = (100..130).map(|id| (format!("/srv/data/{id}/"), String::new())).collect();
    world["files"] = json!(folders);
    serde_json::from_value(world).expect("a world")
}

fn fault(random: &mut Random, fleet: &Fleet) -> Value {
    let guest = random.pick_of(fleet.guests.iter().map(|(id, entry)| (*id, entry.kind)));
    let (id, kind) = guest.unwrap_or((100, Kind::Container));
    let tool = if kind == Kind::Container { "pct" } else { "qm" };
    let words = match random.below(5) {
        0 => format!("{tool} start {id}"),
        1 => format!("{tool} set {id}"),
        2 => format!("{tool} snapshot {id}"),
        3 => format!("{tool} * {id}"),
        _ if kind == Kind::Container => format!("pct create {id}"),
        _ => format!("qm create {id}"),
    };
    let fail = match random.below(5) {
        0 | 1 => json!("lock-timeout"),
        2 => json!("hang"),
        3 => json!("no-quorum"),
        _ => json!({"exit": 255, "stderr": "out of space\n"}),
    };
    json!({"when": words, "nth": random.between(1, 3), "after": format!("{}s", random.below(3)), "fail": fail})
}
