//! Random worlds: how long things take and what fails.

use std::collections::BTreeMap;

use phoenix_sim::World;
use serde_json::{Value, json};

use super::fleet::{FEATURES, Fleet, Kind, PORT, READY};
use super::random::Random;

/// Whether things fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weather {
    Calm,
    /// Some commands and scripts fail or hang, each only once or twice, and ports come and go; the storage may be nearly full until
    /// somebody makes room. So another run helps.
    Rough,
    /// Some things never work: commands fail or hang each time, guests never boot, agents never answer, services never open.
    Doomed,
}

/// Commands whose times differ from world to world.
const TIMED: [&str; 8] =
    ["pct create", "pct clone", "pct start", "pct set", "pct snapshot", "qm create", "qm clone", "qm start"];

pub(crate) fn random(random: &mut Random, fleet: &Fleet, weather: Weather) -> World {
    let mut durations = BTreeMap::new();
    for command in TIMED {
        if random.once_in(3) {
            durations.insert(command, format!("{}s", random.between(1, 40)));
        }
    }
    let mut faults: Vec<Value> = Vec::new();
    if weather != Weather::Calm {
        faults.extend((0..random.between(1, 4)).map(|_| fault(random, fleet, weather)));
    }
    let mut scripts = BTreeMap::new();
    for name in FEATURES {
        // A script is looked at every second, so long ones make long stories.
        let longest = if random.once_in(6) { 90 } else { 12 };
        let mut script = json!({"duration": format!("{}s", random.between(0, longest))});
        if weather != Weather::Calm && random.once_in(6) {
            script["exit"] = json!(random.between(1, 3));
            if weather == Weather::Rough {
                script["times"] = json!(1);
            }
        }
        scripts.insert(name, script);
    }
    let mut guests = BTreeMap::new();
    if weather == Weather::Doomed {
        for id in fleet.guests.keys() {
            if !random.once_in(3) {
                continue;
            }
            let never = *random.pick(&["init", "agent", "cloud_init"]);
            let service = if random.once_in(2) { json!({"app": {"events": []}}) } else { json!({}) };
            guests.insert(id.to_string(), json!({"boot": {"never": [never]}, "services": service}));
        }
    }
    let mut world = json!({
        "seed": random.next() >> 1,
        "durations": durations,
        "faults": faults,
        "every_guest": {
            "boot": {"init": format!("{}s", random.between(1, 20)), "agent": format!("{}s", random.between(5, 60))},
            "scripts": scripts,
            "services": {"app": {"begins": "boot", "events": [opening(random, weather), {
                "after": format!("{}s", random.between(1, 150)), "files": {READY: "yes\n"},
            }]}},
        },
        "guests": guests,
    });
    if weather == Weather::Rough && random.once_in(3) {
        world["storages"] = json!({"tank": {"type": "zfspool", "path": "rpool/tank", "size_gib": 400}});
    }
    serde_json::from_value(world).expect("a world")
}

/// The size of the guests' storage in GiB, where it is known.
pub(crate) fn size_of_tank(world: &World) -> Option<u64> {
    Some(world.storages.as_ref()?.get("tank")?.size_gib)
}

/// A port that opens, now and then one that comes and goes.
fn opening(random: &mut Random, weather: Weather) -> Value {
    let mut event = json!({"after": format!("{}s", random.between(0, 150)), "open": [PORT]});
    if weather != Weather::Calm && random.once_in(4) {
        event["flapping"] = json!({"open": "40s", "closed": "3s"});
    }
    event
}

fn fault(random: &mut Random, fleet: &Fleet, weather: Weather) -> Value {
    let guest = random.pick_of(fleet.guests.iter().map(|(id, entry)| (*id, entry.kind)));
    let (id, kind) = guest.unwrap_or((100, Kind::Container));
    let tool = if kind == Kind::Container { "pct" } else { "qm" };
    let words = match random.below(6) {
        0 => format!("{tool} start {id}"),
        1 => format!("{tool} set {id}"),
        2 => format!("{tool} snapshot {id}"),
        3 => format!("{tool} * {id}"),
        4 if kind == Kind::Container => format!("pct exec {id}"),
        4 => format!("qm guest exec {id}"),
        _ if kind == Kind::Container => format!("pct create {id}"),
        _ => format!("qm create {id}"),
    };
    let fail = match random.below(5) {
        0 | 1 => json!("lock-timeout"),
        2 => json!("hang"),
        3 => json!("no-quorum"),
        _ => json!({"exit": 255, "stderr": "out of space\n"}),
    };
    let mut fault = json!({"when": words, "after": format!("{}s", random.below(3)), "fail": fail});
    if weather == Weather::Rough {
        fault["nth"] = json!(random.between(1, 3));
    }
    fault
}
