//! `test`, `[` and `[[`.

use crate::System;
use crate::files::Follow;
use crate::files::{Content, Entry};
use crate::pattern;
use crate::shell::{Shell, Unwind};
use crate::tree::{Condition, Flavour};

/// What a test needs to know besides its words.
#[derive(Debug)]
pub(crate) struct ConditionContext<'a> {
    pub(crate) system: &'a dyn System,
    pub(crate) folder: &'a str,
    /// Descriptors that are a terminal: none, ever.
    pub(crate) flavour: Flavour,
}

impl ConditionContext<'_> {
    fn absolute(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.folder) }
    }

    fn entry(&self, path: &str, follow: Follow) -> Option<Entry> {
        if path.is_empty() {
            return None;
        }
        let path = self.absolute(path);
        let entry = self.system.entry(&path, follow).ok();
        entry.or_else(|| {
            let program = || Entry { mode: 0o755, ..Entry::file(*b"\x7fELF", 0) };
            self.system.has_program(&path).then(program)
        })
    }

    fn unary(&self, operator: &str, operand: &str) -> Option<bool> {
        let entry = |follow| self.entry(operand, follow);
        let of = |check: &dyn Fn(&Entry) -> bool| entry(Follow::Last).is_some_and(|entry| check(&entry));
        let is_device = operand.starts_with("/dev/");
        Some(match operator {
            "-e" | "-a" => entry(Follow::Last).is_some(),
            "-f" => !is_device && of(&|entry| entry.bytes().is_some()),
            "-d" => of(&Entry::is_folder),
            "-s" => of(&|entry| entry.is_folder() || entry.bytes().is_some_and(|bytes| !bytes.is_empty())),
            "-r" | "-w" | "-O" | "-G" => entry(Follow::Last).is_some(),
            "-x" => of(&|entry| entry.mode & 0o111 != 0),
            "-h" | "-L" => entry(Follow::Parents).is_some_and(|entry| matches!(entry.content, Content::Link(_))),
            "-u" => of(&|entry| entry.mode & 0o4000 != 0),
            "-g" => of(&|entry| entry.mode & 0o2000 != 0),
            "-k" => of(&|entry| entry.mode & 0o1000 != 0),
            "-b" => operand.starts_with("/dev/sd") && entry(Follow::Last).is_some(),
            "-c" => is_device && of(&|entry| !entry.is_folder()),
            "-p" | "-S" | "-t" => false,
            "-n" => !operand.is_empty(),
            "-z" => operand.is_empty(),
            _ => return None,
        })
    }

    fn binary(&self, left: &str, operator: &str, right: &str) -> Option<Result<bool, String>> {
        let numbers = |compare: fn(&i64, &i64) -> bool| {
            let number = |text: &str| {
                text.trim().parse::<i64>().map_err(|_| match self.flavour {
                    Flavour::Dash => format!("Illegal number: {text}"),
                    Flavour::Bash => format!("{text}: integer expression expected"),
                })
            };
            Ok(compare(&number(left)?, &number(right)?))
        };
        let time = |path: &str| self.entry(path, Follow::Last).map(|entry| entry.mtime);
        Some(match operator {
            "=" => Ok(left == right),
            "==" if self.flavour == Flavour::Bash => Ok(left == right),
            "!=" => Ok(left != right),
            "<" => Ok(left < right),
            ">" => Ok(left > right),
            "-eq" => numbers(i64::eq),
            "-ne" => numbers(i64::ne),
            "-lt" => numbers(i64::lt),
            "-le" => numbers(i64::le),
            "-gt" => numbers(i64::gt),
            "-ge" => numbers(i64::ge),
            "-nt" => Ok(time(left) > time(right)),
            "-ot" => Ok(time(left) < time(right)),
            "-ef" => {
                let real = |path: &str| {
                    let path = self.system.real_path(&self.absolute(path)).ok()?;
                    self.system.entry(&path, Follow::Last).is_ok().then_some(path)
                };
                Ok(real(left).is_some() && real(left) == real(right))
            }
            _ => return None,
        })
    }
}

/// The value of a `test` expression, or what is wrong with it.
pub(crate) fn evaluate(words: &[String], context: &ConditionContext<'_>) -> Result<bool, String> {
    // POSIX decides by the number of words up to four of them.
    match words {
        [] => Ok(false),
        [word] => Ok(!word.is_empty()),
        [not, word] if not == "!" => Ok(word.is_empty()),
        [operator, word] => context.unary(operator, word).ok_or_else(|| match context.flavour {
            Flavour::Dash => format!("{operator}: unexpected operator"),
            Flavour::Bash => format!("{operator}: unary operator expected"),
        }),
        [left, operator, right] if context.binary(left, operator, right).is_some() => {
            context.binary(left, operator, right).unwrap_or(Ok(false))
        }
        [not, rest @ ..] if not == "!" && rest.len() < 4 => evaluate(rest, context).map(|value| !value),
        [open, word, close] if open == "(" && close == ")" => Ok(!word.is_empty()),
        words => {
            let mut reader = Reader { words, at: 0, context, depth: 0 };
            let value = reader.or()?;
            match reader.words.get(reader.at) {
                None => Ok(value),
                Some(word) => Err(match context.flavour {
                    Flavour::Dash => format!("{word}: unexpected operator"),
                    Flavour::Bash => "too many arguments".to_owned(),
                }),
            }
        }
    }
}

struct Reader<'a> {
    words: &'a [String],
    at: usize,
    context: &'a ConditionContext<'a>,
    depth: u32,
}

