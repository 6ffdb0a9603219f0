//! What proves that a guest is ours: the guest itself.
//!
//! An id in a list proves nothing, because anybody can make a guest under any id at any time.

use phoenix_types::{GuestConf, GuestId, GuestKind};

use super::disk::root_disk;
use super::lock::is_creation;
use super::record::{PendingWork, Record};

/// What a guest's configuration shows of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It carries the record of this very guest.
    Record(Box<Record>),
    /// It carries the record that the creating command wrote, and that command did not reach its end.
    Unfinished,
    /// It is an empty shell: an id, and at most the lock of a command that makes or destroys a guest. It is ours only when the
    /// lock file of the runs names it.
    Shell,
    /// Nothing shows that it is ours.
    Nothing,
}

impl Proof {
    /// What the configuration of guest `id` shows.
    pub(crate) fn of(conf: &GuestConf, kind: GuestKind, id: GuestId) -> Self {
        if is_shell(conf) {
            return Self::Shell;
        }
        let notes = conf.live.description.as_deref().unwrap_or_default();
        match Record::find(notes).filter(|record| record.id == id) {
            Some(record) if is_unfinished(conf, kind, &record) => Self::Unfinished,
            Some(record) => Self::Record(Box::new(record)),
            None => Self::Nothing,
        }
    }
}

/// Whether the creating command wrote the record and was then killed: it writes the record before the disks.
fn is_unfinished(conf: &GuestConf, kind: GuestKind, record: &Record) -> bool {
    let was_begun = record.check.is_none() && record.pending.contains(&PendingWork::Making);
    was_begun && (conf.lock().is_some_and(is_creation) || root_disk(&conf.live, kind).is_none())
}

/// What `qm clone` writes into the notes until it has copied the settings (qemu-server `API2/Qemu.pm`).
const CLONE_NOTES: &str = "qmclone temporary file";

fn is_shell(conf: &GuestConf) -> bool {
    let live = &conf.live;
    let locks = ["create", "clone", "destroyed"];
    let has_nothing_else = live.raw.is_empty()
        && conf.pending.is_none()
        && conf.special.is_empty()
        && conf.snapshots.is_empty()
        && live.description.as_deref().is_none_or(|notes| notes.trim() == CLONE_NOTES);
    has_nothing_else && live.keys.iter().all(|(key, value)| key == "lock" && locks.contains(&value.as_str()))
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const OWN: &str = "#<!-- phoenix%3A{\"v\"%3A1,\"id\"%3A500,\"o\"%3A[\"making\"]} -->\n";
    const ADOPTED: &str = "#<!-- phoenix%3A{\"v\"%3A1,\"id\"%3A500} -->\n";

    #[test_case("" => "shell"; "unlocked by hand")]
    #[test_case("lock: create\n" => "shell"; "reserved")]
    #[test_case("lock: destroyed\n" => "shell"; "what is left of a destroyed one")]
    #[test_case("#qmclone temporary file\nlock: clone\n" => "shell"; "a clone that only begins")]
    #[test_case("lock: snapshot\n" => "nothing"; "the lock of another task")]
    #[test_case("memory: 512\nname: theirs\n" => "nothing"; "a guest without a disk")]
    #[test_case("lock: create\nmemory: 512\nname: theirs\n" => "nothing"; "a guest that somebody makes")]
    #[test_case("#kept for later\n" => "nothing"; "notes and nothing else")]
    #[test_case(&format!("{OWN}lock: create\n") => "unfinished"; "ours, still locked")]
    #[test_case(&format!("{OWN}memory: 512\n") => "unfinished"; "ours, without disk")]
    #[test_case(&format!("{OWN}scsi0: tank:vm-500-disk-0,size=8G\n") => "record"; "ours, made to its end")]
    #[test_case(&format!("{ADOPTED}memory: 512\nunused0: tank:vm-500-disk-0\n") => "record"; "adopted, without vmgenid and disk")]
    #[test_case(&format!("{ADOPTED}lock: create\nmemory: 512\n") => "record"; "adopted, and somebody restores it")]
    fn what_a_configuration_shows(text: &str) -> &'static str {
        match Proof::of(&GuestConf::parse(text, GuestKind::Vm), GuestKind::Vm, GuestId::new(500).unwrap()) {
            Proof::Record(_) => "record",
            Proof::Unfinished => "unfinished",
            Proof::Shell => "shell",
            Proof::Nothing => "nothing",
        }
    }
}
