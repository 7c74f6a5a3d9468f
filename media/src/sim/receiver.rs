//! What a simulated browser receives: repair by NACK and RTX, reports, and at the end the judgement of every stream.

mod decoder;
mod jitter_buffer;
mod layered;
mod redundancy;
mod references;

pub(crate) use decoder::{Decoded, Decoder};
pub(crate) use jitter_buffer::JitterBuffer;

use super::content::layered::LayeredNumbers;
use super::content::{Content, Vp8Numbers, av1, read_vp8, vp9};
use super::publisher::{AV1, AV1_RTX, RED, VP9, VP9_RTX};
use crate::feedback::nack::{MAX_AGE, NackGenerator};
use crate::feedback::reception::ReceptionStats;
use crate::feedback::rtcp::SenderReport;
use crate::feedback::rtcp_writer::{write_nack, write_pli, write_receiver_report};
use crate::feedback::twcc::TwccRecorder;
use crate::rtp::header::RtpHeader;
use crate::rtp::sequence::SequenceUnwrapper;
use crate::transport::test_client::TestClient;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const NACK_INTERVAL: Duration = Duration::from_millis(10);
/// Time for the first key frame to be repaired.
const FIRST_PICTURE: Duration = Duration::from_millis(300);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Transport-wide feedback leaves as often, libwebrtc's shortest interval being 50 ms.
const FEEDBACK_INTERVAL: Duration = Duration::from_millis(50);
/// The round trip before it is measured, as libwebrtc assumes it (`kDefaultRttMs`).
const DEFAULT_RTT: Duration = Duration::from_millis(100);
/// A frame refers to none before so many.
const NEWEST_REFERENCES: usize = 4;
/// SSRC under which the client reports.
const REPORTER: u32 = 77;

/// A packet that arrived, by itself or as a retransmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    /// Of VP8.
    pub(crate) picture: Option<Vp8Numbers>,
    /// Of VP9 and AV1.
    pub(crate) svc: Option<LayeredNumbers>,
    pub(crate) content: Content,
    pub(crate) at: Instant,
}

/// One m-line on which the server sends.
pub(crate) struct Stream {
    pub(crate) mid: String,
    pub(crate) video: bool,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: Option<u32>,
    /// By extended sequence number.
    pub(crate) packets: BTreeMap<u64, Arrived>,
    /// Numbers under which nothing but padding came: what they stand for is left out.
    pub(crate) blanks: BTreeSet<u64>,
    /// Copies of sound that came with later packets (RED), by their timestamps.
    pub(crate) copies: BTreeMap<u32, Content>,
    /// Packets that came with copies, and the time of the latest.
    pub(crate) redundant: u64,
    pub(crate) redundant_at: Option<Instant>,
    pub(crate) repaired: u64,
    pub(crate) duplicates: u64,
    sequences: SequenceUnwrapper,
    nack: NackGenerator,
    reception: ReceptionStats,
    newest_timestamp: Option<(u32, Instant)>,
    next_request: Option<Instant>,
    /// The id of the transport-wide number, where it is agreed on.
    transport_cc: Option<u8>,
    /// The same of the dependency descriptor.
    descriptor: Option<u8>,
    /// When each missing number was asked for last, and whether that was the first time.
    asked: BTreeMap<u16, (Instant, bool)>,
    pub(crate) decoder: Decoder,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Receiver {
    pub(crate) streams: Vec<Stream>,
    next_nack: Option<Instant>,
    next_report: Option<Instant>,
    /// Sender reports received.
    pub(crate) reports: u64,
    /// Asks for lost sound, too.
    pub(crate) repairs_audio: bool,
    /// Reports arrivals, measures the round trip, and decodes.
    pub(crate) watches: bool,
    arrivals: TwccRecorder,
    next_feedback: Option<Instant>,
    /// Messages of transport-wide feedback sent.
    pub(crate) feedback_messages: u64,
    /// From a request for a packet to its arrival, smoothed.
    rtt: Option<Duration>,
    /// Packets without any use: nothing but padding, or retransmissions of what is here.
    pub(crate) probe_packets: u64,
}

impl Receiver {
    /// Learns a line from the server's offer.
    pub(crate) fn learn(&mut self, mid: &str, video: bool, ssrc: u32, rtx_ssrc: Option<u32>) {
        if let Some(known) = self.streams.iter().find(|stream| stream.mid == mid) {
            assert_eq!((known.ssrc, known.rtx_ssrc), (ssrc, rtx_ssrc), "a line keeps its SSRCs for life");
            return;
        }
        self.streams.push(Stream {
            mid: mid.to_owned(),
            video,
            ssrc,
            rtx_ssrc,
            packets: BTreeMap::new(),
            blanks: BTreeSet::new(),
            copies: BTreeMap::new(),
            redundant: 0,
            redundant_at: None,
            repaired: 0,
            duplicates: 0,
            sequences: SequenceUnwrapper::default(),
            nack: NackGenerator::default(),
            reception: ReceptionStats::new(if video { 90_000 } else { 48_000 }),
            newest_timestamp: None,
            next_request: None,
            transport_cc: None,
            descriptor: None,
            asked: BTreeMap::new(),
            decoder: Decoder::default(),
        });
    }

