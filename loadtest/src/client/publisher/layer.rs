//! One RTP stream of a publisher and its retransmissions.

use crate::client::description::Numbers;
use crate::client::peer::Encoding;
use crate::content::{OPUS_OVERHEAD, Origin, STAMP, Stamp, Vp8};
use crate::tally::Sent;
use bytes::Bytes;
use rtc::rtp;

/// Packets that can be sent again: browsers keep about a second, which is 1,000 packets of a generous camera.
const HISTORY: usize = 1024;
/// In so many first packets of a stream its m-line and layer are named, and in every key frame.
const NAMED: u32 = 100;
/// A key frame is so many times larger than another one.
const KEY_SIZE: usize = 4;
/// Bytes of an IPv4 and UDP-less packet beside its payload: the RTP header with the usual extensions and the tag of SRTP.
const AROUND: u64 = 12 + 16;
/// RFC 6464: voice, 20 dB below the loudest.
const LOUD_VOICE: u8 = 0x80 | 20;

/// What a frame or a piece of sound is like.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    /// Bytes of RTP payload on average.
    pub(super) bytes: usize,
    /// The most in one packet.
    pub(super) payload_bytes: usize,
    /// What it lasts, in units of the timestamp.
    pub(super) ticks: u32,
    /// Pixels.
    pub(super) size: (u16, u16),
    /// Opus's table of contents.
    pub(super) contents: u8,
}

impl Shape {
    pub(super) fn sound(bytes: usize, contents: u8, ticks: u32) -> Self {
        Self { bytes, payload_bytes: bytes, ticks, size: (0, 0), contents }
    }
}

/// Enough of a packet to make it again.
#[derive(Clone, Copy, Debug)]
struct Past {
    sequence: u16,
    timestamp: u32,
    marker: bool,
    vp8: Vp8,
    bytes: u16,
    stamp: Stamp,
}

/// See the module's text.
pub(super) struct Layer {
    pub(super) encoding: Encoding,
    /// The m-line's name.
    pub(super) mid: Bytes,
    /// The server wants a key frame.
    pub(super) key_wanted: bool,
    /// Media packets sent.
    pub(super) packets: u32,
    /// Bytes of their payload.
    pub(super) octets: u32,
    origin: Origin,
    sequence: u16,
    rtx_sequence: u16,
    timestamp: u32,
    last_sent: u64,
    picture: u16,
    /// Bytes by which key frames have exceeded the bitrate; later frames make up for them.
    debt: usize,
    history: Vec<Past>,
}

impl Layer {
    pub(super) fn new(encoding: Encoding, origin: Origin, drawn: u32) -> Self {
        Self {
            encoding,
            mid: Bytes::new(),
            key_wanted: true,
            packets: 0,
            octets: 0,
            origin,
            sequence: drawn as u16,
            rtx_sequence: (drawn >> 16) as u16,
            timestamp: drawn.rotate_left(7),
            last_sent: 0,
            picture: drawn as u16 & 0x7fff,
            debt: 0,
            history: Vec::new(),
        }
    }

    /// The timestamp that belongs to a moment.
    pub(super) fn timestamp_at(&self, now: u64, clock_rate: u64) -> u32 {
        let since = u128::from(now.saturating_sub(self.last_sent)) * u128::from(clock_rate) / 1_000_000_000;
        self.timestamp.wrapping_add(since as u32)
    }

    pub(super) fn send_sound(
        &mut self,
        shape: &Shape,
        payload_type: u8,
        numbers: &Numbers,
        now: u64,
        tally: &mut Sent,
        send: &mut impl FnMut(rtp::Packet),
    ) {
        self.timestamp = self.timestamp.wrapping_add(shape.ticks);
        self.last_sent = now;
        let mut payload = Vec::with_capacity(shape.bytes);
        payload.push(shape.contents);
        self.stamp(now).write(&mut payload, shape.bytes.saturating_sub(OPUS_OVERHEAD));
        let mut header = self.header(payload_type, false);
        self.name(&mut header, numbers, false);
        if numbers.audio_level != 0 {
            set(&mut header, numbers.audio_level, Bytes::from_static(&[LOUD_VOICE]));
        }
        self.count(payload.len(), tally);
        send(rtp::Packet { header, payload: payload.into() });
    }

