//! The process's clock: the one place that reads the time for the media engine.
//!
//! A tick reads it once and hands the value down, so that everything in a tick happens at one moment.

use std::time::{Duration, Instant, SystemTime};

/// Monotonic time, and its place in the world's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
    started_unix: Duration,
}

impl Clock {
    /// Reads both clocks. Later steps of the wall clock are not followed.
    pub(crate) fn start() -> Self {
        // A host whose clock is before 1970 gets sender reports of that time.
        let started_unix = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_unix }
    }

    /// Now.
    pub(crate) fn now(self) -> Instant {
        Instant::now()
    }

    /// Time since 1970 at `now`.
    pub(crate) fn unix_time(self, now: Instant) -> Duration {
        self.started_unix + now.saturating_duration_since(self.started)
    }

    /// Time since the start.
    pub(crate) fn uptime(self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_time_advances_with_the_monotonic_clock() {
        let clock = Clock { started: Instant::now(), started_unix: Duration::from_secs(1_000) };
        let later = clock.started + Duration::from_millis(1_500);
        assert_eq!(clock.unix_time(later), Duration::from_millis(1_001_500));
        assert_eq!(clock.uptime(later), Duration::from_millis(1_500));
        assert_eq!(clock.unix_time(clock.started - Duration::from_secs(1)), Duration::from_secs(1_000));
    }
}
