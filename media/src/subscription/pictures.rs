//! The numbers of pictures and frames inside packets, which must go on without a jump when the source of a stream changes.
//!
//! VP8 and VP9 number their pictures in the payload descriptor (RFC 7741 section 4.2, RFC 9628 section 4.2). The dependency descriptor
//! numbers frames, of every codec: AV1 has no other numbers, and Chromium sends it with all. Decoders order frames by them.

use super::rewriter::{Rewriter, Source};
use crate::codec::PictureFields;
use crate::codec::dependency::{DependencyDescriptor, Structure};
use crate::codec::vp8::Vp8Descriptor;
use crate::codec::vp9::Vp9Descriptor;
use crate::formats::Codec;
use crate::rtp::header::RtpHeader;

/// Where a packet's frame stands among those of other frame rates and sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    /// Its spatial layer, 0 the base.
    pub(crate) spatial: u8,
    /// Its temporal layer, 0 the base.
    pub(crate) temporal: u8,
    pub(crate) sync: Sync,
    /// The packet is the first of its picture.
    pub(crate) begins: bool,
    /// The packet is the last of its spatial layer's frame, where pictures have several.
    pub(crate) ends: bool,
    /// Picture ids close up where such pictures are left out.
    pub(crate) closes_up: bool,
}

/// Who may be sent more temporal layers from a frame on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sync {
    /// Nobody.
    None,
    /// Who is sent the layer below its own: the frame refers to the base layer alone (Y of RFC 7741).
    Own,
    /// Who is sent its own: later frames of higher layers refer to no earlier ones of layers above it (U of RFC 9628, decode target
    /// indications of AV1).
    Above,
}

/// What numbers a packet's frame, and where the packet has that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    numbers: Option<Numbers>,
    /// Of the dependency descriptor.
    frame: Option<u16>,
    /// `None` where frames cannot be left out for the sake of a lower frame rate or size.
    pub(crate) tier: Option<Tier>,
}

/// Those of a payload descriptor: picture id and TL0PICIDX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Numbers {
    id: u16,
    /// Bits of `id`.
    width: u8,
    tl0: u8,
    fields: PictureFields,
}

impl Numbers {
    fn read(fields: PictureFields, payload: &[u8]) -> Option<Self> {
        let (id, width) = fields.id(payload)?;
        Some(Self { id, width, tl0: fields.tl0_index(payload).unwrap_or(0), fields })
    }

    /// The same as they leave.
    fn outgoing(&self, source: &Source) -> (u16, u8) {
        (self.id.wrapping_add(source.picture_offset), self.tl0.wrapping_add(source.tl0_offset))
    }
}

impl Picture {
    /// The numbers of an incoming packet's frame, if it carries any. `structure` tells the layers of frames with a descriptor, and is of
    /// AV1 alone: other codecs tell of their layers in the payload.
    pub(crate) fn read(
        codec: Codec,
        payload: &[u8],
        descriptor: Option<&[u8]>,
        structure: Option<&Structure>,
    ) -> Option<Self> {
        let descriptor = descriptor.and_then(DependencyDescriptor::parse);
        let (numbers, tier) = match codec {
            Codec::Vp8 => {
                let descriptor = Vp8Descriptor::parse(payload)?;
                let numbers = Numbers::read(descriptor.pictures(), payload);
                (numbers, numbers.and_then(|_| vp8_tier(&descriptor, payload)))
            }
            Codec::Vp9 => {
                let descriptor = Vp9Descriptor::parse(payload)?;
                let numbers = Numbers::read(descriptor.pictures(), payload);
                (numbers, numbers.and_then(|_| vp9_tier(&descriptor)))
            }
            Codec::Av1 => {
                (None, descriptor.zip(structure).and_then(|(descriptor, structure)| av1_tier(&descriptor, structure)))
            }
            _ => (None, None),
        };
        let frame = descriptor.map(|descriptor| descriptor.frame_number);
        (numbers.is_some() || frame.is_some()).then_some(Self { numbers, frame, tier })
    }

    /// Aligns a source that starts with this frame.
    pub(super) fn align(&self, rewriter: &mut Rewriter) {
        if let Some(numbers) = self.numbers {
            rewriter.align_pictures(numbers.id, numbers.tl0);
        }
        if let Some(frame) = self.frame {
            rewriter.align_frames(frame);
        }
    }

