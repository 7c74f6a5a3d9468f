//! What a stream loses on its way to the client alone, from the client's reports.
//!
//! A receiver misses two kinds of numbers: those of packets that got lost on their way to it, and those of packets that its publisher's
//! network had lost before, for which a number was left. The server knows how many of the latter there are. Each is reported once,
//! though perhaps with the next report only, since a report is as old as half a round trip.

use super::rtcp::ReportBlock;

/// A report that tells of more packets than this is about a stream that the client has begun anew. At 100 packets a second this is two
/// minutes and a half.
const MAX_EXPECTED: u32 = 1 << 14;

/// Packets that were sent since the report before, and how many of them got lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PathLoss {
    pub(crate) sent: u32,
    pub(crate) lost: u32,
}

/// See the module's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Losses {
    /// Extended highest sequence number and losses, as of the latest report.
    highest: u32,
    reported: i32,
    /// Numbers without a packet until then, modulo 2^32.
    gaps: u32,
    /// Of those that came up with the latest report: so many were not reported yet.
    carried: u32,
}

impl Losses {
    /// Of a stream whose first packet has that number.
    pub(crate) fn new(first_sequence: u16) -> Self {
        Self { highest: u32::from(first_sequence).wrapping_sub(1), reported: 0, gaps: 0, carried: 0 }
    }

    /// Takes a report, `gaps` being how many numbers of the stream have no packet until now. `None` for what tells of nothing new.
    pub(crate) fn on_report(&mut self, block: &ReportBlock, gaps: u32) -> Option<PathLoss> {
        let expected = block.highest_sequence.wrapping_sub(self.highest);
        // A gap that is filled late is one less.
        let fresh = (gaps.wrapping_sub(self.gaps) as i32).max(0) as u32;
        let missing = block.cumulative_lost.saturating_sub(self.reported).max(0) as u32;
        (self.highest, self.reported, self.gaps) = (block.highest_sequence, block.cumulative_lost, gaps);
        if !(1..=MAX_EXPECTED).contains(&expected) {
            self.carried = 0;
            return None;
        }
        let known = self.carried.saturating_add(fresh);
        let never_sent = missing.min(known);
        self.carried = (known - never_sent).min(fresh);
        let sent = expected.saturating_sub(never_sent);
        Some(PathLoss { sent, lost: (missing - never_sent).min(sent) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(highest_sequence: u32, cumulative_lost: i32) -> ReportBlock {
        ReportBlock { highest_sequence, cumulative_lost, ..ReportBlock::default() }
    }

    fn loss(sent: u32, lost: u32) -> Option<PathLoss> {
        Some(PathLoss { sent, lost })
    }

    #[test]
    fn reports_are_of_what_was_sent_since_the_one_before() {
        let mut losses = Losses::new(100);
        assert_eq!(losses.on_report(&report(149, 5), 0), loss(50, 5));
        assert_eq!(losses.on_report(&report(199, 5), 0), loss(50, 0));
        assert_eq!(losses.on_report(&report(199, 5), 0), None, "the same once more");
        assert_eq!(losses.on_report(&report(249, 3), 0), loss(50, 0), "what was late came");
        assert_eq!(losses.on_report(&report(299, 4), 0), loss(50, 1));
    }

    #[test]
    fn what_never_left_is_not_the_paths_loss() {
        let mut losses = Losses::new(0);
        assert_eq!(losses.on_report(&report(99, 10), 10), loss(90, 0));
        assert_eq!(losses.on_report(&report(199, 15), 10), loss(100, 5), "each is counted once");
        // Twenty gaps that the report is too old to know of; some of them are filled late.
        assert_eq!(losses.on_report(&report(299, 15), 30), loss(100, 0));
        assert_eq!(losses.on_report(&report(399, 33), 28), loss(82, 0));
        assert_eq!(losses.on_report(&report(499, 43), 28), loss(100, 10), "older ones are not waited for");
    }

    #[test]
    fn a_stream_that_the_client_begins_anew_tells_nothing_at_first() {
        let mut losses = Losses::new(0);
        assert_eq!(losses.on_report(&report(70_000, 500), 0), None);
        assert_eq!(losses.on_report(&report(70_100, 501), 0), loss(100, 1));
        assert_eq!(losses.on_report(&report(4_700, 0), 50), None, "its cycles begin at zero");
        assert_eq!(losses.on_report(&report(4_750, 2), 50), loss(50, 2));
        let absurd = report(4_751, i32::MAX);
        assert_eq!(losses.on_report(&absurd, u32::MAX), loss(1, 1), "no more is lost than was sent");
    }
}
