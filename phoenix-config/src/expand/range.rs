//! Ranges of guests: `801..805`.

use std::ops::RangeInclusive;

use phoenix_types::GuestId;

/// So many guests one range may have.
const MAX_GUESTS: u32 = 10_000;

/// Whether a key is meant as a range.
pub(crate) fn looks_like(key: &str) -> bool {
    key.contains("..")
}

/// The ids of a range; nothing for a text that is none. The error says what would be right.
pub(crate) fn parse(key: &str) -> Option<Result<RangeInclusive<u32>, String>> {
    let (first, last) = key.split_once("..")?;
    let id = |text: &str| text.trim().parse::<GuestId>().map(GuestId::get).ok();
    Some(match (id(first), id(last)) {
        (Some(first), Some(last)) if first > last => Err(format!("the smaller id first: `{last}..{first}`")),
        (Some(first), Some(last)) if last - first >= MAX_GUESTS => Err(format!("at most {MAX_GUESTS} guests")),
        (Some(first), Some(last)) => Ok(first..=last),
        _ => Err("two guest ids from 100 to 999999999".to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    #[test_case("801..803", "Some(Ok(801..=803))")]
    #[test_case("801 .. 801", "Some(Ok(801..=801))")]
    #[test_case("801", "None")]
    #[test_case("803..801", "Some(Err(\"the smaller id first: `801..803`\"))")]
    #[test_case("1..801", "Some(Err(\"two guest ids from 100 to 999999999\"))")]
    #[test_case("100..999999999", "Some(Err(\"at most 10000 guests\"))")]
    #[test_case("..", "Some(Err(\"two guest ids from 100 to 999999999\"))"; "dots alone")]
    fn ranges(key: &str, expected: &str) {
        assert_eq!(format!("{:?}", super::parse(key)), expected);
    }
}
