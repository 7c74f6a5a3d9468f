//! Opus that leaves with copies of the packets just before it (RED, RFC 2198), for a client that loses packets.
//!
//! Copies are read from the encoding's ring, where every packet lies that is forwarded, and named by how far back they are. So a packet
//! that is sent again without RTX, under the same SRTP index, can be made of the very same blocks, or is not sent.

use crate::formats::{Codec, FormatId};
use crate::negotiation::RedTypes;
use crate::publication::Encoding;
use crate::rtp::red::{MAX_RED_LEN, RedundantBlock, red_len, write_red};
use crate::rtp::writer::{HeaderFields, OutgoingExtensions, write_packet};

/// How far back copies reach, in packets.
const REACH: usize = 2;

/// Which of the packets before one leave with it once more: bit 0 is the one just before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Copies(u8);

const _: () = assert!(1 << REACH <= super::sequencer::ANNEXES);

impl Copies {
    pub(super) const NONE: Self = Self(0);

    /// As a [`Sequencer`](super::sequencer::Sequencer) has kept it.
    pub(super) const fn from_annex(annex: u8) -> Self {
        Self(annex)
    }

    /// As a sequencer keeps it.
    pub(super) const fn annex(self) -> u8 {
        self.0
    }

    const fn has(self, back: usize) -> bool {
        self.0 >> (back - 1) & 1 == 1
    }
}

/// The packet that copies leave with.
#[derive(Clone, Copy)]
pub(super) struct Primary<'a> {
    /// Its extended sequence number in its encoding.
    pub(super) sequence: u64,
    pub(super) timestamp: u32,
    pub(super) payload: &'a [u8],
}

/// A packet of Opus with copies.
#[derive(Clone, Copy)]
pub(super) struct Redundant<'a> {
    types: RedTypes,
    pub(super) copies: Copies,
    primary: &'a [u8],
    /// The oldest first.
    blocks: [Option<RedundantBlock<'a>>; REACH],
}

impl<'a> Redundant<'a> {
    /// Whether copies may be added to an encoding's packets. A publisher of RED has its own.
    pub(super) fn is_of_use_to(encoding: &Encoding) -> bool {
        encoding.codec() == Some(Codec::Opus)
    }

    /// The packet with up to `most` copies of what is just before it, and belongs to the same source: no earlier than `since`. What is
    /// missing, too old to be named or too long is left out; `None` where nothing remains.
    pub(super) fn choose(
        types: RedTypes,
        encoding: &'a Encoding,
        primary: Primary<'a>,
        since: u64,
        most: u8,
    ) -> Option<Self> {
        if primary.payload.is_empty() || !Self::is_of_use_to(encoding) {
            return None;
        }
        let since = since.max(encoding.open_from());
        let mut this = Self::plain(types, primary);
        for back in 1..=usize::from(most).min(REACH) {
            let is_of_source = primary.sequence.checked_sub(back as u64).is_some_and(|earlier| earlier >= since);
            let Some(block) = block(encoding, primary, back).filter(|_| is_of_source) else { continue };
            if this.len() + block.cost() <= MAX_RED_LEN {
                this.add(back, block);
            }
        }
        Some(this).filter(|this| this.copies != Copies::NONE)
    }

    /// The packet with the very copies that it once left with; `None` if one of them is gone.
    pub(super) fn again(types: RedTypes, encoding: &'a Encoding, primary: Primary<'a>, copies: Copies) -> Option<Self> {
        let mut this = Self::plain(types, primary);
        for back in (1..=REACH).filter(|back| copies.has(*back)) {
            this.add(back, block(encoding, primary, back)?);
        }
        Some(this)
    }

    fn plain(types: RedTypes, primary: Primary<'a>) -> Self {
        Self { types, copies: Copies::NONE, primary: primary.payload, blocks: [None; REACH] }
    }

    fn add(&mut self, back: usize, block: RedundantBlock<'a>) {
        if let Some(place) = self.blocks.get_mut(REACH - back) {
            *place = Some(block);
            self.copies.0 |= 1 << (back - 1);
        }
    }

    fn blocks(&self) -> impl Iterator<Item = RedundantBlock<'a>> + Clone {
        self.blocks.into_iter().flatten()
    }

    fn len(&self) -> usize {
        red_len(self.primary.len(), self.blocks().map(|block| block.cost()).sum())
    }

    /// Bytes that it has beside those of plain Opus.
    pub(super) fn extra(&self) -> usize {
        self.len() - self.primary.len()
    }
}

