//! JSON with comments and trailing commas.

use crate::diagnostic::{Code, FileKind, Target};
use crate::source::{MAX_DEPTH, Walker, unquote};

use super::fault::Fault;
use super::node::{Member, Node, Value, place};

/// The text with blanks in place of comments and of commas between a value and a closing bracket: strict JSON in which
/// everything keeps its place.
pub(super) fn uncommented(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut comma: Option<usize> = None;
    let mut after_value = false;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let next = bytes.get(at + 1).copied();
        match (byte, next) {
            (b'"', _) => {
                comma = None;
                after_value = true;
                at += 1;
                while let Some(&byte) = bytes.get(at) {
                    at += if byte == b'\\' { 2 } else { 1 };
                    if byte == b'"' {
                        break;
                    }
                }
                continue;
            }
            (b'/', Some(b'/')) => {
                let end = bytes[at..].iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |length| at + length);
                blank(&mut bytes[at..end]);
                at = end;
                continue;
            }
            (b'/', Some(b'*')) => {
                // A comment without end stays, and is reported as what it is: no JSON.
                let Some(length) = bytes[at + 2..].windows(2).position(|pair| pair == b"*/") else { break };
                let end = at + 2 + length + 2;
                blank(&mut bytes[at..end]);
                at = end;
                continue;
            }
            (b',', _) => {
                comma = after_value.then_some(at);
                after_value = false;
            }
            (b'}' | b']', _) => {
                if let Some(comma) = comma.take() {
                    bytes[comma] = b' ';
                }
                after_value = true;
            }
            (b' ' | b'\n' | b'\r' | b'\t', _) => {}
            _ => {
                comma = None;
                after_value = !matches!(byte, b'{' | b'[' | b':');
            }
        }
        at += 1;
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

fn blank(bytes: &mut [u8]) {
    for byte in bytes {
        if !matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
}

/// Reads a text that holds no comments any more.
pub(super) fn read(text: &str, file: usize) -> Result<Node, Box<Fault>> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(text) {
        let finding = crate::schema::unreadable(&error, text, 0, FileKind::Lxc);
        let at = if let Target::At(_, at) = finding.target { at } else { 0 };
        let fault = Fault::error(finding.code, &place(file, at..at + 1), finding.message);
        let fault = finding.expected.into_iter().fold(fault, Fault::expected);
        return Err(Box::new(finding.help.into_iter().fold(fault, Fault::help)));
    }
    Reader { text, file, walker: Walker::new(text, 0) }.value(0)
}

struct Reader<'a> {
    text: &'a str,
    file: usize,
    walker: Walker<'a>,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Node, Box<Fault>> {
        self.walker.blanks();
        let start = self.walker.at;
        if depth > MAX_DEPTH {
            return Err(Box::new(too_deep(self.file, start)));
        }
        let value = match self.walker.peek() {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => {
                self.walker.at += 1;
                let mut items = Vec::new();
                while !self.walker.eat(b']') && self.walker.peek().is_some() {
                    items.push(self.value(depth + 1)?);
                    self.walker.eat(b',');
                }
                Value::List(items)
            }
            _ => {
                let range = self.walker.skip().unwrap_or(start..start);
                let text = self.text.get(range).unwrap_or_default();
                match text {
                    "null" | "" => Value::Null,
                    "true" => Value::Bool(true),
                    "false" => Value::Bool(false),
                    _ if text.starts_with('"') => Value::Text(unquote(text).into_owned()),
                    _ => Value::Number(text.to_owned()),
                }
            }
        };
        Ok(Node::new(value, place(self.file, start..self.walker.at)))
    }

    fn object(&mut self, depth: usize) -> Result<Value, Box<Fault>> {
        self.walker.at += 1;
        let mut members = Members::default();
        while !self.walker.eat(b'}') && self.walker.peek().is_some() {
            let Some(range) = self.walker.string() else { break };
            let key = unquote(self.text.get(range.clone()).unwrap_or_default()).into_owned();
            self.walker.eat(b':');
            let value = self.value(depth + 1)?;
            members.add(Member { key, at: place(self.file, range), value })?;
            self.walker.eat(b',');
        }
        Ok(Value::Object(members.members))
    }
}

pub(super) fn too_deep(file: usize, at: usize) -> Fault {
    Fault::error(Code::TooDeep, &place(file, at..at + 1), "objects and lists are nested too deeply here")
        .expected(format!("at most {MAX_DEPTH} of them"))
        .help("flatten the value")
}

/// The members of an object, each key once.
#[derive(Default)]
pub(super) struct Members {
    pub(super) members: Vec<Member>,
    known: std::collections::HashMap<String, usize>,
}

impl Members {
    pub(super) fn contains(&self, key: &str) -> bool {
        self.known.contains_key(key)
    }

    pub(super) fn add(&mut self, member: Member) -> Result<(), Box<Fault>> {
        if let Some(first) = self.known.get(&member.key).and_then(|first| self.members.get(*first)) {
            return Err(Box::new(
                Fault::error(Code::DuplicateKey, &member.at, format!("duplicate key `{}`", member.key))
                    .label(&first.at, "the first one is here")
                    .help("keep one of the two"),
            ));
        }
        self.known.insert(member.key.clone(), self.members.len());
        self.members.push(member);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case("{\"a\": 1, // \"x\"\n \"b\": [1, 2,], /* , */ }", "{\"a\": 1,       \n \"b\": [1, 2 ]          }"; "all of it")]
    #[test_case(r#"{"url": "http://x/*y*/", "c": ",}"}"#, r#"{"url": "http://x/*y*/", "c": ",}"}"#; "texts stay")]
    #[test_case("[,]", "[,]"; "a comma alone stays wrong")]
    #[test_case("{ , }", "{ , }"; "a comma alone in an object stays wrong")]
    #[test_case("[1,,]", "[1,,]"; "two commas stay wrong")]
    #[test_case("[[], {\"a\": {},},]", "[[], {\"a\": {} } ]"; "after brackets")]
    #[test_case("/* open", "/* open"; "no end")]
    #[test_case("// ä\n{}", "     \n{}"; "bytes")]
    fn comments_become_blanks(text: &str, expected: &str) {
        assert_eq!(uncommented(text), expected);
    }

    proptest! {
        #[test]
        fn strict_json_stays_as_it_is(value in proptest::collection::vec(any::<(String, Option<bool>, i32)>(), 0..8)) {
            let text = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(uncommented(&text), text);
        }

        #[test]
        fn no_text_makes_it_panic(text in r#"[\[\]{}:,"\\/* a1ä\n]{0,40}"#) {
            let plain = uncommented(&text);
            prop_assert_eq!(plain.len(), text.len());
            let _ = read(&plain, 0);
        }
    }
}
