//! Durations as people write them: a number of seconds, or `1m30s`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A duration of at most ten years, read from a number of seconds (`10`, `0.5`) or a text (`"10"`, `"1m30s"`, `"2h"`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span(Duration);

/// A text or number that is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a duration: write seconds (`90`) or units (`1m30s`, `500ms`), at most ten years")]
pub struct InvalidSpan(pub String);

const MAX: Duration = Duration::from_secs(10 * 366 * 24 * 3600);

impl Span {
    /// A duration of whole seconds.
    #[must_use]
    pub const fn from_secs(seconds: u32) -> Self {
        Self(Duration::from_secs(seconds as u64))
    }

    /// As the standard library's duration.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for Span {
    /// A longer duration becomes the longest one.
    fn from(duration: Duration) -> Self {
        Self(duration.min(MAX))
    }
}

impl From<Span> for Duration {
    fn from(span: Span) -> Self {
        span.0
    }
}

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = || InvalidSpan(text.to_owned());
        let checked = |duration: Duration| if duration <= MAX { Ok(Self(duration)) } else { Err(invalid()) };
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            return checked(Duration::from_secs(text.parse().map_err(|_| invalid())?));
        }
        let mut total = Duration::ZERO;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(invalid)?;
            let amount: u32 = rest[..digits].parse().map_err(|_| invalid())?;
            rest = &rest[digits..];
            let unit_end = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
            let unit = match &rest[..unit_end] {
                "ms" => Duration::from_millis(1),
                "s" => Duration::from_secs(1),
                "m" => Duration::from_secs(60),
                "h" => Duration::from_secs(3600),
                "d" => Duration::from_secs(24 * 3600),
                _ => return Err(invalid()),
            };
            rest = &rest[unit_end..];
            total = unit.checked_mul(amount).and_then(|part| total.checked_add(part)).ok_or_else(invalid)?;
        }
        if text.is_empty() { Err(invalid()) } else { checked(total) }
    }
}

impl fmt::Display for Span {
    /// The shortest exact form: `45s`, `1m30s`, `2h`, `500ms`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = self.0.as_millis();
        if millis == 0 {
            return f.write_str("0s");
        }
        for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)] {
            if millis >= size {
                write!(f, "{}{unit}", millis / size)?;
                millis %= size;
            }
        }
        Ok(())
    }
}

impl serde::Serialize for Span {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Span {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration: a number of seconds, or a text like `1m30s`")
            }

            fn visit_u64<E: serde::de::Error>(self, seconds: u64) -> Result<Span, E> {
                let duration = Duration::from_secs(seconds);
                if duration <= MAX { Ok(Span(duration)) } else { Err(E::custom(InvalidSpan(seconds.to_string()))) }
            }

            fn visit_i64<E: serde::de::Error>(self, seconds: i64) -> Result<Span, E> {
                Err(E::custom(InvalidSpan(seconds.to_string())))
            }

            fn visit_f64<E: serde::de::Error>(self, seconds: f64) -> Result<Span, E> {
                match Duration::try_from_secs_f64(seconds) {
                    Ok(duration) if duration <= MAX => {
                        Ok(Span(Duration::from_millis(u64::try_from(duration.as_millis()).map_err(E::custom)?)))
                    }
                    _ => Err(E::custom(InvalidSpan(seconds.to_string()))),
                }
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

impl schemars::JsonSchema for Span {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Span".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "A duration: seconds as a number, or a text with units d, h, m, s, ms, such as `1m30s`.",
            "errorMessage": "a duration: seconds as a number, or a text such as `1m30s`",
            "anyOf": [
                {"type": "number", "minimum": 0, "maximum": MAX.as_secs()},
                {"type": "string", "pattern": "^([0-9]{1,8}|([0-9]{1,5}(ms|s|m|h|d)){1,6})$"},
            ],
            "examples": [10, "1m30s"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case("10", 10_000, "10s")]
    #[test_case("1m30s", 90_000, "1m30s")]
    #[test_case("90s", 90_000, "1m30s")]
    #[test_case("500ms", 500, "500ms")]
    #[test_case("2h", 7_200_000, "2h")]
    #[test_case("0", 0, "0s")]
    fn spans(text: &str, millis: u128, printed: &str) {
        let span: Span = text.parse().unwrap();
        assert_eq!((span.get().as_millis(), span.to_string().as_str()), (millis, printed));
    }

    #[test_case("")]
    #[test_case("s")]
    #[test_case("10x")]
    #[test_case("-5")]
    #[test_case("1m30")]
    #[test_case("99999999999999999999")]
    #[test_case("4000000d")]
    fn refused_spans(text: &str) {
        assert!(text.parse::<Span>().is_err());
    }

    #[test]
    fn numbers_are_seconds() {
        assert_eq!(serde_json::from_str::<Span>("0.5").unwrap().get(), Duration::from_millis(500));
        assert_eq!(serde_json::from_str::<Span>("300").unwrap(), Span::from_secs(300));
        assert!(serde_json::from_str::<Span>("-1").is_err());
        assert!(serde_json::from_str::<Span>("1e300").is_err());
    }
}
