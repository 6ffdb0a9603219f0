//! YAML 1.2 with places.

use std::collections::HashMap;
use std::ops::Range;

use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};

use crate::diagnostic::Code;
use crate::source::{MAX_DEPTH, Written};

use super::fault::Fault;
use super::json::{Members, too_deep};
use super::node::{Member, Node, Value, place};
use super::scalar::{Refused, plain};

/// Aliases may make a file this many times as large.
const MAX_GROWTH: usize = 100;

/// So many values may come from aliases in any case.
const ALWAYS: usize = 10_000;

type Result<T> = std::result::Result<T, Box<Fault>>;

/// Reads the one document of a text.
pub(super) fn read(text: &str, file: usize) -> Result<Node> {
    let mut builder = Builder { places: Places::new(text), file, ..Builder::default() };
    let mut parser = Parser::new_from_str(text);
    let mut documents = 0;
    while let Some(event) = parser.next_event() {
        let (event, span) = match event {
            Ok(event) => event,
            Err(error) => {
                let at = builder.places.byte(error.marker().index());
                return Err(Box::new(not_yaml(text, &place(file, at..at + 1), error.info())));
            }
        };
        if matches!(event, Event::DocumentStart(_)) {
            documents += 1;
            if documents > 1 {
                let at = builder.written(&span);
                return Err(Box::new(
                    Fault::error(Code::RefusedYaml, &at, "a second YAML document begins here")
                        .help("write one document a file; `include` joins files"),
                ));
            }
        }
        builder.take(event, &span)?;
    }
    Ok(builder.root.unwrap_or_else(|| Node::object(place(file, 0..0))))
}

fn not_yaml(text: &str, at: &Written, info: &str) -> Fault {
    let fault = Fault::error(Code::InvalidYaml, at, format!("this is not YAML: {info}"));
    let line = text.get(..at.span.start).unwrap_or(text).rsplit('\n').next().unwrap_or_default();
    let rest = text.get(at.span.start..).unwrap_or_default();
    if line.chars().all(char::is_whitespace) && (line.contains('\t') || rest.starts_with('\t')) {
        return fault.help("indent with spaces, not with tabs");
    }
    if info.contains("anchor") {
        return fault.help("write `&NAME` before the value that `*NAME` repeats");
    }
    fault.help("fix the text here; a text with `: ` or ` #` in it, or that begins with a sign, needs quotes")
}

/// From characters, which the parser counts, to bytes.
#[derive(Default)]
struct Places {
    /// Where each character begins; empty for a text of one-byte characters.
    starts: Vec<usize>,
    length: usize,
}

impl Places {
    fn new(text: &str) -> Self {
        let starts = if text.is_ascii() { Vec::new() } else { text.char_indices().map(|(at, _)| at).collect() };
        Self { starts, length: text.len() }
    }

    fn byte(&self, index: usize) -> usize {
        if self.starts.is_empty() {
            index.min(self.length)
        } else {
            self.starts.get(index).copied().unwrap_or(self.length)
        }
    }

    fn range(&self, span: &Span) -> Range<usize> {
        let start = self.byte(span.start.index());
        start..self.byte(span.end.index()).max(start)
    }
}

/// A list or an object that is open.
enum Open {
    List { items: Vec<Node>, at: Written, anchor: usize },
    Object { members: Members, key: Option<(Key, Written)>, merged: Vec<Node>, at: Written, anchor: usize },
}

enum Key {
    Text(String),
    /// `<<`
    Merge,
}

#[derive(Default)]
struct Builder {
    places: Places,
    file: usize,
    open: Vec<Open>,
    /// Finished values with a name, and how large they are.
    anchors: HashMap<usize, (Node, usize)>,
    /// How many values were read, and how many of them came from aliases.
    read: usize,
    aliased: usize,
    root: Option<Node>,
}

