//! One guest's text, and what becomes of it.

use std::ops::Range;
use std::sync::Arc;

use phoenix_types::GuestId;

use crate::diagnostic::{FileKind, Finding, Target};
use crate::dialect::{ContainerEntry, VmEntry};
use crate::model::Context;
use crate::resolve::{self, Draft, Surroundings};
use crate::schema;
use crate::source::Source;

/// One guest's place in its file.
pub(super) struct Piece<'a> {
    pub(super) file: FileKind,
    pub(super) source: &'a Arc<Source>,
    /// The id that its key gives it; VMs carry theirs inside.
    pub(super) id: Option<GuestId>,
    pub(super) range: Range<usize>,
}

/// What became of it.
pub(super) struct Processed {
    pub(super) id: Option<GuestId>,
    pub(super) draft: Option<Draft>,
    pub(super) findings: Vec<Finding>,
}

/// So many guests are worth a thread.
const PER_THREAD: usize = 64;

/// Processes all pieces, on several threads when there are many; the order of the answers is that of the pieces.
pub(super) fn process_all(pieces: &[Piece<'_>], around: &Surroundings<'_>) -> Vec<Processed> {
    let threads =
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(pieces.len() / PER_THREAD).max(1);
    if threads == 1 {
        return pieces.iter().map(|piece| process(piece, around)).collect();
    }
    let share = pieces.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> = pieces
            .chunks(share)
            .map(|chunk| scope.spawn(|| chunk.iter().map(|piece| process(piece, around)).collect::<Vec<_>>()))
            .collect();
        let answers =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        answers.flatten().collect()
    })
}

fn process(piece: &Piece<'_>, around: &Surroundings<'_>) -> Processed {
    let text = piece.source.text().get(piece.range.clone()).unwrap_or("");
    let context =
        |settings: &Arc<serde_json::Value>| Context::new(piece.source.clone(), piece.range.clone(), settings.clone());
    let mut findings = Vec::new();
    let (id, draft) = match piece.id {
        Some(id) => match serde_json::from_str::<ContainerEntry>(text) {
            Ok(entry) => {
                (Some(id), Some(resolve::container(id, entry, context(around.lxc_settings), around, &mut findings)))
            }
            Err(error) => {
                findings = schema::examine_guest(piece.file, text, piece.range.start, &error);
                (Some(id), None)
            }
        },
        None => match serde_json::from_str::<VmEntry>(text) {
            Ok(entry) => {
                (Some(entry.vmid), Some(resolve::vm(entry, context(around.vm_settings), around, &mut findings)))
            }
            Err(error) => {
                findings = schema::examine_guest(piece.file, text, piece.range.start, &error);
                (schema::vmid(text), None)
            }
        },
    };
    // A guest's own findings point at its text, not at its id: two guests may have the same.
    let place = |target: &mut Target| {
        if let Target::Guest(_) = target {
            *target = Target::At(piece.file, piece.range.start);
        }
    };
    for finding in &mut findings {
        place(&mut finding.target);
        finding.labels.iter_mut().for_each(|(target, _, _)| place(target));
    }
    Processed { id, draft, findings }
}
