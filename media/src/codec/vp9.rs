//! VP9's payload descriptor (RFC 9628 section 4.2), flexible and non-flexible mode.

use super::{PictureFields, PictureIdField};

/// At most this many reference indices follow in flexible mode (section 4.2).
const MAX_REFERENCES: usize = 3;

/// Spatial layers that a scalability structure can name (N_S).
const MAX_SPATIAL: usize = 8;

/// The layer of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp9Layers {
    /// Temporal layer, 0 the base.
    pub temporal: u8,
    /// Spatial layer, 0 the base.
    pub spatial: u8,
    /// A receiver may move up to this temporal layer here (U).
    pub is_switching_up_point: bool,
    /// The frame depends on the spatial layer below in the same picture (D).
    pub depends_on_lower_spatial: bool,
}

/// Where the fields of one packet's descriptor lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp9Descriptor {
    first: u8,
    pictures: PictureFields,
    layers: Option<Vp9Layers>,
    /// Of the scalability structure.
    structure_at: Option<usize>,
    len: usize,
}

impl Vp9Descriptor {
    /// Parses the descriptor; `None` when the payload ends inside it or it names more references than it may.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut descriptor =
            Self { first, pictures: PictureFields::default(), layers: None, structure_at: None, len: 1 };
        let mut at = 1;
        if first & 0x80 != 0 {
            let field = PictureIdField::parse(payload, at)?;
            at = field.end();
            descriptor.pictures.id = Some(field);
        }
        let is_flexible = first & 0x10 != 0;
        if first & 0x20 != 0 {
            let byte = *payload.get(at)?;
            descriptor.layers = Some(Vp9Layers {
                temporal: byte >> 5,
                spatial: byte >> 1 & 0x07,
                is_switching_up_point: byte & 0x10 != 0,
                depends_on_lower_spatial: byte & 0x01 != 0,
            });
            at += 1;
            if !is_flexible {
                payload.get(at)?;
                descriptor.pictures.tl0_index_at = Some(at);
                at += 1;
            }
        }
        if is_flexible && descriptor.is_inter_predicted() {
            at = references_end(payload, at)?;
        }
        if first & 0x02 != 0 {
            descriptor.structure_at = Some(at);
            at = structure_end(payload, at)?;
        }
        descriptor.len = at;
        Some(descriptor)
    }

    /// Bytes of the descriptor; the VP9 frame follows.
    #[must_use]
    pub const fn descriptor_len(&self) -> usize {
        self.len
    }

    /// Whether the frame refers to earlier pictures (P).
    #[must_use]
    pub const fn is_inter_predicted(&self) -> bool {
        self.first & 0x40 != 0
    }

    /// Whether this is the first packet of a frame of one spatial layer (B).
    #[must_use]
    pub const fn is_frame_start(&self) -> bool {
        self.first & 0x08 != 0
    }

    /// Whether this is the last packet of a frame of one spatial layer (E).
    #[must_use]
    pub const fn is_frame_end(&self) -> bool {
        self.first & 0x04 != 0
    }

    /// Whether no higher spatial layer refers to this frame (Z).
    #[must_use]
    pub const fn is_not_referenced_above(&self) -> bool {
        self.first & 0x01 != 0
    }

    /// Whether this is the first packet of a key picture: its lowest spatial layer, which refers to nothing.
    #[must_use]
    pub fn is_keyframe_start(&self) -> bool {
        self.is_frame_start() && !self.is_inter_predicted() && self.layers.is_none_or(|layers| layers.spatial == 0)
    }

    /// The layer, where the descriptor names it.
    #[must_use]
    pub const fn layers(&self) -> Option<Vp9Layers> {
        self.layers
    }

    /// The spatial layers that the stream has, on packets that carry a scalability structure.
    #[must_use]
    pub fn structure(&self, payload: &[u8]) -> Option<Vp9Structure> {
        Vp9Structure::read(payload.get(self.structure_at?..)?)
    }

    /// Where the numbers of its picture are; TL0PICIDX in non-flexible mode only.
    #[must_use]
    pub const fn pictures(&self) -> PictureFields {
        self.pictures
    }
}

