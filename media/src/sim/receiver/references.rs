//! Which frames of VP8 libwebrtc takes to refer to which, from the numbers in their payload descriptors alone
//! (`RtpVp8RefFinder` in `modules/video_coding/rtp_vp8_ref_finder.cc`).
//!
//! A frame of the base layer refers to the one before, a layer sync frame to the base layer, any other to the newest of each layer up to its
//! own, and waits while a picture id between them and itself has not been seen.

use crate::sim::content::Vp8Numbers;
use std::collections::{BTreeMap, BTreeSet};

const LAYERS: usize = 4;

/// Base layers of which the newest frames are remembered (`kMaxLayerInfo`).
const MAX_BASES: i64 = 50;

/// Pictures that may be missing, and frames that may wait (`kMaxNotYetReceivedFrames`, `kMaxStashedFrames`).
const MAX_MISSING: i64 = 100;
const MAX_STASHED: usize = 100;

/// A frame that is whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// Number of its first packet.
    pub(super) first: u64,
    pub(super) numbers: Vp8Numbers,
    pub(super) is_key: bool,
}

/// A frame whose references are known: its picture and theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) first: u64,
    pub(super) picture: i64,
    pub(super) refers: Vec<i64>,
}

enum Decision {
    Stash,
    HandOff(Vec<i64>),
    Drop,
}

/// See the module's text. Numbers are unwrapped.
#[derive(Default)]
pub(super) struct References {
    newest_picture: Option<i64>,
    newest_tl0: Option<i64>,
    missing: BTreeSet<i64>,
    /// The newest picture of each layer, by base layer.
    layers: BTreeMap<i64, [Option<i64>; LAYERS]>,
    stashed: Vec<Frame>,
}

impl References {
    /// Takes a frame; returns it with its references, and those that have waited for it.
    pub(super) fn take(&mut self, frame: Frame) -> Vec<Found> {
        let mut found = Vec::new();
        match self.decide(&frame) {
            Decision::Drop => {}
            Decision::Stash => {
                if self.stashed.len() == MAX_STASHED {
                    self.stashed.remove(0);
                }
                self.stashed.push(frame);
            }
            Decision::HandOff(refers) => {
                found.push(self.found(&frame, refers));
                self.retry(&mut found);
            }
        }
        found
    }

    /// Forgets what waits from before that packet: something newer was decoded.
    pub(super) fn clear_to(&mut self, first: u64) {
        self.stashed.retain(|frame| frame.first >= first);
    }

    fn retry(&mut self, found: &mut Vec<Found>) {
        loop {
            let before = found.len();
            for frame in std::mem::take(&mut self.stashed) {
                match self.decide(&frame) {
                    Decision::Stash => self.stashed.push(frame),
                    Decision::HandOff(refers) => found.push(self.found(&frame, refers)),
                    Decision::Drop => {}
                }
            }
            if found.len() == before {
                return;
            }
        }
    }

    fn found(&self, frame: &Frame, refers: Vec<i64>) -> Found {
        let picture = nearest(self.newest_picture, i64::from(frame.numbers.picture), 1 << 15);
        Found { first: frame.first, picture, refers }
    }

    fn decide(&mut self, frame: &Frame) -> Decision {
        let Vp8Numbers { layer, is_sync, .. } = frame.numbers;
        let picture = self.note_picture(frame.numbers.picture);
        let tl0 = nearest(self.newest_tl0, i64::from(frame.numbers.tl0), 1 << 8);
        self.newest_tl0 = self.newest_tl0.max(Some(tl0));
        self.layers = self.layers.split_off(&(tl0 - MAX_BASES));
        let layer = usize::from(layer);
        if frame.is_key {
            self.layers.insert(tl0, [None; LAYERS]);
            self.update(tl0, layer, picture);
            return Decision::HandOff(Vec::new());
        }
        let base = if layer == 0 { tl0 - 1 } else { tl0 };
        let Some(known) = self.layers.get(&base).copied() else { return Decision::Stash };
        let is_old = |newest: Option<i64>| newest.is_some_and(|newest| newest >= picture);
        let refers = if layer == 0 {
            if is_old(known[0]) {
                return Decision::Drop;
            }
            self.layers.insert(tl0, known);
            known[..1].iter().flatten().copied().collect()
        } else if is_sync {
            if is_old(known[layer]) {
                return Decision::Drop;
            }
            known[..1].iter().flatten().copied().collect()
        } else {
            let mut refers = Vec::new();
            for newest in &known[..=layer] {
                match *newest {
                    None => return Decision::Stash,
                    Some(newest) if newest >= picture => return Decision::Drop,
                    Some(newest) if self.missing.range(newest + 1..picture).next().is_some() => return Decision::Stash,
                    Some(newest) => refers.push(newest),
                }
            }
            refers
        };
        self.update(tl0, layer, picture);
        Decision::HandOff(refers)
    }

