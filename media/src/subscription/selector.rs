//! Which simulcast encoding a subscriber receives, and when a switch may happen.
//!
//! A switch waits for a key frame of the wanted encoding; until then the current one goes on, so that the picture never
//! stands still for a change of quality.

use std::time::Duration;

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
    /// The encoding that it shall be.
    target: Option<usize>,
    is_stopped: bool,
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

    /// Aims at an encoding: its next key frame is switched to.
    pub(crate) fn aim(&mut self, encoding: usize) {
        self.target = Some(encoding);
        self.is_stopped = false;
    }

    /// Aims at an encoding as [`Self::aim`] does, and forwards nothing of a better one meanwhile.
    pub(crate) fn leave_for(&mut self, encoding: usize) {
        self.current = self.current.filter(|current| *current <= encoding);
        self.aim(encoding);
    }

    /// Forwards nothing until it is aimed again; whether anything was forwarded or awaited.
    pub(crate) fn stop(&mut self) -> bool {
        let was_stopped = std::mem::replace(&mut self.is_stopped, true);
        self.reset();
        !was_stopped
    }

    /// Whether nothing is to be forwarded.
    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    /// Starts over: whatever comes next must begin with a key frame.
    pub(crate) fn reset(&mut self) {
        self.current = None;
        self.target = None;
    }

    /// Whether it may change over to an encoding. With nothing to show yet, a lower one than is aimed at is better than black.
    fn wants(&self, encoding: usize) -> bool {
        !self.is_stopped
            && match self.target {
                None => true,
                Some(target) => target == encoding || (self.current.is_none() && encoding < target),
            }
    }

    /// Whether a packet that would have to wait may be forwarded when it has its turn. What follows a key frame that `waits`
    /// belongs to it.
    pub(crate) fn may_take(&self, encoding: usize, begins: bool, waits: bool) -> bool {
        self.current == Some(encoding) || (self.wants(encoding) && (begins || waits))
    }

    /// Judges a packet of `encoding`; `begins` tells whether it begins a key frame (or needs none, as audio does).
    pub(crate) fn select(&mut self, encoding: usize, begins: bool) -> Selection {
        if self.current == Some(encoding) {
            return Selection::Forward;
        }
        if begins && self.wants(encoding) {
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

    #[test]
    fn a_switch_waits_for_the_key_frame_of_the_wanted_encoding() {
        let mut selector = Selector::default();
        assert_eq!(selector.select(0, false), Selection::Drop);
        assert_eq!(selector.select(0, true), Selection::Switch, "anything is better than black");
        selector.aim(2);
        assert_eq!(selector.awaited(), Some(2));
        assert_eq!(selector.select(2, false), Selection::Drop);
        assert_eq!(selector.select(1, true), Selection::Drop);
        assert_eq!(selector.select(0, false), Selection::Forward);
        assert_eq!(selector.select(2, true), Selection::Switch);
        assert_eq!(selector.select(0, false), Selection::Drop);
        assert_eq!(selector.awaited(), None);
    }

    #[test]
    fn an_encoding_can_be_left_before_the_next_one_begins() {
        let mut selector = Selector::default();
        selector.aim(2);
        assert_eq!(selector.select(2, true), Selection::Switch);
        selector.leave_for(0);
        assert_eq!((selector.current(), selector.awaited()), (None, Some(0)));
        assert_eq!(selector.select(2, true), Selection::Drop);
        assert_eq!(selector.select(0, true), Selection::Switch);
        selector.leave_for(0);
        assert_eq!(selector.select(0, false), Selection::Forward, "it is there already");
        selector.leave_for(1);
        assert_eq!(selector.select(0, false), Selection::Forward, "until the better one begins");
        assert_eq!(selector.select(1, true), Selection::Switch);
    }

    #[test]
    fn with_nothing_to_show_a_lower_encoding_serves_and_a_higher_one_does_not() {
        let mut selector = Selector::default();
        selector.aim(1);
        assert_eq!(selector.select(2, true), Selection::Drop, "it is more than fits");
        assert_eq!(selector.select(0, true), Selection::Switch);
        assert_eq!((selector.current(), selector.awaited()), (Some(0), Some(1)));
    }

    #[test]
    fn nothing_is_forwarded_once_it_is_stopped() {
        let mut selector = Selector::default();
        selector.aim(0);
        assert_eq!(selector.select(0, true), Selection::Switch);
        assert!(selector.stop() && !selector.stop());
        assert_eq!((selector.select(0, true), selector.current(), selector.awaited()), (Selection::Drop, None, None));
        assert!(!selector.may_take(0, true, true));
        selector.aim(0);
        assert_eq!(selector.select(0, false), Selection::Drop, "it begins anew");
        assert_eq!(selector.select(0, true), Selection::Switch);
    }

    #[test]
    fn what_waits_for_its_turn_may_follow_a_key_frame_that_waits() {
        let mut selector = Selector::default();
        selector.aim(1);
        assert!(selector.may_take(1, true, false) && !selector.may_take(1, false, false));
        assert!(selector.may_take(1, false, true) && !selector.may_take(2, true, true));
    }
}
