//! Whose frame leaves next, of the streams that wait: weighted fair queueing (Demers, Keshav and Shenker, 1989), with frames for packets.
//!
//! Of a frame only the last packet shows anything. If all streams had turns, one packet each, then of twenty key frames that wait at once
//! the first would be complete no sooner than the last. So turns are only reckoned with: frames leave whole, in the order in which they
//! would be complete by turns. None of them is complete later than it would be then, and a key frame holds up no smaller picture.

/// What a stream has been sent by turns, in bytes: the time that all of this is reckoned in. Each stream is sent as much as every other one
/// for as long as it has something to be sent.
pub(super) type Ticks = u64;

/// See the module's text.
#[derive(Default)]
pub(super) struct Turns {
    now: Ticks,
    /// When the streams would have been sent all of theirs. At most one for each line.
    ends: Vec<(u16, Ticks)>,
}

impl Turns {
    /// When the next frame of a line would begin.
    pub(super) fn begin(&self, line: u16) -> Ticks {
        self.ends.iter().find(|(known, _)| *known == line).map_or(self.now, |(_, end)| self.now.max(*end))
    }

    /// All that a line has to be sent would be sent then.
    pub(super) fn lasts(&mut self, line: u16, end: Ticks) {
        match self.ends.iter_mut().find(|(known, _)| *known == line) {
            Some((_, known)) => *known = end.max(*known),
            None => self.ends.push((line, end)),
        }
    }

    /// All that a line has to be sent still would be sent then; `None` if that is nothing.
    pub(super) fn shorten(&mut self, line: u16, end: Option<Ticks>) {
        self.ends.retain(|(known, _)| *known != line);
        self.ends.extend(end.map(|end| (line, end)));
    }

    /// So many bytes were sent, of whichever stream.
    pub(super) fn advance(&mut self, mut bytes: u64) {
        // A stream that has all of its own by then leaves its share to the others.
        while let Some(first) = self.ends.iter().map(|(_, end)| end.saturating_sub(self.now)).min() {
            let streams = self.ends.len() as u64;
            if bytes < first * streams {
                self.now += bytes / streams;
                return;
            }
            bytes -= first * streams;
            self.now += first;
            self.ends.retain(|(_, end)| *end > self.now);
        }
    }

    /// Nothing waits any more.
    pub(super) fn clear(&mut self) {
        self.now = 0;
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_sent_equal_shares_until_each_has_its_own() {
        let mut turns = Turns::default();
        assert_eq!(turns.begin(1), 0);
        turns.lasts(1, 1_000);
        turns.lasts(2, 5_000);
        assert_eq!((turns.begin(1), turns.begin(2), turns.begin(3)), (1_000, 5_000, 0));
        turns.advance(1_000);
        assert_eq!(turns.begin(3), 500, "of each");
        turns.advance(2_000);
        assert_eq!(
            (turns.begin(1), turns.begin(3)),
            (2_000, 2_000),
            "the first has its own after 1,000, and the second has all the rest"
        );
        turns.advance(99_000);
        assert_eq!((turns.begin(1), turns.begin(2)), (5_000, 5_000), "nobody is sent more than there is");
        turns.clear();
        assert_eq!(turns.begin(2), 0);
    }

    #[test]
    fn what_is_added_goes_behind_what_the_stream_has_already() {
        let mut turns = Turns::default();
        turns.lasts(1, 1_000);
        turns.lasts(1, 700);
        assert_eq!(turns.begin(1), 1_000);
        turns.lasts(1, 1_500);
        assert_eq!(turns.begin(1), 1_500);
    }

    #[test]
    fn a_stream_that_lets_go_of_what_it_has_has_its_turn_sooner() {
        let mut turns = Turns::default();
        turns.lasts(1, 5_000);
        turns.lasts(2, 1_000);
        turns.shorten(1, Some(700));
        assert_eq!((turns.begin(1), turns.begin(2)), (700, 1_000));
        turns.shorten(2, None);
        assert_eq!((turns.begin(1), turns.begin(2)), (700, 0));
        turns.advance(700);
        assert_eq!(turns.begin(2), 700, "it has all the rest");
    }
}
