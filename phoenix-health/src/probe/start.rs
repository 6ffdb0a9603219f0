//! When a guest started, told so that a clock which was moved makes nothing old look new.

use crate::seconds;

/// Prints seconds: the time now, the guest's uptime, the time of its start as it was written down at the start, and the last time in
/// the journal of its life before that; `-` is what nothing wrote down.
///
/// The first two give the start by today's clock, which was perhaps moved since. Written down it is by LXC, which makes
/// `/dev/.lxc-boot-id` at every start (`lxc_setup_boot_id` in its `conf.c`), and by systemd (org.freedesktop.systemd1(5)). The
/// journal shows whether the clock went back between two lives, as far as something was logged in the first.
pub(super) const START: &str = r#"read -r up rest </proc/uptime
if [ -e /dev/.lxc-boot-id ]; then begun=$(stat -c %Y /dev/.lxc-boot-id)
else begun=$(TZ=UTC LC_ALL=C systemctl show --property=UnitsLoadStartTimestamp --value 2>/dev/null) && [ -n "$begun" ] && begun=$(date -d "$begun" +%s 2>/dev/null)
fi
ended=$(journalctl --boot=-1 --lines=1 --quiet --no-pager --output=short-unix 2>/dev/null)
ended=${ended%%.*}
echo "$(date +%s) ${up%%.*} ${begun:--} ${ended:--}""#;

/// How far the two ways to tell a start may differ without anyone having moved the clock: booting takes a while until something is
/// written down.
const SLACK: i64 = 120;

/// When a guest started, in seconds since 1970 by the clock of the side where it was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) now: i64,
    pub(super) uptime: i64,
    /// As it was written down at the start.
    pub(super) recorded: Option<i64>,
    /// The last time that is known of the life before.
    pub(super) ended: Option<i64>,
}

/// How the time of something compares with the guest's start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Era {
    /// It is of this life of the guest.
    Since,
    /// It is older.
    Before,
    /// The clock was moved by so many seconds at the start or since then, and when decides.
    Unclear(i64),
    /// It is of a time that has not come yet, so many seconds from now: the clock was moved back.
    Future(i64),
}

impl Start {
    /// What [`START`] prints.
    pub(super) fn parse(line: &str) -> Option<Self> {
        let [now, uptime, recorded, ended] = line.split_whitespace().collect::<Vec<_>>()[..] else { return None };
        let (recorded, ended) = (recorded.parse().ok(), ended.parse().ok());
        Some(Self { now: now.parse().ok()?, uptime: uptime.parse().ok()?, recorded, ended })
    }

    /// The era of something by its time. It is of this life only when it is by every way to tell the start.
    pub(super) fn era(&self, time: i64) -> Era {
        let by_uptime = self.now.saturating_sub(self.uptime);
        let recorded = self.recorded.unwrap_or(by_uptime);
        let first = by_uptime.min(recorded);
        let last = by_uptime.max(recorded).max(self.ended.unwrap_or(recorded));
        // All times are cut to seconds, so what happened in the very first second may seem one second older than the start.
        let reached = |start: i64| time.saturating_add(1) >= start;
        if time > self.now.saturating_add(1) {
            Era::Future(time.saturating_sub(self.now))
        } else if reached(last) {
            Era::Since
        } else if !reached(first) || last.saturating_sub(first) <= SLACK {
            Era::Before
        } else {
            Era::Unclear(last.saturating_sub(first))
        }
    }
}

/// Why an era that is not told cannot be; `what` is the thing in words.
pub(super) fn untold(era: Era, what: &str) -> Option<String> {
    let span = |length: i64| seconds::display(std::time::Duration::from_secs(length.unsigned_abs()));
    match era {
        Era::Since | Era::Before => None,
        Era::Unclear(moved) => Some(format!(
            "the clock was moved by {} at the guest's start or since then, so it is unclear whether {what} is newer: restart the guest",
            span(moved)
        )),
        Era::Future(ahead) => Some(format!(
            "{what} is dated {} in the future, so it is unclear whether it is newer than the guest's start: correct the clock",
            span(ahead)
        )),
    }
}

#[cfg(test)]
mod tests {
    use test_case::test_case;

    use super::*;

    const HOUR: i64 = 3600;

    // A guest that started at 10000 and is up for 600 s. What is written down is a few seconds late.
    #[test_case(10_600, Some(10_003), 10_003, Era::Since; "of the very start")]
    #[test_case(10_600, Some(10_003), 10_600, Era::Since; "of now")]
    #[test_case(10_600, Some(10_003), 9_000, Era::Before; "older")]
    #[test_case(10_600, Some(10_003), 10_700, Era::Future(100); "not yet")]
    #[test_case(10_600, None, 9_990, Era::Before; "older by the uptime alone")]
    #[test_case(10_600, None, 10_001, Era::Since; "newer by the uptime alone")]
    #[test_case(10_600 - HOUR, Some(10_003), 8_000, Era::Future(1_000); "old and the clock was set back")]
    #[test_case(20_600 - HOUR, Some(10_003), 9_000, Era::Before; "older by both and the clock was set forward")]
    #[test_case(10_600 + HOUR, Some(10_003), 10_030, Era::Unclear(3_597); "new and the clock was set forward afterwards")]
    #[test_case(10_600 + HOUR, Some(10_003), 10_030 + HOUR, Era::Since; "new and the clock was set forward before")]
    fn eras(now: i64, recorded: Option<i64>, time: i64, era: Era) {
        assert_eq!(Start { now, uptime: 600, recorded, ended: Some(9_500) }.era(time), era);
    }

    /// Up for a day; half an hour before the start something was left. Then the clock goes back by an hour: by the uptime alone
    /// the start would be before that.
    #[test]
    fn a_clock_that_was_set_back_makes_nothing_new() {
        let start = Start { now: 100_000 + 23 * HOUR, uptime: 24 * HOUR, recorded: Some(100_003), ended: None };
        let old = 100_000 - HOUR / 2;
        assert_eq!(start.era(old), Era::Unclear(3_603));
        assert_eq!(Start { recorded: None, ..start }.era(old), Era::Since, "which is why it is written down");
    }

    /// The same while the guest was off: both ways to tell the start are by the new clock, and only the life before tells.
    #[test]
    fn a_clock_that_was_set_back_between_two_lives_makes_nothing_new() {
        let start = Start { now: 10_600, uptime: 600, recorded: Some(10_003), ended: Some(10_000 + HOUR) };
        assert_eq!(start.era(10_500), Era::Unclear(HOUR));
        assert_eq!(Start { ended: None, ..start }.era(10_500), Era::Since, "which is why the life before is asked");
    }

    #[test]
    fn what_is_printed() {
        let start = Start { now: 1090, uptime: 90, recorded: Some(1002), ended: Some(900) };
        assert_eq!(Start::parse("1090 90 1002 900\n"), Some(start));
        assert_eq!(Start::parse("1090 90 - -"), Some(Start { recorded: None, ended: None, ..start }));
        assert_eq!(Start::parse("soon 90 - -"), None);
        assert_eq!(Start::parse("1090 90"), None);
    }
}
