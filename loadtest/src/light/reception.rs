//! How one stream arrives, told by its sequence numbers alone.

/// How many numbers back a packet is remembered. One that comes later than so many others is taken for a duplicate;
/// at 1,000 packets a second that is a second, longer than anybody waits for a retransmission.
pub const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;
/// The most numbers that are asked for again at once; more than that is an outage, for which a key frame is asked.
pub const MAX_MISSING: usize = 64;
/// How often one number is asked for.
const MAX_ASKS: u8 = 10;
/// A browser asks again when an answer should have come; this is a generous round trip.
const ASK_AGAIN: u64 = 100_000_000;
/// How long a gap may be due to reordering, in nanoseconds.
const REORDERING: u64 = 10_000_000;

/// What a packet was to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The next one, or one after a gap of so many.
    New {
        /// Numbers that were left out.
        gap: u64,
    },
    /// One that had been left out.
    Late,
    /// One that had come already, or is too old to tell.
    Duplicate,
}

/// A number that was left out and is asked for.
#[derive(Clone, Copy, Debug)]
struct Missing {
    sequence: u64,
    due: u64,
    asks: u8,
}

/// See the module's text. Numbers are extended to 64 bits; times are nanoseconds of the tester's clock.
#[derive(Clone, Debug)]
pub struct Reception {
    first: u64,
    highest: u64,
    seen: [u64; WORDS],
    /// Packets that came, each once.
    pub packets: u64,
    /// Numbers that did not come (yet).
    pub missing: u64,
    /// Missing numbers that a retransmission on another SSRC brought.
    pub repaired: u64,
    asked: Vec<Missing>,
    jitter: Jitter,
    reported_expected: u64,
    reported_packets: u64,
    /// The middle of the last sender report's NTP time, and when it came.
    pub sender_report: Option<(u32, u64)>,
}

/// Interarrival jitter (RFC 3550 appendix A.8), in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Jitter {
    last: Option<(u32, u64)>,
    value: f64,
}

impl Reception {
    /// A stream that begins with this packet.
    #[must_use]
    pub fn new(sequence: u16) -> Self {
        // Far enough from zero that packets overtaken by the first have numbers, too.
        let first = (1 << 16) | u64::from(sequence);
        let mut reception = Self {
            first,
            highest: first,
            seen: [0; WORDS],
            packets: 1,
            missing: 0,
            repaired: 0,
            asked: Vec::new(),
            jitter: Jitter::default(),
            reported_expected: 0,
            reported_packets: 0,
            sender_report: None,
        };
        reception.mark(first);
        reception
    }

    /// Takes a packet that is not the first.
    #[inline]
    pub fn receive(&mut self, sequence: u16, now: u64) -> Verdict {
        let ahead = sequence.wrapping_sub(self.highest as u16) as i16;
        if ahead == 1 {
            self.highest += 1;
            self.mark(self.highest);
            self.packets += 1;
            return Verdict::New { gap: 0 };
        }
        if ahead > 0 { self.leap(ahead as u64, now) } else { self.look_back(u64::from(ahead.unsigned_abs())) }
    }

    #[cold]
    fn leap(&mut self, ahead: u64, now: u64) -> Verdict {
        for number in self.highest + 1..self.highest + ahead {
            self.unmark(number);
            if self.asked.len() < MAX_MISSING {
                self.asked.push(Missing { sequence: number, due: now + REORDERING, asks: 0 });
            }
        }
        self.highest += ahead;
        self.mark(self.highest);
        self.packets += 1;
        self.missing += ahead - 1;
        Verdict::New { gap: ahead - 1 }
    }

    #[cold]
    fn look_back(&mut self, back: u64) -> Verdict {
        let number = self.highest.saturating_sub(back);
        if back >= WINDOW || self.is_marked(number) {
            return Verdict::Duplicate;
        }
        self.mark(number);
        self.packets += 1;
        if number < self.first {
            self.missing += self.first - number - 1;
            self.first = number;
            return Verdict::Late;
        }
        self.missing = self.missing.saturating_sub(1);
        self.asked.retain(|missing| missing.sequence != number);
        Verdict::Late
    }

