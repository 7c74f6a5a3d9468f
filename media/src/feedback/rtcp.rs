//! Reads incoming compound RTCP (RFC 3550 section 6, RFC 4585, RFC 5104) without allocation.
//!
//! Reading is total: it ends at the first packet whose length does not fit, and skips packets of types that forwarding
//! has no use for. Reduced-size RTCP (RFC 5506) needs nothing special.

use super::ntp::NtpTime;

/// Packet types.
pub(super) const SENDER_REPORT: u8 = 200;
pub(super) const RECEIVER_REPORT: u8 = 201;
pub(super) const SOURCE_DESCRIPTION: u8 = 202;
pub(super) const BYE: u8 = 203;
pub(super) const TRANSPORT_FEEDBACK: u8 = 205;
pub(super) const PAYLOAD_FEEDBACK: u8 = 206;

/// Formats of transport feedback.
pub(super) const FMT_NACK: u8 = 1;
pub(super) const FMT_TRANSPORT_CC: u8 = 15;

/// Those bits of a datagram's first 16 by which it is transport-wide feedback, and their value: version, format and packet type, whether
/// it is padded or not. They are in the clear in SRTCP too (RFC 3711 section 3.4).
pub const TRANSPORT_CC_BITS: (u16, u16) = (0xdfff, u16::from_be_bytes([0x80 | FMT_TRANSPORT_CC, TRANSPORT_FEEDBACK]));

/// Formats of payload-specific feedback.
pub(super) const FMT_PLI: u8 = 1;
pub(super) const FMT_FIR: u8 = 4;
pub(super) const FMT_APPLICATION: u8 = 15;

/// The most report blocks, or sources, that the five-bit count of one packet can say.
pub(super) const MAX_COUNT: usize = 31;

/// The common header, in bytes.
const HEADER_LEN: usize = 4;
/// Common header, sender and media SSRC of feedback.
const FEEDBACK_HEADER_LEN: usize = 12;
/// One report block, in bytes.
pub(super) const REPORT_BLOCK_LEN: usize = 24;

/// Whether a datagram, sealed or not, begins with transport-wide feedback.
#[must_use]
pub fn is_transport_cc(datagram: &[u8]) -> bool {
    let (mask, bits) = TRANSPORT_CC_BITS;
    datagram.first_chunk().is_some_and(|first| u16::from_be_bytes(*first) & mask == bits)
}

/// What one packet of a compound says.
#[derive(Clone, Debug)]
pub enum Feedback<'a> {
    /// Packets that the receiver misses (RFC 4585 section 6.2.1).
    Nack {
        /// The stream they belong to.
        media_ssrc: u32,
        /// Their sequence numbers, in the order of the packet; duplicates are possible.
        sequences: NackSequences<'a>,
    },
    /// A keyframe is wanted (RFC 4585 section 6.3.1).
    Pli {
        /// Of this stream.
        media_ssrc: u32,
    },
    /// Keyframes are wanted (RFC 5104 section 4.3.1).
    Fir {
        /// Each with the stream and the request's number; a repeated number repeats the request.
        requests: FirRequests<'a>,
    },
    /// A sender's report (RFC 3550 section 6.4.1).
    SenderReport {
        /// What it says of its own stream.
        report: SenderReport,
        /// What it says of streams it receives.
        blocks: ReportBlocks<'a>,
    },
    /// A receiver's report (section 6.4.2).
    ReceiverReport {
        /// Who reports.
        ssrc: u32,
        /// On what.
        blocks: ReportBlocks<'a>,
    },
    /// The receiver's estimate of what it can be sent (draft-alvestrand-rmcat-remb-03).
    Remb {
        /// Bits per second.
        bitrate_bps: u64,
    },
    /// Transport-wide congestion feedback: the whole RTCP packet, header included.
    TransportCc(&'a [u8]),
    /// Streams that ended (section 6.6).
    Bye {
        /// Their SSRCs.
        ssrcs: Ssrcs<'a>,
    },
}

/// The sender's part of a sender report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SenderReport {
    /// The stream.
    pub ssrc: u32,
    /// When the report was sent.
    pub ntp: NtpTime,
    /// The same in the stream's timestamp units.
    pub rtp_timestamp: u32,
    /// Packets sent so far, modulo 2^32.
    pub packets: u32,
    /// Payload bytes sent so far, modulo 2^32.
    pub octets: u32,
}

