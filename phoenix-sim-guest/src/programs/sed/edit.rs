//! What a script makes of a text.

use regex::Regex;

use super::script::{Action, Address, Edit, Which};

/// Which lines are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Printing {
    /// All that are not deleted.
    Every,
    /// Those that a command prints.
    Asked,
}

/// What a script makes of a text, and the status that `q` gave.
pub(super) fn apply(script: &[Edit], text: &str, printing: Printing) -> (String, Option<i32>) {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut open = Vec::new();
    let mut result = String::new();
    for (index, raw) in lines.iter().enumerate() {
        let line = raw.strip_suffix('\n').unwrap_or(raw).to_owned();
        let mut pass = Pass { line, before: String::new(), after: String::new(), deleted: false, quit: None };
        go(script, &mut open, &mut 0, &mut pass, index + 1, lines.len());
        result.push_str(&pass.before);
        if printing == Printing::Every && !pass.deleted {
            result.push_str(&pass.line);
            if raw.ends_with('\n') || !pass.after.is_empty() {
                result.push('\n');
            }
        }
        result.push_str(&pass.after);
        if let Some(status) = pass.quit {
            return (result, Some(status));
        }
    }
    (result, None)
}

/// A line on its way through the script.
struct Pass {
    line: String,
    before: String,
    after: String,
    deleted: bool,
    quit: Option<i32>,
}
/// Whether a command is for a line. `open` is whether its range has started.
fn selects(edit: &Edit, open: &mut bool, number: usize, total: usize, line: &str) -> bool {
    let hits = |address: &Address| match address {
        Address::Line(wanted) => *wanted == number,
        Address::Last => number == total,
        Address::Match(expression) => expression.is_match(line),
    };
    let selected = match (&edit.first, &edit.last) {
        (None, _) => true,
        (Some(first), None) => hits(first),
        (Some(first), Some(last)) => {
            if *open {
                let ends = match last {
                    Address::Line(wanted) => number >= *wanted,
                    last => hits(last),
                };
                *open = !ends;
                true
            } else if hits(first) {
                *open = !matches!(last, Address::Line(wanted) if *wanted <= number);
                true
            } else {
                false
            }
        }
    };
    selected != edit.negated
}
/// Carries the commands out on a line. `open` holds, by place in the script, which ranges have started.
fn go(edits: &[Edit], open: &mut Vec<bool>, base: &mut usize, pass: &mut Pass, number: usize, total: usize) {
    for edit in edits {
        let place = *base;
        *base += 1;
        if open.len() <= place {
            open.resize(place + 1, false);
        }
        let line = pass.line.clone();
        let chosen = !pass.deleted && pass.quit.is_none() && selects(edit, &mut open[place], number, total, &line);
        match &edit.action {
            Action::Group(inner) if chosen => go(inner, open, base, pass, number, total),
            Action::Group(inner) => *base += size(inner),
            _ if !chosen => {}
            Action::Substitute { pattern, with, which, print } => {
                if let Some(line) = substitute(&pass.line, pattern, with, *which) {
                    pass.line = line;
                    if *print {
                        pass.before.push_str(&format!("{}\n", pass.line));
                    }
                }
            }
            Action::Delete => pass.deleted = true,
            Action::Print => pass.before.push_str(&format!("{}\n", pass.line)),
            Action::Number => pass.before.push_str(&format!("{number}\n")),
            Action::Quit(status) => pass.quit = Some(*status),
            Action::Append(text) => pass.after.push_str(&format!("{text}\n")),
            Action::Insert(text) => pass.before.push_str(&format!("{text}\n")),
            Action::Change(text) => {
                pass.before.push_str(&format!("{text}\n"));
                pass.deleted = true;
            }
            Action::Translate(from, to) => {
                let swap = |ch: char| {
                    from.iter().position(|known| *known == ch).and_then(|place| to.get(place)).copied().unwrap_or(ch)
                };
                pass.line = pass.line.chars().map(swap).collect();
            }
        }
    }
}
/// How many places commands take.
fn size(edits: &[Edit]) -> usize {
    edits.iter().map(|edit| 1 + if let Action::Group(inner) = &edit.action { size(inner) } else { 0 }).sum()
}

/// Replaces matches of a line; `None` when there is none.
fn substitute(line: &str, pattern: &Regex, with: &str, which: Which) -> Option<String> {
    let mut result = String::new();
    let mut from = 0;
    let mut done = false;
    for (place, found) in pattern.captures_iter(line).enumerate() {
        let (Which::Only(nth) | Which::From(nth)) = which;
        if place + 1 < nth {
            continue;
        }
        let Some(whole) = found.get(0) else { continue };
        result.push_str(&line[from..whole.start()]);
        let mut chars = with.chars();
        while let Some(ch) = chars.next() {
            match ch {
                '&' => result.push_str(whole.as_str()),
                '\\' => match chars.next() {
                    Some(digit) if digit.is_ascii_digit() => {
                        let group = digit.to_digit(10).and_then(|digit| found.get(digit as usize));
                        result.push_str(group.map_or("", |group| group.as_str()));
                    }
                    Some('n') => result.push('\n'),
                    Some('t') => result.push('\t'),
                    Some(ch) => result.push(ch),
                    None => result.push('\\'),
                },
                ch => result.push(ch),
            }
        }
        from = whole.end();
        done = true;
        if matches!(which, Which::Only(_)) {
            break;
        }
    }
    done.then(|| result + &line[from..])
}
