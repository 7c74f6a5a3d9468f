//! Redundant audio (RFC 2198), as libwebrtc's `audio/red` has it over Opus: an RTP payload with copies of earlier ones.
//!
//! Read as far as a subscriber without RED gets plain Opus; written for a subscriber with RED who loses packets.

/// A redundant packet carries at most this many older blocks; senders use one or two.
const MAX_REDUNDANT_BLOCKS: usize = 8;

/// The header of an older block (RFC 2198 section 3), in bytes: F, payload type, timestamp offset, length.
const BLOCK_HEADER_LEN: usize = 4;

/// The header of the primary block: F and payload type.
const PRIMARY_HEADER_LEN: usize = 1;

/// The first bit of a block's header: another one follows.
const FOLLOWED: u8 = 0x80;

/// Timestamp offsets have 14 bits: 341 ms at 48 kHz.
const MAX_TIMESTAMP_OFFSET: u32 = (1 << 14) - 1;

/// Block lengths have 10 bits.
const MAX_BLOCK_LEN: usize = (1 << 10) - 1;

/// The longest payload to which copies are added. With the headers of RTP, SRTP, UDP and IP, and a tunnel's, it fits any path: 1,200
/// bytes are what libwebrtc takes for the MTU (`kRedMaxPacketSize` in `audio_encoder_copy_red.cc`).
pub const MAX_RED_LEN: usize = 1_100;

/// The newest block of a RED payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrimaryBlock<'a> {
    /// The payload type of the block, in the publisher's numbering.
    pub payload_type: u8,
    /// Its payload.
    pub payload: &'a [u8],
}

/// The primary block (section 3: the last); `None` when the block lengths do not fit the payload, or for too many blocks.
///
/// The block may be empty: Opus's DTX has packets without any redundancy worth sending.
#[must_use]
pub fn primary_block(payload: &[u8]) -> Option<PrimaryBlock<'_>> {
    let mut rest = payload;
    let mut redundant_len = 0;
    for _ in 0..=MAX_REDUNDANT_BLOCKS {
        let (&first, after) = rest.split_first()?;
        let payload_type = first & !FOLLOWED;
        if first & FOLLOWED == 0 {
            return Some(PrimaryBlock { payload_type, payload: after.get(redundant_len..)? });
        }
        // Of the three bytes that follow, 14 bits are the timestamp offset and 10 the length.
        let (&[_, high, low], after) = after.split_first_chunk()?;
        redundant_len += usize::from(u16::from_be_bytes([high & 0x03, low]));
        rest = after;
    }
    None
}

/// An earlier payload that is sent once more, in the packet of a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedundantBlock<'a> {
    /// How much older it is than the primary block, in timestamp units: 1 to 2^14 − 1.
    offset: u16,
    payload: &'a [u8],
}

impl<'a> RedundantBlock<'a> {
    /// A payload of `timestamp` for the packet of `primary_timestamp`. `None` where the header's fields cannot say that, or the payload is
    /// empty.
    #[must_use]
    pub fn new(payload: &'a [u8], timestamp: u32, primary_timestamp: u32) -> Option<Self> {
        let offset = primary_timestamp.wrapping_sub(timestamp);
        let fits = (1..=MAX_TIMESTAMP_OFFSET).contains(&offset) && (1..=MAX_BLOCK_LEN).contains(&payload.len());
        fits.then_some(Self { offset: offset as u16, payload })
    }

    /// Bytes that it adds to a packet.
    #[must_use]
    pub const fn cost(&self) -> usize {
        BLOCK_HEADER_LEN + self.payload.len()
    }

    fn header(&self, payload_type: u8) -> [u8; BLOCK_HEADER_LEN] {
        let word = u32::from(self.offset) << 10 | self.payload.len() as u32;
        let [_, high, middle, low] = word.to_be_bytes();
        [FOLLOWED | payload_type, high, middle, low]
    }
}

/// The length of a RED payload with a primary block of `primary_len` bytes, and older blocks that cost so many.
#[must_use]
pub const fn red_len(primary_len: usize, redundant_len: usize) -> usize {
    PRIMARY_HEADER_LEN + primary_len + redundant_len
}

/// Writes a RED payload into `out` from `at` on and returns where it ends: older blocks, the oldest first, and the primary one, all of
/// them of one payload type. `None` when `out` is too small.
pub fn write_red<'a>(
    out: &mut [u8],
    at: usize,
    payload_type: u8,
    redundant: impl Iterator<Item = RedundantBlock<'a>> + Clone,
    primary: &[u8],
) -> Option<usize> {
    let payload_type = payload_type & !FOLLOWED;
    let mut end = at;
    let mut append = |bytes: &[u8]| {
        out.get_mut(end..end.checked_add(bytes.len())?)?.copy_from_slice(bytes);
        end += bytes.len();
        Some(end)
    };
    for block in redundant.clone() {
        append(&block.header(payload_type))?;
    }
    append(&[payload_type])?;
    for block in redundant {
        append(block.payload)?;
    }
    append(primary)
}

