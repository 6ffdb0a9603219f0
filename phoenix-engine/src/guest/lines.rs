//! A container's raw lines, and the one among them that carries its check value.

use phoenix_types::{FleetName, GuestConf, GuestId, GuestKind};

use crate::digest::Digest;

/// The name of the variable in a container's raw `lxc.environment` line that carries the check value.
pub(crate) const CHECK_VARIABLE: &str = "PHOENIX_RECORD";

/// The raw line that carries a container's check value and says whose container it is.
pub(crate) fn mark(check: &str, id: GuestId, fleet: &FleetName) -> (String, String) {
    ("lxc.environment".to_owned(), format!("{CHECK_VARIABLE}={check}-{}", owner_mark(id, fleet)))
}

/// What stands for a guest of a fleet in a check value: a copy of the guest, or a guest of another fleet, has another one.
pub(super) fn owner_mark(id: GuestId, fleet: &FleetName) -> String {
    Digest::of([id.to_string().as_bytes(), fleet.as_str().as_bytes()]).short()
}

/// Whether a raw line is the one that carries a check value.
pub(crate) fn is_mark(line: &(String, String)) -> bool {
    line.0 == "lxc.environment" && line.1.starts_with(CHECK_VARIABLE)
}

/// The value that goes back with the disk: of the `PHOENIX_RECORD` line of a container, or a VM's `vmgenid`.
pub(crate) fn check_value(conf: &GuestConf, kind: GuestKind) -> Option<&str> {
    match kind {
        GuestKind::Container => mark_value(conf).map(|value| value.split_once('-').map_or(value, |(check, _)| check)),
        GuestKind::Vm => conf.live.get("vmgenid"),
    }
}

/// Whose a container is, as its check value says; those of an older Phoenix do not.
pub(super) fn owner_of(conf: &GuestConf) -> Option<&str> {
    mark_value(conf)?.split_once('-').map(|(_, owner)| owner)
}

fn mark_value(conf: &GuestConf) -> Option<&str> {
    conf.live.raw.iter().find_map(|(key, value)| {
        let (name, value) = value.split_once('=')?;
        (key == "lxc.environment" && name == CHECK_VARIABLE).then_some(value)
    })
}

/// The digest by which a raw line that Phoenix put there is known again.
pub(crate) fn line_digest(line: &(String, String)) -> Digest {
    Digest::of([line.0.as_bytes(), line.1.as_bytes()])
}