/// One block of a report, on one stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportBlock {
    /// The stream.
    pub ssrc: u32,
    /// Share of packets lost since the last report, in 1/256.
    pub fraction_lost: u8,
    /// Packets lost since the beginning; negative where duplicates outnumber losses. 24 bits on the wire.
    pub cumulative_lost: i32,
    /// Extended highest sequence number: cycles in the upper half.
    pub highest_sequence: u32,
    /// Interarrival jitter in timestamp units.
    pub jitter: u32,
    /// Middle bits of the NTP time of the last sender report; 0 before the first.
    pub last_sender_report: u32,
    /// Delay since then in 1/65536 s.
    pub delay_since_last: u32,
}

impl ReportBlock {
    fn parse(block: &[u8; REPORT_BLOCK_LEN]) -> Self {
        let word = |at: usize| u32::from_be_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
        Self {
            ssrc: word(0),
            fraction_lost: block[4],
            // Sign-extends the lower 24 bits.
            cumulative_lost: (word(4) << 8) as i32 >> 8,
            highest_sequence: word(8),
            jitter: word(12),
            last_sender_report: word(16),
            delay_since_last: word(20),
        }
    }
}

/// Iterates over the packets of a compound.
#[must_use]
pub const fn parse(compound: &[u8]) -> Packets<'_> {
    Packets { rest: compound, is_broken: false }
}

/// The packets of a compound that forwarding has a use for.
#[derive(Clone, Debug)]
pub struct Packets<'a> {
    rest: &'a [u8],
    is_broken: bool,
}

impl Packets<'_> {
    /// Whether the iteration has ended before the compound did, at something that is no RTCP packet.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.is_broken
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = Feedback<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(header) = self.rest.first_chunk::<HEADER_LEN>() else {
                self.is_broken |= !self.rest.is_empty();
                return None;
            };
            let len = HEADER_LEN + 4 * usize::from(u16::from_be_bytes([header[2], header[3]]));
            let Some((packet, rest)) = self.rest.split_at_checked(len).filter(|_| header[0] >> 6 == 2) else {
                self.is_broken = true;
                self.rest = &[];
                return None;
            };
            self.rest = rest;
            if let Some(feedback) = parse_packet(packet) {
                return Some(feedback);
            }
        }
    }
}

/// One packet, whose length field agrees with its length.
fn parse_packet(packet: &[u8]) -> Option<Feedback<'_>> {
    let [first, packet_type, ..] = *packet else {
        return None;
    };
    let count = first & 0x1f;
    let unpadded = if first & 0x20 != 0 { without_padding(packet)? } else { packet };
    match packet_type {
        SENDER_REPORT => parse_sender_report(unpadded, count),
        RECEIVER_REPORT => {
            let blocks = ReportBlocks::new(unpadded.get(8..)?, count);
            Some(Feedback::ReceiverReport { ssrc: word(unpadded, 4)?, blocks })
        }
        BYE => Some(Feedback::Bye { ssrcs: Ssrcs::new(unpadded.get(HEADER_LEN..)?, count) }),
        TRANSPORT_FEEDBACK => {
            let media_ssrc = word(unpadded, 8)?;
            let items = unpadded.get(FEEDBACK_HEADER_LEN..)?;
            match count {
                FMT_NACK => Some(Feedback::Nack { media_ssrc, sequences: NackSequences::new(items) }),
                // Its own parser wants the padding, which it finds by itself.
                FMT_TRANSPORT_CC => Some(Feedback::TransportCc(packet)),
                _ => None,
            }
        }
        PAYLOAD_FEEDBACK => {
            let media_ssrc = word(unpadded, 8)?;
            let items = unpadded.get(FEEDBACK_HEADER_LEN..)?;
            match count {
                FMT_PLI => Some(Feedback::Pli { media_ssrc }),
                FMT_FIR => Some(Feedback::Fir { requests: FirRequests { rest: items } }),
                FMT_APPLICATION => parse_remb(items),
                _ => None,
            }
        }
        _ => None,
    }
}

