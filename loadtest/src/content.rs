//! What publishers put into packets, so that a witness can tell that exactly this was sent, and when.
//!
//! A payload begins with what the codec prescribes, which for pictures up to 640×360 is all that a decoder needs for a gray one. Then
//! follows a stamp, then bytes that follow from the stamp:
//!
//! | bytes | |
//! |---|---|
//! | 4 | a mark, which follows from the fields below |
//! | 4 | the stream: publisher, kind and layer, as the run numbers them |
//! | 4 | the packet's number in its stream |
//! | 2 | bytes from the mark to the payload's end |
//! | 8 | the time of sending: nanoseconds of the tester's clock |

/// Bytes of a stamp: a mark, an origin, a number, a length and a time.
pub const STAMP: usize = 22;

/// The stream that a packet belongs to: unlike an SSRC, it passes a server unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin(pub u32);

impl Origin {
    /// The most publishers of a run that can be told apart.
    pub const MAX_PUBLISHERS: u32 = 1 << 28;

    /// A layer (0 to 3) of a publisher's pictures, or its sound.
    #[must_use]
    pub fn new(publisher: u32, video: bool, layer: u8) -> Self {
        Self(publisher << 3 | u32::from(video) << 2 | u32::from(layer & 3))
    }

    /// Whether it is pictures.
    #[must_use]
    pub fn is_video(self) -> bool {
        self.0 & 4 != 0
    }

    /// The same for all layers of a publisher's pictures.
    #[must_use]
    pub fn track(self) -> u32 {
        self.0 >> 2
    }
}

/// What a payload says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Where it comes from.
    pub origin: Origin,
    /// Its number in its stream.
    pub number: u32,
    /// When it was sent, by the tester's clock.
    pub sent: u64,
}

impl Stamp {
    /// Appends the stamp and what follows from it, `bytes` in all (at least [`STAMP`]).
    pub fn write(&self, payload: &mut Vec<u8>, bytes: usize) {
        let bytes = bytes.clamp(STAMP, usize::from(u16::MAX));
        let filler = self.filler();
        payload.extend_from_slice(&filler[..4]);
        payload.extend_from_slice(&self.origin.0.to_be_bytes());
        payload.extend_from_slice(&self.number.to_be_bytes());
        payload.extend_from_slice(&(bytes as u16).to_be_bytes());
        payload.extend_from_slice(&self.sent.to_be_bytes());
        let end = payload.len() + bytes - STAMP;
        while payload.len() < end {
            let take = (end - payload.len()).min(filler.len());
            payload.extend_from_slice(&filler[..take]);
        }
    }

    /// Reads what [`Self::write`] wrote: nothing unless every byte is right.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<STAMP>()?;
        let (mark, head) = head.split_first_chunk::<4>()?;
        let (origin, head) = head.split_first_chunk::<4>()?;
        let (number, head) = head.split_first_chunk::<4>()?;
        let (length, head) = head.split_first_chunk::<2>()?;
        let stamp = Self {
            origin: Origin(u32::from_be_bytes(*origin)),
            number: u32::from_be_bytes(*number),
            sent: u64::from_be_bytes(*head.first_chunk::<8>()?),
        };
        let filler = stamp.filler();
        let right = filler.starts_with(mark)
            && usize::from(u16::from_be_bytes(*length)) == bytes.len()
            && rest.chunks(filler.len()).all(|chunk| filler.starts_with(chunk));
        right.then_some(stamp)
    }

    /// Eight bytes that differ from packet to packet (splitmix64's finaliser).
    fn filler(&self) -> [u8; 8] {
        let mut z = (u64::from(self.origin.0) << 32 | u64::from(self.number)).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z ^= self.sent.wrapping_mul(0xd6e8_feb8_6659_fd93);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)).to_be_bytes()
    }
}

/// The place of a packet in a VP8 frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8 {
    /// 15 bits.
    pub picture: u16,
    /// Whether the packet begins the frame.
    pub begins: bool,
    /// Whether the frame is a key frame.
    pub key: bool,
    /// Pixels, which a key frame tells.
    pub width: u16,
    /// Pixels.
    pub height: u16,
}

/// First partitions of gray pictures in which every macroblock is as its neighbours foretell, as libvpx writes them: nothing behind them is
/// read. By height in pixels, of a key frame and of a frame that repeats the one before.
const GRAY: [(u16, &[u8], &[u8]); 3] = [
    (180, include_bytes!("content/gray-180.key"), include_bytes!("content/gray-180.inter")),
    (360, include_bytes!("content/gray-360.key"), include_bytes!("content/gray-360.inter")),
    // The partition of a key frame does not fit into a packet: who decodes such pictures will not begin.
    (720, &[], include_bytes!("content/gray-720.inter")),
];

/// Bytes of the payload descriptor.
const DESCRIPTOR: usize = 4;
/// Bytes of a frame's header: the frame tag, and in key frames the start code and the size.
const FRAME_TAG: usize = 3;
const KEY_FRAME_HEADER: usize = 10;

impl Vp8 {
    /// The bytes before the stamp.
    #[must_use]
    pub fn overhead(&self) -> usize {
        let header = match (self.begins, self.key) {
            (true, true) => KEY_FRAME_HEADER,
            (true, false) => FRAME_TAG,
            (false, _) => return DESCRIPTOR,
        };
        DESCRIPTOR + header + self.first_partition().len()
    }

