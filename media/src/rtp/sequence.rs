//! Sequence numbers and timestamps without their wrap-around (after RFC 3550 appendix A.1).
//!
//! An unwrapped number is the nearest to the highest so far, so that reordering across a wrap is resolved. The first is
//! placed one whole cycle above zero: numbers older than the first never fall below zero.

/// Unwraps 16-bit sequence numbers of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct SequenceUnwrapper {
    highest: Option<u64>,
}

impl SequenceUnwrapper {
    /// The extended sequence number, which becomes the reference when it is the highest so far.
    pub fn unwrap(&mut self, sequence: u16) -> u64 {
        let extended = self.peek(sequence);
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        extended
    }

    /// The same without becoming the reference: for numbers from feedback, which prove nothing about the stream.
    #[must_use]
    pub fn peek(&self, sequence: u16) -> u64 {
        match self.highest {
            None => (1 << 16) + u64::from(sequence),
            Some(highest) => {
                let distance = sequence.wrapping_sub(highest as u16) as i16;
                highest.saturating_add_signed(i64::from(distance))
            }
        }
    }

    /// Takes note of a number that is extended already.
    pub fn reach(&mut self, sequence: u64) {
        self.highest = Some(self.highest.map_or(sequence, |highest| highest.max(sequence)));
    }

    /// The highest number so far.
    #[must_use]
    pub const fn highest(&self) -> Option<u64> {
        self.highest
    }
}

/// Unwraps 32-bit RTP timestamps of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimestampUnwrapper {
    highest: Option<u64>,
}

impl TimestampUnwrapper {
    /// The extended timestamp, which becomes the reference when it is the highest so far.
    pub fn unwrap(&mut self, timestamp: u32) -> u64 {
        let extended = match self.highest {
            None => (1 << 32) + u64::from(timestamp),
            Some(highest) => {
                let distance = timestamp.wrapping_sub(highest as u32) as i32;
                highest.saturating_add_signed(i64::from(distance))
            }
        };
        self.highest = Some(self.highest.map_or(extended, |highest| highest.max(extended)));
        extended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn reordering_across_the_wrap_is_resolved() {
        let mut unwrapper = SequenceUnwrapper::default();
        let start = unwrapper.unwrap(65_534);
        assert_eq!(start, 65_536 + 65_534);
        assert_eq!(unwrapper.unwrap(1), start + 3);
        assert_eq!(unwrapper.unwrap(65_535), start + 1);
        assert_eq!(unwrapper.unwrap(0), start + 2);
        assert_eq!(unwrapper.highest(), Some(start + 3));
    }

    #[test]
    fn numbers_before_the_first_stay_positive() {
        let mut unwrapper = SequenceUnwrapper::default();
        assert_eq!(unwrapper.unwrap(0), 65_536);
        assert_eq!(unwrapper.unwrap(0x8000), 65_536 - 0x8000);
        let mut timestamps = TimestampUnwrapper::default();
        let first = timestamps.unwrap(5);
        assert_eq!(timestamps.unwrap(u32::MAX), first - 6);
    }

    #[test]
    fn peeking_changes_nothing() {
        let mut unwrapper = SequenceUnwrapper::default();
        let first = unwrapper.unwrap(10);
        assert_eq!(unwrapper.peek(500), first + 490);
        assert_eq!(unwrapper.highest(), Some(first));
    }

    proptest! {
        #[test]
        fn follows_any_walk_of_small_steps(start in any::<u16>(), steps in prop::collection::vec(-3_000i64..9_000, 1..200)) {
            let mut unwrapper = SequenceUnwrapper::default();
            let mut timestamps = TimestampUnwrapper::default();
            let mut truth = (1 << 16) + i64::from(start);
            unwrapper.unwrap(start);
            let offset = timestamps.unwrap(truth as u32) as i64 - truth;
            let mut highest = truth;
            for step in steps {
                truth = (highest + step).max(0);
                highest = highest.max(truth);
                prop_assert_eq!(unwrapper.unwrap(truth as u16), truth as u64);
                prop_assert_eq!(timestamps.unwrap(truth as u32) as i64 - offset, truth);
            }
        }
    }
}
