//! Points in time as the wire shows them: ISO 8601 in UTC with milliseconds.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970, written as `2026-11-22T18:44:22.000Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Timestamp(u64);

/// The last millisecond of the year 9999, the last whose text has four digits.
const LAST: u64 = 253_402_300_799_999;

impl Timestamp {
    /// The wall clock's time. Order within a room comes from `seq`, never from this.
    #[must_use]
    pub fn now() -> Self {
        Self(0) + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }

    /// The point so many milliseconds after the beginning of 1970; the year 9999 is the last.
    #[must_use]
    pub fn from_ms(ms: u64) -> Self {
        Self(ms.min(LAST))
    }

    /// Milliseconds since the beginning of 1970.
    #[must_use]
    pub const fn as_ms(self) -> u64 {
        self.0
    }

    /// The time from `earlier` until here; none when it is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn unix_seconds(self) -> u64 {
        self.0 / 1000
    }

    /// The same without the milliseconds beyond its second, as tokens write it.
    #[must_use]
    pub(crate) const fn whole_seconds(self) -> Self {
        Self(self.0 - self.0 % 1000)
    }

    /// The point that `text` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let pattern = |(digit, shape): (u8, u8)| if shape == b'0' { digit.is_ascii_digit() } else { digit == shape };
        let shape = b"0000-00-00T00:00:00.000Z";
        if text.len() != shape.len() || !text.bytes().zip(*shape).all(pattern) {
            return None;
        }
        let part = |from: usize, to: usize| text[from..to].parse::<u64>().ok();
        let (year, month, day) = (part(0, 4)?, part(5, 7)?, part(8, 10)?);
        let (hour, minute, second, ms) = (part(11, 13)?, part(14, 16)?, part(17, 19)?, part(20, 23)?);
        let days = days_from_civil(year, month, day)?;
        let parsed = Self((((days * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms);
        // What was out of range (hour 25, 30 February) would be written differently.
        (parsed.to_string() == text).then_some(parsed)
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let ms = u64::try_from(duration.as_millis()).unwrap_or(LAST);
        Self(self.0.saturating_add(ms).min(LAST))
    }
}

/// Days since 1970 of a date in the proleptic Gregorian calendar; years are counted from March, so that the leap day is last.
fn days_from_civil(year: u64, month: u64, day: u64) -> Option<u64> {
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) || year < 1970 {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    (year * 365 + year / 4 - year / 100 + year / 400 + day_of_year).checked_sub(719_468)
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0 / 86_400_000);
        let ms = self.0 % 86_400_000;
        let (hour, minute, second, ms) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60, ms % 1000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("expected a time as 2026-11-22T18:44:22.000Z"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_points_are_written_right() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_373_062_007, "2026-11-22T18:44:22.007Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (LAST, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp(ms).to_string(), text);
            assert_eq!(Timestamp::parse(text), Some(Timestamp(ms)));
        }
        for wrong in [
            "",
            "2026-02-30T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-01-01T25:00:00.000Z",
            "2026-01-01 00:00:00.000Z",
            "1969-12-31T00:00:00.000Z",
            "2026-01-00T00:00:00.000Z",
        ] {
            assert_eq!(Timestamp::parse(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn every_point_survives_its_text(ms in 0..=LAST) {
            prop_assert_eq!(Timestamp::parse(&Timestamp(ms).to_string()), Some(Timestamp(ms)));
        }
    }
}
