//! Guests that are blocked.

use std::collections::BTreeMap;

use phoenix_config::model::Need;
use phoenix_types::GuestId;

use crate::observe::Observed;
use crate::plan::{Disposition, GuestPlan};

/// Holds back the guests that have obstacles and something to change, and the guests that need one that stays as it is. `guests`
/// are in the order of their needs.
pub(super) fn hold_back(guests: &mut [GuestPlan], observed: &Observed) {
    let mut left: BTreeMap<GuestId, &str> = BTreeMap::new();
    for guest in guests {
        match guest.disposition {
            disposition if disposition.leaves_alone() => {
                left.insert(guest.id, "is left alone");
                continue;
            }
            Disposition::Create | Disposition::Finish | Disposition::Update | Disposition::Replace => {}
            _ => continue,
        }
        let needed = guest
            .needs
            .iter()
            .filter(|id| guest.terms(**id).need == Need::Required)
            .find_map(|id| left.get_key_value(id));
        let is_new = guest.disposition == Disposition::Create;
        if let Some((id, what)) = needed {
            guest.remarks.retain(|_| !is_new);
            guest.remarks.push(format!("it needs {id}, which {what}"));
        } else if let Some(obstacles) = observed.obstacles.get(&guest.id) {
            // Remarks about a new guest are about steps that are not done now.
            guest.remarks.retain(|_| !is_new);
            guest.obstacles.clone_from(obstacles);
        } else {
            continue;
        }
        guest.disposition = Disposition::Held;
        guest.steps.clear();
        left.insert(guest.id, "is held back");
    }
}