/// All blocks of a RED payload, the oldest first, each with its timestamp offset; the primary block's is 0.
#[cfg(test)]
pub(crate) fn read_blocks(payload: &[u8]) -> Option<Vec<(u8, u32, &[u8])>> {
    let (mut headers, mut rest) = (Vec::new(), payload);
    loop {
        let (&first, after) = rest.split_first()?;
        if first & FOLLOWED == 0 {
            rest = after;
            break headers.push((first, 0, None));
        }
        let (&[high, middle, low], after) = after.split_first_chunk()?;
        let word = u32::from_be_bytes([0, high, middle, low]);
        headers.push((first & !FOLLOWED, word >> 10, Some(word as usize & MAX_BLOCK_LEN)));
        rest = after;
    }
    let blocks = headers.into_iter().map(|(payload_type, offset, len)| {
        let (block, after) = rest.split_at_checked(len.unwrap_or(rest.len()))?;
        rest = after;
        Some((payload_type, offset, block))
    });
    blocks.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn finds_the_last_block() {
        let alone = [111, 1, 2, 3];
        assert_eq!(primary_block(&alone), Some(PrimaryBlock { payload_type: 111, payload: &[1, 2, 3] }));
        let two = [0x80 | 111, 0x0f, 0x00, 2, 0x80 | 111, 0x07, 0x80, 1, 111, 9, 9, 8, 1, 2];
        assert_eq!(primary_block(&two), Some(PrimaryBlock { payload_type: 111, payload: &[1, 2] }));
    }

    #[test]
    fn the_length_has_ten_bits() {
        let mut payload = vec![0x80 | 111, 0xff, 0xfe, 0x01, 111];
        payload.extend(vec![7; 0x201]);
        payload.push(42);
        assert_eq!(primary_block(&payload).map(|b| b.payload), Some(&[42][..]));
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert_eq!(primary_block(&[]), None);
        assert_eq!(primary_block(&[0x80 | 111, 0, 0]), None);
        assert_eq!(primary_block(&[0x80 | 111, 0, 0, 1]), None);
        assert_eq!(primary_block(&[0x80 | 111, 0, 0, 2, 111, 1]), None);
        let endless = [0x80 | 111, 0, 0, 0].repeat(MAX_REDUNDANT_BLOCKS + 1);
        assert_eq!(primary_block(&[&endless[..], &[111, 1]].concat()), None);
    }

    #[test]
    fn a_packet_is_written_as_the_rfc_draws_it() {
        // Twenty and ten milliseconds before, across the end of the timestamps.
        let blocks = [RedundantBlock::new(&[9, 9], u32::MAX - 99, 860), RedundantBlock::new(&[8], 380, 860)];
        let blocks = blocks.map(|block| block.expect("fits"));
        let mut out = [0xee; 20];
        assert_eq!(write_red(&mut out, 3, 111, blocks.into_iter(), &[1, 2]), Some(17));
        assert_eq!(out[3..17], [0x80 | 111, 0x0f, 0x00, 2, 0x80 | 111, 0x07, 0x80, 1, 111, 9, 9, 8, 1, 2]);
        for len in 3..17 {
            assert_eq!(write_red(&mut out[..len], 3, 111, blocks.into_iter(), &[1, 2]), None, "{len} bytes");
        }
    }

    #[test]
    fn what_the_fields_cannot_say_is_no_block() {
        let largest = [7; MAX_BLOCK_LEN];
        let block = |len: usize, age: u32| RedundantBlock::new(&largest[..len], 1_000_u32.wrapping_sub(age), 1_000);
        assert!(block(1, 1).is_some() && block(MAX_BLOCK_LEN, MAX_TIMESTAMP_OFFSET).is_some());
        assert_eq!(block(1, MAX_TIMESTAMP_OFFSET + 1), None, "more than a third of a second before");
        assert_eq!((block(1, 0), block(1, u32::MAX)), (None, None), "of the same time, or a later one");
        assert_eq!(block(0, 1), None);
        assert_eq!(RedundantBlock::new(&[7; MAX_BLOCK_LEN + 1], 0, 1), None);
    }

    proptest! {
        #[test]
        fn never_panics(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(block) = primary_block(&payload) {
                prop_assert!(payload.ends_with(block.payload));
            }
            let _ = read_blocks(&payload);
        }

        #[test]
        fn what_is_written_is_read(
            earlier in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..1_100), 0u32..20_000), 0..3),
            primary in prop::collection::vec(any::<u8>(), 0..100),
            timestamp in any::<u32>(), payload_type in 0u8..128, len in 0usize..3_000,
        ) {
            let blocks: Vec<_> = earlier
                .iter()
                .filter_map(|(payload, age)| RedundantBlock::new(payload, timestamp.wrapping_sub(*age), timestamp))
                .collect();
            let mut out = vec![0; len];
            let cost: usize = blocks.iter().map(RedundantBlock::cost).sum();
            let end = write_red(&mut out, 0, payload_type, blocks.iter().copied(), &primary);
            prop_assert_eq!(end, Some(red_len(primary.len(), cost)).filter(|end| *end <= len));
            if let Some(end) = end {
                let mut expected: Vec<(u8, u32, &[u8])> =
                    blocks.iter().map(|block| (payload_type, u32::from(block.offset), block.payload)).collect();
                expected.push((payload_type, 0, &primary));
                prop_assert_eq!(read_blocks(&out[..end]), Some(expected));
                let found = primary_block(&out[..end]);
                prop_assert_eq!(found, Some(PrimaryBlock { payload_type, payload: &primary }));
            }
        }
    }
}
