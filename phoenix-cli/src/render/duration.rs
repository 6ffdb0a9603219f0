//! Durations as people read them.

/// A duration at a glance: `0.4s`, `12.3s`, `1m 42s`, `2h 05m`.
pub(crate) fn span(ms: u64) -> String {
    let tenths = ms.saturating_add(50) / 100;
    let seconds = ms.saturating_add(500) / 1000;
    if tenths < 600 {
        format!("{}.{}s", tenths / 10, tenths % 10)
    } else if seconds < 3600 {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    } else {
        format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60)
    }
}

/// A moment of a run, in a fixed width as long as the run is shorter than 100 hours: `00:01:42.3`.
pub(crate) fn clock(ms: u64) -> String {
    let seconds = ms / 1000;
    format!("{:02}:{:02}:{:02}.{}", seconds / 3600, seconds % 3600 / 60, seconds % 60, ms % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    #[test_case(0, "0.0s")]
    #[test_case(440, "0.4s")]
    #[test_case(59_949, "59.9s")]
    #[test_case(59_950, "1m 00s")]
    #[test_case(102_300, "1m 42s")]
    #[test_case(3_599_500, "1h 00m")]
    #[test_case(7_500_000, "2h 05m")]
    #[test_case(u64::MAX, "5124095576030h 25m"; "the longest")]
    fn spans(ms: u64, text: &str) {
        assert_eq!(span(ms), text);
    }

    #[test_case(0, "00:00:00.0")]
    #[test_case(102_399, "00:01:42.3")]
    #[test_case(360_000_000, "100:00:00.0")]
    fn clocks(ms: u64, text: &str) {
        assert_eq!(clock(ms), text);
    }
}
