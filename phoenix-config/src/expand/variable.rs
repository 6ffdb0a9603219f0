//! Variables: declared under `vars`, set by `--var`, the environment or an include.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use crate::diagnostic::{Code, nearest};
use crate::dialect::USER_PREFIX;
use crate::source::{Filled, Written};

use super::fault::Fault;
use super::node::{Member, Node, Value};
use super::template::is_name;

/// Names that each guest has of itself.
pub(super) const OWN: [&str; 3] = ["id", "n", "name"];

/// The keys of a declaration.
const KEYS: [&str; 9] = ["default", "description", "env", "maximum", "minimum", "one_of", "pattern", "secret", "type"];

/// The forms of their values.
type Form = (&'static str, fn(&Node) -> bool, &'static str);
const FORMS: [Form; 8] = [
    ("default", |node| Type::of(node).is_some(), "a text, a number, true or false"),
    ("description", |node| node.text().is_some(), "a text"),
    ("env", |node| node.text().is_some(), "the name of a variable of the environment"),
    ("maximum", |node| matches!(node.value, Value::Number(_)), "a number"),
    ("minimum", |node| matches!(node.value, Value::Number(_)), "a number"),
    ("one_of", |node| matches!(node.value, Value::List(_)), "a list"),
    ("pattern", |node| node.text().is_some(), "a text"),
    ("secret", |node| matches!(node.value, Value::Object(_)), "an object such as `{file: …}`"),
];

/// Rules with a name.
const PATTERNS: [(&str, &str); 5] = [
    ("ipv4", r"^((25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(\.|$)){4}$"),
    ("ipv6", r"^[0-9A-Fa-f:]*:[0-9A-Fa-f:]*(\d+\.\d+\.\d+\.\d+)?$"),
    ("cidr", r"^[0-9A-Fa-f:.]+/\d{1,3}$"),
    ("hostname", r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$"),
    ("mac", r"^([0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2}$"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Text,
    Integer,
    Number,
    Boolean,
}

impl Type {
    const WORDS: [(&'static str, Self); 4] =
        [("string", Self::Text), ("integer", Self::Integer), ("number", Self::Number), ("boolean", Self::Boolean)];

    fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(_, kind)| *kind == self).map_or("", |(word, _)| word)
    }

    fn of(node: &Node) -> Option<Self> {
        match &node.value {
            Value::Text(_) => Some(Self::Text),
            Value::Number(number) if number.parse::<i64>().is_ok() => Some(Self::Integer),
            Value::Number(_) => Some(Self::Number),
            Value::Bool(_) => Some(Self::Boolean),
            Value::Null | Value::List(_) | Value::Object(_) => None,
        }
    }

    fn takes(self, node: &Node) -> bool {
        Self::of(node).is_some_and(|kind| kind == self || (self == Self::Number && kind == Self::Integer))
    }

    /// The value that a text from the command line or the environment stands for.
    fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::Text => Some(Value::Text(text.to_owned())),
            Self::Boolean => text.parse().ok().map(Value::Bool),
            Self::Integer => text.parse::<i64>().ok().map(|number| Value::Number(number.to_string())),
            Self::Number => {
                serde_json::from_str::<serde_json::Number>(text).ok().map(|number| Value::Number(number.to_string()))
            }
        }
    }
}