fn without_padding(packet: &[u8]) -> Option<&[u8]> {
    let padding = usize::from(*packet.last()?);
    packet.get(..packet.len().checked_sub(padding)?).filter(|rest| padding > 0 && rest.len() >= HEADER_LEN)
}

fn word(packet: &[u8], at: usize) -> Option<u32> {
    packet.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

fn parse_sender_report(packet: &[u8], count: u8) -> Option<Feedback<'_>> {
    let report = SenderReport {
        ssrc: word(packet, 4)?,
        ntp: NtpTime(u64::from(word(packet, 8)?) << 32 | u64::from(word(packet, 12)?)),
        rtp_timestamp: word(packet, 16)?,
        packets: word(packet, 20)?,
        octets: word(packet, 24)?,
    };
    Some(Feedback::SenderReport { report, blocks: ReportBlocks::new(packet.get(28..)?, count) })
}

/// `REMB`, a count of SSRCs, then 6 bits of exponent and 18 of mantissa.
fn parse_remb(items: &[u8]) -> Option<Feedback<'_>> {
    let ([b'R', b'E', b'M', b'B', _, high, middle, low], _) = items.split_first_chunk()? else {
        return None;
    };
    let mantissa = u64::from(u32::from_be_bytes([0, high & 0x03, *middle, *low]));
    let exponent = u32::from(high >> 2);
    let bitrate_bps = if exponent > mantissa.leading_zeros() { u64::MAX } else { mantissa << exponent.min(63) };
    Some(Feedback::Remb { bitrate_bps })
}

/// The report blocks of a report; as many as it says, but not more than it holds.
#[derive(Clone, Debug)]
pub struct ReportBlocks<'a> {
    rest: &'a [u8],
    left: u8,
}

impl<'a> ReportBlocks<'a> {
    const fn new(rest: &'a [u8], left: u8) -> Self {
        Self { rest, left }
    }
}

impl Iterator for ReportBlocks<'_> {
    type Item = ReportBlock;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (block, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(ReportBlock::parse(block))
    }
}

/// The sources of a BYE.
#[derive(Clone, Debug)]
pub struct Ssrcs<'a> {
    rest: &'a [u8],
    left: u8,
}

impl<'a> Ssrcs<'a> {
    const fn new(rest: &'a [u8], left: u8) -> Self {
        Self { rest, left }
    }
}

impl Iterator for Ssrcs<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let (ssrc, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(u32::from_be_bytes(*ssrc))
    }
}

/// The sequence numbers of a NACK: each item is one, and a bit for each of the 16 that follow it.
#[derive(Clone, Debug)]
pub struct NackSequences<'a> {
    rest: &'a [u8],
    base: u16,
    /// Bit `i` stands for `base + i`.
    pending: u32,
}

impl<'a> NackSequences<'a> {
    const fn new(rest: &'a [u8]) -> Self {
        Self { rest, base: 0, pending: 0 }
    }
}

impl Iterator for NackSequences<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<Self::Item> {
        if self.pending == 0 {
            let (&[high, low, mask_high, mask_low], rest) = self.rest.split_first_chunk()?;
            self.rest = rest;
            self.base = u16::from_be_bytes([high, low]);
            self.pending = u32::from(u16::from_be_bytes([mask_high, mask_low])) << 1 | 1;
        }
        let offset = self.pending.trailing_zeros();
        self.pending &= self.pending - 1;
        Some(self.base.wrapping_add(offset as u16))
    }
}

/// The requests of a FIR, each a stream and a request number.
#[derive(Clone, Debug)]
pub struct FirRequests<'a> {
    rest: &'a [u8],
}

