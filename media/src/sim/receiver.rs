//! What a simulated browser receives: repair by NACK and RTX, reports, and at the end the judgement of every stream.

use super::content::{Content, read_vp8};
use crate::feedback::nack::NackGenerator;
use crate::feedback::reception::ReceptionStats;
use crate::feedback::rtcp::SenderReport;
use crate::feedback::rtcp_writer::{write_nack, write_pli, write_receiver_report};
use crate::rtp::header::RtpHeader;
use crate::rtp::sequence::SequenceUnwrapper;
use crate::transport::test_client::TestClient;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const NACK_INTERVAL: Duration = Duration::from_millis(10);
/// Time for the first key frame to be repaired.
const FIRST_PICTURE: Duration = Duration::from_millis(300);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// SSRC under which the client reports.
const REPORTER: u32 = 77;

/// A packet that arrived, by itself or as a retransmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) timestamp: u32,
    pub(crate) marker: bool,
    /// Picture id and TL0PICIDX of video.
    pub(crate) picture: Option<(u16, u8)>,
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
    pub(crate) repaired: u64,
    pub(crate) duplicates: u64,
    sequences: SequenceUnwrapper,
    nack: NackGenerator,
    reception: ReceptionStats,
    newest_timestamp: Option<(u32, Instant)>,
    next_request: Option<Instant>,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Receiver {
    pub(crate) streams: Vec<Stream>,
    next_nack: Option<Instant>,
    next_report: Option<Instant>,
    /// Sender reports received.
    pub(crate) reports: u64,
    /// Asks for nothing.
    pub(crate) silent: bool,
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
            repaired: 0,
            duplicates: 0,
            sequences: SequenceUnwrapper::default(),
            nack: NackGenerator::default(),
            reception: ReceptionStats::new(if video { 90_000 } else { 48_000 }),
            newest_timestamp: None,
            next_request: None,
        });
    }

    pub(crate) fn stream(&self, mid: &str) -> &Stream {
        self.streams.iter().find(|stream| stream.mid == mid).expect("a line of that mid")
    }

    /// Takes a decrypted packet; returns its line and what it carries.
    pub(crate) fn on_rtp(&mut self, now: Instant, packet: &[u8]) -> (String, Content) {
        self.next_nack.get_or_insert(now + NACK_INTERVAL);
        self.next_report.get_or_insert(now + REPORT_INTERVAL);
        let header = RtpHeader::parse(packet).expect("the server sends RTP");
        let ssrc = header.ssrc;
        let stream = self.streams.iter_mut().find(|s| s.ssrc == ssrc || s.rtx_ssrc == Some(ssrc));
        let stream = stream.expect("the server sends only SSRCs that it has offered");
        let payload = header.payload(packet);
        let recovered = stream.rtx_ssrc == Some(ssrc);
        let (sequence, payload) = if recovered {
            let (original, payload) = payload.split_first_chunk().expect("a retransmission");
            (stream.sequences.peek(u16::from_be_bytes(*original)), payload)
        } else {
            (stream.sequences.unwrap(header.sequence), payload)
        };
        let (picture, content) = if stream.video {
            let (picture, tl0, content) = read_vp8(payload);
            (Some((picture, tl0)), content)
        } else {
            (None, Content::read(payload))
        };
        let arrived = Arrived { timestamp: header.timestamp, marker: header.marker, picture, content, at: now };
        match stream.packets.get(&sequence) {
            Some(known) => {
                assert_eq!(Arrived { at: now, ..*known }, arrived, "one number stands for one packet ({sequence})");
                stream.duplicates += 1;
            }
            None => {
                stream.packets.insert(sequence, arrived);
                stream.repaired += u64::from(recovered);
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
        (stream.mid.clone(), content)
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
            assert!(off.abs() < 0.5, "{}: a report's timestamp is {off} s off its stream", stream.mid);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        Some(self.next_nack?.min(self.next_report?))
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut TestClient) {
        if self.next_nack.is_some_and(|at| at <= now) {
            self.next_nack = Some(now + NACK_INTERVAL);
            for stream in self.streams.iter_mut().filter(|_| !self.silent) {
                let mut missing = Vec::new();
                stream.nack.poll(now, Duration::from_millis(100), &mut missing);
                if !missing.is_empty() && stream.video {
                    let mut compound = Vec::new();
                    write_nack(&mut compound, REPORTER, stream.ssrc, &missing);
                    out.send_rtcp(&compound);
                }
                if stream.wants_keyframe(now) {
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

    /// Judges all that has arrived: numbers without gaps, whole frames in order, each with a time of its own, pictures
    /// in a row, and every source beginning at a key frame. Returns the frames: the content of each first packet.
    pub(crate) fn judge(&self) -> Vec<Content> {
        let gaps = self.gaps();
        assert!(gaps.is_empty(), "{}: {} numbers are missing: {:?}", self.mid, gaps.len(), self.around(gaps[0]));
        if self.video { self.judge_video() } else { self.judge_audio() }
    }

    /// Numbers that never came, between the first and the last.
    pub(crate) fn gaps(&self) -> Vec<u64> {
        let (Some((first, _)), Some((last, _))) = (self.packets.first_key_value(), self.packets.last_key_value())
        else {
            return Vec::new();
        };
        (*first..*last).filter(|sequence| !self.packets.contains_key(sequence)).collect()
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

    fn judge_video(&self) -> Vec<Content> {
        let mid = &self.mid;
        let mut frames: Vec<Arrived> = Vec::new();
        let mut expected = 0;
        let mut before: Option<Arrived> = None;
        let beginning = self.beginning().unwrap_or(0);
        for (sequence, packet) in self.packets.range(beginning..) {
            let content = packet.content;
            // A source may end within a frame: the next one does not wait for its late packets.
            let cut = content.key && content.packet == 0 && before.is_some_and(|b| !b.content.same_source(&content));
            if expected == 0 || cut {
                let last = frames.last();
                assert_eq!(
                    content.packet, 0,
                    "{mid} {sequence}: a frame begins with its first packet, not {content:?}"
                );
                if let Some(last) = last {
                    let step = packet.timestamp.wrapping_sub(last.timestamp) as i32;
                    assert!(step > 0, "{mid} {sequence}: {content:?} is {step} after {:?}", last.content);
                    let ((id, tl0), (last_id, last_tl0)) = packet.picture.zip(last.picture).expect("video");
                    assert_eq!(id, (last_id + 1) & 0x7fff, "{mid} {sequence}: pictures in a row ({content:?})");
                    assert_eq!(tl0, last_tl0.wrapping_add(1), "{mid} {sequence}: base layers in a row");
                }
                let goes_on = last.is_some_and(|last| last.content.same_source(&content));
                if goes_on {
                    let last = last.expect("just seen").content.frame;
                    assert!(
                        content.key || content.frame == last + 1,
                        "{mid} {sequence}: {content:?} follows frame {last}"
                    );
                } else {
                    assert!(content.key, "{mid} {sequence}: a source begins with a key frame, not {content:?}");
                }
                frames.push(*packet);
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
