//! What a received packet's header extensions tell its receiver, read in one pass.

use crate::command::Rid;
use crate::formats::Extension;
use crate::numbering::Numbering;
use crate::rtp::header::RtpHeader;
use std::ops::Range;

/// See the module's text. Values that are malformed read as absent.
#[derive(Default)]
pub(super) struct Marks {
    /// Where the mid lies in the packet.
    pub(super) mid: Option<Range<usize>>,
    pub(super) rid: Option<Rid>,
    pub(super) repaired_rid: Option<Rid>,
    pub(super) transport_sequence: Option<u16>,
    /// RFC 6464: -dBov, 127 for silence.
    pub(super) level: Option<u8>,
    /// Where the dependency descriptor lies in the packet.
    pub(super) descriptor: Option<Range<usize>>,
}

impl Marks {
    pub(super) fn read(numbering: &Numbering, header: &RtpHeader, packet: &[u8]) -> Self {
        let mut marks = Self::default();
        for (id, range) in header.extension_ranges(packet) {
            let Some(extension) = numbering.extension(id) else { continue };
            let value = packet.get(range.clone()).unwrap_or_default();
            match extension {
                Extension::Mid => marks.mid = Some(range),
                Extension::Rid => marks.rid = Rid::from_bytes(value),
                Extension::RepairedRid => marks.repaired_rid = Rid::from_bytes(value),
                Extension::TransportCc => {
                    marks.transport_sequence = value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes));
                }
                Extension::AudioLevel => marks.level = value.first().map(|byte| byte & 0x7f),
                Extension::DependencyDescriptor => marks.descriptor = Some(range),
                _ => {}
            }
        }
        marks
    }
}
