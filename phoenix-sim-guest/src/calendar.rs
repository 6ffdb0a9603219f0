//! Times in UTC.

/// A time as the tools print it. The node's time zone is UTC.
#[must_use]
pub fn local_time(seconds: i64) -> String {
    let (year, month, day, hour, minute, second) = moment(seconds);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// Year, month, day, hour, minute and second of a time in UTC.
#[must_use]
pub fn moment(seconds: i64) -> (i64, i64, i64, i64, i64, i64) {
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    (year, month, day, rest / 3600, rest / 60 % 60, rest % 60)
}

/// Year, month and day of a day counted from 1970-01-01 (the algorithm of Howard Hinnant's `civil_from_days`).
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(0, "1970-01-01 00:00:00")]
    #[test_case(951_782_400, "2000-02-29 00:00:00")]
    #[test_case(1_795_292_082, "2026-11-21 20:14:42")]
    fn times(seconds: i64, expected: &str) {
        assert_eq!(local_time(seconds), expected);
    }
}
