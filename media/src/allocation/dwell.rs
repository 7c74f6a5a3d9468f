//! How long a subscription stays as it is: falls are at once, rises take their time.
//!
//! A rise that is followed by a fall soon after has failed: the budget was not really there. Each failure makes the time until the next
//! try longer: 2, 8, 32, then 64 s. From the second failure on a layer is tried twice a minute at most, which is four changes, whatever
//! the budget does short of [`Rise::Clear`]; from the third on once, since on a slow path each try makes the sound wait for a second or two.

use super::{Decision, Rise, Wish};
use std::time::{Duration, Instant};

/// Between a fall and the next rise at least.
pub(crate) const MIN_WAIT: Duration = Duration::from_secs(2);
/// Each failure multiplies the wait by this. Two failures are enough to tell a budget that wavers: doubling would show ten changes
/// in the first minute.
const BACKOFF: u32 = 4;
/// Between a fall and the next rise at most.
pub(crate) const MAX_WAIT: Duration = Duration::from_secs(64);
/// Between a fall and the next rise at most for who is shown nothing.
pub(crate) const BLACK_WAIT: Duration = Duration::from_secs(4);
/// A rise that has lasted this long was right: the fall after it has another reason, and doubles nothing.
pub(crate) const PROVEN: Duration = Duration::from_secs(30);
/// A rise that has lasted this long ends the memory of failures. Shorter, and a budget that wavers slowly would be tried in
/// vain at short intervals again and again.
pub(crate) const FORGOTTEN: Duration = Duration::from_secs(300);

/// What is remembered of one subscription's changes for lack of bandwidth, or for the end of it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Dwell {
    /// When it last rose; `None` once a fall has been laid to that.
    rose_at: Option<Instant>,
    fell_at: Option<Instant>,
    /// Between the last fall and the next rise; zero before the first.
    wait: Duration,
}

impl Dwell {
    /// Whether it may rise now: for [`Wish::rise`].
    pub(crate) fn rise(&self, now: Instant) -> Rise {
        let since = |at: Option<Instant>| at.map_or(Duration::MAX, |at| now.saturating_duration_since(at));
        let since_fall = since(self.fell_at);
        // A second rise waits as well for a while, or each of several layers would fail in its turn.
        let since_change = if since_fall < self.wait * 2 { since_fall.min(since(self.rose_at)) } else { since_fall };
        if since_fall < MIN_WAIT.min(self.wait) {
            Rise::Held
        } else if since_change < self.wait {
            Rise::Clear
        } else {
            Rise::Free
        }
    }

    /// The same for who is shown nothing at all: black is no quality to be kept.
    pub(crate) fn rise_from_nothing(&self, now: Instant) -> Rise {
        let has_waited = self.fell_at.is_none_or(|at| now.saturating_duration_since(at) >= BLACK_WAIT);
        if has_waited { Rise::Free } else { self.rise(now) }
    }

    /// Takes note of what was decided upon a wish. A change that the budget had no part in, such as another limit, a smaller view or an
    /// encoding that ended, leaves no memory. Returns whether it is a fall for want of room.
    pub(crate) fn on_decision(&mut self, now: Instant, wish: &Wish, decision: Decision) -> bool {
        let (before, after) = (wish.current, decision.layer());
        let falls = before.is_some_and(|before| {
            wish.is_useful(before) && after.is_none_or(|after| wish.quality(after) < wish.quality(before))
        });
        if falls {
            self.on_fall(now);
        }
        match (before, after) {
            (Some(before), Some(after)) if wish.quality(after) > wish.quality(before) => self.rose_at = Some(now),
            (None, Some(_)) if wish.was_paused => self.rose_at = Some(now),
            _ => {}
        }
        falls
    }

    /// What the next rise waits for after a fall.
    #[cfg(test)]
    pub(super) fn wait(&self) -> Duration {
        self.wait
    }

    /// Forgets everything: the subscriber wants something else than before, and should not wait for it.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    fn on_fall(&mut self, now: Instant) {
        // Without a rise it is a further fall of the same kind, or one from where it began.
        let lasted = self.rose_at.take().map(|rose_at| now.saturating_duration_since(rose_at));
        self.wait = match lasted {
            Some(lasted) if lasted < PROVEN => self.wait * BACKOFF,
            Some(lasted) if lasted >= FORGOTTEN => Duration::ZERO,
            _ => self.wait,
        }
        .clamp(MIN_WAIT, MAX_WAIT);
        self.fell_at = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocation::Layer;
    use crate::allocation::tests::{camera, sent};
    use crate::feedback::test_start;

    #[test]
    fn who_is_shown_nothing_does_not_wait_for_long() {
        let (start, mut dwell) = (test_start(), Dwell::default());
        let (shown, paused) = (sent(camera(0), 0), Wish { was_paused: true, ..camera(0) });
        let mut now = start;
        for tries in 0..4 {
            dwell.on_decision(now, &shown, Decision::Paused);
            assert!(tries == 0 || dwell.rise_from_nothing(now + BLACK_WAIT * 3 / 4) != Rise::Free);
            now += BLACK_WAIT;
            assert_eq!(dwell.rise_from_nothing(now), Rise::Free);
            dwell.on_decision(now, &paused, Decision::Forward(Layer { encoding: 0, spatial: None, temporal: None }));
        }
        assert_ne!(dwell.rise(now), Rise::Free, "who is shown something else waits for longer");
    }

    #[test]
    fn what_the_budget_has_no_part_in_is_not_remembered() {
        let (start, mut dwell) = (test_start(), Dwell::default());
        let low = Decision::Forward(Layer { encoding: 0, spatial: None, temporal: None });
        let mut wish = sent(camera(0), 2);
        wish.limit = Some(0);
        dwell.on_decision(start, &wish, low);
        wish.limit = None;
        wish.offers[2].is_available = false;
        dwell.on_decision(start, &wish, low);
        assert_eq!(dwell.rise(start), Rise::Free);
        wish.offers[2].is_available = true;
        dwell.on_decision(start, &wish, low);
        assert_eq!(dwell.rise(start), Rise::Held);
        dwell.reset();
        assert_eq!(dwell.rise(start), Rise::Free);
    }
}
