//! The time that a line of a log begins with.

use std::sync::LazyLock;

use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use regex::{Captures, Regex};

/// How far into a line its time is looked for, in characters. Web servers put an address before it.
const BEGINNING: usize = 100;

/// RFC 3339 and what resembles it, the line of a web server (`21/Nov/2026:20:00:00 +0000`), and that of syslog (`Nov 21 20:00:00`).
static FORMS: LazyLock<Vec<Regex>> = LazyLock::new(|| {
    [
        r"(?<year>\d{4})[-/](?<month>\d\d)[-/](?<day>\d\d)[T ](?<time>\d\d:\d\d:\d\d)(?:[.,]\d+)? ?(?<zone>Z|UTC|[+-]\d\d:?\d\d)?",
        r"(?<day>\d\d)/(?<name>[A-Z][a-z]{2})/(?<year>\d{4}):(?<time>\d\d:\d\d:\d\d) (?<zone>[+-]\d{4})",
        r"\b(?<name>[A-Z][a-z]{2}) +(?<day>\d{1,2}) (?<time>\d\d:\d\d:\d\d)\b",
    ]
    .iter()
    // They are written here; a test uses each.
    .filter_map(|form| Regex::new(form).ok())
    .collect()
});

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The time that a line begins with, in seconds since 1970. `zone` is that of the machine (`+0100`), for lines that name none; `now` gives
/// the year where a line has none.
pub(super) fn of_line(line: &str, zone: &str, now: i64) -> Option<i64> {
    let end = line.char_indices().nth(BEGINNING).map_or(line.len(), |(at, _)| at);
    FORMS.iter().find_map(|form| read(&form.captures(&line[..end])?, zone, now))
}

fn read(found: &Captures<'_>, zone: &str, now: i64) -> Option<i64> {
    let number = |name: &str| found.name(name).and_then(|text| text.as_str().parse::<i16>().ok());
    let month = match found.name("name") {
        Some(name) => {
            MONTHS.iter().position(|known| *known == name.as_str()).and_then(|at| i8::try_from(at + 1).ok())?
        }
        None => i8::try_from(number("month")?).ok()?,
    };
    let day = i8::try_from(number("day")?).ok()?;
    let time = found.name("time")?.as_str().parse().ok()?;
    let offset = offset(found.name("zone").map_or(zone, |zone| zone.as_str()))?;
    let in_year = |year: i16| {
        let moment = DateTime::from_parts(Date::new(year, month, day).ok()?, time);
        Some(offset.to_timestamp(moment).ok()?.as_second())
    };
    if let Some(year) = number("year") {
        return in_year(year);
    }
    // Without a year it is the last such day that is not to come.
    let this_year = offset.to_datetime(jiff::Timestamp::from_second(now).ok()?).year();
    in_year(this_year).filter(|time| *time <= now.saturating_add(24 * 3600)).or_else(|| in_year(this_year - 1))
}

/// `Z`, `UTC`, `+0100` or `+01:00`.
fn offset(text: &str) -> Option<Offset> {
    if matches!(text, "Z" | "UTC") {
        return Some(Offset::UTC);
    }
    let digits = text.replace(':', "");
    let (sign, digits) = digits.split_at_checked(1)?;
    let (hours, minutes) = digits.split_at_checked(2)?;
    let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
    Offset::from_seconds(if sign == "-" { -seconds } else { seconds }).ok()
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    /// 2026-11-21 20:00:00 UTC
    const THEN: i64 = 1_795_291_200;

    #[test_case("2026-11-21T20:00:00Z up", "+0100", Some(THEN); "rfc 3339")]
    #[test_case("2026-11-21T21:00:00.123456+01:00 up", "+0000", Some(THEN); "with a zone")]
    #[test_case("[2026-11-21 21:00:00,123] INFO up", "+0100", Some(THEN); "in the machine's zone")]
    #[test_case("2026/11/21 20:00:00 serving", "+0000", Some(THEN); "go")]
    #[test_case("Nov 21 20:00:00 ca step-ca[1]: up", "+0000", Some(THEN); "syslog")]
    #[test_case("Dec 31 20:00:00 ca step-ca[1]: up", "+0000", Some(THEN - 325 * 86_400); "syslog of last year")]
    #[test_case("10.0.0.1 - - [21/Nov/2026:21:00:00 +0100] \"GET / HTTP/1.1\"", "+0000", Some(THEN); "web server")]
    #[test_case("it is up since 20:00", "+0000", None; "none")]
    #[test_case("2026-13-41T20:00:00Z", "+0000", None; "no such day")]
    #[test_case("Foo 21 20:00:00 x", "+0000", None; "no such month")]
    #[test_case("2026-11-21T20:00:00 x", "ü", None; "no such zone")]
    fn times_of_lines(line: &str, zone: &str, time: Option<i64>) {
        assert_eq!(of_line(line, zone, THEN + 60), time);
    }

    #[test]
    fn a_time_in_the_middle_of_a_long_line_is_not_the_lines() {
        assert_eq!(of_line(&format!("{} 2026-11-21T20:00:00Z", "ü".repeat(100)), "+0000", THEN), None);
    }
}
