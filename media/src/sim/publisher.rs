//! What a simulated browser sends: Opus with levels, VP8 in one or several encodings, retransmissions, sender reports.
//!
//! [`Media::Video`] is frames of a few packets of any size, for what does not depend on bitrates. [`Media::Encoded`] is
//! sent as libwebrtc sends a camera.

mod encoded;
mod encoder;
mod layered;

pub(crate) use encoder::{Encoded, Layer, Place};

use super::content::{Content, vp8_payload};
use crate::command::Rid;
use crate::feedback::ntp::NtpClock;
use crate::feedback::rtcp::SenderReport;
use crate::feedback::rtcp_writer::write_sender_report;
use crate::formats::Codec;
use crate::transport::test_client::TestClient;
use encoded::{KEY_FRAME_DISTANCE, Pacer};
use encoder::Encoder;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

pub(crate) const AUDIO: u8 = 111;
pub(crate) const RED: u8 = 63;
pub(crate) const VP8: u8 = 96;
pub(crate) const VP8_RTX: u8 = 97;
pub(crate) const VP9: u8 = 98;
pub(crate) const VP9_RTX: u8 = 99;
pub(crate) const AV1: u8 = 116;
pub(crate) const AV1_RTX: u8 = 117;
const LEVEL_ID: u8 = 1;
const TRANSPORT_CC_ID: u8 = 3;
const MID_ID: u8 = 4;
const RID_ID: u8 = 10;
const REPAIRED_RID_ID: u8 = 11;
pub(crate) const DESCRIPTOR_ID: u8 = 12;

pub(crate) const AUDIO_INTERVAL: Duration = Duration::from_millis(20);
const FRAME_INTERVAL: Duration = Duration::from_micros(33_333);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Packets kept for retransmission, some two seconds.
const HISTORY: usize = 600;

/// What a track is.
#[derive(Clone, Debug)]
pub(crate) enum Media {
    /// Its level in -dBov.
    Audio { level: u8 },
    /// Its rids, the lowest first; without rids one plain encoding.
    Video { rids: Vec<&'static str> },
    /// A camera with bitrates.
    Encoded(Encoded),
}

impl Media {
    pub(crate) fn is_video(&self) -> bool {
        !matches!(self, Self::Audio { .. })
    }

    /// The payload types of a picture, and of what is sent again of it.
    pub(crate) fn picture_types(&self) -> (u8, u8) {
        match self {
            Self::Encoded(Encoded { codec: Codec::Vp9, .. }) => (VP9, VP9_RTX),
            Self::Encoded(Encoded { codec: Codec::Av1, .. }) => (AV1, AV1_RTX),
            _ => (VP8, VP8_RTX),
        }
    }

    /// Its rids, the lowest first.
    pub(crate) fn rids(&self) -> Vec<&'static str> {
        match self {
            Self::Audio { .. } => Vec::new(),
            Self::Video { rids } => rids.clone(),
            Self::Encoded(Encoded { layers, .. }) => layers.iter().filter_map(|layer| layer.rid).collect(),
        }
    }
}

/// One RTP stream of a track.
pub(crate) struct Encoding {
    pub(crate) rid: Option<&'static str>,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: u32,
    pub(crate) enabled: bool,
    /// The receiver has reported on it: mid and rid are not sent any more.
    acknowledged: bool,
    rtx_acknowledged: bool,
    index: u64,
    rtx_index: u64,
    timestamp: u32,
    picture: u16,
    tl0: u8,
    wants_key: bool,
    packets: u32,
    octets: u32,
    history: VecDeque<(u16, Vec<u8>)>,
    encoder: Option<Encoder>,
}

impl Encoding {
    fn new(rid: Option<&'static str>, rng: &mut SmallRng) -> Self {
        Self {
            rid,
            ssrc: rng.random_range(1..u32::MAX),
            rtx_ssrc: rng.random_range(1..u32::MAX),
            enabled: true,
            acknowledged: false,
            rtx_acknowledged: false,
            index: rng.random_range(0x7000..0x8000),
            rtx_index: rng.random_range(0x7000..0x8000),
            timestamp: rng.random(),
            picture: rng.random(),
            tl0: rng.random(),
            wants_key: true,
            packets: 0,
            octets: 0,
            history: VecDeque::new(),
            encoder: None,
        }
    }

