//! What the shards of one process tell one another of a room that is spread over them: decrypted packets, and what keeps the
//! mirrors of its tracks true.
//!
//! A shard writes what the others are to have into one [`RelayBatch`] a tick, each packet once, whatever the number of shards
//! that it is for. The driver shares the batch between them; none of them changes it. A batch may be lost on its way: then
//! [`Shard::relay_refused`](crate::Shard::relay_refused) is told, and what a receiver must know is said again.

use crate::allocation::MAX_TEMPORAL;
use crate::command::{MediaKind, Rid, Source};
use crate::formats::FormatId;
use crate::ids::{ParticipantId, RoomId, TrackId};
use crate::numbering::Numbering;
use crate::sdp::Mid;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// Shards between which rooms can be spread: those with the lowest numbers. One room that fills more cores is beyond what
/// its people could be shown.
pub const MAX_RELAYING_SHARDS: u16 = 64;

/// Packets of one batch: several times what a tick receives, so that only a driver that does not take its batches meets it.
pub const MAX_BATCH_PACKETS: usize = 8_192;

/// Their bytes, for the same reason.
pub const MAX_BATCH_BYTES: usize = 8 << 20;

/// Everything else in one batch: as much as the events that may wait for the control plane.
pub const MAX_BATCH_NOTES: usize = 65_536;

/// Some of the process's shards, by their numbers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct ShardSet(u64);

impl ShardSet {
    /// None.
    pub const EMPTY: Self = Self(0);

    /// One shard; none for a number beyond [`MAX_RELAYING_SHARDS`].
    #[must_use]
    pub const fn of(shard: u16) -> Self {
        if shard < MAX_RELAYING_SHARDS { Self(1 << shard) } else { Self::EMPTY }
    }

    /// Whether there is none in it.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many are in it.
    #[must_use]
    pub const fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Whether that one is in it.
    #[must_use]
    pub const fn contains(self, shard: u16) -> bool {
        !self.and(Self::of(shard)).is_empty()
    }

    /// Those in either.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those in both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Those that are not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Their numbers, ascending.
    pub fn iter(self) -> impl Iterator<Item = u16> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let shard = (left != 0).then(|| left.trailing_zeros() as u16)?;
            left &= left - 1;
            Some(shard)
        })
    }
}

impl FromIterator<u16> for ShardSet {
    fn from_iter<T: IntoIterator<Item = u16>>(shards: T) -> Self {
        shards.into_iter().fold(Self::EMPTY, |set, shard| set.with(Self::of(shard)))
    }
}

impl fmt::Debug for ShardSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A track as another shard mirrors it.
#[derive(Debug)]
pub(crate) struct SharedTrack {
    pub(crate) track: TrackId,
    pub(crate) publisher: ParticipantId,
    pub(crate) mid: Mid,
    pub(crate) kind: MediaKind,
    pub(crate) source: Source,
    pub(crate) muted: bool,
    /// Nothing is forwarded until its publisher unmutes it.
    pub(crate) silenced: bool,
    /// The lowest quality first; empty without simulcast.
    pub(crate) rids: Vec<Rid>,
    /// Its publisher's, in which relayed packets are written.
    pub(crate) numbering: Numbering,
}

/// A media packet, decrypted. Its bytes lie in the batch.
#[derive(Clone, Debug)]
pub(crate) struct RelayedPacket {
    pub(crate) track: TrackId,
    /// Extended sequence number in its encoding.
    pub(crate) sequence: u64,
    pub(crate) encoding: u8,
    /// Changes when the encoding's sender starts over with other numbers.
    pub(crate) generation: u8,
    pub(crate) format: FormatId,
    /// A decoder can start here.
    pub(crate) begins: bool,
    /// It came as a retransmission.
    pub(crate) recovered: bool,
    /// RFC 6464, of a microphone.
    pub(crate) level: Option<u8>,
}

/// What one shard tells another.
#[derive(Clone, Debug)]
pub(crate) enum Note {
    /// A packet, and where its bytes lie.
    Packet(RelayedPacket, Range<usize>),
    /// A track is published here, or has changed.
    Share(RoomId, Arc<SharedTrack>),
    /// It is not published any more.
    Unshare(TrackId),
    /// All that is published here; what is mirrored besides has ended. `true` asks for the same of the other part.
    Roster(RoomId, Arc<[Arc<SharedTrack>]>, bool),
    /// Of a track of yours: the encodings that are wanted here, as bits.
    Want(RoomId, TrackId, u8),
    /// Of a track of yours: a key frame of that encoding is wanted.
    Keyframe(RoomId, TrackId, u8),
    /// An encoding of a mirrored track can be had, and is not relayed at present.
    Heard(TrackId, HeardEncoding),
    /// What a sender report says of an encoding.
    Clock(RelayedClock),
}

/// What is known of an encoding where it is published.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeardEncoding {
    pub(crate) encoding: u8,
    /// What it costs, once that was measured.
    pub(crate) bitrate_bps: Option<u64>,
    /// The share of that which each temporal layer takes together with those below it, in percent; 0 ends the list.
    pub(crate) temporal: [u8; MAX_TEMPORAL],
    /// Width and height of its picture.
    pub(crate) size: Option<(u16, u16)>,
}

