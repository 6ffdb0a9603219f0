//! What words become: parameters, substitutions, splitting, patterns of file names.

mod parameters;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use crate::arithmetic;
use crate::files::Follow;
use crate::pattern;
use crate::shell::{Shell, Unwind};
use crate::tree::Flavour;
use crate::tree::{Part, Script, Word};
use crate::variables::Variables;

/// Texts longer than this end the shell: it would run out of memory.
const TEXT_LIMIT: usize = 8 << 20;

type Future_<'a, T> = Pin<Box<dyn Future<Output = Result<T, Unwind>> + Send + 'a>>;

/// The fields that a word becomes while it is expanded.
#[derive(Debug)]
pub(super) struct Fields {
    splits: bool,
    separators: String,
    done: Vec<Vec<Segment>>,
    current: Vec<Segment>,
    started: bool,
    after_blank: bool,
}

#[derive(Debug, Clone)]
struct Segment {
    text: String,
    quoted: bool,
}

impl Fields {
    fn new(splits: bool, separators: String) -> Self {
        Self { splits, separators, done: Vec::new(), current: Vec::new(), started: false, after_blank: false }
    }

    fn push(&mut self, text: &str, quoted: bool) {
        if text.is_empty() && !quoted {
            return;
        }
        self.started = true;
        self.after_blank = false;
        match self.current.last_mut() {
            Some(last) if last.quoted == quoted => last.text.push_str(text),
            _ => self.current.push(Segment { text: text.to_owned(), quoted }),
        }
    }

    fn end_field(&mut self) {
        self.done.push(std::mem::take(&mut self.current));
        self.started = false;
    }

    /// Adds the result of an unquoted expansion, split where separators stand.
    fn split(&mut self, text: &str) {
        if !self.splits {
            self.push(text, false);
            return;
        }
        let mut from = 0;
        for (at, ch) in text.char_indices() {
            if !self.separators.contains(ch) {
                continue;
            }
            self.push(&text[from..at], false);
            from = at + ch.len_utf8();
            if ch.is_ascii_whitespace() {
                if self.started {
                    self.end_field();
                    self.after_blank = true;
                }
            } else if self.after_blank {
                self.after_blank = false;
            } else {
                self.end_field();
            }
        }
        self.push(&text[from..], false);
    }

    fn finish(mut self) -> Vec<Vec<Segment>> {
        if self.started {
            self.end_field();
        }
        self.done
    }
}

fn plain(field: &[Segment]) -> String {
    field.iter().map(|segment| segment.text.as_str()).collect()
}

fn as_pattern(field: &[Segment]) -> String {
    field
        .iter()
        .map(|segment| if segment.quoted { pattern::escape(&segment.text) } else { segment.text.clone() })
        .collect()
}

/// The value of a parameter.
#[derive(Debug, Clone)]
enum Value {
    Unset,
    Text(String),
    /// All positional parameters or elements; `true` for the `*` form.
    List(Vec<String>, bool),
}

struct Bridge<'a>(&'a mut Variables);

impl arithmetic::Variables for Bridge<'_> {
    fn get(&self, name: &str) -> String {
        self.0.text(name).unwrap_or_default().to_owned()
    }

    fn set(&mut self, name: &str, value: i64) {
        self.0.set(name, value.to_string());
    }
}

impl Shell {
    fn separators(&self) -> String {
        self.variables.text("IFS").unwrap_or(" \t\n").to_owned()
    }

    /// What the words of a command become.
    pub(super) async fn fields(&mut self, words: &[Word]) -> Result<Vec<String>, Unwind> {
        let mut all = Vec::with_capacity(words.len());
        for word in words {
            if self.flavour == Flavour::Bash
                && word.0.iter().any(|part| matches!(part, Part::Literal(text) if text.contains('{')))
            {
                for word in crate::braces::expand(word) {
                    self.word_fields(&word, &mut all).await?;
                }
            } else {
                self.word_fields(word, &mut all).await?;
            }
        }
        Ok(all)
    }

    async fn word_fields(&mut self, word: &Word, all: &mut Vec<String>) -> Result<(), Unwind> {
        if let Some(text) = word.plain()
            && !text.starts_with('~')
            && !pattern::is_special(text)
        {
            all.push(text.to_owned());
            return Ok(());
        }
        let mut fields = Fields::new(true, self.separators());
        self.parts(&word.0, Context::Word, &mut fields).await?;
        for field in fields.finish() {
            let special = !self.options.noglob
                && field.iter().any(|segment| !segment.quoted && pattern::is_special(&segment.text));
            if special {
                let found = self.glob(&as_pattern(&field));
                if !found.is_empty() {
                    all.extend(found);
                    continue;
                }
            }
            all.push(plain(&field));
        }
        if !self.system.spend(1, all.last().map_or(0, String::len)) {
            return Err(self.exhausted().await);
        }
        Ok(())
    }

    /// What a word becomes where it is not split: assignments, redirections, the subject of `case`.
    pub(super) async fn text(&mut self, word: &Word) -> Result<String, Unwind> {
        if let Some(text) = word.plain()
            && !text.starts_with('~')
        {
            return Ok(text.to_owned());
        }
        let mut fields = Fields::new(false, self.separators());
        self.parts(&word.0, Context::Word, &mut fields).await?;
        Ok(fields.finish().iter().map(|field| plain(field)).collect())
    }

    /// What a word becomes where it is a pattern: quoted characters stand for themselves.
    pub(super) async fn pattern(&mut self, word: &Word) -> Result<String, Unwind> {
        let mut fields = Fields::new(false, self.separators());
        self.parts(&word.0, Context::Word, &mut fields).await?;
        Ok(fields.finish().iter().map(|field| as_pattern(field)).collect())
    }

