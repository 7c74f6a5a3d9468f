//! The template dependency structure (section A.8.3): which layers a stream has, and which of them each frame template is of.
//!
//! What forwarding has no use for, distances and chains, is passed over: they are told relative to a frame, and hold whatever is left out.

use super::{DependencyDescriptor, EXTENDED_AT};
use crate::codec::bits::Bits;

/// Templates are numbered with six bits.
const MAX_TEMPLATES: usize = 64;

/// Their number less one has five bits.
const MAX_TARGETS: usize = 32;

/// Spatial layers at most: `spatial_id` of an AV1 frame has two bits (AV1 specification section 5.3.3).
const MAX_SPATIAL_LAYERS: usize = 4;

/// The highest temporal layer: `temporal_id` has three bits.
const MAX_TEMPORAL: u8 = 7;

/// Decode target indications (section A.4): the frame is not of the target, or the target needs nothing from before it.
const NOT_PRESENT: u32 = 0;
const SWITCH: u32 = 2;

/// What frames have in common that name the same template.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// Spatial layer, 0 the base.
    pub spatial: u8,
    /// Temporal layer, 0 the base.
    pub temporal: u8,
    /// Behind such a frame a receiver may move up to any temporal layer of its spatial one, and of those above.
    pub is_switching_up_point: bool,
}

/// See the module's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    /// The first template's number (template_id_offset).
    offset: u8,
    template_count: u8,
    templates: [Template; MAX_TEMPLATES],
    target_count: u8,
    /// The highest spatial layer in each decode target.
    targets: [u8; MAX_TARGETS],
    /// Width and height of each spatial layer (max_render_width and max_render_height), where they are told.
    sizes: Option<[(u16, u16); MAX_SPATIAL_LAYERS]>,
}

impl Structure {
    /// One that says nothing of any frame.
    pub const UNKNOWN: Self = Self {
        offset: 0,
        template_count: 0,
        templates: [Template { spatial: 0, temporal: 0, is_switching_up_point: false }; MAX_TEMPLATES],
        target_count: 0,
        targets: [0; MAX_TARGETS],
        sizes: None,
    };

