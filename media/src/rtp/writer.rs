//! Writes the packets that leave, straight into an egress slot.
//!
//! A written packet carries the given header fields, those extensions of the received packet that the subscriber
//! negotiated (under its own ids), the subscriber's own extensions, and the payload. CSRCs and padding do not survive:
//! the first name sources that the subscriber does not know, the second belongs to one hop.

use super::header::{FIXED_HEADER_LEN, ONE_BYTE_PROFILE, RtpHeader, TWO_BYTE_PROFILE};

/// The egress id of every ingress extension id; 0 leaves an extension out. Ids above 15 are never forwarded. At
/// [`OWN_NUMBER`] is the id of this hop's own transport-wide number.
pub type ExtensionMap = [u8; 16];

/// See [`ExtensionMap`]: no received element has this id.
pub const OWN_NUMBER: usize = 0;

/// The header fields that are the subscriber's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HeaderFields {
    /// The marker bit.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp in units of the payload's clock.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
}

impl HeaderFields {
    /// Writes them over those of a packet, which keeps its first byte and so the layout of what follows. `None` when it is
    /// shorter than a header.
    #[inline]
    pub fn write(&self, packet: &mut [u8]) -> Option<()> {
        let fixed: &mut [u8; FIXED_HEADER_LEN] = packet.first_chunk_mut()?;
        fixed[1] = u8::from(self.marker) << 7 | self.payload_type & 0x7f;
        fixed[2..4].copy_from_slice(&self.sequence.to_be_bytes());
        fixed[4..8].copy_from_slice(&self.timestamp.to_be_bytes());
        fixed[8..12].copy_from_slice(&self.ssrc.to_be_bytes());
        Some(())
    }
}

/// The extensions of an outgoing packet: some of a received packet's, and some of this hop's own.
#[derive(Clone, Copy, Debug)]
pub struct OutgoingExtensions<'a> {
    /// The received packet.
    pub packet: &'a [u8],
    /// Its parsed header.
    pub header: &'a RtpHeader,
    /// What becomes of its extensions.
    pub map: &'a ExtensionMap,
    /// Further extensions as egress id and value, such as this hop's transport-wide number. They come first.
    pub own: &'a [(u8, &'a [u8])],
}

/// The two layouts of RFC 8285.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    OneByte,
    TwoByte,
}

/// Why a block of extensions could not be written.
enum Unwritable {
    /// An element does not fit the one-byte form.
    NeedsTwoByteForm,
    /// The slot is full.
    NoSpace,
}

/// Writes a packet and returns its length; `None` when `out` is too small. The payload lies at its end.
pub fn write_packet(
    out: &mut [u8],
    fields: &HeaderFields,
    extensions: &OutgoingExtensions<'_>,
    payload: &[u8],
) -> Option<usize> {
    let header_len = write_header(out, fields, extensions)?;
    append(out, header_len, payload)
}

/// Writes a retransmission (RFC 4588 section 4): the payload is preceded by the packet's original sequence number, as it
/// was sent to this subscriber. `fields` are those of the retransmission stream, but for the original's timestamp.
pub fn write_retransmission(
    out: &mut [u8],
    fields: &HeaderFields,
    extensions: &OutgoingExtensions<'_>,
    original_sequence: u16,
    payload: &[u8],
) -> Option<usize> {
    let header_len = write_header(out, fields, extensions)?;
    let payload_start = append(out, header_len, &original_sequence.to_be_bytes())?;
    append(out, payload_start, payload)
}

