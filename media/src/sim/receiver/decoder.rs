//! What a decoder can make of the packets of one line, as they come: frames that are whole and whose references are decoded.
//!
//! Frames are decoded in their order. One that cannot be waits for repair; a later one that can be is taken nevertheless, and
//! those before it are given up, as libwebrtc's frame buffer does.

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
    /// Numbers of key frames that the decoder asked for.
    pub(crate) requests: u64,
}

impl Decoder {
    /// Takes a packet that is not here yet.
    pub(super) fn on_packet(&mut self, now: Instant, sequence: u64, packet: &Arrived) {
        let content = Content { packet: 0, ..packet.content };
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
        if !active || due > now || self.frames.is_empty() {
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
