//! How large the picture is, read from the first packet of a key frame.
//!
//! Of a stream with several spatial layers it is the highest one's. What a packet does not tell is `None`, so that the last size that
//! was told stands.

use super::bits::Bits;
use super::dependency::Structure;
use super::vp8::Vp8Descriptor;
use super::vp9::Vp9Descriptor;
use super::{av1, h264, h265, is_keyframe_start};
use crate::formats::Codec;

/// Width and height in pixels, neither of them 0.
///
/// `dependency_descriptor` is believed before the payload of AV1, which may be encrypted end to end. Packets that begin no key frame
/// have no size.
#[must_use]
pub fn picture_size(codec: Codec, payload: &[u8], dependency_descriptor: Option<&[u8]>) -> Option<(u16, u16)> {
    if !is_keyframe_start(codec, payload, dependency_descriptor) {
        return None;
    }
    let size = match codec {
        Codec::Opus | Codec::Red => None,
        Codec::Vp8 => vp8_size(payload),
        Codec::Vp9 => vp9_size(payload),
        Codec::H264 => h264::picture_size(payload),
        Codec::H265 => h265::picture_size(payload),
        Codec::Av1 => dependency_descriptor.and_then(av1_size).or_else(|| av1::largest_size(payload)),
    };
    size.filter(|(width, height)| *width > 0 && *height > 0)
}

/// The header of a key frame: a tag of three bytes, a start code, then the size of 14 bits each, below two bits of scaling that are
/// the player's (RFC 6386 section 9.1).
fn vp8_size(payload: &[u8]) -> Option<(u16, u16)> {
    let frame = payload.get(Vp8Descriptor::parse(payload)?.descriptor_len()..)?;
    let [_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1] = *frame.first_chunk()? else {
        return None;
    };
    Some((u16::from_le_bytes([w0, w1]) & 0x3fff, u16::from_le_bytes([h0, h1]) & 0x3fff))
}

fn vp9_size(payload: &[u8]) -> Option<(u16, u16)> {
    let descriptor = Vp9Descriptor::parse(payload)?;
    let largest = descriptor.structure(payload).and_then(|structure| structure.sizes()?.last().copied());
    largest.or_else(|| vp9_frame_size(payload.get(descriptor.descriptor_len()..)?))
}

fn av1_size(dependency_descriptor: &[u8]) -> Option<(u16, u16)> {
    Structure::parse(dependency_descriptor)?.sizes()?.last().copied()
}

