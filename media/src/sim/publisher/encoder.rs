//! How many bytes an encoder of VP8, VP9 or AV1 makes of each frame, and which frames refer to which.
//!
//! Sizes vary as with libvpx in its real-time mode: log-normally around a mean, key frames several times as large,
//! which the frames after them save again, so that the bitrate is met.

use crate::formats::Codec;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// One encoding of a camera.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layer {
    /// Its rid, if it is one of several.
    pub(crate) rid: Option<&'static str>,
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Of the encoded frames, without any headers of packets.
    pub(crate) target_bps: u64,
}

/// What a camera's encoder is set to.
#[derive(Clone, Debug)]
pub(crate) struct Encoded {
    /// The lowest first.
    pub(crate) layers: Vec<Layer>,
    pub(crate) frames_per_s: u32,
    /// Three temporal layers instead of one.
    pub(crate) temporal_layers: bool,
    /// The layers of VP9 and AV1 are spatial ones of one stream, which refer to one another in key pictures alone, as L3T3_KEY of
    /// WebRTC-SVC has it.
    pub(crate) codec: Codec,
}

impl Encoded {
    /// A camera of 720p in three encodings, with the bitrates that Parlor's client sets.
    pub(crate) fn simulcast() -> Self {
        let layer = |rid, width, height, target_bps| Layer { rid: Some(rid), width, height, target_bps };
        Self {
            layers: vec![
                layer("q", 320, 180, 150_000),
                layer("h", 640, 360, 500_000),
                layer("f", 1280, 720, 1_500_000),
            ],
            frames_per_s: 30,
            temporal_layers: false,
            codec: Codec::Vp8,
        }
    }

    /// The same as Chromium sends it: in three frame rates.
    pub(crate) fn of_chromium() -> Self {
        Self { temporal_layers: true, ..Self::simulcast() }
    }

    /// The same camera in VP9 or AV1 with three spatial layers.
    pub(crate) fn svc(codec: Codec) -> Self {
        let simulcast = Self::simulcast();
        let layers = simulcast.layers.iter().map(|layer| Layer { rid: None, ..*layer }).collect();
        Self { layers, temporal_layers: true, codec, ..simulcast }
    }

    /// Whether its layers are of one stream.
    pub(crate) fn is_svc(&self) -> bool {
        self.codec != Codec::Vp8
    }

    /// The same of a scene that takes this share of the bits.
    pub(crate) fn scaled(&self, share: f64) -> Self {
        let scale = |layer: &Layer| Layer { target_bps: (layer.target_bps as f64 * share) as u64, ..*layer };
        Self { layers: self.layers.iter().map(scale).collect(), ..self.clone() }
    }
}

/// A frame's place among the temporal layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// TID of RFC 7741.
    pub(crate) layer: u8,
    /// Its Y bit: the frame refers to the base layer alone.
    pub(crate) is_sync: bool,
    /// The frames that it refers to, as bits: the lowest is the one before.
    pub(crate) refers: u8,
}

/// libwebrtc's pattern of three temporal layers for VP8 (`default_temporal_layers.cc`), which Chromium sends with simulcast. The base layer
/// refers to itself, the next to both, the top to both and to nothing of its own.
const PATTERN: [Place; 8] = [
    Place { layer: 0, is_sync: false, refers: 0b1000 },
    Place { layer: 2, is_sync: true, refers: 0b1 },
    Place { layer: 1, is_sync: true, refers: 0b10 },
    Place { layer: 2, is_sync: false, refers: 0b101 },
    Place { layer: 0, is_sync: false, refers: 0b1000 },
    Place { layer: 2, is_sync: false, refers: 0b101 },
    Place { layer: 1, is_sync: false, refers: 0b1010 },
    Place { layer: 2, is_sync: false, refers: 0b101 },
];

/// libwebrtc's of VP9 and AV1 (`scalability_structure_full_svc.cc`): every frame of the base layer is one to switch up behind.
const SVC_PATTERN: [Place; 4] = [
    Place { layer: 0, is_sync: true, refers: 0b1000 },
    Place { layer: 2, is_sync: true, refers: 0b1 },
    Place { layer: 1, is_sync: true, refers: 0b10 },
    Place { layer: 2, is_sync: true, refers: 0b1 },
];

/// Each frame's share of the mean: 40 % of the bits for the base layer, 20 % for the next, 40 % for the top one.
const SHARES: [f64; 3] = [1.6, 0.8, 0.8];

/// The deviation of a frame's size, as of its logarithm.
const DEVIATION: f64 = 0.2;

