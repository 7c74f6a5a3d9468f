//! The dependency descriptor header extension (AV1 RTP payload format 1.0, appendix A), also used with VP8, VP9 and H.264.
//!
//! Forwarding needs its mandatory fields and, on keyframes, which layers the templates stand for. The mandatory fields
//! are byte-aligned, so that renumbering frames is a matter of two bytes.

use super::bits::Bits;

/// Templates are numbered with six bits.
const MAX_TEMPLATES: usize = 64;

/// Where a structure begins, in bits: behind the mandatory 24 bits and five flags.
const STRUCTURE_AT: usize = 24 + 5;

/// The mandatory fields of a descriptor, and which optional parts follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DependencyDescriptor {
    /// First packet of a frame.
    pub is_frame_start: bool,
    /// Last packet of a frame.
    pub is_frame_end: bool,
    /// Frame dependency template, modulo 64.
    pub template_id: u8,
    /// Frame number, which counts the frames of all layers.
    pub frame_number: u16,
    /// A template dependency structure follows: the packet begins a coded video sequence.
    pub has_structure: bool,
}

impl DependencyDescriptor {
    /// Parses the mandatory fields; `None` when the value is shorter than they are.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let [flags, high, low] = *value.first_chunk()?;
        Some(Self {
            is_frame_start: flags & 0x80 != 0,
            is_frame_end: flags & 0x40 != 0,
            template_id: flags & 0x3f,
            frame_number: u16::from_be_bytes([high, low]),
            has_structure: value.get(3).is_some_and(|extended| extended & 0x80 != 0),
        })
    }

    /// Whether a decoder can start with this packet. A structure comes with the first packet of a coded video sequence.
    #[must_use]
    pub const fn is_keyframe_start(&self) -> bool {
        self.is_frame_start && self.has_structure
    }

    /// Rewrites the frame number in a copy of the value; a value too short to have one is left alone.
    pub fn renumber(value: &mut [u8], frame_number: u16) {
        if let Some([_, number @ ..]) = value.first_chunk_mut::<3>() {
            *number = frame_number.to_be_bytes();
        }
    }
}

/// The layers that a template dependency structure gives its templates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateLayers {
    offset: u8,
    count: u8,
    /// Spatial and temporal layer of each template.
    layers: [(u8, u8); MAX_TEMPLATES],
}

impl TemplateLayers {
    /// Reads the structure of a descriptor that has one; `None` without one, or when it makes no sense.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        if !DependencyDescriptor::parse(value)?.has_structure {
            return None;
        }
        let mut bits = Bits::new(value);
        bits.skip(STRUCTURE_AT)?;
        // template_id_offset and dt_cnt_minus_one.
        let offset = bits.take(6)? as u8;
        bits.skip(5)?;
        let (mut spatial, mut temporal) = (0u8, 0u8);
        let mut structure = Self { offset, count: 0, layers: [(0, 0); MAX_TEMPLATES] };
        loop {
            let place = structure.layers.get_mut(usize::from(structure.count))?;
            *place = (spatial, temporal);
            structure.count += 1;
            // next_layer_idc: the same layer, the next temporal, the next spatial, or the end.
            match bits.take(2)? {
                0 => {}
                1 => temporal += 1,
                2 => {
                    spatial += 1;
                    temporal = 0;
                }
                _ => return Some(structure),
            }
        }
    }

    /// The spatial and temporal layer of frames of a template; `None` for one that the structure does not define.
    #[must_use]
    pub fn layer(&self, template_id: u8) -> Option<(u8, u8)> {
        let index = template_id.wrapping_sub(self.offset) & 0x3f;
        self.layers.get(..usize::from(self.count))?.get(usize::from(index)).copied()
    }
}

