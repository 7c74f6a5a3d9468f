//! What a decoder can make of the packets of one line, as they come: frames that are whole and whose references are
//! decoded.
//!
//! Frames are decoded in their order. One that cannot be waits for repair; a later one that can be is taken
//! nevertheless once it is to be shown, and those before it are given up, as libwebrtc's frame buffer does.
//!
//! What a frame refers to is found as libwebrtc does, by the numbers in its payload descriptor. Always holds: what is taken for decodable by
//! them truly is.

use super::Arrived;
use super::jitter_buffer::JitterBuffer;
use super::layered::Pictures;
use super::references::{Found, Frame, References};
use crate::sim::content::{Content, Vp8Numbers};
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
    numbers: Option<Vp8Numbers>,
    /// Once what it refers to is found.
    found: Option<Found>,
    /// Once it is whole: when it is decoded though one before it is missing.
    due: Option<Instant>,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Decoder {
    /// By the number of its first packet; what is older than the newest decoded frame is gone.
    frames: BTreeMap<u64, Assembly>,
    newest: Option<u64>,
    /// The number behind the last packet of that frame.
    next: Option<u64>,
    buffer: JitterBuffer,
    references: VecDeque<Content>,
    finder: References,
    /// Where they have spatial layers.
    layered: Pictures,
    /// The pictures that were decoded lately.
    pictures: VecDeque<i64>,
    pub(crate) decoded: Vec<Decoded>,
    next_request: Option<Instant>,
    /// When the first packet came.
    began: Option<Instant>,
    /// When a packet of a key frame came last: while they come, no other is asked for.
    key_packet: Option<Instant>,
    /// Times that the decoder asked for a key frame.
    pub(crate) requests: u64,
}

impl Decoder {
    /// Takes a packet that is not here yet.
    pub(super) fn on_packet(&mut self, now: Instant, sequence: u64, packet: &Arrived) {
        self.began.get_or_insert(now);
        let content = Content { packet: 0, ..packet.content };
        if content.key {
            self.key_packet = Some(now);
        }
        let Some(first) = sequence.checked_sub(u64::from(packet.content.packet)) else { return };
        if packet.svc.is_some() {
            let pictures = self.layered.take(first, packet).into_iter();
            self.decoded.extend(pictures.map(|(content, timestamp)| Decoded { content, timestamp, at: now }));
            return;
        }
        if self.newest.is_some_and(|newest| first <= newest) {
            return;
        }
        let numbers = packet.picture;
        let new = Assembly { content, timestamp: packet.timestamp, have: 0, numbers, found: None, due: None };
        let frame = self.frames.entry(first).or_insert(new);
        frame.have += 1;
        if frame.have == content.of {
            frame.due = Some(now + self.buffer.add(now, frame.timestamp));
            let whole = frame.numbers.map(|numbers| Frame { first, numbers, is_key: content.key });
            for found in whole.map_or_else(Vec::new, |whole| self.finder.take(whole)) {
                if let Some(frame) = self.frames.get_mut(&found.first) {
                    frame.found = Some(found);
                }
            }
            self.decode(now);
        }
    }

    /// Gives up what is missing for too long.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        if !self.frames.is_empty() {
            self.decode(now);
        }
    }

    fn decode(&mut self, now: Instant) {
        let mut newest = None;
        let mut next = self.next;
        for (first, frame) in &self.frames {
            let is_found = match &frame.found {
                Some(found) => found.refers.iter().all(|picture| self.pictures.contains(picture)),
                None => frame.numbers.is_none(),
            };
            let is_decodable = is_decodable(&self.references, &frame.content);
            if frame.have < frame.content.of || !is_found || (!is_decodable && frame.numbers.is_none()) {
                continue;
            }
            if next.is_some_and(|next| *first > next) && frame.due.is_none_or(|due| due > now) {
                break;
            }
            let Assembly { content, timestamp, .. } = *frame;
            assert!(is_decodable, "{content:?} is taken for decodable by its numbers {:?}, and is not", frame.numbers);
            self.pictures.extend(frame.found.iter().map(|found| found.picture));
            if self.pictures.len() > REFERENCES {
                self.pictures.pop_front();
            }
            self.references.push_back(content);
            if self.references.len() > REFERENCES {
                self.references.pop_front();
            }
            self.decoded.push(Decoded { content, timestamp, at: now });
            newest = Some(*first);
            next = Some(first + u64::from(content.of));
        }
        self.next = next;
        if let Some(newest) = newest {
            self.newest = Some(newest);
            self.frames = self.frames.split_off(&(newest + 1));
            self.finder.clear_to(newest);
            self.next_request = None;
        }
    }

    /// Whether to ask for a key frame now: packets come, and nothing can be made of them.
    pub(super) fn wants_keyframe(&mut self, now: Instant, newest_packet: Option<Instant>) -> bool {
        let since = self.decoded.last().map(|last| last.at).or(self.began);
        let (Some(since), Some(newest_packet)) = (since, newest_packet) else { return false };
        let active = now - newest_packet < PATIENCE_FOR_KEY;
        let due = self.next_request.filter(|request| *request > since).unwrap_or(since + PATIENCE);
        let receives_key = self.key_packet.is_some_and(|at| now - at < PATIENCE_FOR_KEY);
        if !active || due > now || receives_key || (self.frames.is_empty() && self.layered.is_empty()) {
            return false;
        }
        self.next_request = Some(now + PATIENCE_FOR_KEY);
        self.requests += 1;
        true
    }
}

