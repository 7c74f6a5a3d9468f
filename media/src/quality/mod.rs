//! How good a call is for each participant, as a score and as a level that people understand.
//!
//! Scores are on the scale of mean opinion scores (ITU-T P.800.1): 1 is bad, 5 is excellent. Sound is judged by the E-model
//! ([`audio`]), pictures by a formula of Parlor's own ([`video`]); `docs/quality.md` says what both leave out. A direction is as good as
//! the worse of its sound and its pictures, a participant as the worse of its directions. [`Standing`] smooths that, and decides
//! when a level has changed. All of it is pure, and none of it is done per packet.

pub(crate) mod audio;
mod standing;
pub(crate) mod video;

pub(crate) use standing::{JUDGED_EVERY, Standing};

use crate::vocabulary::vocabulary;

vocabulary! {
    /// How good somebody's connection is, in a word.
    Level {
        /// Nothing is known yet, or nothing is sent any more by which it could be judged.
        Unknown => "unknown",
        /// Hardly anybody would complain: a score of 4 and more.
        Excellent => "excellent",
        /// Some would notice: a score of 3.1 and more.
        Good => "good",
        /// Most would complain: a score below 3.1.
        Poor => "poor",
        /// Nothing was heard of the client for ten seconds.
        Lost => "lost",
    }
}

/// How good somebody's connection is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Quality {
    /// In a word.
    pub level: Level,
    /// What comes from it, 1 to 5; `None` where nothing is known.
    pub up: Option<f32>,
    /// What goes to it, 1 to 5; `None` where nothing is known.
    pub down: Option<f32>,
}

impl Quality {
    /// Of somebody of whom nothing is known yet.
    pub const UNKNOWN: Self = Self { level: Level::Unknown, up: None, down: None };

    /// The worse direction's, where anything is known.
    #[must_use]
    pub fn score(&self) -> Option<f32> {
        worse(self.up, self.down)
    }
}

/// The lower of two scores, as far as they are known.
pub(crate) fn worse(a: Option<f32>, b: Option<f32>) -> Option<f32> {
    a.zip(b).map(|(a, b)| a.min(b)).or(a).or(b)
}

/// The mean of what was added, without a list.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mean {
    sum: f32,
    count: u32,
}

impl Mean {
    /// Adds a value.
    pub(crate) fn add(&mut self, value: f32) {
        self.sum += value;
        self.count += 1;
    }

    /// `None` of nothing.
    pub(crate) fn get(self) -> Option<f32> {
        (self.count > 0).then(|| self.sum / self.count as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_direction_counts_where_both_are_known() {
        let score = |up, down| Quality { level: Level::Good, up, down }.score();
        assert_eq!(score(Some(4.0), Some(2.0)), Some(2.0));
        assert_eq!((score(None, Some(2.0)), score(Some(4.0), None), score(None, None)), (Some(2.0), Some(4.0), None));
    }

    #[test]
    fn a_mean_of_nothing_is_nothing() {
        let mut mean = Mean::default();
        assert_eq!(mean.get(), None);
        mean.add(1.0);
        mean.add(4.0);
        assert_eq!(mean.get(), Some(2.5));
    }
}
