//! AV1 with spatial and temporal layers: its dependency descriptor (AV1 RTP payload format 1.0, appendix A), as libwebrtc writes it for
//! L3T3_KEY (`ScalabilityStructureL3T3Key`), and a payload, into which nobody looks.

use super::Content;
use super::layered::LayeredNumbers;
use crate::codec::pack;
use crate::sim::publisher::Place;

const SPATIAL_LAYERS: u8 = 3;
const TARGETS: usize = 9;

/// Templates of each spatial layer.
const OF_A_LAYER: u8 = 5;

/// What frames of a template have in common.
pub(crate) struct Template {
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    /// Decode target indications: of spatial layers times temporal ones.
    indications: &'static str,
    /// To what it refers, in frames.
    distance: Option<u8>,
    /// To the frame before it in each chain.
    chains: [u8; SPATIAL_LAYERS as usize],
}

const fn template((spatial, temporal): (u8, u8), indications: &'static str, distance: u8, chains: [u8; 3]) -> Template {
    let distance = if distance == 0 { None } else { Some(distance) };
    Template { spatial, temporal, indications, distance, chains }
}

/// Of each spatial layer: of key pictures, of the base layer, of the middle one, and of the two frames between those.
pub(crate) const TEMPLATES: [Template; (SPATIAL_LAYERS * OF_A_LAYER) as usize] = [
    template((0, 0), "SSSSSSSSS", 0, [0, 0, 0]),
    template((0, 0), "SSS------", 12, [12, 11, 10]),
    template((0, 1), "-DS------", 6, [6, 5, 4]),
    template((0, 2), "--D------", 3, [3, 2, 1]),
    template((0, 2), "--D------", 3, [9, 8, 7]),
    template((1, 0), "---SSSSSS", 1, [1, 1, 1]),
    template((1, 0), "---SSS---", 12, [1, 12, 11]),
    template((1, 1), "----DS---", 6, [7, 6, 5]),
    template((1, 2), "-----D---", 3, [4, 3, 2]),
    template((1, 2), "-----D---", 3, [10, 9, 8]),
    template((2, 0), "------SSS", 1, [2, 1, 1]),
    template((2, 0), "------SSS", 12, [2, 1, 12]),
    template((2, 1), "-------DS", 6, [8, 7, 6]),
    template((2, 2), "--------D", 3, [5, 4, 3]),
    template((2, 2), "--------D", 3, [11, 10, 9]),
];

/// The first template's number in each life of a publisher: libwebrtc counts on, so that those of two structures are not mistaken.
const fn offset(life: u8) -> u8 {
    (life as usize * TEMPLATES.len() % 64) as u8
}

/// The first fields of a descriptor.
fn mandatory(content: &Content, index: u8, frame_number: u16) -> [(u32, usize); 4] {
    let is = |flag: bool| (u32::from(flag), 1);
    let id = (offset(content.life) + index) % 64;
    [is(content.packet == 0), is(content.packet + 1 == content.of), (id.into(), 6), (frame_number.into(), 16)]
}

/// The descriptor of a packet of the picture whose base layer is the frame of a number; `phase` is the picture's place in the pattern. The
/// first packet of a key picture tells the `sizes` of all layers.
pub(crate) fn descriptor(content: &Content, place: Place, phase: usize, number: u16, sizes: &[(u16, u16)]) -> Vec<u8> {
    let variant = match place.layer {
        _ if content.key => 0,
        layer @ 0..2 => layer + 1,
        _ if phase < 2 => 3,
        _ => 4,
    };
    let index = content.layer * OF_A_LAYER + variant;
    let template = &TEMPLATES[usize::from(index)];
    if content.key {
        assert_eq!(content.below, template.spatial > 0);
    } else {
        assert_eq!(Some(place.refers.trailing_zeros() as u8 * 3 + 3), template.distance);
    }
    let mandatory = mandatory(content, index, number.wrapping_add(content.layer.into()));
    if content.key && content.layer == 0 && content.packet == 0 {
        return pack(&[&mandatory[..], &structure(offset(content.life), sizes)].concat());
    }
    pack(&mandatory)
}

/// The descriptor of a key picture's first packet, of which there is one.
pub(crate) fn key_descriptor(offset: u8, number: u16, sizes: &[(u16, u16)]) -> Vec<u8> {
    let mandatory = [(1, 1), (1, 1), (u32::from(offset), 6), (u32::from(number), 16)];
    pack(&[&mandatory[..], &structure(offset, sizes)].concat())
}

