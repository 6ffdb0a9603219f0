//! Perl's `Getopt::Long` in the configuration of `PVE::JSONSchema::get_options`: the prefixes are `--` and `-`, names may be
//! abbreviated and are case-insensitive, options and arguments mix.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::properties::{Kind, Mapping, Schema};

/// How an option takes its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// `name:s`: the value may be left out, then it is empty.
    Flag,
    /// `name=s`: takes the next word whatever it is; the last one wins.
    Text,
    /// `name=s@`: as `Text`, all of them are kept.
    List,
}

#[derive(Debug)]
struct Spec {
    /// The name in lower case, by which it is found.
    key: String,
    name: String,
    style: Style,
}

/// The options of one command, sorted for lookup by prefix.
#[derive(Debug, Default)]
pub(crate) struct OptionTable(Vec<Spec>);

/// An option's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    List(Vec<String>),
}

/// What was found on a command line.
#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) options: BTreeMap<String, Value>,
    pub(crate) arguments: VecDeque<String>,
    /// Lines for stderr. When there is one, the command line is refused.
    pub(crate) complaints: Vec<String>,
}

impl OptionTable {
    /// The options that a schema offers, without those that the tool sets itself.
    pub(crate) fn new(schema: &Schema, fixed: &BTreeMap<String, String>, mappings: &BTreeMap<String, Mapping>) -> Self {
        let mut specs: Vec<Spec> = schema
            .properties
            .iter()
            .filter(|(name, _)| !fixed.contains_key(*name))
            .map(|(name, property)| {
                let style = if mappings.get(name) == Some(&Mapping::Prompt) || property.kind == Some(Kind::Boolean) {
                    Style::Flag
                } else if property.is_list() || property.kind == Some(Kind::Array) {
                    Style::List
                } else {
                    Style::Text
                };
                Spec { key: name.to_ascii_lowercase(), name: name.clone(), style }
            })
            .collect();
        specs.sort_by(|a, b| a.key.cmp(&b.key));
        Self(specs)
    }

    /// Sorts the words of a command line into options and arguments.
    pub(crate) fn parse(&self, args: &[String]) -> Words {
        let mut words = Words::default();
        let mut rest = args;
        while let Some((word, tail)) = rest.split_first() {
            rest = tail;
            if word == "--" {
                words.arguments.extend(rest.iter().cloned());
                break;
            }
            match word.strip_prefix("--").or_else(|| word.strip_prefix('-')) {
                // A lone dash is an argument.
                None | Some("") => words.arguments.push_back(word.clone()),
                Some(option) => self.option(option, &mut rest, &mut words),
            }
        }
        words
    }

    fn option(&self, option: &str, rest: &mut &[String], words: &mut Words) {
        // The equals sign is looked for from the second character on.
        let first = option.chars().next().map_or(0, char::len_utf8);
        let (given, inline) = match option[first..].find('=') {
            Some(at) => (&option[..first + at], Some(&option[first + at + 1..])),
            None => (option, None),
        };
        let spec = match self.find(given) {
            Ok(spec) => spec,
            Err(complaint) => return words.complaints.push(complaint),
        };
        let value = match (inline, rest.split_first()) {
            (Some(text), _) if !text.is_empty() => text.to_owned(),
            (None, Some((next, tail))) => {
                if spec.style == Style::Flag && looks_like_option(next) {
                    String::new()
                } else {
                    *rest = tail;
                    next.clone()
                }
            }
            _ if spec.style == Style::Flag => String::new(),
            _ => return words.complaints.push(format!("Option {} requires an argument", spec.key)),
        };
        match spec.style {
            Style::List => match words.options.entry(spec.name.clone()).or_insert_with(|| Value::List(Vec::new())) {
                Value::List(values) => values.push(value),
                Value::Text(_) => {}
            },
            Style::Flag | Style::Text => {
                words.options.insert(spec.name.clone(), Value::Text(value));
            }
        }
    }

    /// Finds an option by its name or a prefix that fits only one.
    fn find(&self, given: &str) -> Result<&Spec, String> {
        let key = given.to_ascii_lowercase();
        let start = self.0.partition_point(|spec| spec.key < key);
        let hits: Vec<&Spec> = self.0[start..].iter().take_while(|spec| spec.key.starts_with(&key)).collect();
        match hits.as_slice() {
            [] => Err(format!("Unknown option: {key}")),
            [first, ..] if first.key == key => Ok(first),
            [only] => Ok(only),
            several => {
                let names: BTreeSet<&str> = several.iter().map(|spec| spec.key.as_str()).collect();
                let names: Vec<&str> = names.into_iter().collect();
                Err(format!("Option {key} is ambiguous ({})", names.join(", ")))
            }
        }
    }
}

/// True for words that an option with an optional value leaves alone: `--`, and `-` with something behind it.
fn looks_like_option(word: &str) -> bool {
    word == "--" || word.strip_prefix('-').is_some_and(|rest| rest.chars().next().is_some_and(|ch| ch != '\n'))
}
