//! What Phoenix knows of a guest beyond Proxmox's own settings, kept in the guest's notes.

use std::collections::{BTreeMap, BTreeSet};

use phoenix_types::{FleetName, GuestId};
use serde::{Deserialize, Serialize};

use super::notes::ManagedText;
use crate::digest::Digest;

/// The version that this program writes.
pub(crate) const VERSION: u32 = 2;

const OPEN: &str = "<!-- phoenix:";
const CLOSE: &str = " -->";

/// How many bytes of notes Proxmox keeps (pve-common JSONSchema, `description`).
pub(crate) const NOTES_LIMIT: usize = 8192;

/// One script that ran to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct RanScript {
    /// Its name in the configuration.
    #[serde(rename = "n")]
    pub name: String,
    /// The digest over the script and what it could see.
    #[serde(rename = "d")]
    pub digest: Digest,
}

/// What a run began on a guest and has not finished yet. When it dies or fails, the next run continues from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PendingWork {
    /// Settings were changed that act only after a restart.
    Restart,
    /// It is being made, changed or started, and has not been asked since whether it is well.
    Proof,
    /// It is being made: there is nothing yet that a change could go back to, and it may not have been started yet.
    Making,
    /// A change failed and it goes back to the snapshot that was taken before.
    Rollback,
    /// Scripts run once more, and its snapshots still show what they did before.
    Snapshots,
    /// It is a clone that still has its source's ssh host keys and machine id.
    Identity,
}

/// What Phoenix knows of a guest. It is in one HTML comment in the guest's notes, after the user's own text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Record {
    /// The version of this form.
    #[serde(rename = "v")]
    pub version: u32,
    /// The fleet that the guest belongs to.
    pub fleet: FleetName,
    /// The guest that the record is about: a clone that carries its source's record is not mistaken for it.
    pub id: GuestId,
    /// The value that goes back with the disk when the guest is rolled back: for a container that of its
    /// `PHOENIX_RECORD` line, for a VM its `vmgenid`. Absent until the guest's first settings are written.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
    /// The scripts that ran, in order.
    #[serde(rename = "s", default, skip_serializing_if = "Vec::is_empty")]
    pub scripts: Vec<RanScript>,
    /// The settings that Phoenix put there, so that it may take them away again.
    #[serde(rename = "k", default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<String>,
    /// Digests of the raw lines that Phoenix put there.
    #[serde(rename = "l", default, skip_serializing_if = "BTreeSet::is_empty")]
    pub lines: BTreeSet<Digest>,
    /// Whether there is nothing in it that its clones must not share: all was removed, and nothing ran in it since.
    #[serde(rename = "x", default, skip_serializing_if = "std::ops::Not::not")]
    pub cleaned: bool,
    /// What is left to do; nothing after a run that ended well.
    #[serde(rename = "o", default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pending: BTreeSet<PendingWork>,
    /// Whether Phoenix wrote the guest's firewall file, so that it may take it away again.
    #[serde(rename = "f", default, skip_serializing_if = "std::ops::Not::not")]
    pub firewall: bool,
    /// The NFS volumes that Phoenix set up inside: each mount point, with a digest over what is mounted there and how.
    #[serde(rename = "m", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, Digest>,
    /// What it was made from, by the key of the configuration: what only a new guest can change.
    #[serde(rename = "b", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origin: BTreeMap<String, String>,
    /// What of the notes is the configuration's, so that it can be replaced or removed again.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<ManagedText>,
    /// The guests that it needs, so that a guest which the configuration no longer has is removed before them. Absent in a record
    /// that an older Phoenix wrote.
    #[serde(rename = "d", default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<BTreeSet<GuestId>>,
    /// What the snapshot that carries this record does not hold itself. Only the snapshot before a change has it.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<Undo>,
}

/// What a change can go back to and Proxmox's snapshots do not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Undo {
    /// The text of the firewall file; absent when there was none.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub firewall: Option<String>,
    /// What the configuration said in the notes.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub notes: Option<String>,
}

impl Record {
    /// The record of a guest that is just being made.
    #[must_use]
    pub fn new(id: GuestId, fleet: FleetName) -> Self {
        Self {
            version: VERSION,
            fleet,
            id,
            check: None,
            scripts: Vec::new(),
            keys: BTreeSet::new(),
            lines: BTreeSet::new(),
            cleaned: false,
            pending: BTreeSet::new(),
            firewall: false,
            volumes: BTreeMap::new(),
            origin: BTreeMap::new(),
            notes: None,
            needs: None,
            undo: None,
        }
    }

    /// `notes` with this record in it: in its old place, or after the user's text.
    #[must_use]
    pub fn insert_into(&self, notes: &str) -> String {
        // `-->` inside would end the comment early; JSON can write `>` as an escape.
        let json = serde_json::to_string(self).unwrap_or_default().replace('>', "\\u003e");
        match split(notes) {
            Some((before, _, after)) => format!("{before}{OPEN}{json}{CLOSE}{after}"),
            None if notes.trim().is_empty() => format!("{OPEN}{json}{CLOSE}"),
            None => format!("{}\n\n{OPEN}{json}{CLOSE}", notes.trim_end()),
        }
    }

