//! Brace expansion of bash: `a{b,c}` and `{1..3}`.

use crate::tree::{Part, Word};

/// Words that one word may become.
const LIMIT: usize = 10_000;

#[derive(Clone)]
enum Piece {
    Char(char),
    Part(Part),
}

/// The words that a word becomes; itself when it has no braces that expand.
pub(super) fn expand(word: &Word) -> Vec<Word> {
    let pieces: Vec<Piece> = word
        .0
        .iter()
        .flat_map(|part| match part {
            Part::Literal(text) => text.chars().map(Piece::Char).collect(),
            part => vec![Piece::Part(part.clone())],
        })
        .collect();
    let mut results = Vec::new();
    expand_pieces(&pieces, &mut results, 0);
    results.into_iter().map(|pieces| join(&pieces)).collect()
}

fn join(pieces: &[Piece]) -> Word {
    let mut parts: Vec<Part> = Vec::new();
    for piece in pieces {
        match (piece, parts.last_mut()) {
            (Piece::Char(ch), Some(Part::Literal(text))) => text.push(*ch),
            (Piece::Char(ch), _) => parts.push(Part::Literal(ch.to_string())),
            (Piece::Part(part), _) => parts.push(part.clone()),
        }
    }
    Word(parts)
}

fn expand_pieces(pieces: &[Piece], results: &mut Vec<Vec<Piece>>, depth: u32) {
    let Some((start, end, choices)) = find(pieces).filter(|_| depth < 8) else {
        results.push(pieces.to_vec());
        return;
    };
    for choice in choices {
        if results.len() > LIMIT {
            return;
        }
        let whole: Vec<Piece> = [&pieces[..start], &choice, &pieces[end + 1..]].concat();
        expand_pieces(&whole, results, depth + 1);
    }
}

type Found = (usize, usize, Vec<Vec<Piece>>);

fn find(pieces: &[Piece]) -> Option<Found> {
    let is = |at: usize, wanted: char| matches!(pieces.get(at), Some(Piece::Char(ch)) if *ch == wanted);
    for start in (0..pieces.len()).filter(|at| is(*at, '{')) {
        let (mut depth, mut commas, mut end) = (0, Vec::new(), None);
        for at in start + 1..pieces.len() {
            if is(at, '{') {
                depth += 1;
            } else if is(at, '}') && depth > 0 {
                depth -= 1;
            } else if is(at, '}') {
                end = Some(at);
                break;
            } else if is(at, ',') && depth == 0 {
                commas.push(at);
            }
        }
        let Some(end) = end else { continue };
        if !commas.is_empty() {
            let mut choices = Vec::new();
            let mut from = start + 1;
            for comma in commas.into_iter().chain([end]) {
                choices.push(pieces[from..comma].to_vec());
                from = comma + 1;
            }
            return Some((start, end, choices));
        }
        let text: Option<String> = pieces[start + 1..end]
            .iter()
            .map(|piece| if let Piece::Char(ch) = piece { Some(*ch) } else { None })
            .collect();
        if let Some(choices) = text.and_then(|text| range(&text)) {
            return Some((
                start,
                end,
                choices.into_iter().map(|text| text.chars().map(Piece::Char).collect()).collect(),
            ));
        }
    }
    None
}

fn range(text: &str) -> Option<Vec<String>> {
    let (first, last) = text.split_once("..")?;
    if let (Ok(first_number), Ok(last_number)) = (first.parse::<i64>(), last.parse::<i64>()) {
        if first_number.abs_diff(last_number) > LIMIT as u64 {
            return None;
        }
        let width = if first.starts_with('0') && first.len() > 1 { first.len() } else { 0 };
        let format = |number: i64| format!("{number:0width$}");
        return Some(if first_number <= last_number {
            (first_number..=last_number).map(format).collect()
        } else {
            (last_number..=first_number).rev().map(format).collect()
        });
    }
    let (mut first, mut last) = (first.chars(), last.chars());
    match (first.next(), first.next(), last.next(), last.next()) {
        (Some(a), None, Some(b), None) if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
            Some(if a <= b { (a..=b).map(String::from).collect() } else { (b..=a).rev().map(String::from).collect() })
        }
        _ => None,
    }
}
