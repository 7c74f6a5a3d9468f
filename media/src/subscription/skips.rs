//! What a source's packets are left out of: runs of its sequence numbers that no outgoing number stands for, and how many pictures
//! began in each.
//!
//! Most of a stream lies behind the newest run, and is renumbered without a look at any. Runs are kept for what comes late: before
//! which of them it lies tells its number. They are merged where they touch, so that there is at most one between two frames that
//! are sent.
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

    /// The newest number that is left out.
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
            behind.packets += run.last - run.first + 1;
            behind.pictures = behind.pictures.wrapping_add(run.pictures);
        }
        Some(behind)
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

    proptest! {
        /// In whatever order numbers are left out, as many count as in a list of them.
        #[test]
        fn agrees_with_a_naive_list(numbers in prop::collection::vec((0u64..100, any::<bool>()), 1..60)) {
            let (mut skips, mut model) = (Skips::default(), BTreeMap::new());
            for (number, begins) in numbers {
                if let std::collections::btree_map::Entry::Vacant(entry) = model.entry(number) {
                    entry.insert(begins);
                    prop_assert_eq!(skips.insert(number, begins), None);
                }
                prop_assert_eq!(skips.newest(), model.last_key_value().map(|(number, _)| *number));
                for at in 0..101 {
                    let behind = model.range(at..);
                    let pictures = behind.clone().filter(|(_, begins)| **begins).count() as u16;
                    let expected = Behind { packets: behind.count() as u64, pictures };
                    prop_assert_eq!(skips.behind(at), (!model.contains_key(&at)).then_some(expected));
                }
                prop_assert!(skips.runs.iter().zip(skips.runs.iter().skip(1)).all(|(one, next)| one.last + 1 < next.first));
            }
        }
    }
}
