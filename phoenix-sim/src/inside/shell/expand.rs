//! What words become: parameters, substitutions, splitting, patterns of file names.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::arithmetic;
use super::pattern;
use super::tree::{Operation, Parameter, Part, Place, Script, Word};
use super::variables::{Data, Variables};
use super::{Flavour, Shell, Unwind};

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
                for word in super::braces::expand(word) {
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
        if !self.machine.spend(1, all.last().map_or(0, String::len)) {
            return Err(self.exhausted());
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
                let users = self.machine.files(|view| view.read("/etc/passwd")).ok()?;
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

    async fn parameter(&mut self, parameter: &Parameter, context: Context, out: &mut Fields) -> Result<(), Unwind> {
        let name = parameter.name.as_str();
        if matches!(parameter.operation, Operation::Bad) {
            return Err(self.abort("Bad substitution").await);
        }
        if let Operation::Length = parameter.operation {
            let value = self.value(parameter).await?;
            let length = match &value {
                Value::Unset if self.options.nounset => return Err(self.unbound(name).await),
                Value::Unset => 0,
                Value::Text(text) => text.chars().count(),
                Value::List(list, _) => list.len(),
            };
            out.push(&length.to_string(), context == Context::Quoted);
            return Ok(());
        }
        let mut value = match parameter.operation {
            Operation::Indirect => {
                let target = match self.value(parameter).await? {
                    Value::Text(target) => target,
                    _ => String::new(),
                };
                let inner = Parameter { name: target, index: None, operation: Operation::Value };
                self.value(&inner).await?
            }
            Operation::Keys => Value::List(self.keys(name), false),
            _ => self.value(parameter).await?,
        };
        let is_empty = match &value {
            Value::Unset => true,
            Value::Text(text) => text.is_empty(),
            Value::List(list, _) => list.iter().all(String::is_empty) && list.len() < 2,
        };
        let is_unset = match &value {
            Value::Unset => true,
            Value::List(list, _) => list.is_empty(),
            Value::Text(_) => false,
        };
        let lacks = |or_empty: &bool| is_unset || (*or_empty && is_empty);
        match &parameter.operation {
            Operation::Default { or_empty, word } => {
                if lacks(or_empty) {
                    return self.parts(&word.0, context.inner(), out).await;
                }
            }
            Operation::Alternative { or_empty, word } => {
                if lacks(or_empty) {
                    if context == Context::Quoted && !matches!(value, Value::List(..)) {
                        out.push("", true);
                    }
                    return Ok(());
                }
                return self.parts(&word.0, context.inner(), out).await;
            }
            Operation::Assign { or_empty, word } => {
                if lacks(or_empty) {
                    let text = self.text(word).await?;
                    if !super::parse::is_name(name) {
                        return Err(self.abort(&format!("{name}: bad variable name")).await);
                    }
                    self.assign(name, &text).await?;
                    value = Value::Text(text);
                }
            }
            Operation::Demand { or_empty, word } => {
                if lacks(or_empty) {
                    let mut text = self.text(word).await?;
                    if text.is_empty() {
                        text = match (self.flavour, or_empty) {
                            (Flavour::Bash, true) => "parameter null or not set",
                            (Flavour::Bash, false) => "parameter not set",
                            (Flavour::Dash, _) => "parameter not set or null",
                        }
                        .to_owned();
                    }
                    return Err(self.abort(&format!("{name}: {text}")).await);
                }
            }
            _ => {
                if matches!(value, Value::Unset) && self.options.nounset {
                    return Err(self.unbound(name).await);
                }
                value = self.operate(parameter, value).await?;
            }
        }
        self.emit(value, context, out);
        Ok(())
    }

    async fn operate(&mut self, parameter: &Parameter, value: Value) -> Result<Value, Unwind> {
        let operation = &parameter.operation;
        if let Operation::Slice { offset, length } = operation {
            let offset = self.arithmetic(offset).await?;
            let length = match length {
                Some(length) => Some(self.arithmetic(length).await?),
                None => None,
            };
            let zero = parameter.index.is_none().then_some(self.zero.as_str());
            return Ok(slice(value, offset, length, zero));
        }
        let (first, second) = match operation {
            Operation::CutPrefix { pattern, .. } | Operation::CutSuffix { pattern, .. } => {
                (self.pattern(pattern).await?, String::new())
            }
            Operation::Replace { pattern, with, .. } => (self.pattern(pattern).await?, self.text(with).await?),
            Operation::Case { .. } | Operation::Transform(_) => (String::new(), String::new()),
            _ => return Ok(value),
        };
        let change = |text: String| match operation {
            Operation::CutPrefix { longest, .. } => pattern::cut_prefix(&text, &first, *longest).to_owned(),
            Operation::CutSuffix { longest, .. } => pattern::cut_suffix(&text, &first, *longest).to_owned(),
            Operation::Replace { place, .. } => replace(&text, &first, &second, *place),
            Operation::Transform('Q') => format!("'{}'", text.replace('\'', r"'\''")),
            Operation::Transform('U') => text.to_uppercase(),
            Operation::Transform('L') => text.to_lowercase(),
            Operation::Case { upper, all } => {
                let convert = |ch: char| if *upper { ch.to_ascii_uppercase() } else { ch.to_ascii_lowercase() };
                text.chars().enumerate().map(|(at, ch)| if *all || at == 0 { convert(ch) } else { ch }).collect()
            }
            _ => text,
        };
        Ok(match value {
            Value::Unset => Value::Text(change(String::new())),
            Value::Text(text) => Value::Text(change(text)),
            Value::List(list, star) => Value::List(list.into_iter().map(change).collect(), star),
        })
    }

    fn emit(&self, value: Value, context: Context, out: &mut Fields) {
        let quoted = context == Context::Quoted;
        match value {
            Value::Unset => {
                if quoted {
                    out.push("", true);
                }
            }
            Value::Text(text) => {
                if quoted {
                    out.push(&text, true);
                } else {
                    out.split(&text);
                }
            }
            Value::List(list, true) if quoted || !out.splits => {
                let joint: String = match self.variables.text("IFS") {
                    None => " ".to_owned(),
                    Some(separators) => separators.chars().take(1).collect(),
                };
                out.push(&list.join(&joint), quoted);
            }
            Value::List(list, _) if !out.splits => out.push(&list.join(" "), quoted),
            Value::List(list, _) => {
                let last = list.len();
                for (index, text) in list.iter().enumerate() {
                    if quoted {
                        out.push(text, true);
                    } else {
                        out.split(text);
                    }
                    if index + 1 < last && out.started {
                        out.end_field();
                    }
                }
            }
        }
    }

    fn keys(&self, name: &str) -> Vec<String> {
        match self.variables.get(name).and_then(|variable| variable.data.as_ref()) {
            Some(Data::Array(array)) => array.keys().map(ToString::to_string).collect(),
            Some(Data::Map(map)) => map.keys().cloned().collect(),
            Some(Data::Text(_)) => vec!["0".to_owned()],
            None => Vec::new(),
        }
    }

    async fn value(&mut self, parameter: &Parameter) -> Result<Value, Unwind> {
        let name = parameter.name.as_str();
        if let Some(index) = &parameter.index {
            let all = index.plain().filter(|index| matches!(*index, "@" | "*"));
            let data = self.variables.get(name).and_then(|variable| variable.data.clone());
            if let Some(all) = all {
                let list = match data {
                    Some(Data::Array(array)) => array.into_values().collect(),
                    Some(Data::Map(map)) => map.into_values().collect(),
                    Some(Data::Text(text)) => vec![text],
                    None => Vec::new(),
                };
                return Ok(Value::List(list, all == "*"));
            }
            let found = match data {
                Some(Data::Map(map)) => map.get(&self.text(index).await?).cloned(),
                Some(Data::Array(array)) => {
                    let mut place = self.arithmetic(index).await?;
                    if place < 0 {
                        place += array.keys().next_back().map_or(0, |last| last + 1);
                    }
                    array.get(&place).cloned()
                }
                Some(Data::Text(text)) => (self.arithmetic(index).await? == 0).then_some(text),
                None => None,
            };
            return Ok(found.map_or(Value::Unset, Value::Text));
        }
        let special = match name {
            "@" | "*" => return Ok(Value::List(self.positional.to_vec(), name == "*")),
            "#" => Some(self.positional.len().to_string()),
            "?" => Some(self.status.to_string()),
            "$" => Some(self.main_process.to_string()),
            "!" => self.last_background.map(|id| id.to_string()),
            "-" => Some(self.options.letters()),
            "0" => Some(self.zero.clone()),
            "LINENO" => Some(self.line.to_string()),
            "PPID" => Some(self.process.parent.to_string()),
            "RANDOM" if self.flavour == Flavour::Bash => Some(self.random().to_string()),
            "SECONDS" if self.flavour == Flavour::Bash => {
                Some(self.machine.now().saturating_sub(self.began).as_secs().to_string())
            }
            "EPOCHSECONDS" if self.flavour == Flavour::Bash => Some(self.machine.now().as_secs().to_string()),
            "BASHPID" if self.flavour == Flavour::Bash => Some(self.process.id.to_string()),
            "HOSTNAME" if self.flavour == Flavour::Bash => Some(self.machine.hostname()),
            "UID" | "EUID" if self.flavour == Flavour::Bash => Some("0".to_owned()),
            _ => None,
        };
        if let Some(special) = special {
            return Ok(Value::Text(special));
        }
        if name.starts_with(|ch: char| ch.is_ascii_digit()) {
            let place = name.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
            let found = place.and_then(|place| self.positional.get(place));
            return Ok(found.map_or(Value::Unset, |text| Value::Text(text.clone())));
        }
        Ok(self.variables.text(name).map_or(Value::Unset, |text| Value::Text(text.to_owned())))
    }

    async fn unbound(&mut self, name: &str) -> Unwind {
        let reason = match self.flavour {
            Flavour::Dash => format!("{name}: parameter not set"),
            Flavour::Bash if name.starts_with(|ch: char| ch.is_ascii_digit()) => format!("${name}: unbound variable"),
            Flavour::Bash => format!("{name}: unbound variable"),
        };
        self.abort(&reason).await
    }

    /// Sets a variable, unless it is read-only.
    pub(super) async fn assign(&mut self, name: &str, text: &str) -> Result<(), Unwind> {
        if text.len() > TEXT_LIMIT || !self.machine.spend(1, text.len()) {
            return Err(self.exhausted());
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
        self.machine.files(|view| {
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
                        if view.entry(&self.absolute(&path), super::super::view::Follow::Parents).is_ok() {
                            next.push(path);
                        }
                        continue;
                    }
                    for name in view.list(&self.absolute(base)).unwrap_or_default() {
                        if (!name.starts_with('.') || part.starts_with('.')) && pattern::matches(part, &name) {
                            let path = join(&name);
                            let is_last = index + 1 == parts.len() && !folders_only;
                            if is_last || view.list(&self.absolute(&path)).is_ok() {
                                next.push(path);
                            }
                        }
                    }
                }
                found = next;
            }
        });
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

fn slice(value: Value, offset: i64, length: Option<i64>, zero: Option<&str>) -> Value {
    fn bounds(total: usize, offset: i64, length: Option<i64>) -> (usize, usize) {
        let total = i64::try_from(total).unwrap_or(i64::MAX);
        let start = if offset < 0 { total + offset } else { offset };
        if start < 0 || start > total {
            return (0, 0);
        }
        let end = match length {
            None => total,
            Some(length) if length < 0 => total + length,
            Some(length) => start.saturating_add(length).min(total),
        };
        let clamp = |place: i64| usize::try_from(place.max(start)).unwrap_or(0);
        (clamp(start), clamp(end))
    }
    match value {
        Value::Unset => Value::Unset,
        Value::Text(text) => {
            let chars: Vec<char> = text.chars().collect();
            let (start, end) = bounds(chars.len(), offset, length);
            Value::Text(chars[start..end].iter().collect())
        }
        Value::List(mut list, star) => {
            // Positional parameters count from `$0`.
            if let Some(zero) = zero {
                list.insert(0, zero.to_owned());
            }
            let (start, end) = bounds(list.len(), offset, length);
            Value::List(list[start..end].to_vec(), star)
        }
    }
}

fn replace(text: &str, wanted: &str, with: &str, place: Place) -> String {
    if wanted.is_empty() {
        return text.to_owned();
    }
    match place {
        Place::Start => {
            let rest = pattern::cut_prefix(text, wanted, true);
            if rest.len() == text.len() { text.to_owned() } else { format!("{with}{rest}") }
        }
        Place::End => {
            let rest = pattern::cut_suffix(text, wanted, true);
            if rest.len() == text.len() { text.to_owned() } else { format!("{rest}{with}") }
        }
        Place::First | Place::All => {
            let mut result = String::new();
            let mut from = 0;
            while let Some((start, end)) = pattern::find(text, wanted, from) {
                result.push_str(&text[from..start]);
                result.push_str(with);
                from = end;
                if place == Place::First {
                    break;
                }
            }
            result.push_str(&text[from..]);
            result
        }
    }
}
