//! What can be made of VP9 and AV1 with spatial layers: pictures of a frame for each layer, up to the one that the marker ends.
//!
//! As libwebrtc does it (`RtpVp9RefFinder::ManageFrameFlexible`, `RtpGenericFrameRefFinder`, `FrameBuffer`): frames of VP9 refer to those of their
//! own layer by the distances of their pictures, and to the layer below in their own picture (D), frames of AV1 to others by the distances of
//! frames. A picture is decoded once it is whole, and all that it refers to is decoded; one that cannot be is given up when a later one can.
//!
//! Always holds: what is taken for decodable by the numbers in its packets truly is, and no picture has a second part.

use super::{Arrived, Stream};
use crate::sim::content::Content;
use crate::sim::content::layered::LayeredNumbers;
use std::collections::{BTreeMap, VecDeque};

/// Layers' frames that are remembered as references.
const REFERENCES: usize = 64;

struct Layer {
    content: Content,
    timestamp: u32,
    /// Packets of it that are here.
    have: u8,
    /// Its last packet has the marker.
    is_last: bool,
    numbers: LayeredNumbers,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Pictures {
    /// By the number of its first packet; what is older than the newest picture that was decoded is gone.
    layers: BTreeMap<u64, Layer>,
    newest: Option<u64>,
    newest_timestamp: Option<u32>,
    /// What was decoded: by the numbers, and in truth.
    decoded: VecDeque<(LayeredNumbers, Content)>,
}

impl Pictures {
    /// Whether nothing waits.
    pub(super) fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// Takes a packet that is not here yet, of the frame whose first packet has that number. Returns the pictures that can be decoded with
    /// it: what their highest layer is, and their timestamp.
    pub(super) fn take(&mut self, first: u64, packet: &Arrived) -> Vec<(Content, u32)> {
        let Some(numbers) = packet.svc.filter(|_| self.newest.is_none_or(|newest| first > newest)) else {
            return Vec::new();
        };
        let content = Content { packet: 0, ..packet.content };
        let new = Layer { content, timestamp: packet.timestamp, have: 0, is_last: false, numbers };
        let layer = self.layers.entry(first).or_insert(new);
        layer.have += 1;
        layer.is_last |= packet.marker;
        std::iter::from_fn(|| self.decode()).collect()
    }

    /// Decodes the first picture that can be.
    fn decode(&mut self) -> Option<(Content, u32)> {
        let starts: Vec<u64> =
            self.layers.iter().filter(|(_, layer)| layer.content.layer == 0).map(|(at, _)| *at).collect();
        let picture = starts.into_iter().find_map(|start| self.picture(start))?;
        let top = picture.last().map(|last| (last.0, self.layers[&last.0].timestamp))?;
        for (_, numbers, content) in &picture {
            self.decoded.push_back((*numbers, *content));
        }
        while self.decoded.len() > REFERENCES {
            self.decoded.pop_front();
        }
        let (newest, timestamp) = top;
        assert_ne!(self.newest_timestamp.replace(timestamp), Some(timestamp), "a picture has no second part");
        self.newest = Some(newest);
        self.layers = self.layers.split_off(&(newest + 1));
        picture.last().map(|(_, _, content)| (*content, timestamp))
    }

    /// The layers of the picture that begins with a packet, if it is whole and can be decoded.
    fn picture(&self, start: u64) -> Option<Vec<(u64, LayeredNumbers, Content)>> {
        let mut picture: Vec<(u64, LayeredNumbers, Content)> = Vec::new();
        let mut at = start;
        loop {
            let layer = self.layers.get(&at).filter(|layer| layer.have == layer.content.of)?;
            let Layer { content, numbers, .. } = *layer;
            if picture.last().is_some_and(|(_, _, below)| below.frame != content.frame || below.layer >= content.layer)
            {
                return None;
            }
            let is_found = self.is_found(&numbers, &picture);
            let is_decodable = self.is_decodable(&content, &picture);
            assert!(!is_found || is_decodable, "{content:?} is taken for decodable by {numbers:?}, and is not");
            if !is_found {
                return None;
            }
            picture.push((at, numbers, content));
            if layer.is_last {
                return Some(picture);
            }
            at += u64::from(content.of);
        }
    }

    /// Whether what a frame refers to was decoded, or is in its own picture, by the numbers.
    fn is_found(&self, numbers: &LayeredNumbers, picture: &[(u64, LayeredNumbers, Content)]) -> bool {
        let known = || self.decoded.iter().map(|(known, _)| known).chain(picture.iter().map(|(_, known, _)| known));
        numbers.refers.into_iter().flatten().all(|frame| known().any(|known| known.frame == frame))
    }

