//! VP8's payload descriptor (RFC 7741 section 4.2).

use super::{PictureFields, PictureIdField};

/// Where the fields of one packet's descriptor lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vp8Descriptor {
    starts_partition: bool,
    partition: u8,
    pictures: PictureFields,
    temporal: Option<Temporal>,
    key_index: Option<u8>,
    len: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Temporal {
    layer: u8,
    is_sync: bool,
}

impl Vp8Descriptor {
    /// Parses the descriptor; `None` when the payload ends inside it.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let first = *payload.first()?;
        let mut descriptor = Self {
            starts_partition: first & 0x10 != 0,
            partition: first & 0x07,
            pictures: PictureFields::default(),
            temporal: None,
            key_index: None,
            len: 1,
        };
        if first & 0x80 == 0 {
            return Some(descriptor);
        }
        let present = *payload.get(1)?;
        let [has_picture_id, has_tl0, has_tid, has_key_index] = [0x80, 0x40, 0x20, 0x10].map(|bit| present & bit != 0);
        let mut at = 2;
        if has_picture_id {
            let field = PictureIdField::parse(payload, at)?;
            at = field.end();
            descriptor.pictures.id = Some(field);
        }
        if has_tl0 {
            payload.get(at)?;
            descriptor.pictures.tl0_index_at = Some(at);
            at += 1;
        }
        if has_tid || has_key_index {
            let byte = *payload.get(at)?;
            descriptor.temporal = has_tid.then_some(Temporal { layer: byte >> 6, is_sync: byte & 0x20 != 0 });
            descriptor.key_index = has_key_index.then_some(byte & 0x1f);
            at += 1;
        }
        descriptor.len = at;
        Some(descriptor)
    }

    /// Bytes of the descriptor; the VP8 payload follows.
    #[must_use]
    pub const fn descriptor_len(&self) -> usize {
        self.len
    }

    /// Whether this is the first packet of a frame.
    #[must_use]
    pub const fn is_frame_start(&self) -> bool {
        self.starts_partition && self.partition == 0
    }

    /// Whether this is the first packet of a keyframe (RFC 7741 section 4.3: the inverse key frame flag).
    #[must_use]
    pub fn is_keyframe_start(&self, payload: &[u8]) -> bool {
        self.is_frame_start() && payload.get(self.len).is_some_and(|byte| byte & 0x01 == 0)
    }

    /// Where the numbers of its picture are.
    #[must_use]
    pub const fn pictures(&self) -> PictureFields {
        self.pictures
    }

    /// The temporal layer, 0 the base.
    #[must_use]
    pub fn temporal_layer(&self) -> Option<u8> {
        self.temporal.map(|temporal| temporal.layer)
    }

    /// Whether a receiver may move up to this frame's temporal layer here (the Y bit).
    #[must_use]
    pub fn is_layer_sync(&self) -> bool {
        self.temporal.is_some_and(|temporal| temporal.is_sync)
    }

    /// The running number of keyframes.
    #[must_use]
    pub const fn key_index(&self) -> Option<u8> {
        self.key_index
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// X S=1 PID=0, I L T K, 15-bit picture id 0x1234, TL0PICIDX 9, TID 2 Y KEYIDX 5, then a keyframe's first byte.
    const FULL: [u8; 7] = [0x90, 0xf0, 0x92, 0x34, 9, 0b1010_0101, 0x10];

    #[test]
    fn reads_every_field() {
        let descriptor = Vp8Descriptor::parse(&FULL).expect("valid");
        assert_eq!(descriptor.pictures().id(&FULL), Some((0x1234, 15)));
        assert_eq!(descriptor.pictures().tl0_index(&FULL), Some(9));
        assert_eq!((descriptor.temporal_layer(), descriptor.is_layer_sync()), (Some(2), true));
        assert_eq!((descriptor.key_index(), descriptor.descriptor_len()), (Some(5), 6));
        assert!(descriptor.is_keyframe_start(&FULL));
    }

    #[test]
    fn a_keyframe_starts_once() {
        let starts = |payload: &[u8]| Vp8Descriptor::parse(payload).expect("valid").is_keyframe_start(payload);
        assert!(starts(&[0x10, 0x00]));
        assert!(!starts(&[0x10, 0x01]), "an interframe");
        assert!(!starts(&[0x00, 0x00]), "a continuation");
        assert!(!starts(&[0x11, 0x00]), "another partition");
        assert!(!starts(&[0x10]), "no payload");
    }

    #[test]
    fn renumbering_keeps_the_widths() {
        let mut long = FULL;
        let descriptor = Vp8Descriptor::parse(&long).expect("valid");
        descriptor.pictures().renumber(&mut long, 0x7f05, 200);
        assert_eq!(long, [0x90, 0xf0, 0xff, 0x05, 200, 0b1010_0101, 0x10]);
        let mut short = [0x90, 0x80, 0x12, 0x01];
        let descriptor = Vp8Descriptor::parse(&short).expect("valid");
        assert_eq!(descriptor.pictures().id(&short), Some((0x12, 7)));
        descriptor.pictures().renumber(&mut short, 0x1ff, 1);
        assert_eq!(short, [0x90, 0x80, 0x7f, 0x01]);
    }

    #[test]
    fn refuses_descriptors_cut_short() {
        for len in 0..6 {
            assert_eq!(Vp8Descriptor::parse(&FULL[..len]), None, "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn renumbering_reads_back(mut payload in prop::collection::vec(any::<u8>(), 0..16), picture_id in 0u16..0x8000, tl0 in any::<u8>()) {
            let Some(descriptor) = Vp8Descriptor::parse(&payload) else { return Ok(()) };
            let len = payload.len();
            descriptor.pictures().renumber(&mut payload, picture_id, tl0);
            prop_assert_eq!(payload.len(), len);
            prop_assert_eq!(Vp8Descriptor::parse(&payload), Some(descriptor));
            if let Some((read, bits)) = descriptor.pictures().id(&payload) {
                prop_assert_eq!(read, picture_id & ((1 << bits) - 1));
            }
            descriptor.pictures().renumber(&mut [], picture_id, tl0);
        }
    }
}