/// Width and height of the highest spatial layer (max_render_width and max_render_height), where the structure tells.
#[must_use]
pub fn largest_resolution(value: &[u8]) -> Option<(u16, u16)> {
    let layers = TemplateLayers::parse(value)?;
    let templates = usize::from(layers.count);
    let spatial_layers = layers.layers[..templates].iter().map(|(spatial, _)| spatial + 1).max()?;
    let mut bits = Bits::new(value);
    bits.skip(STRUCTURE_AT + 6)?;
    let targets = bits.take(5)? + 1;
    // template_layers, then template_dtis.
    bits.skip(2 * templates + 2 * templates * targets as usize)?;
    for _ in 0..templates {
        while bits.take(1)? == 1 {
            bits.skip(4)?;
        }
    }
    let chains = bits.take_below(targets + 1)?;
    if chains > 0 {
        for _ in 0..targets {
            bits.take_below(chains)?;
        }
        bits.skip(4 * templates * chains as usize)?;
    }
    if bits.take(1)? == 0 {
        return None;
    }
    bits.skip(32 * (usize::from(spatial_layers) - 1))?;
    let (width, height) = (bits.take(16)? + 1, bits.take(16)? + 1);
    Some((width.try_into().ok()?, height.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::bits::pack;
    use proptest::prelude::*;

    /// L2T2 with templates from id 60 on.
    fn l2t2() -> Vec<u8> {
        let mandatory = [(1, 1), (0, 1), (60, 6), (0x0203, 16)];
        let flags = [(1, 1), (0, 4)];
        let structure = [(60, 6), (3, 5), (1, 2), (2, 2), (0, 2), (1, 2), (3, 2)];
        pack(&[&mandatory[..], &flags, &structure].concat())
    }

    #[test]
    fn reads_the_mandatory_fields() {
        let descriptor = DependencyDescriptor::parse(&[0x40 | 7, 0x12, 0x34]).expect("long enough");
        assert!(!descriptor.is_frame_start && descriptor.is_frame_end && !descriptor.is_keyframe_start());
        assert_eq!((descriptor.template_id, descriptor.frame_number), (7, 0x1234));
        assert_eq!(DependencyDescriptor::parse(&[0x80, 0]), None);
        assert!(DependencyDescriptor::parse(&l2t2()).expect("long enough").is_keyframe_start());
    }

    #[test]
    fn renumbers_in_place() {
        let mut value = [0xc1, 0, 1, 0x77];
        DependencyDescriptor::renumber(&mut value, 0xabcd);
        assert_eq!(value, [0xc1, 0xab, 0xcd, 0x77]);
        DependencyDescriptor::renumber(&mut value[..2], 0);
        assert_eq!(value[..2], [0xc1, 0xab]);
    }

    #[test]
    fn templates_have_layers() {
        let layers = TemplateLayers::parse(&l2t2()).expect("has a structure");
        let found: Vec<_> = [60, 61, 62, 63, 0].map(|id| layers.layer(id)).into_iter().flatten().collect();
        assert_eq!(found, [(0, 0), (0, 1), (1, 0), (1, 0), (1, 1)]);
        assert_eq!(layers.layer(1), None);
        assert_eq!(layers.layer(59), None);
    }

    #[test]
    fn the_highest_layer_has_a_resolution() {
        let with = |chains: &[(u32, usize)], resolutions: &[(u32, usize)]| {
            let mandatory = [(1, 1), (0, 1), (0, 6), (7, 16), (1, 1), (0, 4)];
            // Two spatial layers of a template each, two decode targets: four indications, then a difference of one for the second.
            let structure = [(0, 6), (1, 5), (2, 2), (3, 2), (0b1110_1010, 8), (0, 1), (1, 1), (0, 4), (0, 1)];
            largest_resolution(&pack(&[&mandatory[..], &structure, chains, resolutions].concat()))
        };
        let sizes = [(1, 1), (319, 16), (179, 16), (639, 16), (359, 16)];
        assert_eq!(with(&[(0, 1)], &sizes), Some((640, 360)));
        // One chain, which ns(3) writes as 10; ns(1) takes no bits.
        assert_eq!(with(&[(0b10, 2), (5, 4), (6, 4)], &sizes), Some((640, 360)));
        // Two chains: 11, then one bit for each decode target.
        assert_eq!(with(&[(0b11, 2), (0b01, 2), (0x1234, 16)], &sizes), Some((640, 360)));
        assert_eq!(with(&[(0, 1)], &[(0, 1)]), None);
        assert_eq!(with(&[(0, 1)], &sizes[..4]), None, "cut short");
    }

    #[test]
    fn an_endless_structure_is_refused() {
        let mut value = vec![0x80, 0, 0, 0x80];
        value.extend([0; 64]);
        assert_eq!(TemplateLayers::parse(&value), None);
    }

    proptest! {
        #[test]
        fn is_total(mut value in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Some(flags) = value.get_mut(3) { *flags |= 0x80 }
            let _ = largest_resolution(&value);
            if let Some(layers) = TemplateLayers::parse(&value) {
                for id in 0..=255 { let _ = layers.layer(id); }
            }
        }
    }
}