impl Reader<'_> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|found| found == word);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<bool, String> {
        let mut value = self.and()?;
        while self.take("-o") {
            value |= self.and()?;
        }
        Ok(value)
    }

    fn and(&mut self) -> Result<bool, String> {
        let mut value = self.not()?;
        while self.take("-a") {
            value &= self.not()?;
        }
        Ok(value)
    }

    fn not(&mut self) -> Result<bool, String> {
        let mut negated = false;
        while self.at + 1 < self.words.len() && self.take("!") {
            negated = !negated;
        }
        Ok(self.primary()? != negated)
    }

    fn primary(&mut self) -> Result<bool, String> {
        self.depth += 1;
        if self.depth > 100 {
            return Err("too many parentheses".to_owned());
        }
        let (words, at) = (self.words, self.at);
        let word = |offset: usize| words.get(at + offset);
        if let (Some(left), Some(operator), Some(right)) = (word(0), word(1), word(2))
            && let Some(value) = self.context.binary(left, operator, right)
        {
            self.at += 3;
            return value;
        }
        if self.take("(") {
            let value = self.or()?;
            return if self.take(")") { Ok(value) } else { Err("closing paren expected".to_owned()) };
        }
        if let (Some(operator), Some(operand)) = (word(0), word(1))
            && let Some(value) = self.context.unary(operator, operand)
        {
            self.at += 2;
            return Ok(value);
        }
        let Some(word) = self.words.get(self.at) else { return Err("argument expected".to_owned()) };
        self.at += 1;
        Ok(!word.is_empty())
    }
}

impl Shell {
    /// The value of `[[ … ]]`. Something wrong in it is said, and leaves status 2.
    pub(super) async fn condition(&mut self, condition: &Condition) -> Result<bool, Unwind> {
        self.status = 0;
        self.holds_condition(condition).await
    }

    async fn holds_condition(&mut self, condition: &Condition) -> Result<bool, Unwind> {
        match condition {
            Condition::Not(inner) => Ok(!Box::pin(self.holds_condition(inner)).await?),
            Condition::And(left, right) => {
                Ok(Box::pin(self.holds_condition(left)).await? && Box::pin(self.holds_condition(right)).await?)
            }
            Condition::Or(left, right) => {
                Ok(Box::pin(self.holds_condition(left)).await? || Box::pin(self.holds_condition(right)).await?)
            }
            Condition::Word(word) => Ok(!self.text(word).await?.is_empty()),
            Condition::Unary(operator, word) => {
                let operand = self.text(word).await?;
                if operator == "-v" {
                    return Ok(self.variables.text(&operand).is_some());
                }
                if operator == "-o" {
                    return Ok(self.options.named(&operand).is_some_and(|on| *on));
                }
                let context = ConditionContext { system: &*self.system, folder: &self.folder, flavour: self.flavour };
                if let Some(value) = context.unary(operator, &operand) {
                    return Ok(value);
                }
                self.complain(&format!("{operator}: unary operator expected")).await;
                self.status = 2;
                Ok(false)
            }
            Condition::Binary(left, operator, right) => {
                let left = self.text(left).await?;
                match operator.as_str() {
                    "=" | "==" => return Ok(pattern::matches(&self.pattern(right).await?, &left)),
                    "!=" => return Ok(!pattern::matches(&self.pattern(right).await?, &left)),
                    "=~" => return self.regex(&left, right).await,
                    "-eq" | "-ne" | "-lt" | "-le" | "-gt" | "-ge" => {
                        let right = self.text(right).await?;
                        let word = |text: String| crate::tree::Word(vec![crate::tree::Part::Literal(text)]);
                        let (left, right) = (self.arithmetic(&word(left)).await?, self.arithmetic(&word(right)).await?);
                        return Ok(match operator.as_str() {
                            "-eq" => left == right,
                            "-ne" => left != right,
                            "-lt" => left < right,
                            "-le" => left <= right,
                            "-gt" => left > right,
                            _ => left >= right,
                        });
                    }
                    _ => {}
                }
                let right = self.text(right).await?;
                let context = ConditionContext { system: &*self.system, folder: &self.folder, flavour: self.flavour };
                match context.binary(&left, operator, &right) {
                    Some(Ok(value)) => Ok(value),
                    Some(Err(reason)) => {
                        self.complain(&format!("[[: {reason}")).await;
                        self.status = 2;
                        Ok(false)
                    }
                    None => {
                        self.complain(&format!("conditional binary operator expected: `{operator}'")).await;
                        self.status = 2;
                        Ok(false)
                    }
                }
            }
        }
    }

    async fn regex(&mut self, text: &str, word: &crate::tree::Word) -> Result<bool, Unwind> {
        let mut expression = String::new();
        for part in &word.0 {
            let piece = crate::tree::Word(vec![part.clone()]);
            let text = self.text(&piece).await?;
            match part {
                crate::tree::Part::Quoted(_) | crate::tree::Part::Double(_) => {
                    expression.push_str(&regex::escape(&text));
                }
                _ => expression.push_str(&text),
            }
        }
        let Ok(expression) = regex::RegexBuilder::new(&expression).size_limit(1 << 20).build() else {
            self.status = 2;
            return Ok(false);
        };
        let Some(found) = expression.captures(text) else { return Ok(false) };
        let groups = found.iter().enumerate();
        let groups = groups
            .map(|(place, group)| {
                (i64::try_from(place).unwrap_or(0), group.map_or("", |group| group.as_str()).to_owned())
            })
            .collect();
        self.variables.entry("BASH_REMATCH").data = Some(crate::variables::Data::Array(groups));
        Ok(true)
    }
}