    /// Sets under which ids a line's packets carry their transport-wide number and dependency descriptor.
    pub(crate) fn set_ids(&mut self, mid: &str, transport_cc: Option<u8>, descriptor: Option<u8>) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.mid == mid) {
            (stream.transport_cc, stream.descriptor) = (transport_cc, descriptor);
        }
    }

    pub(crate) fn stream(&self, mid: &str) -> &Stream {
        self.streams.iter().find(|stream| stream.mid == mid).expect("a line of that mid")
    }

    /// Takes a decrypted packet; returns its line and what it carries, unless that is nothing new.
    pub(crate) fn on_rtp(&mut self, now: Instant, packet: &[u8]) -> Option<(String, Content)> {
        self.next_nack.get_or_insert(now + NACK_INTERVAL);
        self.next_report.get_or_insert(now + REPORT_INTERVAL);
        let header = RtpHeader::parse(packet).expect("the server sends RTP");
        let ssrc = header.ssrc;
        let stream = self.streams.iter_mut().find(|s| s.ssrc == ssrc || s.rtx_ssrc == Some(ssrc));
        let stream = stream.expect("the server sends only SSRCs that it has offered");
        let sequence = stream.transport_cc.and_then(|id| header.extension(packet, id)?.first_chunk().copied());
        if let Some(sequence) = sequence {
            self.arrivals.on_packet(now, u16::from_be_bytes(sequence));
            self.next_feedback.get_or_insert(now + FEEDBACK_INTERVAL);
        }
        let payload = header.payload(packet);
        let recovered = stream.rtx_ssrc == Some(ssrc);
        if recovered && payload.is_empty() {
            self.probe_packets += 1;
            return None;
        }
        let (sequence, payload) = if recovered {
            let (original, payload) = payload.split_first_chunk().expect("a retransmission");
            (stream.sequences.peek(u16::from_be_bytes(*original)), payload)
        } else {
            (stream.sequences.unwrap(header.sequence), payload)
        };
        if stream.video && payload.is_empty() {
            assert!(
                !stream.packets.contains_key(&sequence) && !header.marker,
                "one number stands for one packet ({sequence})"
            );
            stream.blanks.insert(sequence);
            stream.nack.on_packet(now, sequence);
            if !recovered {
                stream.reception.on_packet(now, sequence, header.timestamp);
            }
            return None;
        }
        assert!(!stream.blanks.contains(&sequence), "a blank stays one ({sequence})");
        let (mut picture, mut svc) = (None, None);
        let content = match header.payload_type {
            VP9 | VP9_RTX => {
                let (numbers, content) = vp9::read(payload);
                svc = Some(numbers.into());
                content
            }
            AV1 | AV1_RTX => {
                let descriptor = stream.descriptor.and_then(|id| header.extension(packet, id));
                let (numbers, content) = av1::read(payload, descriptor.expect("packets of AV1 have a descriptor"));
                svc = Some(numbers);
                content
            }
            _ if stream.video => {
                let (numbers, content) = read_vp8(payload);
                picture = Some(numbers);
                content
            }
            RED => stream.read_red(now, header.timestamp, payload),
            _ => Content::read(payload),
        };
        let arrived = Arrived { timestamp: header.timestamp, marker: header.marker, picture, svc, content, at: now };
        match stream.packets.get(&sequence) {
            Some(known) => {
                assert_eq!(Arrived { at: now, ..*known }, arrived, "one number stands for one packet ({sequence})");
                stream.duplicates += 1;
                if recovered {
                    self.probe_packets += 1;
                    return None;
                }
            }
            None => {
                stream.packets.insert(sequence, arrived);
                stream.repaired += u64::from(recovered);
                if self.watches {
                    // What was asked for twice may be the answer to either (Karn and Partridge 1987).
                    let asked = stream.asked.remove(&(sequence as u16)).filter(|(_, once)| recovered && *once);
                    let rtt = asked.map(|(asked, _)| now - asked);
                    self.rtt = rtt.map(|rtt| self.rtt.map_or(rtt, |known| known * 7 / 8 + rtt / 8)).or(self.rtt);
                    if stream.video {
                        stream.decoder.on_packet(now, sequence, &arrived);
                    }
                }
                stream.nack.on_packet(now, sequence);
                if !recovered {
                    stream.reception.on_packet(now, sequence, header.timestamp);
                }
                let newer = stream.newest_timestamp.is_none_or(|(t, _)| header.timestamp.wrapping_sub(t) as i32 > 0);
                if newer {
                    stream.newest_timestamp = Some((header.timestamp, now));
                }
            }
        }
        Some((stream.mid.clone(), content))
    }

    pub(crate) fn on_sender_report(&mut self, now: Instant, report: &SenderReport) {
        self.reports += 1;
        let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == report.ssrc) else {
            panic!("a report on an SSRC that was not offered");
        };
        stream.reception.on_sender_report(now, report.ntp);
        if let Some((newest, at)) = stream.newest_timestamp
            && now - at < Duration::from_millis(200)
        {
            let rate = if stream.video { 90_000.0 } else { 48_000.0 };
            let off = f64::from(report.rtp_timestamp.wrapping_sub(newest) as i32) / rate;
            // A frame may be as old as a full queue and the time between two of the base layer.
            assert!(off.abs() < 0.8, "{}: a report's timestamp is {off} s off its stream", stream.mid);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let repair = self.next_nack?.min(self.next_report?);
        Some(self.next_feedback.map_or(repair, |feedback| feedback.min(repair)))
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut TestClient) {
        if self.next_feedback.is_some_and(|at| at <= now) {
            self.transport_feedback(now).iter().for_each(|message| out.send_rtcp(message));
        }
        if self.next_nack.is_some_and(|at| at <= now) {
            self.next_nack = Some(now + NACK_INTERVAL);
            let rtt = self.rtt.unwrap_or(DEFAULT_RTT);
            for stream in &mut self.streams {
                stream.decoder.handle_timeout(now);
                let mut missing = Vec::new();
                stream.nack.poll(now, rtt, &mut missing);
                if !missing.is_empty() && (stream.video || self.repairs_audio) {
                    let mut compound = Vec::new();
                    write_nack(&mut compound, REPORTER, stream.ssrc, &missing);
                    out.send_rtcp(&compound);
                    if self.watches {
                        for sequence in &missing {
                            let is_first = !stream.asked.contains_key(sequence);
                            stream.asked.insert(*sequence, (now, is_first));
                        }
                        stream.asked.retain(|_, (asked, _)| now - *asked < MAX_AGE);
                    }
                }
                if stream.wants_keyframe(now) || (self.watches && stream.is_stuck(now)) {
                    let mut compound = Vec::new();
                    write_pli(&mut compound, REPORTER, stream.ssrc);
                    out.send_rtcp(&compound);
                }
            }
        }
        if self.next_report.is_some_and(|at| at <= now) {
            self.next_report = Some(now + REPORT_INTERVAL);
            let streams = self.streams.iter_mut();
            let blocks: Vec<_> = streams.filter_map(|stream| stream.reception.report(now, stream.ssrc)).collect();
            let mut compound = Vec::new();
            write_receiver_report(&mut compound, REPORTER, &blocks);
            out.send_rtcp(&compound);
        }
    }

    /// Reports what arrived, in as many messages as it takes, and waits for the next packet.
    fn transport_feedback(&mut self, now: Instant) -> Vec<Vec<u8>> {
        self.next_feedback = None;
        let mut messages = Vec::new();
        let mut compound = Vec::new();
        while self.arrivals.build(now, REPORTER, 0, &mut compound) {
            messages.push(std::mem::take(&mut compound));
        }
        self.feedback_messages += messages.len() as u64;
        messages
    }

    /// Asks for the latest `count` packets of every stream again, though none of them is missing.
    pub(crate) fn request_again(&self, count: u16, out: &mut TestClient) {
        for stream in &self.streams {
            let Some((newest, _)) = stream.packets.last_key_value() else { continue };
            let sequences: Vec<u16> = (0..count).map(|back| (*newest as u16).wrapping_sub(back)).collect();
            let mut compound = Vec::new();
            write_nack(&mut compound, REPORTER, stream.ssrc, &sequences);
            out.send_rtcp(&compound);
        }
    }
}