    /// The value of an arithmetic expression.
    pub(super) async fn arithmetic(&mut self, word: &Word) -> Result<i64, Unwind> {
        let text = self.text(word).await?;
        match arithmetic::evaluate(&text, &mut Bridge(&mut self.variables)) {
            Ok(value) => Ok(value),
            Err(invalid) => {
                let reason = match self.flavour {
                    Flavour::Dash => format!("arithmetic expression: {}", invalid.0),
                    Flavour::Bash => format!("{}: {}", text.trim(), invalid.0),
                };
                Err(self.abort(&reason).await)
            }
        }
    }

    fn parts<'a>(&'a mut self, parts: &'a [Part], context: Context, out: &'a mut Fields) -> Future_<'a, ()> {
        Box::pin(async move {
            for (index, part) in parts.iter().enumerate() {
                match part {
                    Part::Literal(text) if context == Context::Quoted => out.push(text, true),
                    Part::Literal(text) => {
                        let mut text = text.as_str();
                        let home;
                        if index == 0
                            && text.starts_with('~')
                            && let Some((expanded, rest)) = self.tilde(text)
                        {
                            home = expanded;
                            out.push(&home, true);
                            text = rest;
                        }
                        if context == Context::Default { out.split(text) } else { out.push(text, false) }
                    }
                    Part::Quoted(text) => out.push(text, true),
                    Part::Double(inner) => {
                        if inner.is_empty() {
                            out.push("", true);
                        }
                        self.parts(inner, Context::Quoted, out).await?;
                    }
                    Part::Parameter(parameter) => self.parameter(parameter, context, out).await?,
                    Part::Substitution(script) => {
                        let text = self.substitute(script).await?;
                        if context == Context::Quoted { out.push(&text, true) } else { out.split(&text) }
                    }
                    Part::Arithmetic(word) => {
                        let value = self.arithmetic(word).await?.to_string();
                        if context == Context::Quoted { out.push(&value, true) } else { out.split(&value) }
                    }
                    Part::ProcessInput(script) => {
                        let path = self.process_input(script).await?;
                        out.push(&path, true);
                    }
                }
            }
            Ok(())
        })
    }

    fn tilde<'t>(&self, text: &'t str) -> Option<(String, &'t str)> {
        let end = text.find('/').unwrap_or(text.len());
        let home = match &text[1..end] {
            "" => self.variables.text("HOME").unwrap_or("/root").to_owned(),
            "root" => "/root".to_owned(),
            user if user.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') => {
                let users = self.system.read("/etc/passwd").ok()?;
                let users = String::from_utf8_lossy(&users);
                let line = users.lines().find(|line| line.split(':').next() == Some(user))?;
                line.split(':').nth(5)?.to_owned()
            }
            _ => return None,
        };
        Some((home, &text[end..]))
    }

    /// Runs a substitution and gives its output without the newlines at its end.
    async fn substitute(&mut self, script: &Arc<Script>) -> Result<String, Unwind> {
        let mut text = self.output_of(script).await?;
        while text.ends_with('\n') {
            text.pop();
        }
        Ok(text)
    }

    /// Sets a variable, unless it is read-only.
    pub(super) async fn assign(&mut self, name: &str, text: &str) -> Result<(), Unwind> {
        if text.len() > TEXT_LIMIT || !self.system.spend(1, text.len()) {
            return Err(self.exhausted().await);
        }
        if self.variables.get(name).is_some_and(|variable| variable.readonly) {
            let reason = match self.flavour {
                Flavour::Dash => format!("{name}: is read only"),
                Flavour::Bash => format!("{name}: readonly variable"),
            };
            return Err(self.abort(&reason).await);
        }
        self.variables.set(name, text);
        if self.options.allexport {
            self.variables.entry(name).exported = true;
        }
        Ok(())
    }

    /// The paths that a pattern matches, sorted.
    fn glob(&self, text: &str) -> Vec<String> {
        let absolute = text.starts_with('/');
        let mut found: Vec<String> = vec![if absolute { "/".to_owned() } else { String::new() }];
        let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty()).collect();
        let folders_only = text.ends_with('/');
        for (index, part) in parts.iter().enumerate() {
            let mut next = Vec::new();
            for base in &found {
                let join = |name: &str| match base.as_str() {
                    "" => name.to_owned(),
                    base if base.ends_with('/') => format!("{base}{name}"),
                    base => format!("{base}/{name}"),
                };
                if !pattern::is_special(part) {
                    let path = join(&pattern::unescape(part));
                    if self.system.entry(&self.absolute(&path), Follow::Parents).is_ok() {
                        next.push(path);
                    }
                    continue;
                }
                for name in self.system.list(&self.absolute(base)).unwrap_or_default() {
                    if (!name.starts_with('.') || part.starts_with('.')) && pattern::matches(part, &name) {
                        let path = join(&name);
                        let is_last = index + 1 == parts.len() && !folders_only;
                        if is_last || self.system.list(&self.absolute(&path)).is_ok() {
                            next.push(path);
                        }
                    }
                }
            }
            found = next;
        }
        if folders_only {
            for path in &mut found {
                path.push('/');
            }
        }
        found.retain(|path| !path.is_empty());
        found
    }
}

/// Where a part of a word stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Context {
    /// In an unquoted word.
    Word,
    /// In the word of an unquoted `${NAME:-WORD}`: plain characters are split as well.
    Default,
    /// Between double quotes.
    Quoted,
}

impl Context {
    fn inner(self) -> Self {
        if self == Self::Quoted { Self::Quoted } else { Self::Default }
    }
}
