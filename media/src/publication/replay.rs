//! What an encoding's ring still holds of the latest key frame and of what follows it: a picture can begin with that at once,
//! without another key frame, for which everybody would pay.
//!
//! Only a young key frame will do. Requests for key frames of an encoding are at least [`MIN_INTERVAL`] apart, so whoever comes
//! within that of the latest would have to wait for the next; whoever comes later gets one at once. And what is replayed takes
//! bandwidth beside what goes on, at most as much as the picture itself takes in that time.

use crate::feedback::keyframe::MIN_INTERVAL;
use crate::rtp::header::RtpHeader;
use crate::rtp::ring::PacketRing;
use std::time::{Duration, Instant};

/// How old a key frame may be that a picture begins with, and how long rings keep what follows one.
pub(super) const KEPT_FOR: Duration = MIN_INTERVAL;

/// What may follow it: as much as 1 Mbit/s is in that time. Of a larger encoding younger key frames alone are replayed.
const MAX_REST_BYTES: usize = 64 << 10;

/// Packets that are replayed at most, with the key frame itself: half of what a pacer holds.
const MAX_PACKETS: u64 = 256;

/// Where a key frame begins.
#[derive(Clone, Copy, Debug)]
pub(super) struct Keyframe {
    /// Extended number of its first packet.
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    /// When it came.
    pub(super) at: Instant,
}

impl Keyframe {
    /// Whether a packet that begins a key frame belongs to this one, or to an older one that comes late.
    pub(super) fn precedes(&self, sequence: u64, timestamp: u32) -> bool {
        sequence >= self.sequence && timestamp == self.timestamp
            || sequence < self.sequence && timestamp != self.timestamp
    }

    pub(super) fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.at) < KEPT_FOR
    }
}

/// Packets of a ring with which a picture can begin: a key frame and all that has followed it. None of them is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replay {
    /// Extended number of the key frame's first packet.
    pub(crate) first: u64,
    /// That of the first packet behind the key frame.
    pub(crate) rest: u64,
    /// That of the newest.
    pub(crate) last: u64,
    /// The timestamp of the newest.
    pub(crate) until: u32,
    /// Bytes behind the key frame.
    pub(crate) rest_bytes: usize,
}

impl Replay {
    /// What `ring` holds from `keyframe` up to the packet of the number `last`, if it is whole, and not too much.
    pub(super) fn of(ring: &PacketRing, keyframe: &Keyframe, last: u64) -> Option<Self> {
        let first = keyframe.sequence;
        if last.checked_sub(first)? >= MAX_PACKETS {
            return None;
        }
        let mut replay = Self { first, rest: last + 1, last, until: keyframe.timestamp, rest_bytes: 0 };
        for sequence in first..=last {
            let packet = ring.get(sequence)?;
            replay.until = RtpHeader::parse(packet)?.timestamp;
            if replay.until != keyframe.timestamp {
                replay.rest = replay.rest.min(sequence);
                replay.rest_bytes += packet.len();
            }
        }
        (replay.rest_bytes <= MAX_REST_BYTES).then_some(replay)
    }

    /// How many packets it is.
    pub(crate) const fn packets(&self) -> usize {
        (self.last - self.first + 1) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;
    use crate::rtp::ring::RingLimits;

    /// A packet of a frame of 3,000 ticks.
    fn packet(frame: u32, len: usize) -> Vec<u8> {
        let mut packet = vec![0x80, 96, 0, 0];
        packet.extend((frame * 3_000).to_be_bytes());
        packet.resize(len, 0);
        packet
    }

    /// A key frame of three packets from number 10 on, and frames of two packets each.
    fn ring(frames: u32, len: usize, missing: Option<u64>) -> (PacketRing, Keyframe, u64) {
        let now = test_start();
        let mut ring = PacketRing::new(RingLimits::VIDEO);
        let mut sequence = 9;
        let numbers = [0; 3].into_iter().chain((1..=frames).flat_map(|frame| [frame; 2]));
        for frame in numbers {
            sequence += 1;
            if Some(sequence) != missing {
                assert!(ring.insert(sequence, now, &packet(frame, len)));
            }
        }
        (ring, Keyframe { sequence: 10, timestamp: 0, at: now }, sequence)
    }

    #[test]
    fn a_whole_key_frame_with_all_that_follows_is_replayed() {
        let (ring, keyframe, last) = ring(5, 1_000, None);
        let replay = Replay::of(&ring, &keyframe, last).expect("all is there");
        assert_eq!(replay, Replay { first: 10, rest: 13, last: 22, until: 15_000, rest_bytes: 10_000 });
        assert_eq!(replay.packets(), 13);
        let begun = Replay::of(&ring, &keyframe, 11).expect("what has come of it so far");
        assert_eq!((begun.rest, begun.last, begun.until, begun.rest_bytes), (12, 11, 0, 0));
    }

    #[test]
    fn what_is_not_whole_or_too_much_is_not() {
        for missing in [10, 12, 13, 22] {
            let (ring, keyframe, last) = ring(5, 1_000, Some(missing));
            assert_eq!(Replay::of(&ring, &keyframe, last), None, "{missing} is missing");
        }
        let (full, keyframe, last) = ring(32, 1_024, None);
        assert!(Replay::of(&full, &keyframe, last).is_some(), "as many bytes as may be");
        let (more, keyframe, last) = ring(33, 1_024, None);
        assert_eq!(Replay::of(&more, &keyframe, last), None);
        let (many, keyframe, last) = ring(127, 100, None);
        assert_eq!(last, 266);
        assert!(Replay::of(&many, &keyframe, 265).is_some(), "as many packets as may be");
        assert_eq!(Replay::of(&many, &keyframe, last), None);
    }

    #[test]
    fn several_packets_may_begin_one_key_frame_and_an_older_one_may_come_late() {
        let keyframe = Keyframe { sequence: 10, timestamp: 3_000, at: test_start() };
        assert!(keyframe.precedes(11, 3_000), "its second packet could be begun with, too");
        assert!(!keyframe.precedes(9, 3_000), "it began earlier");
        assert!(keyframe.precedes(8, 0), "an older one");
        assert!(!keyframe.precedes(20, 9_000), "a newer one");
        assert!(keyframe.is_young(keyframe.at + KEPT_FOR / 2) && !keyframe.is_young(keyframe.at + KEPT_FOR));
    }
}
