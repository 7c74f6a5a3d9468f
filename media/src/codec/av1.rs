//! AV1's payload (RTP payload format for AV1 1.0, section 4.4): the aggregation header and the first OBU.

use super::bits::Bits;

const OBU_SEQUENCE_HEADER: u8 = 1;
const OBU_TEMPORAL_DELIMITER: u8 = 2;

/// The header of an OBU (AV1 specification section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ObuHeader {
    kind: u8,
    temporal: Option<u8>,
}

/// Whether the packet begins a coded video sequence: the N bit says so, or its first OBU is a sequence header.
#[must_use]
pub fn is_keyframe_start(payload: &[u8]) -> bool {
    let Some(&aggregation) = payload.first() else {
        return false;
    };
    let continues_an_obu = aggregation & 0x80 != 0;
    let is_new_sequence = aggregation & 0x08 != 0;
    !continues_an_obu
        && (is_new_sequence && payload.len() > 1
            || obus(payload)
                .find(|obu| obu.kind != OBU_TEMPORAL_DELIMITER)
                .is_some_and(|obu| obu.kind == OBU_SEQUENCE_HEADER))
}

/// The temporal layer of the packet's first OBU that names one. Packets that begin inside an OBU name none.
#[must_use]
pub fn temporal_layer(payload: &[u8]) -> Option<u8> {
    (payload.first()? & 0x80 == 0).then(|| obus(payload).find_map(|obu| obu.temporal))?
}

/// Width and height in pixels that the packet's sequence header allows at most (AV1 specification section 5.5.1).
#[must_use]
pub fn largest_size(payload: &[u8]) -> Option<(u16, u16)> {
    if payload.first()? & 0x80 != 0 {
        return None;
    }
    let is_header = |element: &&[u8]| obu_header(element).is_some_and(|obu| obu.kind == OBU_SEQUENCE_HEADER);
    sequence_size(obu_content(elements(payload).find(is_header)?)?)
}

/// The headers of the OBU elements.
fn obus(payload: &[u8]) -> impl Iterator<Item = ObuHeader> {
    elements(payload).map_while(obu_header)
}

/// The OBU elements. W of the aggregation header counts them; the last of W has no length before it.
fn elements(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let count = payload.first().map_or(0, |aggregation| aggregation >> 4 & 0x03);
    let mut rest = payload.get(1..).unwrap_or_default();
    let mut index = 0;
    std::iter::from_fn(move || {
        index += 1;
        let element;
        if count != 0 && index >= count {
            element = std::mem::take(&mut rest);
        } else {
            let (len, after) = leb128(rest)?;
            (element, rest) = after.split_at_checked(len)?;
        }
        // An empty one is no OBU, and what follows an end is nothing.
        (!element.is_empty()).then_some(element)
    })
}

fn obu_header(element: &[u8]) -> Option<ObuHeader> {
    let head = *element.first()?;
    let has_extension = head & 0x04 != 0;
    let temporal = if has_extension { element.get(1).map(|byte| byte >> 5) } else { None };
    Some(ObuHeader { kind: head >> 3 & 0x0f, temporal })
}

/// What follows an OBU's header, and its size where it has one.
fn obu_content(obu: &[u8]) -> Option<&[u8]> {
    let head = *obu.first()?;
    let content = obu.get(if head & 0x04 != 0 { 2 } else { 1 }..)?;
    if head & 0x02 == 0 {
        return Some(content);
    }
    let (len, rest) = leb128(content)?;
    rest.get(..len)
}

fn sequence_size(header: &[u8]) -> Option<(u16, u16)> {
    let mut bits = Bits::new(header);
    // seq_profile and still_picture.
    bits.skip(3 + 1)?;
    if bits.flag()? {
        // reduced_still_picture_header: seq_level_idx alone.
        bits.skip(5)?;
    } else {
        skip_operating_points(&mut bits)?;
    }
    let [width_bits, height_bits] = [bits.take(4)? + 1, bits.take(4)? + 1];
    let [width, height] = [bits.take(width_bits)? + 1, bits.take(height_bits)? + 1];
    Some((width.try_into().ok()?, height.try_into().ok()?))
}