    pub(super) fn send_frame(
        &mut self,
        shape: &Shape,
        payload_type: u8,
        numbers: &Numbers,
        now: u64,
        tally: &mut Sent,
        send: &mut impl FnMut(rtp::Packet),
    ) {
        self.timestamp = self.timestamp.wrapping_add(shape.ticks);
        self.last_sent = now;
        self.picture = (self.picture + 1) & 0x7fff;
        let key = std::mem::take(&mut self.key_wanted);
        tally.keyframes += u64::from(key);
        let bytes = self.frame_bytes(shape.bytes, key);
        let count = bytes.div_ceil(shape.payload_bytes.max(1)).max(1);
        // Equal sizes: the packets of a frame can then leave, and arrive, in one piece.
        let size = bytes.div_ceil(count);
        for index in 0..count {
            let vp8 = Vp8 { picture: self.picture, begins: index == 0, key, width: shape.size.0, height: shape.size.1 };
            let past = Past {
                sequence: self.sequence,
                timestamp: self.timestamp,
                marker: index + 1 == count,
                vp8,
                bytes: size.max(vp8.overhead() + STAMP) as u16,
                stamp: self.stamp(now),
            };
            let payload = past.payload(Vec::new());
            let mut header = self.header(payload_type, past.marker);
            self.name(&mut header, numbers, key);
            self.remember(past);
            self.count(payload.len(), tally);
            send(rtp::Packet { header, payload: payload.into() });
        }
    }

    /// The frame's size: that of key frames is borrowed from those that follow.
    fn frame_bytes(&mut self, average: usize, key: bool) -> usize {
        if key {
            self.debt += average * (KEY_SIZE - 1);
            return average * KEY_SIZE;
        }
        let saved = self.debt.min(average / 4);
        self.debt -= saved;
        average - saved
    }

    fn stamp(&self, now: u64) -> Stamp {
        Stamp { origin: self.origin, number: self.packets, sent: now }
    }

    fn header(&mut self, payload_type: u8, marker: bool) -> rtp::Header {
        let sequence_number = self.sequence;
        self.sequence = self.sequence.wrapping_add(1);
        rtp::Header {
            version: 2,
            marker,
            payload_type,
            sequence_number,
            timestamp: self.timestamp,
            ssrc: self.encoding.ssrc,
            ..rtp::Header::default()
        }
    }

    fn name(&self, header: &mut rtp::Header, numbers: &Numbers, key: bool) {
        if self.packets >= NAMED && !key {
            return;
        }
        set(header, numbers.mid, self.mid.clone());
        set(header, numbers.rid, Bytes::from_static(self.encoding.rid.as_bytes()));
    }

    fn count(&mut self, payload: usize, tally: &mut Sent) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload as u32);
        tally.packets += 1;
        tally.bytes += payload as u64 + AROUND;
    }

    fn remember(&mut self, past: Past) {
        let place = usize::from(past.sequence) % HISTORY;
        match self.history.get_mut(place) {
            Some(entry) => *entry = past,
            // The first round fills the list from wherever it begins.
            None => self.history.resize(HISTORY, past),
        }
        if let Some(entry) = self.history.get_mut(place) {
            *entry = past;
        }
    }

    /// A packet once more (RFC 4588 section 4), if it is remembered.
    pub(super) fn retransmission(&mut self, sequence: u16, payload_type: u8, numbers: &Numbers) -> Option<rtp::Packet> {
        let past = *self.history.get(usize::from(sequence) % HISTORY)?;
        let ssrc = self.encoding.rtx_ssrc.filter(|_| past.sequence == sequence)?;
        let payload = past.payload(sequence.to_be_bytes().to_vec());
        let mut header = rtp::Header {
            version: 2,
            marker: past.marker,
            payload_type,
            sequence_number: self.rtx_sequence,
            timestamp: past.timestamp,
            ssrc,
            ..rtp::Header::default()
        };
        self.rtx_sequence = self.rtx_sequence.wrapping_add(1);
        set(&mut header, numbers.mid, self.mid.clone());
        set(&mut header, numbers.repaired_rid, Bytes::from_static(self.encoding.rid.as_bytes()));
        Some(rtp::Packet { header, payload: payload.into() })
    }
}