impl Iterator for FirRequests<'_> {
    type Item = (u32, u8);

    fn next(&mut self) -> Option<Self::Item> {
        let (&[a, b, c, d, number, _, _, _], rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some((u32::from_be_bytes([a, b, c, d]), number))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Reads everything, as a consumer would.
    fn drain(compound: &[u8]) -> usize {
        parse(compound)
            .map(|feedback| match feedback {
                Feedback::Nack { sequences, .. } => sequences.count(),
                Feedback::Fir { requests } => requests.count(),
                Feedback::SenderReport { blocks, .. } | Feedback::ReceiverReport { blocks, .. } => blocks.count(),
                Feedback::Bye { ssrcs } => ssrcs.count(),
                Feedback::Pli { .. } | Feedback::Remb { .. } | Feedback::TransportCc(_) => 1,
            })
            .sum()
    }

    #[test]
    fn nack_items_unfold_across_the_wrap() {
        let packet = [0x81, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 9, 0xff, 0xff, 0x80, 0x01, 0, 50, 0, 0];
        let Some(Feedback::Nack { media_ssrc: 9, sequences }) = parse(&packet).next() else { panic!("a NACK") };
        assert_eq!(sequences.collect::<Vec<_>>(), [65_535, 0, 15, 50]);
    }

    #[test]
    fn report_blocks_sign_extend_their_losses() {
        let mut packet = vec![0x81, 201, 0, 7, 0, 0, 0, 1];
        packet.extend([0, 0, 0, 2, 64, 0xff, 0xff, 0xfe, 0, 1, 0, 5, 0, 0, 0, 7, 1, 2, 3, 4, 0, 1, 0, 0]);
        let Some(Feedback::ReceiverReport { ssrc: 1, mut blocks }) = parse(&packet).next() else { panic!("an RR") };
        let block = blocks.next().expect("one block");
        assert_eq!((block.ssrc, block.fraction_lost, block.cumulative_lost), (2, 64, -2));
        assert_eq!((block.highest_sequence, block.jitter), (0x1_0005, 7));
        assert_eq!((block.last_sender_report, block.delay_since_last), (0x0102_0304, 0x1_0000));
        assert_eq!(blocks.next(), None);
    }

    #[test]
    fn a_count_beyond_the_packet_yields_what_is_there() {
        let packet = [0x9f, 201, 0, 1, 0, 0, 0, 1];
        assert_eq!(drain(&packet), 0);
        let bye = [0x9f, 203, 0, 1, 0, 0, 0, 1];
        assert_eq!(drain(&bye), 1);
    }

    #[test]
    fn remb_saturates() {
        let remb = |high: u8, middle, low| {
            let packet = [0x8f, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 0, high, middle, low];
            match parse(&packet).next() {
                Some(Feedback::Remb { bitrate_bps }) => bitrate_bps,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(remb(3 << 2, 0, 100), 800);
        assert_eq!(remb(0xff, 0xff, 0xff), u64::MAX);
        assert_eq!(remb(0xfc, 0, 0), 0);
    }

    #[test]
    fn unknown_packets_are_skipped_and_broken_lengths_end() {
        let pli = [0x81, 206, 0, 2, 0, 0, 0, 1, 0, 0, 0, 9];
        let unknown = [0x80, 207, 0, 1, 1, 2, 3, 4];
        assert_eq!(drain(&[&unknown[..], &pli, &pli].concat()), 2);
        let too_long = [0x80, 207, 0, 9, 1, 2, 3, 4];
        assert_eq!(drain(&[&pli[..], &too_long, &pli].concat()), 1);
        assert_eq!(drain(&[&[0x40, 207, 0, 0][..], &pli].concat()), 0, "version 1");
        assert_eq!(drain(&pli[..8]), 0);
    }

    #[test]
    fn padding_is_not_read_as_content() {
        assert!([&[0x8f, 205], &[0xaf, 205, 0][..]].into_iter().all(is_transport_cc));
        assert!(![&[0x8f][..], &[0x81, 205], &[0x8f, 206], &[0x0f, 205]].into_iter().any(is_transport_cc));
        let padded = [0xa1, 205, 0, 4, 0, 0, 0, 1, 0, 0, 0, 9, 0, 50, 0, 0, 0, 0, 0, 4];
        assert_eq!(drain(&padded), 1);
        let all_padding = [0xa1, 205, 0, 1, 0, 0, 0, 255];
        assert_eq!(drain(&all_padding), 0);
    }

    proptest! {
        #[test]
        fn is_total(mut bytes in prop::collection::vec(any::<u8>(), 0..200), packet_type in 200u8..208, fmt in 0u8..32) {
            if bytes.len() > 4 {
                bytes[0] = 0x80 | bytes[0] & 0x20 | fmt;
                bytes[1] = packet_type;
                bytes[2] = 0;
                bytes[3] %= 50;
            }
            prop_assert!(drain(&bytes) <= bytes.len() * 17 / 4);
        }
    }
}
