//! One guest's text, and what becomes of it.

use std::ops::Range;
use std::sync::Arc;

use phoenix_types::GuestId;

use crate::diagnostic::{Code, FileKind, Finding, Target};
use crate::dialect::{ContainerEntry, VmEntry};
use crate::model::Context;
use crate::resolve::{self, Draft, ResolveContext};
use crate::schema::{self, Examined, Rest};
use crate::source::{Holes, Source};

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
    /// What of it could not be read.
    pub(super) holes: Holes,
    pub(super) findings: Vec<Finding>,
}

/// So many guests are worth a thread.
const PER_THREAD: usize = 64;

/// Processes all pieces, on several threads when there are many; the order of the answers is that of the pieces.
pub(super) fn process_all(pieces: &[Piece<'_>], inputs: &ResolveContext<'_>) -> Vec<Processed> {
    let threads =
        std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(pieces.len() / PER_THREAD).max(1);
    if threads == 1 {
        return pieces.iter().map(|piece| process(piece, inputs)).collect();
    }
    let share = pieces.len().div_ceil(threads);
    std::thread::scope(|scope| {
        let workers: Vec<_> = pieces
            .chunks(share)
            .map(|chunk| scope.spawn(|| chunk.iter().map(|piece| process(piece, inputs)).collect::<Vec<_>>()))
            .collect();
        let answers =
            workers.into_iter().map(|worker| worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        answers.flatten().collect()
    })
}

fn process(piece: &Piece<'_>, inputs: &ResolveContext<'_>) -> Processed {
    let text = piece.source.text().get(piece.range.clone()).unwrap_or("");
    let mut processed = match read(piece, text, piece.source, piece.range.clone(), inputs) {
        Ok((id, draft, findings)) => Processed { id: Some(id), draft: Some(draft), holes: Holes::default(), findings },
        Err(error) => torn(piece, text, &error, inputs),
    };
    // A guest's own findings point at its text, not at its id: two guests may have the same.
    let place = |target: &mut Target| {
        if let Target::Guest(_) = target {
            *target = Target::At(piece.file, piece.range.start);
        }
    };
    for finding in &mut processed.findings {
        place(&mut finding.target);
        finding.labels.iter_mut().for_each(|(target, _, _)| place(target));
    }
    processed
}

/// A guest from its text, which is in a source.
fn read(
    piece: &Piece<'_>,
    text: &str,
    source: &Arc<Source>,
    range: Range<usize>,
    inputs: &ResolveContext<'_>,
) -> Result<(GuestId, Draft, Vec<Finding>), serde_json::Error> {
    let context = |settings: &Arc<serde_json::Value>| Context::new(source.clone(), range, settings.clone());
    let mut findings = Vec::new();
    let (id, draft) = match piece.id {
        Some(id) => {
            let entry = serde_json::from_str::<ContainerEntry>(text)?;
            (id, resolve::container(id, entry, context(inputs.lxc_settings), inputs, &mut findings))
        }
        None => {
            let entry = serde_json::from_str::<VmEntry>(text)?;
            (entry.vmid, resolve::vm(entry, context(inputs.vm_settings), inputs, &mut findings))
        }
    };
    Ok((id, draft, findings))
}

/// A guest that the types refuse: everything that is wrong with it, and what can be read of it all the same.
fn torn(piece: &Piece<'_>, text: &str, error: &serde_json::Error, inputs: &ResolveContext<'_>) -> Processed {
    let Examined { mut findings, rest } = schema::examine_guest(piece.file, text, piece.range.start, error);
    let id = piece.id.or_else(|| schema::vmid(text));
    let Some(Rest { text, holes }) = rest else {
        return Processed { id, draft: None, holes: Holes::everything(), findings };
    };
    let source = Arc::new(Source::new(piece.source.path(), text.as_str()));
    let Ok((_, draft, resolved)) = read(piece, &text, &source, 0..text.len(), inputs) else {
        return Processed { id, draft: None, holes: Holes::everything(), findings };
    };
    let sure = resolved.into_iter().filter(|finding| !needs_what_is_missing(finding, &holes));
    findings.extend(sure.map(|mut finding| {
        finding.path = holes.original(&finding.path);
        finding.labels.iter_mut().for_each(|(_, path, _)| *path = holes.original(path));
        finding
    }));
    Processed { id, draft: Some(draft), holes, findings }
}

/// Whether a finding says that something is not there, and that may stand where nothing could be read.
fn needs_what_is_missing(finding: &Finding, holes: &Holes) -> bool {
    let surroundings = match finding.code {
        Code::NoSource => {
            let sources = ["template", "template_image", "clone_from_ctid", "clone_from_vmid"];
            return sources.iter().any(|key| !holes.spare(&[(*key).into()]));
        }
        // The gate, the volume.
        Code::ProbeCount | Code::NoDeadline | Code::ImpossibleSchedule | Code::NoServer => 2,
        _ => return false,
    };
    !holes.spare(&holes.original(finding.path.get(..surroundings).unwrap_or(&finding.path)))
}
