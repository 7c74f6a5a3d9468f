//! The layers of AV1's frames: the structures that the dependency descriptors of an encoding's key frames have told of late.
//!
//! Always holds: each packet is read with the same structure whenever it is read, when it comes, when it has waited for its turn, and when it
//! is sent again. So one that comes late, because the first packet of a key frame was lost or overtaken, holds from the next picture on: what was
//! forwarded before it came counts as without layers. And no picture is read with two.

use crate::codec::dependency::{DependencyDescriptor, Structure};

/// Structures that are remembered. They change when a publisher changes its layers, hardly twice while packets of before are in the ring;
/// what is older is read as without layers.
const REMEMBERED: usize = 4;

/// A structure and the extended sequence number of the first packet that is read with it.
struct Known {
    since: u64,
    structure: Structure,
}

/// See the module's text. It takes memory once there is something to remember.
#[derive(Default)]
pub(super) struct Structures {
    /// The newest first.
    known: Vec<Known>,
    /// It came late, and holds from the next picture on.
    late: Option<Box<Structure>>,
    /// One of whose pictures have frames of several temporal layers (L2T2_KEY_SHIFT). They are not thinned out: a picture might end
    /// within the layers that are sent.
    shifted: Option<Box<Structure>>,
    /// Timestamp and temporal layer of the newest picture.
    newest: Option<(u32, u8)>,
}

impl Structures {
    /// Takes note of the descriptor of a packet, before it is read. `is_newest` says that nothing behind it has come. Returns whether
    /// nothing is known of layers any more.
    pub(super) fn on_packet(&mut self, sequence: u64, timestamp: u32, is_newest: bool, value: &[u8]) -> bool {
        let Some(descriptor) = DependencyDescriptor::parse(value) else { return false };
        if descriptor.is_keyframe_start() {
            return self.learn(sequence, is_newest, value);
        }
        if !is_newest {
            return false;
        }
        let begins = |late: &mut Box<Structure>| {
            descriptor.is_frame_start && late.template(descriptor.template_id).is_some_and(|t| t.spatial == 0)
        };
        if let Some(late) = self.late.take_if(begins) {
            self.know(sequence, *late);
        }
        self.is_shifted(sequence, timestamp, descriptor)
    }

    /// The structure that a packet is read with.
    pub(super) fn of(&self, sequence: u64) -> Option<&Structure> {
        self.known.iter().find(|known| known.since <= sequence).map(|known| &known.structure)
    }

    fn learn(&mut self, sequence: u64, is_newest: bool, value: &[u8]) -> bool {
        let structure = Structure::parse(value).filter(|found| self.shifted.as_deref() != Some(found));
        let structure = structure.unwrap_or(Structure::UNKNOWN);
        let newest = self.known.first();
        if newest.is_some_and(|newest| sequence < newest.since) {
            return false;
        }
        self.late = None;
        if newest.is_some_and(|newest| newest.structure == structure) {
            return false;
        }
        if !is_newest {
            self.late = Some(Box::new(structure));
            return false;
        }
        self.know(sequence, structure)
    }

    /// From a packet on that structure holds. Returns whether it knows of no layers.
    #[cold]
    fn know(&mut self, since: u64, structure: Structure) -> bool {
        let is_unknown = structure == Structure::UNKNOWN;
        if self.known.capacity() == 0 {
            self.known.reserve_exact(REMEMBERED);
        }
        self.known.truncate(REMEMBERED - 1);
        self.known.insert(0, Known { since, structure });
        self.newest = None;
        is_unknown
    }

