//! Fills `${…}` in.

use std::sync::Arc;

use crate::diagnostic::Code;
use crate::dialect::USER_PREFIX;
use crate::source::{Filled, Written};

use super::fault::Fault;
use super::node::{Node, Value};
use super::template::{Expression, Part, parse};
use super::variable::{Found, Variables};

/// What a guest has of its own.
#[derive(Debug, Default, Clone)]
pub(super) struct Own {
    pub(super) id: Option<i64>,
    pub(super) n: Option<i64>,
    pub(super) name: Option<String>,
}

/// Fills texts in.
pub(super) struct Filler<'a> {
    pub(super) variables: &'a mut Variables,
    pub(super) own: Own,
    /// Whether every text is looked at, or only those of profiles.
    pub(super) everywhere: bool,
    pub(super) faults: &'a mut Vec<Fault>,
}

impl Filler<'_> {
    /// Fills in all texts of a value, keys aside.
    pub(super) fn node(&mut self, node: &mut Node) {
        match &mut node.value {
            Value::List(items) => items.iter_mut().for_each(|item| self.node(item)),
            Value::Object(members) => {
                for member in members.iter_mut().filter(|member| !member.key.starts_with(USER_PREFIX)) {
                    self.node(&mut member.value);
                }
            }
            Value::Text(text) if text.contains('$') && (self.everywhere || node.at.profile.is_some()) => {
                let text = std::mem::take(text);
                match self.text(&text, &node.at) {
                    Ok(filled) => *node = filled,
                    Err(fault) => {
                        self.faults.push(*fault);
                        node.value = Value::Text(text);
                    }
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str, at: &Written) -> Result<Node, Box<Fault>> {
        let parts = parse(text).map_err(|why| {
            Box::new(Fault::error(Code::InvalidTemplate, at, why).help("write `$$` for a dollar sign"))
        })?;
        let mut names = Vec::new();
        let value = if let [Part::Expression(expression)] = parts.as_slice() {
            self.whole(expression, at, &mut names)?
        } else {
            let mut filled = String::new();
            for part in &parts {
                match part {
                    Part::Text(text) => filled.push_str(text),
                    Part::Expression(expression) => match self.whole(expression, at, &mut names)? {
                        Value::Text(text) | Value::Number(text) => filled.push_str(&text),
                        Value::Bool(value) => filled.push_str(if value { "true" } else { "false" }),
                        Value::Null | Value::List(_) | Value::Object(_) => {
                            return Err(Box::new(
                                Fault::error(Code::PlainSecret, at, "a secret variable is part of a text")
                                    .help("use the variable as the whole value, where a secret can be written"),
                            ));
                        }
                    },
                }
            }
            Value::Text(filled)
        };
        let mut at = at.clone();
        if !names.is_empty() {
            at.variables = Some(Arc::from(names));
        }
        let mut node = Node::new(value, at.clone());
        // What a secret variable brings with it is shown where the variable is used.
        node.each_place(&mut |place| *place = at.clone());
        Ok(node)
    }

    fn whole(&mut self, expression: &Expression, at: &Written, names: &mut Vec<Filled>) -> Result<Value, Box<Fault>> {
        match expression {
            Expression::Name(name) => self.name(name, at, names)?.ok_or_else(|| unset(name, at, "")),
            Expression::Otherwise(name, other) => {
                Ok(self.name(name, at, names)?.unwrap_or_else(|| Value::Text(other.clone())))
            }
            Expression::Required(name, why) => self.name(name, at, names)?.ok_or_else(|| unset(name, at, why)),
            Expression::Sum(sum) => {
                let overflow =
                    || Box::new(Fault::error(Code::InvalidTemplate, at, "the result is too large for a whole number"));
                let mut value = |name: &str| match self.name(name, at, names)? {
                    Some(Value::Number(number)) if number.parse::<i64>().is_ok() => {
                        Ok(number.parse().unwrap_or_default())
                    }
                    None => Err(unset(name, at, "")),
                    Some(_) => Err(Box::new(
                        Fault::error(Code::InvalidTemplate, at, format!("`{name}` is not a whole number"))
                            .help("only whole numbers can be added, subtracted and multiplied"),
                    )),
                };
                sum.value(&mut value, &overflow).map(|number| Value::Number(number.to_string()))
            }
        }
    }

    /// The value of a name; none where it is declared without one.
    fn name(&mut self, name: &str, at: &Written, names: &mut Vec<Filled>) -> Result<Option<Value>, Box<Fault>> {
        let number = |value: Option<i64>| value.map(|value| Value::Number(value.to_string()));
        let own = match name {
            "id" => number(self.own.id),
            "n" => number(self.own.n),
            "name" => self.own.name.clone().map(Value::Text),
            _ => None,
        };
        if own.is_some() {
            return Ok(own);
        }
        let filled = self.variables.filled(name, at.file);
        let value = match self.variables.find(name, at.file) {
            Some(Found::Value(node) | Found::Secret(node)) => Some(node.value.clone()),
            Some(Found::Unset) => None,
            None if name == "n" && self.own.id.is_some() => {
                return Err(Box::new(
                    Fault::error(Code::UnknownVariable, at, "only the guests of a range have a number `n`")
                        .help("use `id`, or write the guests as a range such as `801..805`"),
                ));
            }
            None => return Err(Box::new(self.variables.unknown(name, at))),
        };
        if value.is_some() {
            names.push(filled);
        }
        Ok(value)
    }
}

fn unset(name: &str, at: &Written, why: &str) -> Box<Fault> {
    let message =
        if why.is_empty() { format!("the variable `{name}` has no value") } else { format!("`{name}`: {why}") };
    Box::new(
        Fault::error(Code::UnknownVariable, at, message)
            .help(format!("give it a `default` under `vars`, or set it with `--var {name}=…`")),
    )
}
