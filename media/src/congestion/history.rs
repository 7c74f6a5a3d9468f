//! What was sent, by transport-wide sequence number, until the receiver has said what became of it.
//!
//! A ring of a power of two, eight bytes a packet. It begins small, since most participants receive little, and doubles
//! when feedback comes for a packet that has been overwritten: what a path's delay and rate need is found by use. Numbers
//! that were never sent, or were answered before, find nothing.

/// Packets kept at first: 100 ms of 10 Mbit/s.
const MIN_LEN: usize = 128;
/// Packets kept at most: a second of 40 Mbit/s.
pub(super) const MAX_LEN: usize = 4_096;

/// The first number. One cycle above zero, so that arithmetic on older numbers stays above it.
const FIRST: u64 = 1 << 16;

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

/// A packet that was sent.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sent {
    /// When, in µs since the estimator's epoch, modulo 2^32.
    pub(super) at_us: u32,
    pub(super) bytes: u16,
    /// The probe cluster it belongs to; 0 is none.
    pub(super) cluster: u8,
    fate: Fate,
}

const _: () = assert!(size_of::<Sent>() == 8);

#[derive(Debug)]
pub(super) struct History {
    /// As long as a power of two. A packet's place is its number modulo the length.
    ring: Box<[Sent]>,
    next: u64,
    /// Fates below this number have been counted.
    judged: u64,
}

impl History {
    pub(super) fn new() -> Self {
        Self { ring: vec![Sent::default(); MIN_LEN].into(), next: FIRST, judged: FIRST }
    }

    /// The number that the next packet carries.
    #[inline]
    pub(super) const fn next_sequence(&self) -> u16 {
        self.next as u16
    }

    /// Takes note of the next packet.
    #[inline]
    pub(super) fn push(&mut self, at_us: u32, bytes: usize, cluster: u8) {
        let place = self.place(self.next);
        if let Some(sent) = self.ring.get_mut(place) {
            let bytes = bytes.clamp(1, usize::from(u16::MAX)) as u16;
            *sent = Sent { at_us, bytes, cluster, fate: Fate::Unknown };
        }
        self.next += 1;
    }

    /// Takes note of what feedback says of one number. The packet, when this is the first to say that it arrived.
    #[inline]
    pub(super) fn report(&mut self, sequence: u16, has_arrived: bool) -> Option<Sent> {
        let back = (self.next as u16).wrapping_sub(sequence);
        if usize::from(back) > self.ring.len() {
            self.grow(u64::from(back));
            return None;
        }
        // The length divides the cycle of sequence numbers, so those tell the place. One that is empty still, because so few were
        // sent or the ring has grown, has no bytes.
        let place = self.place(u64::from(sequence));
        let sent = self.ring.get_mut(place).filter(|sent| back > 0 && sent.bytes > 0)?;
        match (sent.fate, has_arrived) {
            (Fate::Unknown | Fate::Missing, true) => {
                sent.fate = Fate::Arrived;
                Some(*sent)
            }
            (Fate::Unknown, false) => {
                sent.fate = Fate::Missing;
                None
            }
            _ => None,
        }
    }

    /// Counts packets sent before `until_us` by their fate, each once: (arrived, missing). Those of which nothing was
    /// heard are not counted.
    pub(super) fn judge(&mut self, until_us: u32) -> (u32, u32) {
        self.judged = self.judged.max(self.oldest());
        let (mut arrived, mut missing) = (0, 0);
        while self.judged < self.next {
            let Some(sent) = self.ring.get(self.place(self.judged)) else { break };
            if sent.bytes > 0 && (until_us.wrapping_sub(sent.at_us) as i32) < 0 {
                break;
            }
            match sent.fate {
                Fate::Unknown => {}
                Fate::Missing => missing += 1,
                Fate::Arrived => arrived += 1,
            }
            self.judged += 1;
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

    fn filled(count: u32) -> History {
        let mut history = History::new();
        (0..count).for_each(|i| history.push(i * 1_000, 100 + i as usize % 7, 0));
        history
    }

    #[test]
    fn a_packet_is_answered_once_and_only_if_it_was_sent() {
        let mut history = filled(10);
        assert_eq!(history.next_sequence(), 10);
        assert!(history.report(4, false).is_none());
        assert_eq!(history.report(4, true).map(|sent| sent.at_us), Some(4_000), "it was only late");
        assert!(history.report(4, true).is_none());
        assert!(history.report(4, false).is_none());
        assert!(history.report(10, true).is_none(), "not sent yet");
        assert!(history.report(65_535, true).is_none(), "never sent");
    }

    #[test]
    fn numbers_go_on_across_the_wrap() {
        let mut history = filled(65_536 + 5);
        assert_eq!(history.next_sequence(), 5);
        assert!(history.report(65_535, true).is_some());
        assert!(history.report(4, true).is_some());
        assert!(history.report(5, true).is_none());
    }

    #[test]
    fn it_grows_by_need_and_keeps_what_it_has() {
        let mut history = filled(300);
        assert!(history.report(100, true).is_none());
        assert_eq!(history.ring.len(), 256);
        assert!(history.report(172, true).is_some_and(|sent| sent.at_us == 172_000));
        for count in 0..20_000u32 {
            history.push(count, 100, 0);
            history.report(history.next_sequence().wrapping_sub(4_096), true);
            history.report(history.next_sequence().wrapping_sub(30_000), true);
        }
        assert_eq!(history.ring.len(), MAX_LEN);
        assert!(
            history.report(history.next_sequence().wrapping_sub(4_096), true).is_some()
                || history.ring.len() == MAX_LEN
        );
    }

    #[test]
    fn fates_are_counted_once() {
        let mut history = filled(10);
        (0..8).for_each(|sequence| _ = history.report(sequence, sequence % 4 != 0));
        assert_eq!(history.judge(5_000), (4, 2));
        assert_eq!(history.judge(5_000), (0, 0));
        assert_eq!(history.judge(20_000), (2, 0), "of the last two nothing is known");
    }
}