impl Stream {
    /// The first packet of the first key frame.
    fn beginning(&self) -> Option<u64> {
        let mut packets = self.packets.iter();
        packets.find(|(_, packet)| packet.content.key && packet.content.packet == 0).map(|(sequence, _)| *sequence)
    }

    /// Whether the very first packet was lost, of which no later number tells: only another key frame helps.
    fn wants_keyframe(&mut self, now: Instant) -> bool {
        let Some((_, first)) = self.packets.first_key_value().filter(|_| self.video) else { return false };
        if self.next_request.unwrap_or(first.at + FIRST_PICTURE) > now || self.beginning().is_some() {
            return false;
        }
        self.next_request = Some(now + Duration::from_secs(1));
        true
    }

    /// Whether only a key frame helps, as far as the decoder and the list of what is missing can tell.
    fn is_stuck(&mut self, now: Instant) -> bool {
        let overrun = self.nack.take_wants_keyframe();
        let newest = self.packets.last_key_value().map(|(_, packet)| packet.at);
        self.video && (self.decoder.wants_keyframe(now, newest) || overrun)
    }

    /// Judges all that has arrived: numbers without gaps, whole frames in order, each with a time of its own, pictures
    /// in a row, and every source beginning at a key frame. Returns the frames: the content of each first packet.
    pub(crate) fn judge(&self) -> Vec<Content> {
        let gaps = self.gaps();
        assert!(gaps.is_empty(), "{}: {} numbers are missing: {:?}", self.mid, gaps.len(), self.around(gaps[0]));
        if self.video { self.judge_video(self.beginning().unwrap_or(0)) } else { self.judge_audio() }
    }