/// An encoding's timestamps against time. Shards have clocks of their own: the time is told by its distance from now.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RelayedClock {
    pub(crate) track: TrackId,
    pub(crate) encoding: u8,
    pub(crate) generation: u8,
    pub(crate) format: FormatId,
    /// How long before the batch's time that was, in 1/2^32 s.
    pub(crate) behind: i64,
    pub(crate) timestamp: u32,
}

/// Something in a batch, and for whom.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) to: ShardSet,
    pub(crate) note: Note,
}

/// What one shard has for the others after a tick, in the order in which it happened. A batch that is cleared and filled again
/// allocates nothing once it has had its size.
#[derive(Debug, Default)]
pub struct RelayBatch {
    from: u16,
    to: ShardSet,
    pub(crate) entries: Vec<Entry>,
    bytes: Vec<u8>,
    packets: usize,
}

impl RelayBatch {
    /// An empty batch of that shard in this one's memory.
    pub(crate) fn reused_by(mut self, from: u16) -> Self {
        self.clear();
        Self { from, ..self }
    }

    /// The shard whose words these are.
    #[must_use]
    pub fn from(&self) -> u16 {
        self.from
    }

    /// The shards that something in it is for.
    #[must_use]
    pub fn destinations(&self) -> ShardSet {
        self.to
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many packets in it are for a shard.
    #[must_use]
    pub fn packets_for(&self, shard: u16) -> u64 {
        let packets = self.entries.iter().filter(|entry| matches!(entry.note, Note::Packet(..)));
        packets.filter(|entry| entry.to.contains(shard)).count() as u64
    }

    /// Bytes of memory held.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.bytes.capacity() + self.entries.capacity() * size_of::<Entry>()
    }

    /// Empties it for its next use.
    pub fn clear(&mut self) {
        self.entries.clear();
        self.bytes.clear();
        (self.to, self.packets) = (ShardSet::EMPTY, 0);
    }

    /// Adds a packet; whether there was room.
    pub(crate) fn push_packet(&mut self, to: ShardSet, packet: RelayedPacket, bytes: &[u8]) -> bool {
        let range = self.bytes.len()..self.bytes.len() + bytes.len();
        if self.packets >= MAX_BATCH_PACKETS || range.end > MAX_BATCH_BYTES {
            return false;
        }
        self.bytes.extend_from_slice(bytes);
        self.packets += 1;
        self.add(to, Note::Packet(packet, range));
        true
    }

    /// Adds something else; whether there was room.
    pub(crate) fn push(&mut self, to: ShardSet, note: Note) -> bool {
        let has_room = self.entries.len() - self.packets < MAX_BATCH_NOTES;
        if has_room {
            self.add(to, note);
        }
        has_room
    }

    fn add(&mut self, to: ShardSet, note: Note) {
        self.to = self.to.with(to);
        self.entries.push(Entry { to, note });
    }

    /// A packet's bytes.
    pub(crate) fn bytes(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u64) -> RelayedPacket {
        RelayedPacket {
            track: TrackId(1),
            sequence,
            encoding: 0,
            generation: 0,
            format: FormatId::VP8,
            begins: false,
            recovered: false,
            level: None,
        }
    }

    #[test]
    fn sets_hold_the_shards_that_can_relay() {
        let set: ShardSet = [3, 0, 63, 64, 300].into_iter().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 3, 63]);
        assert!(set.contains(63) && !set.contains(64) && !set.contains(1));
        assert_eq!(set.without(ShardSet::of(3)).with(ShardSet::of(5)).len(), 3);
        assert!(set.and(ShardSet::of(1)).is_empty() && ShardSet::EMPTY.iter().next().is_none());
    }

    #[test]
    fn a_batch_is_bounded_and_its_notes_fit_when_its_packets_do_not() {
        let mut batch = RelayBatch::default();
        let to = ShardSet::of(1);
        let fitting = (0..MAX_BATCH_PACKETS as u64 + 5).filter(|n| batch.push_packet(to, packet(*n), &[0; 10])).count();
        assert_eq!(fitting, MAX_BATCH_PACKETS);
        let fitting = (0..MAX_BATCH_NOTES + 5).filter(|_| batch.push(to, Note::Unshare(TrackId(1)))).count();
        assert_eq!(fitting, MAX_BATCH_NOTES);
        batch.clear();
        let large = vec![0; MAX_BATCH_BYTES / 4];
        assert_eq!((0..9).filter(|n| batch.push_packet(to, packet(*n), &large)).count(), 4);
    }

    #[test]
    fn a_batch_knows_whom_it_is_for() {
        let mut batch = RelayBatch::default().reused_by(2);
        assert!(batch.push_packet(ShardSet::of(1), packet(1), b"abc"));
        assert!(batch.push_packet([1, 4].into_iter().collect(), packet(2), b"de"));
        assert!(batch.push(ShardSet::of(5), Note::Unshare(TrackId(9))));
        assert_eq!(batch.destinations().iter().collect::<Vec<_>>(), [1, 4, 5]);
        assert_eq!([1, 4, 5].map(|shard| batch.packets_for(shard)), [2, 1, 0]);
        let Note::Packet(_, range) = &batch.entries[1].note else { panic!("a packet") };
        assert_eq!(batch.bytes(range), b"de");
        batch.clear();
        assert!(batch.is_empty() && batch.destinations().is_empty() && batch.from() == 2 && batch.memory() > 0);
    }
}
