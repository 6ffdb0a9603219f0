//! Guests of this fleet that the configuration no longer has.

use phoenix_types::GuestKind;

use crate::desired::Desired;
use crate::observe::{Observed, Present};
use crate::plan::RemovedGuest;

/// The name that a guest has on the node.
fn name_of(present: &Present) -> String {
    let key = match present.kind {
        GuestKind::Container => "hostname",
        GuestKind::Vm => "name",
    };
    present.conf.live.get(key).unwrap_or_default().to_owned()
}

/// The guests that are removed from the configuration.
pub(crate) fn removed(desired: &Desired, observed: &Observed) -> Vec<RemovedGuest> {
    let found = observed.removed(desired).map(|(id, present, record)| RemovedGuest {
        id,
        name: name_of(present),
        kind: present.kind,
        power: present.power,
        needs: record.needs.unwrap_or_default(),
    });
    found.collect()
}
