//! Reading simple commands: assignments, words, redirections.

use std::sync::{Arc, OnceLock};

use super::{Parser, Pending, Token, is_name};
use crate::tree::{Assignment, Command, Fault, Kind, Part, Redirect, Target, Value, Word};

impl Parser<'_> {
    pub(super) fn redirect(&mut self) -> Result<Option<Redirect>, Fault> {
        let (number, operator) = match self.peek()? {
            Token::Number(number) => {
                let number = *number;
                self.peeked = None;
                match self.next()? {
                    Token::Operator(operator) => (Some(number), operator),
                    token => return self.unexpected(&token, ""),
                }
            }
            Token::Operator(
                operator @ ("<" | ">" | "<<" | "<<-" | "<<<" | ">>" | "<&" | ">&" | "<>" | ">|" | "&>" | "&>>"),
            ) => {
                let operator = *operator;
                self.peeked = None;
                (None, operator)
            }
            _ => return Ok(None),
        };
        if operator.starts_with("<<") && operator != "<<<" {
            self.skip_blanks();
            let (delimiter, quoted) = self.here_delimiter()?;
            let slot = Arc::new(OnceLock::new());
            let strip_tabs = operator == "<<-";
            self.pending.push(Pending { slot: Arc::clone(&slot), delimiter, quoted, strip_tabs });
            return Ok(Some(Redirect { descriptor: number, target: Target::Here(slot) }));
        }
        let word = match self.next()? {
            Token::Word(word) => word,
            Token::Number(number) => Word(vec![Part::Literal(number.to_string())]),
            token => {
                return if self.bash() {
                    self.unexpected(&token, "")
                } else {
                    self.fault("Syntax error: redirection unexpected")
                };
            }
        };
        let target = match operator {
            "<" => Target::Read(word),
            ">" => Target::Write(word),
            ">>" => Target::Append(word),
            "<>" => Target::ReadWrite(word),
            ">|" => Target::Clobber(word),
            "&>" => Target::Both { word, append: false },
            "&>>" => Target::Both { word, append: true },
            "<<<" => Target::HereWord(word),
            // `>&FILE` of bash, where FILE is neither a number nor `-`.
            ">&" if number.is_none()
                && self.bash()
                && word.plain().is_some_and(|word| word != "-" && !word.bytes().all(|b| b.is_ascii_digit())) =>
            {
                Target::Both { word, append: false }
            }
            _ => {
                let descriptor = number.or(Some(if operator == "<&" { 0 } else { 1 }));
                return Ok(Some(Redirect { descriptor, target: Target::Duplicate(word) }));
            }
        };
        Ok(Some(Redirect { descriptor: number, target }))
    }

    pub(super) fn simple(&mut self, line: u32) -> Result<Command, Fault> {
        let mut assignments = Vec::new();
        let mut words: Vec<Word> = Vec::new();
        let mut redirects = Vec::new();
        loop {
            if let Some(redirect) = self.redirect()? {
                redirects.push(redirect);
                continue;
            }
            let declares = self.bash()
                && words
                    .first()
                    .and_then(Word::plain)
                    .is_some_and(|word| matches!(word, "local" | "declare" | "typeset" | "export" | "readonly"));
            if words.is_empty() || declares {
                self.forget();
                self.skip_blanks();
                if let Some(assignment) = self.assignment(declares)? {
                    if declares {
                        words.push(Word(vec![Part::Literal(assignment.name.clone())]));
                    }
                    assignments.push(assignment);
                    continue;
                }
            }
            match self.peek()? {
                Token::Word(_) => {
                    if let Token::Word(word) = self.next()? {
                        words.push(word);
                    }
                }
                Token::Operator("(") => {
                    let token = self.next()?;
                    return self.unexpected(&token, "");
                }
                _ => break,
            }
        }
        Ok(Command { line, kind: Kind::Simple { assignments, words }, redirects })
    }

    /// An assignment, when one begins here. In the arguments of `local` and its like only arrays are read as such.
    pub(super) fn assignment(&mut self, arrays_only: bool) -> Result<Option<Assignment>, Fault> {
        let (start, line) = (self.at, self.line);
        let name: String =
            self.chars[self.at..].iter().take_while(|ch| ch.is_ascii_alphanumeric() || **ch == '_').collect();
        if !is_name(&name) {
            return Ok(None);
        }
        self.at += name.len();
        let mut index = None;
        if self.bash() && self.current() == Some('[') {
            self.at += 1;
            index = self.bracketed()?;
            if index.is_none() {
                (self.at, self.line) = (start, line);
                return Ok(None);
            }
        }
        let append = self.bash() && self.current() == Some('+');
        if append {
            self.at += 1;
        }
        let is_array = self.bash() && self.ahead(1) == Some('(');
        if self.current() != Some('=') || (arrays_only && !is_array) {
            (self.at, self.line) = (start, line);
            return Ok(None);
        }
        self.at += 1;
        let value = if is_array {
            self.at += 1;
            Value::Array(self.array()?)
        } else {
            Value::Word(self.word()?)
        };
        Ok(Some(Assignment { name, index, append, value }))
    }

    pub(super) fn array(&mut self) -> Result<Vec<(Option<Word>, Word)>, Fault> {
        let mut elements = Vec::new();
        loop {
            self.skip_newlines()?;
            self.forget();
            self.skip_blanks();
            if self.current() == Some('[') {
                let (at, line) = (self.at, self.line);
                self.at += 1;
                if let Some(index) = self.bracketed()?
                    && self.current() == Some('=')
                {
                    self.at += 1;
                    elements.push((Some(index), self.word()?));
                    continue;
                }
                (self.at, self.line) = (at, line);
            }
            match self.next()? {
                Token::Word(word) => elements.push((None, word)),
                Token::Operator(")") => return Ok(elements),
                token => return self.unexpected(&token, ")"),
            }
        }
    }
}