impl Builder {
    fn written(&self, span: &Span) -> Written {
        place(self.file, self.places.range(span))
    }

    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<()> {
        let at = self.written(span);
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if let Some(Open::Object { key: key @ None, .. }) = self.open.last_mut() {
                    let merge = style == ScalarStyle::Plain && text == "<<";
                    *key = Some((if merge { Key::Merge } else { Key::Text(name(&text, style, &at)?) }, at));
                    return Ok(());
                }
                let value = scalar(&text, style, tag.as_deref(), &at)?;
                self.value(Node::new(value, at), anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                collection(tag.as_deref(), "seq", &at)?;
                self.begin(Open::List { items: Vec::new(), at: at.clone(), anchor }, &at)
            }
            Event::MappingStart(anchor, tag) => {
                collection(tag.as_deref(), "map", &at)?;
                let open =
                    Open::Object { members: Members::default(), key: None, merged: Vec::new(), at: at.clone(), anchor };
                self.begin(open, &at)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(&at),
            Event::Alias(anchor) => self.alias(anchor, &at),
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) | Event::DocumentEnd => {
                Ok(())
            }
        }
    }

    fn begin(&mut self, open: Open, at: &Written) -> Result<()> {
        if let Some(Open::Object { key: None, .. }) = self.open.last() {
            return Err(Box::new(
                Fault::error(Code::RefusedYaml, at, "a key is a list or an object").help("write a text as the key"),
            ));
        }
        if self.open.len() > MAX_DEPTH {
            return Err(Box::new(too_deep(self.file, at.span.start)));
        }
        self.open.push(open);
        Ok(())
    }

    fn end(&mut self, end: &Written) -> Result<()> {
        let around = |at: Written| Written { span: at.span.start..end.span.end.max(at.span.end), ..at };
        match self.open.pop() {
            Some(Open::List { items, at, anchor }) => self.value(Node::new(Value::List(items), around(at)), anchor),
            Some(Open::Object { mut members, merged, at, anchor, .. }) => {
                for member in merged.into_iter().flat_map(|node| match node.value {
                    Value::Object(members) => members,
                    _ => Vec::new(),
                }) {
                    if !members.contains(&member.key) {
                        members.add(member)?;
                    }
                }
                self.value(Node::new(Value::Object(members.members), around(at)), anchor)
            }
            None => Ok(()),
        }
    }

    fn alias(&mut self, anchor: usize, at: &Written) -> Result<()> {
        if let Some(Open::Object { key: None, .. }) = self.open.last() {
            return Err(Box::new(Fault::error(Code::RefusedYaml, at, "a key is an alias").help("write the key out")));
        }
        let Some((node, count)) = self.anchors.get(&anchor) else {
            return Err(Box::new(
                Fault::error(Code::RefusedYaml, at, "this alias is inside the value that it repeats")
                    .help("name the inner value instead"),
            ));
        };
        self.aliased += count;
        if self.aliased > ALWAYS.max(self.read * MAX_GROWTH) {
            return Err(Box::new(
                Fault::error(Code::AliasBomb, at, "aliases make this file too large")
                    .expected(format!("at most {MAX_GROWTH} times as many values as are written"))
                    .help("use `profiles` for what many guests share"),
            ));
        }
        let node = node.clone();
        self.put(node)
    }

    /// Takes a finished value that is written here.
    fn value(&mut self, node: Node, anchor: usize) -> Result<()> {
        self.read += 1;
        if anchor > 0 {
            let count = node.count();
            self.anchors.insert(anchor, (node.clone(), count));
        }
        self.put(node)
    }

    fn put(&mut self, node: Node) -> Result<()> {
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Object { members, key, merged, .. }) => match key.take() {
                Some((Key::Text(key), at)) => members.add(Member { key, at, value: node })?,
                Some((Key::Merge, at)) => merge_key(node, &at, merged)?,
                None => {}
            },
        }
        Ok(())
    }
}

/// The value of `<<`: an object, or a list of objects of which the first wins.
fn merge_key(node: Node, at: &Written, merged: &mut Vec<Node>) -> Result<()> {
    let nodes = match node.value {
        Value::List(items) => items,
        _ => vec![node],
    };
    for node in nodes {
        if !matches!(node.value, Value::Object(_)) {
            return Err(Box::new(
                Fault::error(Code::RefusedYaml, at, format!("`<<` merges objects, and this is {}", node.kind()))
                    .help("write `<<: *NAME` with the name of an object"),
            ));
        }
        merged.push(node);
    }
    Ok(())
}

/// A key.
fn name(text: &str, style: ScalarStyle, at: &Written) -> Result<String> {
    if style == ScalarStyle::Plain {
        match plain(text) {
            Err(Refused::LeadingZero) => return Err(Box::new(refused(text, Refused::LeadingZero, at))),
            Ok(Value::Null) => {
                return Err(Box::new(
                    Fault::error(Code::RefusedYaml, at, "a key is empty").help("write the key, or quote it"),
                ));
            }
            _ => {}
        }
    }
    Ok(text.to_owned())
}

fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, at: &Written) -> Result<Value> {
    let quoted = || Ok(Value::Text(text.to_owned()));
    let word = match tag {
        None => None,
        Some(tag) if tag.is_yaml_core_schema() => match tag.suffix.as_str() {
            suffix @ ("str" | "int" | "float" | "bool" | "null") => Some(suffix),
            _ => return Err(Box::new(unknown_tag(tag, at))),
        },
        Some(tag) => return Err(Box::new(unknown_tag(tag, at))),
    };
    match word {
        Some("str") => return quoted(),
        None if style != ScalarStyle::Plain => return quoted(),
        _ => {}
    }
    let value = plain(text).map_err(|why| Box::new(refused(text, why, at)))?;
    let fits = match (word, &value) {
        (None, _)
        | (Some("null"), Value::Null)
        | (Some("bool"), Value::Bool(_))
        | (Some("float"), Value::Number(_)) => true,
        (Some("int"), Value::Number(number)) => !number.contains(['.', 'e', 'E']),
        _ => false,
    };
    if fits {
        return Ok(value);
    }
    Err(Box::new(
        Fault::error(Code::RefusedYaml, at, format!("`{text}` is not what its tag says")).help("remove the tag"),
    ))
}

