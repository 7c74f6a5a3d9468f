//! Packets that came together, on their way to the subscribers of their publications.
//!
//! A frame of video arrives as several packets. They are gathered, so that a subscriber gets all of them before the next one's
//! turn: its state is brought into the cache once, and what it gets leaves as one message to the kernel, however many
//! subscribers there are. Packets keep their order.

use crate::ids::TrackId;
use crate::rtp::header::RtpHeader;
use crate::rtp::padding::SLACK;
use crate::subscription::Incoming;
use std::ops::Range;

/// Packets that are gathered at most: a frame of 5 Mbit/s at 30 a second. Drafts are kept for as many.
pub(crate) const MAX_PACKETS: usize = 16;

/// Bytes from which on nothing more is gathered: so many packets as the widest path carries.
const FULL_BYTES: usize = MAX_PACKETS * 1_500;

/// The publication that packets belong to. Its key may be another's by the time that they are forwarded: then the track differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Origin {
    pub(crate) room: u32,
    pub(crate) publication: usize,
    pub(crate) track: TrackId,
}

struct Waiting {
    origin: Origin,
    bytes: Range<usize>,
    incoming: Incoming,
}

/// See the module's text. Emptied as a whole.
#[derive(Default)]
pub(crate) struct Burst {
    packets: Vec<Waiting>,
    bytes: Vec<u8>,
}

impl Burst {
    pub(crate) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether it is to be forwarded before anything else is gathered.
    pub(crate) fn is_full(&self) -> bool {
        self.packets.len() >= MAX_PACKETS || self.bytes.len() >= FULL_BYTES
    }

    /// Takes a decrypted packet. Its size is bounded by the datagram that it came in. Those of its frame learn how long it is: what has not come
    /// with them does not leave with them, unless there is no room for it here.
    pub(crate) fn push(&mut self, origin: Origin, packet: &[u8], mut incoming: Incoming) {
        let start = self.bytes.len();
        let Incoming { encoding, header: RtpHeader { timestamp, marker, .. }, .. } = incoming;
        incoming.growth = 0;
        self.bytes.extend_from_slice(packet);
        self.packets.push(Waiting { origin, bytes: start..self.bytes.len(), incoming });
        let longest = if self.is_full() && !marker { packet.len() + usize::from(SLACK) } else { packet.len() };
        let is_of_frame = |other: &&mut Waiting| {
            other.origin == origin
                && (other.incoming.encoding, other.incoming.header.timestamp) == (encoding, timestamp)
        };
        for other in self.packets.iter_mut().rev().take_while(is_of_frame) {
            let growth = longest.saturating_sub(other.bytes.len()) as u16;
            other.incoming.growth = other.incoming.growth.max(growth);
        }
    }

    pub(crate) fn clear(&mut self) {
        self.packets.clear();
        self.bytes.clear();
    }

    /// The packets, those together that follow one another in one publication.
    pub(crate) fn groups(&self) -> impl Iterator<Item = Group<'_>> {
        let mut start = 0;
        self.packets.chunk_by(|one, next| one.origin == next.origin).map(move |packets| {
            let range = start..start + packets.len();
            start = range.end;
            Group { burst: self, range }
        })
    }

    /// Whether a packet of `origin` follows after the one at `position`.
    pub(crate) fn follows(&self, position: usize, origin: Origin, encoding: usize, sequence: u64) -> bool {
        self.packets.iter().skip(position + 1).any(|waiting| {
            let Incoming { encoding: its_encoding, sequence: its_sequence, .. } = waiting.incoming;
            (waiting.origin, its_encoding, its_sequence) == (origin, encoding, sequence)
        })
    }
}

/// Packets of one publication, at least one.
#[derive(Clone)]
pub(crate) struct Group<'a> {
    pub(crate) burst: &'a Burst,
    range: Range<usize>,
}

/// One of them.
pub(crate) struct Place<'a> {
    /// Its position in the burst.
    pub(crate) position: usize,
    pub(crate) packet: &'a [u8],
    pub(crate) incoming: &'a Incoming,
}

impl<'a> Group<'a> {
    pub(crate) fn origin(&self) -> Option<Origin> {
        self.burst.packets.get(self.range.start).map(|waiting| waiting.origin)
    }

    pub(crate) fn len(&self) -> usize {
        self.range.len()
    }

