//! Which encodings of a track anybody watches. What nobody does its publisher need not send.

use crate::subscription::{ALIVE_FOR, MAX_ENCODINGS};
use std::time::{Duration, Instant};

/// How long an encoding is sent after it was last watched: people scroll and turn pages, and an estimate comes back.
const LINGER: Duration = Duration::from_secs(10);

/// The same for the lowest while another one of the track is watched: whose path becomes narrow needs it at once, and it costs its
/// publisher least.
const LOWEST_LINGER: Duration = Duration::from_secs(60);

/// An encoding that is watched again counts as being sent for so long before it must be heard: the publisher has to be told, and an
/// encoder to begin.
const WAKING: Duration = Duration::from_millis(ALIVE_FOR.as_millis() as u64 + 1_500);

/// See the module's text. Encodings are bits, the lowest first.
#[derive(Clone, Debug)]
pub(crate) struct Watching {
    /// What the publisher was told to be wanted.
    told: u8,
    /// When each encoding was last watched, or could have been.
    watched_at: [Option<Instant>; MAX_ENCODINGS],
    /// When each was last wanted after it had not been.
    woken_at: [Option<Instant>; MAX_ENCODINGS],
}

impl Default for Watching {
    fn default() -> Self {
        Self { told: u8::MAX, watched_at: [None; MAX_ENCODINGS], woken_at: [None; MAX_ENCODINGS] }
    }
}

impl Watching {
    /// Takes note of the encodings that are watched, of so many. Returns those that are to be wanted from the publisher, if that
    /// has changed; it then counts as told.
    pub(crate) fn update(&mut self, now: Instant, watched: u8, count: usize) -> Option<u8> {
        let mut wanted = self.told;
        for (index, at) in self.watched_at.iter_mut().enumerate().take(count) {
            let bit = 1 << index;
            let since = *at.get_or_insert(now);
            let linger = if index == 0 && watched != 0 { LOWEST_LINGER } else { LINGER };
            if watched & bit != 0 {
                *at = Some(now);
                if wanted & bit == 0 {
                    self.woken_at[index] = Some(now);
                }
                wanted |= bit;
            } else if now.saturating_duration_since(since) >= linger {
                wanted &= !bit;
            }
        }
        (std::mem::replace(&mut self.told, wanted) != wanted).then_some(wanted)
    }

    /// Whether an encoding can be had though nothing is heard of it: it was put off, or is being woken.
    pub(crate) fn can_wake(&self, now: Instant, encoding: usize) -> bool {
        let is_asleep = self.told >> encoding & 1 == 0;
        let woken_at = self.woken_at.get(encoding).copied().flatten();
        is_asleep || woken_at.is_some_and(|at| now.saturating_duration_since(at) < WAKING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;

    #[test]
    fn what_nobody_watches_is_put_off_after_a_while_and_woken_at_once() {
        let (mut watching, start) = (Watching::default(), test_start());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(watching.update(at(0), 0b001, 3), None, "somebody may come");
        assert_eq!(watching.update(at(9_999), 0b001, 3), None);
        assert_eq!(watching.update(at(10_000), 0b001, 3), Some(!0b110));
        assert!(watching.can_wake(at(20_000), 2) && !watching.can_wake(at(20_000), 0));
        assert_eq!(watching.update(at(20_000), 0b101, 3), Some(!0b010));
        assert_eq!(watching.update(at(20_000), 0b101, 3), None, "told once");
        assert!(watching.can_wake(at(22_999), 2) && !watching.can_wake(at(23_000), 2), "then it must be heard");
        assert!(watching.can_wake(at(99_999), 1));
    }

    #[test]
    fn the_lowest_is_put_off_last() {
        let (mut watching, start) = (Watching::default(), test_start());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(watching.update(at(0), 0b100, 3), None);
        assert_eq!(watching.update(at(10_000), 0b100, 3), Some(!0b010), "somebody may need it at once");
        assert_eq!(watching.update(at(60_000), 0b100, 3), Some(!0b011));
        assert_eq!(watching.update(at(69_999), 0b000, 3), None);
        assert_eq!(watching.update(at(70_000), 0b000, 3), Some(!0b111), "nobody watches anything");
    }
}
