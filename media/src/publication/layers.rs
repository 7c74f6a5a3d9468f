//! The spatial layers of one encoding: how many there are, how high each is, and what each takes of the bitrate.

use super::cost::Shares;
use crate::allocation::MAX_SPATIAL;
use crate::codec::vp9::Vp9Descriptor;
use crate::formats::Codec;
use crate::subscription::Tier;

/// What is known of the spatial layers. Without any, the encoding is one.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SpatialLayers {
    /// As the publisher last told; 0 before it did.
    told: u8,
    /// Height in pixels of each, as the publisher last told.
    heights: [Option<u16>; MAX_SPATIAL],
    shares: Shares,
}

impl SpatialLayers {
    /// Counts a packet of an encoding that may have layers, and reads what it tells of them.
    #[inline]
    pub(super) fn on_packet(&mut self, codec: Codec, tier: Tier, len: usize, payload: &[u8]) {
        self.shares.on_packet(Some(tier.spatial), len);
        if tier.begins && codec == Codec::Vp9 {
            self.read_vp9(payload);
        }
    }

    /// The scalability structure comes with key pictures, and when the layers change.
    fn read_vp9(&mut self, payload: &[u8]) {
        let structure = Vp9Descriptor::parse(payload).and_then(|descriptor| descriptor.structure(payload));
        if let Some(structure) = structure {
            let sizes = structure.sizes().unwrap_or_default();
            self.tell(structure.spatial_layer_count(), sizes.iter().map(|(_, height)| *height));
        }
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
    use crate::subscription::Picture;

    /// Layers 180, 360 and 720 high, as Chromium tells them with a key picture.
    const KEY: [u8; 17] = [0xbe, 0x8e, 0x35, 0x10, 0x50, 1, 0x40, 0, 0xb4, 2, 0x80, 1, 0x68, 5, 0, 2, 0xd0];

    fn packet(layers: &mut SpatialLayers, payload: &[u8], len: usize) {
        let picture = Picture::read(Codec::Vp9, payload, None).expect("numbered");
        layers.on_packet(Codec::Vp9, picture.tier.expect("layered"), len, payload);
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
