//! What a source's packets are left out of: runs of its sequence numbers that no outgoing number stands for, and how many pictures
//! began in each.
//!
//! Most of a stream lies behind the newest run, and is renumbered without a look at any. Runs are kept for what comes late: before
//! which of them it lies tells its number. They are merged where they touch, so that there is at most one between two frames that
//! are sent.
//!
//! A run may be empty, where a picture that is left out has kept the number of its first packet.
//!
//! Always holds: runs ascend, and between two of them there is a number that was not left out.

use std::collections::VecDeque;

/// Runs that are remembered: where something of each picture is left out, those of a second at 60 frames a second, the time for which
/// a packet may come late (see [`MAX_AGE`](crate::feedback::nack::MAX_AGE)). Packets from before them are not forwarded any more.
const MAX_RUNS: usize = 64;

#[derive(Clone, Copy, Debug)]
struct Run {
    first: u64,
    last: u64,
    /// How many pictures began in it, modulo 2^16.
    pictures: u16,
}

/// What is left out behind a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Behind {
    pub(super) packets: u64,
    /// Modulo 2^16.
    pub(super) pictures: u16,
}

/// See the module's text. It takes memory once there is something to remember.
#[derive(Clone, Debug, Default)]
pub(super) struct Skips {
    runs: VecDeque<Run>,
}

