//! A sign of life that a shard's thread gives about once a second, for who wants to know whether it still ticks.
//!
//! One number, written by the thread and read by anybody; nobody waits for anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// See the module. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    start: Instant,
    /// Milliseconds from `start` to the latest beat.
    latest_ms: Arc<AtomicU64>,
}

impl Heartbeat {
    /// One whose first beat is `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self { start: now, latest_ms: Arc::default() }
    }

    /// Beats.
    pub(crate) fn beat(&self, now: Instant) {
        let ms = now.saturating_duration_since(self.start).as_millis();
        self.latest_ms.store(u64::try_from(ms).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// The time since the latest beat.
    pub(crate) fn age(&self, now: Instant) -> Duration {
        let latest = Duration::from_millis(self.latest_ms.load(Ordering::Relaxed));
        now.saturating_duration_since(self.start).saturating_sub(latest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_is_that_of_the_latest_beat() {
        let start = Instant::now();
        let heart = Heartbeat::new(start);
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(heart.age(at(1_500)), Duration::from_millis(1_500));
        heart.clone().beat(at(2_000));
        assert_eq!(heart.age(at(2_700)), Duration::from_millis(700));
        assert_eq!(heart.age(at(1_000)), Duration::ZERO, "who looks may have an earlier now");
    }
}