    /// Counts a packet that is sent under the present index, and keeps it for retransmission.
    fn note(&mut self, packet: &[u8], payload_len: usize) {
        self.packets += 1;
        self.octets += payload_len as u32;
        self.history.push_back((self.index as u16, packet.to_vec()));
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
    }
}

/// A track that is being sent.
pub(crate) struct Track {
    pub(crate) mid: String,
    pub(crate) media: Media,
    pub(crate) encodings: Vec<Encoding>,
    /// The encoders of the spatial layers of its only encoding.
    spatial: Vec<Encoder>,
    /// Whether media is produced.
    pub(crate) enabled: bool,
    /// The payload type of audio.
    pub(crate) audio_type: u8,
    /// Sound tells its level.
    pub(crate) tells_level: bool,
    /// It is not a microphone's, but that of a screen.
    pub(crate) is_of_screen: bool,
    life: u8,
    /// The next.
    pub(crate) frame: u32,
    next: Option<Instant>,
    /// Key frames made on request or to begin with.
    pub(crate) keyframes: Vec<(Instant, usize)>,
    /// When each frame of an encoder was captured, by its number.
    pub(crate) captured: Vec<Instant>,
    /// When a key frame was asked for last, of those requests that count.
    asked: Option<Instant>,
}

impl Track {
    /// Leaves out so many sequence numbers.
    pub(crate) fn jump(&mut self, numbers: u64) {
        self.encodings.iter_mut().for_each(|encoding| encoding.index += numbers);
    }

    fn number(&self) -> u8 {
        self.mid.parse().expect("own mids are numbers")
    }
}

/// See the module's text.
pub(crate) struct Publisher {
    id: u64,
    rng: SmallRng,
    clock: NtpClock,
    start: Instant,
    pub(crate) tracks: Vec<Track>,
    transport_sequence: u16,
    next_report: Option<Instant>,
    pacer: Pacer,
    /// Messages of transport-wide feedback on what is sent here.
    pub(crate) transport_feedback: u64,
}

impl Publisher {
    pub(crate) fn new(id: u64, seed: u64, now: Instant) -> Self {
        Self {
            id,
            rng: SmallRng::seed_from_u64(seed ^ 0x5eed),
            // Another clock than the server's, by 1,000 s.
            clock: NtpClock::new(now, Duration::from_secs(1_700_001_000)),
            start: now,
            tracks: Vec::new(),
            transport_sequence: 65_000,
            next_report: None,
            pacer: Pacer::default(),
            transport_feedback: 0,
        }
    }

    pub(crate) fn add(&mut self, mid: &str, media: Media) {
        let rids: Vec<Option<&str>> = match media.rids() {
            rids if rids.is_empty() => vec![None],
            rids => rids.into_iter().map(Some).collect(),
        };
        let encodings = rids.into_iter().map(|rid| Encoding::new(rid, &mut self.rng)).collect();
        self.tracks.push(Track {
            mid: mid.to_owned(),
            media,
            encodings,
            spatial: Vec::new(),
            enabled: true,
            audio_type: AUDIO,
            tells_level: true,
            is_of_screen: false,
            life: 0,
            frame: 0,
            next: None,
            keyframes: Vec::new(),
            captured: Vec::new(),
            asked: None,
        });
        self.set_encoders(self.tracks.len() - 1);
    }

    fn set_encoders(&mut self, index: usize) {
        let track = &mut self.tracks[index];
        let Media::Encoded(settings) = &track.media else { return };
        if settings.is_svc() {
            let layers = settings.layers.iter();
            track.spatial = layers.map(|layer| Encoder::new(settings, *layer, self.rng.random())).collect();
            return;
        }
        for (encoding, layer) in track.encodings.iter_mut().zip(&settings.layers) {
            encoding.encoder = Some(Encoder::new(settings, *layer, self.rng.random()));
        }
    }