/// The copy of what is so far back.
fn block<'a>(encoding: &'a Encoding, primary: Primary<'_>, back: usize) -> Option<RedundantBlock<'a>> {
    let earlier = encoding.stored_at(primary.sequence.checked_sub(back as u64)?)?;
    let is_opus = earlier.format == FormatId::OPUS;
    let payload = is_opus.then(|| earlier.header.payload(earlier.packet))?;
    RedundantBlock::new(payload, earlier.header.timestamp, primary.timestamp)
}

/// What a packet carries behind its header.
#[derive(Clone, Copy)]
pub(super) enum Body<'a> {
    Plain(&'a [u8]),
    Redundant(Redundant<'a>),
}

/// By what two bodies that are made of one packet differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    /// Of the packet's own payload.
    len: usize,
    redundancy: Option<(RedTypes, Copies)>,
}

impl Form {
    pub(super) const NONE: Self = Self { len: 0, redundancy: None };
}

impl<'a> Body<'a> {
    /// What a packet carries, and its payload type: `accepted_type` where it is plain.
    #[inline]
    pub(super) fn of(accepted_type: u8, payload: &'a [u8], redundant: Option<Redundant<'a>>) -> (u8, Self) {
        match redundant {
            Some(redundant) => (redundant.types.red, Self::Redundant(redundant)),
            None => (accepted_type, Self::Plain(payload)),
        }
    }

    #[inline]
    pub(super) fn form(&self) -> Form {
        match self {
            Self::Plain(payload) => Form { len: payload.len(), redundancy: None },
            Self::Redundant(red) => Form { len: red.primary.len(), redundancy: Some((red.types, red.copies)) },
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Plain(payload) => payload.len(),
            Self::Redundant(red) => red.len(),
        }
    }

