//! The payload of VP9 with spatial layers in flexible mode (RFC 9628 section 4.2), as Chromium sends it.

use super::Content;
use super::layered::LayeredNumbers;
use crate::sim::publisher::Place;

/// Bytes of the descriptor up to the layers.
const HEAD_LEN: usize = 4;

/// What a descriptor says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Vp9Numbers {
    pub(crate) picture: u16,
    pub(crate) spatial: u8,
    pub(crate) temporal: u8,
    /// D.
    pub(crate) depends_on_lower: bool,
    /// P_DIFF, 0 for none.
    pub(crate) distance: u8,
}

impl From<Vp9Numbers> for LayeredNumbers {
    fn from(numbers: Vp9Numbers) -> Self {
        let Vp9Numbers { picture, spatial, temporal, depends_on_lower, distance } = numbers;
        let frame = |picture: u16, spatial: u8| u32::from(picture & 0x7fff) << 3 | u32::from(spatial);
        let earlier = (distance > 0).then(|| frame(picture.wrapping_sub(distance.into()), spatial));
        Self {
            frame: frame(picture, spatial),
            spatial,
            temporal,
            refers: [earlier, depends_on_lower.then(|| frame(picture, spatial - 1))],
            chain: None,
            picture,
            picture_bits: 15,
            picture_step: 1,
        }
    }
}

/// A payload: descriptor, content, filler. The first packet of a key picture tells the `sizes` of all layers.
pub(crate) fn payload(picture: u16, place: Place, sizes: &[(u16, u16)], content: &Content, len: usize) -> Vec<u8> {
    let Content { key, packet, of, layer, below, .. } = *content;
    let tells = key && layer == 0 && packet == 0;
    let is_top = usize::from(layer) + 1 == sizes.len();
    let flags = [(0x40, !key), (0x08, packet == 0), (0x04, packet + 1 == of), (0x02, tells), (0x01, !key || is_top)];
    let flags = flags.into_iter().fold(0xb0, |bits, (bit, is_set)| bits | if is_set { bit } else { 0 });
    let [high, low] = (picture & 0x7fff | 0x8000).to_be_bytes();
    let mut payload = vec![flags, high, low, place.layer << 5 | 0x10 | layer << 1 | u8::from(below)];
    if !key {
        assert_eq!(place.refers.count_ones(), 1, "one reference");
        payload.push((place.refers.trailing_zeros() as u8 + 1) << 1);
    }
    if tells {
        payload.push((sizes.len() as u8 - 1) << 5 | 0x10);
        for (width, height) in sizes {
            payload.extend(width.to_be_bytes());
            payload.extend(height.to_be_bytes());
        }
    }
    content.write(&mut payload);
    payload.resize(payload.len().max(len), 0xaa);
    payload
}

/// The descriptor and the content of a payload.
pub(crate) fn read(payload: &[u8]) -> (Vp9Numbers, Content) {
    let flags = payload[0];
    assert_eq!(flags & 0xb0, 0xb0, "the descriptor kept its form");
    let layers = payload[HEAD_LEN - 1];
    let is_inter = flags & 0x40 != 0;
    let mut at = HEAD_LEN + usize::from(is_inter);
    if flags & 0x02 != 0 {
        at += 1 + 4 * (usize::from(payload[at] >> 5) + 1);
    }
    let content = Content::read(&payload[at..]);
    assert_eq!(
        (flags & 0x08 != 0, flags & 0x04 != 0, layers >> 1 & 7),
        (content.packet == 0, content.packet + 1 == content.of, content.layer),
        "B, E and SID are of {content:?}"
    );
    let numbers = Vp9Numbers {
        picture: u16::from_be_bytes([payload[1], payload[2]]) & 0x7fff,
        spatial: layers >> 1 & 7,
        temporal: layers >> 5,
        depends_on_lower: layers & 1 != 0,
        distance: if is_inter { payload[HEAD_LEN] >> 1 } else { 0 },
    };
    (numbers, content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::vp9::Vp9Descriptor;

    #[test]
    fn a_layer_reads_back_here_and_as_a_descriptor() {
        let sizes = [(320, 180), (640, 360), (1280, 720)];
        let key = Content { publisher: 3, frame: 700, of: 9, ..Content::FIRST };
        let place = Place { layer: 0, is_sync: false, refers: 0 };
        let bytes = payload(0x1234, place, &sizes, &key, 1_000);
        let numbers = Vp9Numbers { picture: 0x1234, spatial: 0, temporal: 0, depends_on_lower: false, distance: 0 };
        assert_eq!((read(&bytes), bytes.len()), ((numbers, key), 1_000));
        let descriptor = Vp9Descriptor::parse(&bytes).expect("valid");
        assert!(descriptor.is_keyframe_start());
        assert_eq!(descriptor.structure(&bytes).and_then(|s| s.sizes().map(<[_]>::len)), Some(3));

        let above = Content { layer: 2, packet: 8, key: false, refers: 0b10, below: true, ..key };
        let bytes = payload(5, Place { layer: 1, is_sync: true, refers: 0b10 }, &sizes, &above, 300);
        let numbers = Vp9Numbers { picture: 5, spatial: 2, temporal: 1, depends_on_lower: true, distance: 2 };
        assert_eq!(read(&bytes), (numbers, above));
        let descriptor = Vp9Descriptor::parse(&bytes).expect("valid");
        assert!(descriptor.is_frame_end() && !descriptor.is_frame_start() && descriptor.is_inter_predicted());
    }
}