    /// Starts a track over, with other SSRCs and numbers, as a client does that has replaced its sender.
    pub(crate) fn restart(&mut self, mid: &str) {
        let rng = &mut self.rng;
        let index = self.tracks.iter().position(|track| track.mid == mid).expect("a track");
        let track = &mut self.tracks[index];
        track.life += 1;
        for encoding in &mut track.encodings {
            *encoding = Encoding::new(encoding.rid, rng);
        }
        self.set_encoders(index);
    }

    /// The same, but its sequence numbers go on, or are a little behind.
    pub(crate) fn restart_in_place(&mut self, mid: &str, behind: u64) {
        let numbers: Vec<u64> = self.track(mid).encodings.iter().map(|encoding| encoding.index).collect();
        self.restart(mid);
        for (encoding, index) in self.track(mid).encodings.iter_mut().zip(numbers) {
            encoding.index = index - behind;
        }
    }

    pub(crate) fn track(&mut self, mid: &str) -> &mut Track {
        self.tracks.iter_mut().find(|track| track.mid == mid).expect("a track")
    }

    /// The same, to look at.
    pub(crate) fn known_track(&self, mid: &str) -> &Track {
        self.tracks.iter().find(|track| track.mid == mid).expect("a track")
    }

    /// Begins to send, once connected.
    pub(crate) fn start(&mut self, now: Instant) {
        self.next_report = Some(now + REPORT_INTERVAL);
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let report = self.next_report?;
        let media = self.tracks.iter().filter(|track| track.enabled).map(|track| track.next.unwrap_or(self.start));
        Some(media.chain(self.pacer.next()).fold(report, Instant::min))
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, out: &mut TestClient) {
        let Some(report) = self.next_report else { return };
        for index in 0..self.tracks.len() {
            let track = &mut self.tracks[index];
            if !track.enabled || track.next.is_some_and(|at| at > now) {
                continue;
            }
            let interval = match &track.media {
                Media::Audio { .. } => AUDIO_INTERVAL,
                Media::Video { .. } => FRAME_INTERVAL,
                Media::Encoded(Encoded { frames_per_s, .. }) => Duration::from_secs(1) / *frames_per_s,
            };
            track.next = Some(track.next.filter(|at| *at + interval > now).unwrap_or(now) + interval);
            match track.media {
                Media::Audio { level } => self.send_audio(now, index, level, out),
                Media::Video { .. } => self.send_frame(now, index, out),
                Media::Encoded(_) => self.send_encoded(now, index),
            }
        }
        self.pacer.flush(now, out);
        if report <= now {
            self.next_report = Some(now + REPORT_INTERVAL);
            self.send_reports(now, out);
        }
    }

    fn elapsed(&self, now: Instant, clock_rate: u32) -> u32 {
        ((now - self.start).as_micros() * u128::from(clock_rate) / 1_000_000) as u32
    }

    fn next_transport_sequence(&mut self) -> [u8; 2] {
        self.transport_sequence = self.transport_sequence.wrapping_add(1);
        self.transport_sequence.to_be_bytes()
    }

    fn send_audio(&mut self, now: Instant, index: usize, level: u8, out: &mut TestClient) {
        let timestamp = self.elapsed(now, 48_000);
        let transport = self.next_transport_sequence();
        let publisher = self.id;
        let track = &mut self.tracks[index];
        let content = Content {
            publisher,
            track: track.number(),
            layer: 0,
            life: track.life,
            frame: track.frame,
            packet: 0,
            of: 1,
            key: false,
            refers: 0,
            below: false,
        };
        track.frame += 1;
        let encoding = &mut track.encodings[0];
        if !encoding.enabled {
            return;
        }
        let level = [level | 0x80];
        let mut extensions: Vec<(u8, &[u8])> = vec![(TRANSPORT_CC_ID, &transport)];
        if track.tells_level {
            extensions.push((LEVEL_ID, &level));
        }
        if !encoding.acknowledged {
            extensions.push((MID_ID, track.mid.as_bytes()));
        }
        let mut payload = Vec::new();
        content.write(&mut payload);
        payload.resize(80, 0x55);
        if track.audio_type == RED {
            // With no copy: the block is the last one.
            payload.insert(0, AUDIO);
        }
        let timestamp = encoding.timestamp.wrapping_add(timestamp);
        let packet = packet(track.audio_type, false, timestamp, encoding.ssrc, &extensions, &payload);
        encoding.packets += 1;
        encoding.octets += payload.len() as u32;
        out.send_numbered(&packet, encoding.index);
        encoding.index += 1;
    }

