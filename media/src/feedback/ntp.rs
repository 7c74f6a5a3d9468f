//! NTP timestamps (RFC 3550 section 4), made from the monotonic time that is handed in.

use std::time::{Duration, Instant};

/// Seconds from 1900, NTP's epoch, to 1970.
const UNIX_EPOCH_S: u64 = 2_208_988_800;

/// A point in time: 32 bits of seconds since 1900, 32 bits of fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The time since the UNIX epoch as NTP time. The seconds wrap in 2036, as everybody's do.
    #[must_use]
    pub fn from_unix(since_epoch: Duration) -> Self {
        let seconds = since_epoch.as_secs().wrapping_add(UNIX_EPOCH_S);
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 32) / 1_000_000_000;
        Self(seconds << 32 | fraction)
    }

    /// The middle 32 bits, in units of 1/65536 s: what reports carry as LSR.
    #[must_use]
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// Turns monotonic into NTP time.
///
/// Anchored once, it never steps when the wall clock is corrected: receivers need its pace, not its truth.
#[derive(Clone, Copy, Debug)]
pub struct NtpClock {
    anchor: Instant,
    unix_at_anchor: Duration,
}

impl NtpClock {
    /// A clock for which `anchor` was `unix_at_anchor` after the UNIX epoch.
    #[must_use]
    pub const fn new(anchor: Instant, unix_at_anchor: Duration) -> Self {
        Self { anchor, unix_at_anchor }
    }

    /// The time of that instant in µs since the anchor, for arithmetic on every packet. Instants before the anchor count as it.
    #[must_use]
    pub fn micros_at(&self, now: Instant) -> i64 {
        let since = now.saturating_duration_since(self.anchor);
        since.as_secs() as i64 * 1_000_000 + i64::from(since.subsec_micros())
    }

    /// The NTP time of that instant. Instants before the anchor count as it.
    #[must_use]
    pub fn at(&self, now: Instant) -> NtpTime {
        NtpTime::from_unix(self.unix_at_anchor + now.saturating_duration_since(self.anchor))
    }
}

/// A duration in units of 1/65536 s, as DLSR is; saturating.
#[must_use]
pub fn to_short(duration: Duration) -> u32 {
    u32::try_from((duration.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

/// The duration of so many 1/65536 s.
#[must_use]
pub const fn from_short(units: u32) -> Duration {
    Duration::from_nanos((units as u64 * 1_000_000_000) >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;

    #[test]
    fn ntp_counts_from_1900() {
        assert_eq!(NtpTime::from_unix(Duration::ZERO).0, 2_208_988_800 << 32);
        let half = NtpTime::from_unix(Duration::from_millis(500));
        assert_eq!(half.0 as u32, 1 << 31);
        assert_eq!(half.middle(), ((2_208_988_800u64 << 16) as u32) | 0x8000);
    }

    #[test]
    fn the_clock_follows_monotonic_time() {
        let anchor = test_start();
        let clock = NtpClock::new(anchor, Duration::from_secs(1_000));
        let later = clock.at(anchor + Duration::from_millis(2_250));
        assert_eq!(later.0 - clock.at(anchor).0, (2 << 32) + (1 << 30));
    }

    #[test]
    fn short_units_go_both_ways() {
        assert_eq!(to_short(Duration::from_millis(500)), 0x8000);
        assert_eq!(from_short(0x1_8000), Duration::from_millis(1_500));
        assert_eq!(to_short(Duration::MAX), u32::MAX);
        assert_eq!(from_short(u32::MAX).as_secs(), 65_535);
    }
}
