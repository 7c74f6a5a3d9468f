//! The narrowest place of a path: it sends one datagram after another at its rate, and drops what does not fit its
//! queue.

use super::record::Passage;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How wide it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bottleneck {
    /// Of whole datagrams with their IP and UDP headers.
    pub(crate) rate_bps: u64,
    /// What would wait for longer is dropped (drop-tail).
    pub(crate) longest_queue: Duration,
}

impl Bottleneck {
    /// With a queue of 300 ms, as home routers have.
    pub(crate) const fn usual(rate_bps: u64) -> Self {
        Self { rate_bps, longest_queue: Duration::from_millis(300) }
    }
}

/// Time that a datagram takes.
fn serialisation(len: usize, rate_bps: u64) -> Duration {
    Duration::from_nanos(len as u64 * 8 * 1_000_000_000 / rate_bps)
}

struct Entry<T> {
    sent: Instant,
    len: usize,
    item: T,
}

/// What waits, the first of which is being sent.
pub(super) struct Queue<T> {
    entries: VecDeque<Entry<T>>,
    /// Bytes behind the first.
    behind: usize,
    /// When the first began, and when its last bit leaves.
    serving: Option<(Instant, Instant)>,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { entries: VecDeque::new(), behind: 0, serving: None }
    }
}

impl<T> Queue<T> {
    /// When the first has left.
    pub(super) fn done_at(&self) -> Option<Instant> {
        self.serving.map(|(_, done)| done)
    }

    /// Adds one; false if the queue is full.
    pub(super) fn push(&mut self, now: Instant, bottleneck: &Bottleneck, len: usize, item: T) -> bool {
        let entry = Entry { sent: now, len, item };
        if let Some(done) = self.done_at() {
            let waits = done.saturating_duration_since(now) + serialisation(self.behind, bottleneck.rate_bps);
            if waits > bottleneck.longest_queue {
                return false;
            }
            self.behind += len;
        } else {
            self.serving = Some((now, now + serialisation(len, bottleneck.rate_bps)));
        }
        self.entries.push_back(entry);
        true
    }

    /// Takes the first, which has left, and begins with the next.
    pub(super) fn pop(&mut self, rate_bps: u64) -> Option<(Passage, T)> {
        let (started, done) = self.serving.take()?;
        let Entry { sent, len, item } = self.entries.pop_front()?;
        if let Some(next) = self.entries.front() {
            self.behind -= next.len;
            self.serving = Some((done, done + serialisation(next.len, rate_bps)));
        }
        Some((Passage { sent, left: Some(done), queued: started - sent, len }, item))
    }

    /// Takes the first, whatever of it has left.
    pub(super) fn drain(&mut self, now: Instant) -> Option<(Passage, T)> {
        let Entry { sent, len, item } = self.entries.pop_front()?;
        (self.behind, self.serving) = (0, None);
        Some((Passage { sent, left: Some(now), queued: now - sent, len }, item))
    }

    /// What is left of the first goes on at another rate.
    pub(super) fn change_rate(&mut self, now: Instant, old_bps: u64, new_bps: u64) {
        if let Some((_, done)) = &mut self.serving {
            *done = now + done.saturating_duration_since(now).mul_f64(old_bps as f64 / new_bps as f64);
        }
    }
}