/// What a variable may be.
#[derive(Debug)]
struct Rules {
    kind: Option<Type>,
    pattern: Option<(String, Regex)>,
    one_of: Option<Vec<Node>>,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

/// A declared variable.
#[derive(Debug)]
struct Variable {
    at: Written,
    rules: Rules,
    value: Option<Node>,
    is_secret: bool,
}

impl Variable {
    /// A variable whose declaration is wrong: what uses it is not wrong for that.
    fn wrong(member: &Member) -> Self {
        let rules = Rules { kind: None, pattern: None, one_of: None, minimum: None, maximum: None };
        let value = member.value.get("default").unwrap_or(&member.value).clone();
        let value = if Type::of(&value).is_some() { value } else { Node::new(Value::Text(String::new()), value.at) };
        Self { at: member.at.clone(), rules, value: Some(value), is_secret: false }
    }
}

/// The value of a name.
pub(super) enum Found<'a> {
    Value(&'a Node),
    Secret(&'a Node),
    /// Declared, without value.
    Unset,
}

/// All variables, and what files that are included with values have of their own.
#[derive(Debug, Default)]
pub(super) struct Variables {
    declared: BTreeMap<String, Variable>,
    /// Those that only the command line knows.
    given: BTreeMap<String, Node>,
    /// By the number of the included file.
    local: BTreeMap<usize, BTreeMap<String, Node>>,
    used: BTreeSet<String>,
}

impl Variables {
    pub(super) fn is_empty(&self) -> bool {
        self.declared.is_empty() && self.given.is_empty() && self.local.is_empty()
    }

    /// Takes declarations. `given` is the command line's, `environment` looks a variable of the environment up.
    pub(super) fn new(
        members: &[Member],
        given: &BTreeMap<String, String>,
        environment: &dyn Fn(&str) -> Option<String>,
        faults: &mut Vec<Fault>,
    ) -> Self {
        let mut variables = Self::default();
        for member in members.iter().filter(|member| !member.key.starts_with(USER_PREFIX)) {
            let variable = declaration(member, given.get(&member.key), environment, faults);
            variables.declared.insert(member.key.clone(), variable.unwrap_or_else(|| Variable::wrong(member)));
        }
        let undeclared = given.iter().filter(|(name, _)| !members.iter().any(|member| member.key == **name));
        let nowhere = super::node::place(usize::MAX, 0..0);
        variables.given = undeclared
            .map(|(name, text)| (name.clone(), Node::new(Value::Text(text.clone()), nowhere.clone())))
            .collect();
        variables
    }

    /// Values that a file is included with.
    pub(super) fn include(&mut self, file: usize, values: &Node, faults: &mut Vec<Fault>) {
        for member in values.members() {
            if let Some(variable) = self.declared.get(&member.key) {
                variable.rules.check(&member.key, &member.value, &member.value.at, faults);
            } else if Type::of(&member.value).is_none() {
                faults.push(Fault::error(
                    Code::InvalidVariable,
                    &member.value.at,
                    format!("the variable `{}` is {}", member.key, member.value.kind()),
                ));
            }
            self.local.entry(file).or_default().insert(member.key.clone(), member.value.clone());
        }
    }

    /// The value of a name in a file.
    pub(super) fn find(&mut self, name: &str, file: usize) -> Option<Found<'_>> {
        if let Some(local) = self.local.get(&file).and_then(|local| local.get(name)) {
            self.used.insert(name.to_owned());
            return Some(Found::Value(local));
        }
        if let Some(variable) = self.declared.get(name) {
            self.used.insert(name.to_owned());
            return Some(match &variable.value {
                Some(value) if variable.is_secret => Found::Secret(value),
                Some(value) => Found::Value(value),
                None => Found::Unset,
            });
        }
        let given = self.given.get(name)?;
        self.used.insert(name.to_owned());
        Some(Found::Value(given))
    }

    /// For the map of origins: where a name has its value from.
    pub(super) fn filled(&self, name: &str, file: usize) -> Filled {
        let local = self.local.get(&file).and_then(|local| local.get(name)).map(|node| &node.at);
        let at = local.or_else(|| self.declared.get(name).map(|variable| &variable.at));
        Filled { name: name.to_owned(), at: at.map(|at| (at.file, at.span.clone())) }
    }

    /// A name that nothing declares.
    pub(super) fn unknown(&self, name: &str, at: &Written) -> Fault {
        let fault = Fault::error(Code::UnknownVariable, at, format!("the variable `{name}` is not declared"));
        let locals = self.local.get(&at.file).into_iter().flat_map(BTreeMap::keys);
        let known = self.declared.keys().chain(self.given.keys()).chain(locals).map(String::as_str);
        match nearest(name, known.chain(OWN)) {
            Some(near) => fault.help(format!("did you mean `{near}`?")),
            None => fault.help(format!("declare it under `vars`; for the text itself write `$${{{name}}}`")),
        }
    }

    /// The names that were asked for.
    pub(super) fn used(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.used)
    }

    /// Counts names as used.
    pub(super) fn use_too(&mut self, mut names: BTreeSet<String>) {
        self.used.append(&mut names);
    }

    /// Variables that are declared or given for nothing.
    pub(super) fn unused(&self) -> Vec<Fault> {
        let declared = self.declared.iter().filter(|(name, _)| !self.used.contains(*name)).map(|(name, variable)| {
            Fault::warning(Code::UnusedName, &variable.at, format!("the variable `{name}` is not used"))
                .help(format!("use it as `${{{name}}}`, or remove it"))
        });
        let given = self.given.iter().filter(|(name, _)| !self.used.contains(*name)).map(|(name, node)| {
            let near = nearest(name, self.declared.keys().map(String::as_str));
            let fault =
                Fault::error(Code::UnknownVariable, &node.at, format!("`--var {name}` is not declared and not used"));
            match near {
                Some(near) => fault.help(format!("did you mean `{near}`?")),
                None => fault.help("remove the option, or use the variable"),
            }
        });
        declared.chain(given).collect()
    }
}

impl Rules {
    /// Whether a value is one that the variable may have.
    fn check(&self, name: &str, value: &Node, at: &Written, faults: &mut Vec<Fault>) -> bool {
        let mut wrong = |expected: String| {
            faults.push(
                Fault::error(Code::InvalidVariable, at, format!("the value of the variable `{name}` is not allowed"))
                    .expected(expected)
                    .help("fix the value"),
            );
            false
        };
        if let Some(kind) = self.kind.filter(|kind| !kind.takes(value)) {
            return wrong(format!("a value of the type {}", kind.word()));
        }
        if let (Some((words, pattern)), Value::Text(text)) = (&self.pattern, &value.value)
            && !pattern.is_match(text)
        {
            return wrong(format!("a text that matches `{words}`"));
        }
        if let Some(choices) = self.one_of.as_ref().filter(|choices| !choices.iter().any(|choice| choice.same(value))) {
            return wrong(format!(
                "one of {}",
                choices.iter().map(super::emit::compact).collect::<Vec<_>>().join(", ")
            ));
        }
        if let Value::Number(number) = &value.value
            && let Ok(number) = number.parse::<f64>()
        {
            if let Some(minimum) = self.minimum.filter(|minimum| number < *minimum) {
                return wrong(format!("at least {minimum}"));
            }
            if let Some(maximum) = self.maximum.filter(|maximum| number > *maximum) {
                return wrong(format!("at most {maximum}"));
            }
        }
        true
    }
}

