//! Reads words: quoting and everything that begins with `$`.

mod braced;

use std::sync::Arc;

use crate::parse::{DEPTH, Parser, parse, parse_text};
use crate::tree::{Fault, Operation, Parameter, Part, Word};

/// What stands around a piece of a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    None,
    Double,
}

/// Where a word ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// At a blank or an operator.
    Blank,
    /// At the `}` of `${…}`.
    Brace,
    /// At the `/` or `}` of `${NAME/…}`.
    Slash,
    /// At the `]` of an index.
    Bracket,
    /// At the blank after a regular expression in `[[ … ]]`.
    Regex,
}

#[derive(Default)]
struct Parts {
    parts: Vec<Part>,
    literal: String,
}

impl Parts {
    fn flush(&mut self) {
        if !self.literal.is_empty() {
            self.parts.push(Part::Literal(std::mem::take(&mut self.literal)));
        }
    }

    fn push(&mut self, part: Part) {
        self.flush();
        self.parts.push(part);
    }

    fn finish(mut self) -> Word {
        self.flush();
        Word(self.parts)
    }
}

impl Parser<'_> {
    /// A word that ends at a blank or an operator.
    pub(super) fn word(&mut self) -> Result<Word, Fault> {
        self.word_until(End::Blank)
    }

    /// A regular expression in `[[ … =~ … ]]`.
    pub(super) fn regex_word(&mut self) -> Result<Word, Fault> {
        self.word_until(End::Regex)
    }

    /// An index, from after its `[` to after its `]`; nothing when there is no `]`.
    pub(super) fn bracketed(&mut self) -> Result<Option<Word>, Fault> {
        let word = self.word_until(End::Bracket)?;
        if self.current() == Some(']') {
            self.at += 1;
            return Ok(Some(word));
        }
        Ok(None)
    }

    fn word_until(&mut self, end: End) -> Result<Word, Fault> {
        let mut parts = Parts::default();
        let mut parentheses = 0_u32;
        while let Some(ch) = self.current() {
            match ch {
                '\'' => {
                    self.at += 1;
                    let text = self.single_quoted()?;
                    parts.push(Part::Quoted(text));
                }
                '"' => {
                    self.at += 1;
                    let inner = self.double_quoted()?;
                    parts.push(Part::Double(inner));
                }
                '\\' => {
                    self.at += 1;
                    match self.bump() {
                        Some('\n') => {}
                        Some(ch) => parts.push(Part::Quoted(ch.to_string())),
                        None => parts.literal.push('\\'),
                    }
                }
                '`' => {
                    self.at += 1;
                    let part = self.backquoted(Quotes::None)?;
                    parts.push(part);
                }
                '$' => match self.dollar(Quotes::None)? {
                    Some(part) => parts.push(part),
                    None => {
                        parts.literal.push('$');
                        self.at += 1;
                    }
                },
                '<' if end == End::Blank && self.bash() && self.ahead(1) == Some('(') => {
                    self.at += 2;
                    let script = self.substitution()?;
                    parts.push(Part::ProcessInput(Arc::new(script)));
                }
                '(' if end == End::Regex => {
                    parentheses += 1;
                    parts.literal.push(ch);
                    self.at += 1;
                }
                ')' if end == End::Regex && parentheses > 0 => {
                    parentheses -= 1;
                    parts.literal.push(ch);
                    self.at += 1;
                }
                ' ' | '\t' if end == End::Regex && parentheses == 0 => break,
                '\n' | '\r' if end == End::Regex => break,
                ' ' | '\t' | '\r' | '\n' | ';' | '&' | '|' | '<' | '>' | '(' | ')' if end == End::Blank => break,
                '}' if matches!(end, End::Brace | End::Slash) => break,
                '/' if end == End::Slash => break,
                ']' if end == End::Bracket => break,
                '\n' if end == End::Bracket => break,
                ch => {
                    parts.literal.push(ch);
                    self.bump();
                }
            }
        }
        Ok(parts.finish())
    }

    fn unterminated<T>(&self, quote: char) -> Result<T, Fault> {
        if self.bash() {
            self.fault(format!("unexpected EOF while looking for matching `{quote}'"))
        } else {
            self.fault(match quote {
                '`' => "Syntax error: EOF in backquote substitution",
                '}' => "Syntax error: Missing '}'",
                _ => "Syntax error: Unterminated quoted string",
            })
        }
    }

    fn single_quoted(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        loop {
            match self.bump() {
                Some('\'') => return Ok(text),
                Some(ch) => text.push(ch),
                None => return self.unterminated('\''),
            }
        }
    }

    /// The inside of double quotes up to and with the closing one.
    fn double_quoted(&mut self) -> Result<Vec<Part>, Fault> {
        let mut parts = Parts::default();
        loop {
            match self.current() {
                None => return self.unterminated('"'),
                Some('"') => {
                    self.at += 1;
                    return Ok(parts.finish().0);
                }
                Some(ch) => self.in_double_quotes(ch, &['"'], &mut parts)?,
            }
        }
    }

    /// One character of a text between double quotes, with what belongs to it. A backslash takes the meaning from `$`, `` ` ``, itself
    /// and `escapable`; before anything else it is a character.
    fn in_double_quotes(&mut self, ch: char, escapable: &[char], parts: &mut Parts) -> Result<(), Fault> {
        match ch {
            '\\' => {
                self.at += 1;
                match self.current() {
                    Some('\n') => {
                        self.bump();
                    }
                    Some(ch) if matches!(ch, '$' | '`' | '\\') || escapable.contains(&ch) => {
                        parts.literal.push(ch);
                        self.at += 1;
                    }
                    _ => parts.literal.push('\\'),
                }
            }
            '`' => {
                self.at += 1;
                let part = self.backquoted(Quotes::Double)?;
                parts.push(part);
            }
            '$' => match self.dollar(Quotes::Double)? {
                Some(part) => parts.push(part),
                None => {
                    parts.literal.push('$');
                    self.at += 1;
                }
            },
            ch => {
                parts.literal.push(ch);
                self.bump();
            }
        }
        Ok(())
    }

    /// A whole text as between double quotes, in which `"` is an ordinary character.
    pub(super) fn text(&mut self) -> Result<Word, Fault> {
        if self.depth > DEPTH {
            return self.unknown("substitutions are nested too deeply");
        }
        let mut parts = Parts::default();
        while let Some(ch) = self.current() {
            self.in_double_quotes(ch, &[], &mut parts)?;
        }
        Ok(Word(vec![Part::Double(parts.finish().0)]))
    }

    /// The word after `<<`, and whether any of it is quoted.
    pub(super) fn here_delimiter(&mut self) -> Result<(String, bool), Fault> {
        let mut text = String::new();
        let mut quoted = false;
        while let Some(ch) = self.current() {
            match ch {
                '\'' => {
                    self.at += 1;
                    quoted = true;
                    text.push_str(&self.single_quoted()?);
                }
                '"' => {
                    self.at += 1;
                    quoted = true;
                    loop {
                        match self.bump() {
                            Some('"') => break,
                            Some(ch) => text.push(ch),
                            None => return self.unterminated('"'),
                        }
                    }
                }
                '\\' => {
                    self.at += 1;
                    quoted = true;
                    text.extend(self.bump());
                }
                ' ' | '\t' | '\n' | '\r' | ';' | '&' | '|' | '<' | '>' | '(' | ')' => break,
                ch => {
                    text.push(ch);
                    self.at += 1;
                }
            }
        }
        if text.is_empty() && !quoted {
            return self.fault("Syntax error: a here-document needs a delimiter");
        }
        Ok((text, quoted))
    }

    fn backquoted(&mut self, enclosing: Quotes) -> Result<Part, Fault> {
        let mut text = String::new();
        let line = self.line;
        loop {
            match self.bump() {
                Some('`') => break,
                Some('\\') => match self.bump() {
                    Some(ch @ ('`' | '\\' | '$')) => text.push(ch),
                    Some('"') if enclosing == Quotes::Double => text.push('"'),
                    Some(ch) => text.extend(['\\', ch]),
                    None => return self.unterminated('`'),
                },
                Some(ch) => text.push(ch),
                None => return self.unterminated('`'),
            }
        }
        if self.depth + 1 > DEPTH {
            return self.unknown("substitutions are nested too deeply");
        }
        let script = parse(&text, self.flavour);
        match script.fault {
            Some(fault) => Err(Fault { line: line + fault.line - 1, ..fault }),
            None => Ok(Part::Substitution(Arc::new(script))),
        }
    }

    /// What begins with `$` here; nothing when it is a plain dollar sign.
    fn dollar(&mut self, enclosing: Quotes) -> Result<Option<Part>, Fault> {
        let next = self.ahead(1);
        let part = match next {
            Some('(') if self.ahead(2) == Some('(') => {
                let (at, line) = (self.at, self.line);
                self.at += 3;
                match self.arithmetic_text()? {
                    Some(inner) => Part::Arithmetic(parse_text(&inner, self.flavour, self.depth + 1)?),
                    None => {
                        (self.at, self.line) = (at + 2, line);
                        Part::Substitution(Arc::new(self.substitution()?))
                    }
                }
            }
            Some('(') => {
                self.at += 2;
                Part::Substitution(Arc::new(self.substitution()?))
            }
            Some('{') => {
                self.at += 2;
                Part::Parameter(Box::new(self.braced(enclosing)?))
            }
            Some('\'') if self.bash() && enclosing == Quotes::None => {
                self.at += 2;
                Part::Quoted(self.ansi_quoted()?)
            }
            Some('"') if self.bash() && enclosing == Quotes::None => {
                self.at += 2;
                Part::Double(self.double_quoted()?)
            }
            Some(ch) if ch.is_ascii_alphabetic() || ch == '_' => {
                self.at += 1;
                let name = self.name();
                Part::Parameter(Box::new(Parameter { name, index: None, operation: Operation::Value }))
            }
            Some(ch @ ('0'..='9' | '@' | '*' | '#' | '?' | '$' | '!' | '-')) => {
                self.at += 2;
                Part::Parameter(Box::new(Parameter { name: ch.to_string(), index: None, operation: Operation::Value }))
            }
            _ => return Ok(None),
        };
        Ok(Some(part))
    }

    fn name(&mut self) -> String {
        let start = self.at;
        while self.current().is_some_and(|ch| ch.is_ascii_alphanumeric() || ch == '_') {
            self.at += 1;
        }
        self.chars[start..self.at].iter().collect()
    }

    /// The text up to the `))` that closes what was opened, and moves behind it. Nothing when the last two do not touch:
    /// then it is a subshell in a substitution.
    pub(super) fn arithmetic_text(&mut self) -> Result<Option<String>, Fault> {
        let start = self.at;
        let mut depth = 0_u32;
        while let Some(ch) = self.bump() {
            match ch {
                '(' => depth += 1,
                ')' if depth > 0 => depth -= 1,
                ')' => {
                    if self.current() != Some(')') {
                        return Ok(None);
                    }
                    let text = self.chars[start..self.at - 1].iter().collect();
                    self.at += 1;
                    return Ok(Some(text));
                }
                '\\' => {
                    self.bump();
                }
                _ => {}
            }
        }
        self.fault("Syntax error: Missing '))'")
    }

    /// `$'…'`
    fn ansi_quoted(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        loop {
            match self.bump() {
                Some('\'') => return Ok(text),
                Some('\\') => {
                    let Some(ch) = self.bump() else { return self.unterminated('\'') };
                    match ch {
                        'n' => text.push('\n'),
                        't' => text.push('\t'),
                        'r' => text.push('\r'),
                        'a' => text.push('\u{7}'),
                        'b' => text.push('\u{8}'),
                        'e' | 'E' => text.push('\u{1b}'),
                        'f' => text.push('\u{c}'),
                        'v' => text.push('\u{b}'),
                        'x' | 'u' | 'U' | '0'..='7' => {
                            let (radix, limit) = match ch {
                                'x' => (16, 2),
                                'u' => (16, 4),
                                'U' => (16, 8),
                                _ => (8, 2),
                            };
                            let mut value = if radix == 8 { ch.to_digit(8).unwrap_or(0) } else { 0 };
                            for _ in 0..limit {
                                let Some(digit) = self.current().and_then(|ch| ch.to_digit(radix)) else { break };
                                value = value.saturating_mul(radix).saturating_add(digit);
                                self.at += 1;
                            }
                            text.extend(char::from_u32(value).filter(|ch| *ch != '\0'));
                        }
                        '\\' | '\'' | '"' | '?' => text.push(ch),
                        ch => text.extend(['\\', ch]),
                    }
                }
                Some(ch) => text.push(ch),
                None => return self.unterminated('\''),
            }
        }
    }
}
