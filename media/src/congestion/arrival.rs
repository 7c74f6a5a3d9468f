//! What feedback says of packets that need not be told apart.

use super::history::Sent;

/// A frame's packets leave at once, and on a path that is fast arrive so close to each other that they count as one.
const TOGETHER_US: i64 = 1_000;

/// Packets that left at once and arrived within [`TOGETHER_US`], or a packet of a probe.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arrival {
    /// The first of them.
    pub(super) sent: Sent,
    pub(super) packets: u32,
    pub(super) bytes: u32,
    pub(super) first_us: i64,
    pub(super) last_us: i64,
}

impl Arrival {
    pub(super) fn new(sent: Sent, arrival_us: i64) -> Self {
        Self { sent, packets: 1, bytes: u32::from(sent.bytes), first_us: arrival_us, last_us: arrival_us }
    }

    /// Counts another packet with them, if it came with them; whether it did.
    #[inline]
    pub(super) fn takes(&mut self, sent: Sent, arrival_us: i64) -> bool {
        let is_together = sent.at_us == self.sent.at_us
            && (self.last_us..=self.first_us + TOGETHER_US).contains(&arrival_us)
            && (sent.cluster, self.sent.cluster) == (0, 0);
        if is_together {
            self.packets += 1;
            self.bytes += u32::from(sent.bytes);
            self.last_us = arrival_us;
        }
        is_together
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::history::History;

    #[test]
    fn what_left_at_once_and_arrived_together_is_one_arrival() {
        let mut history = History::new();
        for (at_us, cluster) in [(100, 0), (100, 0), (200, 0), (100, 3)] {
            history.push(at_us, 1_000, cluster);
        }
        let base = history.next_sequence().wrapping_sub(4);
        let [first, second, later, probe] = [0, 1, 2, 3].map(|n| history.arrive(base.wrapping_add(n)).expect("sent"));
        let mut arrival = Arrival::new(first, 5_000);
        assert!(arrival.takes(second, 5_000 + TOGETHER_US));
        assert_eq!((arrival.packets, arrival.bytes, arrival.first_us, arrival.last_us), (2, 2_000, 5_000, 6_000));
        assert!(!arrival.takes(second, 6_001), "a queue let go of it one by one");
        assert!(!arrival.takes(second, 5_999), "out of order");
        assert!(!arrival.takes(later, 6_000) && !arrival.takes(probe, 6_000));
        assert!(!Arrival::new(probe, 5_000).takes(second, 5_000));
        assert_eq!(
            (arrival.packets, arrival.bytes, arrival.last_us),
            (2, 2_000, 6_000),
            "what is not taken changes nothing"
        );
    }
}
