use time::{Duration, OffsetDateTime};

/// The time that all simulated services tell: the machine's, moved by a constant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    offset: Duration,
}

impl Clock {
    /// A clock that is `seconds` ahead of the machine's (behind, if negative), at most a century.
    pub fn ahead(seconds: i64) -> Self {
        const CENTURY: i64 = 100 * 365 * 24 * 3600;
        Self {
            offset: Duration::seconds(seconds.clamp(-CENTURY, CENTURY)),
        }
    }

    /// The same clock, that many seconds later.
    pub(crate) fn later(self, seconds: i64) -> Self {
        Self {
            offset: self.offset.saturating_add(Duration::seconds(seconds)),
        }
    }

    /// What it shows.
    pub fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + self.offset
    }

    /// As the `Date` line of HTTP has it: `Tue, 24 Nov 2026 10:18:02 GMT`.
    pub fn http_date(&self) -> String {
        let now = self.now();
        let day = &now.weekday().to_string()[..3];
        let month = &now.month().to_string()[..3];
        let (hour, minute, second) = now.to_hms();
        format!(
            "{day}, {:02} {month} {} {hour:02}:{minute:02}:{second:02} GMT",
            now.day(),
            now.year()
        )
    }
}

/// `2026-11-24T10:18:02Z`.
pub(crate) fn iso(at: OffsetDateTime) -> String {
    let (hour, minute, second) = at.to_hms();
    format!(
        "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z",
        at.year(),
        u8::from(at.month()),
        at.day()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moved_clock_shows_another_day_in_every_form() {
        let (now, then) = (Clock::default(), Clock::ahead(-86_400));
        let difference = now.now() - then.now();
        assert!((difference - Duration::days(1)).abs() < Duration::seconds(5));
        assert!(then.http_date().ends_with(" GMT"));
        assert_eq!(iso(then.now()).len(), "2026-11-24T10:18:02Z".len());
        // No offset leaves the range of dates.
        let _ = (
            Clock::ahead(i64::MAX).http_date(),
            Clock::ahead(i64::MIN).http_date(),
        );
    }
}