/// The uncompressed header of a key frame (VP9 bitstream specification section 6.2).
fn vp9_frame_size(frame: &[u8]) -> Option<(u16, u16)> {
    const SYNC_CODE: u32 = 0x49_8342;
    const RGB: u32 = 7;
    let mut bits = Bits::new(frame);
    if bits.take(2)? != 2 {
        return None;
    }
    let profile = bits.take(1)? | bits.take(1)? << 1;
    if profile == 3 {
        bits.skip(1)?;
    }
    let (shows_existing, is_inter) = (bits.flag()?, bits.flag()?);
    // show_frame and error_resilient_mode.
    bits.skip(2)?;
    if shows_existing || is_inter || bits.take(24)? != SYNC_CODE {
        return None;
    }
    if profile >= 2 {
        bits.skip(1)?;
    }
    let has_subsampling = profile & 1 == 1;
    if bits.take(3)? == RGB {
        bits.skip(if has_subsampling { 1 } else { 0 })?;
    } else {
        bits.skip(if has_subsampling { 1 + 3 } else { 1 })?;
    }
    let (width, height) = (bits.take(16)? + 1, bits.take(16)? + 1);
    Some((width.try_into().ok()?, height.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::bits::pack;
    use proptest::prelude::*;

    const ALL: [Codec; 7] = [Codec::Opus, Codec::Red, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1];

    #[test]
    fn vp8_tells_in_its_frame_header() {
        let frame = [0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x41];
        let size = |descriptor: &[u8], frame: &[u8]| picture_size(Codec::Vp8, &[descriptor, frame].concat(), None);
        assert_eq!(size(&[0x10], &frame), Some((640, 360)), "with a scale of the height");
        assert_eq!(size(&[0x90, 0xe0, 0x92, 0x34, 9, 0x20], &frame), Some((640, 360)));
        assert_eq!(size(&[0x00], &frame), None, "not the first packet");
        assert_eq!(size(&[0x10], &frame[..9]), None);
        assert_eq!(size(&[0x10], &[0x50, 0x42, 0x00, 0x9d, 0x01, 0x2b, 0x80, 0x02, 0x68, 0x01]), None, "no start code");
        assert_eq!(size(&[0x10], &[0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a, 0, 0, 0x68, 0x01]), None, "no width");
    }

    #[test]
    fn vp9_tells_in_its_structure_or_in_its_frame_header() {
        let frame = [0x82, 0x49, 0x83, 0x42, 0x00, 0x4f, 0xf0, 0x2c, 0xf6];
        let size = |descriptor: &[u8], frame: &[u8]| picture_size(Codec::Vp9, &[descriptor, frame].concat(), None);
        assert_eq!(size(&[0x08], &frame), Some((1_280, 720)));
        assert_eq!(size(&[0x48], &frame), None, "an interframe");
        assert_eq!(size(&[0x08], &frame[..8]), None);
        // Two layers with sizes.
        assert_eq!(size(&[0x0a, 0b0011_0000, 1, 64, 0, 180, 2, 128, 1, 104], &frame), Some((640, 360)));
        assert_eq!(size(&[0x0a, 0b0000_0000], &frame), Some((1_280, 720)), "a structure without sizes");
    }

    #[test]
    fn vp9_has_other_profiles() {
        let start = |profile: u32| (2 << 2 | (profile & 1) << 1 | profile >> 1, 4);
        let sync = [(0, 1), (0, 1), (1, 1), (0, 1), (0x49_8342, 24)];
        let size = [(639, 16), (359, 16)];
        let of = |profile, before: &[(u32, usize)], color: &[(u32, usize)]| {
            vp9_frame_size(&pack(&[&[start(profile)], before, &sync, color, &size].concat()))
        };
        assert_eq!(of(1, &[], &[(2, 3), (0, 1), (0, 3)]), Some((640, 360)));
        assert_eq!(of(2, &[], &[(1, 1), (2, 3), (0, 1)]), Some((640, 360)));
        assert_eq!(of(3, &[(0, 1)], &[(1, 1), (7, 3), (0, 1)]), Some((640, 360)), "RGB");
    }

    #[test]
    fn h264_and_h265_tell_in_a_parameter_set() {
        let sps = [0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe9, 0xb8];
        assert_eq!(picture_size(Codec::H264, &sps, None), Some((1_280, 720)));
        let aggregate = [&[0x78, 0, 2, 0x09, 0xf0, 0, 10], &sps[..], &[0, 1, 0x68]].concat();
        assert_eq!(picture_size(Codec::H264, &aggregate, None), Some((1_280, 720)));
        assert_eq!(picture_size(Codec::H264, &[0x65, 0x88], None), None, "an IDR picture alone");
        let sps = [
            0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x5d,
            0xa0, 0x02, 0x80, 0x80, 0x2d, 0x16, 0x59,
        ];
        assert_eq!(picture_size(Codec::H265, &sps, None), Some((1_280, 720)));
        let aggregate = [&[0x60, 0x01, 0, 3, 0x40, 0x01, 0x0c, 0, 25], &sps[..]].concat();
        assert_eq!(picture_size(Codec::H265, &aggregate, None), Some((1_280, 720)));
        assert_eq!(picture_size(Codec::H265, &[0x40, 0x01, 0x0c], None), None, "another parameter set alone");
    }

    #[test]
    fn av1_tells_in_its_sequence_header_unless_the_descriptor_does() {
        let payload = [0x18, 0x0a, 0x0b, 0, 0, 0, 0x24, 0xcf, 0x7f, 0x0d, 0xbf, 0xff, 0x30, 0x08];
        assert_eq!(picture_size(Codec::Av1, &payload, None), Some((960, 540)));
        // One template, one decode target, no chains, 320×180.
        let fields = [
            (0x80, 8),
            (7, 16),
            (1, 1),
            (0, 4),
            (0, 6),
            (0, 5),
            (3, 2),
            (2, 2),
            (0, 1),
            (0, 1),
            (1, 1),
            (319, 16),
            (179, 16),
        ];
        let descriptor = pack(&fields);
        assert_eq!(picture_size(Codec::Av1, &payload, Some(&descriptor)), Some((320, 180)));
        assert_eq!(picture_size(Codec::Av1, &[0xff; 4], Some(&descriptor)), Some((320, 180)), "encrypted");
        assert_eq!(picture_size(Codec::Av1, &payload, Some(&descriptor[..6])), Some((960, 540)));
        assert_eq!(picture_size(Codec::Av1, &payload, Some(&[0x00, 0, 1])), None, "not a key frame");
    }

    proptest! {
        #[test]
        fn is_total(mut payload in prop::collection::vec(any::<u8>(), 0..64), descriptor in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)), first in any::<prop::sample::Index>()) {
            for codec in ALL {
                let _ = picture_size(codec, &payload, descriptor.as_deref());
                // What begins a key frame gets further.
                let Some(head) = payload.first_mut() else { continue };
                *head = *first.get(&[0x10, 0x90, 0x08, 0x0a, 0x67, 0x78, 0x42, 0x60, 0x18]);
                let size = picture_size(codec, &payload, descriptor.as_deref());
                prop_assert!(size.is_none_or(|(width, height)| width > 0 && height > 0));
            }
        }
    }
}