    /// The packets, in the order in which they came.
    pub(crate) fn places(&self) -> impl Iterator<Item = Place<'a>> + use<'a> {
        let burst = self.burst;
        let waiting = burst.packets.get(self.range.clone()).unwrap_or_default();
        (self.range.start..).zip(waiting).map(|(position, waiting)| Place {
            position,
            packet: burst.bytes.get(waiting.bytes.clone()).unwrap_or_default(),
            incoming: &waiting.incoming,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::FormatId;
    use crate::subscription::Drafts;

    fn incoming(sequence: u64) -> Incoming {
        let header = RtpHeader::parse(&[0x80, 96, 0, 1, 0, 0, 0, 9, 0, 0, 0, 7]).expect("valid");
        let key = Drafts::default().begin(0);
        let format = FormatId::OPUS;
        Incoming {
            header,
            sequence,
            encoding: 0,
            generation: 0,
            format,
            begins: false,
            picture: None,
            growth: SLACK,
            key,
        }
    }

    fn origin(track: u64) -> Origin {
        Origin { room: 1, publication: 2, track: TrackId(track) }
    }

    #[test]
    fn packets_that_follow_one_another_in_a_publication_are_grouped() {
        let mut burst = Burst::default();
        for (sequence, track) in [(1, 7), (2, 7), (3, 8), (4, 7)] {
            burst.push(origin(track), &[sequence as u8; 3], incoming(sequence));
        }
        let groups: Vec<_> = burst.groups().collect();
        let lens: Vec<_> =
            groups.iter().map(|group| (group.origin().map(|origin| origin.track.0), group.len())).collect();
        assert_eq!(lens, [(Some(7), 2), (Some(8), 1), (Some(7), 1)]);
        let places = groups.iter().flat_map(Group::places);
        let places: Vec<_> = places.map(|place| (place.position, place.packet[2], place.incoming.sequence)).collect();
        assert_eq!(places, [(0, 1, 1), (1, 2, 2), (2, 3, 3), (3, 4, 4)]);
        burst.clear();
        assert!(burst.is_empty() && burst.groups().next().is_none());
    }

    #[test]
    fn the_packets_of_a_frame_know_how_much_longer_those_behind_them_are() {
        let mut burst = Burst::default();
        let mut push = |track, encoding, timestamp, len| {
            let mut incoming = Incoming { encoding, ..incoming(1) };
            incoming.header.timestamp = timestamp;
            burst.push(origin(track), &vec![0; len], incoming);
        };
        [10, 12, 11].into_iter().for_each(|len| push(7, 0, 1, len));
        push(7, 0, 2, 90);
        push(7, 1, 2, 95);
        push(7, 0, 2, 99);
        push(8, 0, 2, 120);
        let growth = |burst: &Burst| -> Vec<_> { burst.packets.iter().map(|w| w.incoming.growth).collect() };
        assert_eq!(growth(&burst), [2, 0, 0, 0, 0, 0, 0], "of frames, encodings and publications by themselves");
        burst.clear();
        (0..MAX_PACKETS).for_each(|_| burst.push(origin(7), &[0; 10], incoming(1)));
        assert_eq!(growth(&burst), [SLACK; MAX_PACKETS], "what there is no room for may be longer");
    }

    #[test]
    fn what_is_left_of_a_burst_is_known() {
        let mut burst = Burst::default();
        for sequence in 1..=3 {
            burst.push(origin(7), &[], incoming(sequence));
        }
        let (own, other) = (origin(7), origin(8));
        assert!(burst.follows(0, own, 0, 2) && burst.follows(1, own, 0, 3));
        assert!(!burst.follows(1, own, 0, 2), "it has had its turn");
        assert!(!burst.follows(0, other, 0, 2) && !burst.follows(0, own, 1, 2), "of others");
    }

    #[test]
    fn a_burst_is_bounded_by_number_and_by_bytes() {
        let (mut small, mut large) = (Burst::default(), Burst::default());
        while !small.is_full() {
            small.push(origin(7), &[1], incoming(1));
        }
        while !large.is_full() {
            large.push(origin(7), &[1; 9_000], incoming(1));
        }
        assert_eq!((small.packets.len(), large.packets.len()), (MAX_PACKETS, 3));
    }
}