    /// The same of the source that came last alone; `None` if numbers of it are missing.
    pub(crate) fn judge_last_source(&self) -> Option<Vec<Content>> {
        let mut packets = self.packets.iter().rev();
        let newest = self.packets.last_key_value().map(|(_, packet)| packet.content);
        let before = newest.and_then(|newest| packets.find(|(_, packet)| !packet.content.same_source(&newest)));
        let first = before.map_or(0, |(sequence, _)| sequence + 1);
        let is_whole = self.gaps().iter().all(|gap| *gap < first);
        is_whole.then(|| self.judge_video(first))
    }

    /// Numbers that never came, between the first and the last.
    pub(crate) fn gaps(&self) -> Vec<u64> {
        let (Some((first, _)), Some((last, _))) = (self.packets.first_key_value(), self.packets.last_key_value())
        else {
            return Vec::new();
        };
        let is_missing = |sequence: &u64| !self.packets.contains_key(sequence) && !self.blanks.contains(sequence);
        (*first..*last).filter(is_missing).collect()
    }

    fn around(&self, gap: u64) -> (u64, Vec<(u64, Content)>) {
        (gap, self.packets.range(gap - 4..gap + 6).map(|(sequence, a)| (*sequence, a.content)).collect())
    }

    fn judge_audio(&self) -> Vec<Content> {
        let mut before: Option<&Arrived> = None;
        for packet in self.packets.values() {
            if let Some(before) = before {
                let step = packet.timestamp.wrapping_sub(before.timestamp) as i32;
                assert!(step > 0, "{}: time stands still or runs back by {step}: {packet:?}", self.mid);
            }
            before = Some(packet);
        }
        self.packets.values().map(|packet| packet.content).collect()
    }

