//! Reads a script: the grammar of commands. Words are read in [`super::words`].

use std::sync::{Arc, OnceLock};

use super::tree::{
    AfterArm, Arm, Assignment, Cause, Command, Condition, Fault, Flavour, Item, Kind, Link, List, Mode, Pipeline,
    Redirect, Script, Target, Value, Word,
};

/// How deep commands may be nested in each other.
pub(super) const DEPTH: u32 = 30;

/// Reads a whole text.
pub(crate) fn parse(text: &str, flavour: Flavour) -> Script {
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
                Word(vec![super::tree::Part::Quoted(text)])
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
                    let word = Word(vec![super::tree::Part::Literal("1".to_owned())]);
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

    /// A compound command, when one begins here.
    fn compound(&mut self) -> Result<Option<Kind>, Fault> {
        let word = match self.peek()? {
            Token::Operator("(") => {
                self.peeked = None;
                if self.bash() && self.current() == Some('(') {
                    let (at, line) = (self.at, self.line);
                    self.at += 1;
                    if let Some(inner) = self.arithmetic_text()? {
                        return Ok(Some(Kind::Arithmetic(parse_text(&inner, self.flavour, self.depth)?)));
                    }
                    (self.at, self.line) = (at, line);
                }
                let list = self.body(&[")"])?;
                self.expect_operator(")")?;
                return Ok(Some(Kind::Subshell(Arc::new(list))));
            }
            Token::Word(word) => match word.plain() {
                Some(word) => word.to_owned(),
                None => return Ok(None),
            },
            Token::Operator("<" | ">" | "<<" | "<<-" | "<<<" | ">>" | "<&" | ">&" | "<>" | ">|" | "&>" | "&>>")
            | Token::Number(_) => return Ok(None),
            _ => {
                let token = self.next()?;
                return self.unexpected(&token, "");
            }
        };
        let kind = match word.as_str() {
            "{" => {
                self.peeked = None;
                let list = self.body(&["}"])?;
                self.expect_word("}")?;
                Kind::Group(list)
            }
            "if" => self.conditional()?,
            "while" | "until" => {
                self.peeked = None;
                let condition = self.body(&["do"])?;
                Kind::Loop { until: word == "until", condition, body: self.do_group()? }
            }
            "for" => self.for_loop()?,
            "case" => self.case()?,
            "[[" if self.bash() => {
                self.peeked = None;
                let condition = self.condition_or()?;
                self.expect_word("]]")?;
                Kind::Condition(condition)
            }
            "function" if self.bash() => {
                self.peeked = None;
                let Token::Word(name) = self.next()? else {
                    return self.fault("syntax error: a function needs a name");
                };
                let name = name.plain().unwrap_or_default().to_owned();
                if self.take_operator("(")? {
                    self.expect_operator(")")?;
                }
                self.function(name)?
            }
            "select" | "coproc" if self.bash() => return self.unknown(format!("`{word}` is not interpreted")),
            "then" | "elif" | "else" | "fi" | "do" | "done" | "esac" | "}" => {
                let token = self.next()?;
                return self.unexpected(&token, "");
            }
            _ => {
                // `NAME ( )` begins a function.
                let end = self.at;
                let blanks = self.chars[end..].iter().take_while(|ch| matches!(ch, ' ' | '\t')).count();
                if self.ahead(blanks) != Some('(') || word.contains(['=', '$']) {
                    return Ok(None);
                }
                self.peeked = None;
                self.expect_operator("(")?;
                self.expect_operator(")")?;
                self.function(word)?
            }
        };
        Ok(Some(kind))
    }

    fn function(&mut self, name: String) -> Result<Kind, Fault> {
        self.skip_newlines()?;
        let body = Arc::new(self.command()?);
        Ok(Kind::Function { name, body })
    }

    fn conditional(&mut self) -> Result<Kind, Fault> {
        let mut arms = Vec::new();
        self.expect_word("if")?;
        loop {
            let condition = self.body(&["then"])?;
            self.expect_word("then")?;
            arms.push((condition, self.body(&["fi", "elif", "else"])?));
            if self.take_word("elif")? {
                continue;
            }
            let otherwise = if self.take_word("else")? { Some(self.body(&["fi"])?) } else { None };
            self.expect_word("fi")?;
            return Ok(Kind::If { arms, otherwise });
        }
    }

    fn do_group(&mut self) -> Result<List, Fault> {
        self.skip_newlines()?;
        self.expect_word("do")?;
        let body = self.body(&["done"])?;
        self.expect_word("done")?;
        Ok(body)
    }

    fn for_loop(&mut self) -> Result<Kind, Fault> {
        self.expect_word("for")?;
        if self.bash() && self.is_operator("(")? {
            self.peeked = None;
            if self.bump() != Some('(') {
                return self.fault("syntax error near unexpected token `('");
            }
            let Some(inner) = self.arithmetic_text()? else { return self.fault("syntax error: `((` is never closed") };
            let mut parts = inner.split(';').map(|part| parse_text(part.trim(), self.flavour, self.depth));
            let mut part = || parts.next().unwrap_or_else(|| Ok(Word::default()));
            let (init, condition, step) = (part()?, part()?, part()?);
            self.take_operator(";")?;
            return Ok(Kind::Count { init, condition, step, body: self.do_group()? });
        }
        let token = self.next()?;
        let name = match &token {
            Token::Word(word) => word.plain().filter(|name| is_name(name)).map(str::to_owned),
            _ => None,
        };
        let Some(name) = name else {
            return if self.bash() {
                self.unexpected(&token, "")
            } else {
                self.fault("Syntax error: Bad for loop variable")
            };
        };
        let newline_before = *self.peek()? == Token::Newline;
        self.skip_newlines()?;
        let mut words = None;
        if self.take_word("in")? {
            let mut list = Vec::new();
            loop {
                match self.next()? {
                    Token::Word(word) => list.push(word),
                    Token::Operator(";") | Token::Newline => break,
                    token => return self.unexpected(&token, "do"),
                }
            }
            words = Some(list);
        } else if !newline_before {
            self.take_operator(";")?;
        }
        Ok(Kind::For { name, words, body: self.do_group()? })
    }

    fn case(&mut self) -> Result<Kind, Fault> {
        self.expect_word("case")?;
        let word = match self.next()? {
            Token::Word(word) => word,
            token => return self.unexpected(&token, ""),
        };
        self.skip_newlines()?;
        self.expect_word("in")?;
        let mut arms = Vec::new();
        loop {
            self.skip_newlines()?;
            if self.take_word("esac")? {
                return Ok(Kind::Case { word, arms });
            }
            self.take_operator("(")?;
            let mut patterns = Vec::new();
            loop {
                match self.next()? {
                    Token::Word(pattern) => patterns.push(pattern),
                    token => return self.unexpected(&token, ")"),
                }
                if !self.take_operator("|")? {
                    break;
                }
            }
            self.expect_operator(")")?;
            let body = self.list(&[";;", "esac"])?;
            let mut then = AfterArm::Leave;
            if self.take_operator(";;")? {
                if self.bash() && self.peeked.is_none() && self.current() == Some('&') {
                    self.at += 1;
                    then = AfterArm::TestNext;
                }
            } else if *self.peek()? == Token::End {
                return self.unexpected(&Token::End, ";;");
            }
            if self.bash() && then == AfterArm::Leave && self.is_operator(";")? {
                then = AfterArm::FallThrough;
            }
            arms.push(Arm { patterns, body, then });
        }
    }

    fn condition_or(&mut self) -> Result<Condition, Fault> {
        let mut left = self.condition_and()?;
        loop {
            self.skip_newlines()?;
            if !self.take_operator("||")? {
                return Ok(left);
            }
            self.skip_newlines()?;
            left = Condition::Or(Box::new(left), Box::new(self.condition_and()?));
        }
    }

    fn condition_and(&mut self) -> Result<Condition, Fault> {
        let mut left = self.condition_primary()?;
        loop {
            self.skip_newlines()?;
            if !self.take_operator("&&")? {
                return Ok(left);
            }
            self.skip_newlines()?;
            left = Condition::And(Box::new(left), Box::new(self.condition_primary()?));
        }
    }

    fn condition_primary(&mut self) -> Result<Condition, Fault> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.unknown("conditions are nested too deeply");
        }
        let condition = self.condition_term()?;
        self.depth -= 1;
        Ok(condition)
    }

    fn condition_term(&mut self) -> Result<Condition, Fault> {
        if self.take_word("!")? {
            return Ok(Condition::Not(Box::new(self.condition_primary()?)));
        }
        if self.take_operator("(")? {
            let inner = self.condition_or()?;
            self.expect_operator(")")?;
            return Ok(inner);
        }
        let left = match self.next()? {
            Token::Word(word) => word,
            token => return self.unexpected(&token, ""),
        };
        if let Some(operator) = left.plain().filter(|text| text.len() == 2 && text.starts_with('-')).map(str::to_owned)
            && matches!(self.peek()?, Token::Word(word) if word.plain() != Some("]]"))
            && let Token::Word(operand) = self.next()?
        {
            return Ok(Condition::Unary(operator, operand));
        }
        let operator = match self.peek()? {
            Token::Operator(operator @ ("<" | ">")) => (*operator).to_owned(),
            Token::Word(word) => match word.plain() {
                Some(operator) if operator != "]]" => operator.to_owned(),
                _ => return Ok(Condition::Word(left)),
            },
            _ => return Ok(Condition::Word(left)),
        };
        self.peeked = None;
        self.skip_blanks();
        let right = if operator == "=~" {
            self.regex_word()?
        } else {
            match self.next()? {
                Token::Word(word) => word,
                token => return self.unexpected(&token, ""),
            }
        };
        Ok(Condition::Binary(left, operator, right))
    }

    fn redirect(&mut self) -> Result<Option<Redirect>, Fault> {
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
            Token::Number(number) => Word(vec![super::tree::Part::Literal(number.to_string())]),
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

    fn simple(&mut self, line: u32) -> Result<Command, Fault> {
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
                        words.push(Word(vec![super::tree::Part::Literal(assignment.name.clone())]));
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
    fn assignment(&mut self, arrays_only: bool) -> Result<Option<Assignment>, Fault> {
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

    fn array(&mut self) -> Result<Vec<(Option<Word>, Word)>, Fault> {
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
