//! How encoded frames leave a simulated browser: in packets, and these at a pace.

use super::encoder::{Encoder, Place};
use super::{Encoding, MID_ID, Media, Publisher, RID_ID, TRANSPORT_CC_ID, VP8, packet};
use crate::sim::content::{Content, encoded_payload};
use crate::transport::test_client::TestClient;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Payload of a packet at most: libwebrtc fills 1,200 bytes with headers and all.
pub(super) const MAX_PAYLOAD: usize = 1_150;

/// libwebrtc's pacer sends at this multiple of the bitrate (`PacingController::kDefaultPacingFactor` in `goog_cc`).
pub(super) const PACING_FACTOR: f64 = 2.5;

/// What leaves within such a time leaves together.
const PACING_QUANTUM: Duration = Duration::from_millis(5);

/// libwebrtc ignores requests for key frames that come this soon after another (`kMinKeyframeSendInterval`).
pub(super) const KEY_FRAME_DISTANCE: Duration = Duration::from_millis(300);

/// Packets on their way to the network.
#[derive(Default)]
pub(super) struct Pacer {
    /// With the time to leave and the packet's index.
    queue: VecDeque<(Instant, Vec<u8>, u64)>,
    /// When the next may leave.
    free_at: Option<Instant>,
}

impl Pacer {
    pub(super) fn next(&self) -> Option<Instant> {
        self.queue.front().map(|(at, ..)| *at)
    }

    pub(super) fn push(&mut self, now: Instant, rate_bps: u64, packet: Vec<u8>, index: u64) {
        let at = self.free_at.map_or(now, |free_at| free_at.max(now));
        self.free_at = Some(at + Duration::from_nanos(packet.len() as u64 * 8 * 1_000_000_000 / rate_bps));
        let quanta = at.saturating_duration_since(now).as_micros() / PACING_QUANTUM.as_micros();
        let leaves = now + PACING_QUANTUM * quanta as u32;
        // Never before what is there already.
        let leaves = self.queue.back().map_or(leaves, |(last, ..)| leaves.max(*last));
        self.queue.push_back((leaves, packet, index));
    }

    pub(super) fn flush(&mut self, now: Instant, out: &mut TestClient) {
        while let Some((_, packet, index)) = self.queue.pop_front_if(|(at, ..)| *at <= now) {
            out.send_numbered(&packet, index);
        }
    }
}

/// What of a frame all its packets share.
struct Frame {
    content: Content,
    place: Place,
    timestamp: u32,
    bytes: usize,
}

impl Publisher {
    /// Encodes a frame in all encodings that are switched on.
    pub(super) fn send_encoded(&mut self, now: Instant, index: usize) {
        let elapsed = self.elapsed(now, 90_000);
        let publisher = self.id;
        let track = &mut self.tracks[index];
        let Media::Encoded(settings) = &track.media else { return };
        if settings.is_svc() {
            return self.send_layered(now, index);
        }
        let active = settings.layers.iter().zip(&track.encodings).filter(|(_, encoding)| encoding.enabled);
        let target_bps: u64 = active.map(|(layer, _)| layer.target_bps).sum();
        let rate_bps = (target_bps as f64 * PACING_FACTOR) as u64;
        let (number, life, frame) = (track.number(), track.life, track.frame);
        track.frame += 1;
        track.captured.push(now);
        // libvpx encodes all resolutions at once: a key frame of one is a key frame of all.
        let key = track.encodings.iter().any(|encoding| encoding.enabled && encoding.wants_key);
        for layer in 0..track.encodings.len() {
            let track = &mut self.tracks[index];
            let encoding = &mut track.encodings[layer];
            encoding.wants_key = !encoding.enabled;
            if !encoding.enabled {
                continue;
            }
            let (bytes, place) = encoding.encoder.as_mut().expect("an encoded track").encode(key);
            let timestamp = encoding.timestamp.wrapping_add(elapsed);
            if key {
                track.keyframes.push((now, layer));
            }
            let content = Content {
                publisher,
                track: number,
                layer: layer as u8,
                life,
                frame,
                packet: 0,
                of: bytes.div_ceil(MAX_PAYLOAD) as u8,
                key,
                refers: place.refers,
                below: false,
            };
            self.send_packets(now, index, &Frame { content, place, timestamp, bytes }, rate_bps);
        }
    }

    fn send_packets(&mut self, now: Instant, index: usize, frame: &Frame, rate_bps: u64) {
        let Frame { content, place, timestamp, bytes } = frame;
        let of = content.of;
        for number in 0..of {
            let transport = self.next_transport_sequence();
            let track = &mut self.tracks[index];
            let encoding = &mut track.encodings[usize::from(content.layer)];
            if number == 0 {
                encoding.picture = encoding.picture.wrapping_add(1);
                encoding.tl0 = encoding.tl0.wrapping_add(u8::from(place.layer == 0));
            }
            let mut extensions: Vec<(u8, &[u8])> = vec![(TRANSPORT_CC_ID, &transport)];
            if !encoding.acknowledged {
                extensions.push((MID_ID, track.mid.as_bytes()));
                extensions.extend(encoding.rid.map(|rid| (RID_ID, rid.as_bytes())));
            }
            let content = Content { packet: number, ..*content };
            // Equal parts, as libwebrtc's packetizer makes them.
            let len = bytes / usize::from(of);
            let size = encoding.size();
            let payload = encoded_payload(encoding.picture, encoding.tl0, *place, size, &content, len);
            let packet = packet(VP8, number + 1 == of, *timestamp, encoding.ssrc, &extensions, &payload);
            encoding.note(&packet, payload.len());
            self.pacer.push(now, rate_bps, packet, encoding.index);
            encoding.index += 1;
        }
    }
}

impl Encoding {
    fn size(&self) -> (u16, u16) {
        let layer = self.encoder.as_ref().map(Encoder::layer);
        layer.map_or((0, 0), |layer| (layer.width, layer.height))
    }
}
