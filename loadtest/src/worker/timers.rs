//! When each connection wants to be looked at.
//!
//! Times are rounded up to a grid, so that connections with something small to do share a wake-up; who sends in time
//! rounds by itself. A heap with outdated entries: an entry counts only if it says what the connection wants last.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// See the module's text.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(u64, usize)>>,
    wanted: Vec<u64>,
}

impl Timers {
    /// Sets the time of a connection; `u64::MAX` is never.
    pub(crate) fn set(&mut self, key: usize, at: u64) {
        if self.wanted.len() <= key {
            self.wanted.resize(key + 1, u64::MAX);
        }
        if let Some(wanted) = self.wanted.get_mut(key)
            && *wanted != at
        {
            *wanted = at;
            if at != u64::MAX {
                self.heap.push(Reverse((at, key)));
            }
        }
    }

    /// The earliest time; it may be outdated, and then too early.
    pub(crate) fn next(&self) -> u64 {
        self.heap.peek().map_or(u64::MAX, |Reverse((at, _))| *at)
    }

    /// A connection whose time has come. It has none any more until one is set.
    pub(crate) fn pop(&mut self, now: u64) -> Option<usize> {
        while self.next() <= now {
            let Reverse((at, key)) = self.heap.pop()?;
            if let Some(wanted) = self.wanted.get_mut(key)
                && *wanted == at
            {
                *wanted = u64::MAX;
                return Some(key);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let mut timers = Timers::default();
        timers.set(3, 100);
        timers.set(3, 50);
        timers.set(1, 70);
        timers.set(2, 60);
        timers.set(2, u64::MAX);
        assert_eq!((timers.next(), timers.pop(49)), (50, None));
        assert_eq!((timers.pop(200), timers.pop(200), timers.pop(200)), (Some(3), Some(1), None));
        timers.set(3, 100);
        assert_eq!((timers.pop(100), timers.pop(100)), (Some(3), None));
    }
}
