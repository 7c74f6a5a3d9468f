//! What simulated media packets carry, so that a receiver can tell whose they are and what is missing.

pub(crate) mod av1;
pub(crate) mod layered;
pub(crate) mod vp9;

use super::publisher::Place;
use std::fmt;

/// A packet's place: whose track, which encoding, which frame, which packet of it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Content {
    /// The publisher's id.
    pub(crate) publisher: u64,
    /// Number of the publisher's m-line.
    pub(crate) track: u8,
    pub(crate) layer: u8,
    /// Counts the times the publisher started over.
    pub(crate) life: u8,
    pub(crate) frame: u32,
    pub(crate) packet: u8,
    /// Packets of the frame.
    pub(crate) of: u8,
    pub(crate) key: bool,
    /// The frames of its encoding and layer that it refers to, as bits: the lowest is the one before.
    pub(crate) refers: u8,
    /// It refers to the spatial layer below, of the same picture.
    pub(crate) below: bool,
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { publisher, track, layer, life, frame, packet, of, key, refers, below } = self;
        let key = match (key, below) {
            (true, _) => " key",
            (false, true) => " above",
            (false, false) => "",
        };
        write!(f, "p{publisher} m{track} l{layer} life{life} frame {frame} {packet}/{of}{key} -{refers:b}")
    }
}

/// Bytes of a content.
const LEN: usize = 19;

impl Content {
    /// A key frame of one packet, the first that the first publisher sends.
    pub(crate) const FIRST: Self = Self {
        publisher: 1,
        track: 1,
        layer: 0,
        life: 0,
        frame: 0,
        packet: 0,
        of: 1,
        key: true,
        refers: 0,
        below: false,
    };

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.publisher.to_be_bytes());
        out.extend([self.track, self.layer, self.life]);
        out.extend(self.frame.to_be_bytes());
        out.extend([self.packet, self.of, u8::from(self.key) | u8::from(self.below) << 1, self.refers]);
    }

    pub(crate) fn read(bytes: &[u8]) -> Self {
        assert!(bytes.len() >= LEN, "a payload of {} bytes", bytes.len());
        let (number, rest) = bytes.split_first_chunk().expect("long enough");
        Self {
            publisher: u64::from_be_bytes(*number),
            track: rest[0],
            layer: rest[1],
            life: rest[2],
            frame: u32::from_be_bytes([rest[3], rest[4], rest[5], rest[6]]),
            packet: rest[7],
            of: rest[8],
            key: rest[9] & 1 != 0,
            refers: rest[10],
            below: rest[9] & 2 != 0,
        }
    }

    /// The numbers of the frames that it refers to.
    pub(crate) fn references(&self) -> impl Iterator<Item = Option<u32>> {
        let Self { frame, refers, .. } = *self;
        (0..u8::BITS).filter(move |bit| refers >> bit & 1 == 1).map(move |bit| frame.checked_sub(bit + 1))
    }

    /// Whether both come from one unbroken run of frames.
    pub(crate) fn same_source(&self, other: &Self) -> bool {
        self.same_stream(other) && self.layer == other.layer
    }

    /// The same, of layers that are one stream.
    pub(crate) fn same_stream(&self, other: &Self) -> bool {
        (self.publisher, self.track, self.life) == (other.publisher, other.track, other.life)
    }
}

/// A VP8 payload: descriptor with a 15-bit picture id, TL0PICIDX and TID, the header's first byte, the content, filler.
pub(crate) fn vp8_payload(picture: u16, tl0: u8, content: &Content, len: usize) -> Vec<u8> {
    let start = if content.packet == 0 { 0x10 } else { 0 };
    let [high, low] = (picture & 0x7fff | 0x8000).to_be_bytes();
    let mut payload = vec![0x80 | start, 0xe0, high, low, tl0, 0, u8::from(!content.key)];
    content.write(&mut payload);
    payload.resize(payload.len().max(len), 0xaa);
    payload
}

