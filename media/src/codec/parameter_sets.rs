//! How large a picture the sequence parameter sets of H.264 and H.265 describe.

use super::bits::Bits;

/// Width and height in pixels by an H.264 sequence parameter set (ITU-T H.264 section 7.3.2.1.1), without the unit's header.
pub(super) fn h264_size(body: &[u8]) -> Option<(u16, u16)> {
    let mut bits = Bits::of_unit(body);
    let profile = bits.take(8)?;
    // Constraints and level; then seq_parameter_set_id.
    bits.skip(16)?;
    bits.skip_exp_golomb()?;
    let chroma = if has_chroma_format(profile) { take_h264_format(&mut bits)? } else { Chroma::HALVED };
    // log2_max_frame_num_minus4.
    bits.skip_exp_golomb()?;
    skip_order_count(&mut bits)?;
    // max_num_ref_frames and gaps_in_frame_num_value_allowed_flag.
    bits.skip_exp_golomb()?;
    bits.skip(1)?;
    let [width, height] = [bits.take_exp_golomb()?, bits.take_exp_golomb()?].map(|count| (u64::from(count) + 1) * 16);
    // frame_mbs_only_flag: without it the height is that of a field.
    let fields = if bits.flag()? { 1 } else { 2 };
    if fields == 2 {
        bits.skip(1)?;
    }
    // direct_8x8_inference_flag.
    bits.skip(1)?;
    let crop = Crop::take(&mut bits)?;
    crop.apply((width, height * fields), (chroma.across, chroma.down * fields))
}

/// Width and height in pixels by an H.265 sequence parameter set (ITU-T H.265 section 7.3.2.2.1), without the unit's header.
pub(super) fn h265_size(body: &[u8]) -> Option<(u16, u16)> {
    let mut bits = Bits::of_unit(body);
    bits.skip(4)?;
    let sub_layers = bits.take(3)? as usize;
    bits.skip(1)?;
    skip_profiles(&mut bits, sub_layers)?;
    // sps_seq_parameter_set_id.
    bits.skip_exp_golomb()?;
    let chroma = Chroma::take(&mut bits)?;
    let size = (u64::from(bits.take_exp_golomb()?), u64::from(bits.take_exp_golomb()?));
    Crop::take(&mut bits)?.apply(size, (chroma.across, chroma.down))
}

/// How many pixels a chroma sample spans, which is the unit in which pictures are cropped.
#[derive(Clone, Copy)]
struct Chroma {
    across: u64,
    down: u64,
    is_full: bool,
}

impl Chroma {
    /// 4:2:0.
    const HALVED: Self = Self { across: 2, down: 2, is_full: false };

    /// chroma_format_idc, and separate_colour_plane_flag behind 4:4:4.
    fn take(bits: &mut Bits<'_>) -> Option<Self> {
        match bits.take_exp_golomb()? {
            0 => Some(Self { across: 1, down: 1, is_full: false }),
            1 => Some(Self::HALVED),
            2 => Some(Self { across: 2, down: 1, is_full: false }),
            3 => {
                bits.skip(1)?;
                Some(Self { across: 1, down: 1, is_full: true })
            }
            _ => None,
        }
    }
}

/// What is cut off at the edges, in units of the chroma format.
#[derive(Clone, Copy, Default)]
struct Crop {
    left: u32,
    right: u32,
    top: u32,
    bottom: u32,
}

impl Crop {
    /// The flag and, behind it, the four numbers: in this order in both.
    fn take(bits: &mut Bits<'_>) -> Option<Self> {
        if !bits.flag()? {
            return Some(Self::default());
        }
        let mut next = || bits.take_exp_golomb();
        Some(Self { left: next()?, right: next()?, top: next()?, bottom: next()? })
    }

    /// `None` when more is cut off than there is, or when the picture is larger than 65535.
    fn apply(self, (width, height): (u64, u64), (across, down): (u64, u64)) -> Option<(u16, u16)> {
        let cut = |size: u64, a: u32, b: u32, unit: u64| size.checked_sub((u64::from(a) + u64::from(b)) * unit);
        let width = cut(width, self.left, self.right, across)?;
        let height = cut(height, self.top, self.bottom, down)?;
        Some((width.try_into().ok()?, height.try_into().ok()?))
    }
}

/// The profiles with a chroma format of their own.
const fn has_chroma_format(profile: u32) -> bool {
    matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135)
}

/// From chroma_format_idc to the scaling matrix.
fn take_h264_format(bits: &mut Bits<'_>) -> Option<Chroma> {
    let chroma = Chroma::take(bits)?;
    // Bit depths of luma and chroma, qpprime_y_zero_transform_bypass_flag.
    bits.skip_exp_golomb()?;
    bits.skip_exp_golomb()?;
    bits.skip(1)?;
    if bits.flag()? {
        for index in 0..if chroma.is_full { 12 } else { 8 } {
            if bits.flag()? {
                skip_scaling_list(bits, if index < 6 { 16 } else { 64 })?;
            }
        }
    }
    Some(chroma)
}

/// scaling_list() (section 7.3.2.1.1.1): a scale of 0 ends it.
fn skip_scaling_list(bits: &mut Bits<'_>, len: usize) -> Option<()> {
    let mut scale = 8;
    for _ in 0..len {
        scale = (scale + bits.take_signed_exp_golomb()?).rem_euclid(256);
        if scale == 0 {
            break;
        }
    }
    Some(())
}

