//! What an unquoted word of YAML means: the core schema of YAML 1.2.

use super::node::Value;

/// Why a word is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// A boolean in YAML 1.1, a text in YAML 1.2.
    OldBoolean(bool),
    /// An octal number in YAML 1.1, a decimal one in YAML 1.2.
    LeadingZero,
    /// A number that JSON does not have.
    NotFinite,
}

/// What an unquoted word means.
pub(super) fn plain(word: &str) -> Result<Value, Refused> {
    let lower = word.to_ascii_lowercase();
    let cased = word == lower || word == word.to_ascii_uppercase() || capital(word);
    match lower.as_str() {
        "" | "~" => return Ok(Value::Null),
        "null" if cased => return Ok(Value::Null),
        "true" if cased => return Ok(Value::Bool(true)),
        "false" if cased => return Ok(Value::Bool(false)),
        "yes" | "on" if cased => return Err(Refused::OldBoolean(true)),
        "no" | "off" if cased => return Err(Refused::OldBoolean(false)),
        ".inf" | "+.inf" | "-.inf" | ".nan" => return Err(Refused::NotFinite),
        _ => {}
    }
    if let Some(number) = prefixed(word) {
        return Ok(Value::Number(number));
    }
    let (negative, digits) = match word.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", word.strip_prefix('+').unwrap_or(word)),
    };
    let (mantissa, exponent) = match digits.find(['e', 'E']) {
        Some(at) => digits.split_at(at),
        None => (digits, ""),
    };
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(whole, rest)| (whole, Some(rest)));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_number = all_digits(whole)
        && fraction.is_none_or(all_digits)
        && !(whole.is_empty() && fraction.is_none_or(str::is_empty))
        && (exponent.is_empty() || {
            let power = exponent.get(1..).unwrap_or_default();
            let power = power.strip_prefix(['+', '-']).unwrap_or(power);
            !power.is_empty() && all_digits(power)
        });
    if !is_number {
        return Ok(Value::Text(word.to_owned()));
    }
    if whole.len() > 1 && whole.starts_with('0') {
        return Err(Refused::LeadingZero);
    }
    let whole = if whole.is_empty() { "0" } else { whole };
    let fraction =
        fraction.map_or_else(String::new, |digits| format!(".{}", if digits.is_empty() { "0" } else { digits }));
    Ok(Value::Number(format!("{negative}{whole}{fraction}{exponent}")))
}

fn capital(word: &str) -> bool {
    let mut chars = word.chars();
    chars.next().is_some_and(|first| first.is_ascii_uppercase()) && chars.all(|char| char.is_ascii_lowercase())
}

/// A hexadecimal or octal number in decimal.
fn prefixed(word: &str) -> Option<String> {
    let (digits, radix) = match word.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (word.strip_prefix("0o")?, 8),
    };
    let number = digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u64::from_str_radix(digits, radix));
    number?.ok().map(|number| number.to_string())
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case("true", "Ok(Bool(true))")]
    #[test_case("False", "Ok(Bool(false))")]
    #[test_case("tRue", "Ok(Text(\"tRue\"))")]
    #[test_case("", "Ok(Null)"; "nothing")]
    #[test_case("~", "Ok(Null)"; "tilde")]
    #[test_case("NULL", "Ok(Null)")]
    #[test_case("yes", "Err(OldBoolean(true))")]
    #[test_case("Off", "Err(OldBoolean(false))")]
    #[test_case("y", "Ok(Text(\"y\"))")]
    #[test_case("0103", "Err(LeadingZero)")]
    #[test_case("-007", "Err(LeadingZero)")]
    #[test_case("103", "Ok(Number(\"103\"))")]
    #[test_case("+5", "Ok(Number(\"5\"))")]
    #[test_case("0", "Ok(Number(\"0\"))")]
    #[test_case("0x1F", "Ok(Number(\"31\"))")]
    #[test_case("0o17", "Ok(Number(\"15\"))")]
    #[test_case("1.", "Ok(Number(\"1.0\"))")]
    #[test_case(".5", "Ok(Number(\"0.5\"))")]
    #[test_case("-1.5e3", "Ok(Number(\"-1.5e3\"))")]
    #[test_case("1e", "Ok(Text(\"1e\"))")]
    #[test_case(".", "Ok(Text(\".\"))"; "a dot")]
    #[test_case("-", "Ok(Text(\"-\"))"; "a dash")]
    #[test_case(".inf", "Err(NotFinite)")]
    #[test_case("8000:80", "Ok(Text(\"8000:80\"))")]
    #[test_case("22:22", "Ok(Text(\"22:22\"))")]
    #[test_case("1_000", "Ok(Text(\"1_000\"))")]
    #[test_case("10.0.0.1", "Ok(Text(\"10.0.0.1\"))")]
    #[test_case("2026-11-22", "Ok(Text(\"2026-11-22\"))")]
    fn words(word: &str, expected: &str) {
        assert_eq!(format!("{:?}", plain(word)), expected);
    }
}
