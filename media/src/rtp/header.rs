//! A bounds-checked view of a received RTP packet (RFC 3550 section 5.1) and its header extensions (RFC 8285).
//!
//! A header that parses describes ranges inside the packet it was parsed from; its accessors take that packet again and
//! yield nothing, rather than panic, when they are given a shorter one.

use std::ops::Range;

/// The fixed part of the header, in bytes.
pub const FIXED_HEADER_LEN: usize = 12;

/// `defined by profile` of the one-byte form (RFC 8285 section 4.2).
pub(super) const ONE_BYTE_PROFILE: u16 = 0xBEDE;
/// The same of the two-byte form (section 4.3); its low four bits are the application's.
pub(super) const TWO_BYTE_PROFILE: u16 = 0x1000;

/// How the header's extension block is laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ExtensionForm {
    /// None, or of a profile that is not RFC 8285.
    None,
    OneByte,
    TwoByte,
}

/// The header of one RTP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RtpHeader {
    /// The marker bit; for video the last packet of a frame.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in units of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    form: ExtensionForm,
    extension_start: usize,
    header_len: usize,
    payload_end: usize,
    padding_len: u8,
}

impl RtpHeader {
    /// Parses the header; `None` when it is not RTP version 2 or a length inside it points outside the packet.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let fixed: &[u8; FIXED_HEADER_LEN] = packet.first_chunk()?;
        let [first, second, ..] = *fixed;
        if first >> 6 != 2 {
            return None;
        }
        let mut header_len = FIXED_HEADER_LEN + 4 * usize::from(first & 0x0f);
        let mut form = ExtensionForm::None;
        let mut extension_start = header_len;
        if first & 0x10 != 0 {
            let block: &[u8; 4] = packet.get(header_len..)?.first_chunk()?;
            form = match u16::from_be_bytes([block[0], block[1]]) {
                ONE_BYTE_PROFILE => ExtensionForm::OneByte,
                profile if profile & 0xfff0 == TWO_BYTE_PROFILE => ExtensionForm::TwoByte,
                _ => ExtensionForm::None,
            };
            extension_start = header_len + block.len();
            header_len = extension_start + 4 * usize::from(u16::from_be_bytes([block[2], block[3]]));
        }
        let body = packet.get(header_len..)?;
        let padding_len = if first & 0x20 != 0 { *body.last()? } else { 0 };
        if first & 0x20 != 0 && (padding_len == 0 || usize::from(padding_len) > body.len()) {
            return None;
        }
        Some(Self {
            marker: second & 0x80 != 0,
            payload_type: second & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            form,
            extension_start,
            header_len,
            payload_end: packet.len() - usize::from(padding_len),
            padding_len,
        })
    }

    /// Bytes before the payload: the fixed header, CSRCs and extensions.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        self.header_len
    }

    /// Bytes of padding after the payload, its length byte included.
    #[must_use]
    pub const fn padding_len(&self) -> u8 {
        self.padding_len
    }

    /// Where the payload lies in the packet.
    #[must_use]
    pub const fn payload_range(&self) -> Range<usize> {
        self.header_len..self.payload_end
    }

    /// The payload without its padding.
    #[must_use]
    pub fn payload<'a>(&self, packet: &'a [u8]) -> &'a [u8] {
        packet.get(self.payload_range()).unwrap_or_default()
    }

    /// The header extensions, as id and value, in the order of the packet.
    pub fn extensions<'a>(&self, packet: &'a [u8]) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        self.extension_ranges(packet).map(move |(id, range)| (id, packet.get(range).unwrap_or_default()))
    }

    /// The same with each value's place in the packet, to rewrite it there.
    #[must_use]
    pub fn extension_ranges<'a>(&self, packet: &'a [u8]) -> ExtensionRanges<'a> {
        let block = match self.form {
            ExtensionForm::None => &[],
            _ => packet.get(..self.header_len).unwrap_or_default(),
        };
        ExtensionRanges { block, position: self.extension_start, two_byte: self.form == ExtensionForm::TwoByte }
    }

    /// The value of one extension.
    #[must_use]
    pub fn extension<'a>(&self, packet: &'a [u8], id: u8) -> Option<&'a [u8]> {
        self.extensions(packet).find_map(|(found, value)| (found == id).then_some(value))
    }
}

/// Iterates over the elements of an extension block. It ends at the first that does not fit inside the block.
#[derive(Clone, Debug)]
pub struct ExtensionRanges<'a> {
    /// The packet up to the end of the extension block.
    block: &'a [u8],
    position: usize,
    two_byte: bool,
}

impl ExtensionRanges<'_> {
    /// Id and length of the element here, and how many bytes say so. Zero bytes are padding in both forms.
    fn element(&self) -> Option<(u8, usize, usize)> {
        let first = *self.block.get(self.position)?;
        if self.two_byte {
            let len = if first == 0 { 0 } else { usize::from(*self.block.get(self.position + 1)?) };
            return Some((first, len, if first == 0 { 1 } else { 2 }));
        }
        match first >> 4 {
            0 if first == 0 => Some((0, 0, 1)),
            // Section 4.2: id 15, and id 0 with a length, end the processing of the whole block.
            0 | 15 => None,
            id => Some((id, usize::from(first & 0x0f) + 1, 1)),
        }
    }
}

