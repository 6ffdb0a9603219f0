//! Guests that are taken over, and files that describe what there is.

use phoenix_engine::{AdoptError, Adoption, NotAdoptable};
use phoenix_types::GuestId;

use super::plan::{Commands, full};
use super::style::{tame, wrap};
use super::{Canvas, Tone};
use crate::commands::Written;

/// What is about to be taken over, what not, and what follows.
pub(crate) fn intent(adoption: &Adoption, canvas: Canvas) -> String {
    let mut text = String::new();
    for adoptee in &adoption.guests {
        let id = canvas.paint(Tone::Strong, format!("{:>4} {}", adoptee.id, adoptee.name));
        let sign = canvas.paint(Tone::Good, ">");
        text.push_str(&format!("{sign} {id} ({}) {}\n", adoptee.kind, canvas.paint(Tone::Good, "is taken over")));
        for remark in &adoptee.remarks {
            note(&mut text, &format!("note: {}", tame(remark)), canvas);
        }
    }
    // Guests that do not exist are no news when nobody named them.
    for why in adoption.left.iter().filter(|why| !matches!(why, NotAdoptable::Absent { .. })) {
        text.push_str(&format!("{} ", canvas.paint(Tone::Warn, "!")));
        for (index, line) in wrap(&tame(&why.to_string()), canvas.width.saturating_sub(2).max(20)).iter().enumerate() {
            text.push_str(&format!("{}{}\n", if index == 0 { "" } else { "  " }, canvas.paint(Tone::Warn, line)));
        }
    }
    if adoption.guests.is_empty() {
        let ours = match adoption.ours.len() {
            0 => String::new(),
            1 => ", and 1 guest is already managed by Phoenix".to_owned(),
            count => format!(", and {count} guests are already managed by Phoenix"),
        };
        let sign = canvas.glyph("✓", "OK");
        text.push_str(&canvas.paint(Tone::Good, format!("{sign} nothing to adopt{ours}")));
        text.push('\n');
        return text;
    }
    text.push_str("\nThe guests do not change; only their records are written. The next `phoenix up` does this:\n\n");
    text.push_str(&full(&adoption.then, Commands::Hidden, canvas));
    text
}

/// How it went.
pub(crate) fn outcome(results: &[(GuestId, Result<(), AdoptError>)], canvas: Canvas) -> String {
    let mut text = String::from("\n");
    for (id, error) in results.iter().filter_map(|(id, result)| Some((id, result.as_ref().err()?))) {
        let sign = canvas.glyph("✗", "x");
        text.push_str(&canvas.paint(Tone::Bad, format!("{sign} {id}: {}", tame(&error.to_string()))));
        text.push('\n');
    }
    let taken = results.iter().filter(|(_, result)| result.is_ok()).count();
    let noun = if taken == 1 { "guest is" } else { "guests are" };
    let (sign, tone) = if taken == results.len() { (canvas.glyph("✓", "OK"), Tone::Good) } else { (" ", Tone::Warn) };
    text.push_str(&canvas.paint(tone, format!("{sign} {taken} {noun} Phoenix's now")));
    text.push('\n');
    text
}

/// What was written, what it does not tell, and what would change all the same.
pub(crate) fn written(written: &Written<'_>, canvas: Canvas) -> String {
    let mut text = String::new();
    for (id, remarks) in &written.files.remarks {
        text.push_str(&format!("{}\n", canvas.paint(Tone::Strong, format!("{id:>4}"))));
        for remark in remarks {
            note(&mut text, &tame(remark), canvas);
        }
    }
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str("After the adoption of these guests, the next `phoenix up` does this:\n\n");
    text.push_str(&full(written.remaining, Commands::Hidden, canvas));
    text.push('\n');
    let count = written.guests.len();
    let noun = if count == 1 { "guest" } else { "guests" };
    let sign = canvas.glyph("✓", "OK");
    text.push_str(&canvas.paint(Tone::Good, format!("{sign} {count} {noun} described in `{}`", written.dir)));
    text.push_str(&format!("\n  adopt them with `phoenix -C {} adopt`\n", written.dir));
    text
}

fn note(text: &mut String, words: &str, canvas: Canvas) {
    for line in wrap(words, canvas.width.saturating_sub(6).max(20)) {
        text.push_str(&format!("      {}\n", canvas.paint(Tone::Warn, line)));
    }
}