/// A variable from its declaration: a value, or an object with a value and rules.
fn declaration(
    member: &Member,
    given: Option<&String>,
    environment: &dyn Fn(&str) -> Option<String>,
    faults: &mut Vec<Fault>,
) -> Option<Variable> {
    let Member { key: name, at, value: node } = member;
    let invalid = |at: &Written, message: String| Fault::error(Code::InvalidVariable, at, message);
    if !is_name(name) || OWN.contains(&name.as_str()) {
        let message = format!("`{name}` cannot be the name of a variable");
        let expected = "letters, digits and `_`, not beginning with a digit; not `id`, `n` or `name`, which each guest has of its own";
        faults.push(invalid(at, message).expected(expected));
        return None;
    }
    let short = Type::of(node).is_some();
    if !short && !matches!(node.value, Value::Object(_)) {
        faults.push(
            invalid(&node.at, format!("the variable `{name}` is {}", node.kind()))
                .expected("a text, a number, true or false, or an object with `default`"),
        );
        return None;
    }
    for key in
        node.members().iter().filter(|key| !key.key.starts_with(USER_PREFIX) && !KEYS.contains(&key.key.as_str()))
    {
        let fault = Fault::error(Code::UnknownKey, &key.at, format!("unknown key `{}`", key.key));
        faults.push(match nearest(&key.key, KEYS) {
            Some(near) => fault.help(format!("is `{near}` meant?")),
            None => fault.expected(format!("one of {}", KEYS.join(", "))),
        });
    }
    for (key, fits, expected) in FORMS {
        if let Some(wrong) = node.get(key).filter(|value| !fits(value)) {
            faults.push(invalid(&wrong.at, format!("`{key}` is {}", wrong.kind())).expected(expected));
            return None;
        }
    }
    let text_at = |key: &str| node.get(key).and_then(Node::text);
    let default = if short { Some(node) } else { node.get("default") };
    let kind = match text_at("type").map(|word| Type::WORDS.iter().find(|(other, _)| *other == word)) {
        None => default.and_then(Type::of),
        Some(Some((_, kind))) => Some(*kind),
        Some(None) => {
            let at = node.get("type").map_or(at, |node| &node.at);
            faults.push(
                invalid(at, "this is no type of a variable".to_owned())
                    .expected("`string`, `integer`, `number` or `boolean`"),
            );
            None
        }
    };
    let pattern = text_at("pattern").and_then(|words| {
        let named = PATTERNS.iter().find(|(name, _)| *name == words).map_or(words, |(_, pattern)| pattern);
        match Regex::new(named) {
            Ok(regex) => Some((words.to_owned(), regex)),
            Err(_) => {
                let at = node.get("pattern").map_or(at, |node| &node.at);
                faults.push(
                    invalid(at, format!("`{words}` is not a regular expression"))
                        .expected("a regular expression, or `ipv4`, `ipv6`, `cidr`, `hostname` or `mac`"),
                );
                None
            }
        }
    });
    let number = |key: &str| match node.get(key).map(|node| &node.value) {
        Some(Value::Number(number)) => number.parse().ok(),
        _ => None,
    };
    let one_of = node.get("one_of").and_then(|node| match &node.value {
        Value::List(items) => Some(items.clone()),
        _ => None,
    });
    let rules = Rules { kind, pattern, one_of, minimum: number("minimum"), maximum: number("maximum") };
    if let Some(secret) = node.take_secret() {
        return Some(Variable { at: at.clone(), rules, value: Some(secret), is_secret: true });
    }
    let outside = given.cloned().or_else(|| text_at("env").and_then(environment));
    let value = match outside {
        Some(text) => match rules.kind.unwrap_or(Type::Text).read(&text) {
            Some(value) => Some(Node::new(value, at.clone())),
            None => {
                let kind = rules.kind.map_or("", Type::word);
                faults.push(
                    invalid(at, format!("the variable `{name}` is given as `{text}`"))
                        .expected(format!("a value of the type {kind}"))
                        .help("fix the value in `--var` or in the environment"),
                );
                return None;
            }
        },
        None => default.cloned(),
    };
    if let Some(value) = &value
        && !rules.check(name, value, &value.at, faults)
    {
        return None;
    }
    Some(Variable { at: at.clone(), rules, value, is_secret: false })
}

impl Node {
    /// The reference to a secret, in the form in which places for secrets take it.
    fn take_secret(&self) -> Option<Self> {
        let member = self.members().iter().find(|member| member.key == "secret")?;
        Some(Self::new(Value::Object(vec![member.clone()]), self.at.clone()))
    }
}
