//! How a simulated browser sends VP9 or AV1 with spatial layers: one stream, whose pictures have a frame of each layer.

use super::encoded::{MAX_PAYLOAD, PACING_FACTOR};
use super::encoder::Encoder;
use super::{DESCRIPTOR_ID, MID_ID, Media, Publisher, TRANSPORT_CC_ID, packet};
use crate::formats::Codec;
use crate::sim::content::{Content, av1, vp9};
use std::time::Instant;

impl Publisher {
    /// Encodes a picture in all its spatial layers.
    pub(super) fn send_layered(&mut self, now: Instant, index: usize) {
        let elapsed = self.elapsed(now, 90_000);
        let publisher = self.id;
        let track = &mut self.tracks[index];
        let Media::Encoded(settings) = &track.media else { return };
        let target_bps: u64 = settings.layers.iter().map(|layer| layer.target_bps).sum();
        let rate_bps = (target_bps as f64 * PACING_FACTOR) as u64;
        let sizes: Vec<(u16, u16)> = settings.layers.iter().map(|layer| (layer.width, layer.height)).collect();
        let (codec, (payload_type, _)) = (settings.codec, track.media.picture_types());
        let (number, life, frame) = (track.number(), track.life, track.frame);
        track.frame += 1;
        track.captured.push(now);
        let encoding = &mut track.encodings[0];
        let key = std::mem::replace(&mut encoding.wants_key, !encoding.enabled);
        if !encoding.enabled {
            return;
        }
        encoding.picture = encoding.picture.wrapping_add(1);
        let (picture, timestamp) = (encoding.picture, encoding.timestamp.wrapping_add(elapsed));
        if key {
            track.keyframes.push((now, 0));
        }
        let frames: Vec<_> = track.spatial.iter_mut().map(|encoder: &mut Encoder| encoder.encode(key)).collect();
        let (top, phase) = (frames.len() - 1, track.spatial[0].phase());
        for (layer, (bytes, place)) in frames.into_iter().enumerate() {
            let of = bytes.div_ceil(MAX_PAYLOAD) as u8;
            for number_in_frame in 0..of {
                let transport = self.next_transport_sequence();
                let content = Content {
                    publisher,
                    track: number,
                    layer: layer as u8,
                    life,
                    frame,
                    packet: number_in_frame,
                    of,
                    key,
                    refers: place.refers,
                    below: key && layer > 0,
                };
                let len = bytes / usize::from(of);
                // AV1 counts the frames of all layers.
                let frame_number = picture.wrapping_mul(top as u16 + 1);
                let (payload, descriptor) = match codec {
                    Codec::Av1 => {
                        let descriptor = av1::descriptor(&content, place, phase, frame_number, &sizes);
                        (av1::payload(&content, len), Some(descriptor))
                    }
                    _ => (vp9::payload(picture, place, &sizes, &content, len), None),
                };
                let track = &mut self.tracks[index];
                let encoding = &mut track.encodings[0];
                let mut extensions: Vec<(u8, &[u8])> = vec![(TRANSPORT_CC_ID, &transport)];
                if !encoding.acknowledged {
                    extensions.push((MID_ID, track.mid.as_bytes()));
                }
                extensions.extend(descriptor.iter().map(|value| (DESCRIPTOR_ID, value.as_slice())));
                let marker = layer == top && number_in_frame + 1 == of;
                let packet = packet(payload_type, marker, timestamp, encoding.ssrc, &extensions, &payload);
                encoding.note(&packet, payload.len());
                self.pacer.push(now, rate_bps, packet, encoding.index);
                encoding.index += 1;
            }
        }
    }
}
