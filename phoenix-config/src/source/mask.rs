//! Texts that may be shown: what people wrote where a secret belongs is covered.

use phoenix_types::find_secrets;

/// The last key of every place that takes a secret.
const SECRET_KEYS: [&str; 3] = ["\"admin_password\"", "\"password\"", "\"password_hash\""];

/// The text with the value of such a key, and with whatever else is a secret by its kind, as stars, one a byte, so that places in it
/// stay where they are. It looks for the words alone: where something is wrong the text may be no JSON.
pub(super) fn mask(text: &str) -> String {
    let mut covered: Vec<std::ops::Range<usize>> = SECRET_KEYS
        .iter()
        .flat_map(|key| text.match_indices(key))
        .filter_map(|(at, key)| value(text, at + key.len()))
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

/// What stands between the quotes after the colon that follows, to the end of the line at the latest.
fn value(text: &str, after_key: usize) -> Option<std::ops::Range<usize>> {
    let rest = text.get(after_key..)?;
    let inside = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let mut escaped = false;
    let end = inside.find(|char| {
        let ends = char == '\n' || (char == '"' && !escaped);
        escaped = char == '\\' && !escaped;
        ends
    });
    let start = text.len() - inside.len();
    Some(start..start + end.unwrap_or(inside.len()))
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
