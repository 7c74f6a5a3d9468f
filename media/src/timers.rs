//! Deadlines of many owners, without looking at those that are not due.
//!
//! Each key has at most one entry that counts. A deadline moved to later leaves the earlier entry in place, which then
//! fires early and asks the owner again; one moved to earlier gets a second entry, and the first is ignored. So
//! consent checks, which move later with every packet, cost nothing.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// See the module's text. Keys are small numbers, such as slab indices.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, u32)>>,
    scheduled: Vec<Option<Instant>>,
}

impl Timers {
    /// Wakes `key` at `at` or before.
    pub(crate) fn schedule(&mut self, key: u32, at: Instant) {
        let index = key as usize;
        if self.scheduled.len() <= index {
            self.scheduled.resize(index + 1, None);
        }
        if self.scheduled[index].is_none_or(|earlier| at < earlier) {
            self.scheduled[index] = Some(at);
            self.heap.push(Reverse((at, key)));
        }
    }

    /// Forgets what `key` waited for.
    pub(crate) fn cancel(&mut self, key: u32) {
        if let Some(scheduled) = self.scheduled.get_mut(key as usize) {
            *scheduled = None;
        }
    }

    /// A key whose deadline has come. The owner schedules again what it still needs.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<u32> {
        while let Some(Reverse((at, key))) = self.heap.peek().copied() {
            let counts = self.scheduled.get(key as usize) == Some(&Some(at));
            if counts && at > now {
                return None;
            }
            self.heap.pop();
            if counts {
                self.cancel(key);
                return Some(key);
            }
        }
        None
    }

    /// Whether `key` waits for something.
    #[cfg(test)]
    pub(crate) fn is_scheduled(&self, key: u32) -> bool {
        self.scheduled.get(key as usize).is_some_and(Option::is_some)
    }

    /// The earliest deadline; it may be that of an entry that no longer counts.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn each_key_fires_once_at_its_earliest_deadline() {
        #[allow(clippy::disallowed_methods, reason = "an anchor for virtual time")]
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut timers = Timers::default();
        timers.schedule(7, at(30));
        timers.schedule(7, at(50));
        timers.schedule(1, at(20));
        timers.schedule(1, at(10));
        timers.schedule(2, at(15));
        timers.cancel(2);
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!((timers.pop_due(at(30)), timers.pop_due(at(30)), timers.pop_due(at(30))), (Some(1), Some(7), None));
        assert_eq!(timers.pop_due(at(99)), None);
    }

    #[test]
    fn moving_a_deadline_later_a_million_times_keeps_one_entry() {
        #[allow(clippy::disallowed_methods, reason = "an anchor for virtual time")]
        let start = Instant::now();
        let mut timers = Timers::default();
        for ms in 0..1_000_000 {
            timers.schedule(0, start + Duration::from_millis(ms));
        }
        assert_eq!(timers.heap.len(), 1);
    }
}