    /// `notes` without any record: the user's own text.
    #[must_use]
    pub fn strip(notes: &str) -> String {
        match split(notes) {
            Some((before, _, after)) => format!("{}{}", before.trim_end(), after.trim_end()),
            None => notes.trim_end().to_owned(),
        }
    }

    /// A fresh check value: one that changes whenever what was done to the guest does. What is owed is no part of that, and notes
    /// do not go back with a disk.
    #[must_use]
    pub fn fresh_check(&self) -> String {
        let unmarked = Self { check: None, pending: BTreeSet::new(), notes: None, ..self.clone() };
        let json = serde_json::to_vec(&unmarked).unwrap_or_default();
        Digest::of([json.as_slice()]).short()
    }

    /// Notes a script that ran to its end.
    pub fn ran(&mut self, name: &str, digest: &Digest) {
        self.cleaned = false;
        self.scripts.retain(|script| script.name != name);
        self.scripts.push(RanScript { name: name.to_owned(), digest: digest.clone() });
    }
}

/// The notes before the record, the record's text, and the notes after it.
pub(super) fn split(notes: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = notes.split_once(OPEN)?;
    let (text, after) = rest.split_once("-->")?;
    Some((before, text.trim(), after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::version::Written;
    use proptest::prelude::*;
    use test_case::test_case;

    fn record() -> Record {
        let mut record = Record::new(GuestId::new(103).unwrap(), FleetName::default());
        record.ran("base_setup", &Digest::of([b"script".as_slice()]));
        record.keys.insert("mp0".into());
        record
    }

    #[test]
    fn it_stands_after_the_users_text_and_survives_edits_around_it() {
        let notes = record().insert_into("My CA.\nDo not touch.");
        assert!(notes.starts_with("My CA.\nDo not touch.\n\n<!-- phoenix:"));
        let edited = format!("New first line\n{notes}\nA line below");
        assert_eq!(Record::find(&edited), Some(record()));
        let mut changed = record();
        changed.check = Some("0badcafe".into());
        let again = changed.insert_into(&edited);
        assert!(again.starts_with("New first line\nMy CA.") && again.ends_with("\nA line below"));
        assert_eq!(Record::find(&again), Some(changed));
        assert_eq!(again.matches(OPEN).count(), 1);
    }

    #[test]
    fn notes_without_a_record_or_with_a_newer_one_have_none() {
        assert_eq!(Written::find("just text"), Written::Nothing);
        assert_eq!(Written::find("<!-- phoenix:{\"v\":3,\"id\":103,\"new\":1} -->"), Written::Newer(3));
        assert_eq!(Written::find("<!-- phoenix:{broken -->"), Written::Damaged);
        assert_eq!(Written::find("<!-- phoenix:{\"v\":2,\"id\":103} -->"), Written::Damaged, "it names no fleet");
        assert_eq!(Written::find("<!-- phoenix:{\"v\":0,\"id\":103} -->"), Written::Damaged);
    }

    /// One file for each version that was ever written, by the program of that version.
    #[test_case(include_str!("record_fixtures/v1.txt"), "default", None; "version 1")]
    #[test_case(include_str!("record_fixtures/v2.txt"), "lab", Some(101); "version 2")]
    fn every_version_is_understood(notes: &str, fleet: &str, needs: Option<u32>) {
        let record = Record::find(notes).unwrap();
        assert_eq!((record.version, record.fleet.as_str(), record.id.get()), (VERSION, fleet, 103));
        assert_eq!(record.needs, needs.map(|id| [GuestId::new(id).unwrap()].into()));
        assert_eq!(record.scripts[0].name, "base_setup");
        assert_eq!(record.check.as_deref(), Some("0badcafe"));
        assert!(record.pending.contains(&PendingWork::Restart) && record.firewall && record.keys.contains("mp0"));
    }

    #[test]
    fn the_check_value_changes_with_the_record_only() {
        let mut other = record();
        assert_eq!(record().fresh_check(), other.fresh_check());
        other.check = Some("x".into());
        other.pending.insert(PendingWork::Proof);
        assert_eq!(record().fresh_check(), other.fresh_check());
        other.ran("docker", &Digest::of([b"y".as_slice()]));
        assert_ne!(record().fresh_check(), other.fresh_check());
    }

    proptest! {
        #[test]
        fn any_notes_keep_their_text(text in "[^<\\r]{0,200}", key in "\\PC{0,20}") {
            let mut record = record();
            record.keys.insert(key);
            let notes = record.insert_into(&text);
            prop_assert_eq!(Record::find(&notes), Some(record));
            prop_assert_eq!(Record::strip(&notes), text.trim_end());
        }
    }
}
