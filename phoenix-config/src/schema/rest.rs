//! What can be read of a part that the types refuse: so that one wrong value does not hide every other fault of its guest.

use serde_json::Value;

use super::explain::Explanation;
use super::{Part, compiled};
use crate::diagnostic::{FileKind, Target};
use crate::source::{Holes, Scan};

/// A part without what is wrong in it.
#[derive(Debug)]
pub(crate) struct Rest {
    /// What the types accept.
    pub(crate) text: String,
    /// What is missing in it.
    pub(crate) holes: Holes,
}

/// Leaving something out may make its surroundings wrong, which are then left out too; so often at most.
const MAX_ROUNDS: usize = 8;

/// Leaves out what is wrong. Nothing where that is the whole part.
pub(super) fn rest(part: Part, mut whole: Value, scanned: &Scan) -> Option<Rest> {
    let mut holes = Holes::default();
    for duplicate in &scanned.duplicates {
        holes.doubt(duplicate.path.clone());
    }
    for (key, stand_in) in stand_ins(part) {
        if let Some(members) = whole.as_object_mut().filter(|members| !members.contains_key(*key)) {
            members.insert((*key).to_owned(), (*stand_in).into());
            holes.doubt(vec![(*key).into()]);
        }
    }
    let compiled = compiled(part);
    for _ in 0..MAX_ROUNDS {
        let mut rest = holes.cut(&whole);
        for (key, stand_in) in stand_ins(part) {
            if let Some(members) = rest.as_object_mut() {
                members.entry(*key).or_insert_with(|| (*stand_in).into());
            }
        }
        // Where something lies does not matter for a look at what is wrong with it.
        let explanation = Explanation { root: &compiled.root, value: &rest, target: Target::File(FileKind::Lxc) };
        let mut wrong = Vec::new();
        for fault in compiled.validator.iter_errors(&rest) {
            let unread = explanation.unread(&fault);
            wrong.extend(unread.wrong.iter().map(|path| holes.original(path)));
            for path in unread.meant {
                holes.doubt(path);
            }
        }
        if wrong.is_empty() {
            return Some(Rest { text: rest.to_string(), holes });
        }
        let mut less = false;
        for path in wrong {
            if path.is_empty() {
                return None;
            }
            less |= holes.leave_out(path);
        }
        if !less {
            return None;
        }
    }
    None
}

/// What every guest has, and what stands for it where it cannot be read.
fn stand_ins(part: Part) -> &'static [(&'static str, &'static str)] {
    match part {
        Part::Guest(FileKind::Vm) => &[("name", "unnamed"), ("vmid", "100")],
        Part::Guest(_) => &[("name", "unnamed")],
        Part::Frame(_) => &[],
    }
}
