//! The tester's clock: nanoseconds since the process began to measure. Publishers stamp what they send with it and
//! witnesses compare, so it must never jump: it is monotonic.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// Nanoseconds since the origin of the tester's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nanos(pub u64);

fn origin() -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    *ORIGIN.get_or_init(Instant::now)
}

impl Nanos {
    /// The present.
    #[must_use]
    pub fn now() -> Self {
        Self::from(Instant::now())
    }

    /// Nanoseconds from an earlier moment to this one; 0 if it is not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// So much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_nanos() as u64))
    }

    /// As an [`Instant`].
    #[must_use]
    pub fn instant(self) -> Instant {
        origin() + Duration::from_nanos(self.0)
    }
}

impl From<Instant> for Nanos {
    fn from(instant: Instant) -> Self {
        Self(instant.saturating_duration_since(origin()).as_nanos() as u64)
    }
}

/// How far the wall clock, by which the kernel stamps arrivals, is ahead of the tester's clock, in nanoseconds.
#[must_use]
pub fn wall_clock_lead() -> i128 {
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    wall.as_nanos() as i128 - i128::from(Nanos::now().0)
}
