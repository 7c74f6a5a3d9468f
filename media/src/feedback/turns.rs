//! When transport feedback is handed in, where the driver can let it wait: by a socket of its own, or in simulations.
//!
//! Everybody who receives video sends some 4 to 20 times a second (libwebrtc: each 50 to 250 ms), and to wake a sleeping core costs more
//! than to read ten of them. What congestion control learns from it are differences of times that it carries, so it may wait. Where it
//! comes more often than each 25 ms the poll no longer tells of it, and it is received that far apart; where it is rarer it is
//! received as it comes. NACKs and requests for key frames are not among it, and never wait.

use std::time::{Duration, Instant};

/// How far apart turns are: short beside the time between two of anybody's.
const INTERVAL: Duration = Duration::from_millis(25);

/// How much earlier a turn may be for a shard that is awake anyway.
const SLACK: Duration = Duration::from_millis(10);

/// See the module's text. Pure: it is told the time.
#[derive(Debug, Default)]
pub struct FeedbackTurns {
    /// When the next is; `None` while the poll is to tell.
    next: Option<Instant>,
    latest: Option<Instant>,
}

impl FeedbackTurns {
    /// The poll has told of feedback, or may have failed to.
    pub fn hasten(&mut self, now: Instant) {
        self.next = Some(now);
    }

    /// Whether the poll is to tell of feedback.
    #[must_use]
    pub fn are_watched(&self) -> bool {
        self.next.is_none()
    }

    /// When the thread must be awake for a turn.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Whether feedback is to be received now.
    #[must_use]
    pub fn is_due(&self, now: Instant) -> bool {
        self.next.is_some_and(|next| now + SLACK >= next)
    }

    /// It was; so many datagrams came, and there may be `more`.
    pub fn on_turn(&mut self, now: Instant, received: u64, more: bool) {
        let latest = self.latest.replace(now);
        let is_frequent = received > 1 || received == 1 && latest.is_some_and(|latest| now < latest + INTERVAL);
        self.next = match (more, is_frequent) {
            (true, _) => Some(now),
            (false, true) => Some(now + INTERVAL),
            (false, false) => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;

    const MS: Duration = Duration::from_millis(1);

    /// A shard that sleeps as long as it may, on virtual time; one datagram comes each `apart`. Returns how often it was awake in a
    /// second, and the longest that a datagram has waited.
    fn run(apart: Duration) -> (u32, Duration) {
        let begin = test_start();
        let (mut turns, mut now, mut awake, mut longest) = (FeedbackTurns::default(), begin, 0, Duration::ZERO);
        let mut arrivals = (1..).map(|number| begin + apart * number).peekable();
        while now < begin + 1_000 * MS {
            let next_arrival = *arrivals.peek().unwrap();
            now = turns.poll_timeout().unwrap_or(next_arrival).max(now);
            awake += 1;
            if turns.are_watched() {
                turns.hasten(now);
            }
            assert!(turns.is_due(now));
            let mut received = 0;
            while let Some(came) = arrivals.next_if(|came| *came <= now) {
                received += 1;
                longest = longest.max(now - came);
            }
            turns.on_turn(now, received, false);
        }
        (awake, longest)
    }

    #[test]
    fn what_comes_often_is_received_in_turns() {
        let (awake, longest) = run(MS);
        assert!((40..=44).contains(&awake), "{awake}");
        assert!(longest <= INTERVAL, "{longest:?}");
    }

    #[test]
    fn what_is_rare_is_received_as_it_comes() {
        assert_eq!(run(40 * MS), (25, Duration::ZERO));
    }

    #[test]
    fn a_turn_is_early_where_the_shard_is_awake_and_at_once_where_there_is_more() {
        let (mut turns, now) = (FeedbackTurns::default(), test_start());
        assert!(!turns.is_due(now) && turns.are_watched());
        turns.on_turn(now, 2, false);
        assert!(!turns.is_due(now + INTERVAL - SLACK - MS) && !turns.are_watched());
        assert!(turns.is_due(now + INTERVAL - SLACK));
        turns.on_turn(now, 256, true);
        assert_eq!(turns.poll_timeout(), Some(now));
        turns.on_turn(now, 0, false);
        assert!(turns.are_watched());
    }
}
