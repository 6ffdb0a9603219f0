//! Regular expressions as `grep`, `sed` and `expr` read them.

use regex::{Regex, RegexBuilder};

/// The way in which an expression is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Basic,
    Extended,
    /// It is no expression: every character stands for itself.
    Fixed,
}

/// Whether capital letters are other letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Matters,
    Ignored,
}

pub(super) fn compile(pattern: &str, dialect: Dialect, case: Case) -> Result<Regex, regex::Error> {
    let pattern = match dialect {
        Dialect::Basic => basic(pattern),
        Dialect::Extended => pattern.to_owned(),
        Dialect::Fixed => regex::escape(pattern),
    };
    RegexBuilder::new(&pattern).case_insensitive(case == Case::Ignored).size_limit(1 << 20).build()
}

/// A basic regular expression as the `regex` crate writes it.
fn basic(pattern: &str) -> String {
    let mut result = String::new();
    let mut chars = pattern.chars().peekable();
    let mut in_set = false;
    while let Some(ch) = chars.next() {
        if in_set {
            if ch == '[' && chars.peek() != Some(&':') {
                result.push('\\');
            }
            if ch == ']' {
                in_set = false;
            }
            if ch == '[' && chars.peek() == Some(&':') {
                result.push('[');
                for inner in chars.by_ref() {
                    result.push(inner);
                    if inner == ']' {
                        break;
                    }
                }
                continue;
            }
            if ch == '\\' {
                result.push('\\');
            }
            result.push(ch);
            continue;
        }
        match ch {
            '\\' => match chars.next() {
                Some(ch @ ('(' | ')' | '{' | '}' | '|' | '+' | '?')) => result.push(ch),
                Some('<' | '>') => result.push_str(r"\b"),
                Some(ch @ ('w' | 'W' | 's' | 'S' | 'b' | 'B' | 'n' | 't')) => result.extend(['\\', ch]),
                Some(ch) => result.push_str(&regex::escape(&ch.to_string())),
                None => result.push_str(r"\\"),
            },
            '(' | ')' | '{' | '}' | '|' | '+' | '?' => result.extend(['\\', ch]),
            '*' if result.is_empty() || result == "^" || result.ends_with('(') => result.push_str(r"\*"),
            '[' => {
                in_set = true;
                result.push('[');
                if chars.peek() == Some(&'^') {
                    result.push('^');
                    chars.next();
                }
                if chars.peek() == Some(&']') {
                    result.push_str(r"\]");
                    chars.next();
                }
            }
            '^' if !result.is_empty() && !result.ends_with(['(', '|']) => result.push_str(r"\^"),
            '$' if chars.peek().is_some_and(|next| *next != '\\' && *next != ')') => result.push_str(r"\$"),
            ch => result.push(ch),
        }
    }
    result
}
