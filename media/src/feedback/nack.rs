//! Asks a publisher for packets that did not arrive (RFC 4585 section 6.2.1).
//!
//! A hole is asked for after a short wait, since it may be reordering, and again after each round trip, until it is filled,
//! too old or asked for often enough; also before a keyframe, since subscribers wait for whole numbers. Too many holes mean an outage: they are forgotten, and a keyframe is wanted instead.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Requests per packet. At 10 % loss both ways a packet is still missing after these once in 10^7.
pub const MAX_TRIES: u8 = 10;
/// A packet later than this is not shown any more, and the publisher has forgotten it.
pub const MAX_AGE: Duration = Duration::from_millis(1_000);
/// Packets missing at once. At 500 packets a second that is an outage of one second.
pub const MAX_MISSING: usize = 500;

/// Bounds of the wait before the first request, a quarter of a round trip: on longer paths packets overtake one another
/// by more, and the wait matters less.
const MIN_FIRST_DELAY: Duration = Duration::from_millis(5);
const MAX_FIRST_DELAY: Duration = Duration::from_millis(20);
/// Bounds of the wait between requests, a round trip and a quarter.
const MIN_RETRY_DELAY: Duration = Duration::from_millis(20);
const MAX_RETRY_DELAY: Duration = Duration::from_millis(400);

#[derive(Clone, Copy, Debug)]
struct Missing {
    sequence: u64,
    noticed: Instant,
    asked: Option<Instant>,
    tries: u8,
}

impl Missing {
    const fn noticed(sequence: u64, now: Instant) -> Self {
        Self { sequence, noticed: now, asked: None, tries: 0 }
    }

    fn due(&self, rtt: Duration) -> Instant {
        match self.asked {
            None => self.noticed + (rtt / 4).clamp(MIN_FIRST_DELAY, MAX_FIRST_DELAY),
            Some(asked) => asked + (rtt + rtt / 4).clamp(MIN_RETRY_DELAY, MAX_RETRY_DELAY),
        }
    }

    fn is_hopeless(&self, now: Instant) -> bool {
        self.tries >= MAX_TRIES || now.saturating_duration_since(self.noticed) >= MAX_AGE
    }
}

/// The holes of one received stream.
#[derive(Debug, Default)]
pub struct NackGenerator {
    highest: Option<u64>,
    /// The stream's first packet as far as is known: the first to arrive may have overtaken it.
    lowest: u64,
    /// Ascending; at most [`MAX_MISSING`].
    missing: VecDeque<Missing>,
    wants_keyframe: bool,
}

impl NackGenerator {
    /// Takes note of a packet, original or retransmitted. Duplicates change nothing.
    pub fn on_packet(&mut self, now: Instant, sequence: u64) {
        let Some(highest) = self.highest else {
            self.highest = Some(sequence);
            self.lowest = sequence;
            return;
        };
        if sequence < self.lowest {
            let hole = sequence + 1..self.lowest;
            self.lowest = sequence;
            if hole.end - hole.start <= (MAX_MISSING - self.missing.len()) as u64 {
                hole.rev().for_each(|sequence| self.missing.push_front(Missing::noticed(sequence, now)));
            }
            return;
        }
        if sequence <= highest {
            if let Ok(index) = self.missing.binary_search_by_key(&sequence, |missing| missing.sequence) {
                self.missing.remove(index);
            }
            return;
        }
        self.highest = Some(sequence);
        let hole = highest + 1..sequence;
        if hole.end - hole.start > (MAX_MISSING - self.missing.len()) as u64 {
            self.missing.clear();
            self.wants_keyframe = true;
            return;
        }
        self.missing.extend(hole.map(|sequence| Missing::noticed(sequence, now)));
    }

    /// Appends the packets to ask for now, ascending, and counts them as asked. `rtt` is that to the publisher.
    pub fn poll(&mut self, now: Instant, rtt: Duration, out: &mut Vec<u16>) {
        self.missing.retain_mut(|missing| {
            if missing.due(rtt) > now {
                return true;
            }
            if missing.is_hopeless(now) {
                return false;
            }
            missing.asked = Some(now);
            missing.tries += 1;
            out.push(missing.sequence as u16);
            true
        });
    }

    /// When [`Self::poll`] has something to do next; `None` while nothing is missing.
    #[must_use]
    pub fn deadline(&self, rtt: Duration) -> Option<Instant> {
        self.missing.iter().map(|missing| missing.due(rtt)).min()
    }

