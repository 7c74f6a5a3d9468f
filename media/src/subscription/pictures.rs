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

/// A frame's numbers: picture id or frame number, and TL0PICIDX; and where the packet has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    id: u16,
    /// Bits of `id`.
    width: u8,
    tl0: u8,
    /// In the payload; `None` if they are the dependency descriptor's.
    fields: Option<PictureFields>,
}

impl Picture {
    /// The numbers of an incoming packet's frame, if it carries any.
    pub(crate) fn read(codec: Codec, payload: &[u8], descriptor: Option<&[u8]>) -> Option<Self> {
        let fields = match codec {
            Codec::Vp8 => Vp8Descriptor::parse(payload)?.pictures(),
            Codec::Vp9 => Vp9Descriptor::parse(payload)?.pictures(),
            _ => {
                let id = DependencyDescriptor::parse(descriptor?)?.frame_number;
                return Some(Self { id, width: 16, tl0: 0, fields: None });
            }
        };
        let ((id, width), tl0) = (fields.id(payload)?, fields.tl0_index(payload).unwrap_or(0));
        Some(Self { id, width, tl0, fields: Some(fields) })
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

fn renumber_descriptor(packet: &mut [u8], id: u8, frame_number: u16) {
    let range = RtpHeader::parse(packet)
        .and_then(|header| header.extension_ranges(packet).find_map(|(found, range)| (found == id).then_some(range)));
    if let Some(value) = range.and_then(|range| packet.get_mut(range)) {
        DependencyDescriptor::renumber(value, frame_number);
    }
}