    fn send_frame(&mut self, now: Instant, index: usize, out: &mut TestClient) {
        let elapsed = self.elapsed(now, 90_000);
        let frame = self.tracks[index].frame;
        self.tracks[index].frame += 1;
        for layer in 0..self.tracks[index].encodings.len() {
            let encoding = &mut self.tracks[index].encodings[layer];
            if !encoding.enabled {
                encoding.wants_key = true;
                continue;
            }
            let key = std::mem::take(&mut encoding.wants_key);
            encoding.picture = encoding.picture.wrapping_add(1);
            encoding.tl0 = encoding.tl0.wrapping_add(1);
            if key {
                self.tracks[index].keyframes.push((now, layer));
            }
            let of = if key { 6 } else { self.rng.random_range(1..4) };
            for number in 0..of {
                let transport = self.next_transport_sequence();
                let length = self.rng.random_range(200..1_150);
                let publisher = self.id;
                let track = &mut self.tracks[index];
                let content = Content {
                    publisher,
                    track: track.number(),
                    layer: layer as u8,
                    life: track.life,
                    frame,
                    packet: number,
                    of,
                    key,
                    refers: u8::from(!key),
                    below: false,
                };
                let encoding = &mut track.encodings[layer];
                let mut extensions: Vec<(u8, &[u8])> = vec![(TRANSPORT_CC_ID, &transport)];
                if !encoding.acknowledged {
                    extensions.push((MID_ID, track.mid.as_bytes()));
                    extensions.extend(encoding.rid.map(|rid| (RID_ID, rid.as_bytes())));
                }
                let payload = vp8_payload(encoding.picture, encoding.tl0, &content, length);
                let timestamp = encoding.timestamp.wrapping_add(elapsed);
                let packet = packet(VP8, number + 1 == of, timestamp, encoding.ssrc, &extensions, &payload);
                encoding.note(&packet, payload.len());
                out.send_numbered(&packet, encoding.index);
                encoding.index += 1;
            }
        }
    }

    fn send_reports(&mut self, now: Instant, out: &mut TestClient) {
        let ntp = self.clock.at(now);
        let elapsed = [self.elapsed(now, 48_000), self.elapsed(now, 90_000)];
        for track in &self.tracks {
            let elapsed = elapsed[usize::from(track.media.is_video())];
            for encoding in track.encodings.iter().filter(|encoding| encoding.packets > 0) {
                let report = SenderReport {
                    ssrc: encoding.ssrc,
                    ntp,
                    rtp_timestamp: encoding.timestamp.wrapping_add(elapsed),
                    packets: encoding.packets,
                    octets: encoding.octets,
                };
                let mut compound = Vec::new();
                write_sender_report(&mut compound, &report, "client");
                out.send_rtcp(&compound);
            }
        }
    }

