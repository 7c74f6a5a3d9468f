//! What was sent, by transport-wide sequence number, until the receiver has said what became of it.
//!
//! A ring of a power of two, eight bytes a packet. It begins small, since most participants receive little, and doubles
//! when feedback comes for a packet that has been overwritten: what a path's delay and rate need is found by use. Numbers
//! that were never sent, or were answered before, find nothing.

use crate::cache::prefetch;

/// Packets kept at first: 100 ms of 10 Mbit/s.
const MIN_LEN: usize = 128;
/// Packets kept at most: a second of 40 Mbit/s.
pub(super) const MAX_LEN: usize = 4_096;

/// The first number. Far above zero, so that arithmetic on older numbers stays above it, and zero modulo 2^32.
const FIRST: u64 = 1 << 32;

/// What is known of a packet's fate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Fate {
    /// No feedback has covered it: it is under way, or the feedback was lost.
    #[default]
    Unknown,
    /// Covered, and missing so far.
    Missing,
    Arrived,
}

/// A packet that was sent. It lies within one line of the cache.
#[derive(Clone, Copy, Debug, Default)]
#[repr(align(8))]
pub(super) struct Sent {
    /// When, in µs since the estimator's epoch, modulo 2^32.
    pub(super) at_us: u32,
    pub(super) bytes: u16,
    /// The probe cluster it belongs to; 0 is none.
    pub(super) cluster: u8,
    fate: Fate,
}

const _: () = assert!(size_of::<Sent>() == 8);

impl Sent {
    /// Feedback says that it arrived: the packet, when this is the first to say so.
    ///
    /// It is read as a whole before its fate is written: reading a word of which a byte has just been written has to wait.
    #[inline]
    pub(super) fn arrive(&mut self) -> Option<Self> {
        let before = *self;
        if !before.is_there() || before.fate == Fate::Arrived {
            return None;
        }
        self.fate = Fate::Arrived;
        Some(Self { fate: Fate::Arrived, ..before })
    }

    /// Feedback says that it is missing so far.
    #[inline]
    fn miss(&mut self) {
        if self.is_there() && self.fate == Fate::Unknown {
            self.fate = Fate::Missing;
        }
    }

    /// A place that is empty still, because so few were sent or the ring has grown, has no bytes.
    #[inline]
    const fn is_there(&self) -> bool {
        self.bytes > 0
    }
}

#[derive(Debug)]
pub(super) struct History {
    /// As long as a power of two. A packet's place is its number modulo the length.
    ring: Box<[Sent]>,
    next: u64,
    /// Fates below this number have been counted, so many of them the last time.
    judged: u64,
    due: usize,
}

impl History {
    pub(super) fn new() -> Self {
        Self { ring: vec![Sent::default(); MIN_LEN].into(), next: FIRST, judged: FIRST, due: 0 }
    }

    /// The number that the next packet carries.
    #[inline]
    pub(super) const fn next_sequence(&self) -> u16 {
        self.next as u16
    }

    /// How many packets there were so far, modulo 2^32.
    #[inline]
    pub(super) const fn count(&self) -> u32 {
        self.next as u32
    }

    /// Whether there ever was a packet.
    pub(super) const fn has_any(&self) -> bool {
        self.next > FIRST
    }

    /// Takes note of the next packet, which has bytes.
    #[inline]
    pub(super) fn push(&mut self, at_us: u32, bytes: usize, cluster: u8) {
        let place = self.place(self.next);
        if let Some(sent) = self.ring.get_mut(place) {
            let bytes = u16::try_from(bytes).unwrap_or(u16::MAX);
            *sent = Sent { at_us, bytes, cluster, fate: Fate::Unknown };
        }
        self.next += 1;
    }

    /// Asks for the place of the next packet, which is still to be sealed.
    #[inline]
    pub(super) fn prefetch_next(&self) {
        if let Some(sent) = self.ring.get(self.place(self.next)) {
            prefetch(sent);
        }
    }

