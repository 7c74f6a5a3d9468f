//! What feedback says of packets that need not be told apart.

use super::history::Sent;

/// A frame's packets leave at once. Those that arrive within this count as one: it is what a group of packets may be apart in any case
/// ([`super::groups`]), a third of what counts as waiting, and hardly anything beside the spans that rates are taken of.
const TOGETHER_US: i64 = 5_000;
/// Packets that are read of at once, and whose arrivals are put into order.
pub(super) const CHUNK: usize = 32;
/// Ticks of arrival times.
pub(super) const TICK_US: i64 = 250;
/// A receiver's clock goes no further either way: what is added to it, or the difference of two times, does not overflow.
pub(super) const FARTHEST_US: i64 = i64::MAX / 4;

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

/// What is read of a message at once, as arrivals.
#[derive(Debug)]
pub(super) struct Arrivals {
    all: [Arrival; CHUNK],
    len: usize,
    is_sorted: bool,
}

impl Arrivals {
    pub(super) fn new() -> Self {
        Self { all: [Arrival::default(); CHUNK], len: 0, is_sorted: true }
    }

    /// Adds a packet. They come in the order in which they were sent, [`CHUNK`] at most.
    #[inline]
    pub(super) fn push(&mut self, sent: Sent, arrival_us: i64) {
        if let Some(latest) = self.all.get_mut(self.len.wrapping_sub(1)) {
            if latest.takes(sent, arrival_us) {
                return;
            }
            self.is_sorted &= arrival_us >= latest.last_us;
        }
        if let Some(place) = self.all.get_mut(self.len) {
            *place = Arrival::new(sent, arrival_us);
            self.len += 1;
        }
    }

    /// Adds packets that were sent and arrived one after another, each so many ticks after the one before; the first after this time.
    /// Returns when the last arrived.
    #[inline]
    pub(super) fn push_run(&mut self, run: &mut [Sent], deltas: &[u8], mut arrival_us: i64) -> i64 {
        let (mut latest, mut joined_until_us) = (Arrival::default(), i64::MIN);
        for (sent, delta) in run.iter_mut().zip(deltas) {
            arrival_us += i64::from(*delta) * TICK_US;
            let Some(sent) = sent.arrive() else { continue };
            if sent.at_us == latest.sent.at_us && arrival_us <= joined_until_us && sent.cluster == 0 {
                latest.packets += 1;
                latest.bytes += u32::from(sent.bytes);
                latest.last_us = arrival_us;
                continue;
            }
            self.place(latest);
            latest = Arrival::new(sent, arrival_us);
            joined_until_us = if sent.cluster == 0 { arrival_us + TOGETHER_US } else { i64::MIN };
        }
        self.place(latest);
        arrival_us
    }

    #[inline]
    fn place(&mut self, arrival: Arrival) {
        if let Some(place) = self.all.get_mut(self.len).filter(|_| arrival.packets > 0) {
            *place = arrival;
            self.len += 1;
        }
    }

    /// Takes all that there are out, in the order of their arrival.
    pub(super) fn take(&mut self) -> &[Arrival] {
        let arrivals = self.all.get_mut(..std::mem::take(&mut self.len)).unwrap_or_default();
        if !std::mem::replace(&mut self.is_sorted, true) {
            arrivals.sort_by_key(|arrival| arrival.last_us);
        }
        arrivals
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::history::History;
    use proptest::prelude::*;

    #[test]
    fn what_left_at_once_and_arrived_together_is_one_arrival() {
        let mut history = History::new();
        for (at_us, cluster) in [(100, 0), (100, 0), (200, 0), (100, 3)] {
            history.push(at_us, 1_000, cluster);
        }
        let base = history.next_sequence().wrapping_sub(4);
        let [first, second, later, probe] = [0, 1, 2, 3].map(|n| history.arrive(base.wrapping_add(n)).expect("sent"));
        let mut arrival = Arrival::new(first, 1_000);
        assert!(arrival.takes(second, 1_000 + TOGETHER_US));
        let taken = (2, 2_000, 1_000, 1_000 + TOGETHER_US);
        assert_eq!((arrival.packets, arrival.bytes, arrival.first_us, arrival.last_us), taken);
        assert!(!arrival.takes(second, 1_001 + TOGETHER_US), "a queue let go of it one by one");
        assert!(!arrival.takes(second, 999 + TOGETHER_US), "out of order");
        assert!(!arrival.takes(later, 1_000 + TOGETHER_US) && !arrival.takes(probe, 1_000 + TOGETHER_US));
        assert!(!Arrival::new(probe, 1_000).takes(second, 1_000));
        let after = (arrival.packets, arrival.bytes, arrival.first_us, arrival.last_us);
        assert_eq!(after, taken, "what is not taken changes nothing");
    }

    proptest! {
        #[test]
        fn a_run_is_what_its_packets_are(packets in prop::collection::vec((0u32..3, 0u8..2, any::<bool>(), 0u8..12), 1..=CHUNK)) {
            let (mut history, mut at_us) = (History::new(), 0);
            for (later, cluster, _, _) in &packets {
                at_us += later * 500;
                history.push(at_us, 1_000, *cluster);
            }
            let base = history.next_sequence().wrapping_sub(packets.len() as u16);
            for (index, (_, _, is_known, _)) in packets.iter().enumerate() {
                if *is_known {
                    history.arrive(base.wrapping_add(index as u16));
                }
            }
            let deltas: Vec<u8> = packets.iter().map(|(_, _, _, delta)| *delta).collect();
            let (mut one_by_one, mut arrival_us) = (Arrivals::new(), 7);
            let mut run = history.run(base, packets.len()).to_vec();
            for (sent, delta) in run.iter_mut().zip(&deltas) {
                arrival_us += i64::from(*delta) * TICK_US;
                if let Some(sent) = sent.arrive() {
                    one_by_one.push(sent, arrival_us);
                }
            }
            let mut at_once = Arrivals::new();
            prop_assert_eq!(at_once.push_run(history.run(base, packets.len()), &deltas, 7), arrival_us);
            prop_assert_eq!(format!("{:?}", at_once.take()), format!("{:?}", one_by_one.take()));
            prop_assert!(at_once.take().is_empty());
        }
    }
}
