//! The picture numbers inside payloads, which must go on without a jump when the source of a stream changes.
//!
//! VP8 and VP9 number their pictures in the payload descriptor (RFC 7741 section 4.2, RFC 9628 section 4.2), AV1 in the
//! dependency descriptor. Decoders order frames by them.

use super::rewriter::{Rewriter, Source};
use crate::codec::dependency::DependencyDescriptor;
use crate::codec::vp8::Vp8Descriptor;
use crate::codec::vp9::Vp9Descriptor;
use crate::formats::Codec;
use crate::rtp::header::RtpHeader;

/// A frame's numbers: picture id or frame number, and TL0PICIDX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    id: u16,
    /// Bits of `id`.
    width: u8,
    tl0: u8,
}

impl Picture {
    /// The numbers of an incoming packet's frame, if it carries any.
    pub(super) fn read(codec: Codec, payload: &[u8], descriptor: Option<&[u8]>) -> Option<Self> {
        let ((id, width), tl0) = match codec {
            Codec::Vp8 => {
                let descriptor = Vp8Descriptor::parse(payload)?;
                (descriptor.picture_id(payload)?, descriptor.tl0_picture_index(payload).unwrap_or(0))
            }
            Codec::Vp9 => {
                let descriptor = Vp9Descriptor::parse(payload)?;
                (descriptor.picture_id(payload)?, descriptor.tl0_picture_index(payload).unwrap_or(0))
            }
            _ => ((DependencyDescriptor::parse(descriptor?)?.frame_number, 16), 0),
        };
        Some(Self { id, width, tl0 })
    }

    /// Aligns a source that starts with this frame.
    pub(super) fn align(self, rewriter: &mut Rewriter) {
        rewriter.align_pictures(self.id, self.tl0);
    }

    /// Notes that a frame with these numbers has left.
    pub(super) fn note(self, rewriter: &mut Rewriter) {
        rewriter.note_picture(self.id, self.width, self.tl0);
    }

    /// The same frame's numbers as they leave.
    fn outgoing(self, source: &Source) -> Self {
        Self { id: self.id.wrapping_add(source.picture_offset), tl0: self.tl0.wrapping_add(source.tl0_offset), ..self }
    }

    /// Writes the outgoing numbers into a packet that was written for `source`. `descriptor_id` is the outgoing id of
    /// the dependency descriptor, 0 if it is not forwarded. Returns them.
    pub(super) fn renumber(
        self,
        codec: Codec,
        source: &Source,
        packet: &mut [u8],
        payload_start: usize,
        descriptor_id: u8,
    ) -> Self {
        let outgoing = self.outgoing(source);
        let unchanged = source.picture_offset == 0 && source.tl0_offset == 0;
        if !unchanged {
            match codec {
                Codec::Vp8 => {
                    let payload = packet.get_mut(payload_start..).unwrap_or_default();
                    if let Some(descriptor) = Vp8Descriptor::parse(payload) {
                        descriptor.renumber(payload, outgoing.id, outgoing.tl0);
                    }
                }
                Codec::Vp9 => {
                    let payload = packet.get_mut(payload_start..).unwrap_or_default();
                    if let Some(descriptor) = Vp9Descriptor::parse(payload) {
                        descriptor.renumber(payload, outgoing.id, outgoing.tl0);
                    }
                }
                _ => renumber_descriptor(packet, descriptor_id, outgoing.id),
            }
        }
        outgoing
    }
}

fn renumber_descriptor(packet: &mut [u8], id: u8, frame_number: u16) {
    let range = RtpHeader::parse(packet)
        .and_then(|header| header.extension_ranges(packet).find_map(|(found, range)| (found == id).then_some(range)));
    if let Some(value) = range.and_then(|range| packet.get_mut(range)) {
        DependencyDescriptor::renumber(value, frame_number);
    }
}