/// Flexible mode's list of P_DIFFs: each says in its lowest bit whether another follows.
fn references_end(payload: &[u8], start: usize) -> Option<usize> {
    for at in start..start + MAX_REFERENCES {
        if *payload.get(at)? & 0x01 == 0 {
            return Some(at + 1);
        }
    }
    None
}

/// What a scalability structure (section 4.2.1) tells of the spatial layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp9Structure {
    count: u8,
    /// Width and height in pixels of each; `None` where the structure has no sizes (Y).
    sizes: Option<[(u16, u16); MAX_SPATIAL]>,
}

impl Vp9Structure {
    fn read(structure: &[u8]) -> Option<Self> {
        let (&head, fields) = structure.split_first()?;
        let count = (head >> 5) + 1;
        if head & 0x10 == 0 {
            return Some(Self { count, sizes: None });
        }
        let mut sizes = [(0, 0); MAX_SPATIAL];
        let fields = fields.get(..4 * usize::from(count))?;
        for (size, field) in sizes.iter_mut().zip(fields.chunks_exact(4)) {
            let [w0, w1, h0, h1] = *field.first_chunk()?;
            *size = (u16::from_be_bytes([w0, w1]), u16::from_be_bytes([h0, h1]));
        }
        Some(Self { count, sizes: Some(sizes) })
    }

    /// How many there are.
    #[must_use]
    pub const fn spatial_layer_count(&self) -> u8 {
        self.count
    }

    /// Width and height in pixels of each, the lowest first, where they are told.
    #[must_use]
    pub fn sizes(&self) -> Option<&[(u16, u16)]> {
        self.sizes.as_ref()?.get(..usize::from(self.count))
    }
}