    /// A retransmission came on another SSRC; `sequence` is what it repairs, if one can read it. Returns whether it
    /// brought something new.
    pub fn repair(&mut self, sequence: Option<u16>) -> bool {
        let Some(sequence) = sequence else {
            // Encrypted: in all likelihood the one that was asked for longest ago.
            let oldest = self.asked.iter().position(|missing| missing.asks > 0);
            let repaired = oldest.map(|position| self.asked.remove(position)).is_some();
            self.repaired += u64::from(repaired);
            return repaired;
        };
        let back = u64::from(self.highest as u16 - sequence.min(self.highest as u16));
        let back =
            if sequence > self.highest as u16 { u64::from((self.highest as u16).wrapping_sub(sequence)) } else { back };
        let number = self.highest.saturating_sub(back);
        if back >= WINDOW || number < self.first || self.is_marked(number) {
            return false;
        }
        self.mark(number);
        self.repaired += 1;
        self.asked.retain(|missing| missing.sequence != number);
        true
    }

    /// Numbers that never came, neither themselves nor repaired.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.missing.saturating_sub(self.repaired)
    }

    /// Notes the time of a packet and returns the jitter so far in nanoseconds. `clock_rate` is that of the timestamp.
    pub fn time(&mut self, timestamp: u32, clock_rate: u32, now: u64) -> u64 {
        if let Some((last_timestamp, last)) = self.jitter.last.replace((timestamp, now)) {
            let apart = f64::from(timestamp.wrapping_sub(last_timestamp) as i32) * 1e9 / f64::from(clock_rate.max(1));
            let deviation = (now as f64 - last as f64 - apart).abs();
            self.jitter.value += (deviation - self.jitter.value) / 16.0;
        }
        self.jitter.value as u64
    }

    /// The numbers that are to be asked for now.
    pub fn ask(&mut self, now: u64, numbers: &mut Vec<u16>) {
        self.asked.retain_mut(|missing| {
            if missing.due > now {
                return true;
            }
            missing.due = now + ASK_AGAIN;
            missing.asks += 1;
            if missing.asks <= MAX_ASKS {
                numbers.push(missing.sequence as u16);
            }
            missing.asks <= MAX_ASKS
        });
    }

    /// Whether some number may have to be asked for.
    #[must_use]
    pub fn misses_any(&self) -> bool {
        !self.asked.is_empty()
    }

    /// What a report says of the stream (RFC 3550 section 6.4.1).
    pub fn report(&mut self, ssrc: u32, clock_rate: u32, now: u64) -> rtc::rtcp::reception_report::ReceptionReport {
        let expected = self.highest + 1 - self.first;
        let (interval, came) = (expected - self.reported_expected.min(expected), self.packets - self.reported_packets);
        (self.reported_expected, self.reported_packets) = (expected, self.packets);
        let fraction = (interval.saturating_sub(came) << 8).checked_div(interval).unwrap_or(0);
        let (last_sender_report, delay) = match self.sender_report {
            Some((middle, at)) => (middle, (u128::from(now.saturating_sub(at)) * 65_536 / 1_000_000_000) as u32),
            None => (0, 0),
        };
        rtc::rtcp::reception_report::ReceptionReport {
            ssrc,
            fraction_lost: fraction.min(255) as u8,
            total_lost: self.missing.min(0x7f_ffff) as u32,
            // The extension began at one cycle.
            last_sequence_number: (self.highest - (1 << 16)) as u32,
            jitter: (self.jitter.value * f64::from(clock_rate) / 1e9) as u32,
            last_sender_report,
            delay,
        }
    }

    fn mark(&mut self, number: u64) {
        if let Some(word) = self.seen.get_mut((number % WINDOW / 64) as usize) {
            *word |= 1 << (number % 64);
        }
    }

    fn unmark(&mut self, number: u64) {
        if let Some(word) = self.seen.get_mut((number % WINDOW / 64) as usize) {
            *word &= !(1 << (number % 64));
        }
    }

    fn is_marked(&self, number: u64) -> bool {
        self.seen.get((number % WINDOW / 64) as usize).is_some_and(|word| word & (1 << (number % 64)) != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds numbers from the second on and counts what became of them.
    fn feed(reception: &mut Reception, numbers: impl IntoIterator<Item = u16>) -> (u64, u64) {
        let (mut late, mut duplicates) = (0, 0);
        for number in numbers {
            match reception.receive(number, 0) {
                Verdict::New { .. } => {}
                Verdict::Late => late += 1,
                Verdict::Duplicate => duplicates += 1,
            }
        }
        (late, duplicates)
    }

    #[test]
    fn numbers_roll_over_without_loss() {
        let mut reception = Reception::new(65_000);
        assert_eq!(feed(&mut reception, (1..200_000u32).map(|n| (65_000 + n) as u16)), (0, 0));
        assert_eq!((reception.packets, reception.lost()), (200_000, 0));
        let report = reception.report(1, 90_000, 0);
        assert_eq!((report.fraction_lost, report.total_lost, report.last_sequence_number), (0, 0, 65_000 + 199_999));
    }

    #[test]
    fn loss_reordering_and_duplicates_are_told_apart() {
        let mut reception = Reception::new(10);
        assert_eq!(feed(&mut reception, [11, 14, 13, 13, 14, 15, 9, 8]), (3, 2));
        assert_eq!((reception.packets, reception.lost()), (7, 1), "12 never came");
        let mut reception = Reception::new(0);
        assert_eq!(feed(&mut reception, [5_000]), (0, 0));
        assert_eq!(reception.lost(), 4_999);
        assert_eq!(feed(&mut reception, [4_999, 1]), (1, 1), "1 is too old to tell");
    }

    #[test]
    fn what_a_window_forgets_is_not_remembered_a_round_later() {
        let mut reception = Reception::new(0);
        feed(&mut reception, 1..3 * WINDOW as u16);
        // The slots of these numbers are taken by earlier rounds.
        assert_eq!(feed(&mut reception, [3 * WINDOW as u16 + 1, 3 * WINDOW as u16]), (1, 0));
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn a_missing_number_is_asked_for_until_it_is_there() {
        let mut reception = Reception::new(65_534);
        let mut numbers = Vec::new();
        reception.receive(2, 0);
        reception.ask(REORDERING - 1, &mut numbers);
        assert!(numbers.is_empty() && reception.misses_any());
        reception.ask(REORDERING, &mut numbers);
        assert_eq!(numbers, [65_535, 0, 1]);
        reception.receive(0, 0);
        assert!(reception.repair(Some(65_535)) && !reception.repair(Some(65_535)) && !reception.repair(Some(2)));
        numbers.clear();
        for round in 1..100 {
            reception.ask(REORDERING + round * ASK_AGAIN, &mut numbers);
        }
        assert_eq!(numbers, [1; MAX_ASKS as usize - 1]);
        assert_eq!((reception.lost(), reception.misses_any()), (1, false));
    }

    #[test]
    fn an_unreadable_retransmission_repairs_what_was_asked_for() {
        let mut reception = Reception::new(0);
        reception.receive(3, 0);
        assert!(!reception.repair(None), "nothing was asked for");
        reception.ask(REORDERING, &mut Vec::new());
        assert!(reception.repair(None) && reception.repair(None) && !reception.repair(None));
        assert_eq!(reception.lost(), 0);
    }

    #[test]
    fn an_outage_does_not_grow_the_list() {
        let mut reception = Reception::new(0);
        for round in 1..100u16 {
            reception.receive(round * 300, 0);
        }
        assert_eq!(reception.asked.len(), MAX_MISSING);
    }

    #[test]
    fn jitter_is_what_arrivals_deviate_from_timestamps() {
        let mut reception = Reception::new(0);
        for n in 0..1_000u64 {
            // Every 20 ms by both clocks.
            assert_eq!(reception.time((n * 960) as u32, 48_000, n * 20_000_000), 0);
        }
        for n in 1_000..2_000u64 {
            reception.time((n * 960) as u32, 48_000, n * 20_000_000 + (n % 2) * 1_000_000);
        }
        let jitter = reception.time(2_000 * 960, 48_000, 2_000 * 20_000_000);
        assert!((900_000..=1_000_000).contains(&jitter), "{jitter}");
    }
}
