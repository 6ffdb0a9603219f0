//! What a JSON parser lets pass and we do not: two members with one key, and nesting without end.

use std::collections::HashMap;
use std::ops::Range;

use super::locate::{Segment, Walker, unquote};

/// How deep objects and arrays may lie in each other, counted from the top of a guest or of a file: what serde_json reads.
pub(crate) const MAX_DEPTH: usize = 127;

/// A member whose key the object has already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Duplicate {
    /// The key.
    pub(crate) key: String,
    /// The member's place.
    pub(crate) path: Vec<Segment>,
    /// Where it stands first.
    pub(crate) first: Range<usize>,
    /// Where it stands again.
    pub(crate) again: Range<usize>,
}

/// What a scan found.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// Keys that come again.
    pub(crate) duplicates: Vec<Duplicate>,
    /// Where the nesting passes [`MAX_DEPTH`], once.
    pub(crate) too_deep: Option<usize>,
}

/// An object or array that is open.
struct Open {
    /// The keys so far; none for arrays.
    keys: Option<HashMap<String, Range<usize>>>,
    /// The member or element that is being read.
    at: Segment,
}

/// Scans the well-formed JSON value that begins at `at`.
pub(crate) fn scan(text: &str, at: usize) -> Scan {
    let mut found = Scan::default();
    let mut walker = Walker::new(text, at);
    let mut open: Vec<Open> = Vec::new();
    let mut expect_key = false;
    loop {
        walker.blanks();
        let Some(byte) = walker.peek() else { return found };
        match byte {
            b'{' | b'[' => {
                expect_key = byte == b'{';
                open.push(Open {
                    keys: expect_key.then(HashMap::new),
                    at: if expect_key { "".into() } else { 0.into() },
                });
                if open.len() > MAX_DEPTH && found.too_deep.is_none() {
                    found.too_deep = Some(walker.at);
                }
                walker.at += 1;
                continue;
            }
            b'}' | b']' => {
                open.pop();
                walker.at += 1;
            }
            b',' => {
                if let Some(Open { at: Segment::Index(index), .. }) = open.last_mut() {
                    *index += 1;
                }
                expect_key = matches!(open.last(), Some(Open { keys: Some(_), .. }));
                walker.at += 1;
                continue;
            }
            b':' => walker.at += 1,
            b'"' => {
                let Some(range) = walker.string() else { return found };
                if let (true, Some(Open { keys: Some(keys), at })) = (expect_key, open.last_mut()) {
                    let key = unquote(text.get(range.clone()).unwrap_or("\"\"")).into_owned();
                    *at = key.as_str().into();
                    match keys.get(&key).cloned() {
                        Some(first) => {
                            let path = open.iter().map(|open| open.at.clone()).collect();
                            found.duplicates.push(Duplicate { key, path, first, again: range });
                        }
                        None => {
                            keys.insert(key, range);
                        }
                    }
                    expect_key = false;
                }
            }
            _ => {
                if walker.skip().is_none() {
                    return found;
                }
            }
        }
        if open.is_empty() {
            return found;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_come_again_are_found_at_any_depth() {
        let text = r#"{"a": 1, "b": [{"c": 1, "c": 2}], "\u0061": {"a": 1}}"#;
        let found = scan(text, 0);
        let keys: Vec<_> = found.duplicates.iter().map(|dup| (dup.key.as_str(), &text[dup.again.clone()])).collect();
        assert_eq!(keys, [("c", "\"c\""), ("a", r#""\u0061""#)]);
        assert_eq!(found.duplicates[0].path, ["b".into(), 0.into(), "c".into()]);
        assert_eq!(found.duplicates[1].path, ["a".into()]);
    }

    #[test]
    fn a_key_may_stand_in_two_objects() {
        assert!(scan(r#"[{"a": "a"}, {"a": "a"}]"#, 0).duplicates.is_empty());
    }

    #[test]
    fn depth_is_counted() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert_eq!(scan(&deep(MAX_DEPTH), 0).too_deep, None);
        assert_eq!(scan(&deep(MAX_DEPTH + 1), 0).too_deep, Some(MAX_DEPTH));
        assert_eq!(scan(&deep(2_000_000), 0).too_deep, Some(MAX_DEPTH));
    }
}