/// From timing_info_present_flag to the last operating point.
fn skip_operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay_bits = None;
    if bits.flag()? {
        bits.skip(32 + 32)?;
        if bits.flag()? {
            bits.skip_exp_golomb()?;
        }
        if bits.flag()? {
            delay_bits = Some(bits.take(5)? as usize + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let has_display_delay = bits.flag()?;
    for _ in 0..=bits.take(5)? {
        bits.skip(12)?;
        if bits.take(5)? > 7 {
            bits.skip(1)?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if has_display_delay && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Some(())
}

/// A length of at most three bytes: a packet has no longer elements.
fn leb128(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut value = 0;
    for index in 0..3 {
        let byte = *bytes.get(index)?;
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, bytes.get(index + 1..)?));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::bits::pack;

    #[test]
    fn a_new_sequence_starts_a_keyframe() {
        assert!(is_keyframe_start(&[0b0001_1000, 0x0a, 1]));
        assert!(!is_keyframe_start(&[0b1001_1000, 0x0a, 1]), "the middle of an OBU");
        assert!(!is_keyframe_start(&[0b0000_1000]), "nothing in it");
    }

    #[test]
    fn so_does_a_sequence_header_without_the_bit() {
        assert!(is_keyframe_start(&[0b0001_0000, 0x08, 1, 2]), "W=1");
        assert!(is_keyframe_start(&[0b0000_0000, 2, 0x08, 1, 1, 0x30]), "W=0");
        assert!(is_keyframe_start(&[0b0010_0000, 1, 0x10, 0x08, 1]), "after a temporal delimiter");
        assert!(!is_keyframe_start(&[0b0001_0000, 0x30, 1, 2]), "a frame");
        assert!(!is_keyframe_start(&[0b0000_0000, 9, 0x08]), "a length beyond the packet");
        assert!(!is_keyframe_start(&[0b0000_0000, 0xff, 0xff, 0xff, 0xff]));
    }

    /// A sequence header as encoders write it, with its OBU header and size: 960×540.
    const SEQUENCE: [u8; 13] = [0x0a, 0x0b, 0x00, 0x00, 0x00, 0x24, 0xcf, 0x7f, 0x0d, 0xbf, 0xff, 0x30, 0x08];

    #[test]
    fn the_sequence_header_has_a_size() {
        assert_eq!(largest_size(&[&[0b0001_1000], &SEQUENCE[..]].concat()), Some((960, 540)));
        let bare = [&[0b0010_1000, 1, 0x10, 0x08], &SEQUENCE[2..]].concat();
        assert_eq!(largest_size(&bare), Some((960, 540)), "without a size, after a temporal delimiter");
        assert_eq!(largest_size(&[&[0b1001_1000], &SEQUENCE[..]].concat()), None, "the middle of an OBU");
        assert_eq!(largest_size(&[0b0001_0000, 0x30, 1, 2]), None, "a frame");
        for len in 0..8 {
            assert_eq!(largest_size(&[&[0b0001_1000, 0x08], &SEQUENCE[2..2 + len]].concat()), None, "{len} bytes");
        }
    }

    #[test]
    fn a_sequence_header_with_everything_in_it() {
        // Timing with equal intervals, a decoder model, display delays and one operating point that uses both.
        let timing = [(1, 1), (1, 32), (30, 32), (1, 1), (1, 1), (1, 1), (9, 5), (1, 32), (9, 5), (9, 5)];
        let point = [(1, 1), (0, 5), (0, 12), (8, 5), (0, 1), (1, 1), (5, 10), (5, 10), (0, 1), (1, 1), (3, 4)];
        let size = [(10, 4), (10, 4), (1_919, 11), (1_079, 11)];
        let header = pack(&[&[(0, 5)][..], &timing, &point, &size].concat());
        assert_eq!(largest_size(&[&[0b0001_1000, 0x08], &header[..]].concat()), Some((1_920, 1_080)));
        let still = pack(&[(0, 3), (3, 2), (4, 5), (3, 4), (3, 4), (15, 4), (7, 4)]);
        assert_eq!(largest_size(&[&[0b0001_1000, 0x08], &still[..]].concat()), Some((16, 8)));
    }

    #[test]
    fn temporal_layers_come_from_the_obu_extension() {
        assert_eq!(temporal_layer(&[0b0001_0000, 0x34, 0b0100_0000, 0]), Some(2));
        assert_eq!(temporal_layer(&[0b0001_0000, 0x30, 0b0100_0000, 0]), None);
        assert_eq!(temporal_layer(&[0b1001_0000, 0x34, 0b0100_0000, 0]), None);
        assert_eq!(temporal_layer(&[0b0000_0000, 1, 0x10, 2, 0x34, 0x20]), Some(1));
    }
}
