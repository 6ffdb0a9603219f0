//! Texts that may be shown: what people wrote where a secret belongs is covered.

use std::ops::Range;

use phoenix_types::{MASK, find_secrets, mask_secrets};

/// The last key of every place that takes a secret.
const SECRET_KEYS: [&str; 3] = ["admin_password", "password", "password_hash"];

/// The text with the value of such a key, and with whatever else is a secret by its kind, as stars, one a byte, so that places in
/// it stay where they are. It looks for the words alone, in JSON and YAML: where something is wrong the text may be neither.
pub(super) fn mask(text: &str) -> String {
    let mut covered: Vec<Range<usize>> = SECRET_KEYS
        .iter()
        .flat_map(|key| text.match_indices(key).map(|(at, key)| (at, at + key.len())))
        .filter_map(|(start, end)| value(text, start, end))
        .chain(find_secrets(text).into_iter().map(|secret| secret.range))
        .collect();
    covered.sort_by_key(|range| range.start);
    let mut shown = String::with_capacity(text.len());
    for range in covered {
        shown.push_str(text.get(shown.len()..range.start).unwrap_or_default());
        let rest = text.as_bytes().get(shown.len()..range.end).unwrap_or_default();
        shown.extend(rest.iter().map(|byte| if *byte == b'\n' { '\n' } else { '*' }));
    }
    shown.push_str(text.get(shown.len()..).unwrap_or_default());
    shown
}

/// The value after the key at `start..end`: up to the closing quote, of a word up to the end of the line, of a block of YAML
/// its lines.
fn value(text: &str, start: usize, end: usize) -> Option<Range<usize>> {
    let before = text.get(..start)?;
    if before.ends_with(|char: char| char.is_alphanumeric() || char == '_' || char == '-') {
        return None;
    }
    let after = text.get(end..)?;
    let after = after.strip_prefix(['"', '\'']).unwrap_or(after);
    let inside = after.trim_start().strip_prefix(':')?.trim_start_matches([' ', '\t']);
    let inside = if inside.starts_with(['\n', '\r']) && before.ends_with('"') { inside.trim_start() } else { inside };
    let at = text.len() - inside.len();
    let quoted = |quote: char| {
        let mut escaped = false;
        let inside = inside.get(1..).unwrap_or_default();
        let length = inside.find(|char| {
            let ends = char == '\n' || (char == quote && !escaped);
            escaped = quote == '"' && char == '\\' && !escaped;
            ends
        });
        at + 1..at + 1 + length.unwrap_or(inside.len())
    };
    let line = inside.find(['\n', '\r']).unwrap_or(inside.len());
    match inside.chars().next()? {
        '"' => Some(quoted('"')),
        '\'' => Some(quoted('\'')),
        '{' | '[' | '$' | '\n' | '\r' => None,
        '|' | '>' => {
            let indent = |line: &str| line.len() - line.trim_start().len();
            let own = indent(before.rsplit('\n').next().unwrap_or_default());
            let block = inside.get(line..)?.split_inclusive('\n').skip(1);
            let length: usize =
                block.take_while(|line| line.trim().is_empty() || indent(line) > own).map(str::len).sum();
            let from = at + line + 1;
            (length > 0).then(|| from..from + length)
        }
        _ => Some(at..at + inside.get(..line)?.find([',', '}']).unwrap_or(line)),
    }
}

/// The same for a value.
pub(crate) fn mask_value(value: &mut serde_json::Value) {
    match value {
        serde_json::Value::Object(members) => {
            for (key, inner) in members {
                match inner {
                    serde_json::Value::Object(_) | serde_json::Value::Array(_) | serde_json::Value::Null => {
                        mask_value(inner);
                    }
                    _ if SECRET_KEYS.contains(&key.as_str()) => *inner = MASK.into(),
                    _ => mask_value(inner),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(mask_value),
        serde_json::Value::String(text) => *text = mask_secrets(text).into_owned(),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use test_case::test_case;

    use super::*;

    #[test_case(r#"{"password": "abc", "x": "abc"}"#, r#"{"password": "***", "x": "abc"}"#; "a value")]
    #[test_case(r#"{"admin_password" :"ü", "password_hash":""}"#, r#"{"admin_password" :"**", "password_hash":""}"#; "bytes")]
    #[test_case(r#"{"password": {"secret": {"file": "f"}}}"#, r#"{"password": {"secret": {"file": "f"}}}"#; "the way to one")]
    #[test_case(r#"{"x": "y, "password": "a\"b\\", }"#, r#"{"x": "y, "password": "******", }"#; "no json")]
    #[test_case("password: abc # x\nuser: abc\n", "password: *******\nuser: abc\n"; "a word of yaml")]
    #[test_case("a: {password: 'abc', user: x}", "a: {password: '***', user: x}"; "a text of yaml")]
    #[test_case("a:\n  password: |\n    abc\n  user: x\n", "a:\n  password: |\n*******\n  user: x\n"; "a block of yaml")]
    #[test_case("password: ${p}\nnot_one: x", "password: ${p}\nnot_one: x"; "a variable")]
    #[test_case("{\"password\":\n\"abc\n}", "{\"password\":\n\"***\n}"; "an open end")]
    #[test_case(r#"{"u": "https://a:b@c/"}"#, r#"{"u": "https://a:*@c/"}"#; "the password of an address")]
    #[test_case(r#"{"Cookie": "a=b; c", "x": 1}"#, r#"{"Cookie": "******", "x": 1}"#; "a header")]
    #[test_case(r#"["lxc.environment: DB_PASS=ab c"]"#, r#"["lxc.environment: DB_PASS=** c"]"#; "a variable")]
    fn masks(text: &str, shown: &str) {
        assert_eq!(mask(text), shown);
    }

    proptest! {
        #[test]
        fn every_place_stays_where_it_is(text in "(\"password\"|-----BEGIN |PRIVATE KEY-----|://|@|[ :\"\\\\\\nüa]){0,20}") {
            let shown = mask(&text);
            prop_assert_eq!(shown.len(), text.len());
            prop_assert_eq!(shown.matches('\n').count(), text.matches('\n').count());
        }
    }
}
