//! Reads a script: the grammar of commands. Words are read in [`crate::words`].

mod compound;
mod simple;

use std::sync::{Arc, OnceLock};

use crate::tree::{Cause, Command, Fault, Flavour, Item, Link, List, Mode, Pipeline, Redirect, Script, Target, Word};

/// How deep commands may be nested in each other.
pub(super) const DEPTH: u32 = 30;

/// Reads a whole text.
#[must_use]
pub fn parse(text: &str, flavour: Flavour) -> Script {
    let chars: Vec<char> = text.chars().filter(|ch| *ch != '\0').collect();
    let mut parser = Parser::new(&chars, flavour);
    let mut lines = Vec::new();
    let fault = loop {
        match parser.complete_line() {
            Ok(Some(line)) => lines.push(line),
            Ok(None) => break None,
            Err(fault) => break Some(fault),
        }
    };
    Script { lines, fault }
}

/// Reads the inside of a word, as a here-document or an arithmetic expression has it.
pub(super) fn parse_text(text: &str, flavour: Flavour, depth: u32) -> Result<Word, Fault> {
    let chars: Vec<char> = text.chars().collect();
    let mut parser = Parser::new(&chars, flavour);
    parser.depth = depth;
    parser.text()
}

/// A token of the grammar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    /// Digits right before a redirection.
    Number(u32),
    Operator(&'static str),
    Newline,
    End,
}

/// A here-document whose lines are still to come.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) slot: Arc<OnceLock<Word>>,
    pub(super) delimiter: String,
    pub(super) quoted: bool,
    pub(super) strip_tabs: bool,
}

#[derive(Debug)]
pub(super) struct Parser<'a> {
    pub(super) chars: &'a [char],
    pub(super) at: usize,
    pub(super) line: u32,
    pub(super) flavour: Flavour,
    pub(super) depth: u32,
    pub(super) pending: Vec<Pending>,
    /// The next token, with where it began.
    peeked: Option<(Token, usize, u32)>,
}

const OPERATORS: [&str; 20] = [
    "&&", "||", ";;", "<<-", "<<<", "<<", "<&", "<>", ">>", ">&", ">|", "&>>", "&>", "|&", ";", "&", "|", "(", ")", "<",
];
const BASH_ONLY: [&str; 4] = ["<<<", "&>>", "&>", "|&"];
const RESERVED: [&str; 16] =
    ["if", "then", "elif", "else", "fi", "while", "until", "for", "do", "done", "case", "esac", "in", "{", "}", "!"];

impl<'a> Parser<'a> {
    pub(super) fn new(chars: &'a [char], flavour: Flavour) -> Self {
        Self { chars, at: 0, line: 1, flavour, depth: 0, pending: Vec::new(), peeked: None }
    }

    pub(super) fn bash(&self) -> bool {
        self.flavour == Flavour::Bash
    }

    pub(super) fn current(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    pub(super) fn ahead(&self, by: usize) -> Option<char> {
        self.chars.get(self.at + by).copied()
    }

    pub(super) fn bump(&mut self) -> Option<char> {
        let ch = self.current()?;
        self.at += 1;
        if ch == '\n' {
            self.line += 1;
        }
        Some(ch)
    }

    pub(super) fn fault<T>(&self, reason: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { line: self.line, reason: reason.into(), cause: Cause::Syntax })
    }

