//! The dependency descriptor header extension (AV1 RTP payload format 1.0, appendix A), also used with VP8, VP9 and H.264.
//!
//! Forwarding needs its mandatory fields, which are byte-aligned, so that renumbering frames is a matter of two bytes; and the structure
//! that key frames bring, which tells the layer of each later frame by its template.

mod structure;

pub use structure::{Structure, Template};

use super::bits::Bits;

/// Where what the flags tell of begins, in bits: behind the mandatory 24 bits and five flags.
const EXTENDED_AT: usize = 24 + 5;

/// The mandatory fields of a descriptor, and which optional parts follow (sections A.8.2 and A.8.3).
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
    /// The decode targets that are sent at present follow.
    pub has_active_targets: bool,
    /// The frame has decode target indications of its own, instead of its template's.
    pub has_own_indications: bool,
}

impl DependencyDescriptor {
    /// Parses the mandatory fields and the flags; `None` when the value is shorter than the former.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let [flags, high, low] = *value.first_chunk()?;
        let extended = value.get(3).copied().unwrap_or(0);
        Some(Self {
            is_frame_start: flags & 0x80 != 0,
            is_frame_end: flags & 0x40 != 0,
            template_id: flags & 0x3f,
            frame_number: u16::from_be_bytes([high, low]),
            has_structure: extended & 0x80 != 0,
            has_active_targets: extended & 0x40 != 0,
            has_own_indications: extended & 0x20 != 0,
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

/// The decode targets that are sent at present, bit n for number n, where the value tells: its own structure's, or those of `structure`.
#[must_use]
pub fn active_targets(value: &[u8], structure: &Structure) -> Option<u32> {
    let descriptor = DependencyDescriptor::parse(value).filter(|descriptor| descriptor.has_active_targets)?;
    let mut bits = Bits::new(value);
    bits.skip(EXTENDED_AT)?;
    if descriptor.has_structure {
        Structure::take(&mut bits)?;
    }
    bits.take(structure.target_count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_mandatory_fields() {
        let descriptor = DependencyDescriptor::parse(&[0x40 | 7, 0x12, 0x34]).expect("long enough");
        assert!(!descriptor.is_frame_start && descriptor.is_frame_end && !descriptor.is_keyframe_start());
        assert_eq!((descriptor.template_id, descriptor.frame_number), (7, 0x1234));
        assert_eq!(DependencyDescriptor::parse(&[0x80, 0]), None);
    }

    #[test]
    fn reads_what_follows() {
        let flags = |byte: u8| {
            let descriptor = DependencyDescriptor::parse(&[0x80, 0, 1, byte]).expect("long enough");
            (descriptor.has_structure, descriptor.has_active_targets, descriptor.has_own_indications)
        };
        assert_eq!(flags(0b1101_1000), (true, true, false));
        assert_eq!(flags(0b0010_0111), (false, false, true));
    }

    #[test]
    fn renumbers_in_place() {
        let mut value = [0xc1, 0, 1, 0x77];
        DependencyDescriptor::renumber(&mut value, 0xabcd);
        assert_eq!(value, [0xc1, 0xab, 0xcd, 0x77]);
        DependencyDescriptor::renumber(&mut value[..2], 0);
        assert_eq!(value[..2], [0xc1, 0xab]);
    }
}
