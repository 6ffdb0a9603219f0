//! What the tools inherit from Perl: regular expressions whose `$` also matches before a final newline, list
//! splitting, truth, numbers, and the decoding of arguments by locale.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use regex::Regex;

use super::params::Locale;

/// Compiles `^source$` as Perl reads it, or `None` when the pattern cannot be expressed here.
///
/// Alternatives in `source` are *not* grouped, because the real check does not group them either:
/// `^a|b$` accepts anything that begins with `a`. Compiled patterns are kept for the life of the process.
pub(crate) fn anchored(source: &str) -> Option<Arc<Regex>> {
    static CACHE: OnceLock<Mutex<HashMap<String, Option<Arc<Regex>>>>> = OnceLock::new();
    let mut cache = CACHE.get_or_init(Mutex::default).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(known) = cache.get(source) {
        return known.clone();
    }
    let compiled = Regex::new(&translate(&format!("^{source}$"))).ok().map(Arc::new);
    cache.insert(source.to_owned(), compiled.clone());
    compiled
}

/// True when `text` matches `^source$`; a pattern that cannot be compiled matches nothing.
pub(crate) fn matches(source: &str, text: &str) -> bool {
    anchored(source).is_some_and(|regex| regex.is_match(text))
}

/// Rewrites the Perl constructs that occur in the option tables: `(?^…:`, `\0`, `{,n}` and `$`.
fn translate(source: &str) -> String {
    let mut out = String::with_capacity(source.len() + 16);
    let mut rest = source;
    let mut in_class = false;
    while let Some(ch) = rest.chars().next() {
        let taken = if let Some(flags) = rest.strip_prefix("(?^") {
            let end = flags.find(':').unwrap_or(0);
            let kept: String = flags[..end].chars().filter(|flag| *flag == 'i').collect();
            out.push_str(&format!("(?{kept}"));
            3 + end
        } else if rest.starts_with("\\0") {
            out.push_str("\\x00");
            2
        } else if ch == '\\' {
            let escaped = rest.chars().nth(1).map_or(0, char::len_utf8);
            // An escaped underscore means itself in Perl and is an error in the `regex` crate.
            out.push_str(if rest[1..].starts_with('_') { "_" } else { &rest[..1 + escaped] });
            1 + escaped
        } else if rest.starts_with("{,") {
            out.push_str("{0,");
            2
        } else if ch == '$' && !in_class {
            out.push_str("(?:\\n?\\z)");
            1
        } else {
            match ch {
                '[' => in_class = true,
                ']' => in_class = false,
                _ => {}
            }
            out.push(ch);
            ch.len_utf8()
        };
        rest = &rest[taken..];
    }
    out
}

/// `text` without the one final newline that a Perl `$` looks past.
pub(crate) fn before_newline(text: &str) -> &str {
    text.strip_suffix('\n').unwrap_or(text)
}

/// Perl's truth of a string: everything but the empty one and `0`.
pub(crate) fn is_true(text: &str) -> bool {
    !text.is_empty() && text != "0"
}

/// `PVE::Tools::split_list`: items between commas, semicolons and blanks; with a NUL in the text only NULs separate.
pub(crate) fn split_list(text: &str) -> Vec<&str> {
    if !is_true(text) {
        return Vec::new();
    }
    if text.contains('\0') {
        return split(text, '\0');
    }
    text.split(|ch: char| ch == ',' || ch == ';' || ch.is_whitespace()).filter(|item| !item.is_empty()).collect()
}

/// Perl's `split`: trailing empty fields are dropped, inner and leading ones stay.
pub(crate) fn split(text: &str, separator: char) -> Vec<&str> {
    let mut parts: Vec<&str> = text.split(separator).collect();
    while parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    parts
}

/// `PVE::JSONSchema::parse_boolean`: the accepted words, in any case.
pub(crate) fn parse_boolean(text: &str) -> Option<bool> {
    let word = before_newline(text);
    let is = |words: [&str; 4]| words.iter().any(|known| word.eq_ignore_ascii_case(known));
    if is(["1", "on", "yes", "true"]) {
        Some(true)
    } else if is(["0", "off", "no", "false"]) {
        Some(false)
    } else {
        None
    }
}

/// `PVE::JSONSchema::is_integer`.
pub(crate) fn is_integer(text: &str) -> bool {
    let text = before_newline(text);
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    !digits.is_empty() && digits.chars().all(is_digit)
}

/// `PVE::JSONSchema::is_number`.
pub(crate) fn is_number(text: &str) -> bool {
    is_integer(text) || matches(r"[+-]?(\d+\.\d+|\d+\.|\.\d+|\d+)([eE][+-]?\d+)?", text)
}

/// `\d` of a decoded string: ASCII digits and those of other scripts.
fn is_digit(ch: char) -> bool {
    ch.is_ascii_digit() || (!ch.is_ascii() && matches(r"\d", ch.encode_utf8(&mut [0; 4])))
}

/// The value that Perl's arithmetic sees in a text that [`is_number`].
pub(crate) fn numeric(text: &str) -> f64 {
    before_newline(text).parse().unwrap_or(0.0)
}

/// Decodes one argument as the tools do (`decode('locale', …)`): in the C locale every byte beyond ASCII becomes U+FFFD.
pub(crate) fn decode(locale: Locale, text: &str) -> String {
    match locale {
        Locale::Utf8 => text.to_owned(),
        Locale::C => text.bytes().map(|byte| if byte.is_ascii() { char::from(byte) } else { '\u{fffd}' }).collect(),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(r"(?^i:[a-z0-9_\-]{1,40})", "ABC_9", true; "inline flags are kept")]
    #[test_case(r"[A-Za-z0-9\-_\s]{,8}", "", true; "open lower bound")]
    #[test_case(r"[A-Za-z0-9\-_\s]{,8}", "123456789", false; "open lower bound has its upper bound")]
    #[test_case(r"\d+", "12\n", true; "a final newline is looked past")]
    #[test_case(r"\d+", "12\n\n", false; "only one newline")]
    #[test_case(r"/dev/parport\d+|/dev/usb/lp\d+", "/dev/parport0 and more", true; "alternatives are not grouped")]
    #[test_case(r"(?^:^0x[0-9a-fA-F]{4}$)", "0x10de", true; "nested anchors")]
    fn patterns(source: &str, text: &str, expected: bool) {
        assert_eq!(matches(source, text), expected);
    }

    #[test_case("a,b;c d", &["a", "b", "c", "d"]; "all separators")]
    #[test_case(" ,a,,", &["a"]; "empty items vanish")]
    #[test_case("0", &[]; "a lone zero counts as nothing")]
    #[test_case("a b\0c", &["a b", "c"]; "a NUL excludes the others")]
    fn lists(text: &str, expected: &[&str]) {
        assert_eq!(split_list(text), expected);
    }

    #[test_case("1.", true)]
    #[test_case(".5e3", true)]
    #[test_case("+7\n", true)]
    #[test_case("8G", false)]
    #[test_case("", false)]
    fn numbers(text: &str, expected: bool) {
        assert_eq!(is_number(text), expected);
    }
}