    /// Whether the picture of a packet has turned out to be of several temporal layers: then its structure holds no longer.
    fn is_shifted(&mut self, sequence: u64, timestamp: u32, descriptor: DependencyDescriptor) -> bool {
        let Some(known) = self.known.first() else { return false };
        let Some(template) = known.structure.template(descriptor.template_id) else { return false };
        let before = self.newest.replace((timestamp, template.temporal));
        let is_shifted = before.is_some_and(|(at, temporal)| at == timestamp && temporal != template.temporal);
        if is_shifted {
            self.shifted = Some(Box::new(known.structure.clone()));
            self.know(sequence, Structure::UNKNOWN);
        }
        is_shifted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::content::av1::{TEMPLATES, Template, key_descriptor};
    use proptest::prelude::*;

    /// Of a key frame whose templates begin with that number.
    fn key(offset: u8) -> Vec<u8> {
        key_descriptor(offset, 0, &[(320, 180), (640, 360), (1_280, 720)])
    }

    /// The first packet of a frame of a spatial and a temporal layer.
    fn frame(offset: u8, spatial: u8, temporal: u8) -> [u8; 3] {
        let of = |template: &Template| (template.spatial, template.temporal);
        let index = TEMPLATES.iter().position(|template| of(template) == (spatial, temporal)).expect("there is one");
        [0x80 | (offset + index as u8), 0, 1]
    }

    /// Which templates a packet is read with, by the first.
    fn read(structures: &Structures, sequence: u64) -> Option<u8> {
        let structure = structures.of(sequence)?;
        (0..64).find(|id| structure.template(*id).is_some() && structure.template(id.wrapping_sub(1) & 63).is_none())
    }

    #[test]
    fn each_packet_is_read_with_the_structure_of_its_time() {
        let mut structures = Structures::default();
        assert_eq!(read(&structures, 5), None);
        for (number, offset) in (1..).zip([0, 15, 30, 45, 2]) {
            assert!(!structures.on_packet(number * 100, 0, true, &key(offset)));
            structures.on_packet(number * 100 + 50, 0, true, &key(offset));
        }
        assert_eq!(
            [199, 200, 299, 300, 499, 500].map(|at| read(&structures, at)),
            [None, Some(15), Some(15), Some(30), Some(45), Some(2)]
        );
        assert_eq!(
            (structures.known.len(), structures.known.capacity()),
            (REMEMBERED, REMEMBERED),
            "no more is remembered"
        );
        structures.on_packet(250, 0, false, &key(33));
        assert_eq!((read(&structures, 260), structures.late.is_none()), (Some(15), true), "it is of before");
    }

    #[test]
    fn a_late_structure_holds_from_the_next_picture_on() {
        let mut structures = Structures::default();
        structures.on_packet(10, 0, true, &key(0));
        structures.on_packet(21, 3_000, true, &frame(20, 0, 0));
        structures.on_packet(20, 3_000, false, &key(20));
        assert_eq!([20, 21, 22].map(|at| read(&structures, at)), [Some(0); 3]);
        structures.on_packet(22, 3_000, true, &frame(20, 1, 0));
        structures.on_packet(24, 6_000, true, &frame(20, 1, 2));
        assert_eq!(read(&structures, 24), Some(0), "the first packet of this picture is missing");
        structures.on_packet(23, 6_000, false, &frame(20, 0, 2));
        structures.on_packet(25, 9_000, true, &frame(20, 0, 1));
        assert_eq!([24, 25, 26].map(|at| read(&structures, at)), [Some(0), Some(20), Some(20)]);
        structures.on_packet(30, 0, false, &key(0));
        structures.on_packet(29, 0, false, &key(20));
        assert!(structures.late.is_none(), "it is known");
    }

    #[test]
    fn a_structure_of_shifted_layers_is_not_taken_again() {
        let mut structures = Structures::default();
        structures.on_packet(10, 0, true, &key(0));
        structures.on_packet(11, 0, true, &frame(0, 1, 0));
        assert!(!structures.on_packet(12, 3_000, true, &frame(0, 0, 2)));
        assert!(!structures.on_packet(14, 6_000, false, &frame(0, 1, 1)), "late ones tell nothing");
        assert!(structures.on_packet(15, 3_000, true, &frame(0, 1, 1)));
        assert_eq!([14, 15].map(|at| read(&structures, at)), [Some(0), None]);
        assert!(!structures.on_packet(16, 6_000, true, &key(0)), "that is known");
        assert_eq!(read(&structures, 16), None);
        structures.on_packet(17, 9_000, true, &key(15));
        assert_eq!(read(&structures, 17), Some(15));
    }

    proptest! {
        /// Whatever is lost and whatever overtakes what: packets of one picture are read with one structure, and with the same later.
        #[test]
        fn no_picture_is_read_with_two_structures(
            keys in prop::collection::vec(prop::bool::weighted(0.15), 1..20),
            fates in prop::collection::vec((prop::bool::weighted(0.8), 0usize..8), 120),
        ) {
            // Three layers of two packets each; other templates with each key picture, as many as are remembered.
            let (mut packets, mut structures_so_far) = (Vec::new(), 0);
            for (picture, is_key) in (0_u64..).zip(keys) {
                let is_key = is_key && structures_so_far < REMEMBERED as u8;
                structures_so_far += u8::from(is_key);
                let offset = structures_so_far * 15;
                for packet in 0..6 {
                    let [head, ..] = frame(offset, packet / 2, 0);
                    let head = if packet % 2 == 0 { head } else { head & 0x7f };
                    let value = if is_key && packet == 0 { key(offset) } else { vec![head & 0x80 | head & 0x3f, 0, 1] };
                    packets.push((picture * 6 + u64::from(packet), picture, value));
                }
            }
            let mut order: Vec<_> = packets.iter().zip(&fates).enumerate().filter(|(_, (_, (arrives, _)))| *arrives).collect();
            order.sort_by_key(|(place, (_, (_, late)))| place + late);
            let (mut structures, mut newest, mut found) = (Structures::default(), None, Vec::new());
            for (_, ((sequence, picture, value), _)) in order {
                newest = newest.max(Some(*sequence));
                structures.on_packet(*sequence, *picture as u32, newest == Some(*sequence), value);
                found.push((*sequence, *picture, read(&structures, *sequence)));
            }
            for (sequence, picture, then) in &found {
                prop_assert_eq!(read(&structures, *sequence), *then, "packet {}", sequence);
                let others = found.iter().filter(|(_, other, _)| other == picture);
                prop_assert!(others.clone().all(|(.., other)| other == then), "picture {}: {:?}", picture, others.collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn what_cannot_be_read_has_no_layers() {
        let mut structures = Structures::default();
        structures.on_packet(10, 0, true, &key(0));
        assert!(structures.on_packet(20, 0, true, &key(0)[..8]), "cut short");
        assert_eq!((read(&structures, 19), read(&structures, 20)), (Some(0), None));
        assert!(!structures.on_packet(21, 0, true, &[0x80]), "no descriptor");
    }
}
