//! What a participant sends: VP8 and Opus, in time.

mod layer;

use super::description::Numbers;
use super::peer::{Encoding, Peer};
use crate::content::{OPUS_OVERHEAD, Origin, STAMP, opus_contents};
use crate::plan::{Audio, Media, Video};
use crate::tally::{Measures, Saturation};
use bytes::Bytes;
use layer::{Layer, Shape};
use rtc::interceptor::Packet;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::TransportLayerNack;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The layers' names, lowest first, as browsers give them by custom.
const RIDS: [&str; 3] = ["q", "h", "f"];
/// Between sender reports, in nanoseconds.
const REPORT: u64 = 1_000_000_000;
/// A sending time that was missed by more is late: a browser's pacer works in steps of 5 ms.
const LATE: u64 = 10_000_000;
/// Behind by more than this, the publisher skips what it has missed, as a camera does.
const SKIP: u64 = 500_000_000;

/// Something that is sent at equal intervals.
#[derive(Clone, Copy, Debug)]
struct Beat {
    due: u64,
    interval: u64,
}

impl Beat {
    /// Whether its time has come; then notes how late it is, and sets the next.
    fn comes(&mut self, now: u64, saturation: &mut Saturation) -> bool {
        if now < self.due {
            return false;
        }
        let late = now - self.due;
        saturation.ticks += 1;
        saturation.late_ticks += u64::from(late > LATE);
        saturation.lateness.record(late);
        self.due = if late > SKIP { now + self.interval } else { self.due + self.interval };
        true
    }
}

struct Camera {
    settings: Video,
    beat: Beat,
    layers: Vec<Layer>,
}

struct Microphone {
    settings: Audio,
    beat: Beat,
    layer: Layer,
}

/// See the module's text.
pub struct Publisher {
    camera: Option<Camera>,
    microphone: Option<Microphone>,
    /// What packets are numbered by for the server's bandwidth estimation.
    transport_sequence: u16,
    report: u64,
}

impl Publisher {
    /// A publisher of `media`, `number` in the run. `draw` gives random numbers: SSRCs, first sequence numbers and the
    /// moment within its interval at which a stream begins.
    pub fn new(number: u32, media: &Media, mut draw: impl FnMut() -> u32) -> Self {
        let camera = media.video.map(|settings| {
            let skipped = RIDS.len() - settings.layers.min(RIDS.len());
            let simulcast = settings.layers > 1;
            let rids = RIDS.iter().enumerate().skip(skipped);
            let layer = |(index, rid): (usize, &&'static str)| {
                let encoding = Encoding { rid: if simulcast { rid } else { "" }, ssrc: draw(), rtx_ssrc: Some(draw()) };
                Layer::new(encoding, Origin::new(number, true, index as u8), draw())
            };
            let layers = rids.map(layer).collect();
            Camera { settings, beat: beat(1_000_000_000 / u64::from(settings.fps.max(1)), draw()), layers }
        });
        let microphone = media.audio.map(|settings| {
            let encoding = Encoding { rid: "", ssrc: draw(), rtx_ssrc: None };
            let layer = Layer::new(encoding, Origin::new(number, false, 0), draw());
            Microphone { settings, beat: beat(u64::from(settings.packet_ms) * 1_000_000, draw()), layer }
        });
        Self { camera, microphone, transport_sequence: draw() as u16, report: 0 }
    }

    /// Adds its m-lines to a connection: sound first.
    ///
    /// # Errors
    /// Those of webrtc-rs.
    pub fn add_to(&self, peer: &mut Peer) -> Result<(), rtc::shared::error::Error> {
        if let Some(microphone) = &self.microphone {
            peer.add_track(false, std::slice::from_ref(&microphone.layer.encoding))?;
        }
        if let Some(camera) = &self.camera {
            let encodings: Vec<_> = camera.layers.iter().map(|layer| layer.encoding.clone()).collect();
            peer.add_track(true, &encodings)?;
        }
        Ok(())
    }

    /// Learns the m-lines' names from its own offer.
    pub fn learn_mids(&mut self, offer: &str) {
        let mut video = false;
        for line in offer.lines() {
            if let Some(media) = line.strip_prefix("m=") {
                video = media.starts_with("video");
            } else if let Some(mid) = line.strip_prefix("a=mid:") {
                let mid = Bytes::copy_from_slice(mid.trim().as_bytes());
                match (&mut self.camera, &mut self.microphone) {
                    (Some(camera), _) if video => camera.layers.iter_mut().for_each(|layer| layer.mid = mid.clone()),
                    (_, Some(microphone)) if microphone.layer.mid.is_empty() => microphone.layer.mid = mid,
                    _ => {}
                }
            }
        }
    }

