//! Writes RTCP behind what a buffer already holds, so that a compound is built by calling one function after the other.
//!
//! The buffer is the caller's and is reused; nothing else allocates.

use super::rtcp::{
    BYE, FMT_FIR, FMT_NACK, FMT_PLI, MAX_COUNT, PAYLOAD_FEEDBACK, RECEIVER_REPORT, ReportBlock, SENDER_REPORT,
    SOURCE_DESCRIPTION, SenderReport, TRANSPORT_FEEDBACK,
};

/// The CNAME item of a source description (RFC 3550 section 6.5.1).
const SDES_CNAME: u8 = 1;

/// The most items in one NACK, of up to 17 packets each: one kilobyte, which fits a datagram beside a report.
const MAX_NACK_ITEMS: usize = 256;

/// The longest message of [`write_nack`].
pub const MAX_NACK_BYTES: usize = 12 + 4 * MAX_NACK_ITEMS;

/// Asks for packets again. `sequences` ascend, modulo 2^16; what does not fit one message is left out and asked for at
/// the next turn. Writes nothing when there is none.
pub fn write_nack(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32, sequences: &[u16]) {
    let mut rest = sequences.iter().copied().peekable();
    if rest.peek().is_none() {
        return;
    }
    let start = begin(out, FMT_NACK, TRANSPORT_FEEDBACK, &[sender_ssrc, media_ssrc]);
    for _ in 0..MAX_NACK_ITEMS {
        let Some(base) = rest.next() else { break };
        let mut mask = 0u16;
        while let Some(next) = rest.next_if(|next| next.wrapping_sub(base) <= 16) {
            // A repetition of the base itself has no bit and needs none.
            mask |= 1u16.checked_shl(u32::from(next.wrapping_sub(base)).wrapping_sub(1)).unwrap_or(0);
        }
        out.extend_from_slice(&base.to_be_bytes());
        out.extend_from_slice(&mask.to_be_bytes());
    }
    finish(out, start);
}

/// Asks for a keyframe.
pub fn write_pli(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32) {
    let start = begin(out, FMT_PLI, PAYLOAD_FEEDBACK, &[sender_ssrc, media_ssrc]);
    finish(out, start);
}

/// Asks for a keyframe by FIR, for senders without PLI. A new request has a new number, a repetition the same.
pub fn write_fir(out: &mut Vec<u8>, sender_ssrc: u32, media_ssrc: u32, number: u8) {
    // The media source of the common part is unused (RFC 5104 section 4.3.1.2).
    let start = begin(out, FMT_FIR, PAYLOAD_FEEDBACK, &[sender_ssrc, 0, media_ssrc, u32::from(number) << 24]);
    finish(out, start);
}

/// A receiver report; as many packets as the blocks need, and one without blocks when there are none.
pub fn write_receiver_report(out: &mut Vec<u8>, sender_ssrc: u32, blocks: &[ReportBlock]) {
    let mut rest = blocks;
    loop {
        let (part, after) = rest.split_at(rest.len().min(MAX_COUNT));
        let start = begin(out, part.len() as u8, RECEIVER_REPORT, &[sender_ssrc]);
        part.iter().for_each(|block| write_block(out, block));
        finish(out, start);
        rest = after;
        if rest.is_empty() {
            return;
        }
    }
}

/// A sender report with the source description that must accompany it (RFC 3550 section 6.1). Names longer than an item
/// holds are cut.
pub fn write_sender_report(out: &mut Vec<u8>, report: &SenderReport, cname: &str) {
    let ntp = report.ntp.0;
    let words = [report.ssrc, (ntp >> 32) as u32, ntp as u32, report.rtp_timestamp, report.packets, report.octets];
    let start = begin(out, 0, SENDER_REPORT, &words);
    finish(out, start);
    write_cname(out, report.ssrc, cname);
}

/// A source description of one CNAME.
pub fn write_cname(out: &mut Vec<u8>, ssrc: u32, cname: &str) {
    let name = cname.as_bytes();
    let name = &name[..name.len().min(255)];
    let start = begin(out, 1, SOURCE_DESCRIPTION, &[ssrc]);
    out.extend_from_slice(&[SDES_CNAME, name.len() as u8]);
    out.extend_from_slice(name);
    // At least one zero ends the list of items.
    out.push(0);
    finish(out, start);
}

/// Says that a stream ended.
pub fn write_bye(out: &mut Vec<u8>, ssrc: u32) {
    let start = begin(out, 1, BYE, &[ssrc]);
    finish(out, start);
}

/// Begins a packet with its first words and returns where it starts.
pub(super) fn begin(out: &mut Vec<u8>, count: u8, packet_type: u8, words: &[u32]) -> usize {
    let start = out.len();
    out.extend_from_slice(&[0x80 | count & 0x1f, packet_type, 0, 0]);
    for word in words {
        out.extend_from_slice(&word.to_be_bytes());
    }
    start
}

/// Fills the packet with zeros to whole words and writes its length.
pub(super) fn finish(out: &mut Vec<u8>, start: usize) {
    out.resize(start + (out.len() - start).next_multiple_of(4), 0);
    let words = ((out.len() - start) / 4 - 1) as u16;
    if let Some(length) = out.get_mut(start + 2..start + 4) {
        length.copy_from_slice(&words.to_be_bytes());
    }
}

