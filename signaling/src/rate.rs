//! Token buckets.

use std::time::Duration;
use tokio::time::Instant;

/// How much and how often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Tokens that come back in a second.
    pub per_second: f64,
    /// Tokens of a full bucket.
    pub burst: f64,
}

impl Rate {
    /// So many a minute, that many at once.
    #[must_use]
    pub fn per_minute(count: u32) -> Self {
        Self { per_second: f64::from(count) / 60.0, burst: f64::from(count) }
    }
}

/// A bucket that starts full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TokenBucket {
    rate: Rate,
    tokens: f64,
    updated: Instant,
}

impl TokenBucket {
    pub(crate) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, tokens: rate.burst, updated: now }
    }

    /// Goes by another rate from now on: what was taken counts against the new burst.
    pub(crate) fn change(&mut self, rate: Rate, now: Instant) {
        if rate != self.rate {
            self.refill(now);
            self.tokens = (self.tokens + rate.burst - self.rate.burst).max(0.0);
            self.rate = rate;
        }
    }

    /// Takes one token; `false` when there is none.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        self.refill(now);
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }

    /// How long until there is a token; of the time of the latest [`take`](Self::take).
    pub(crate) fn wait(&self) -> Duration {
        Duration::try_from_secs_f64((1.0 - self.tokens).max(0.0) / self.rate.per_second).unwrap_or(Duration::MAX)
    }

    /// Puts a token back.
    pub(crate) fn give_back(&mut self) {
        self.tokens = (self.tokens + 1.0).min(self.rate.burst);
    }

    /// Whether it is as good as a new one.
    pub(crate) fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.tokens >= self.rate.burst
    }

    fn refill(&mut self, now: Instant) {
        let elapsed: Duration = now.saturating_duration_since(self.updated);
        self.tokens = (self.tokens + elapsed.as_secs_f64() * self.rate.per_second).min(self.rate.burst);
        self.updated = now;
    }
}

/// A session's allowance of messages, and what becomes of those beyond it.
#[derive(Debug)]
pub(crate) struct Allowance {
    messages: TokenBucket,
    /// Messages beyond the allowance that are put up with; then the socket is closed.
    patience: TokenBucket,
    /// One warning a second is enough.
    warnings: TokenBucket,
}

/// What to do with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Handle it.
    Pass,
    /// Drop it and say so.
    DropAndWarn,
    /// Drop it.
    Drop,
    /// The flood does not end: close the socket.
    Close,
}

impl Allowance {
    pub(crate) fn new(messages: Rate, now: Instant) -> Self {
        Self {
            messages: TokenBucket::new(messages, now),
            patience: TokenBucket::new(Rate { per_second: messages.per_second, burst: messages.burst * 10.0 }, now),
            warnings: TokenBucket::new(Rate { per_second: 1.0, burst: 1.0 }, now),
        }
    }

    /// Judges a message that arrived.
    pub(crate) fn judge(&mut self, now: Instant) -> Verdict {
        if self.messages.take(now) {
            Verdict::Pass
        } else if !self.patience.take(now) {
            Verdict::Close
        } else if self.warnings.take(now) {
            Verdict::DropAndWarn
        } else {
            Verdict::Drop
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 50.0, burst: 100.0 };

    #[test]
    fn a_bucket_refills_up_to_its_burst() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(Rate { per_second: 2.0, burst: 3.0 }, now);
        assert_eq!((0..5).filter(|_| bucket.take(now)).count(), 3);
        assert!(!bucket.take(now + Duration::from_millis(499)));
        assert!(bucket.take(now + Duration::from_millis(500)));
        let later = now + Duration::from_secs(60);
        assert!(bucket.is_full(later));
        assert_eq!((0..5).filter(|_| bucket.take(later)).count(), 3);
        // A clock that goes back gives nothing.
        assert!(!bucket.take(now));
    }

    #[test]
    fn what_was_taken_counts_against_another_rate() {
        let now = Instant::now();
        let mut bucket = TokenBucket::new(Rate::per_minute(3), now);
        assert!(bucket.take(now) && bucket.take(now));
        bucket.change(Rate::per_minute(5), now);
        assert_eq!((0..9).filter(|_| bucket.take(now)).count(), 3);
        bucket.change(Rate::per_minute(2), now);
        assert!(!bucket.take(now), "five of two were taken");
        assert!(bucket.take(now + Duration::from_secs(30)), "and no debt is left");
    }

    #[test]
    fn a_flood_is_warned_once_and_then_closed() {
        let now = Instant::now();
        let mut allowance = Allowance::new(RATE, now);
        let verdicts: Vec<_> = (0..10_000).map(|_| allowance.judge(now)).collect();
        let count = |verdict| verdicts.iter().filter(|&&v| v == verdict).count();
        assert_eq!(count(Verdict::Pass), 100);
        assert_eq!(count(Verdict::DropAndWarn), 1);
        assert_eq!(count(Verdict::Drop), 999);
        assert_eq!(count(Verdict::Close), 8900);
    }

    #[test]
    fn a_steady_client_is_never_refused() {
        let start = Instant::now();
        let mut allowance = Allowance::new(RATE, start);
        for message in 0..10_000 {
            assert_eq!(allowance.judge(start + Duration::from_millis(21) * message), Verdict::Pass);
        }
    }
}