    /// The same in truth.
    fn is_decodable(&self, content: &Content, picture: &[(u64, LayeredNumbers, Content)]) -> bool {
        let is_known = |frame: Option<u32>| {
            self.decoded.iter().any(|(_, known)| known.same_source(content) && Some(known.frame) == frame)
        };
        let below = picture.last().map(|(_, _, below)| below.layer + 1);
        content.references().all(is_known) && (!content.below || below == Some(content.layer))
    }
}

impl Stream {
    /// Judges pictures of spatial layers: each of whole frames in the order of their layers, ended by the marker and nowhere else marked,
    /// with a time of its own, and of nothing that refers to what did not come. Returns the highest layer of each.
    pub(super) fn judge_layered(&self, beginning: u64) -> Vec<Content> {
        let mid = &self.mid;
        let mut known: VecDeque<(Content, u32)> = VecDeque::new();
        let mut pictures: Vec<(Arrived, Content)> = Vec::new();
        let mut before: Option<Arrived> = None;
        for (sequence, packet) in self.packets.range(beginning..) {
            let Arrived { content, timestamp, .. } = *packet;
            let numbers = packet.svc.expect("layered");
            let begins = before.is_none_or(|before| before.marker);
            // A source may end within a picture: the next one does not wait for its late packets.
            let cut = content.key && (content.layer, content.packet) == (0, 0) && !begins;
            if begins || cut {
                assert_eq!(
                    (content.layer, content.packet),
                    (0, 0),
                    "{mid} {sequence}: a picture begins with {content:?}"
                );
                if let Some((last, _)) = pictures.last() {
                    let step = timestamp.wrapping_sub(last.timestamp) as i32;
                    assert!(step > 0, "{mid} {sequence}: {content:?} is {step} after {:?}", last.content);
                    let ahead = numbers.ahead_of(&last.svc.expect("layered"));
                    let goes_on = last.content.same_stream(&content) && last.content.frame < content.frame && !cut;
                    let least = if goes_on && !content.key { content.frame - last.content.frame } else { 1 };
                    let least = if goes_on { least * u32::from(numbers.picture_step) } else { least };
                    assert!(
                        ahead >= least && ahead < 1 << (numbers.picture_bits - 1),
                        "{mid} {sequence}: the numbers of pictures keep the distance of {least}, not {ahead}"
                    );
                }
                pictures.push((*packet, content));
            } else {
                let before = before.expect("not the first packet");
                let last = before.content;
                let (layer, number) =
                    if last.packet + 1 == last.of { (last.layer + 1, 0) } else { (last.layer, last.packet + 1) };
                assert_eq!(
                    (content.layer, content.packet, content.frame, timestamp, numbers.picture),
                    (layer, number, last.frame, before.timestamp, before.svc.expect("layered").picture),
                    "{mid} {sequence}: pictures are whole and in one piece"
                );
            }
            if content.packet == 0 {
                let is_known =
                    |frame: Option<u32>| known.iter().any(|(k, _)| k.same_source(&content) && Some(k.frame) == frame);
                assert!(
                    content.references().all(is_known),
                    "{mid} {sequence}: {content:?} refers to what did not come"
                );
                let is_whole = numbers.chain.is_none_or(|chain| known.iter().any(|(_, frame)| *frame == chain));
                assert!(is_whole, "{mid} {sequence}: the chain before {content:?} is broken, {numbers:?}");
                known.push_front((content, numbers.frame));
                known.truncate(REFERENCES);
            }
            assert!(
                !packet.marker || content.packet + 1 == content.of,
                "{mid} {sequence}: the marker is within a frame, {content:?}"
            );
            if let Some((_, top)) = pictures.last_mut() {
                *top = Content { packet: 0, ..content };
            }
            before = Some(*packet);
        }
        pictures.into_iter().map(|(_, top)| top).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;
    use crate::sim::content::vp9::Vp9Numbers;

    /// A frame of one packet, of a picture that refers to the one before in the same layer, or of a key picture.
    fn layer(frame: u32, layer: u8, marker: bool) -> Arrived {
        let key = frame == 0;
        let content = Content { layer, frame, key, refers: u8::from(!key), below: key && layer > 0, ..Content::FIRST };
        let svc = Vp9Numbers {
            picture: frame as u16,
            spatial: layer,
            temporal: 0,
            depends_on_lower: content.below,
            distance: u8::from(!key),
        };
        Arrived { timestamp: frame * 3_000, marker, picture: None, svc: Some(svc.into()), content, at: test_start() }
    }

    fn take(pictures: &mut Pictures, sequence: u64, packet: Arrived) -> Vec<(u32, u8)> {
        pictures.take(sequence, &packet).into_iter().map(|(content, _)| (content.frame, content.layer)).collect()
    }

    #[test]
    fn a_picture_waits_for_its_end_and_for_what_it_refers_to() {
        let mut pictures = Pictures::default();
        assert_eq!(take(&mut pictures, 0, layer(0, 0, false)), []);
        assert_eq!(take(&mut pictures, 1, layer(0, 1, true)), [(0, 1)]);
        assert_eq!(take(&mut pictures, 4, layer(2, 0, true)), [], "picture 1 is missing");
        assert_eq!(take(&mut pictures, 3, layer(1, 1, true)), []);
        assert_eq!(take(&mut pictures, 2, layer(1, 0, false)), [(1, 1), (2, 0)]);
        assert_eq!(take(&mut pictures, 5, layer(3, 0, false)), []);
        assert_eq!(take(&mut pictures, 6, layer(3, 1, true)), [], "its layer was left out of picture 2");
    }

    #[test]
    fn a_marker_too_early_shows_a_second_picture() {
        let mut pictures = Pictures::default();
        take(&mut pictures, 0, layer(0, 0, true));
        // Its numbers say that it needs nothing, as those of a layer with an own key frame.
        let alone = Arrived { svc: layer(0, 0, true).svc, ..layer(0, 0, true) };
        let second = std::panic::AssertUnwindSafe(|| take(&mut pictures, 1, alone));
        assert!(std::panic::catch_unwind(second).is_err());
    }

    #[test]
    fn what_is_taken_for_decodable_and_is_not_is_noticed() {
        let mut pictures = Pictures::default();
        take(&mut pictures, 0, layer(0, 0, true));
        take(&mut pictures, 1, layer(1, 0, true));
        let mut closed_up = layer(3, 0, true);
        closed_up.svc = layer(2, 0, true).svc;
        let broken = std::panic::AssertUnwindSafe(|| take(&mut pictures, 2, closed_up));
        assert!(std::panic::catch_unwind(broken).is_err(), "picture 2 was left out, and its number closed up");
    }
}