    /// Writes the packet and returns its length; `None` when `out` is too small.
    pub(super) fn write(
        &self,
        out: &mut [u8],
        fields: &HeaderFields,
        extensions: &OutgoingExtensions<'_>,
    ) -> Option<usize> {
        match self {
            Self::Plain(payload) => write_packet(out, fields, extensions, payload),
            Self::Redundant(red) => {
                let at = write_packet(out, fields, extensions, &[])?;
                write_red(out, at, red.types.opus, red.blocks(), red.primary)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::draft::Drafts;
    use super::*;
    use crate::allocations::allocations_of;
    use crate::command::MediaKind;
    use crate::feedback::test_start;
    use crate::rtp::header::RtpHeader;
    use crate::rtp::red::read_blocks;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    const TYPES: RedTypes = RedTypes { red: 63, opus: 109 };

    /// The publisher's type of Opus; one more is its RED.
    const OPUS: u8 = 111;

    /// The extended sequence number of what comes as 0.
    const FIRST: u64 = 1 << 16;

    fn packet(payload_type: u8, sequence: u64, timestamp: u32, payload: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x80, payload_type];
        packet.extend((sequence as u16).to_be_bytes());
        packet.extend(timestamp.to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        packet.extend(payload);
        packet
    }

    fn receive(encoding: &mut Encoding, packet: &[u8]) {
        let header = RtpHeader::parse(packet).expect("valid");
        let format = if header.payload_type == OPUS { FormatId::OPUS } else { FormatId::RED };
        encoding.receive(test_start(), &header, packet, format, false, false).expect("new");
    }

    /// An encoding to which these packets have come, 20 ms and a number apart.
    fn encoding(payloads: &[&[u8]]) -> Encoding {
        let mut encoding = Encoding::new(MediaKind::Audio, None);
        for (number, payload) in (0..).zip(payloads) {
            receive(&mut encoding, &packet(OPUS, number, 960 * number as u32, payload));
        }
        encoding
    }

    fn written(redundant: Redundant<'_>) -> Vec<u8> {
        let bare = packet(OPUS, 0, 0, &[]);
        let header = RtpHeader::parse(&bare).expect("valid");
        let extensions = OutgoingExtensions { packet: &bare, header: &header, map: &[0; 16], own: &[] };
        let (payload_type, body) = Body::of(TYPES.opus, &[], Some(redundant));
        let fields = HeaderFields { payload_type, ..HeaderFields::default() };
        let mut out = vec![0; 1_500];
        let len = body.write(&mut out, &fields, &extensions).expect("fits");
        assert_eq!((len, out[1]), (bare.len() + body.len(), TYPES.red));
        out[bare.len()..len].to_vec()
    }

    /// The numbers of the packets that are copied into the one of a number, the oldest first: payloads of `encoding` begin with theirs.
    fn copied(encoding: &Encoding, sequence: u64, since: u64, most: u8) -> Option<Vec<u8>> {
        let (sequence, since) = (FIRST + sequence, FIRST + since);
        let stored = encoding.stored_at(sequence).expect("stored");
        let payload = stored.header.payload(stored.packet);
        let primary = Primary { sequence, timestamp: stored.header.timestamp, payload };
        let bytes = written(Redundant::choose(TYPES, encoding, primary, since, most)?);
        let mut blocks = read_blocks(&bytes).expect("valid");
        assert!(blocks.iter().all(|(payload_type, ..)| *payload_type == TYPES.opus));
        assert_eq!(blocks.pop().map(|(.., block)| block), Some(payload));
        Some(blocks.iter().map(|(.., block)| block[0]).collect())
    }

    #[test]
    fn the_latest_packets_are_copied_as_far_as_they_are_there() {
        let mut encoding = encoding(&[&[0], &[1, 1], &[2], &[3], &[]]);
        assert_eq!(copied(&encoding, 3, 0, 2), Some(vec![1, 2]));
        assert_eq!(copied(&encoding, 3, 0, 1), Some(vec![2]));
        assert_eq!(copied(&encoding, 3, 0, 0), None);
        assert_eq!(
            (copied(&encoding, 1, 0, 2), copied(&encoding, 0, 0, 2)),
            (Some(vec![0]), None),
            "there are no more"
        );
        assert_eq!(copied(&encoding, 4, 0, 2), None, "what is empty is no sound");
        receive(&mut encoding, &packet(OPUS, 6, 960 * 6, &[6]));
        assert_eq!(copied(&encoding, 6, 0, 2), None, "one is lost, one empty");
        receive(&mut encoding, &packet(OPUS, 7, 960 * 24, &[7]));
        receive(&mut encoding, &packet(OPUS, 8, 960 * 24, &[8]));
        assert_eq!((copied(&encoding, 7, 0, 2), copied(&encoding, 8, 0, 2)), (None, None), "too long ago, and at once");
    }

    #[test]
    fn nothing_is_copied_from_before_the_source_or_its_turn() {
        let mut encoding = encoding(&[&[0], &[1], &[2], &[3]]);
        assert_eq!((copied(&encoding, 3, 2, 2), copied(&encoding, 3, 3, 2)), (Some(vec![2]), None));
        encoding.end_turn();
        receive(&mut encoding, &packet(OPUS, 4, 960 * 4, &[4]));
        receive(&mut encoding, &packet(OPUS, 5, 960 * 5, &[5]));
        assert_eq!((copied(&encoding, 4, 0, 2), copied(&encoding, 5, 0, 2)), (None, Some(vec![4])));
    }

    #[test]
    fn a_publisher_of_red_gets_nothing_added() {
        let mut encoding = encoding(&[&[0], &[1]]);
        receive(&mut encoding, &packet(OPUS + 1, 2, 960 * 2, &[OPUS, 2]));
        receive(&mut encoding, &packet(OPUS, 3, 960 * 3, &[3]));
        assert_eq!((copied(&encoding, 1, 0, 2), copied(&encoding, 3, 0, 2)), (None, None));
    }

    #[test]
    fn without_one_of_its_copies_a_packet_is_not_made_again() {
        let encoding = encoding(&[&[1], &[2], &[3]]);
        let primary = Primary { sequence: FIRST + 2, timestamp: 960 * 2, payload: &[3] };
        let again = |primary, copies| Redundant::again(TYPES, &encoding, primary, Copies(copies)).map(written);
        assert_eq!(again(primary, 0b01), Some(vec![0x80 | 109, 0x0f, 0, 1, 109, 2, 3]));
        assert!(again(primary, 0b11).is_some());
        assert_eq!(again(Primary { sequence: FIRST + 1, timestamp: 960, payload: &[2] }, 0b10), None);
    }

    /// Listeners by the copies that they get, each of whom is sent the draft that is written for the first of its kind.
    #[test]
    fn listeners_with_the_same_need_share_a_draft_and_nothing_is_allocated() {
        let encoding = encoding(&[&[1; 50], &[2; 50], &[3; 50]]);
        let stored = encoding.stored_at(FIRST + 2).expect("stored");
        let (packet, payload) = (stored.packet, stored.header.payload(stored.packet));
        let primary = Primary { sequence: FIRST + 2, timestamp: 960 * 2, payload };
        let mut drafts = Drafts::default();
        let key = drafts.begin(0);
        let mut found = [(0_usize, 0_usize); 30];
        let count = allocations_of(|| {
            for (place, most) in found.iter_mut().zip((0..3_u8).cycle()) {
                let redundant = Redundant::choose(TYPES, &encoding, primary, 0, most);
                let (_, body) = Body::of(TYPES.opus, payload, redundant);
                let draft = drafts.draft(key, packet, &stored.header, &[0; 16], &body).expect("fits");
                *place = (std::ptr::from_ref(draft).addr(), draft.payload_range().len());
            }
        });
        assert_eq!(count, 0);
        let kinds: BTreeSet<_> = found.into_iter().collect();
        let lengths: BTreeSet<_> = kinds.iter().map(|(_, len)| *len).collect();
        assert_eq!((kinds.len(), lengths), (3, BTreeSet::from([50, 105, 159])));
    }

    /// What is as long as another packet is not taken for it.
    #[test]
    fn other_copies_are_another_draft() {
        let mut encoding = encoding(&[&[1; 50], &[], &[3; 50]]);
        receive(&mut encoding, &packet(OPUS, 3, 960 * 3, &[4; 50]));
        let one_back = Primary { sequence: FIRST + 3, timestamp: 960 * 3, payload: &[4; 50] };
        let two_back = Primary { sequence: FIRST + 2, timestamp: 960 * 2, payload: &[4; 50] };
        let forms = [one_back, two_back].map(|primary| {
            let redundant = Redundant::choose(TYPES, &encoding, primary, 0, 2);
            let (_, body) = Body::of(TYPES.opus, primary.payload, redundant);
            (body.len(), body.form())
        });
        assert!(forms[0].0 == forms[1].0 && forms[0].1 != forms[1].1, "{forms:?}");
    }

    proptest! {
        /// Whatever has come: what leaves fits any path, says what was there, and is made of the same bytes when it is sent again.
        #[test]
        fn a_packet_fits_and_can_be_made_again(
            packets in prop::collection::vec((1u64..4, 0u32..20_000, 0usize..1_400), 3..12), most in 0u8..3, since in 0u64..12,
        ) {
            let mut encoding = Encoding::new(MediaKind::Audio, None);
            let first = FIRST + 65_530;
            let (mut sequence, mut timestamp) = (first, u32::MAX - 3_000);
            let mut came: Vec<(u64, u32, Vec<u8>)> = Vec::new();
            for (step, ticks, len) in packets {
                (sequence, timestamp) = (sequence + step, timestamp.wrapping_add(ticks));
                let payload: Vec<u8> = (0..len).map(|at| (at as u64 ^ sequence) as u8).collect();
                receive(&mut encoding, &packet(OPUS, sequence, timestamp, &payload));
                came.push((sequence, timestamp, payload));
            }
            let since = first + since;
            for (sequence, timestamp, payload) in &came {
                let primary = Primary { sequence: *sequence, timestamp: *timestamp, payload };
                let Some(redundant) = Redundant::choose(TYPES, &encoding, primary, since, most) else { continue };
                let bytes = written(redundant);
                prop_assert!(bytes.len() <= MAX_RED_LEN);
                prop_assert_eq!(redundant.extra(), bytes.len() - payload.len());
                let blocks = read_blocks(&bytes).expect("valid");
                let (primary_block, copies) = blocks.split_last().expect("at least one");
                prop_assert_eq!(primary_block.2, &payload[..]);
                prop_assert!((1..=usize::from(most)).contains(&copies.len()));
                for (_, offset, block) in copies {
                    // Several may have one timestamp.
                    let is_original = |(known, time, payload): &(u64, u32, Vec<u8>)| {
                        let is_near = (since..*sequence).contains(known) && sequence - known <= 2;
                        is_near && timestamp.wrapping_sub(*time) == *offset && payload == block
                    };
                    prop_assert!(came.iter().any(is_original));
                }
                let again = Redundant::again(TYPES, &encoding, primary, redundant.copies).map(written);
                prop_assert_eq!(again, Some(bytes));
            }
        }
    }
}