/// Writes a packet of padding alone, as much as its last byte can say (RFC 3550 section 5.1), with one extension. Returns its
/// length; `None` when `out` is too small.
pub fn write_padding(out: &mut [u8], fields: &HeaderFields, extension: (u8, &[u8])) -> Option<usize> {
    const NOTHING: [u8; FIXED_HEADER_LEN] = [0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let header = RtpHeader::parse(&NOTHING)?;
    let extensions = OutgoingExtensions { packet: &NOTHING, header: &header, map: &[0; 16], own: &[extension] };
    let start = write_header(out, fields, &extensions)?;
    let end = start + usize::from(u8::MAX);
    let padding = out.get_mut(start..end)?;
    padding.fill(0);
    *padding.last_mut()? = u8::MAX;
    *out.first_mut()? |= 0x20;
    Some(end)
}

/// Where the value of the first extension of a written packet begins, which has one.
pub(crate) fn first_extension(packet: &[u8]) -> Option<usize> {
    let profile: [u8; 2] = packet.get(FIXED_HEADER_LEN..)?.first_chunk().copied()?;
    let header = if profile == ONE_BYTE_PROFILE.to_be_bytes() { 1 } else { 2 };
    Some(FIXED_HEADER_LEN + 4 + header)
}

fn append(out: &mut [u8], at: usize, bytes: &[u8]) -> Option<usize> {
    let end = at.checked_add(bytes.len())?;
    out.get_mut(at..end)?.copy_from_slice(bytes);
    Some(end)
}

fn write_header(out: &mut [u8], fields: &HeaderFields, extensions: &OutgoingExtensions<'_>) -> Option<usize> {
    let end = match write_extensions(out, extensions, Form::OneByte) {
        Ok(end) => end,
        Err(Unwritable::NeedsTwoByteForm) => write_extensions(out, extensions, Form::TwoByte).ok()?,
        Err(Unwritable::NoSpace) => return None,
    };
    *out.first_mut()? = if end > FIXED_HEADER_LEN { 0x90 } else { 0x80 };
    fields.write(out)?;
    Some(end)
}

/// Writes the extension block behind the fixed header and returns where it ends; without elements there is no block.
fn write_extensions(out: &mut [u8], extensions: &OutgoingExtensions<'_>, form: Form) -> Result<usize, Unwritable> {
    let start = FIXED_HEADER_LEN + 4;
    let mut end = start;
    for &(id, value) in extensions.own {
        end = write_element(out, end, id, value, form)?;
    }
    for (id, value) in extensions.header.extensions(extensions.packet) {
        let id = extensions.map.get(usize::from(id)).copied().unwrap_or(0);
        end = write_element(out, end, id, value, form)?;
    }
    if end == start {
        return Ok(FIXED_HEADER_LEN);
    }
    let words = (end - start).div_ceil(4);
    let padded_end = start + 4 * words;
    out.get_mut(end..padded_end).ok_or(Unwritable::NoSpace)?.fill(0);
    let profile = if form == Form::OneByte { ONE_BYTE_PROFILE } else { TWO_BYTE_PROFILE };
    let words = u16::try_from(words).map_err(|_| Unwritable::NoSpace)?;
    append(out, FIXED_HEADER_LEN, &profile.to_be_bytes()).ok_or(Unwritable::NoSpace)?;
    append(out, FIXED_HEADER_LEN + 2, &words.to_be_bytes()).ok_or(Unwritable::NoSpace)?;
    Ok(padded_end)
}

/// Writes one element at `at` and returns where it ends. Id 0 means that it is left out.
fn write_element(out: &mut [u8], at: usize, id: u8, value: &[u8], form: Form) -> Result<usize, Unwritable> {
    if id == 0 {
        return Ok(at);
    }
    let value_start = match form {
        Form::OneByte => {
            if id > 14 || !(1..=16).contains(&value.len()) {
                return Err(Unwritable::NeedsTwoByteForm);
            }
            append(out, at, &[id << 4 | (value.len() - 1) as u8])
        }
        Form::TwoByte => {
            let len = u8::try_from(value.len()).map_err(|_| Unwritable::NoSpace)?;
            append(out, at, &[id, len])
        }
    };
    value_start.and_then(|start| append(out, start, value)).ok_or(Unwritable::NoSpace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FIELDS: HeaderFields =
        HeaderFields { marker: true, payload_type: 101, sequence: 0xfffe, timestamp: 0x0102_0304, ssrc: 0xa0b0_c0d0 };

    /// A padded packet with one CSRC and extensions 1, 2 and 5.
    fn ingress() -> Vec<u8> {
        let mut packet = vec![0xb1, 96, 0, 1, 0, 0, 0, 9, 0, 0, 0, 7, 9, 9, 9, 9];
        packet.extend([0xbe, 0xde, 0, 2, 0x10, 0xaa, 0x21, 1, 2, 0x50, 0xee, 0]);
        packet.extend([40, 41, 42, 0, 2]);
        packet
    }

    fn write(map: &ExtensionMap, own: &[(u8, &[u8])], out: &mut [u8]) -> Option<usize> {
        let packet = ingress();
        let header = RtpHeader::parse(&packet)?;
        let extensions = OutgoingExtensions { packet: &packet, header: &header, map, own };
        write_packet(out, &FIELDS, &extensions, header.payload(&packet))
    }

    fn map(pairs: &[(u8, u8)]) -> ExtensionMap {
        let mut map = [0; 16];
        for &(from, to) in pairs {
            map[usize::from(from)] = to;
        }
        map
    }

    #[test]
    fn renumbers_and_strips_what_belongs_to_one_hop() {
        let mut out = [0xff; 100];
        let len = write(&map(&[(1, 4), (5, 14)]), &[(3, b"m0")], &mut out).expect("fits");
        let packet = &out[..len];
        let header = RtpHeader::parse(packet).expect("valid");
        assert_eq!((header.marker, header.payload_type, header.sequence), (true, 101, 0xfffe));
        assert_eq!((header.timestamp, header.ssrc, header.padding_len()), (0x0102_0304, 0xa0b0_c0d0, 0));
        let found: Vec<_> = header.extensions(packet).collect();
        assert_eq!(found, [(3, &b"m0"[..]), (4, &[0xaa]), (14, &[0xee])]);
        assert_eq!(first_extension(packet).and_then(|at| packet.get(at..at + 2)), Some(&b"m0"[..]));
        assert_eq!(header.payload(packet), [40, 41, 42]);
        assert_eq!(packet[12..16], [0xbe, 0xde, 0, 2]);
    }

    #[test]
    fn without_extensions_there_is_no_block() {
        let mut out = [0xff; 100];
        assert_eq!(write(&map(&[]), &[], &mut out), Some(15));
        assert_eq!(out[0], 0x80);
    }

    #[test]
    fn the_two_byte_form_is_used_only_where_it_must_be() {
        let long = [7; 17];
        for (map, own) in
            [(map(&[(1, 15)]), &[][..]), (map(&[(1, 1)]), &[(2, &long[..])][..]), (map(&[(1, 1)]), &[(2, &[][..])][..])]
        {
            let mut out = [0xff; 100];
            let len = write(&map, own, &mut out).expect("fits");
            let header = RtpHeader::parse(&out[..len]).expect("valid");
            assert_eq!((&out[12..14], first_extension(&out)), (&[0x10, 0][..], Some(18)));
            assert_eq!(header.extensions(&out).count(), 1 + own.len());
            assert_eq!(header.payload(&out[..len]), [40, 41, 42]);
        }
    }

    #[test]
    fn a_slot_that_is_too_small_is_refused() {
        let map = map(&[(1, 1), (2, 2)]);
        let needed = write(&map, &[(15, &[1])], &mut [0; 100]).expect("fits");
        for len in 0..needed {
            assert_eq!(write(&map, &[(15, &[1])], &mut vec![0; len]), None);
        }
        assert_eq!(write(&map, &[(15, &[1])], &mut vec![0; needed]), Some(needed));
    }

    #[test]
    fn a_retransmission_carries_the_original_number_first() {
        let packet = ingress();
        let header = RtpHeader::parse(&packet).expect("valid");
        let extensions = OutgoingExtensions { packet: &packet, header: &header, map: &map(&[]), own: &[] };
        let mut out = [0; 40];
        let len = write_retransmission(&mut out, &FIELDS, &extensions, 0x1234, &[8, 9]).expect("fits");
        assert_eq!(out[12..len], [0x12, 0x34, 8, 9]);
    }

    #[test]
    fn padding_is_all_that_a_padding_packet_has() {
        let mut out = [0xff; 300];
        let len = write_padding(&mut out, &FIELDS, (3, &[0xab, 0xcd])).expect("fits");
        let header = RtpHeader::parse(&out[..len]).expect("valid");
        assert_eq!((header.payload(&out[..len]), header.padding_len()), (&[][..], 255));
        assert_eq!(header.extension(&out[..len], 3), Some(&[0xab, 0xcd][..]));
        assert_eq!(write_padding(&mut out[..100], &FIELDS, (3, &[0; 2])), None);
    }

    proptest! {
        #[test]
        fn agrees_with_the_header_view(values in prop::collection::vec((1u8..=15, prop::collection::vec(any::<u8>(), 0..40)), 0..6),
                                       payload in prop::collection::vec(any::<u8>(), 0..50), len in 0usize..300) {
            let bare = [0x80; 12];
            let header = RtpHeader::parse(&bare).expect("valid");
            let own: Vec<_> = values.iter().map(|(id, value)| (*id, value.as_slice())).collect();
            let extensions = OutgoingExtensions { packet: &bare, header: &header, map: &[0; 16], own: &own };
            let mut out = vec![0xff; len];
            if let Some(len) = write_packet(&mut out, &FIELDS, &extensions, &payload) {
                let written = RtpHeader::parse(&out[..len]).expect("valid");
                prop_assert_eq!(written.extensions(&out[..len]).collect::<Vec<_>>(), own);
                prop_assert_eq!(written.payload(&out[..len]), &payload[..]);
            }
        }
    }
}