    /// The server misses packets of a stream.
    pub(crate) fn on_nack(&mut self, ssrc: u32, sequences: impl Iterator<Item = u16>, out: &mut TestClient) {
        for sequence in sequences {
            let transport = self.next_transport_sequence();
            let streams = self.tracks.iter_mut().flat_map(|track| {
                let (mid, (_, rtx)) = (track.mid.clone(), track.media.picture_types());
                track.encodings.iter_mut().map(move |encoding| (mid.clone(), rtx, encoding))
            });
            let Some((mid, rtx, encoding)) = { streams }.find(|(.., encoding)| encoding.ssrc == ssrc) else { continue };
            let stored = encoding.history.iter().find(|(stored, _)| *stored == sequence);
            let Some((_, original)) = stored.cloned() else { continue };
            let header = crate::rtp::header::RtpHeader::parse(&original).expect("an own packet");
            let mut extensions: Vec<(u8, &[u8])> = vec![(TRANSPORT_CC_ID, &transport)];
            if !encoding.rtx_acknowledged {
                extensions.push((MID_ID, mid.as_bytes()));
                extensions.extend(encoding.rid.map(|rid| (REPAIRED_RID_ID, rid.as_bytes())));
            }
            extensions.extend(header.extension(&original, DESCRIPTOR_ID).map(|value| (DESCRIPTOR_ID, value)));
            let mut payload = sequence.to_be_bytes().to_vec();
            payload.extend(header.payload(&original));
            let packet = packet(rtx, header.marker, header.timestamp, encoding.rtx_ssrc, &extensions, &payload);
            out.send_numbered(&packet, encoding.rtx_index);
            encoding.rtx_index += 1;
            encoding.rtx_acknowledged |= encoding.acknowledged && encoding.rtx_index % 8 == 0;
        }
    }

    /// The server wants a key frame.
    pub(crate) fn on_keyframe_request(&mut self, now: Instant, ssrc: u32) {
        for track in &mut self.tracks {
            let Some(encoding) = track.encodings.iter_mut().find(|encoding| encoding.ssrc == ssrc) else { continue };
            let soon = track.asked.is_some_and(|asked| now - asked < KEY_FRAME_DISTANCE);
            if matches!(track.media, Media::Encoded(_)) && soon {
                return;
            }
            track.asked = Some(now);
            encoding.wants_key = true;
        }
    }

    /// The server tells which encodings of a track somebody watches: the others are switched off.
    pub(crate) fn on_wanted(&mut self, mid: &str, wanted: &[(Option<Rid>, bool)]) {
        for encoding in &mut self.track(mid).encodings {
            let rid = encoding.rid.and_then(Rid::new);
            if let Some((_, wanted)) = wanted.iter().find(|(named, _)| *named == rid) {
                encoding.enabled = *wanted;
            }
        }
    }

    /// The server tells what arrived of what was sent. The bitrates are stated, so that nothing follows from it.
    pub(crate) fn on_transport_feedback(&mut self) {
        self.transport_feedback += 1;
    }

    /// The server has reported on a stream.
    pub(crate) fn on_report(&mut self, ssrc: u32) {
        let mut encodings = self.tracks.iter_mut().flat_map(|track| &mut track.encodings);
        if let Some(encoding) = encodings.find(|encoding| encoding.ssrc == ssrc) {
            encoding.acknowledged = true;
        }
    }
}

/// An RTP packet with header extensions, in the two-byte form where one of them needs it (RFC 8285). Its sequence number is written when it is sent.
pub(crate) fn packet(
    payload_type: u8,
    marker: bool,
    timestamp: u32,
    ssrc: u32,
    extensions: &[(u8, &[u8])],
    payload: &[u8],
) -> Vec<u8> {
    let mut packet = vec![0x90, u8::from(marker) << 7 | payload_type, 0, 0];
    packet.extend(timestamp.to_be_bytes());
    packet.extend(ssrc.to_be_bytes());
    let mut body = Vec::new();
    let is_short = extensions.iter().all(|(_, value)| (1..=16).contains(&value.len()));
    for (id, value) in extensions {
        let len = value.len() as u8;
        if is_short {
            body.push(id << 4 | (len - 1));
        } else {
            body.extend([*id, len]);
        }
        body.extend(*value);
    }
    body.resize(body.len().next_multiple_of(4), 0);
    packet.extend(if is_short { [0xbe, 0xde] } else { [0x10, 0x00] });
    packet.extend((body.len() as u16 / 4).to_be_bytes());
    packet.extend(body);
    packet.extend(payload);
    packet
}