/// pic_order_cnt_type and what belongs to it.
fn skip_order_count(bits: &mut Bits<'_>) -> Option<()> {
    match bits.take_exp_golomb()? {
        0 => bits.skip_exp_golomb()?,
        1 => {
            bits.skip(1)?;
            bits.skip_exp_golomb()?;
            bits.skip_exp_golomb()?;
            // At most 255, and never more than the bits that are there.
            for _ in 0..bits.take_exp_golomb()? {
                bits.skip_exp_golomb()?;
            }
        }
        _ => {}
    }
    Some(())
}

/// profile_tier_level() (H.265 section 7.3.3) with the general profile.
fn skip_profiles(bits: &mut Bits<'_>, sub_layers: usize) -> Option<()> {
    const PROFILE: usize = 88;
    const LEVEL: usize = 8;
    bits.skip(PROFILE + LEVEL)?;
    let mut len = 0;
    for _ in 0..sub_layers {
        len += if bits.flag()? { PROFILE } else { 0 } + if bits.flag()? { LEVEL } else { 0 };
    }
    if sub_layers > 0 {
        // Reserved, up to eight sub-layers.
        bits.skip(2 * (8 - sub_layers))?;
    }
    bits.skip(len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::bits::{exp_golomb as ue, pack};
    use proptest::prelude::*;

    /// Constrained baseline, level 3.1: 80 by 45 macroblocks, nothing cropped, usage information with escapes.
    const H264_BASELINE: &[u8] = &[
        0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xe9, 0xb8, 0x08, 0x08, 0x0a, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00,
        0x00, 0x03, 0x00, 0x79, 0x08,
    ];
    /// High, level 4: 120 by 68 macroblocks, of which eight lines are cropped.
    const H264_HIGH: &[u8] = &[
        0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x02, 0x27, 0xe5, 0x84, 0x00, 0x00, 0x03, 0x00, 0x04, 0x00, 0x00,
        0x03, 0x00, 0xf0, 0x3c, 0x60, 0xc6, 0x58,
    ];
    /// Main, level 3.1, with escapes before the size.
    const H265_MAIN: &[u8] = &[
        0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x5d, 0xa0, 0x02,
        0x80, 0x80, 0x2d, 0x16, 0x59, 0x5e, 0x49, 0x32, 0xb0,
    ];

    #[test]
    fn parameter_sets_as_encoders_write_them() {
        assert_eq!(h264_size(H264_BASELINE), Some((1_280, 720)));
        assert_eq!(h264_size(H264_HIGH), Some((1_920, 1_080)));
        assert_eq!(h265_size(H265_MAIN), Some((1_280, 720)));
        for len in 0..8 {
            assert_eq!(h264_size(&H264_BASELINE[..len]), None, "{len} bytes");
        }
        for len in 0..21 {
            assert_eq!(h265_size(&H265_MAIN[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn an_h264_set_with_everything_in_it() {
        let head = [(100, 8), (0, 16), ue(3)];
        // 4:4:4 with a separate plane flag, and scaling lists: one of a scale that stays, one that ends at once.
        let format = [ue(3), (1, 1), ue(0), ue(0), (0, 1), (1, 1)];
        let lists = [&[(1, 1)][..], &[ue(0); 16], &[(1, 1), ue(16)], &[(0, 1); 10]].concat();
        let order = [ue(0), ue(1), (0, 1), ue(2), ue(5), ue(2), ue(7), ue(9)];
        // Fields, in pairs of 20 by 10 macroblocks, cropped by one column and one line of each field.
        let size = [ue(4), (0, 1), ue(19), ue(9), (0, 1), (1, 1), (1, 1), (1, 1), ue(1), ue(0), ue(0), ue(1)];
        let set = pack(&[&head[..], &format, &lists, &order, &size].concat());
        assert_eq!(h264_size(&set), Some((319, 318)));
    }

    #[test]
    fn an_h265_set_with_sub_layers_and_a_window() {
        let head = [&[(0, 4), (2, 3), (1, 1)][..], &[(0, 32); 3]].concat();
        // Two sub-layers: one with a profile and a level, one with a level.
        let profiles = [&[(3, 2), (1, 2), (0, 12)][..], &[(0, 26); 4]].concat();
        let size = [ue(0), ue(1), ue(1_920), ue(1_088), (1, 1), ue(0), ue(0), ue(0), ue(4)];
        let set = pack(&[&head[..], &profiles, &size].concat());
        let escaped: Vec<u8> = set.iter().fold(Vec::new(), |mut bytes, byte| {
            if *byte <= 3 && bytes.ends_with(&[0, 0]) {
                bytes.push(3);
            }
            bytes.push(*byte);
            bytes
        });
        assert_eq!(h265_size(&escaped), Some((1_920, 1_080)));
    }

    #[test]
    fn what_makes_no_sense_has_no_size() {
        let of = |size: &[(u32, usize)]| {
            h264_size(&pack(&[&[(66, 8), (0, 16), ue(0), ue(0), ue(2), ue(1), (0, 1)], size].concat()))
        };
        assert_eq!(of(&[ue(9), ue(9), (3, 2), (0, 1)]), Some((160, 160)));
        assert_eq!(
            of(&[ue(9), ue(9), (3, 2), (1, 1), ue(60), ue(60), ue(0), ue(0)]),
            None,
            "more cropped than there is"
        );
        assert_eq!(of(&[ue(5_000), ue(9), (3, 2), (0, 1)]), None, "wider than a number of 16 bits");
    }

    proptest! {
        #[test]
        fn is_total(body in prop::collection::vec(any::<u8>(), 0..64), profile in prop_oneof![Just(100u8), Just(66), any::<u8>()]) {
            let _ = h265_size(&body);
            let mut body = body;
            if let Some(first) = body.first_mut() { *first = profile }
            let _ = h264_size(&body);
        }
    }
}