fn is_decodable(references: &VecDeque<Content>, content: &Content) -> bool {
    let is_known =
        |frame: Option<u32>| references.iter().any(|known| known.same_source(content) && Some(known.frame) == frame);
    content.references().all(is_known)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;

    /// A frame of two packets whose first has number `2 * frame`.
    fn packet(frame: u32, packet: u8, key: bool, refers: u8) -> Arrived {
        let content = Content { frame, packet, of: 2, key, refers, ..Content::FIRST };
        Arrived { timestamp: frame * 3_000, marker: packet == 1, picture: None, svc: None, content, at: test_start() }
    }

    fn take(decoder: &mut Decoder, now: Instant, packets: &[Arrived]) -> Vec<u32> {
        let before = decoder.decoded.len();
        for packet in packets {
            let first = u64::from(packet.content.frame) * u64::from(packet.content.of);
            decoder.on_packet(now, first + u64::from(packet.content.packet), packet);
        }
        decoder.decoded[before..].iter().map(|frame| frame.content.frame).collect()
    }

    fn whole(frame: u32, key: bool, refers: u8) -> [Arrived; 2] {
        [packet(frame, 1, key, refers), packet(frame, 0, key, refers)]
    }

    #[test]
    fn frames_wait_for_what_they_refer_to() {
        let (mut decoder, start) = (Decoder::default(), test_start());
        // When a frame is due, on a path without delay.
        let at = |frame: u64| start + Duration::from_nanos(frame * 1_000_000_000 / 30);
        assert_eq!(take(&mut decoder, at(1), &whole(1, false, 1)), [0; 0], "nothing to refer to");
        assert_eq!(take(&mut decoder, at(2), &whole(2, true, 0)), [2]);
        assert_eq!(take(&mut decoder, at(3), &[packet(3, 0, false, 1)]), [0; 0], "half of it");
        assert_eq!(take(&mut decoder, at(4), &whole(4, false, 1)), [0; 0]);
        assert_eq!(take(&mut decoder, at(4), &[packet(3, 1, false, 1)]), [3, 4]);
        // The upper layer's frame 5 is missing; the base layer does without, once 5 is as late as 3 was.
        assert_eq!(take(&mut decoder, at(6), &whole(6, false, 0b10)), [0; 0]);
        let before = decoder.decoded.len();
        decoder.handle_timeout(at(7) + Duration::from_millis(1));
        assert_eq!(decoder.decoded[before..].iter().map(|frame| frame.content.frame).collect::<Vec<_>>(), [6]);
        assert_eq!(take(&mut decoder, at(8), &whole(5, false, 1)), [0; 0], "too late");
        assert_eq!(take(&mut decoder, at(8), &whole(8, false, 1)), [0; 0]);
        assert_eq!(take(&mut decoder, at(11), &whole(9, true, 0)), [9], "a key frame goes on whatever is missing");
    }

    #[test]
    fn who_comes_in_time_is_not_given_up() {
        let (mut decoder, start) = (Decoder::default(), test_start());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(take(&mut decoder, at(0), &whole(0, true, 0)), [0]);
        assert_eq!(take(&mut decoder, at(93), &whole(1, false, 1)), [1], "60 ms late");
        assert_eq!(take(&mut decoder, at(100), &whole(3, false, 0b10)), [0; 0]);
        assert_eq!(take(&mut decoder, at(120), &whole(2, false, 1)), [2, 3]);
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

    /// Such a frame, whole, of one packet, with these numbers.
    fn numbered(frame: u32, refers: u8, picture: u16, tl0: u8, layer: u8, is_sync: bool) -> Arrived {
        let content = Content { of: 1, ..packet(frame, 0, frame == 0, refers).content };
        let picture = Some(Vp8Numbers { picture, tl0, layer, is_sync });
        // All of one time: none waits for what is missing before it.
        Arrived { timestamp: 0, marker: true, picture, content, at: test_start(), svc: None }
    }

    #[test]
    fn what_is_taken_for_decodable_and_is_not_is_noticed() {
        let (mut decoder, now) = (Decoder::default(), test_start());
        let frames =
            [numbered(0, 0, 0, 0, 0, false), numbered(2, 0b10, 1, 0, 1, true), numbered(4, 0b1000, 2, 1, 0, false)];
        assert_eq!(take(&mut decoder, now, &frames), [0, 2, 4], "with a layer left out, and its numbers closed up");
        // The one before it was left out, too, though it refers to it, and its number was closed up.
        let broken = std::panic::AssertUnwindSafe(|| take(&mut decoder, now, &[numbered(6, 0b11, 3, 1, 1, false)]));
        assert!(std::panic::catch_unwind(broken).is_err());
        // With its number left free it waits.
        let mut decoder = Decoder::default();
        take(&mut decoder, now, &frames);
        assert_eq!(take(&mut decoder, now, &[numbered(6, 0b11, 4, 1, 1, false)]), [0; 0]);
    }
}
