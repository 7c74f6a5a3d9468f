//! The picture numbers inside payloads, which must go on without a jump when the source of a stream changes.
//!
//! VP8 and VP9 number their pictures in the payload descriptor (RFC 7741 section 4.2, RFC 9628 section 4.2), AV1 in the
//! dependency descriptor. Decoders order frames by them.

use super::rewriter::{Rewriter, Source};
use crate::codec::PictureFields;
use crate::codec::dependency::DependencyDescriptor;
use crate::codec::vp8::Vp8Descriptor;
use crate::codec::vp9::Vp9Descriptor;
use crate::formats::Codec;
use crate::rtp::header::RtpHeader;

/// Where a packet's frame stands among those of other frame rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    /// Its temporal layer, 0 the base.
    pub(crate) layer: u8,
    /// The frame refers to the base layer alone: who is not sent its layer yet may be from here on.
    pub(crate) is_sync: bool,
    /// The packet is the first of its frame.
    pub(crate) begins: bool,
}

/// A frame's numbers: picture id or frame number, and TL0PICIDX; and where the packet has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    id: u16,
    /// Bits of `id`.
    width: u8,
    tl0: u8,
    /// `None` where frames cannot be left out for the sake of a lower frame rate.
    pub(crate) tier: Option<Tier>,
    /// In the payload; `None` if they are the dependency descriptor's.
    fields: Option<PictureFields>,
}

impl Picture {
    /// The numbers of an incoming packet's frame, if it carries any.
    pub(crate) fn read(codec: Codec, payload: &[u8], descriptor: Option<&[u8]>) -> Option<Self> {
        let (fields, tier) = match codec {
            Codec::Vp8 => {
                let descriptor = Vp8Descriptor::parse(payload)?;
                (descriptor.pictures(), vp8_tier(&descriptor, payload))
            }
            Codec::Vp9 => (Vp9Descriptor::parse(payload)?.pictures(), None),
            _ => {
                let id = DependencyDescriptor::parse(descriptor?)?.frame_number;
                return Some(Self { id, width: 16, tl0: 0, tier: None, fields: None });
            }
        };
        let ((id, width), tl0) = (fields.id(payload)?, fields.tl0_index(payload).unwrap_or(0));
        Some(Self { id, width, tl0, tier, fields: Some(fields) })
    }

    /// Aligns a source that starts with this frame.
    pub(super) fn align(&self, rewriter: &mut Rewriter) {
        rewriter.align_pictures(self.id, self.tl0);
    }

    /// Notes that a frame with these numbers has left for `source`.
    #[inline]
    pub(super) fn note(&self, source: &Source, rewriter: &mut Rewriter) {
        let (id, tl0) = self.outgoing(source);
        rewriter.note_picture(id, self.width, tl0);
    }

    /// The same frame's numbers as they leave.
    fn outgoing(&self, source: &Source) -> (u16, u8) {
        (self.id.wrapping_add(source.picture_offset), self.tl0.wrapping_add(source.tl0_offset))
    }

    /// Writes the outgoing numbers into a packet that was written for `source`. `descriptor_id` is the outgoing id of
    /// the dependency descriptor, 0 if it is not forwarded.
    #[inline]
    pub(super) fn renumber(&self, source: &Source, packet: &mut [u8], payload_start: usize, descriptor_id: u8) {
        if source.picture_offset != 0 || source.tl0_offset != 0 {
            self.write(source, packet, payload_start, descriptor_id);
        }
    }

    fn write(&self, source: &Source, packet: &mut [u8], payload_start: usize, descriptor_id: u8) {
        let (id, tl0) = self.outgoing(source);
        match self.fields {
            Some(fields) => fields.renumber(packet.get_mut(payload_start..).unwrap_or_default(), id, tl0),
            None => renumber_descriptor(packet, descriptor_id, id),
        }
    }
}

/// Without TL0PICIDX a receiver cannot tell which frames refer to which (`RtpVp8RefFinder` in libwebrtc), and takes each to refer to the
/// one before it.
fn vp8_tier(descriptor: &Vp8Descriptor, payload: &[u8]) -> Option<Tier> {
    descriptor.pictures().tl0_index(payload)?;
    let layer = descriptor.temporal_layer()?;
    Some(Tier { layer, is_sync: descriptor.is_layer_sync(), begins: descriptor.is_frame_start() })
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

    #[test]
    fn the_tier_of_a_vp8_frame_needs_all_numbers_of_its_picture() {
        let tier = |payload: &[u8]| Picture::read(Codec::Vp8, payload, None).and_then(|picture| picture.tier);
        let top = Tier { layer: 2, is_sync: true, begins: true };
        assert_eq!(tier(&[0x90, 0xe0, 0x92, 0x34, 9, 0b1010_0000, 1]), Some(top));
        assert_eq!(
            tier(&[0x80, 0xe0, 0x92, 0x34, 9, 0b0100_0000, 1]),
            Some(Tier { layer: 1, is_sync: false, begins: false })
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
}