/// What is too much is saved again within so many frames.
const SAVED_WITHIN: f64 = 15.0;

/// A frame gets at least this share of its mean, however much is to be saved.
const LEAST_SHARE: f64 = 0.4;

/// The encoder of one layer.
pub(super) struct Encoder {
    rng: SmallRng,
    layer: Layer,
    mean_bytes: f64,
    temporal_layers: bool,
    pattern: &'static [Place],
    /// Frames since the latest key frame.
    since_key: usize,
    /// Bytes beyond the bitrate so far; negative where frames were small.
    excess_bytes: f64,
}

impl Encoder {
    pub(super) fn new(settings: &Encoded, layer: Layer, seed: u64) -> Self {
        Self {
            rng: SmallRng::seed_from_u64(seed),
            layer,
            mean_bytes: layer.target_bps as f64 / 8.0 / f64::from(settings.frames_per_s),
            temporal_layers: settings.temporal_layers,
            pattern: if settings.is_svc() { &SVC_PATTERN } else { &PATTERN },
            since_key: 0,
            excess_bytes: 0.0,
        }
    }

    /// Where in its pattern the latest frame is.
    pub(super) fn phase(&self) -> usize {
        self.since_key % self.pattern.len()
    }

    pub(super) fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Encodes a frame: its bytes, and what it refers to.
    pub(super) fn encode(&mut self, key: bool) -> (usize, Place) {
        self.since_key = if key { 0 } else { self.since_key + 1 };
        let place = match (key, self.temporal_layers) {
            (true, _) => Place { refers: 0, ..self.pattern[0] },
            (false, true) => self.pattern[self.phase()],
            (false, false) => Place { refers: 1, ..self.pattern[0] },
        };
        let share = if self.temporal_layers { SHARES[usize::from(place.layer)] } else { 1.0 };
        let saved = (self.excess_bytes / SAVED_WITHIN).max(0.0);
        let normal = self.normal();
        let spread = (normal * DEVIATION - DEVIATION * DEVIATION / 2.0).exp();
        let mean = self.mean_bytes * share;
        let bytes = if key {
            self.mean_bytes * self.rng.random_range(4.0..6.0)
        } else {
            (mean * spread - saved).max(mean * LEAST_SHARE)
        };
        self.excess_bytes += bytes - self.mean_bytes;
        // Saving nothing for later: an encoder that had little to do does not burst afterwards.
        self.excess_bytes = self.excess_bytes.max(-2.0 * self.mean_bytes);
        (bytes as usize, place)
    }

    /// Normally distributed (Box and Muller).
    fn normal(&mut self) -> f64 {
        let (radius, angle): (f64, f64) = (self.rng.random(), self.rng.random());
        (-2.0 * (1.0 - radius).ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoder(temporal_layers: bool) -> Encoder {
        let settings = Encoded { temporal_layers, ..Encoded::simulcast() };
        Encoder::new(&settings, settings.layers[1], 1)
    }

    #[test]
    fn the_bitrate_is_met_with_and_without_temporal_layers() {
        for temporal_layers in [false, true] {
            let mut encoder = encoder(temporal_layers);
            let sizes: Vec<usize> = (0..1_800).map(|frame| encoder.encode(frame % 300 == 0).0).collect();
            let bps = sizes.iter().sum::<usize>() as f64 * 8.0 / 60.0;
            assert!((bps / 500_000.0 - 1.0).abs() < 0.05, "{bps}");
            let mean = 500_000 / 8 / 30;
            assert!((4 * mean..=6 * mean).contains(&sizes[300]), "a key frame of {}", sizes[300]);
            assert!(sizes[330..600].iter().any(|size| *size > mean * 5 / 4), "sizes vary");
        }
    }

    #[test]
    fn a_frame_refers_to_no_higher_layer() {
        let mut encoder = encoder(true);
        let places: Vec<Place> = (0..40).map(|frame| encoder.encode(frame == 0).1).collect();
        assert_eq!(places[..8].iter().map(|place| place.layer).collect::<Vec<_>>(), [0, 2, 1, 2, 0, 2, 1, 2]);
        for (at, place) in places.iter().enumerate().skip(1) {
            let bases = (0..8).filter(|bit| place.refers >> bit & 1 == 1).map(|bit| places[at - bit - 1].layer);
            let bases: Vec<u8> = bases.collect();
            assert!(!bases.is_empty() && bases.iter().all(|base| *base <= place.layer));
            assert!(place.layer == 0 || place.is_sync == (bases == [0]));
        }
    }
}
