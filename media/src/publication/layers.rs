//! The spatial layers of one encoding: how many there are, how high each is, and what each takes of the bitrate.

use super::cost::Shares;
use crate::allocation::MAX_SPATIAL;
use crate::codec::dependency::{self, DependencyDescriptor, Structure};
use crate::codec::vp9::Vp9Descriptor;
use crate::subscription::Tier;

/// What is known of the spatial layers. Without any, the encoding is one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpatialLayers {
    /// As the publisher last told; 0 before it did.
    told: u8,
    /// Height in pixels of each, as the publisher last told.
    heights: [Option<u16>; MAX_SPATIAL],
    /// The decode targets that are sent, as bits, where a publisher of AV1 has told that not all are.
    active_targets: Option<u32>,
    shares: Shares,
}

impl SpatialLayers {
    /// Counts a packet of an encoding that may have layers.
    #[inline]
    pub(super) fn on_packet(&mut self, tier: Tier, len: usize) {
        self.shares.on_packet(Some(tier.spatial), len);
    }

    /// Reads what a picture of VP9 tells of them. The scalability structure comes with key pictures, and when the layers change.
    pub(super) fn read_vp9(&mut self, payload: &[u8]) {
        let structure = Vp9Descriptor::parse(payload).and_then(|descriptor| descriptor.structure(payload));
        if let Some(structure) = structure {
            let sizes = structure.sizes().unwrap_or_default();
            self.tell(structure.spatial_layer_count(), sizes.iter().map(|(_, height)| *height));
        }
    }

    /// The same of AV1. The structure holds until the next; which decode targets are sent is told with a key picture, and when that
    /// changes (AV1 RTP payload format 1.0, section A.8.3).
    pub(super) fn read_av1(&mut self, structure: Option<&Structure>, descriptor: Option<&[u8]>) {
        let Some((structure, value)) = structure.zip(descriptor) else { return };
        let active = dependency::active_targets(value, structure);
        if active.is_some() || DependencyDescriptor::parse(value).is_some_and(|descriptor| descriptor.has_structure) {
            self.active_targets = active;
        }
        let count =
            self.active_targets.map_or(structure.spatial_layer_count(), |active| structure.active_layer_count(active));
        let sizes = structure.sizes().unwrap_or_default();
        self.tell(count, sizes.iter().map(|(_, height)| *height));
    }

    /// The publisher tells how many layers there are, and how high they are where it does.
    fn tell(&mut self, count: u8, heights: impl Iterator<Item = u16>) {
        self.told = count.min(MAX_SPATIAL as u8);
        self.heights = [None; MAX_SPATIAL];
        for (known, height) in self.heights.iter_mut().zip(heights) {
            *known = Some(height).filter(|height| *height > 0);
        }
    }

    /// Ends an interval of about a second.
    pub(super) fn measure(&mut self) {
        self.shares.measure();
    }

    /// How many there are, 1 at least: as many as the publisher tells, or else as came of late.
    pub(crate) fn count(&self) -> usize {
        if self.told > 0 { usize::from(self.told) } else { self.shares.count().max(1) }
    }

    /// Height of a layer in pixels, where known.
    pub(crate) fn height(&self, layer: usize) -> Option<u16> {
        self.heights.get(layer).copied().flatten()
    }

    /// What each costs together with those below it, where all that comes costs `whole_bps`.
    pub(crate) fn costs_bps(&self, whole_bps: u64) -> [u64; MAX_SPATIAL] {
        self.shares.costs_bps(whole_bps, self.count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::pack;
    use crate::formats::Codec;
    use crate::sim::content::av1::key_descriptor;
    use crate::subscription::Picture;

    /// Layers 180, 360 and 720 high, as Chromium tells them with a key picture.
    const KEY: [u8; 17] = [0xbe, 0x8e, 0x35, 0x10, 0x50, 1, 0x40, 0, 0xb4, 2, 0x80, 1, 0x68, 5, 0, 2, 0xd0];

    fn packet(layers: &mut SpatialLayers, payload: &[u8], len: usize) {
        let picture = Picture::read(Codec::Vp9, payload, None, None).expect("numbered");
        layers.on_packet(picture.tier.expect("layered"), len);
        layers.read_vp9(payload);
    }

    #[test]
    fn the_publisher_tells_of_its_layers() {
        let mut layers = SpatialLayers::default();
        assert_eq!((layers.count(), layers.height(0)), (1, None));
        packet(&mut layers, &KEY, 900);
        assert_eq!(layers.count(), 3);
        assert_eq!([0, 1, 2, 3].map(|layer| layers.height(layer)), [Some(180), Some(360), Some(720), None]);
        packet(&mut layers, &[0xfd, 0x8e, 0x36, 0x12, 0x02], 400);
        // Of a structure for two layers, without sizes.
        packet(&mut layers, &[0xfe, 0x8e, 0x37, 0x10, 0x02, 0x20], 900);
        assert_eq!((layers.count(), layers.height(0)), (2, None));
    }

    #[test]
    fn a_publisher_of_av1_tells_which_of_its_layers_it_sends() {
        let key = key_descriptor(3, 7, &[(320, 180), (640, 360), (1_280, 720)]);
        let structure = Structure::parse(&key);
        let mut layers = SpatialLayers::default();
        let mut told = |value: &[u8]| {
            layers.read_av1(structure.as_ref(), Some(value));
            (layers.count(), layers.height(0), layers.height(2))
        };
        assert_eq!(told(&key), (3, Some(180), Some(720)));
        let active = |targets| pack(&[(1, 1), (0, 1), (3, 6), (8, 16), (0b01000, 5), (targets, 9)]);
        assert_eq!(told(&active(0b11_1111)).0, 2);
        assert_eq!(told(&[0x83, 0, 9]).0, 2, "until another word");
        assert_eq!(told(&active(0b1_1111_1111)).0, 3);
        assert_eq!(told(&active(0b111)).0, 1);
        assert_eq!(told(&key).0, 3, "a key picture has all");
        layers.read_av1(None, Some(&[0x83, 0, 9]));
        assert_eq!(layers.count(), 3, "nothing is known of the packet");
    }

    #[test]
    fn layers_are_counted_where_the_publisher_tells_nothing() {
        let mut layers = SpatialLayers::default();
        for (layer, len) in [(0x10, 56), (0x12, 256), (0x14, 556)] {
            packet(&mut layers, &[0xfd, 0x8e, 0x36, layer, 0x02], len);
        }
        layers.measure();
        assert_eq!((layers.count(), layers.costs_bps(1_000_000)), (3, [100_000, 400_000, 1_000_000, 0]));
        packet(&mut layers, &[0xbe, 0x8e, 0x37, 0x10, 0xe0], 900);
        assert_eq!(layers.count(), MAX_SPATIAL, "no more than that are told apart");
    }
}
