//! H.265 (RFC 7798): finding the packet with which a decoder can start, and temporal layers.

use super::{aggregated_units, parameter_sets};

const FIRST_IRAP: u8 = 16;
const LAST_IRAP: u8 = 21;
const VPS: u8 = 32;
const SPS: u8 = 33;
const AGGREGATION: u8 = 48;
const FRAGMENTATION: u8 = 49;

/// Bytes of a NAL unit's header (section 1.1.4).
const UNIT_HEADER_LEN: usize = 2;

/// Whether the packet begins a keyframe: it holds a video or sequence parameter set, or the first segment of a picture
/// at which decoding can start (IRAP).
#[must_use]
pub fn is_keyframe_start(payload: &[u8]) -> bool {
    let Some((head, body)) = payload.split_first_chunk::<UNIT_HEADER_LEN>() else {
        return false;
    };
    match unit_type(head) {
        AGGREGATION => aggregated_units(body).any(is_start_unit),
        FRAGMENTATION => match body {
            [fragment, rest @ ..] if fragment & 0x80 != 0 => starts(fragment & 0x3f, rest),
            _ => false,
        },
        _ => is_start_unit(payload),
    }
}

/// The temporal layer: nuh_temporal_id_plus1 of the payload's header, which an aggregation or fragment has as well.
#[must_use]
pub fn temporal_layer(payload: &[u8]) -> Option<u8> {
    (payload.get(1)? & 0x07).checked_sub(1)
}

/// Width and height in pixels, where the packet holds a sequence parameter set, alone or in an aggregation.
pub(super) fn picture_size(payload: &[u8]) -> Option<(u16, u16)> {
    let of_unit = |unit: &[u8]| match unit.split_first_chunk()? {
        (head, body) if unit_type(head) == SPS => parameter_sets::h265_size(body),
        _ => None,
    };
    match payload.split_first_chunk()? {
        (head, body) if unit_type(head) == AGGREGATION => aggregated_units(body).find_map(of_unit),
        _ => of_unit(payload),
    }
}

const fn unit_type(head: &[u8; UNIT_HEADER_LEN]) -> u8 {
    head[0] >> 1 & 0x3f
}

fn is_start_unit(unit: &[u8]) -> bool {
    unit.split_first_chunk().is_some_and(|(head, body)| starts(unit_type(head), body))
}

/// The first bit of a slice segment is first_slice_segment_in_pic_flag.
fn starts(unit_type: u8, body: &[u8]) -> bool {
    match unit_type {
        VPS | SPS => true,
        FIRST_IRAP..=LAST_IRAP => body.first().is_some_and(|byte| byte & 0x80 != 0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_parameter_sets_and_the_first_segment_of_an_irap() {
        assert!(is_keyframe_start(&[32 << 1, 1, 0]));
        assert!(is_keyframe_start(&[33 << 1, 1, 0]));
        assert!(!is_keyframe_start(&[34 << 1, 1, 0]), "a picture parameter set alone");
        assert!(is_keyframe_start(&[19 << 1, 1, 0x80]));
        assert!(!is_keyframe_start(&[19 << 1, 1, 0x40]));
        assert!(!is_keyframe_start(&[1 << 1, 1, 0x80]));
        assert!(!is_keyframe_start(&[19 << 1]));
    }

    #[test]
    fn looks_into_aggregations_and_first_fragments() {
        assert!(is_keyframe_start(&[48 << 1, 1, 0, 3, 35 << 1, 1, 0, 0, 3, 33 << 1, 1, 0]));
        assert!(!is_keyframe_start(&[48 << 1, 1, 0, 3, 35 << 1, 1]));
        assert!(is_keyframe_start(&[49 << 1, 1, 0x80 | 21, 0x80]));
        assert!(!is_keyframe_start(&[49 << 1, 1, 21, 0x80]));
    }

    #[test]
    fn temporal_layers_count_from_zero() {
        assert_eq!(temporal_layer(&[2, 1]), Some(0));
        assert_eq!(temporal_layer(&[2, 3]), Some(2));
        assert_eq!(temporal_layer(&[2, 0]), None, "forbidden");
    }
}
