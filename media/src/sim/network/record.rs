//! What a link has carried, and how long each datagram waited for it.

use std::ops::Range;
use std::time::{Duration, Instant};

/// One datagram at a link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Passage {
    pub(crate) sent: Instant,
    /// When it had left the bottleneck; `None` if the queue was full. What is lost behind it was carried.
    pub(crate) left: Option<Instant>,
    /// How long it waited before it began to be sent.
    pub(crate) queued: Duration,
    /// Bytes with IP and UDP headers.
    pub(crate) len: usize,
}

/// See the module's text. Times are of a window, its end excluded.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) passages: Vec<Passage>,
}

impl Record {
    pub(super) fn add(&mut self, passage: Passage) {
        self.passages.push(passage);
    }

    /// Bytes that left the bottleneck.
    pub(crate) fn carried_bytes(&self, window: &Range<Instant>) -> usize {
        let left = self.passages.iter().filter(|passage| passage.left.is_some_and(|at| window.contains(&at)));
        left.map(|passage| passage.len).sum()
    }

    /// Datagrams that found the queue full.
    pub(crate) fn queue_drops(&self, window: &Range<Instant>) -> usize {
        self.sent(window).filter(|passage| passage.left.is_none()).count()
    }

    /// The share of the datagrams sent in the window, and carried, waited no longer than this.
    pub(crate) fn queueing(&self, window: &Range<Instant>, share: f64) -> Duration {
        let carried = self.sent(window).filter(|passage| passage.left.is_some());
        let mut waits: Vec<Duration> = carried.map(|passage| passage.queued).collect();
        waits.sort_unstable();
        let index = (waits.len() as f64 * share).ceil() as usize;
        waits.get(index.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// What was sent in the window, carried or not.
    pub(crate) fn sent(&self, window: &Range<Instant>) -> impl Iterator<Item = &Passage> {
        self.passages.iter().filter(move |passage| window.contains(&passage.sent))
    }
}