impl Iterator for ExtensionRanges<'_> {
    type Item = (u8, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some((id, len, prefix)) = self.element() {
            let start = self.position + prefix;
            self.position = start + len;
            if self.position > self.block.len() {
                return None;
            }
            if id != 0 {
                return Some((id, start..self.position));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(first: u8, rest: &[u8]) -> Vec<u8> {
        let mut packet = vec![first, 0x80 | 96, 0x12, 0x34, 0, 0, 0, 9, 0xde, 0xad, 0xbe, 0xef];
        packet.extend_from_slice(rest);
        packet
    }

    fn elements(packet: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let header = RtpHeader::parse(packet).expect("valid");
        header.extensions(packet).map(|(id, value)| (id, value.to_vec())).collect()
    }

    #[test]
    fn reads_the_fixed_fields_and_skips_csrcs() {
        let packet = packet(0x82, &[1, 1, 1, 1, 2, 2, 2, 2, 7, 8]);
        let header = RtpHeader::parse(&packet).expect("valid");
        assert_eq!((header.marker, header.payload_type), (true, 96));
        assert_eq!((header.sequence, header.timestamp, header.ssrc), (0x1234, 9, 0xdead_beef));
        assert_eq!(header.header_len(), 20);
        assert_eq!(header.payload(&packet), [7, 8]);
    }

    #[test]
    fn refuses_what_points_outside() {
        assert_eq!(RtpHeader::parse(&[]), None);
        assert_eq!(RtpHeader::parse(&packet(0x80, &[])[..11]), None);
        assert_eq!(RtpHeader::parse(&packet(0x40, &[])), None, "version 1");
        assert_eq!(RtpHeader::parse(&packet(0x81, &[0; 3])), None, "a CSRC cut short");
        assert_eq!(RtpHeader::parse(&packet(0x90, &[0xbe, 0xde, 0])), None, "an extension header cut short");
        assert_eq!(RtpHeader::parse(&packet(0x90, &[0xbe, 0xde, 0, 1, 0, 0, 0])), None, "an extension cut short");
        assert_eq!(RtpHeader::parse(&packet(0xa0, &[])), None, "padding without its length");
        assert_eq!(RtpHeader::parse(&packet(0xa0, &[5, 0])), None, "padding of length 0");
        assert_eq!(RtpHeader::parse(&packet(0xa0, &[5, 3])), None, "padding that reaches into the header");
    }

    #[test]
    fn strips_padding() {
        let padded = packet(0xa0, &[5, 0, 2]);
        let header = RtpHeader::parse(&padded).expect("valid");
        assert_eq!((header.payload(&padded), header.padding_len()), (&[5][..], 2));
        let probe = packet(0xa0, &[0, 0, 3]);
        assert!(RtpHeader::parse(&probe).expect("valid").payload(&probe).is_empty());
    }

    #[test]
    fn one_byte_extensions_skip_padding_and_stop_at_id_15() {
        let block = [0xbe, 0xde, 0, 3, 0x10, 0xaa, 0, 0x31, 1, 2, 0, 0xf0, 0x20, 0xbb, 0, 0];
        assert_eq!(elements(&packet(0x90, &block)), [(1, vec![0xaa]), (3, vec![1, 2])]);
        let zero_with_length = [0xbe, 0xde, 0, 1, 0x02, 0x10, 0xaa, 0];
        assert!(elements(&packet(0x90, &zero_with_length)).is_empty());
        let overlong = [0xbe, 0xde, 0, 1, 0x10, 0xaa, 0x25, 1];
        assert_eq!(elements(&packet(0x90, &overlong)), [(1, vec![0xaa])], "must not reach into the payload");
    }

    #[test]
    fn two_byte_extensions_may_be_empty_and_have_any_id() {
        let block = [0x10, 0x07, 0, 2, 0, 15, 1, 0xcc, 200, 0, 0, 0];
        assert_eq!(elements(&packet(0x90, &block)), [(15, vec![0xcc]), (200, vec![])]);
        let cut = [0x10, 0, 0, 1, 0, 0, 0, 5];
        assert!(elements(&packet(0x90, &cut)).is_empty());
    }

    #[test]
    fn a_foreign_profile_is_skipped_as_a_whole() {
        let packet = packet(0x90, &[0xab, 0xcd, 0, 1, 0x10, 1, 0, 0, 42]);
        assert!(elements(&packet).is_empty());
        assert_eq!(RtpHeader::parse(&packet).expect("valid").payload(&packet), [42]);
    }

    proptest! {
        #[test]
        fn never_panics_and_stays_inside(mut bytes in prop::collection::vec(any::<u8>(), 0..80), first in 0x80u8..0xc0) {
            if let Some(b) = bytes.first_mut() { *b = first }
            if bytes.len() > 16 && first & 0x1f == 0x10 {
                bytes[12..16].copy_from_slice(&[0xbe, 0xde, 0, 4]);
            }
            if let Some(header) = RtpHeader::parse(&bytes) {
                prop_assert!(header.payload_range().end <= bytes.len());
                prop_assert!(header.payload_range().start <= header.payload_range().end);
                for (_, range) in header.extension_ranges(&bytes) {
                    prop_assert!(range.end <= header.header_len());
                }
                let _ = header.extensions(&[]).count();
            }
        }
    }
}
