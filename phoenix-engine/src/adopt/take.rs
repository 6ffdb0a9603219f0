//! Writing the records.

use phoenix_pve::{ConfEdit, GuestError, GuestFiles};
use phoenix_types::{ConfSection, GuestId, GuestKind};

use super::adoption::{Adoptee, Adoption};
use crate::guest::{Record, is_mark, mark};
use crate::node::Node;

/// Why a record was not written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AdoptError {
    /// The guest is not what was looked at.
    #[error("guest {0} was changed in the meantime: run `phoenix adopt` again")]
    Changed(GuestId),
    /// Its file.
    #[error(transparent)]
    Guest(#[from] GuestError),
}

impl Adoption {
    /// Writes the records, guest by guest, without a process on the node. What cannot be written for one guest stops none
    /// of the others.
    ///
    /// Cancel safety: each guest has its whole record or none.
    pub async fn carry_out(&self, node: &Node) -> Vec<(GuestId, Result<(), AdoptError>)> {
        let mut done = Vec::with_capacity(self.guests.len());
        for adoptee in &self.guests {
            done.push((adoptee.id, take(node, adoptee).await));
        }
        done
    }
}

async fn take(node: &Node, adoptee: &Adoptee) -> Result<(), AdoptError> {
    let files = GuestFiles::new(node.labelled(Some(adoptee.id), "adopt").host, adoptee.kind);
    let file = files.conf(adoptee.id).await?.filter(|file| file.conf == adoptee.seen.conf);
    let Some(file) = file else { return Err(AdoptError::Changed(adoptee.id)) };
    Ok(files.edit(adoptee.id, &edit(&file.conf.live, adoptee.kind, &adoptee.record)).await?)
}

/// The notes with the record, and for a container its raw line with the check value.
fn edit(live: &ConfSection, kind: GuestKind, record: &Record) -> ConfEdit {
    let notes = live.description.as_deref().unwrap_or_default();
    let marks: Vec<_> = match (kind, &record.check) {
        (GuestKind::Container, Some(check)) => vec![mark(check, record.id, &record.fleet)],
        _ => Vec::new(),
    };
    ConfEdit {
        description: Some(record.insert_into(notes)),
        remove_raw: live.raw.iter().filter(|line| is_mark(line)).cloned().collect(),
        add_raw: marks,
        ..ConfEdit::default()
    }
}

/// The same on a section in memory.
pub(super) fn write_into(live: &mut ConfSection, kind: GuestKind, record: &Record) {
    let edit = edit(live, kind, record);
    live.raw.retain(|line| !edit.remove_raw.contains(line));
    live.raw.extend(edit.add_raw);
    live.description = edit.description;
}
