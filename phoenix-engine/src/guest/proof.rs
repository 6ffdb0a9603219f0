//! What proves that a guest is ours: the guest itself.
//!
//! An id in a list proves nothing, because anybody can make a guest under any id at any time.

use phoenix_types::{FleetName, GuestConf, GuestId, GuestKind};

use super::disk::root_disk;
use super::lines::{check_value, owner_mark, owner_of};
use super::lock::is_creation;
use super::record::{PendingWork, Record};
use super::version::Written;

/// What a guest's configuration shows of its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It carries the record of this very guest and of this fleet.
    Record(Box<Record>),
    /// Its notes were edited and the record is gone. Its check value, or the record of a snapshot, shows that it is ours; the
    /// record here is what is left of it.
    Lost(Box<Record>),
    /// It carries the record that the creating command wrote, and that command did not reach its end.
    Unfinished(Box<Record>),
    /// It is an empty shell: an id, and at most the lock of a command that makes or destroys a guest. It is ours only when the
    /// lock file of the runs names it.
    Shell,
    /// It carries the record of another fleet.
    OtherFleet(FleetName),
    /// It carries a record that only a newer Phoenix understands.
    Newer(u64),
    /// It carries the record of another guest, from which somebody cloned it.
    CloneOf(GuestId),
    /// Nothing shows that it is ours.
    Nothing,
}

impl Proof {
    /// What the configuration of guest `id` shows to the fleet `fleet`.
    pub(crate) fn of(conf: &GuestConf, kind: GuestKind, id: GuestId, fleet: &FleetName) -> Self {
        if is_shell(conf) {
            return Self::Shell;
        }
        match Written::find(conf.live.description.as_deref().unwrap_or_default()) {
            Written::Record(record) if record.id != id => Self::CloneOf(record.id),
            Written::Record(record) if record.fleet != *fleet => Self::OtherFleet(record.fleet),
            Written::Record(record) if is_unfinished(conf, kind, &record) => Self::Unfinished(record),
            Written::Record(record) => Self::Record(record),
            Written::Newer(version) => Self::Newer(version),
            Written::Damaged | Written::Nothing => match lost(conf, kind, id, fleet) {
                Some(record) => Self::Lost(Box::new(record)),
                None => Self::Nothing,
            },
        }
    }

    /// The record, or what is left of it, of a guest that is ours.
    pub(crate) fn into_record(self) -> Option<Record> {
        match self {
            Self::Record(record) | Self::Lost(record) | Self::Unfinished(record) => Some(*record),
            Self::Shell | Self::OtherFleet(_) | Self::Newer(_) | Self::CloneOf(_) | Self::Nothing => None,
        }
    }

    /// Why the guest is left alone, and what a person can do about it.
    pub(crate) fn why_foreign(&self, id: GuestId, lock: Option<&str>) -> String {
        match self {
            Self::OtherFleet(fleet) => format!(
                "its record names the fleet `{fleet}`: choose another id, or take it over with `phoenix adopt {id}`"
            ),
            Self::Newer(version) => {
                format!("its record has version {version}, which a newer Phoenix wrote: use that one")
            }
            Self::CloneOf(source) => format!(
                "somebody cloned it from guest {source}, whose record it carries: take it over with `phoenix adopt {id}`, or choose \
                 another id"
            ),
            _ => match lock {
                Some(lock) => {
                    format!(
                        "it has no record of Phoenix and is locked (`{lock}`); nothing proves that Phoenix created it"
                    )
                }
                None => {
                    format!("it has no record of Phoenix: take it over with `phoenix adopt {id}`, or choose another id")
                }
            },
        }
    }
}

/// Whether the creating command wrote the record and was then killed: it writes the record before the disks.
fn is_unfinished(conf: &GuestConf, kind: GuestKind, record: &Record) -> bool {
    let was_begun = record.check.is_none() && record.pending.contains(&PendingWork::Making);
    was_begun && (conf.lock().is_some_and(is_creation) || root_disk(&conf.live, kind).is_none())
}

/// What is left of the record of a guest whose notes were edited, when the guest still shows that it is ours: a container by the
/// mark in its check value, and both kinds by a snapshot with the record of the present check value.
fn lost(conf: &GuestConf, kind: GuestKind, id: GuestId, fleet: &FleetName) -> Option<Record> {
    let check = check_value(conf, kind)?;
    let sections = conf.snapshots.values().filter_map(|section| section.description.as_deref());
    let mut then = sections.filter_map(Record::find).filter(|then| then.id == id && then.fleet == *fleet);
    if let Some(then) = then.find(|then| then.check.as_deref() == Some(check)) {
        return Some(Record { undo: None, notes: None, ..then });
    }
    let is_marked = kind == GuestKind::Container && owner_of(conf) == Some(owner_mark(id, fleet).as_str());
    is_marked.then(|| Record { check: Some(check.to_owned()), ..Record::new(id, fleet.clone()) })
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

    const LAB: &str = "#<!-- phoenix%3A{\"v\"%3A2,\"fleet\"%3A\"lab\",\"id\"%3A500} -->\n";
    const NEWER: &str = "#<!-- phoenix%3A{\"v\"%3A9,\"id\"%3A500} -->\n";

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
    #[test_case(&format!("{LAB}memory: 512\n") => "other fleet"; "of another fleet")]
    #[test_case(&format!("{NEWER}memory: 512\n") => "newer"; "of a newer version")]
    #[test_case(&format!("{}memory: 512\n", OWN.replace("500", "501")) => "clone"; "cloned by hand")]
    #[test_case(&format!("vmgenid: aa\n\n[base]\n{CHECKED}") => "lost"; "notes edited, a snapshot tells")]
    #[test_case(&format!("vmgenid: bb\n\n[base]\n{CHECKED}") => "nothing"; "a snapshot of another state tells nothing")]
    fn what_a_configuration_shows(text: &str) -> &'static str {
        shown(text, GuestKind::Vm)
    }

    const CHECKED: &str = "#<!-- phoenix%3A{\"v\"%3A1,\"id\"%3A500,\"c\"%3A\"aa\"} -->\n";

    #[test]
    fn the_check_value_of_a_container_shows_whose_it_is() {
        let id = |number| GuestId::new(number).unwrap();
        let conf = |number, fleet: &str| {
            let (key, value) = super::super::lines::mark("0badcafe", id(number), &fleet.parse().unwrap());
            format!("#somebody wrote over it\nmemory: 512\n{key}: {value}\n")
        };
        assert_eq!(shown(&conf(500, "default"), GuestKind::Container), "lost");
        assert_eq!(shown(&conf(501, "default"), GuestKind::Container), "nothing", "a clone of another one");
        assert_eq!(shown(&conf(500, "lab"), GuestKind::Container), "nothing", "of another fleet");
    }

    fn shown(text: &str, kind: GuestKind) -> &'static str {
        match Proof::of(&GuestConf::parse(text, kind), kind, GuestId::new(500).unwrap(), &FleetName::default()) {
            Proof::Record(_) => "record",
            Proof::Lost(_) => "lost",
            Proof::Unfinished(_) => "unfinished",
            Proof::Shell => "shell",
            Proof::OtherFleet(_) => "other fleet",
            Proof::Newer(_) => "newer",
            Proof::CloneOf(_) => "clone",
            Proof::Nothing => "nothing",
        }
    }
}
