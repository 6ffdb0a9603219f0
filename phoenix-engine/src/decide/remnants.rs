//! What a run that died left, and this plan does not touch: named, with what takes it away.

use phoenix_types::GuestId;

use crate::desired::Desired;
use crate::observe::{Observed, Present};

/// What a person should know who reads the plan.
pub(super) fn remnants(desired: &Desired, observed: &Observed) -> Vec<String> {
    let others = observed.present.iter().filter(|(id, _)| !desired.guests.contains_key(*id));
    let halves = others.filter(|(id, _)| observed.is_half_made(**id));
    let mut remarks: Vec<String> = halves.map(|(id, present)| half_made(*id, present)).collect();
    for (guest, volumes) in &observed.orphans {
        for volume in volumes {
            remarks.push(format!(
                "volume `{volume}` of guest {guest} is unreferenced and may be a remnant of a run that died: `pvesm free {volume}` removes it if it is not needed"
            ));
        }
    }
    remarks
}

fn half_made(id: GuestId, present: &Present) -> String {
    let tool = present.kind.tool();
    let what = if present.conf.lock() == Some("destroyed") { "destroyed" } else { "created" };
    let destroy = format!("`{tool} destroy {id} --purge 1 --destroy-unreferenced-disks 1`");
    let remove = match present.conf.lock() {
        Some(_) => format!("`{tool} unlock {id}` and {destroy} remove it"),
        None => format!("{destroy} removes it"),
    };
    format!(
        "guest {id} is incompletely {what}: a run that died was working on it, and it is not part of this plan. `phoenix up {id}` completes it if it is configured; otherwise {remove}"
    )
}
