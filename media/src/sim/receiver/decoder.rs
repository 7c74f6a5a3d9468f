//! What a decoder can make of the packets of one line, as they come: frames that are whole and whose references are
//! decoded.
//!
//! Frames are decoded in their order. One that cannot be waits for repair; a later one that can be is taken
//! nevertheless, and those before it are given up, as libwebrtc's frame buffer does.

use super::Arrived;
use crate::sim::content::Content;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// libwebrtc asks for a key frame when it has not decoded anything for so long though packets come
/// (`kMaxWaitForFrame` in `video_receive_stream2.cc`).
const PATIENCE: Duration = Duration::from_secs(3);

/// And again so much later (`kMaxWaitForKeyFrame`).
const PATIENCE_FOR_KEY: Duration = Duration::from_millis(200);

/// Frames that are remembered as references.
const REFERENCES: usize = 16;

/// A frame that was decoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decoded {
    /// Of its first packet.
    pub(crate) content: Content,
    pub(crate) timestamp: u32,
    pub(crate) at: Instant,
}

struct Assembly {
    content: Content,
    timestamp: u32,
    /// Packets of it that are here.
    have: u8,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Decoder {
    /// By the number of its first packet; what is older than the newest decoded frame is gone.
    frames: BTreeMap<u64, Assembly>,
    newest: Option<u64>,
    references: VecDeque<Content>,
    pub(crate) decoded: Vec<Decoded>,
    next_request: Option<Instant>,
    /// When a packet of a key frame came last: while they come, no other is asked for.
    key_packet: Option<Instant>,
    /// Times that the decoder asked for a key frame.
    pub(crate) requests: u64,
}

impl Decoder {
    /// Takes a packet that is not here yet.
    pub(super) fn on_packet(&mut self, now: Instant, sequence: u64, packet: &Arrived) {
        let content = Content { packet: 0, ..packet.content };
        if content.key {
            self.key_packet = Some(now);
        }
        let Some(first) = sequence.checked_sub(u64::from(packet.content.packet)) else { return };
        if self.newest.is_some_and(|newest| first <= newest) {
            return;
        }
        let frame = self.frames.entry(first).or_insert(Assembly { content, timestamp: packet.timestamp, have: 0 });
        frame.have += 1;
        if frame.have == content.of {
            self.decode(now);
        }
    }

    fn decode(&mut self, now: Instant) {
        let mut newest = None;
        for (first, frame) in &self.frames {
            if frame.have < frame.content.of || !is_decodable(&self.references, &frame.content) {
                continue;
            }
            let Assembly { content, timestamp, .. } = *frame;
            self.references.push_back(content);
            if self.references.len() > REFERENCES {
                self.references.pop_front();
            }
            self.decoded.push(Decoded { content, timestamp, at: now });
            newest = Some(*first);
        }
        if let Some(newest) = newest {
            self.newest = Some(newest);
            self.frames = self.frames.split_off(&(newest + 1));
            self.next_request = None;
        }
    }

    /// Whether to ask for a key frame now: packets come, and nothing can be made of them.
    pub(super) fn wants_keyframe(&mut self, now: Instant, newest_packet: Option<Instant>) -> bool {
        let (Some(last), Some(newest_packet)) = (self.decoded.last(), newest_packet) else { return false };
        let active = now - newest_packet < PATIENCE_FOR_KEY;
        let due = self.next_request.unwrap_or(last.at + PATIENCE);
        let receives_key = self.key_packet.is_some_and(|at| now - at < PATIENCE_FOR_KEY);
        if !active || due > now || receives_key || self.frames.is_empty() {
            return false;
        }
        self.next_request = Some(now + PATIENCE_FOR_KEY);
        self.requests += 1;
        true
    }
}

fn is_decodable(references: &VecDeque<Content>, content: &Content) -> bool {
    let is_reference = |known: &Content| {
        known.same_source(content) && Some(known.frame) == content.frame.checked_sub(u32::from(content.back))
    };
    content.key || references.iter().any(is_reference)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;

    /// A frame of two packets whose first has number `2 * frame`.
    fn packet(frame: u32, packet: u8, key: bool, back: u8) -> Arrived {
        let content = Content { publisher: 1, track: 1, layer: 0, life: 0, frame, packet, of: 2, key, back };
        Arrived { timestamp: frame * 3_000, marker: packet == 1, picture: None, content, at: test_start() }
    }

    fn take(decoder: &mut Decoder, now: Instant, packets: &[Arrived]) -> Vec<u32> {
        let before = decoder.decoded.len();
        for packet in packets {
            decoder.on_packet(now, u64::from(packet.content.frame) * 2 + u64::from(packet.content.packet), packet);
        }
        decoder.decoded[before..].iter().map(|frame| frame.content.frame).collect()
    }

    fn whole(frame: u32, key: bool, back: u8) -> [Arrived; 2] {
        [packet(frame, 1, key, back), packet(frame, 0, key, back)]
    }

    #[test]
    fn frames_wait_for_what_they_refer_to() {
        let (mut decoder, now) = (Decoder::default(), test_start());
        assert_eq!(take(&mut decoder, now, &whole(1, false, 1)), [0; 0], "nothing to refer to");
        assert_eq!(take(&mut decoder, now, &whole(2, true, 0)), [2]);
        assert_eq!(take(&mut decoder, now, &[packet(3, 0, false, 1)]), [0; 0], "half of it");
        assert_eq!(take(&mut decoder, now, &whole(4, false, 1)), [0; 0]);
        assert_eq!(take(&mut decoder, now, &[packet(3, 1, false, 1)]), [3, 4]);
        // The upper layer's frame 5 is missing; the base layer does without.
        assert_eq!(take(&mut decoder, now, &whole(6, false, 2)), [6]);
        assert_eq!(take(&mut decoder, now, &whole(5, false, 1)), [0; 0], "too late");
        assert_eq!(take(&mut decoder, now, &whole(8, false, 1)), [0; 0]);
        assert_eq!(take(&mut decoder, now, &whole(9, true, 0)), [9], "a key frame goes on whatever is missing");
    }

    #[test]
    fn a_key_frame_is_asked_for_when_nothing_can_be_decoded_for_long() {
        let (mut decoder, start) = (Decoder::default(), test_start());
        take(&mut decoder, start, &whole(1, true, 0));
        take(&mut decoder, start, &whole(3, false, 1));
        let at = |ms| start + Duration::from_millis(ms);
        let mut asks = |now, newest| decoder.wants_keyframe(now, Some(newest));
        assert!(!asks(at(2_999), at(2_990)));
        assert!(!asks(at(3_000), at(2_500)), "nothing comes");
        assert!(asks(at(3_000), at(2_990)));
        assert!(!asks(at(3_100), at(3_090)));
        assert!(asks(at(3_200), at(3_190)));
        take(&mut decoder, at(3_390), &[packet(8, 0, true, 0)]);
        assert!(!decoder.wants_keyframe(at(3_400), Some(at(3_390))), "one is coming");
        take(&mut decoder, at(3_450), &whole(9, true, 0));
        assert!(!decoder.wants_keyframe(at(3_700), Some(at(3_690))));
        assert_eq!(decoder.requests, 2);
    }
}