    /// Begins to send: nothing is late yet.
    pub fn start(&mut self, now: u64) {
        let beats = [self.camera.as_mut().map(|c| &mut c.beat), self.microphone.as_mut().map(|m| &mut m.beat)];
        for beat in beats.into_iter().flatten() {
            // What was drawn is a moment within the interval.
            beat.due = now + beat.due % beat.interval.max(1);
        }
        self.report = now + REPORT;
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> u64 {
        let camera = self.camera.as_ref().map_or(u64::MAX, |camera| camera.beat.due);
        let microphone = self.microphone.as_ref().map_or(u64::MAX, |microphone| microphone.beat.due);
        camera.min(microphone).min(self.report)
    }

    /// Sends what is due.
    pub fn handle_timeout(
        &mut self,
        now: u64,
        numbers: &Numbers,
        peer: &mut Peer,
        tally: &mut Measures,
        saturation: &mut Saturation,
    ) {
        let at = crate::clock::Nanos(now).instant();
        let transport = &mut self.transport_sequence;
        let mut send = |mut packet: rtc::rtp::Packet| {
            if numbers.transport_sequence != 0 {
                let number = Bytes::copy_from_slice(&transport.to_be_bytes());
                // Two bytes fit into every element, so nothing can be refused.
                let _ = packet.header.set_extension(numbers.transport_sequence, number);
                *transport = transport.wrapping_add(1);
            }
            peer.send(at, Packet::Rtp(packet));
        };
        if let Some(microphone) = &mut self.microphone
            && microphone.beat.comes(now, saturation)
            && let Some(payload_type) = numbers.opus
        {
            let Audio { bitrate_bps, packet_ms } = microphone.settings;
            let bytes = (bitrate_bps * u64::from(packet_ms) / 8_000) as usize;
            let shape = Shape::sound(bytes.max(OPUS_OVERHEAD + STAMP), opus_contents(packet_ms), packet_ms * 48);
            microphone.layer.send_sound(&shape, payload_type, numbers, now, &mut tally.sent_audio, &mut send);
        }
        if let Some(camera) = &mut self.camera
            && camera.beat.comes(now, saturation)
            && let Some(payload_type) = numbers.vp8
        {
            let fps = camera.settings.fps.max(1);
            let highest = camera.layers.len().saturating_sub(1);
            let smaller = smaller_by(camera.settings.bitrate_bps);
            for (index, layer) in camera.layers.iter_mut().enumerate() {
                // Each lower layer has half the width and height, and a quarter of the bitrate.
                let down = highest - index;
                let bytes = (camera.settings.bitrate_bps >> (2 * down)) / 8 / u64::from(fps);
                let shape = Shape {
                    bytes: bytes as usize,
                    payload_bytes: camera.settings.payload_bytes,
                    ticks: 90_000 / fps,
                    size: (1280 >> (down + smaller), 720 >> (down + smaller)),
                    contents: 0,
                };
                layer.send_frame(&shape, payload_type, numbers, now, &mut tally.sent_video, &mut send);
            }
        }
        if now >= self.report {
            self.report = now + REPORT;
            self.send_reports(now, at, peer);
        }
    }

    fn send_reports(&self, now: u64, at: Instant, peer: &mut Peer) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // RFC 3550 section 4: seconds since 1900 and their fraction.
        let seconds = (wall.as_secs() + 2_208_988_800) << 32;
        let ntp_time = seconds | ((u64::from(wall.subsec_nanos()) << 32) / 1_000_000_000);
        for (layer, clock_rate) in self.layers() {
            if layer.packets > 0 {
                let report = SenderReport {
                    ssrc: layer.encoding.ssrc,
                    ntp_time,
                    rtp_time: layer.timestamp_at(now, clock_rate),
                    packet_count: layer.packets,
                    octet_count: layer.octets,
                    ..SenderReport::default()
                };
                peer.send(at, Packet::Rtcp(vec![Box::new(report)]));
            }
        }
    }

    fn layers(&self) -> impl Iterator<Item = (&Layer, u64)> {
        let camera = self.camera.iter().flat_map(|camera| &camera.layers).map(|layer| (layer, 90_000));
        camera.chain(self.microphone.iter().map(|microphone| (&microphone.layer, 48_000)))
    }

    /// Does what the server's RTCP asks for: key frames and retransmissions.
    pub fn handle_rtcp(
        &mut self,
        now: u64,
        packet: &dyn rtc::rtcp::Packet,
        numbers: &Numbers,
        peer: &mut Peer,
        tally: &mut Measures,
    ) {
        let Some(camera) = &mut self.camera else { return };
        let layers = &mut camera.layers;
        let mut want_key = |ssrc: u32| {
            if let Some(layer) = layers.iter_mut().find(|layer| layer.encoding.ssrc == ssrc) {
                layer.key_wanted = true;
                tally.sent_video.keyframe_requests += 1;
            }
        };
        if let Some(pli) = packet.as_any().downcast_ref::<PictureLossIndication>() {
            want_key(pli.media_ssrc);
        } else if let Some(fir) = packet.as_any().downcast_ref::<FullIntraRequest>() {
            fir.fir.iter().for_each(|entry| want_key(entry.ssrc));
        } else if let Some(nack) = packet.as_any().downcast_ref::<TransportLayerNack>() {
            let layer = camera.layers.iter_mut().find(|layer| layer.encoding.ssrc == nack.media_ssrc);
            let (Some(layer), Some(payload_type)) = (layer, numbers.rtx) else { return };
            let at = crate::clock::Nanos(now).instant();
            let transport = &mut self.transport_sequence;
            for sequence in nack.nacks.iter().flat_map(|pair| pair.packet_list()) {
                let Some(mut packet) = layer.retransmission(sequence, payload_type, numbers) else {
                    tally.sent_video.not_at_hand += 1;
                    continue;
                };
                if numbers.transport_sequence != 0 {
                    let number = Bytes::copy_from_slice(&transport.to_be_bytes());
                    let _ = packet.header.set_extension(numbers.transport_sequence, number);
                    *transport = transport.wrapping_add(1);
                }
                tally.sent_video.retransmitted += 1;
                peer.send(at, Packet::Rtp(packet));
            }
        }
    }
}

/// How often a camera's picture is halved in width and height for its bitrate: 720p for a megabit and more, 360p, 180p.
const fn smaller_by(bitrate_bps: u64) -> usize {
    match bitrate_bps {
        ..300_000 => 2,
        300_000..1_000_000 => 1,
        _ => 0,
    }
}

fn beat(interval: u64, drawn: u32) -> Beat {
    Beat { due: u64::from(drawn), interval }
}
