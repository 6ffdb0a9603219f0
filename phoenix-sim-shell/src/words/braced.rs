//! Reading what is in `${ … }`.

use super::{End, Parts, Quotes};
use crate::parse::{DEPTH, Parser, is_name, parse_text};
use crate::pattern::Cut;
use crate::tree::{Fault, Operation, Parameter, Part, Place, Word};

impl Parser<'_> {
    /// `${…}` from after its brace to after its end.
    pub(super) fn braced(&mut self, enclosing: Quotes) -> Result<Parameter, Fault> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.unknown("expansions are nested too deeply");
        }
        let parameter = self.braced_inner(enclosing)?;
        self.depth -= 1;
        Ok(parameter)
    }

    pub(super) fn braced_inner(&mut self, enclosing: Quotes) -> Result<Parameter, Fault> {
        let bash = self.bash();
        let mut prefix = None;
        match (self.current(), self.ahead(1)) {
            (Some('#'), Some(next)) if next != '}' && !matches!(next, ':' | '%' | '=' | '-' | '+') => {
                // `${#}` and `${#-…}` are about the number of parameters, `${##}`-like forms about its length.
                prefix = Some('#');
                self.at += 1;
            }
            (Some('!'), Some(next)) if bash && (next.is_ascii_alphanumeric() || next == '_') => {
                prefix = Some('!');
                self.at += 1;
            }
            _ => {}
        }
        let name = match self.current() {
            Some(ch) if ch.is_ascii_alphabetic() || ch == '_' => self.name(),
            Some(ch) if ch.is_ascii_digit() => {
                let start = self.at;
                while self.current().is_some_and(|ch| ch.is_ascii_digit()) {
                    self.at += 1;
                }
                self.chars[start..self.at].iter().collect()
            }
            Some(ch @ ('@' | '*' | '#' | '?' | '$' | '!' | '-')) => {
                self.at += 1;
                ch.to_string()
            }
            _ => return self.bad_substitution(),
        };
        let mut index = None;
        if bash && self.current() == Some('[') && is_name(&name) {
            self.at += 1;
            index = self.bracketed()?;
        }
        let done = |operation| Ok(Parameter { name: name.clone(), index: index.clone(), operation });
        if self.current() == Some('}') {
            self.at += 1;
            return done(match prefix {
                Some('#') => Operation::Length,
                Some(_) if index.as_ref().and_then(Word::plain).is_some_and(|index| matches!(index, "@" | "*")) => {
                    Operation::Keys
                }
                Some(_) => Operation::Indirect,
                None => Operation::Value,
            });
        }
        if prefix.is_some() {
            return self.bad_substitution();
        }
        let or_empty = self.current() == Some(':') && matches!(self.ahead(1), Some('-' | '=' | '?' | '+'));
        if or_empty {
            self.at += 1;
        }
        let Some(operator) = self.bump() else { return self.unterminated('}') };
        let operation = match operator {
            '-' => Operation::Default { or_empty, word: self.brace_word(enclosing)? },
            '=' => Operation::Assign { or_empty, word: self.brace_word(enclosing)? },
            '?' => Operation::Demand { or_empty, word: self.brace_word(enclosing)? },
            '+' => Operation::Alternative { or_empty, word: self.brace_word(enclosing)? },
            '#' | '%' => {
                let cut = if self.current() == Some(operator) {
                    self.at += 1;
                    Cut::Longest
                } else {
                    Cut::Shortest
                };
                let pattern = self.word_until(End::Brace)?;
                if operator == '#' {
                    Operation::CutPrefix { cut, pattern }
                } else {
                    Operation::CutSuffix { cut, pattern }
                }
            }
            ':' if bash => self.slice()?,
            '/' if bash => {
                let place = match self.current() {
                    Some('/') => Place::All,
                    Some('#') => Place::Start,
                    Some('%') => Place::End,
                    _ => Place::First,
                };
                if place != Place::First {
                    self.at += 1;
                }
                let pattern = self.word_until(End::Slash)?;
                let with = if self.current() == Some('/') {
                    self.at += 1;
                    self.word_until(End::Brace)?
                } else {
                    Word::default()
                };
                Operation::Replace { pattern, with, place }
            }
            '^' | ',' if bash => {
                let all = self.current() == Some(operator);
                if all {
                    self.at += 1;
                }
                Operation::Case { upper: operator == '^', all }
            }
            '@' if bash => match self.bump() {
                Some(letter @ ('Q' | 'U' | 'L' | 'u' | 'E' | 'P' | 'a' | 'A' | 'K' | 'k')) => {
                    Operation::Transform(letter)
                }
                _ => return self.bad_substitution(),
            },
            _ => return self.bad_substitution(),
        };
        if self.bump() != Some('}') {
            return self.unterminated('}');
        }
        done(operation)
    }

    /// A form that no shell of this flavour knows: an error, but only when it is run.
    pub(super) fn bad_substitution(&mut self) -> Result<Parameter, Fault> {
        let mut depth = 0_u32;
        loop {
            match self.bump() {
                Some('{') => depth += 1,
                Some('}') if depth == 0 => break,
                Some('}') => depth -= 1,
                Some('\\') => {
                    self.bump();
                }
                Some(_) => {}
                None => return self.unterminated('}'),
            }
        }
        Ok(Parameter { name: String::new(), index: None, operation: Operation::Bad })
    }

    pub(super) fn slice(&mut self) -> Result<Operation, Fault> {
        let start = self.at;
        let mut depth = 0_u32;
        let mut colon = None;
        while let Some(ch) = self.current() {
            match ch {
                '{' | '(' => depth += 1,
                '}' if depth == 0 => break,
                '}' | ')' => depth = depth.saturating_sub(1),
                ':' if depth == 0 && colon.is_none() => colon = Some(self.at),
                _ => {}
            }
            self.bump();
        }
        let text = |from: usize, to: usize| {
            let text: String = self.chars[from..to].iter().collect();
            parse_text(&text, self.flavour, self.depth + 1)
        };
        let offset = text(start, colon.unwrap_or(self.at))?;
        let length = colon.map(|colon| text(colon + 1, self.at)).transpose()?;
        Ok(Operation::Slice { offset, length })
    }

    /// The word of `${NAME:-WORD}`: between double quotes, single quotes in it are ordinary characters.
    pub(super) fn brace_word(&mut self, enclosing: Quotes) -> Result<Word, Fault> {
        if enclosing == Quotes::None {
            return self.word_until(End::Brace);
        }
        let mut parts = Parts::default();
        loop {
            match self.current() {
                None => return self.unterminated('}'),
                Some('}') => return Ok(Word(vec![Part::Double(parts.finish().0)])),
                Some('"') => {
                    self.at += 1;
                    for part in self.double_quoted()? {
                        parts.push(part);
                    }
                }
                Some(ch) => self.in_double_quotes(ch, &['"', '}'], &mut parts)?,
            }
        }
    }
}
