//! What simulated media packets carry, so that a receiver can tell whose they are and what is missing.

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
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { publisher, track, layer, life, frame, packet, of, key } = self;
        let key = if *key { " key" } else { "" };
        write!(f, "p{publisher} m{track} l{layer} life{life} frame {frame} {packet}/{of}{key}")
    }
}

/// Bytes of a content.
const LEN: usize = 18;

impl Content {
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        out.extend(self.publisher.to_be_bytes());
        out.extend([self.track, self.layer, self.life]);
        out.extend(self.frame.to_be_bytes());
        out.extend([self.packet, self.of, u8::from(self.key)]);
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
            key: rest[9] != 0,
        }
    }

    /// Whether both come from one unbroken run of frames.
    pub(crate) fn same_source(&self, other: &Self) -> bool {
        (self.publisher, self.track, self.layer, self.life) == (other.publisher, other.track, other.layer, other.life)
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

/// Picture id, TL0PICIDX and content of a VP8 payload.
pub(crate) fn read_vp8(payload: &[u8]) -> (u16, u8, Content) {
    assert_eq!((payload[0] & 0x80, payload[1]), (0x80, 0xe0), "the descriptor kept its form");
    (u16::from_be_bytes([payload[2], payload[3]]) & 0x7fff, payload[4], Content::read(&payload[7..]))
}
