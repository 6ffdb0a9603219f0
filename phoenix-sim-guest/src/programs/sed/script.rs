//! The commands of a script, as they are written.

use regex::Regex;

use crate::programs::expression::{Case, Dialect, compile};

/// One command of a script.
pub(super) struct Edit {
    pub(super) first: Option<Address>,
    pub(super) last: Option<Address>,
    pub(super) negated: bool,
    pub(super) action: Action,
}

pub(super) enum Address {
    Line(usize),
    Last,
    Match(Regex),
}

/// Which of a line's matches are replaced, counted from 1.
#[derive(Debug, Clone, Copy)]
pub(super) enum Which {
    Only(usize),
    /// This one and those after it.
    From(usize),
}

pub(super) enum Action {
    Substitute { pattern: Regex, with: String, which: Which, print: bool },
    Delete,
    Print,
    Quit(i32),
    Append(String),
    Insert(String),
    Change(String),
    Translate(Vec<char>, Vec<char>),
    Number,
    Group(Vec<Edit>),
}

/// Reads a script.
pub(super) fn read(text: &str, dialect: Dialect) -> Result<Vec<Edit>, String> {
    let chars: Vec<char> = text.chars().collect();
    read_edits(&chars, &mut 0, dialect, 0)
}

fn delimited(chars: &[char], at: &mut usize, end: char) -> Option<String> {
    let mut text = String::new();
    while let Some(ch) = chars.get(*at).copied() {
        *at += 1;
        if ch == end {
            return Some(text);
        }
        if ch != '\\' {
            text.push(ch);
            continue;
        }
        let next = chars.get(*at).copied()?;
        *at += 1;
        if next != end {
            text.push('\\');
        }
        text.push(next);
    }
    None
}

fn read_address(chars: &[char], at: &mut usize, dialect: Dialect) -> Result<Option<Address>, String> {
    match chars.get(*at) {
        Some('$') => {
            *at += 1;
            Ok(Some(Address::Last))
        }
        Some(ch) if ch.is_ascii_digit() => {
            let digits: String = chars[*at..].iter().take_while(|ch| ch.is_ascii_digit()).collect();
            *at += digits.len();
            Ok(Some(Address::Line(digits.parse().unwrap_or(usize::MAX))))
        }
        Some('/' | '\\') => {
            if chars[*at] == '\\' {
                *at += 1;
            }
            let Some(end) = chars.get(*at).copied() else { return Err("unterminated address regex".to_owned()) };
            *at += 1;
            let pattern = delimited(chars, at, end).ok_or("unterminated address regex")?;
            let expression = compile(&pattern, dialect, Case::Matters);
            Ok(Some(Address::Match(expression.map_err(|_| "Invalid regular expression".to_owned())?)))
        }
        _ => Ok(None),
    }
}

fn read_edits(chars: &[char], at: &mut usize, dialect: Dialect, depth: u32) -> Result<Vec<Edit>, String> {
    let mut edits = Vec::new();
    loop {
        while chars.get(*at).is_some_and(|ch| ch.is_whitespace() || *ch == ';') {
            *at += 1;
        }
        let Some(_) = chars.get(*at) else {
            return if depth == 0 { Ok(edits) } else { Err("unmatched `{'".to_owned()) };
        };
        if chars[*at] == '}' && depth > 0 {
            *at += 1;
            return Ok(edits);
        }
        if chars[*at] == '#' {
            while chars.get(*at).is_some_and(|ch| *ch != '\n') {
                *at += 1;
            }
            continue;
        }
        let first = read_address(chars, at, dialect)?;
        let mut last = None;
        if first.is_some() && chars.get(*at) == Some(&',') {
            *at += 1;
            last = read_address(chars, at, dialect)?;
        }
        while chars.get(*at) == Some(&' ') {
            *at += 1;
        }
        let negated = chars.get(*at) == Some(&'!');
        if negated {
            *at += 1;
        }
        let Some(command) = chars.get(*at).copied() else { return Err("missing command".to_owned()) };
        *at += 1;
        let rest_of_line = |at: &mut usize| {
            while chars
                .get(*at)
                .is_some_and(|ch| *ch == ' ' || *ch == '\\' || (*ch == '\n' && chars.get(*at - 1) == Some(&'\\')))
            {
                *at += 1;
            }
            let text: String = chars[*at..].iter().take_while(|ch| **ch != '\n').collect();
            *at += text.chars().count();
            text
        };
        let action = match command {
            's' => {
                let Some(end) = chars.get(*at).copied() else { return Err("unterminated `s' command".to_owned()) };
                *at += 1;
                let pattern = delimited(chars, at, end).ok_or("unterminated `s' command")?;
                let with = delimited(chars, at, end).ok_or("unterminated `s' command")?;
                let (mut global, mut print, mut case, mut digits) = (false, false, Case::Matters, String::new());
                while let Some(flag) = chars.get(*at) {
                    match flag {
                        'g' => global = true,
                        'p' => print = true,
                        'i' | 'I' => case = Case::Ignored,
                        digit if digit.is_ascii_digit() => digits.push(*digit),
                        _ => break,
                    }
                    *at += 1;
                }
                let expression = compile(&pattern, dialect, case);
                let pattern = expression.map_err(|_| "Invalid regular expression".to_owned())?;
                let nth = digits.parse().unwrap_or(1);
                let which = if global { Which::From(nth) } else { Which::Only(nth) };
                Action::Substitute { pattern, with, which, print }
            }
            'y' => {
                let Some(end) = chars.get(*at).copied() else { return Err("unterminated `y' command".to_owned()) };
                *at += 1;
                let from = delimited(chars, at, end).ok_or("unterminated `y' command")?;
                let to = delimited(chars, at, end).ok_or("unterminated `y' command")?;
                Action::Translate(from.chars().collect(), to.chars().collect())
            }
            'd' => Action::Delete,
            'p' => Action::Print,
            '=' => Action::Number,
            'q' => {
                let digits: String = chars[*at..].iter().take_while(|ch| ch.is_ascii_digit()).collect();
                *at += digits.len();
                Action::Quit(digits.parse().unwrap_or(0))
            }
            'a' => Action::Append(rest_of_line(at)),
            'i' => Action::Insert(rest_of_line(at)),
            'c' => Action::Change(rest_of_line(at)),
            '{' if depth < 10 => Action::Group(read_edits(chars, at, dialect, depth + 1)?),
            other => return Err(format!("unknown command: `{other}'")),
        };
        edits.push(Edit { first, last, negated, action });
    }
}
