//! The journals of guests.

use crate::ground::HeldNode;
use crate::running::Line;

/// Lines of a journal that are kept.
const JOURNAL: usize = 5000;

/// What a guest's journal has when the guest stops is there after its next start: it is kept on the disk.
pub(crate) fn keep(state: &mut dyn HeldNode, vmid: u32, lines: Vec<Line>) {
    let kept = state.journals.entry(vmid).or_default();
    kept.extend(lines);
    kept.drain(..kept.len().saturating_sub(JOURNAL));
}

/// Writes a line to a guest's journal.
pub fn log(state: &mut dyn HeldNode, vmid: u32, source: &str, text: &str) {
    let at = state.time_of(Some(vmid));
    if let Some(running) = state.inside.get_mut(&vmid) {
        if running.journal.len() >= JOURNAL {
            running.journal.drain(..JOURNAL / 10);
        }
        running.journal.push(Line { at, source: source.to_owned(), text: text.to_owned() });
    }
}
