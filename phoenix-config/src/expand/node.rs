//! A value with the place that it was written at.

use std::ops::Range;
use std::sync::Arc;

use crate::source::Written;

/// A value with its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) value: Value,
    pub(super) at: Written,
}

#[derive(Debug, Clone)]
pub(super) enum Value {
    Null,
    Bool(bool),
    /// The text of a JSON number.
    Number(String),
    Text(String),
    List(Vec<Node>),
    Object(Vec<Member>),
}

#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) key: String,
    pub(super) at: Written,
    pub(super) value: Node,
}

/// A place in a file.
pub(super) fn place(file: usize, span: Range<usize>) -> Written {
    Written { file, span, profile: None, variables: None }
}

impl Node {
    pub(super) fn new(value: Value, at: Written) -> Self {
        Self { value, at }
    }

    pub(super) fn object(at: Written) -> Self {
        Self::new(Value::Object(Vec::new()), at)
    }

    pub(super) fn members(&self) -> &[Member] {
        match &self.value {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    pub(super) fn members_mut(&mut self) -> Option<&mut Vec<Member>> {
        match &mut self.value {
            Value::Object(members) => Some(members),
            _ => None,
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        self.members().iter().find(|member| member.key == key).map(|member| &member.value)
    }

    /// Takes a member out.
    pub(super) fn take(&mut self, key: &str) -> Option<Member> {
        let members = self.members_mut()?;
        let index = members.iter().position(|member| member.key == key)?;
        Some(members.remove(index))
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What kind of value it is, for messages.
    pub(super) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Object(_) => "an object",
        }
    }

    /// Whether two values are the same, wherever they were written.
    pub(super) fn same(&self, other: &Self) -> bool {
        match (&self.value, &other.value) {
            (Value::Null, Value::Null) => true,
            (Value::Bool(one), Value::Bool(other)) => one == other,
            (Value::Number(one), Value::Number(other)) | (Value::Text(one), Value::Text(other)) => one == other,
            (Value::List(one), Value::List(other)) => {
                one.len() == other.len() && one.iter().zip(other).all(|(one, other)| one.same(other))
            }
            (Value::Object(one), Value::Object(_)) => {
                one.len() == other.members().len()
                    && one.iter().all(|member| other.get(&member.key).is_some_and(|value| value.same(&member.value)))
            }
            _ => false,
        }
    }

    /// How many values it holds, itself among them.
    pub(super) fn count(&self) -> usize {
        match &self.value {
            Value::List(items) => 1 + items.iter().map(Self::count).sum::<usize>(),
            Value::Object(members) => 1 + members.iter().map(|member| member.value.count()).sum::<usize>(),
            _ => 1,
        }
    }

    /// Calls `change` for the place of every key and value.
    pub(super) fn each_place(&mut self, change: &mut impl FnMut(&mut Written)) {
        change(&mut self.at);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.each_place(change)),
            Value::Object(members) => {
                for member in members {
                    change(&mut member.at);
                    member.value.each_place(change);
                }
            }
            _ => {}
        }
    }

    /// Marks it as the text of a profile.
    pub(super) fn of_profile(&mut self, name: &Arc<str>) {
        self.each_place(&mut |at| at.profile = Some(name.clone()));
    }
}