/// The start code of a key frame (RFC 6386 section 9.1), behind the frame tag's three bytes.
const START_CODE: [u8; 3] = [0x9d, 0x01, 0x2a];
const DESCRIPTOR_LEN: usize = 6;
const KEY_HEADER_LEN: usize = 10;

/// The same of an encoder's frame with temporal layers, whose key frame's first packet has the header of RFC 6386
/// section 9.1.
pub(crate) fn encoded_payload(
    picture: u16,
    tl0: u8,
    place: Place,
    size: (u16, u16),
    content: &Content,
    len: usize,
) -> Vec<u8> {
    let start = if content.packet == 0 { 0x10 } else { 0 };
    // Nothing refers to frames of the top layer (N).
    let discardable = if place.layer == 2 { 0x20 } else { 0 };
    let [high, low] = (picture & 0x7fff | 0x8000).to_be_bytes();
    let temporal = place.layer << 6 | u8::from(place.is_sync) << 5;
    let mut payload = vec![0x80 | discardable | start, 0xe0, high, low, tl0, temporal];
    if content.key && content.packet == 0 {
        // A key frame of version 0 that is shown, and its first partition's size.
        let tag = 1 << 4 | (len as u32 & 0x7_ffff) << 5;
        payload.extend_from_slice(&tag.to_le_bytes()[..3]);
        payload.extend(START_CODE);
        payload.extend(size.0.to_le_bytes());
        payload.extend(size.1.to_le_bytes());
    } else {
        payload.push(u8::from(!content.key));
    }
    content.write(&mut payload);
    payload.resize(payload.len().max(len), 0xaa);
    payload
}

/// What a VP8 payload's descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vp8Numbers {
    pub(crate) picture: u16,
    pub(crate) tl0: u8,
    /// TID.
    pub(crate) layer: u8,
    /// The Y bit.
    pub(crate) is_sync: bool,
}

/// The descriptor and the content of a VP8 payload.
pub(crate) fn read_vp8(payload: &[u8]) -> (Vp8Numbers, Content) {
    assert_eq!((payload[0] & 0x80, payload[1]), (0x80, 0xe0), "the descriptor kept its form");
    let numbers = Vp8Numbers {
        picture: u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff,
        tl0: payload[4],
        layer: payload[5] >> 6,
        is_sync: payload[5] & 0x20 != 0,
    };
    let has_header = payload[0] & 0x10 != 0 && payload[DESCRIPTOR_LEN + 3..].starts_with(&START_CODE);
    let header_len = if has_header { KEY_HEADER_LEN } else { 1 };
    (numbers, Content::read(&payload[DESCRIPTOR_LEN + header_len..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::vp8::Vp8Descriptor;

    #[test]
    fn an_encoded_frame_reads_back_and_tells_its_size() {
        let content = Content { publisher: 3, layer: 2, frame: 700, of: 9, ..Content::FIRST };
        let place = Place { layer: 0, is_sync: false, refers: 0 };
        let payload = encoded_payload(0x1234, 9, place, (1280, 720), &content, 1_000);
        let numbers = Vp8Numbers { picture: 0x1234, tl0: 9, layer: 0, is_sync: false };
        assert_eq!((read_vp8(&payload), payload.len()), ((numbers, content), 1_000));
        let descriptor = Vp8Descriptor::parse(&payload).expect("valid");
        assert!(descriptor.is_keyframe_start(&payload));
        let header = &payload[descriptor.descriptor_len()..];
        assert_eq!(header[3..10], [0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02], "1280 and 720, low bytes first");

        let content = Content { packet: 1, key: false, refers: 0b10, ..content };
        let place = Place { layer: 1, is_sync: true, refers: 0b10 };
        let payload = encoded_payload(5, 9, place, (1280, 720), &content, 300);
        assert_eq!(read_vp8(&payload), (Vp8Numbers { picture: 5, tl0: 9, layer: 1, is_sync: true }, content));
    }
}