impl Past {
    fn payload(&self, mut payload: Vec<u8>) -> Vec<u8> {
        payload.reserve(usize::from(self.bytes));
        self.vp8.write(&mut payload);
        self.stamp.write(&mut payload, usize::from(self.bytes).saturating_sub(self.vp8.overhead()));
        payload
    }
}

/// Adds an extension if it is negotiated and there is something to say.
fn set(header: &mut rtp::Header, id: u8, value: Bytes) {
    if id != 0 && !value.is_empty() {
        // Names of at most 16 bytes fit into an element; webrtc-rs's m-lines have one digit.
        let _ = header.set_extension(id, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::vp8_stamp;

    fn layer() -> Layer {
        let encoding = Encoding { rid: "h", ssrc: 5, rtx_ssrc: Some(6) };
        Layer::new(encoding, Origin::new(3, true, 1), 65_530)
    }

    fn frames(layer: &mut Layer, bytes: usize, count: usize) -> Vec<rtp::Packet> {
        let shape = Shape { bytes, payload_bytes: 1_000, ticks: 3_000, size: (640, 360), contents: 0 };
        let mut numbers = Numbers::default();
        (numbers.mid, numbers.rid, numbers.repaired_rid) = (1, 2, 3);
        let mut packets = Vec::new();
        for _ in 0..count {
            layer.send_frame(&shape, 96, &numbers, 9, &mut Sent::default(), &mut |packet| packets.push(packet));
        }
        packets
    }

    #[test]
    fn frames_are_cut_into_equal_packets_and_keep_the_bitrate() {
        let mut layer = layer();
        layer.mid = Bytes::from_static(b"1");
        let packets = frames(&mut layer, 4_500, 100);
        assert_eq!(packets.iter().filter(|packet| packet.header.marker).count(), 100);
        let key = &packets[..18];
        assert!(key.iter().all(|packet| packet.payload.len() == 1_000 && packet.header.get_extension(2).is_some()));
        let total: usize = packets.iter().map(|packet| packet.payload.len()).sum();
        assert!(total.abs_diff(450_000) < 1_000, "{total}");
        for (number, packet) in packets.iter().enumerate() {
            assert_eq!(packet.header.sequence_number, 65_530u16.wrapping_add(number as u16));
            assert_eq!(vp8_stamp(&packet.payload).and_then(Stamp::read).unwrap().number, number as u32);
        }
        assert!(packets.last().unwrap().header.get_extension(2).is_none(), "names are not repeated for ever");
    }

    #[test]
    fn a_remembered_packet_is_sent_again() {
        let mut layer = layer();
        let packets = frames(&mut layer, 3_000, 500);
        let numbers = Numbers::default();
        let last = packets.last().unwrap();
        let again = layer.retransmission(last.header.sequence_number, 97, &numbers).unwrap();
        assert_eq!((again.header.ssrc, again.header.payload_type), (6, 97));
        assert_eq!(again.payload[..2], last.header.sequence_number.to_be_bytes());
        assert_eq!(again.payload[2..], last.payload);
        let old = packets.first().unwrap().header.sequence_number;
        assert!(layer.retransmission(old, 97, &numbers).is_none(), "it is too long ago");
        assert!(layer.retransmission(last.header.sequence_number.wrapping_add(1), 97, &numbers).is_none());
    }

    #[test]
    fn packets_are_never_too_small_for_their_stamp() {
        let mut layer = layer();
        for packet in frames(&mut layer, 10, 3) {
            assert!(vp8_stamp(&packet.payload).and_then(Stamp::read).is_some());
        }
    }
}
