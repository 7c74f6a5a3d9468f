//! A packet as it leaves, but for what is each subscriber's own.
//!
//! The subscribers of a publication nearly always agree on the ids of header extensions, and then their packets differ in the
//! fixed header, in transport-wide and in picture numbers alone. So header, extensions and payload are written once, into a draft; each
//! subscriber's packet is one copy of it with other numbers.
//!
//! Always holds: a draft is used for the packet that has its key alone, and no two packets have the same.

use super::redundancy::{Body, Form};
use crate::burst::MAX_PACKETS;
use crate::outbox::MAX_DATAGRAM;
use crate::rtp::header::RtpHeader;
use crate::rtp::writer::{ExtensionMap, HeaderFields, OWN_NUMBER, OutgoingExtensions, first_extension};
use crate::transport::sealing::OWN;
use std::ops::Range;

/// Drafts of each packet. Clients of one make have the same ids; there are few makes.
const DRAFTS: usize = 4;

/// The packet that a draft is of; of [`Drafts::begin`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DraftKey {
    row: usize,
    number: u64,
}

/// One draft.
pub(super) struct Draft {
    map: ExtensionMap,
    form: Form,
    payload_len: usize,
    header_len: usize,
    /// Where the subscriber's transport-wide number goes; `None` where it has none.
    number_at: Option<usize>,
    bytes: [u8; MAX_DATAGRAM],
}

impl Draft {
    const EMPTY: Self = Self {
        map: [0; 16],
        form: Form::NONE,
        payload_len: 0,
        header_len: 0,
        number_at: None,
        bytes: [0; MAX_DATAGRAM],
    };

    /// Where the payload lies in each copy.
    #[inline]
    pub(super) fn payload_range(&self) -> Range<usize> {
        self.header_len..self.header_len + self.payload_len
    }

    /// The payload, of which what [`Self::copy_to`] leaves out is to be sealed from here.
    #[inline]
    pub(super) fn shared(&self) -> &[u8] {
        self.bytes.get(self.payload_range()).unwrap_or_default()
    }

    /// Copies header and extensions and what stands at the beginning of the payload to the start of `out` and gives them a subscriber's own
    /// fields and, where it has one, transport-wide `number`. Returns what was copied, or `None` when the packet does not fit.
    #[inline]
    pub(super) fn copy_to<'a>(&self, out: &'a mut [u8], fields: &HeaderFields, number: u16) -> Option<&'a mut [u8]> {
        let copied = self.header_len + self.payload_len.min(OWN);
        let out = out.get_mut(..self.payload_range().end)?.get_mut(..copied)?;
        out.copy_from_slice(self.bytes.get(..copied)?);
        fields.write(out)?;
        if let Some(at) = self.number_at {
            out.get_mut(at..at + 2)?.copy_from_slice(&number.to_be_bytes());
        }
        Some(out)
    }
}

/// The drafts of one packet.
struct Row {
    /// The packet's number.
    number: u64,
    /// How many of `drafts` are of it.
    used: usize,
    drafts: [Draft; DRAFTS],
}

/// The drafts of the packets that are being forwarded, those of a packet in the row of its position in the burst. One for a whole
/// shard; drafts that were overwritten are written again.
pub(crate) struct Drafts {
    rows: Box<[Row; MAX_PACKETS]>,
    newest: u64,
}

impl Default for Drafts {
    fn default() -> Self {
        let rows = Box::new([const { Row { number: 0, used: 0, drafts: [Draft::EMPTY; DRAFTS] } }; MAX_PACKETS]);
        Self { rows, newest: 0 }
    }
}

impl Drafts {
    /// The key of another packet, the one at `position` of its burst.
    pub(crate) fn begin(&mut self, position: usize) -> DraftKey {
        self.newest += 1;
        DraftKey { row: position % MAX_PACKETS, number: self.newest }
    }

    /// The draft of a packet with the extensions that `map` leaves it and this body; written if it is the first of
    /// its kind. `None` when it is too large to be sent.
    #[inline]
    pub(super) fn draft(
        &mut self,
        key: DraftKey,
        packet: &[u8],
        header: &RtpHeader,
        map: &ExtensionMap,
        body: &Body<'_>,
    ) -> Option<&Draft> {
        let row = self.rows.get_mut(key.row)?;
        if row.number != key.number {
            (row.number, row.used) = (key.number, 0);
        }
        let form = body.form();
        let known = |draft: &Draft| draft.map == *map && draft.form == form;
        let index = match row.drafts.get(..row.used)?.iter().position(known) {
            Some(index) => index,
            None => {
                let own: &[(u8, &[u8])] = &[(map[OWN_NUMBER], &[0, 0])];
                row.write(&OutgoingExtensions { packet, header, map, own }, body)?
            }
        };
        row.drafts.get(index)
    }
}

