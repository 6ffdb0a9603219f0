//! Where a value is in a JSON text: found by walking to it, so that nothing has to be remembered for the values that
//! nobody asks about.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

/// One step of a path into a JSON value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Segment {
    /// The member with this key.
    Key(String),
    /// The element with this index.
    Index(usize),
}

impl From<&str> for Segment {
    fn from(key: &str) -> Self {
        Self::Key(key.to_owned())
    }
}

impl From<String> for Segment {
    fn from(key: String) -> Self {
        Self::Key(key)
    }
}

impl From<usize> for Segment {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

impl fmt::Display for Segment {
    /// As a part of a JSON pointer.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(f, "/{}", key.replace('~', "~0").replace('/', "~1")),
            Self::Index(index) => write!(f, "/{index}"),
        }
    }
}

/// Where a member or element stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Its key with the quotes; absent for elements and the whole text.
    pub key: Option<Range<usize>>,
    /// Its value.
    pub value: Range<usize>,
}

/// Walks over a JSON text that is known to be well formed; on any other text it ends early and never panics.
#[derive(Clone, Copy)]
pub(crate) struct Walker<'a> {
    bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(text: &'a str, at: usize) -> Self {
        Self { bytes: text.as_bytes(), at }
    }

    pub(crate) fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\n' | b'\r' | b'\t')) {
            self.at += 1;
        }
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(crate) fn eat(&mut self, byte: u8) -> bool {
        self.blanks();
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// A string with its quotes.
    pub(crate) fn string(&mut self) -> Option<Range<usize>> {
        self.blanks();
        if self.peek() != Some(b'"') {
            return None;
        }
        let start = self.at;
        self.at += 1;
        loop {
            match self.peek()? {
                b'"' => {
                    self.at += 1;
                    return Some(start..self.at);
                }
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
    }

    /// Passes over a value and answers with its range. Iterative: depth costs nothing.
    pub(crate) fn skip(&mut self) -> Option<Range<usize>> {
        self.blanks();
        let start = self.at;
        let mut depth = 0_usize;
        loop {
            match self.peek()? {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' | b' ' | b'\n' | b'\r' | b'\t' => {
                    self.at += 1;
                    continue;
                }
                _ => {
                    while self.peek().is_some_and(|byte| !b",:]}[{\" \n\r\t".contains(&byte)) {
                        self.at += 1;
                    }
                }
            }
            if depth == 0 {
                return Some(start..self.at);
            }
        }
    }
}

/// The text of a key, given with its quotes.
pub(crate) fn unquote(text: &str) -> Cow<'_, str> {
    let plain = text.get(1..text.len().saturating_sub(1)).unwrap_or("");
    if plain.contains('\\') {
        serde_json::from_str::<String>(text).map_or(Cow::Borrowed(plain), Cow::Owned)
    } else {
        Cow::Borrowed(plain)
    }
}

/// The members of the object (keys) or the elements of the array (no keys) that begins at `at`, in order.
fn members(text: &str, at: usize) -> Vec<Place> {
    let mut walker = Walker::new(text, at);
    let object = walker.eat(b'{');
    if !object && !walker.eat(b'[') {
        return Vec::new();
    }
    let mut places = Vec::new();
    loop {
        walker.blanks();
        if walker.peek().is_none_or(|byte| byte == b'}' || byte == b']') {
            return places;
        }
        let key = if object {
            let Some(key) = walker.string() else { return places };
            walker.eat(b':');
            Some(key)
        } else {
            None
        };
        let Some(value) = walker.skip() else { return places };
        places.push(Place { key, value });
        if !walker.eat(b',') {
            return places;
        }
    }
}

/// Where the value at `path` stands, seen from the value that begins at `at`. When a step is not there, the deepest
/// value that is. Of members with one key the last counts, as serde_json has it.
pub(crate) fn locate(text: &str, at: usize, path: &[Segment]) -> Place {
    walk(text, at, path).0
}

/// Where the value at `path` stands, when it is there.
pub(crate) fn find(text: &str, at: usize, path: &[Segment]) -> Option<Place> {
    let (place, steps) = walk(text, at, path);
    (steps == path.len()).then_some(place)
}

/// The texts of the elements of the list at `path`; none when there is no list.
pub(crate) fn elements<'t>(text: &'t str, path: &[Segment]) -> Vec<&'t str> {
    let list = find(text, 0, path).map(|place| members(text, place.value.start));
    let elements = list.into_iter().flatten().filter(|place| place.key.is_none());
    elements.filter_map(|place| text.get(place.value)).collect()
}

/// Every value of a text that holds no others, with its JSON pointer.
pub(crate) fn leaves(text: &str) -> Vec<(String, Range<usize>)> {
    let start = Walker::new(text, 0).skip().unwrap_or(0..0);
    let mut found = Vec::new();
    let mut open = vec![(String::new(), start)];
    while let Some((pointer, range)) = open.pop() {
        if !text.get(range.clone()).is_some_and(|value| value.starts_with(['{', '['])) {
            found.push((pointer, range));
            continue;
        }
        let inner = members(text, range.start).into_iter().enumerate().map(|(index, place)| {
            let key = place.key.and_then(|key| text.get(key));
            let segment = key.map_or(Segment::Index(index), |key| Segment::Key(unquote(key).into_owned()));
            (format!("{pointer}{segment}"), place.value)
        });
        open.extend(inner.collect::<Vec<_>>().into_iter().rev());
    }
    found
}

/// As far along `path` as there are values, and how many steps that is.
fn walk(text: &str, at: usize, path: &[Segment]) -> (Place, usize) {
    let mut walker = Walker::new(text, at);
    let value = walker.skip().unwrap_or(at..at);
    let mut place = Place { key: None, value };
    for (steps, segment) in path.iter().enumerate() {
        let inner = members(text, place.value.start);
        let found = match segment {
            Segment::Index(index) => inner.into_iter().filter(|place| place.key.is_none()).nth(*index),
            Segment::Key(wanted) => inner.into_iter().rev().find(|place| {
                place.key.clone().and_then(|key| text.get(key)).is_some_and(|key| unquote(key) == *wanted)
            }),
        };
        match found {
            Some(found) => place = found,
            None => return (place, steps),
        }
    }
    (place, path.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = r#" { "a" : [1, {"b\"c": "x}y"}, [] ], "d": -1.5e3 , "a/b": null } "#;

    fn value_at(path: &[Segment]) -> &'static str {
        &TEXT[locate(TEXT, 0, path).value]
    }

    #[test]
    fn values_are_found_where_they_stand() {
        assert_eq!(value_at(&["d".into()]), "-1.5e3");
        assert_eq!(value_at(&["a".into(), 1.into(), "b\"c".into()]), "\"x}y\"");
        assert_eq!(value_at(&["a".into(), 2.into()]), "[]");
        assert_eq!(value_at(&["a/b".into()]), "null");
        assert_eq!(locate(TEXT, 0, &["d".into()]).key.map(|key| &TEXT[key]), Some("\"d\""));
    }

    #[test]
    fn a_missing_step_gives_the_deepest_value_there_is() {
        let path = ["a".into(), 9.into(), "x".into()];
        assert_eq!(value_at(&path), r#"[1, {"b\"c": "x}y"}, [] ]"#);
        assert_eq!(find(TEXT, 0, &path), None);
        assert_eq!(find(TEXT, 0, &path[..1]), Some(locate(TEXT, 0, &path)));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in r#"[\[\]{}:,"\\ a1ä]{0,40}"#) {
            let _ = locate(&text, 0, &["a".into(), 0.into(), "a".into()]);
        }
    }
}
