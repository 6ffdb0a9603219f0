//! Reading loops, branches, groups, functions and `[[ … ]]`.

use std::sync::Arc;

use super::{DEPTH, Parser, Token, is_name, parse_text};
use crate::tree::{AfterArm, Arm, Condition, Fault, Kind, List, Word};

impl Parser<'_> {
    /// A compound command, when one begins here.
    pub(super) fn compound(&mut self) -> Result<Option<Kind>, Fault> {
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

    pub(super) fn function(&mut self, name: String) -> Result<Kind, Fault> {
        self.skip_newlines()?;
        let body = Arc::new(self.command()?);
        Ok(Kind::Function { name, body })
    }

    pub(super) fn conditional(&mut self) -> Result<Kind, Fault> {
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

    pub(super) fn do_group(&mut self) -> Result<List, Fault> {
        self.skip_newlines()?;
        self.expect_word("do")?;
        let body = self.body(&["done"])?;
        self.expect_word("done")?;
        Ok(body)
    }

    pub(super) fn for_loop(&mut self) -> Result<Kind, Fault> {
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

    pub(super) fn case(&mut self) -> Result<Kind, Fault> {
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

    pub(super) fn condition_or(&mut self) -> Result<Condition, Fault> {
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

    pub(super) fn condition_and(&mut self) -> Result<Condition, Fault> {
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

    pub(super) fn condition_primary(&mut self) -> Result<Condition, Fault> {
        self.depth += 1;
        if self.depth > DEPTH {
            return self.unknown("conditions are nested too deeply");
        }
        let condition = self.condition_term()?;
        self.depth -= 1;
        Ok(condition)
    }

    pub(super) fn condition_term(&mut self) -> Result<Condition, Fault> {
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
}