impl Skips {
    /// Forgets everything, and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.runs.clear();
    }

    /// The newest number that is left out, or was kept of a picture that is.
    pub(super) fn newest(&self) -> Option<u64> {
        self.runs.back().map(|run| run.last)
    }

    /// What is left out behind a number; `None` if it is left out itself.
    pub(super) fn behind(&self, sequence: u64) -> Option<Behind> {
        let mut behind = Behind::default();
        for run in self.runs.iter().rev().take_while(|run| run.last >= sequence) {
            if run.first <= sequence {
                return None;
            }
            behind.packets += run.last + 1 - run.first;
            behind.pictures = behind.pictures.wrapping_add(run.pictures);
        }
        Some(behind)
    }

    /// Whether the number before this one is left out, or was kept of a picture that is.
    pub(super) fn end_before(&self, sequence: u64) -> bool {
        self.runs.iter().rev().any(|run| run.last + 1 == sequence)
    }

    /// Leaves out a number that is not left out yet; `begins` tells that a picture begins there.
    ///
    /// Returns the number below which nothing is remembered any more, if that has changed.
    pub(super) fn insert(&mut self, sequence: u64, begins: bool) -> Option<u64> {
        let pictures = u16::from(begins);
        let at = self.runs.iter().rposition(|run| run.last < sequence).map_or(0, |before| before + 1);
        let follows = at > 0 && self.runs[at - 1].last + 1 == sequence;
        let precedes = self.runs.get(at).is_some_and(|next| next.first == sequence + 1);
        match (follows, precedes) {
            (true, true) => {
                let next = self.runs.remove(at)?;
                let run = &mut self.runs[at - 1];
                run.last = next.last;
                run.pictures = run.pictures.wrapping_add(next.pictures).wrapping_add(pictures);
            }
            (true, false) => {
                let run = &mut self.runs[at - 1];
                run.last = sequence;
                run.pictures = run.pictures.wrapping_add(pictures);
            }
            (false, true) => {
                let run = &mut self.runs[at];
                run.first = sequence;
                run.pictures = run.pictures.wrapping_add(pictures);
            }
            (false, false) => return self.insert_run(at, Run { first: sequence, last: sequence, pictures }),
        }
        None
    }

    /// Takes a picture for left out, but not the number that it begins with, which follows one that is not left out either; `closes_up`
    /// tells that pictures behind it close up. Returns what [`Self::insert`] does.
    pub(super) fn insert_behind(&mut self, sequence: u64, closes_up: bool) -> Option<u64> {
        let pictures = u16::from(closes_up);
        let at = self.runs.iter().rposition(|run| run.last < sequence).map_or(0, |before| before + 1);
        if let Some(next) = self.runs.get_mut(at).filter(|next| next.first == sequence + 1) {
            next.pictures = next.pictures.wrapping_add(pictures);
            return None;
        }
        self.insert_run(at, Run { first: sequence + 1, last: sequence, pictures })
    }

    fn insert_run(&mut self, at: usize, run: Run) -> Option<u64> {
        if self.runs.len() < MAX_RUNS {
            self.runs.insert(at, run);
            return None;
        }
        if at == 0 {
            return Some(run.last + 1);
        }
        let forgotten = self.runs.pop_front()?;
        self.runs.insert(at - 1, run);
        Some(forgotten.last + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_runs_that_are_remembered_are_bounded() {
        let mut skips = Skips::default();
        for number in 0..MAX_RUNS as u64 {
            assert_eq!(skips.insert(number * 2, true), None);
        }
        assert_eq!(skips.insert(1_000, true), Some(1), "the oldest is forgotten");
        assert_eq!(skips.insert(0, true), Some(1), "what is older than all is not remembered at all");
        assert_eq!((skips.runs.len(), skips.newest()), (MAX_RUNS, Some(1_000)));
        assert_eq!(skips.behind(3), Some(Behind { packets: MAX_RUNS as u64 - 1, pictures: MAX_RUNS as u16 - 1 }));
        let capacity = skips.runs.capacity();
        (2_000..4_000).step_by(2).for_each(|number| assert!(skips.insert(number, true).is_some()));
        assert_eq!((skips.runs.len(), skips.runs.capacity()), (MAX_RUNS, capacity), "nothing is allocated any more");
    }

    #[test]
    fn a_picture_that_keeps_its_first_number_closes_up_all_the_same() {
        let mut skips = Skips::default();
        assert_eq!(skips.insert_behind(10, true), None);
        assert_eq!(
            [10, 11].map(|at| skips.behind(at)),
            [Some(Behind { packets: 0, pictures: 1 }), Some(Behind::default())]
        );
        assert!(skips.end_before(11) && !skips.end_before(10));
        skips.insert(11, false);
        skips.insert(12, true);
        assert_eq!([10, 12, 13].map(|at| skips.behind(at).map(|behind| behind.packets)), [Some(2), None, Some(0)]);
        assert_eq!((skips.runs.len(), skips.newest()), (1, Some(12)));
    }

    proptest! {
        /// In whatever order numbers are left out, or kept of pictures that are, as many count as in a list of them.
        #[test]
        fn agrees_with_a_naive_list(numbers in prop::collection::vec((1u64..100, any::<bool>(), prop::bool::weighted(0.3)), 1..60)) {
            // By number: whether a picture begins with it, and whether it is kept.
            let (mut skips, mut model) = (Skips::default(), BTreeMap::new());
            for (number, begins, is_kept) in numbers {
                let is_free = !model.contains_key(&number) && model.get(&(number + 1)).is_none_or(|(_, is_kept)| !is_kept);
                if is_free && (!is_kept || !model.contains_key(&(number - 1))) {
                    model.insert(number, (begins, is_kept));
                    let forgotten = if is_kept { skips.insert_behind(number, begins) } else { skips.insert(number, begins) };
                    prop_assert_eq!(forgotten, None);
                }
                prop_assert_eq!(skips.newest(), model.last_key_value().map(|(number, _)| *number));
                for at in 1..101 {
                    let behind = model.range(at..).map(|(_, entry)| entry);
                    let pictures = behind.clone().filter(|(begins, _)| *begins).count() as u16;
                    let expected = Behind { packets: behind.filter(|(_, is_kept)| !is_kept).count() as u64, pictures };
                    let is_left_out = model.get(&at).is_some_and(|(_, is_kept)| !is_kept);
                    prop_assert_eq!(skips.behind(at), (!is_left_out).then_some(expected));
                    // Of a picture that goes on, the number that was kept is none that others begin behind.
                    let is_behind = model.contains_key(&(at - 1)) && !is_left_out;
                    prop_assert!(!is_behind || skips.end_before(at));
                }
                prop_assert!(skips.runs.iter().zip(skips.runs.iter().skip(1)).all(|(one, next)| one.last + 1 < next.first));
            }
        }
    }
}