    /// Notes that a frame with these numbers has left for `source`.
    #[inline]
    pub(super) fn note(&self, source: &Source, rewriter: &mut Rewriter) {
        if let Some(numbers) = &self.numbers {
            let (id, tl0) = numbers.outgoing(source);
            rewriter.note_picture(id, numbers.width, tl0);
        }
        if let Some(frame) = self.frame {
            rewriter.note_frame(frame.wrapping_add(source.frame_offset));
        }
    }

    /// Writes the outgoing numbers into a packet that was written for `source`. `descriptor_id` is the outgoing id of
    /// the dependency descriptor, 0 if it is not forwarded.
    #[inline]
    pub(super) fn renumber(&self, source: &Source, packet: &mut [u8], payload_start: usize, descriptor_id: u8) {
        if let Some(numbers) = self.numbers.filter(|_| source.picture_offset != 0 || source.tl0_offset != 0) {
            let (id, tl0) = numbers.outgoing(source);
            numbers.fields.renumber(packet.get_mut(payload_start..).unwrap_or_default(), id, tl0);
        }
        if let Some(frame) = self.frame.filter(|_| source.frame_offset != 0 && descriptor_id != 0) {
            renumber_descriptor(packet, descriptor_id, frame.wrapping_add(source.frame_offset));
        }
    }
}

/// Without TL0PICIDX a receiver cannot tell which frames refer to which (`RtpVp8RefFinder` in libwebrtc), and takes each to refer to the
/// one before it.
fn vp8_tier(descriptor: &Vp8Descriptor, payload: &[u8]) -> Option<Tier> {
    descriptor.pictures().tl0_index(payload)?;
    Some(Tier {
        spatial: 0,
        temporal: descriptor.temporal_layer()?,
        sync: if descriptor.is_layer_sync() { Sync::Own } else { Sync::None },
        begins: descriptor.is_frame_start(),
        ends: false,
        closes_up: true,
    })
}

/// Picture ids keep their gaps: what a picture refers to is told by distances between them, in flexible mode with each picture, otherwise
/// by its place in the group of pictures, which follows from its id.
fn vp9_tier(descriptor: &Vp9Descriptor) -> Option<Tier> {
    let layers = descriptor.layers()?;
    Some(Tier {
        spatial: layers.spatial,
        temporal: layers.temporal,
        sync: if layers.is_switching_up_point { Sync::Above } else { Sync::None },
        begins: descriptor.is_frame_start() && layers.spatial == 0,
        ends: descriptor.is_frame_end(),
        closes_up: false,
    })
}

/// Frame numbers keep their gaps: what a frame refers to is told by distances between them.
fn av1_tier(descriptor: &DependencyDescriptor, structure: &Structure) -> Option<Tier> {
    let template = structure.template(descriptor.template_id)?;
    let is_sync = template.is_switching_up_point && !descriptor.has_own_indications;
    Some(Tier {
        spatial: template.spatial,
        temporal: template.temporal,
        sync: if is_sync { Sync::Above } else { Sync::None },
        begins: descriptor.is_frame_start && template.spatial == 0,
        ends: descriptor.is_frame_end,
        closes_up: false,
    })
}

