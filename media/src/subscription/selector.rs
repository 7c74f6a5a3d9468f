//! Which simulcast encoding a subscriber receives, and when a switch may happen.
//!
//! A switch waits for a key frame of the wanted encoding; until then the current one goes on, so that the picture never
//! stands still for a change of quality.

use std::time::{Duration, Instant};

/// An encoding without a packet for this long is not sent at present: its publisher ran out of bandwidth or switched it off.
/// Longer than the frame interval of a slow screen share.
pub(crate) const ALIVE_FOR: Duration = Duration::from_millis(1500);

/// Encodings of one publication at most: three are usual, Firefox and the RFC allow more.
pub(crate) const MAX_ENCODINGS: usize = 4;

/// What the selector says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Selection {
    /// It belongs to the encoding that is forwarded.
    Forward,
    /// It begins the wanted encoding: forward it as the first of a new source.
    Switch,
    /// It belongs to another encoding.
    Drop,
}

/// See the module's text. Encodings are numbered by quality, 0 the lowest.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    current: Option<usize>,
    target: Option<usize>,
    /// The subscriber's wish; `None` for the best there is.
    limit: Option<usize>,
}

impl Selector {
    /// The encoding that is forwarded.
    pub(crate) fn current(&self) -> Option<usize> {
        self.current
    }

    /// The encoding whose key frame is awaited, if any.
    pub(crate) fn awaited(&self) -> Option<usize> {
        self.target.filter(|target| self.current != Some(*target))
    }

    /// Sets the highest encoding that is wanted.
    pub(crate) fn set_limit(&mut self, limit: Option<usize>) {
        self.limit = limit;
    }

    /// Starts over: whatever comes next must begin with a key frame.
    pub(crate) fn reset(&mut self) {
        self.current = None;
        self.target = None;
    }

    /// Chooses the target anew from when each encoding was last heard. Returns whether a key frame of another encoding is now awaited.
    ///
    /// The best alive encoding within the limit; if none within it is alive, the lowest that is.
    pub(crate) fn choose(&mut self, now: Instant, last_heard: &[Option<Instant>]) -> bool {
        let alive = |index: &usize| last_heard[*index].is_some_and(|at| now.saturating_duration_since(at) < ALIVE_FOR);
        let within = self.limit.map_or(last_heard.len(), |limit| (limit + 1).min(last_heard.len()));
        let best = (0..within).rev().find(alive).or_else(|| (within..last_heard.len()).find(alive));
        if best.is_some() {
            self.target = best;
        }
        self.awaited().is_some()
    }

    /// Judges a packet of `encoding`; `begins` tells whether it begins a key frame (or needs none, as audio does).
    pub(crate) fn select(&mut self, encoding: usize, begins: bool) -> Selection {
        if self.current == Some(encoding) {
            return Selection::Forward;
        }
        let wanted = self.target.is_none_or(|target| target == encoding)
            // With nothing to show yet, any encoding's key frame is better than black.
            || self.current.is_none();
        if wanted && begins {
            self.current = Some(encoding);
            self.target.get_or_insert(encoding);
            return Selection::Switch;
        }
        Selection::Drop
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Instant {
        #[allow(clippy::disallowed_methods, reason = "an anchor for virtual time")]
        Instant::now()
    }

    #[test]
    fn a_switch_waits_for_the_key_frame_of_the_wanted_encoding() {
        let (mut selector, now) = (Selector::default(), now());
        assert_eq!(selector.select(0, false), Selection::Drop);
        assert_eq!(selector.select(0, true), Selection::Switch, "anything is better than black");
        assert!(selector.choose(now, &[Some(now), Some(now), Some(now)]));
        assert_eq!(selector.awaited(), Some(2));
        assert_eq!(selector.select(2, false), Selection::Drop);
        assert_eq!(selector.select(1, true), Selection::Drop);
        assert_eq!(selector.select(0, false), Selection::Forward);
        assert_eq!(selector.select(2, true), Selection::Switch);
        assert_eq!(selector.select(0, false), Selection::Drop);
        assert_eq!(selector.awaited(), None);
    }

    #[test]
    fn the_wish_limits_and_silence_lowers() {
        let (mut selector, now) = (Selector::default(), now());
        let late = now + ALIVE_FOR;
        selector.set_limit(Some(1));
        selector.choose(now, &[Some(now), Some(now), Some(now)]);
        assert_eq!(selector.awaited(), Some(1));
        selector.choose(late, &[Some(late), Some(now), Some(late)]);
        assert_eq!(selector.awaited(), Some(0), "the wanted one fell silent");
        selector.choose(late, &[None, None, Some(late)]);
        assert_eq!(selector.awaited(), Some(2), "only a higher one is sent at all");
        selector.choose(late, &[None, None, None]);
        assert_eq!(selector.awaited(), Some(2), "with nothing alive the choice stands");
    }
}
