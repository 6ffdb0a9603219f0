//! The record that a guest would have, had Phoenix made it as it is configured.

use phoenix_pve::InvalidSettings;
use phoenix_types::GuestKind;

use crate::desired::{Desired, DesiredGuest, Spec};
use crate::guest::{ManagedText, RanScript, Record, line_digest, mounted_by, wanted_keys};
use crate::observe::Present;

/// Whether the scripts of the configuration count as run on a guest. Nothing on the node tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provisioned {
    /// As far as is known they have not, so the next `up` runs them.
    #[default]
    NotYet,
    /// They have, and NFS volumes are set up as well: somebody says so.
    Already,
}

/// The record of a guest as it would be had Phoenix set what is configured: the configured keys and lines become Phoenix's to
/// change and to remove again, and everything else on the guest stays its owner's.
pub(crate) fn as_configured(
    guest: &DesiredGuest,
    desired: &Desired,
    present: &Present,
    provisioned: Provisioned,
) -> Result<Record, InvalidSettings> {
    let mut record = Record::new(guest.id, desired.fleet.clone());
    record.needs = Some(guest.needs.iter().copied().collect());
    record.keys = wanted_keys(guest, &present.conf.after_restart())?;
    record.firewall = guest.firewall.is_some();
    record.origin = guest.origin();
    record.notes = guest.notes.as_deref().and_then(ManagedText::of);
    if let Spec::Container(container) = &guest.spec {
        record.lines = container.raw_lines.iter().map(line_digest).collect();
    }
    if provisioned == Provisioned::Already {
        let ran = |script: &crate::desired::DesiredScript| RanScript {
            name: script.name.clone(),
            digest: script.digest.clone(),
        };
        record.scripts = guest.scripts.iter().map(ran).collect();
        if let Spec::Vm(vm) = &guest.spec {
            record.volumes = mounted_by(vm);
        }
    }
    record.check = match present.kind {
        GuestKind::Container => Some(record.fresh_check()),
        GuestKind::Vm => present.check().map(str::to_owned),
    };
    Ok(record)
}

/// The record of a guest whose notes were edited, and what a person should know. A container's check value is a digest over the
/// record, so it tells whether the guest is still as it is configured.
pub(super) fn recover(guest: &DesiredGuest, desired: &Desired, present: &Present, left: Record) -> (Record, String) {
    const LOST: &str =
        "its notes were edited and the record in them is gone; its check value still shows that it is ours";
    let whole = as_configured(guest, desired, present, Provisioned::Already);
    if let Some(whole) = whole.ok().filter(|whole| whole.check.as_deref() == present.check()) {
        return (whole, format!("{LOST}, and that nothing changed: the record is written again"));
    }
    if !left.origin.is_empty() || guest.scripts.is_empty() {
        return (left, format!("{LOST}: the record is written again"));
    }
    let known = as_configured(guest, desired, present, Provisioned::NotYet).unwrap_or_else(|_| left.clone());
    (Record { check: left.check, ..known }, format!("{LOST}, and nothing tells which scripts ran: they run again"))
}
