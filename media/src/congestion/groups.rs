//! Packets that left together, and how the time between such groups changed on the way.
//!
//! The rule is libwebrtc's (`modules/congestion_controller/goog_cc/inter_arrival_delta.cc`; draft-ietf-rmcat-gcc-02
//! section 5.2): packets sent within 5 ms are a group, and so are those that a radio or a busy receiver held back and
//! delivered at once, since their delay says nothing of a queue. Of two groups that follow each other the difference
//! between last arrivals is compared with that between last departures.

/// The weight of a spacing in the running average of the jitter is one to so much, as in RFC 3550.
const JITTER_SHARE: i64 = 16;
/// No spacing counts for more.
const MAX_JITTER_US: i64 = 200_000;
/// Packets sent within this of a group's first belong to it.
const SPAN_US: i64 = 5_000;
/// A packet that arrives this soon behind another, and is delayed less, belongs to the same burst.
const BURST_GAP_US: i64 = 5_000;
/// The longest burst.
const MAX_BURST_US: i64 = 100_000;
/// Arrivals that advance so much more than the sender's clock between two feedbacks show that the receiver's has jumped.
const CLOCK_JUMP_US: i64 = 3_000_000;
/// After so many groups in a row that arrive before their predecessors the order is taken as it is.
const MAX_REORDERED: u8 = 3;

/// How a group followed the one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spacing {
    pub(super) sent_us: i64,
    pub(super) arrived_us: i64,
    /// The arrival of the latter group, on the receiver's clock.
    pub(super) arrival_us: i64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent_us: i64,
    last_sent_us: i64,
    first_arrival_us: i64,
    last_arrival_us: i64,
    /// When the sender heard of its last packet.
    heard_us: i64,
}

/// The end of a group that is complete.
#[derive(Clone, Copy, Debug)]
struct End {
    sent_us: i64,
    arrival_us: i64,
    heard_us: i64,
}

/// The two latest groups.
#[derive(Debug, Default)]
pub(super) struct Groups {
    current: Option<Group>,
    previous: Option<End>,
    reordered: u8,
    jitter_us: i64,
}

impl Groups {
    /// How unevenly groups arrive: the mean of what their spacings differ by from those at departure.
    pub(super) const fn jitter_us(&self) -> i64 {
        self.jitter_us
    }

    /// Takes packets that left at once and arrived together, in the order of arrival. When they begin a group, the spacing of the two
    /// before it.
    pub(super) fn on_packets(&mut self, sent_us: i64, arrival_us: i64, heard_us: i64) -> Option<Spacing> {
        let fresh = Group {
            first_sent_us: sent_us,
            last_sent_us: sent_us,
            first_arrival_us: arrival_us,
            last_arrival_us: arrival_us,
            heard_us,
        };
        let Some(current) = &mut self.current else {
            self.current = Some(fresh);
            return None;
        };
        if sent_us < current.first_sent_us {
            return None;
        }
        if current.takes(sent_us, arrival_us) {
            current.last_sent_us = current.last_sent_us.max(sent_us);
            current.last_arrival_us = arrival_us;
            current.heard_us = heard_us;
            return None;
        }
        let closed =
            End { sent_us: current.last_sent_us, arrival_us: current.last_arrival_us, heard_us: current.heard_us };
        *current = fresh;
        let previous = self.previous.replace(closed)?;
        self.spacing(previous, closed)
    }

    fn spacing(&mut self, previous: End, closed: End) -> Option<Spacing> {
        let arrived_us = closed.arrival_us - previous.arrival_us;
        if arrived_us - (closed.heard_us - previous.heard_us) >= CLOCK_JUMP_US {
            *self = Self::default();
            return None;
        }
        if arrived_us < 0 {
            self.reordered += 1;
            if self.reordered >= MAX_REORDERED {
                *self = Self::default();
            }
            return None;
        }
        self.reordered = 0;
        let sent_us = closed.sent_us - previous.sent_us;
        let uneven_us = (arrived_us - sent_us).abs().min(MAX_JITTER_US);
        self.jitter_us += (uneven_us - self.jitter_us) / JITTER_SHARE;
        Some(Spacing { sent_us, arrived_us, arrival_us: closed.arrival_us })
    }
}

impl Group {
    fn takes(&self, sent_us: i64, arrival_us: i64) -> bool {
        let arrived_apart = arrival_us - self.last_arrival_us;
        let sent_apart = sent_us - self.last_sent_us;
        let is_burst = sent_apart == 0
            || arrived_apart < sent_apart
                && arrived_apart <= BURST_GAP_US
                && arrival_us - self.first_arrival_us < MAX_BURST_US;
        is_burst || sent_us - self.first_sent_us <= SPAN_US
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000;

    fn feed(groups: &mut Groups, packets: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let spacings =
            packets.iter().filter_map(|(sent, arrival)| groups.on_packets(sent * MS, arrival * MS, arrival * MS));
        spacings.map(|spacing| (spacing.sent_us / MS, spacing.arrived_us / MS)).collect()
    }

    #[test]
    fn a_frame_is_one_group() {
        let packets = [(0, 50), (2, 53), (5, 58), (33, 83), (35, 90), (66, 130), (99, 170)];
        assert_eq!(feed(&mut Groups::default(), &packets), [(30, 32), (31, 40)]);
    }

    #[test]
    fn what_is_delivered_at_once_is_one_group() {
        let packets = [(0, 50), (20, 70), (40, 120), (60, 122), (80, 124), (100, 150), (120, 170)];
        assert_eq!(feed(&mut Groups::default(), &packets), [(20, 20), (60, 54), (20, 26)]);
    }

    #[test]
    fn packets_older_than_the_group_are_left_out() {
        let packets = [(0, 50), (20, 70), (40, 90), (19, 92), (60, 110), (80, 130)];
        assert_eq!(feed(&mut Groups::default(), &packets), [(20, 20), (20, 20), (20, 20)]);
    }

    #[test]
    fn a_jump_of_the_receivers_clock_begins_anew() {
        let mut groups = Groups::default();
        let mut spacings = Vec::new();
        for i in 0..10 {
            let jump = if i >= 5 { 3_600_000 * MS } else { 0 };
            spacings.extend(groups.on_packets(i * 20 * MS, i * 20 * MS + jump, i * 20 * MS));
        }
        assert!(spacings.iter().all(|spacing| spacing.arrived_us == 20 * MS), "{spacings:?}");
        assert!(spacings.len() >= 5);
    }

    #[test]
    fn a_clock_that_runs_back_is_believed_after_a_while() {
        let mut groups = Groups::default();
        let late = (0..20).filter_map(|i| groups.on_packets(i * 20 * MS, -i * 20 * MS, i * 20 * MS));
        assert_eq!(late.count(), 0);
        let spacings = (21..30).filter_map(|i| groups.on_packets(i * 20 * MS, i * 20 * MS, i * 20 * MS));
        assert!(spacings.count() >= 5);
    }
}
