//! Durations in JSON: seconds, with a fraction.

use std::time::Duration;

use serde::Serializer;

/// Writes a duration, for `#[serde(with = …)]`.
#[derive(schemars::JsonSchema)]
#[schemars(inline, transparent)]
pub(crate) struct Seconds(#[expect(dead_code, reason = "it only tells the schema")] f64);

impl Seconds {
    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }
}

/// A duration for people, to three or four figures: `0.25 s`, `10 s`, `4 min 50 s`.
pub(crate) fn display(duration: Duration) -> String {
    let unit = match duration.as_millis() {
        0..1_000 => 1,
        1_000..10_000 => 10,
        _ => 100,
    };
    let millis = (duration.as_millis() + unit / 2) / unit * unit;
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    let seconds = match rest % 1000 {
        0 => format!("{} s", rest / 1000),
        fraction => format!("{} s", format!("{}.{fraction:03}", rest / 1000).trim_end_matches('0')),
    };
    match (minutes, rest) {
        (0, _) => seconds,
        (_, 0) => format!("{minutes} min"),
        _ => format!("{minutes} min {seconds}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use test_case::test_case;

    #[test_case(0, "0 s")]
    #[test_case(250, "0.25 s")]
    #[test_case(10_000, "10 s")]
    #[test_case(60_000, "1 min")]
    #[test_case(1_234, "1.23 s")]
    #[test_case(19_029, "19 s")]
    #[test_case(59_960, "1 min")]
    #[test_case(290_160, "4 min 50.2 s")]
    fn durations_are_readable(millis: u64, text: &str) {
        assert_eq!(display(Duration::from_millis(millis)), text);
    }
}
