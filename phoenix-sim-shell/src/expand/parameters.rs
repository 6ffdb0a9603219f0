//! Parameters: their values and what braces do to them (`${name%pattern}`).

use super::{Context, Fields, Value};
use crate::parse::is_name;
use crate::pattern;
use crate::shell::{Shell, Unwind};
use crate::tree::Flavour;
use crate::tree::{Operation, Parameter, Place};
use crate::variables::Data;

impl Shell {
    pub(super) async fn parameter(
        &mut self,
        parameter: &Parameter,
        context: Context,
        out: &mut Fields,
    ) -> Result<(), Unwind> {
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
                    if !is_name(name) {
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

    pub(super) async fn operate(&mut self, parameter: &Parameter, value: Value) -> Result<Value, Unwind> {
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
            Operation::CutPrefix { cut, .. } => pattern::cut_prefix(&text, &first, *cut).to_owned(),
            Operation::CutSuffix { cut, .. } => pattern::cut_suffix(&text, &first, *cut).to_owned(),
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

    pub(super) fn emit(&self, value: Value, context: Context, out: &mut Fields) {
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

    pub(super) fn keys(&self, name: &str) -> Vec<String> {
        match self.variables.get(name).and_then(|variable| variable.data.as_ref()) {
            Some(Data::Array(array)) => array.keys().map(ToString::to_string).collect(),
            Some(Data::Map(map)) => map.keys().cloned().collect(),
            Some(Data::Text(_)) => vec!["0".to_owned()],
            None => Vec::new(),
        }
    }

    pub(super) async fn value(&mut self, parameter: &Parameter) -> Result<Value, Unwind> {
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
                Some(self.system.now().saturating_sub(self.began).as_secs().to_string())
            }
            "EPOCHSECONDS" if self.flavour == Flavour::Bash => Some(self.system.now().as_secs().to_string()),
            "BASHPID" if self.flavour == Flavour::Bash => Some(self.process.id.to_string()),
            "HOSTNAME" if self.flavour == Flavour::Bash => Some(self.system.name()),
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

    pub(super) async fn unbound(&mut self, name: &str) -> Unwind {
        let reason = match self.flavour {
            Flavour::Dash => format!("{name}: parameter not set"),
            Flavour::Bash if name.starts_with(|ch: char| ch.is_ascii_digit()) => format!("${name}: unbound variable"),
            Flavour::Bash => format!("{name}: unbound variable"),
        };
        self.abort(&reason).await
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
            let rest = pattern::cut_prefix(text, wanted, pattern::Cut::Longest);
            if rest.len() == text.len() { text.to_owned() } else { format!("{with}{rest}") }
        }
        Place::End => {
            let rest = pattern::cut_suffix(text, wanted, pattern::Cut::Longest);
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