fn write_block(out: &mut Vec<u8>, block: &ReportBlock) {
    let lost = block.cumulative_lost.clamp(-0x80_0000, 0x7f_ffff) as u32 & 0xff_ffff;
    let words = [
        block.ssrc,
        u32::from(block.fraction_lost) << 24 | lost,
        block.highest_sequence,
        block.jitter,
        block.last_sender_report,
        block.delay_since_last,
    ];
    for word in words {
        out.extend_from_slice(&word.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::ntp::NtpTime;
    use crate::feedback::rtcp::{Feedback, parse};
    use proptest::prelude::*;

    fn nacked(sequences: &[u16]) -> Vec<u16> {
        let mut out = Vec::new();
        write_nack(&mut out, 1, 2, sequences);
        match parse(&out).next() {
            Some(Feedback::Nack { media_ssrc: 2, sequences }) => sequences.collect(),
            None => Vec::new(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_nack_packs_neighbours() {
        let mut out = Vec::new();
        write_nack(&mut out, 1, 2, &[65_534, 65_535, 14, 15]);
        assert_eq!(out[..4], [0x81, 205, 0, 4]);
        assert_eq!(out[12..], [0xff, 0xfe, 0x80, 0x01, 0, 15, 0, 0]);
        assert_eq!(nacked(&[5, 5, 5]), [5]);
        assert!(nacked(&[]).is_empty());
        let many: Vec<u16> = (0..300).map(|i| i * 100).collect();
        assert_eq!(nacked(&many), many[..MAX_NACK_ITEMS]);
    }

    #[test]
    fn a_compound_is_read_by_an_independent_parser() {
        let block = ReportBlock { ssrc: 7, fraction_lost: 3, cumulative_lost: -5, ..ReportBlock::default() };
        let report =
            SenderReport { ssrc: 9, ntp: NtpTime(0x0102_0304_0506_0708), rtp_timestamp: 11, packets: 12, octets: 13 };
        let mut out = Vec::new();
        write_sender_report(&mut out, &report, "abc");
        write_receiver_report(&mut out, 1, &[block; 40]);
        write_pli(&mut out, 1, 77);
        write_fir(&mut out, 1, 78, 4);
        write_nack(&mut out, 1, 79, &[3, 4]);
        write_bye(&mut out, 9);
        let packets = rtc::rtcp::packet::unmarshal(&mut &out[..]).expect("valid");
        let types: Vec<_> = packets.iter().map(|p| (p.header().packet_type as u8, p.header().count)).collect();
        assert_eq!(types, [(200, 0), (202, 1), (201, 31), (201, 9), (206, 1), (206, 4), (205, 1), (203, 1)]);
        let sdes = packets[1].as_any().downcast_ref::<rtc::rtcp::source_description::SourceDescription>();
        assert_eq!(sdes.map(|s| s.chunks[0].items[0].text.clone()).as_deref(), Some(&b"abc"[..]));
        let sr = packets[0].as_any().downcast_ref::<rtc::rtcp::sender_report::SenderReport>().expect("an SR");
        assert_eq!((sr.ssrc, sr.ntp_time, sr.rtp_time, sr.packet_count), (9, 0x0102_0304_0506_0708, 11, 12));
        let fir = packets[5]
            .as_any()
            .downcast_ref::<rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest>()
            .expect("a FIR");
        assert_eq!((fir.fir[0].ssrc, fir.fir[0].sequence_number), (78, 4));
    }

    #[test]
    fn what_is_written_reads_back() {
        let report = SenderReport { ssrc: 9, ntp: NtpTime(u64::MAX - 5), rtp_timestamp: 1, packets: 2, octets: 3 };
        let block = ReportBlock {
            ssrc: 7,
            fraction_lost: 3,
            cumulative_lost: -5,
            highest_sequence: 8,
            jitter: 9,
            last_sender_report: 10,
            delay_since_last: 11,
        };
        let mut out = Vec::new();
        write_sender_report(&mut out, &report, &"x".repeat(300));
        write_receiver_report(&mut out, 1, &[block]);
        let mut packets = parse(&out);
        assert!(matches!(packets.next(), Some(Feedback::SenderReport { report: read, .. }) if read == report));
        let Some(Feedback::ReceiverReport { ssrc: 1, mut blocks }) = packets.next() else { panic!("an RR") };
        assert_eq!(blocks.next(), Some(block));
        assert!(packets.next().is_none());
    }

    #[test]
    fn losses_saturate_at_24_bits() {
        let block = ReportBlock { cumulative_lost: i32::MIN, ..ReportBlock::default() };
        let mut out = Vec::new();
        write_receiver_report(&mut out, 1, &[block]);
        let Some(Feedback::ReceiverReport { mut blocks, .. }) = parse(&out).next() else { panic!("an RR") };
        assert_eq!(blocks.next().map(|b| b.cumulative_lost), Some(-0x80_0000));
    }

    proptest! {
        #[test]
        fn any_ascending_nack_reads_back(start in any::<u16>(), steps in prop::collection::vec(1u16..40, 0..60)) {
            let mut sequences = vec![start];
            sequences.extend(steps.iter().scan(start, |at, step| { *at = at.wrapping_add(*step); Some(*at) }));
            prop_assert_eq!(nacked(&sequences), sequences);
        }
    }
}