fn collection(tag: Option<&Tag>, expected: &str, at: &Written) -> Result<()> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == expected) => Err(Box::new(unknown_tag(tag, at))),
        _ => Ok(()),
    }
}

fn unknown_tag(tag: &Tag, at: &Written) -> Fault {
    Fault::error(Code::RefusedYaml, at, format!("the tag `{tag}` is not known"))
        .expected("no tag, or one of YAML's own such as `!!str`")
        .help("remove the tag; a secret is written as `{secret: {file: …}}`")
}

fn refused(text: &str, why: Refused, at: &Written) -> Fault {
    match why {
        Refused::OldBoolean(meant) => {
            Fault::error(Code::AmbiguousYaml, at, format!("`{text}` is a boolean in YAML 1.1 and a text in YAML 1.2"))
                .expected("`true` or `false`, or a text in quotes")
                .help(format!("write `{meant}` for the boolean, `\"{text}\"` for the text"))
        }
        Refused::LeadingZero => Fault::error(
            Code::AmbiguousYaml,
            at,
            format!("`{text}` is an octal number in YAML 1.1 and a decimal one in YAML 1.2"),
        )
        .help(format!("write it without the zero, or as the text `\"{text}\"`")),
        Refused::NotFinite => {
            Fault::error(Code::RefusedYaml, at, format!("`{text}` is not a number of JSON")).expected("a finite number")
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;
    use crate::expand::emit::compact;

    fn json(text: &str) -> String {
        match read(text, 0) {
            Ok(node) => compact(&node),
            Err(fault) => {
                let source = std::sync::Arc::new(crate::source::Source::new("f", text));
                let shown = fault.diagnostic(&[source]);
                format!("{} {}:{}", shown.code, shown.location.line, shown.location.column)
            }
        }
    }

    #[test_case("a: 1\nb: [x, 'y', \"z\"]\n", r#"{"a":1,"b":["x","y","z"]}"#; "a little of all")]
    #[test_case("801:\n  name: x\n", r#"{"801":{"name":"x"}}"#; "ids are texts")]
    #[test_case("{\"a\": {\"b\": [1, true, null]}}", r#"{"a":{"b":[1,true,null]}}"#; "json")]
    #[test_case("on: 103\n", r#"{"on":103}"#; "a key called on")]
    #[test_case("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  c: 3\n", r#"{"a":{"b":1,"c":2},"d":{"c":3,"b":1}}"#; "a merge")]
    #[test_case("a: |\n  x\n  y\n", r#"{"a":"x\ny\n"}"#; "a block")]
    #[test_case("a: !!str 5\n", r#"{"a":"5"}"#; "a tag of yaml")]
    #[test_case("", "{}"; "nothing")]
    #[test_case("a: 1\na: 2\n", "PHX0103 2:1"; "a key twice")]
    #[test_case("ä: 1\nb: yes\n", "PHX1002 2:4"; "an old boolean")]
    #[test_case("0103: {}\n", "PHX1002 1:1"; "an id with a zero")]
    #[test_case("a: 0644\n", "PHX1002 1:4"; "octal")]
    #[test_case("a: !vault x\n", "PHX1003 1:4"; "an unknown tag")]
    #[test_case("a: !secret\n  b: 1\n", "PHX1003 1:4"; "an unknown tag of an object")]
    #[test_case("a: 1\n---\nb: 2\n", "PHX1003 2:1"; "two documents")]
    #[test_case("? [a]\n: 1\n", "PHX1003 1:3"; "a key that is a list")]
    #[test_case("a: &x [*x]\n", "PHX1003 1:8"; "an alias in itself")]
    #[test_case("a: *x\n", "PHX1001 1:4"; "an unknown alias")]
    #[test_case("a: .nan\n", "PHX1003 1:4"; "not a number")]
    #[test_case("a: b: c\n", "PHX1001 1:5"; "no yaml")]
    #[test_case("a:\n\tb: 1\n", "PHX1001 2:2"; "a tab")]
    fn documents(text: &str, expected: &str) {
        assert_eq!(json(text), expected);
    }

    #[test]
    fn a_bomb_is_refused_before_it_grows() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let inner = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        assert!(json(&text).starts_with("PHX1004"), "{}", json(&text));
    }

    #[test]
    fn depth_is_bounded() {
        assert!(json(&format!("{}{}", "[".repeat(5000), "]".repeat(5000))).starts_with("PHX"));
        let nested: String = (0..300).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
        assert!(json(&nested).starts_with("PHX0104"));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"([\[\]{}:,"' \n#&*!|>%@?-]|[a1ä]|- |: |<<){0,40}"#) {
            let _ = read(&text, 0);
        }
    }
}
