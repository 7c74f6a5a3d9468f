//! AV1's payload (RTP payload format for AV1 1.0, section 4.4): the aggregation header and the first OBU.

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

/// The headers of the OBU elements. W of the aggregation header counts them; the last of W has no length before it.
fn obus(payload: &[u8]) -> impl Iterator<Item = ObuHeader> {
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
        obu_header(element)
    })
}

fn obu_header(element: &[u8]) -> Option<ObuHeader> {
    let head = *element.first()?;
    let has_extension = head & 0x04 != 0;
    let temporal = if has_extension { element.get(1).map(|byte| byte >> 5) } else { None };
    Some(ObuHeader { kind: head >> 3 & 0x0f, temporal })
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

    #[test]
    fn temporal_layers_come_from_the_obu_extension() {
        assert_eq!(temporal_layer(&[0b0001_0000, 0x34, 0b0100_0000, 0]), Some(2));
        assert_eq!(temporal_layer(&[0b0001_0000, 0x30, 0b0100_0000, 0]), None);
        assert_eq!(temporal_layer(&[0b1001_0000, 0x34, 0b0100_0000, 0]), None);
        assert_eq!(temporal_layer(&[0b0000_0000, 1, 0x10, 2, 0x34, 0x20]), Some(1));
    }
}