/// The flags, and template_dependency_structure().
fn structure(offset: u8, sizes: &[(u16, u16)]) -> Vec<(u32, usize)> {
    let mut fields = vec![(0b1_0000, 5), (offset.into(), 6), (TARGETS as u32 - 1, 5)];
    for pair in TEMPLATES.windows(2) {
        let next = match (pair[1].spatial - pair[0].spatial, pair[1].temporal) {
            (0, temporal) => u32::from(temporal - pair[0].temporal),
            (..) => 2,
        };
        fields.push((next, 2));
    }
    fields.push((3, 2));
    for template in &TEMPLATES {
        let indications = template.indications.chars().map(|one| "-DSR".find(one).expect("an indication") as u32);
        fields.extend(indications.map(|one| (one, 2)));
    }
    for template in &TEMPLATES {
        fields.extend(template.distance.into_iter().flat_map(|distance| [(1, 1), (u32::from(distance) - 1, 4)]));
        fields.push((0, 1));
    }
    // ns(10) of 3 and, for each decode target, ns(3) of its spatial layer.
    fields.push((u32::from(SPATIAL_LAYERS), 3));
    fields.extend((0..TARGETS).map(|target| [(0, 1), (0b10, 2), (0b11, 2)][target / 3]));
    let chains = TEMPLATES.iter().flat_map(|template| template.chains);
    fields.extend(chains.map(|distance| (u32::from(distance), 4)));
    fields.push((1, 1));
    let sides = sizes.iter().flat_map(|(width, height)| [width, height]);
    fields.extend(sides.map(|side| (u32::from(*side) - 1, 16)));
    fields
}

/// A payload: the aggregation header (section 4.4), content, filler.
pub(crate) fn payload(content: &Content, len: usize) -> Vec<u8> {
    let begins = content.key && content.layer == 0 && content.packet == 0;
    let flags = [(0x80, content.packet > 0), (0x40, content.packet + 1 < content.of), (0x10, true), (0x08, begins)];
    let mut payload = vec![flags.into_iter().filter(|(_, is_set)| *is_set).fold(0, |bits, (bit, _)| bits | bit)];
    content.write(&mut payload);
    payload.resize(payload.len().max(len), 0xaa);
    payload
}

/// The content of a payload, and what its descriptor says.
pub(crate) fn read(payload: &[u8], descriptor: &[u8]) -> (LayeredNumbers, Content) {
    let content = Content::read(&payload[1..]);
    let [flags, high, low] = *descriptor.first_chunk().expect("the mandatory fields");
    assert_eq!(
        (flags & 0x80 != 0, flags & 0x40 != 0, descriptor.len() > 3),
        (content.packet == 0, content.packet + 1 == content.of, payload[0] & 0x08 != 0),
        "beginning, end and structure are of {content:?}"
    );
    let index = (flags & 0x3f).wrapping_sub(offset(content.life)) & 0x3f;
    let template = TEMPLATES.get(usize::from(index)).unwrap_or_else(|| panic!("{content:?} is of template {index}"));
    assert_eq!(template.spatial, content.layer, "the template is of {content:?}");
    let number = u16::from_be_bytes([high, low]);
    let back = |distance: u8| u32::from(number.wrapping_sub(distance.into()));
    let chain = template.chains[usize::from(template.spatial)];
    let numbers = LayeredNumbers {
        frame: number.into(),
        spatial: template.spatial,
        temporal: template.temporal,
        refers: [template.distance.map(back), None],
        chain: Some(chain).filter(|distance| *distance > 0).map(back),
        picture: number.wrapping_sub(template.spatial.into()),
        picture_bits: 16,
        picture_step: SPATIAL_LAYERS.into(),
    };
    (numbers, content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::dependency::DependencyDescriptor;
    use crate::codec::is_keyframe_start;
    use crate::formats::Codec;

    #[test]
    fn a_layer_reads_back_here_and_as_a_descriptor() {
        let sizes = [(320, 180), (640, 360), (1_280, 720)];
        let key = Content { publisher: 3, frame: 700, of: 9, life: 5, ..Content::FIRST };
        let place = Place { layer: 0, is_sync: true, refers: 0 };
        let (value, bytes) = (descriptor(&key, place, 0, 0xffff, &sizes), payload(&key, 1_000));
        let (numbers, content) = read(&bytes, &value);
        assert_eq!((content, bytes.len(), numbers.frame, numbers.refers), (key, 1_000, 0xffff, [None; 2]));
        assert!(is_keyframe_start(Codec::Av1, &bytes, Some(&value)) && is_keyframe_start(Codec::Av1, &bytes, None));

        let above = Content { layer: 2, packet: 8, key: false, refers: 0b10, ..key };
        let place = Place { layer: 1, is_sync: true, refers: 0b10 };
        let (value, bytes) = (descriptor(&above, place, 2, 0xffff, &sizes), payload(&above, 300));
        let (numbers, content) = read(&bytes, &value);
        assert_eq!((content, numbers.frame, numbers.picture), (above, 1, 0xffff));
        assert_eq!((numbers.refers, numbers.chain), ([Some(0xfffb), None], Some(0xfffb)));
        let parsed = DependencyDescriptor::parse(&value).expect("valid");
        assert!(parsed.is_frame_end && !parsed.is_frame_start && !is_keyframe_start(Codec::Av1, &bytes, Some(&value)));
    }
}