impl Row {
    /// Writes a further draft, over the latest one if there is no room.
    #[cold]
    fn write(&mut self, extensions: &OutgoingExtensions<'_>, body: &Body<'_>) -> Option<usize> {
        let index = self.used.min(DRAFTS - 1);
        // What it was is gone, also if this fails.
        self.used = index;
        let draft = self.drafts.get_mut(index)?;
        let len = body.write(&mut draft.bytes, &HeaderFields::default(), extensions)?;
        draft.map = *extensions.map;
        draft.number_at = if extensions.map[OWN_NUMBER] == 0 { None } else { Some(first_extension(&draft.bytes)?) };
        draft.form = body.form();
        draft.payload_len = body.len();
        draft.header_len = len.checked_sub(draft.payload_len)?;
        self.used = index + 1;
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::writer::write_packet;
    use crate::transport::sealing;

    /// Extension 1 of one byte, and three bytes of payload.
    const PACKET: [u8; 23] = [0x90, 96, 0, 1, 0, 0, 0, 9, 0, 0, 0, 7, 0xbe, 0xde, 0, 1, 0x10, 0xaa, 0, 0, 40, 41, 42];
    const NUMBER: u16 = 0xabcd;
    const FIELDS: HeaderFields =
        HeaderFields { marker: true, payload_type: 101, sequence: 0xfffe, timestamp: 0x0102_0304, ssrc: 0xa0b0_c0d0 };

    /// Whoever has an odd id for the extension also has transport-wide numbers.
    fn map(egress: u8) -> ExtensionMap {
        let mut map = [0; 16];
        map[1] = egress;
        map[OWN_NUMBER] = egress % 2 * 14;
        map
    }

    fn copy(drafts: &mut Drafts, key: DraftKey, map: &ExtensionMap, payload: &[u8]) -> Vec<u8> {
        let header = RtpHeader::parse(&PACKET).expect("valid");
        let draft = drafts.draft(key, &PACKET, &header, map, &Body::Plain(payload)).expect("fits");
        let mut copy = vec![0xff; draft.payload_range().end + 1];
        let copied = draft.copy_to(&mut copy, &FIELDS, NUMBER).expect("fits").len();
        assert_eq!(copied, draft.payload_range().start + payload.len().min(OWN));
        assert!(copy[copied..].iter().all(|byte| *byte == 0xff), "nothing beyond it is touched");
        copy.pop();
        sealing::join(&mut copy[draft.payload_range()], draft.shared()).expect("fits in");
        copy
    }

    #[test]
    fn a_copy_is_what_the_writer_would_have_written() {
        let header = RtpHeader::parse(&PACKET).expect("valid");
        let mut drafts = Drafts::default();
        let key = drafts.begin(0);
        let payloads: Vec<Vec<u8>> =
            [2, 3, OWN - 1, OWN, OWN + 1, 1_200].map(|len| (0..len).map(|at: usize| at as u8).collect()).into();
        // More kinds than there is room for, and each of them twice.
        for egress in (0..DRAFTS as u8 + 2).chain(0..DRAFTS as u8 + 2) {
            for payload in &payloads {
                let mut written = [0xff; MAX_DATAGRAM];
                let map = map(egress);
                let own: &[(u8, &[u8])] = &[(map[OWN_NUMBER], &NUMBER.to_be_bytes())];
                let extensions = OutgoingExtensions { packet: &PACKET, header: &header, map: &map, own };
                let len = write_packet(&mut written, &FIELDS, &extensions, payload).expect("fits");
                assert_eq!(copy(&mut drafts, key, &map, payload), written[..len]);
            }
        }
    }

    #[test]
    fn the_next_packet_has_drafts_of_its_own() {
        let mut drafts = Drafts::default();
        let key = drafts.begin(0);
        let first = copy(&mut drafts, key, &map(1), &[1, 2, 3]);
        let key = drafts.begin(0);
        assert_ne!(copy(&mut drafts, key, &map(1), &[4, 5, 6]), first);
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let header = RtpHeader::parse(&PACKET).expect("valid");
        let mut drafts = Drafts::default();
        let key = drafts.begin(0);
        assert!(drafts.draft(key, &PACKET, &header, &map(1), &Body::Plain(&[0; MAX_DATAGRAM])).is_none());
        let draft = drafts.draft(key, &PACKET, &header, &map(1), &Body::Plain(&PACKET[20..])).expect("fits");
        assert!(draft.copy_to(&mut [0; 22], &FIELDS, NUMBER).is_none());
    }
}