    /// Reads the structure of a descriptor that has one; `None` without one, or when it is cut short or has more layers than AV1.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        DependencyDescriptor::parse(value).filter(|descriptor| descriptor.has_structure)?;
        let mut bits = Bits::new(value);
        bits.skip(EXTENDED_AT)?;
        Self::take(&mut bits)
    }

    /// Reads template_dependency_structure().
    pub(super) fn take(bits: &mut Bits<'_>) -> Option<Self> {
        let mut structure =
            Self { offset: bits.take(6)? as u8, target_count: bits.take(5)? as u8 + 1, ..Self::UNKNOWN };
        structure.take_layers(bits)?;
        structure.take_indications(bits)?;
        let templates = usize::from(structure.template_count);
        // template_fdiffs.
        for _ in 0..templates {
            while bits.flag()? {
                bits.skip(4)?;
            }
        }
        // template_chains.
        let chains = bits.take_below(structure.target_count() + 1)?;
        if chains > 0 {
            for _ in 0..structure.target_count {
                bits.take_below(chains)?;
            }
            bits.skip(4 * templates * chains as usize)?;
        }
        if bits.flag()? {
            structure.take_sizes(bits)?;
        }
        Some(structure)
    }

    /// template_layers.
    fn take_layers(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let mut template = Template::default();
        loop {
            *self.templates.get_mut(usize::from(self.template_count))? = template;
            self.template_count += 1;
            // next_layer_idc: the same layer, the next temporal, the next spatial, or the end.
            match bits.take(2)? {
                0 => {}
                1 => template.temporal += 1,
                2 => template = Template { spatial: template.spatial + 1, ..Template::default() },
                _ => return Some(()),
            }
            if usize::from(template.spatial) >= MAX_SPATIAL_LAYERS || template.temporal > MAX_TEMPORAL {
                return None;
            }
        }
    }

    /// template_dtis, and from them the layers of decode targets and the switching up points.
    fn take_indications(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        // Of each template the decode targets that it is present in, and those that need nothing from before it, as bits.
        let (mut present, mut switch) = ([0_u32; MAX_TEMPLATES], [0_u32; MAX_TEMPLATES]);
        let rows = present.iter_mut().zip(&mut switch).take(usize::from(self.template_count));
        for (present, switch) in rows {
            for target in 0..self.target_count {
                let indication = bits.take(2)?;
                *present |= u32::from(indication != NOT_PRESENT) << target;
                *switch |= u32::from(indication == SWITCH) << target;
            }
        }
        let mut temporals = [0_u8; MAX_TARGETS];
        for (target, (spatial, temporal)) in self.targets.iter_mut().zip(&mut temporals).enumerate() {
            let all = self.templates.iter().zip(present);
            for (template, _) in all.filter(|(_, present)| present >> target & 1 == 1) {
                *spatial = template.spatial.max(*spatial);
                *temporal = template.temporal.max(*temporal);
            }
        }
        let layers = self.templates;
        let known = || layers.iter().zip(switch).take(usize::from(self.template_count));
        let targets = self.targets.iter().zip(temporals).take(usize::from(self.target_count));
        let switches = |(template, switch): (&Template, u32)| {
            let is_above = |(spatial, temporal): (u8, u8)| spatial == template.spatial && temporal > template.temporal;
            let above = targets.clone().map(|(spatial, temporal)| is_above((*spatial, temporal)));
            let above = above.enumerate().fold(0_u32, |bits, (target, is_above)| bits | u32::from(is_above) << target);
            let is_top = !known().any(|(other, _)| is_above((other.spatial, other.temporal)));
            is_top || above != 0 && above & !switch == 0
        };
        for (template, row) in self.templates.iter_mut().zip(switch).take(usize::from(self.template_count)) {
            // Of a picture with several layers each must be such a point.
            let mut same = known().filter(|(o, _)| o.temporal == template.temporal && o.spatial > template.spatial);
            template.is_switching_up_point = switches((&*template, row)) && same.all(switches);
        }
        Some(())
    }

    /// render_resolutions, of all spatial layers.
    fn take_sizes(&mut self, bits: &mut Bits<'_>) -> Option<()> {
        let mut sizes = [(0, 0); MAX_SPATIAL_LAYERS];
        for size in sizes.iter_mut().take(self.spatial_layer_count().into()) {
            let [width, height] = [bits.take(16)?, bits.take(16)?].map(|less_one| less_one.saturating_add(1));
            *size = (width.try_into().unwrap_or(u16::MAX), height.try_into().unwrap_or(u16::MAX));
        }
        self.sizes = Some(sizes);
        Some(())
    }

    fn templates(&self) -> &[Template] {
        self.templates.get(..usize::from(self.template_count)).unwrap_or_default()
    }

    /// What frames of a template have in common; `None` for one that the structure does not define.
    #[must_use]
    pub fn template(&self, template_id: u8) -> Option<Template> {
        let index = template_id.wrapping_sub(self.offset) & (MAX_TEMPLATES as u8 - 1);
        self.templates().get(usize::from(index)).copied()
    }

    /// How many decode targets there are (DtCnt).
    pub(super) fn target_count(&self) -> u32 {
        u32::from(self.target_count)
    }

    /// How many spatial layers there are.
    #[must_use]
    pub fn spatial_layer_count(&self) -> u8 {
        self.templates().iter().map(|template| template.spatial + 1).max().unwrap_or(0)
    }

    /// How many of them are sent while those decode targets are.
    #[must_use]
    pub fn active_layer_count(&self, active_targets: u32) -> u8 {
        let targets = self.targets.iter().take(self.target_count.into()).enumerate();
        let active = targets.filter(|(target, _)| active_targets >> target & 1 == 1);
        active.map(|(_, spatial)| spatial + 1).max().unwrap_or(0)
    }

    /// Width and height in pixels of each spatial layer, the lowest first, where they are told.
    #[must_use]
    pub fn sizes(&self) -> Option<&[(u16, u16)]> {
        self.sizes.as_ref()?.get(..usize::from(self.spatial_layer_count()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::bits::pack;
    use crate::codec::dependency::active_targets;
    use crate::codec::size::picture_size;
    use crate::formats::Codec;
    use crate::sim::content::av1;
    use proptest::prelude::*;

    /// The fields of a descriptor up to template_dtis: `layers` are next_layer_idc, the last of them 3.
    fn head(offset: u32, targets: u32, layers: &[u32]) -> Vec<(u32, usize)> {
        let mandatory = [(1, 1), (0, 1), (offset, 6), (0x0203, 16), (1, 1), (0, 4), (offset, 6), (targets - 1, 5)];
        mandatory.into_iter().chain(layers.iter().map(|idc| (*idc, 2))).collect()
    }

    /// No distances, no chains and no sizes of so many templates with two targets, whose count of chains takes two bits.
    fn tail(templates: usize) -> Vec<(u32, usize)> {
        vec![(0, 1); templates + 2]
    }

    #[test]
    fn templates_have_layers() {
        // L2T2 with templates from id 60 on, of which two are alike.
        let mut fields = head(60, 2, &[1, 2, 0, 1, 3]);
        fields.extend([(0, 2 * 2 * 5)].into_iter().chain(tail(5)));
        let structure = Structure::parse(&pack(&fields)).expect("has a structure");
        let layers = |id| structure.template(id).map(|template| (template.spatial, template.temporal));
        let found: Vec<_> = [60, 61, 62, 63, 0].map(layers).into_iter().flatten().collect();
        assert_eq!(found, [(0, 0), (0, 1), (1, 0), (1, 0), (1, 1)]);
        assert_eq!((layers(1), layers(59), structure.spatial_layer_count()), (None, None, 2));
        assert_eq!(Structure::UNKNOWN.template(0), None);
    }

    #[test]
    fn l3t3_key_is_read_as_libwebrtc_writes_it() {
        let sizes = [(320, 180), (640, 360), (1_280, 720)];
        let value = av1::key_descriptor(40, 7, &sizes);
        let structure = Structure::parse(&value).expect("has a structure");
        assert_eq!((structure.spatial_layer_count(), structure.target_count()), (3, 9));
        assert_eq!(structure.sizes(), Some(&sizes[..]));
        assert_eq!(picture_size(Codec::Av1, &[], Some(&value)), Some((1_280, 720)));
        for (id, template) in (40..).zip(av1::TEMPLATES) {
            let expected =
                Template { spatial: template.spatial, temporal: template.temporal, is_switching_up_point: true };
            assert_eq!(structure.template(id), Some(expected));
        }
        assert_eq!((structure.template(39), structure.template(55)), (None, None));
        let layers =
            [0b1_1111_1111, 0b111_111, 0b111, 0b1_0000, 0].map(|targets| structure.active_layer_count(targets));
        assert_eq!(layers, [3, 2, 1, 2, 0]);
        for len in 0..value.len() {
            assert_eq!(Structure::parse(&value[..len]), None, "{len} bytes");
        }
    }

    #[test]
    fn a_switching_up_point_switches_all_higher_frame_rates_of_its_picture() {
        // One size, three templates of two frame rates; decode targets of all frames, and of the base alone.
        let switches = |dtis: [u32; 3]| {
            let dtis = dtis.map(|both| (both, 4));
            let fields = [&head(0, 2, &[0, 1, 3])[..], &dtis, &tail(3)].concat();
            let structure = Structure::parse(&pack(&fields)).expect("has a structure");
            [0, 1, 2].map(|id| structure.template(id).expect("known").is_switching_up_point)
        };
        assert_eq!(switches([0b10_10, 0b11_10, 0b01_00]), [true, false, true], "the second requires what was before");
        assert_eq!(switches([0b10_00, 0b10_00, 0b10_00]), [true, true, true]);
        assert_eq!(switches([0b10_10, 0b10_10, 0b00_00]), [false, false, true], "no target of the higher frame rate");
        // Two sizes: the upper one of the base layer is none, so the picture is none.
        let dtis = [0b10_10_00_00, 0b01_00_00_00, 0b00_00_10_11, 0b00_00_00_01].map(|all| (all, 8));
        let fields = [&head(0, 4, &[1, 2, 1, 3])[..], &dtis, &[(0, 4), (0, 2), (0, 1)]].concat();
        let structure = Structure::parse(&pack(&fields)).expect("has a structure");
        let found = [0, 1, 2, 3].map(|id| structure.template(id).expect("known").is_switching_up_point);
        assert_eq!(found, [false, true, false, true]);
    }

    #[test]
    fn what_is_sent_at_present_is_told_with_and_without_a_structure() {
        let structure = Structure::parse(&av1::key_descriptor(3, 7, &[(16, 16); 3])).expect("has a structure");
        // active_decode_targets_bitmask of nine bits behind the flags.
        let value = pack(&[(1, 1), (0, 1), (3, 6), (7, 16), (0b01000, 5), (0b0_0011_1111, 9)]);
        assert_eq!(active_targets(&value, &structure), Some(0b11_1111));
        assert_eq!(active_targets(&value[..4], &structure), None, "cut short");
        assert_eq!(active_targets(&[0x80, 0, 7], &structure), None);
        let mut fields = head(0, 2, &[1, 3]);
        fields[5] = (0b1000, 4);
        fields.extend([(0b10_10_00_10, 8)].into_iter().chain(tail(2)).chain([(0b01, 2)]));
        let value = pack(&fields);
        let structure = Structure::parse(&value).expect("has a structure");
        assert_eq!(active_targets(&value, &structure), Some(1));
    }

    #[test]
    fn an_endless_structure_or_one_of_too_many_layers_is_refused() {
        let mut value = vec![0x80, 0, 0, 0x80];
        value.extend([0; 64]);
        assert_eq!(Structure::parse(&value), None);
        let of = |layers: &[u32]| {
            let dtis = vec![(0, 2 * 2); layers.len()];
            Structure::parse(&pack(&[head(0, 2, layers), dtis, tail(layers.len())].concat()))
        };
        assert!(of(&[2, 2, 2, 3]).is_some_and(|structure| structure.spatial_layer_count() == 4));
        assert_eq!(of(&[2, 2, 2, 2, 3]), None);
        assert!(of(&[1, 1, 1, 1, 1, 1, 1, 3]).is_some());
        assert_eq!(of(&[1, 1, 1, 1, 1, 1, 1, 1, 3]), None);
        let full = |templates: usize| of(&[&vec![0; templates - 1][..], &[3]].concat());
        assert!(full(MAX_TEMPLATES).is_some() && full(MAX_TEMPLATES + 1).is_none());
    }

    proptest! {
        #[test]
        fn is_total(mut value in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(flags) = value.get_mut(3) { *flags |= 0x80 }
            let Some(structure) = Structure::parse(&value) else { return Ok(()) };
            prop_assert!(usize::from(structure.spatial_layer_count()) <= MAX_SPATIAL_LAYERS);
            let defined = (0..=63).filter_map(|id| structure.template(id)).count();
            prop_assert_eq!(defined, structure.templates().len());
            if let Some(active) = active_targets(&value, &structure) {
                prop_assert!(structure.active_layer_count(active) <= structure.spatial_layer_count());
            }
        }
    }
}