    fn first_partition(&self) -> &'static [u8] {
        let gray = GRAY.iter().find(|(height, ..)| *height == self.height);
        gray.map_or(&[], |(_, key, inter)| if self.key { key } else { inter })
    }

    /// The payload descriptor with a 15-bit picture id (RFC 7741 section 4.2) and, at the begin of a frame, the frame's
    /// header and first partition (RFC 6386 section 9).
    pub fn write(&self, payload: &mut Vec<u8>) {
        let picture = 0x8000 | self.picture;
        payload.extend_from_slice(&[0x80 | u8::from(self.begins) << 4, 0x80]);
        payload.extend_from_slice(&picture.to_be_bytes());
        if !self.begins {
            return;
        }
        let partition = self.first_partition();
        // The partition's length, show_frame, version 0, and whether it is no key frame.
        let tag = (partition.len() as u32) << 5 | 1 << 4 | u32::from(!self.key);
        payload.extend_from_slice(&tag.to_le_bytes()[..FRAME_TAG]);
        if self.key {
            payload.extend_from_slice(&[0x9d, 0x01, 0x2a]);
            payload.extend_from_slice(&(self.width & 0x3fff).to_le_bytes());
            payload.extend_from_slice(&(self.height & 0x3fff).to_le_bytes());
        }
        payload.extend_from_slice(partition);
    }
}

/// Where the stamp begins in a VP8 payload that came through a server, which may have changed the descriptor.
#[must_use]
pub fn vp8_stamp(payload: &[u8]) -> Option<&[u8]> {
    let (&first, mut rest) = payload.split_first()?;
    if first & 0x80 != 0 {
        let (&fields, after) = rest.split_first()?;
        rest = after;
        if fields & 0x80 != 0 {
            let long = rest.first()? & 0x80 != 0;
            rest = rest.get(if long { 2 } else { 1 }..)?;
        }
        let others = usize::from(fields & 0x40 != 0) + usize::from(fields & 0x30 != 0);
        rest = rest.get(others..)?;
    }
    let begins = first & 0x10 != 0 && first & 0x07 == 0;
    if !begins {
        return Some(rest);
    }
    let (&[low, middle, high], _) = rest.split_first_chunk()?;
    let tag = u32::from_le_bytes([low, middle, high, 0]);
    let header = if tag & 1 == 0 { KEY_FRAME_HEADER } else { FRAME_TAG };
    rest.get(header + (tag >> 5) as usize..)
}

/// Bytes before the stamp in a packet of Opus: the table of contents.
pub const OPUS_OVERHEAD: usize = 1;

/// The table of contents of an Opus packet (RFC 6716 section 3.1): SILK, wideband, mono, one frame of so many
/// milliseconds.
#[must_use]
pub fn opus_contents(packet_ms: u32) -> u8 {
    let configuration = match packet_ms {
        10 => 8,
        20 => 9,
        40 => 10,
        _ => 11,
    };
    configuration << 3
}

/// Where the stamp begins in an Opus payload.
#[must_use]
pub fn opus_stamp(payload: &[u8]) -> Option<&[u8]> {
    payload.get(OPUS_OVERHEAD..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMPED: Stamp = Stamp { origin: Origin(77), number: 1_000_000, sent: 123_456_789_012 };

    #[test]
    fn a_stamp_is_read_back_and_a_changed_byte_is_seen() {
        for bytes in [STAMP, STAMP + 1, STAMP + 8, 500] {
            let mut payload = Vec::new();
            STAMPED.write(&mut payload, bytes);
            assert_eq!((payload.len(), Stamp::read(&payload)), (bytes, Some(STAMPED)));
            assert_eq!(Stamp::read(&payload[..bytes - 1]), None);
            for position in 0..bytes {
                let mut changed = payload.clone();
                changed[position] ^= 1;
                assert_eq!(Stamp::read(&changed), None, "byte {position}");
            }
        }
    }

    #[test]
    fn origins_tell_publishers_kinds_and_layers_apart() {
        let last = Origin::MAX_PUBLISHERS - 1;
        let video = Origin::new(last, true, 2);
        assert!(video.is_video() && !Origin::new(last, false, 0).is_video());
        assert_eq!(video.track(), Origin::new(last, true, 0).track());
        assert_ne!(video.track(), Origin::new(last, false, 0).track());
        assert_ne!(video.track(), Origin::new(last - 1, true, 2).track());
    }

    #[test]
    fn stamps_are_found_behind_every_descriptor() {
        for (begins, key) in [(true, true), (true, false), (false, true), (false, false)] {
            let vp8 = Vp8 { picture: 0x7abc, begins, key, width: 640, height: 360 };
            let mut payload = Vec::new();
            vp8.write(&mut payload);
            assert_eq!(payload.len(), vp8.overhead());
            STAMPED.write(&mut payload, 100);
            assert_eq!(vp8_stamp(&payload).and_then(Stamp::read), Some(STAMPED), "{vp8:?}");
        }
        // As a server may rewrite it: a picture id of 7 bits, TL0PICIDX, TID.
        let mut payload = vec![0x80, 0xe0, 0x11, 0x22, 0x33];
        STAMPED.write(&mut payload, 100);
        assert_eq!(vp8_stamp(&payload).and_then(Stamp::read), Some(STAMPED));
        for length in 0..8 {
            let _ = vp8_stamp(&[0xff; 8][..length]);
        }
    }

    #[test]
    fn a_key_frame_has_the_header_that_decoders_look_for() {
        let mut payload = Vec::new();
        Vp8 { picture: 1, begins: true, key: true, width: 640, height: 360 }.write(&mut payload);
        assert_eq!(payload[..14], [0x90, 0x80, 0x80, 1, 0x30, 0x33, 0, 0x9d, 1, 0x2a, 0x80, 2, 0x68, 1]);
        assert_eq!(payload.len(), 14 + 0x3330 / 32, "the first partition is as long as the tag says");
    }
}
