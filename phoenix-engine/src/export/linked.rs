//! Linked clones.

use std::collections::BTreeSet;

use phoenix_types::{ConfSection, GuestId};

/// The guest whose template a linked clone's disk rests on (pve-storage: `base-ID-disk-N`, `basevol-ID-disk-N`), when that is
/// described too. A template's own disk is called so as well.
pub(super) fn linked_to(guest: GuestId, live: &ConfSection, disk: &str, ids: &BTreeSet<GuestId>) -> Option<GuestId> {
    let value = live.get(disk)?;
    let base = ["/base-", ":base-", "/basevol-", ":basevol-"].iter().find_map(|mark| value.split_once(mark))?.1;
    base.split('-').next()?.parse().ok().filter(|id| *id != guest && ids.contains(id))
}