    /// Notes that there is a picture of this number, and those before it.
    fn note_picture(&mut self, picture: u16) -> i64 {
        let picture = nearest(self.newest_picture, i64::from(picture), 1 << 15);
        let newest = self.newest_picture.unwrap_or(picture - 1).max(picture - MAX_MISSING);
        self.missing.extend(newest + 1..=picture);
        self.missing = self.missing.split_off(&(picture - MAX_MISSING));
        self.newest_picture = Some(newest.max(picture));
        picture
    }

    fn update(&mut self, tl0: i64, layer: usize, picture: i64) {
        for base in tl0.. {
            match self.layers.get_mut(&base) {
                Some(known) if known[layer].is_none_or(|newest| newest <= picture) => known[layer] = Some(picture),
                _ => break,
            }
        }
        self.missing.remove(&picture);
    }
}

/// A number without its wrap-around: the nearest to the newest so far.
fn nearest(newest: Option<i64>, number: i64, cycle: i64) -> i64 {
    let Some(newest) = newest else { return number + cycle };
    let ahead = (number - newest).rem_euclid(cycle);
    newest + if ahead < cycle / 2 { ahead } else { ahead - cycle }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A frame of libwebrtc's pattern of three layers, the first with picture 0x7ffe and TL0PICIDX 255.
    fn frame(number: u16) -> Frame {
        let layer = [0, 2, 1, 2][usize::from(number % 4)];
        let numbers = Vp8Numbers {
            picture: (0x7ffe + number) & 0x7fff,
            tl0: (255 + number / 4) as u8,
            layer,
            is_sync: [1, 2].contains(&(number % 8)),
        };
        Frame { first: u64::from(number), numbers, is_key: number == 0 }
    }

    fn take(references: &mut References, number: u16) -> Vec<(u64, Vec<i64>)> {
        let first = 0x7ffe + (1 << 15);
        let found = references.take(frame(number));
        found
            .into_iter()
            .map(|found| (found.first, found.refers.iter().map(|picture| picture - first).collect()))
            .collect()
    }

    #[test]
    fn frames_refer_to_the_newest_of_the_layers_below() {
        let mut references = References::default();
        let found: Vec<_> =
            (0..10).flat_map(|number| take(&mut references, number)).map(|(_, refers)| refers).collect();
        let expected: [&[i64]; 10] = [&[], &[0], &[0], &[0, 2, 1], &[0], &[4, 2, 3], &[4, 2], &[4, 6, 5], &[4], &[8]];
        assert_eq!(found, expected);
    }

    #[test]
    fn only_frames_that_are_no_layer_sync_wait_for_missing_pictures() {
        let mut references = References::default();
        for number in [0, 1, 2, 4] {
            assert_eq!(take(&mut references, number).len(), 1);
        }
        assert_eq!(take(&mut references, 6), [], "3 may be what it refers to");
        assert_eq!(take(&mut references, 8).len(), 1);
        assert_eq!(take(&mut references, 9), [(9, vec![8])], "a layer sync");
        let mut references = References::default();
        (0..5).for_each(|number| assert_eq!(take(&mut references, number).len(), 1));
        assert_eq!(take(&mut references, 6), []);
        references.clear_to(6);
        assert_eq!(take(&mut references, 5), [(5, vec![4, 2, 3]), (6, vec![4, 2])]);
    }
}
