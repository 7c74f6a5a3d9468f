//! Redundant audio (RFC 2198): finding the primary block, so that a subscriber without RED gets plain Opus.

/// A redundant packet carries at most this many older blocks; senders use one or two.
const MAX_REDUNDANT_BLOCKS: usize = 8;

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
        let payload_type = first & 0x7f;
        if first & 0x80 == 0 {
            return Some(PrimaryBlock { payload_type, payload: after.get(redundant_len..)? });
        }
        // Of the three bytes that follow, 14 bits are the timestamp offset and 10 the length.
        let (&[_, high, low], after) = after.split_first_chunk()?;
        redundant_len += usize::from(u16::from_be_bytes([high & 0x03, low]));
        rest = after;
    }
    None
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

    proptest! {
        #[test]
        fn never_panics(payload in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some(block) = primary_block(&payload) {
                prop_assert!(payload.ends_with(block.payload));
            }
        }
    }
}