/// The scalability structure (section 4.2.1).
fn structure_end(payload: &[u8], start: usize) -> Option<usize> {
    let head = *payload.get(start)?;
    let mut at = start + 1;
    if head & 0x10 != 0 {
        at += 4 * (usize::from(head >> 5) + 1);
    }
    if head & 0x08 != 0 {
        let pictures = *payload.get(at)?;
        at += 1;
        for _ in 0..pictures {
            at += 1 + usize::from(*payload.get(at)? >> 2 & 0x03);
        }
    }
    (at <= payload.len()).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// I L B V, 15-bit picture id 0x0102, T0 S0, TL0PICIDX 7, a structure of 2 layers with sizes and one picture.
    const KEY: [u8; 18] =
        [0xaa, 0x81, 0x02, 0x00, 7, 0b0011_1000, 1, 64, 0, 180, 2, 128, 1, 104, 1, 0b0000_0100, 1, 0xee];

    #[test]
    fn reads_a_key_picture_with_its_structure() {
        let descriptor = Vp9Descriptor::parse(&KEY).expect("valid");
        assert!(descriptor.is_keyframe_start());
        assert_eq!(descriptor.pictures().id(&KEY), Some((0x0102, 15)));
        assert_eq!(descriptor.pictures().tl0_index(&KEY), Some(7));
        let structure = descriptor.structure(&KEY).expect("is there");
        assert_eq!(structure.spatial_layer_count(), 2);
        assert_eq!(structure.sizes(), Some(&[(320, 180), (640, 360)][..]));
        assert_eq!(descriptor.descriptor_len(), 17);
    }

    #[test]
    fn only_the_lowest_layer_of_a_key_picture_starts_it() {
        let starts = |payload: &[u8]| Vp9Descriptor::parse(payload).expect("valid").is_keyframe_start();
        assert!(starts(&[0x08, 1]));
        assert!(starts(&[0x28, 0x00, 0]));
        assert!(!starts(&[0x28, 0x03, 0]), "spatial layer 1");
        assert!(!starts(&[0x48, 1]), "an interframe");
        assert!(!starts(&[0x00, 1]), "a continuation");
    }

    #[test]
    fn flexible_mode_has_references_instead_of_tl0picidx() {
        let payload = [0xfc, 0x11, 0b0101_0010, 0x03, 0x04, 0x99];
        let descriptor = Vp9Descriptor::parse(&payload).expect("valid");
        let layers = descriptor.layers().expect("named");
        assert_eq!((layers.temporal, layers.spatial, layers.is_switching_up_point), (2, 1, true));
        assert_eq!((descriptor.pictures().tl0_index(&payload), descriptor.descriptor_len()), (None, 5));
        assert!(descriptor.is_frame_end());
        assert_eq!(Vp9Descriptor::parse(&[0x50, 1, 1, 1, 0]), None, "four references");
    }

    /// Of Chromium 156 with `scalabilityMode: 'L3T3_KEY'`: the heads of the packets of a key picture and of the next.
    #[test]
    fn reads_what_chromium_sends() {
        let packets: [&[u8]; 6] = [
            &[0xbe, 0x8e, 0x35, 0x10, 0x50, 1, 0x40, 0, 0xb4, 2, 0x80, 1, 0x68, 5, 0, 2, 0xd0, 0x83, 0x49, 0x83, 0x42],
            &[0xbc, 0x8e, 0x35, 0x13, 0x87, 0x02],
            &[0xb9, 0x8e, 0x35, 0x15, 0x87, 0x04],
            &[0xb5, 0x8e, 0x35, 0x15, 0xa5, 0x83],
            &[0xfd, 0x8e, 0x36, 0x50, 0x02, 0x87],
            &[0xfd, 0x8e, 0x36, 0x52, 0x02, 0x87],
        ];
        let read = packets.map(|payload| {
            let descriptor = Vp9Descriptor::parse(payload).expect("valid");
            let layers = descriptor.layers().expect("named");
            assert!(layers.is_switching_up_point);
            assert_eq!(descriptor.pictures().tl0_index(payload), None, "flexible mode");
            (layers.spatial, layers.temporal, layers.depends_on_lower_spatial, descriptor.is_frame_end())
        });
        let layers = [(0, 0, false, true), (1, 0, true, true), (2, 0, true, false), (2, 0, true, true)];
        assert_eq!(read[..4], layers);
        assert_eq!(read[4..], [(0, 2, false, true), (1, 2, false, true)]);
        let key = Vp9Descriptor::parse(packets[0]).expect("valid");
        assert!(key.is_keyframe_start());
        let structure = key.structure(packets[0]).expect("is there");
        assert_eq!(structure.sizes(), Some(&[(320, 180), (640, 360), (1_280, 720)][..]));
    }

    #[test]
    fn renumbering_keeps_the_widths() {
        let mut payload = KEY;
        let descriptor = Vp9Descriptor::parse(&payload).expect("valid");
        descriptor.pictures().renumber(&mut payload, 5, 8);
        assert_eq!(payload[..6], [0xaa, 0x80, 5, 0x00, 8, 0b0011_1000]);
        assert_eq!(payload[5..], KEY[5..]);
    }

    #[test]
    fn refuses_descriptors_cut_short() {
        for len in 0..17 {
            assert_eq!(Vp9Descriptor::parse(&KEY[..len]), None, "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn renumbering_reads_back(mut payload in prop::collection::vec(any::<u8>(), 0..32), picture_id in 0u16..0x8000, tl0 in any::<u8>()) {
            let Some(descriptor) = Vp9Descriptor::parse(&payload) else { return Ok(()) };
            prop_assert!(descriptor.descriptor_len() <= payload.len());
            if let Some(structure) = descriptor.structure(&payload) {
                prop_assert!(structure.sizes().is_none_or(|sizes| sizes.len() == usize::from(structure.spatial_layer_count())));
            }
            descriptor.pictures().renumber(&mut payload, picture_id, tl0);
            prop_assert_eq!(Vp9Descriptor::parse(&payload), Some(descriptor));
            if let Some((read, bits)) = descriptor.pictures().id(&payload) {
                prop_assert_eq!(read, picture_id & ((1 << bits) - 1));
            }
        }
    }
}
