//! Sound with copies of what was sent just before (RED), as a client takes it that has agreed to it.

use super::Stream;
use crate::rtp::red::read_blocks;
use crate::sim::content::Content;
use crate::sim::publisher::AUDIO;
use std::time::Instant;

impl Stream {
    /// Reads a payload of RED. Returns what is its own, and keeps the copies, which must be what they say: earlier packets of the same
    /// source, with the times that those had.
    pub(super) fn read_red(&mut self, now: Instant, timestamp: u32, payload: &[u8]) -> Content {
        let mut blocks = read_blocks(payload).expect("blocks that fit");
        assert!(blocks.iter().all(|(payload_type, ..)| *payload_type == AUDIO), "all blocks are of Opus");
        let (_, _, primary) = blocks.pop().expect("a primary block");
        let content = Content::read(primary);
        let mut before = 0;
        for (_, offset, block) in blocks.iter().rev() {
            let copy = Content::read(block);
            assert!(*offset > before, "{}: the oldest comes first", self.mid);
            assert!(copy.same_source(&content) && copy.frame < content.frame, "{content:?} came with {copy:?}");
            let time = timestamp.wrapping_sub(*offset);
            let original = self.packets.values().rev().find(|packet| packet.timestamp == time);
            assert!(original.is_none_or(|original| original.content == copy), "{copy:?} is no copy of {original:?}");
            self.copies.insert(time, copy);
            before = *offset;
        }
        if !blocks.is_empty() {
            self.redundant += 1;
            self.redundant_at = Some(now);
        }
        content
    }

    /// The frames of sound that came at all, by themselves or as copies; some more than once.
    pub(crate) fn frames_of_sound(&self) -> impl Iterator<Item = u32> {
        self.packets
            .values()
            .map(|packet| packet.content)
            .chain(self.copies.values().copied())
            .map(|content| content.frame)
    }
}
