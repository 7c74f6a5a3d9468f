//! Which video comes first: pinned or a shared screen, then the active speaker, then the larger on the subscriber's screen, then those
//! of unknown size. Among equals those come first that have a better picture already, so that a picture does not wander from one to
//! another while what they cost varies.

use super::Wish;
use crate::command::Source;
use crate::subscription::MAX_ENCODINGS;

/// A wish's importance; the least comes first. Wishes of one class are equals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Rank {
    class: u8,
    /// Less for who has more.
    standing: u8,
    number: u32,
}

/// What the viewer has singled out.
const CHOSEN: u8 = 0;
/// Who speaks.
const SPEAKER: u8 = 1;
/// Everybody else: the largest first, in steps of a factor of two in area, so that tiles of nearly one size are equals.
const OTHERS: u8 = 2;

impl Rank {
    pub(super) fn of(wish: &Wish) -> Self {
        let class = if wish.view.pinned || wish.source == Source::Screen {
            CHOSEN
        } else if wish.speaks {
            SPEAKER
        } else {
            let area = wish.view.size.map_or(0, |(width, height)| u32::from(width) * u32::from(height));
            OTHERS + area.leading_zeros() as u8
        };
        let standing =
            wish.current.map_or(u8::MAX, |layer| u8::MAX - 1 - wish.offer_of(layer).min(MAX_ENCODINGS) as u8);
        Self { class, standing, number: wish.order }
    }

    /// Whether two wishes are equals, to be served in turns.
    pub(super) fn is_equal(self, other: Self) -> bool {
        self.class == other.class
    }
}