    /// Asks for what is known of so many numbers, from a first one on.
    pub(super) fn prefetch(&self, base: u16, count: u16) {
        let (first, count) = (self.place(u64::from(base)), usize::from(count).min(self.ring.len()));
        let (begin, rest) = self.ring.split_at(first);
        prefetch(rest.get(..count).unwrap_or(rest));
        prefetch(begin.get(..count.saturating_sub(rest.len())).unwrap_or_default());
    }

    /// The packets with this number and the next, so many at most, as far as they lie side by side. None where the first is not known.
    #[inline]
    pub(super) fn run(&mut self, sequence: u16, count: usize) -> &mut [Sent] {
        let back = usize::from((self.next as u16).wrapping_sub(sequence));
        if back > self.ring.len() {
            self.grow(back as u64);
            return &mut [];
        }
        // The length divides the cycle of sequence numbers, so those tell the place.
        let place = self.place(u64::from(sequence));
        let len = count.min(back).min(self.ring.len() - place);
        self.ring.get_mut(place..place + len).unwrap_or_default()
    }

    /// Feedback says that a number arrived: the packet, when this is the first to say so.
    #[inline]
    pub(super) fn arrive(&mut self, sequence: u16) -> Option<Sent> {
        self.run(sequence, 1).first_mut()?.arrive()
    }

    /// Feedback says that a number is missing so far.
    #[inline]
    pub(super) fn miss(&mut self, sequence: u16) {
        if let Some(sent) = self.run(sequence, 1).first_mut() {
            sent.miss();
        }
    }

    /// Counts packets sent before `until_us` by their fate, each once: (arrived, missing). Those of which nothing was
    /// heard are not counted.
    pub(super) fn judge(&mut self, until_us: u32) -> (u32, u32) {
        self.judged = self.judged.max(self.oldest());
        let (mut arrived, mut missing) = (0, 0);
        while self.judged < self.next {
            let place = self.place(self.judged);
            let left = (self.next - self.judged) as usize;
            // What left earlier stands before what left later.
            let Some(run) = self.ring.get(place..self.ring.len().min(place + left)) else { break };
            let is_before = |sent: &Sent| !sent.is_there() || (until_us.wrapping_sub(sent.at_us) as i32) >= 0;
            // Reports come regularly, and of most of them all arrived: as many are due as the last time, and need not be counted.
            let is_as_many = run.get(self.due).is_some_and(|next| !is_before(next))
                && run.get(..self.due).and_then(<[_]>::last).is_some_and(is_before);
            self.due = if is_as_many { self.due } else { run.partition_point(is_before) };
            let due = run.get(..self.due).unwrap_or_default();
            let count = |fate| due.iter().filter(|sent| sent.fate == fate).count() as u32;
            if due.iter().all(|sent| sent.fate == Fate::Arrived) {
                arrived += due.len() as u32;
            } else {
                arrived += count(Fate::Arrived);
                missing += count(Fate::Missing);
            }
            self.judged += due.len() as u64;
            if due.len() < run.len() {
                break;
            }
        }
        (arrived, missing)
    }

    #[cold]
    fn grow(&mut self, back: u64) {
        // Anything older was never kept, or is not of this cycle: numbers ahead of the next look like that.
        if back > MAX_LEN as u64 || self.ring.len() >= MAX_LEN {
            return;
        }
        let mut ring: Box<[Sent]> = vec![Sent::default(); self.ring.len() * 2].into();
        for number in self.oldest()..self.next {
            let place = number as usize & (ring.len() - 1);
            if let (Some(to), Some(from)) = (ring.get_mut(place), self.ring.get(self.place(number))) {
                *to = *from;
            }
        }
        self.ring = ring;
    }

    #[inline]
    const fn place(&self, number: u64) -> usize {
        number as usize & (self.ring.len() - 1)
    }

