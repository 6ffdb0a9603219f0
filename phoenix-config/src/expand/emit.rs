//! From values with places to a text and the map of where its parts were written.

use std::ops::Range;

use crate::source::Written;

use super::node::{Node, Value};

/// The JSON text of a value, and where each key and value of it was written.
pub(super) fn text(node: &Node) -> (String, Vec<(Range<usize>, Written)>) {
    let mut writer = Writer::default();
    writer.node(node);
    (writer.text, writer.entries)
}

/// The JSON text of a value alone.
pub(super) fn compact(node: &Node) -> String {
    text(node).0
}

#[derive(Default)]
struct Writer {
    text: String,
    entries: Vec<(Range<usize>, Written)>,
}

impl Writer {
    fn node(&mut self, node: &Node) {
        let start = self.text.len();
        let entry = self.entries.len();
        self.entries.push((start..start, node.at.clone()));
        match &node.value {
            Value::Null => self.text.push_str("null"),
            Value::Bool(value) => self.text.push_str(if *value { "true" } else { "false" }),
            Value::Number(number) => self.text.push_str(number),
            Value::Text(text) => self.string(text),
            Value::List(items) => {
                self.text.push('[');
                for (index, item) in items.iter().enumerate() {
                    self.comma(index);
                    self.node(item);
                }
                self.text.push(']');
            }
            Value::Object(members) => {
                self.text.push('{');
                for (index, member) in members.iter().enumerate() {
                    self.comma(index);
                    let start = self.text.len();
                    self.string(&member.key);
                    self.entries.push((start..self.text.len(), member.at.clone()));
                    self.text.push(':');
                    self.node(&member.value);
                }
                self.text.push('}');
            }
        }
        if let Some((range, _)) = self.entries.get_mut(entry) {
            range.end = self.text.len();
        }
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.text.push(',');
        }
    }

    fn string(&mut self, text: &str) {
        self.text.push_str(&serde_json::Value::from(text).to_string());
    }
}
