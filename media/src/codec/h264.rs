//! H.264 (RFC 6184): finding the packet with which a decoder can start.

use super::{aggregated_units, parameter_sets};

const SLICE_IDR: u8 = 5;
const SPS: u8 = 7;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// Whether the packet begins a keyframe: it holds a sequence parameter set, or the first slice of an IDR picture (from an
/// encoder whose parameter sets came in the SDP).
#[must_use]
pub fn is_keyframe_start(payload: &[u8]) -> bool {
    let Some((&head, body)) = payload.split_first() else {
        return false;
    };
    match head & 0x1f {
        STAP_A => aggregated_units(body).any(is_start_unit),
        FU_A => match body {
            // The S bit: only the first fragment has the beginning of the unit.
            [fragment, rest @ ..] if fragment & 0x80 != 0 => starts(fragment & 0x1f, rest),
            _ => false,
        },
        _ => is_start_unit(payload),
    }
}

/// Width and height in pixels, where the packet holds a sequence parameter set, alone or in an aggregation.
pub(super) fn picture_size(payload: &[u8]) -> Option<(u16, u16)> {
    let of_unit = |unit: &[u8]| match unit.split_first()? {
        (head, body) if head & 0x1f == SPS => parameter_sets::h264_size(body),
        _ => None,
    };
    match payload.split_first()? {
        (head, body) if head & 0x1f == STAP_A => aggregated_units(body).find_map(of_unit),
        _ => of_unit(payload),
    }
}

fn is_start_unit(unit: &[u8]) -> bool {
    unit.split_first().is_some_and(|(head, body)| starts(head & 0x1f, body))
}

/// An IDR picture may have several slices; the first has first_mb_in_slice 0, which is a single 1 in Exp-Golomb code.
fn starts(unit_type: u8, body: &[u8]) -> bool {
    match unit_type {
        SPS => true,
        SLICE_IDR => body.first().is_some_and(|byte| byte & 0x80 != 0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_units() {
        assert!(is_keyframe_start(&[0x67, 0x42]));
        assert!(is_keyframe_start(&[0x65, 0x88]));
        assert!(!is_keyframe_start(&[0x65, 0x40]), "a later slice of the picture");
        assert!(!is_keyframe_start(&[0x65]));
        assert!(!is_keyframe_start(&[0x68, 0xff]), "a picture parameter set alone");
        assert!(!is_keyframe_start(&[0x41, 0x9a]));
    }

    #[test]
    fn aggregated_parameter_sets() {
        assert!(is_keyframe_start(&[0x78, 0, 2, 0x67, 0x42, 0, 1, 0x68]));
        assert!(is_keyframe_start(&[0x78, 0, 1, 0x09, 0, 2, 0x65, 0x88]));
        assert!(!is_keyframe_start(&[0x78, 0, 1, 0x68, 0, 2, 0x41, 0x88]));
        assert!(!is_keyframe_start(&[0x78, 0, 9, 0x67, 0x42]), "a size beyond the packet");
        assert!(!is_keyframe_start(&[0x78, 0, 0, 0, 0]), "empty units end");
    }

    #[test]
    fn only_the_first_fragment() {
        assert!(is_keyframe_start(&[0x7c, 0x85, 0x88]));
        assert!(!is_keyframe_start(&[0x7c, 0x05, 0x88]));
        assert!(!is_keyframe_start(&[0x7c, 0x81, 0x88]));
        assert!(!is_keyframe_start(&[0x7c]));
    }
}