    fn oldest(&self) -> u64 {
        (self.next - self.ring.len() as u64).max(FIRST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(count: u32) -> History {
        let mut history = History::new();
        (0..count).for_each(|i| history.push(i * 1_000, 100 + i as usize % 7, 0));
        history
    }

    #[test]
    fn a_packet_is_answered_once_and_only_if_it_was_sent() {
        let mut history = filled(10);
        assert_eq!(history.next_sequence(), 10);
        history.miss(4);
        assert_eq!(history.arrive(4).map(|sent| sent.at_us), Some(4_000), "it was only late");
        assert!(history.arrive(4).is_none());
        history.miss(4);
        assert!(history.arrive(10).is_none(), "not sent yet");
        assert!(history.arrive(65_535).is_none(), "never sent");
    }

    #[test]
    fn numbers_go_on_across_the_wrap() {
        let mut history = filled(65_536 + 5);
        assert_eq!(history.next_sequence(), 5);
        assert!(history.arrive(65_535).is_some());
        assert!(history.arrive(4).is_some());
        assert!(history.arrive(5).is_none());
    }

    #[test]
    fn it_grows_by_need_and_keeps_what_it_has() {
        let mut history = filled(300);
        assert!(history.arrive(100).is_none());
        assert_eq!(history.ring.len(), 256);
        assert!(history.arrive(172).is_some_and(|sent| sent.at_us == 172_000));
        for count in 0..20_000u32 {
            history.push(count, 100, 0);
            history.arrive(history.next_sequence().wrapping_sub(4_096));
            history.arrive(history.next_sequence().wrapping_sub(30_000));
        }
        assert_eq!(history.ring.len(), MAX_LEN);
        assert!(history.arrive(history.next_sequence().wrapping_sub(4_096)).is_some() || history.ring.len() == MAX_LEN);
    }

    #[test]
    fn fates_are_counted_once() {
        let mut history = filled(10);
        (0..8u16)
            .for_each(|sequence| if sequence % 4 == 0 { history.miss(sequence) } else { _ = history.arrive(sequence) });
        assert_eq!(history.judge(5_000), (4, 2));
        assert_eq!(history.judge(5_000), (0, 0));
        assert_eq!(history.judge(20_000), (2, 0), "of the last two nothing is known");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_judged_by_its_fate_when_it_is_due(
            rounds in prop::collection::vec((0u8..10, prop::collection::vec(0u8..8, 0..40), 0u32..20), 1..60),
        ) {
            let (mut history, mut packets, mut counted) = (History::new(), Vec::new(), 0);
            for (lost, sent, later) in rounds {
                let base = history.next_sequence();
                for (index, gap) in sent.iter().enumerate() {
                    let at_us = packets.last().map_or(0, |(at_us, _)| *at_us) + u32::from(gap / 4);
                    history.push(at_us, 1_000, 0);
                    let fate = match gap {
                        0 if lost == 0 => Fate::Missing,
                        1 if lost == 1 => Fate::Unknown,
                        _ => Fate::Arrived,
                    };
                    let number = base.wrapping_add(index as u16);
                    match fate {
                        Fate::Arrived => prop_assert!(history.arrive(number).is_some()),
                        Fate::Missing => history.miss(number),
                        Fate::Unknown => {}
                    }
                    packets.push((at_us, fate));
                }
                // What the ring holds no more is not counted.
                if packets.len() - counted > MIN_LEN {
                    return Ok(());
                }
                let until_us = packets.last().map_or(0, |(at_us, _)| *at_us).saturating_sub(later);
                let due = packets.iter().skip(counted).take_while(|(at_us, _)| *at_us <= until_us);
                let fates: Vec<Fate> = due.map(|(_, fate)| *fate).collect();
                counted += fates.len();
                let count = |fate| fates.iter().filter(|known| **known == fate).count() as u32;
                prop_assert_eq!(history.judge(until_us), (count(Fate::Arrived), count(Fate::Missing)));
            }
        }
    }
}
