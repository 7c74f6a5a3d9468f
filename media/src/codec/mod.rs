//! What forwarding must know of a payload: where a decoder may start, which temporal layer a packet belongs to, and how large
//! the picture is.
//!
//! Every parser is total: a payload that is cut short or makes no sense reads as "no keyframe", "no layer" and "no size".

pub mod av1;
mod bits;
pub mod dependency;
pub mod h264;
pub mod h265;
mod parameter_sets;
pub mod size;
pub mod vp8;
pub mod vp9;

#[cfg(test)]
pub(crate) use bits::pack;

use crate::formats::Codec;
use dependency::DependencyDescriptor;
use vp8::Vp8Descriptor;
use vp9::Vp9Descriptor;

/// Whether a decoder that has seen nothing can start with this packet: the first of a keyframe.
///
/// For audio that is every packet. AV1's dependency descriptor, where there is one, is believed before the payload, which
/// may be encrypted end to end.
#[must_use]
pub fn is_keyframe_start(codec: Codec, payload: &[u8], dependency_descriptor: Option<&[u8]>) -> bool {
    match codec {
        Codec::Opus | Codec::Red => true,
        Codec::Vp8 => Vp8Descriptor::parse(payload).is_some_and(|d| d.is_keyframe_start(payload)),
        Codec::Vp9 => Vp9Descriptor::parse(payload).is_some_and(|d| d.is_keyframe_start()),
        Codec::H264 => h264::is_keyframe_start(payload),
        Codec::H265 => h265::is_keyframe_start(payload),
        Codec::Av1 => match dependency_descriptor.and_then(DependencyDescriptor::parse) {
            Some(descriptor) => descriptor.is_keyframe_start(),
            None => av1::is_keyframe_start(payload),
        },
    }
}

/// The temporal layer of a packet, 0 the base, where the payload says so.
///
/// H.264 names none outside SVC.
#[must_use]
pub fn temporal_layer(codec: Codec, payload: &[u8]) -> Option<u8> {
    match codec {
        Codec::Opus | Codec::Red | Codec::H264 => None,
        Codec::Vp8 => Vp8Descriptor::parse(payload)?.temporal_layer(),
        Codec::Vp9 => Vp9Descriptor::parse(payload)?.layers().map(|layers| layers.temporal),
        Codec::H265 => h265::temporal_layer(payload),
        Codec::Av1 => av1::temporal_layer(payload),
    }
}

/// The units of an aggregation packet of H.264 (STAP-A, RFC 6184 section 5.7.1) or H.265 (without DONL, RFC 7798 section
/// 4.4.2), each behind its 16-bit size, up to the first that does not fit.
fn aggregated_units(mut rest: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (size, after) = rest.split_first_chunk()?;
        let (unit, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*size)))?;
        rest = after;
        Some(unit)
    })
}

/// A picture id of VP8 or VP9 in the width it has on the wire: 7 bits, or 15 with the top bit of its first byte set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct PictureIdField {
    at: usize,
    is_long: bool,
}

impl PictureIdField {
    fn parse(payload: &[u8], at: usize) -> Option<Self> {
        let is_long = payload.get(at)? & 0x80 != 0;
        (!is_long || payload.len() > at + 1).then_some(Self { at, is_long })
    }

    const fn end(self) -> usize {
        self.at + if self.is_long { 2 } else { 1 }
    }

    fn read(self, payload: &[u8]) -> Option<u16> {
        let first = u16::from(payload.get(self.at)? & 0x7f);
        if self.is_long { Some(first << 8 | u16::from(*payload.get(self.at + 1)?)) } else { Some(first) }
    }

    /// Writes the low 7 or 15 bits.
    fn write(self, payload: &mut [u8], picture_id: u16) {
        match payload.get_mut(self.at..self.end()) {
            Some([only]) => *only = (picture_id & 0x7f) as u8,
            Some([high, low]) => {
                *high = 0x80 | (picture_id >> 8) as u8;
                *low = picture_id as u8;
            }
            _ => {}
        }
    }
}

/// Where a payload descriptor of VP8 or VP9 numbers its picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PictureFields {
    id: Option<PictureIdField>,
    /// Of TL0PICIDX.
    tl0_index_at: Option<usize>,
}

impl PictureFields {
    /// The picture id and how many bits wide it is.
    #[must_use]
    pub fn id(&self, payload: &[u8]) -> Option<(u16, u8)> {
        let field = self.id?;
        Some((field.read(payload)?, if field.is_long { 15 } else { 7 }))
    }

    /// TL0PICIDX, the running number of base-layer pictures.
    #[must_use]
    pub fn tl0_index(&self, payload: &[u8]) -> Option<u8> {
        payload.get(self.tl0_index_at?).copied()
    }

    /// Rewrites both in a copy of the payload, in the widths that they have there. A field that the packet does not have is
    /// not added.
    pub fn renumber(&self, payload: &mut [u8], id: u16, tl0_index: u8) {
        if let Some(field) = self.id {
            field.write(payload, id);
        }
        if let Some(byte) = self.tl0_index_at.and_then(|at| payload.get_mut(at)) {
            *byte = tl0_index;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ALL: [Codec; 7] = [Codec::Opus, Codec::Red, Codec::Vp8, Codec::Vp9, Codec::H264, Codec::H265, Codec::Av1];

    #[test]
    fn nothing_is_no_video_keyframe() {
        for codec in &ALL[2..] {
            assert!(!is_keyframe_start(*codec, &[], None));
            assert_eq!(temporal_layer(*codec, &[]), None);
        }
        assert!(is_keyframe_start(Codec::Opus, &[], None));
    }

    #[test]
    fn the_dependency_descriptor_is_believed_before_an_av1_payload() {
        let keyframe = [0b0000_1000, 0x0a, 1];
        assert!(is_keyframe_start(Codec::Av1, &keyframe, None));
        assert!(!is_keyframe_start(Codec::Av1, &keyframe, Some(&[0x80, 0, 1])));
        assert!(is_keyframe_start(Codec::Av1, &[0xff], Some(&[0x80, 0, 1, 0x80])));
    }

    proptest! {
        #[test]
        fn is_total(payload in prop::collection::vec(any::<u8>(), 0..48), descriptor in prop::option::of(prop::collection::vec(any::<u8>(), 0..24))) {
            for codec in ALL {
                let _ = is_keyframe_start(codec, &payload, descriptor.as_deref());
                let _ = temporal_layer(codec, &payload);
            }
        }
    }
}