    /// Whether so much was lost that only a keyframe helps; true once per outage.
    pub fn take_wants_keyframe(&mut self) -> bool {
        std::mem::take(&mut self.wants_keyframe)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    const RTT: Duration = Duration::from_millis(40);

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn poll(nacks: &mut NackGenerator, now: Instant) -> Vec<u16> {
        let mut out = Vec::new();
        nacks.poll(now, RTT, &mut out);
        out
    }

    #[test]
    fn reordering_within_the_tolerance_is_not_asked_for() {
        let start = test_start();
        let mut nacks = NackGenerator::default();
        nacks.on_packet(start, 100);
        nacks.on_packet(start, 102);
        assert!(poll(&mut nacks, start + ms(9)).is_empty());
        nacks.on_packet(start + ms(9), 101);
        assert!(poll(&mut nacks, start + ms(500)).is_empty());
        assert_eq!(nacks.deadline(RTT), None);
    }

    #[test]
    fn a_hole_is_asked_for_once_a_round_trip_until_it_is_filled() {
        let start = test_start();
        let mut nacks = NackGenerator::default();
        nacks.on_packet(start, 65_534);
        nacks.on_packet(start, 65_538);
        assert_eq!(nacks.deadline(RTT), Some(start + ms(10)));
        assert_eq!(poll(&mut nacks, start + ms(10)), [65_535, 0, 1]);
        assert!(poll(&mut nacks, start + ms(59)).is_empty());
        nacks.on_packet(start + ms(59), 65_536);
        nacks.on_packet(start + ms(59), 65_536);
        assert_eq!(poll(&mut nacks, start + ms(60)), [65_535, 1]);
    }

    #[test]
    fn requests_end() {
        let start = test_start();
        let mut nacks = NackGenerator::default();
        nacks.on_packet(start, 1);
        nacks.on_packet(start, 3);
        let mut asked = 0;
        for at in 0..5_000 {
            let mut out = Vec::new();
            nacks.poll(start + ms(at), Duration::ZERO, &mut out);
            asked += out.len();
        }
        assert_eq!(asked, usize::from(MAX_TRIES));
        assert_eq!(nacks.deadline(RTT), None);

        nacks.on_packet(start, 5);
        let far = ms(600);
        let mut times = Vec::new();
        for at in 0..5_000 {
            let mut out = Vec::new();
            nacks.poll(start + ms(at), far, &mut out);
            times.extend(out.iter().map(|_| at));
        }
        assert_eq!(times, [20, 420, 820], "older than a second is hopeless");
        assert!(nacks.missing.is_empty());
    }

    #[test]
    fn what_the_first_packet_overtook_is_asked_for() {
        let start = test_start();
        let mut nacks = NackGenerator::default();
        nacks.on_packet(start, 105);
        nacks.on_packet(start, 107);
        nacks.on_packet(start, 102);
        assert_eq!(poll(&mut nacks, start + ms(20)), [103, 104, 106]);
        nacks.on_packet(start, 103);
        nacks.on_packet(start, 101);
        assert_eq!(poll(&mut nacks, start + ms(80)), [104, 106]);
        nacks.on_packet(start, 0);
        assert_eq!(poll(&mut nacks, start + ms(200)).len(), 102, "the whole stream, as far as it is not too much");
    }

    #[test]
    fn an_outage_wants_a_keyframe_instead() {
        let start = test_start();
        let mut nacks = NackGenerator::default();
        nacks.on_packet(start, 1);
        nacks.on_packet(start, 2 + MAX_MISSING as u64);
        assert!(!nacks.take_wants_keyframe());
        assert_eq!(poll(&mut nacks, start + ms(20)).len(), MAX_MISSING);
        nacks.on_packet(start, 4 + MAX_MISSING as u64);
        assert!(nacks.take_wants_keyframe(), "one more than may be missing");
        assert!(!nacks.take_wants_keyframe());
        assert!(poll(&mut nacks, start + ms(500)).is_empty());
        nacks.on_packet(start, 1_000_000);
        assert!(nacks.take_wants_keyframe());
    }

    proptest! {
        #[test]
        fn asks_only_for_what_is_missing_and_never_too_often(arrivals in prop::collection::vec((0u64..400, 0u64..12), 1..300)) {
            let mut now = test_start();
            let mut nacks = NackGenerator::default();
            let mut seen = std::collections::BTreeSet::new();
            let mut tries = BTreeMap::<u16, u8>::new();
            for (sequence, pause) in arrivals {
                now += ms(pause);
                nacks.on_packet(now, sequence);
                seen.insert(sequence as u16);
                for asked in poll(&mut nacks, now) {
                    prop_assert!(!seen.contains(&asked));
                    let count = tries.entry(asked).or_default();
                    *count += 1;
                    prop_assert!(*count <= MAX_TRIES);
                }
            }
        }
    }
}