fn renumber_descriptor(packet: &mut [u8], id: u8, frame_number: u16) {
    let range = RtpHeader::parse(packet)
        .and_then(|header| header.extension_ranges(packet).find_map(|(found, range)| (found == id).then_some(range)));
    if let Some(value) = range.and_then(|range| packet.get_mut(range)) {
        DependencyDescriptor::renumber(value, frame_number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::content::av1;

    #[test]
    fn the_tier_of_a_vp8_frame_needs_all_numbers_of_its_picture() {
        let tier = |payload: &[u8]| Picture::read(Codec::Vp8, payload, None, None).and_then(|picture| picture.tier);
        let top = Tier { spatial: 0, temporal: 2, sync: Sync::Own, begins: true, ends: false, closes_up: true };
        assert_eq!(tier(&[0x90, 0xe0, 0x92, 0x34, 9, 0b1010_0000, 1]), Some(top));
        assert_eq!(
            tier(&[0x80, 0xe0, 0x92, 0x34, 9, 0b0100_0000, 1]),
            Some(Tier { temporal: 1, sync: Sync::None, begins: false, ..top })
        );
        assert_eq!(
            tier(&[0x91, 0xe0, 0x92, 0x34, 9, 0b1010_0000, 1]),
            Some(Tier { begins: false, ..top }),
            "another partition"
        );
        assert_eq!(tier(&[0x90, 0xa0, 0x92, 0x34, 0b1010_0000, 1]), None, "no TL0PICIDX");
        assert_eq!(tier(&[0x90, 0xc0, 0x92, 0x34, 9, 1]), None, "no TID");
        assert_eq!(tier(&[0x90, 0x60, 9, 0b1010_0000, 1]), None, "no picture id");
        assert_eq!(tier(&[0x90, 0xe0, 0x92, 0x34]), None, "cut short");
    }
    #[test]
    fn the_tier_of_a_vp9_frame_has_two_dimensions() {
        let tier = |payload: &[u8]| Picture::read(Codec::Vp9, payload, None, None).and_then(|picture| picture.tier);
        let base = Tier { spatial: 0, temporal: 0, sync: Sync::Above, begins: true, ends: true, closes_up: false };
        assert_eq!(tier(&[0xfd, 0x8e, 0x39, 0b0001_0000, 8, 1]), Some(base));
        assert_eq!(
            tier(&[0xf9, 0x8e, 0x36, 0b0101_0100, 2, 1]),
            Some(Tier { spatial: 2, temporal: 2, begins: false, ends: false, ..base }),
            "a picture begins with its lowest layer"
        );
        assert_eq!(
            tier(&[0xa4, 0x80, 5, 0b0010_0000, 7, 1]),
            Some(Tier { temporal: 1, sync: Sync::None, begins: false, ..base })
        );
        assert_eq!(tier(&[0x8c, 0x80, 5, 1]), None, "no layers");
        assert_eq!(tier(&[0x2c, 0, 7, 1]), None, "no picture id");
    }

    #[test]
    fn the_tier_of_an_av1_frame_is_its_templates() {
        let structure = Structure::parse(&av1::key_descriptor(60, 7, &[(320, 180); 3])).expect("has a structure");
        let tier = |descriptor: &[u8], structure| {
            Picture::read(Codec::Av1, &[0x10, 0x00], Some(descriptor), structure).expect("numbered").tier
        };
        let base = Tier { spatial: 0, temporal: 0, sync: Sync::Above, begins: true, ends: true, closes_up: false };
        // Templates 0, 7 and 13 of those that begin with number 60.
        assert_eq!(tier(&[0xc0 | 60, 0, 7], Some(&structure)), Some(base));
        let middle = Tier { spatial: 1, temporal: 1, begins: false, ..base };
        assert_eq!(tier(&[0xc0 | 3, 0, 7], Some(&structure)), Some(middle), "a picture begins with its lowest layer");
        let top = Tier { spatial: 2, temporal: 2, begins: false, ends: false, ..base };
        assert_eq!(tier(&[9, 0, 7], Some(&structure)), Some(top));
        let own = Tier { sync: Sync::None, ..base };
        assert_eq!(tier(&[0xc0 | 60, 0, 7, 0b0010_0000], Some(&structure)), Some(own), "indications of its own");
        assert_eq!(tier(&[0xc0 | 11, 0, 7], Some(&structure)), None, "an unknown template");
        assert_eq!(tier(&[0xc0 | 60, 0, 7], None), None);
    }

    #[test]
    fn frames_are_numbered_beside_pictures() {
        let descriptor = [0xc0, 0x12, 0x34];
        for codec in [Codec::Vp8, Codec::Vp9, Codec::Av1, Codec::H264] {
            let picture = Picture::read(codec, &[0x10, 0x00], Some(&descriptor), None).expect("numbered");
            assert_eq!((picture.numbers, picture.frame), (None, Some(0x1234)), "{codec:?}");
            assert_eq!(Picture::read(codec, &[0x10, 0x00], None, None), None);
        }
        let picture = Picture::read(Codec::Vp9, &[0xac, 0x80, 5, 0, 7, 1], Some(&descriptor), None).expect("numbered");
        assert_eq!(
            (picture.numbers.map(|numbers| (numbers.id, numbers.tl0)), picture.frame),
            (Some((5, 7)), Some(0x1234))
        );
    }
}
