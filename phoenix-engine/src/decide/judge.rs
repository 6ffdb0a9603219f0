//! Which record counts, when a disk may have gone back to an earlier state.

use phoenix_types::GuestKind;

use crate::guest::Record;
use crate::observe::Present;

/// The record that counts: the guest's own, or, when the disk went back, that of the snapshot it went back to.
pub(super) fn judge(present: &Present, record: Record) -> (Record, Option<String>) {
    let (Some(expected), Some(found)) = (record.check.as_deref(), present.check()) else {
        return (record, None);
    };
    if expected == found {
        return (record, None);
    }
    let parent = present.conf.live.get("parent");
    let snapshots = present.conf.snapshots.iter().filter(|(name, _)| match present.kind {
        // A container's line came back with the snapshot, so it names the one; a VM's value is always new.
        GuestKind::Container => true,
        GuestKind::Vm => Some(name.as_str()) == parent,
    });
    for (name, section) in snapshots {
        let Some(mut old) = section.description.as_deref().and_then(Record::find).filter(|old| old.id == record.id)
        else {
            continue;
        };
        if present.kind == GuestKind::Vm || old.check.as_deref() == Some(found) {
            old.check = Some(found.to_owned());
            // The notes did not go back.
            old.notes = record.notes;
            old.undo = None;
            let text = format!("it was rolled back to snapshot `{name}`: scripts that had run by then count as run");
            return (old, Some(text));
        }
    }
    let mut unknown = Record { scripts: Vec::new(), cleaned: false, ..record };
    unknown.check = Some(found.to_owned());
    let text = "it was rolled back or restored outside of Phoenix, and nothing shows which scripts had run: its scripts run again";
    (unknown, Some(text.to_owned()))
}