    fn judge_video(&self, beginning: u64) -> Vec<Content> {
        if self.packets.values().any(|packet| packet.svc.is_some()) {
            return self.judge_layered(beginning);
        }
        let mid = &self.mid;
        let mut frames: Vec<Arrived> = Vec::new();
        let mut expected = 0;
        let mut before: Option<Arrived> = None;
        let mut last_sequence = beginning;
        for (sequence, packet) in self.packets.range(beginning..) {
            let content = packet.content;
            // A source may end within a frame: the next one does not wait for its late packets.
            // Who is not shown it for a while misses whole frames of one source, too, and perhaps the end of one; or begins anew
            // with that one or an earlier one.
            let cut = content.key
                && content.packet == 0
                && before.is_some_and(|b| !b.content.same_source(&content) || content.frame != b.content.frame + 1);
            if expected == 0 || cut {
                let last = frames.last();
                assert_eq!(
                    content.packet, 0,
                    "{mid} {sequence}: a frame begins with its first packet, not {content:?}"
                );
                if let Some(last) = last {
                    let step = packet.timestamp.wrapping_sub(last.timestamp) as i32;
                    assert!(step > 0, "{mid} {sequence}: {content:?} is {step} after {:?}", last.content);
                    let (numbers, before) = packet.picture.zip(last.picture).expect("video");
                    // Where a number was left free for what was left out later, that of its picture was, too.
                    let most = 1 + self.blanks.range(last_sequence..*sequence).count() as u16;
                    let ahead = numbers.picture.wrapping_sub(before.picture) & 0x7fff;
                    assert!(
                        (1..=most).contains(&ahead),
                        "{mid} {sequence}: pictures in a row ({content:?}), not {ahead}"
                    );
                    let step = u8::from(numbers.layer == 0);
                    assert_eq!(numbers.tl0, before.tl0.wrapping_add(step), "{mid} {sequence}: base layers in a row");
                }
                let goes_on = last.is_some_and(|last| last.content.same_source(&content));
                if goes_on {
                    let known = frames.iter().rev().take(NEWEST_REFERENCES).map(|frame| frame.content);
                    let known = known.take_while(|known| known.same_source(&content)).map(|known| known.frame);
                    let known: Vec<u32> = known.collect();
                    assert!(
                        content.references().all(|frame| frame.is_some_and(|frame| known.contains(&frame))),
                        "{mid} {sequence}: {content:?} follows frame {}",
                        last.expect("just seen").content.frame
                    );
                } else {
                    assert!(content.key, "{mid} {sequence}: a source begins with a key frame, not {content:?}");
                }
                frames.push(*packet);
                last_sequence = *sequence;
            } else {
                let before = before.expect("not the first packet");
                assert_eq!(
                    (content, packet.timestamp, packet.picture),
                    (Content { packet: expected, ..before.content }, before.timestamp, before.picture),
                    "{mid} {sequence}: frames are whole and in one piece"
                );
            }
            assert_eq!(packet.marker, content.packet + 1 == content.of, "{mid} {sequence}: the marker ends the frame");
            expected = if packet.marker { 0 } else { content.packet + 1 };
            before = Some(*packet);
        }
        frames.iter().map(|frame| frame.content).collect()
    }
}

#[cfg(test)]
mod tests;