    pub(super) fn unknown<T>(&self, reason: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { line: self.line, reason: reason.into(), cause: Cause::Unknown })
    }

    fn unexpected<T>(&self, token: &Token, expecting: &str) -> Result<T, Fault> {
        let word;
        let name = match token {
            Token::Word(found) => {
                word = found.plain().unwrap_or("word").to_owned();
                if RESERVED.contains(&word.as_str()) || self.bash() { word.as_str() } else { "word" }
            }
            Token::Number(_) => "word",
            Token::Operator(operator) => operator,
            Token::Newline => "newline",
            Token::End => "end of file",
        };
        if self.bash() {
            return self.fault(match token {
                Token::End => "syntax error: unexpected end of file".to_owned(),
                _ => format!("syntax error near unexpected token `{name}'"),
            });
        }
        let quote = if matches!(name, "word" | "newline" | "end of file") { "" } else { "\"" };
        let wanted = if expecting.is_empty() { String::new() } else { format!(" (expecting \"{expecting}\")") };
        self.fault(format!("Syntax error: {quote}{name}{quote} unexpected{wanted}"))
    }

    fn peek(&mut self) -> Result<&Token, Fault> {
        if self.peeked.is_none() {
            self.skip_blanks();
            let (at, line) = (self.at, self.line);
            let token = self.token()?;
            self.peeked = Some((token, at, line));
        }
        match &self.peeked {
            Some((token, ..)) => Ok(token),
            None => Ok(&Token::End),
        }
    }

    fn next(&mut self) -> Result<Token, Fault> {
        self.peek()?;
        Ok(self.peeked.take().map_or(Token::End, |(token, ..)| token))
    }

    /// Forgets a token that was looked at, so that its characters are read again in another way.
    fn forget(&mut self) {
        if let Some((_, at, line)) = self.peeked.take() {
            self.at = at;
            self.line = line;
        }
    }

    pub(super) fn skip_blanks(&mut self) {
        while let Some(ch) = self.current() {
            match ch {
                ' ' | '\t' | '\r' => self.at += 1,
                '\\' if self.ahead(1) == Some('\n') => {
                    self.bump();
                    self.bump();
                }
                '#' => {
                    while self.current().is_some_and(|ch| ch != '\n') {
                        self.at += 1;
                    }
                }
                _ => break,
            }
        }
    }

    fn token(&mut self) -> Result<Token, Fault> {
        let Some(ch) = self.current() else {
            self.read_here_documents()?;
            return Ok(Token::End);
        };
        if ch == '\n' {
            self.bump();
            self.read_here_documents()?;
            return Ok(Token::Newline);
        }
        if ch.is_ascii_digit() {
            let digits: String = self.chars[self.at..].iter().take_while(|ch| ch.is_ascii_digit()).collect();
            if matches!(self.ahead(digits.len()), Some('<' | '>')) && digits.len() < 5 {
                self.at += digits.len();
                return Ok(Token::Number(digits.parse().unwrap_or(0)));
            }
        }
        if matches!(ch, '<' | '>') && self.ahead(1) == Some('(') && self.bash() {
            return if ch == '<' { Ok(Token::Word(self.word()?)) } else { self.unknown("`>(…)` is not interpreted") };
        }
        for operator in OPERATORS.into_iter().chain([">"]) {
            let matches = operator.chars().enumerate().all(|(offset, ch)| self.ahead(offset) == Some(ch));
            if matches && (self.bash() || !BASH_ONLY.contains(&operator)) {
                self.at += operator.len();
                return Ok(Token::Operator(operator));
            }
        }
        Ok(Token::Word(self.word()?))
    }

    fn read_here_documents(&mut self) -> Result<(), Fault> {
        for pending in std::mem::take(&mut self.pending) {
            let mut text = String::new();
            while self.at < self.chars.len() {
                let start = self.at;
                while self.current().is_some_and(|ch| ch != '\n') {
                    self.at += 1;
                }
                let mut line: String = self.chars[start..self.at].iter().collect();
                self.bump();
                if pending.strip_tabs {
                    line = line.trim_start_matches('\t').to_owned();
                }
                if line == pending.delimiter {
                    break;
                }
                text.push_str(&line);
                text.push('\n');
            }
            let word = if pending.quoted {
                Word(vec![crate::tree::Part::Quoted(text)])
            } else {
                parse_text(&text, self.flavour, self.depth + 1)?
            };
            let _ = pending.slot.set(word);
        }
        Ok(())
    }

    fn is_operator(&mut self, operator: &str) -> Result<bool, Fault> {
        Ok(matches!(self.peek()?, Token::Operator(found) if *found == operator))
    }

    fn is_word(&mut self, word: &str) -> Result<bool, Fault> {
        Ok(matches!(self.peek()?, Token::Word(found) if found.plain() == Some(word)))
    }

    fn take_operator(&mut self, operator: &str) -> Result<bool, Fault> {
        let found = self.is_operator(operator)?;
        if found {
            self.peeked = None;
        }
        Ok(found)
    }

    fn take_word(&mut self, word: &str) -> Result<bool, Fault> {
        let found = self.is_word(word)?;
        if found {
            self.peeked = None;
        }
        Ok(found)
    }

    fn expect_word(&mut self, word: &str) -> Result<(), Fault> {
        if self.take_word(word)? {
            return Ok(());
        }
        let token = self.next()?;
        self.unexpected(&token, word)
    }

    fn expect_operator(&mut self, operator: &str) -> Result<(), Fault> {
        if self.take_operator(operator)? {
            return Ok(());
        }
        let token = self.next()?;
        self.unexpected(&token, operator)
    }

    fn skip_newlines(&mut self) -> Result<(), Fault> {
        while *self.peek()? == Token::Newline {
            self.peeked = None;
        }
        Ok(())
    }

    /// The commands of the next line that has any; a compound command may go over several.
    fn complete_line(&mut self) -> Result<Option<List>, Fault> {
        self.skip_newlines()?;
        if *self.peek()? == Token::End {
            return Ok(None);
        }
        let mut items = Vec::new();
        loop {
            items.push(self.and_or()?);
            match self.next()? {
                Token::Operator(separator @ (";" | "&")) => {
                    self.set_mode(&mut items, separator);
                    match self.peek()? {
                        Token::Newline => {
                            self.peeked = None;
                            return Ok(Some(List(items)));
                        }
                        Token::End => return Ok(Some(List(items))),
                        _ => {}
                    }
                }
                Token::Newline | Token::End => return Ok(Some(List(items))),
                token => return self.unexpected(&token, ""),
            }
        }
    }

    #[expect(clippy::unused_self, reason = "reads as a step of the parser")]
    fn set_mode(&self, items: &mut [Item], separator: &str) {
        if separator == "&"
            && let Some(item) = items.last_mut()
        {
            item.mode = Mode::Background;
        }
    }

    /// Commands up to a closing word or operator, which is left for the caller.
    fn list(&mut self, ends: &[&str]) -> Result<List, Fault> {
        let mut items = Vec::new();
        loop {
            self.skip_newlines()?;
            let ended = match self.peek()? {
                Token::Operator(operator) => ends.contains(operator),
                Token::Word(word) => word.plain().is_some_and(|word| ends.contains(&word)),
                Token::End => true,
                Token::Newline | Token::Number(_) => false,
            };
            if ended {
                return Ok(List(items));
            }
            items.push(self.and_or()?);
            match self.peek()? {
                Token::Operator(separator @ (";" | "&")) => {
                    let separator = *separator;
                    self.peeked = None;
                    self.set_mode(&mut items, separator);
                }
                Token::Newline | Token::End => {}
                Token::Operator(operator) if ends.contains(operator) => {}
                _ => {
                    let token = self.next()?;
                    return self.unexpected(&token, ends.first().copied().unwrap_or(""));
                }
            }
        }
    }

    /// As [`Self::list`], but at least one command.
    fn body(&mut self, ends: &[&str]) -> Result<List, Fault> {
        let list = self.list(ends)?;
        if list.0.is_empty() {
            let token = self.next()?;
            return self.unexpected(&token, if token == Token::End { ends[0] } else { "" });
        }
        Ok(list)
    }

    fn and_or(&mut self) -> Result<Item, Fault> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            let link = if self.take_operator("&&")? {
                Link::And
            } else if self.take_operator("||")? {
                Link::Or
            } else {
                return Ok(Item { first, rest, mode: Mode::Foreground });
            };
            self.skip_newlines()?;
            rest.push((link, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Result<Pipeline, Fault> {
        let mut negated = false;
        while self.take_word("!")? {
            negated = !negated;
        }
        if self.bash() {
            self.take_word("time")?;
        }
        let mut commands = vec![Arc::new(self.command()?)];
        loop {
            if self.take_operator("|&")? {
                if let Some(last) = commands.pop() {
                    let mut last = Arc::unwrap_or_clone(last);
                    let word = Word(vec![crate::tree::Part::Literal("1".to_owned())]);
                    last.redirects.push(Redirect { descriptor: Some(2), target: Target::Duplicate(word) });
                    commands.push(Arc::new(last));
                }
            } else if !self.take_operator("|")? {
                return Ok(Pipeline { negated, commands });
            }
            self.skip_newlines()?;
            commands.push(Arc::new(self.command()?));
        }
    }

    fn command(&mut self) -> Result<Command, Fault> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.unknown("commands are nested too deeply");
        }
        self.peek()?;
        let line = self.line;
        let kind = self.compound()?;
        let command = match kind {
            Some(kind) => {
                let mut redirects = Vec::new();
                while let Some(redirect) = self.redirect()? {
                    redirects.push(redirect);
                }
                Command { line, kind, redirects }
            }
            None => self.simple(line)?,
        };
        self.depth -= 1;
        Ok(command)
    }

    /// The commands of `$(…)`, from after its opening to after its end.
    pub(super) fn substitution(&mut self) -> Result<Script, Fault> {
        let mut inner = Parser { peeked: None, pending: Vec::new(), ..*self };
        inner.depth += 1;
        if inner.depth > DEPTH {
            return self.unknown("substitutions are nested too deeply");
        }
        let list = inner.list(&[")"])?;
        inner.expect_operator(")")?;
        (self.at, self.line) = (inner.at, inner.line);
        Ok(Script { lines: vec![list], fault: None })
    }
}

/// Whether a text can be a variable's name.
pub(crate) fn is_name(text: &str) -> bool {
    text.starts_with(|ch: char| ch.is_ascii_alphabetic() || ch == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}
