//! Counters for the metrics endpoint.

use crate::protocol::ErrorCode;
use crate::webhooks::WebhookStats;
use std::sync::atomic::{AtomicU64, Ordering};

/// A snapshot of what the signalling does and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Rooms now.
    pub rooms: usize,
    /// Participants now.
    pub participants: usize,
    /// Participants whose socket is lost and may resume.
    pub detached: usize,
    /// Sockets now.
    pub sockets: usize,
    /// Whether the server is about to end and begins no new calls.
    pub draining: bool,
    /// Whether the store answers.
    pub store_available: bool,
    /// Writes that wait for the store.
    pub store_queue: usize,
    /// Writes that never reached the store so far.
    pub store_writes_lost: u64,
    /// Rooms created so far.
    pub rooms_created: u64,
    /// Joins so far.
    pub joins: u64,
    /// Resumed sessions so far.
    pub resumes: u64,
    /// Messages from clients so far, on sockets and data channels.
    pub messages: u64,
    /// Chat messages relayed so far.
    pub chat_messages: u64,
    /// Files shared so far.
    pub files_shared: u64,
    /// Messages dropped for their rate so far.
    pub messages_dropped: u64,
    /// Sockets refused so far, for their number or origin.
    pub sockets_refused: u64,
    /// Webhooks now and so far.
    pub webhooks: WebhookStats,
    /// Errors told to clients so far, by code; codes that did not occur are left out.
    pub errors: Vec<(ErrorCode, u64)>,
}

/// The counters that only grow.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) rooms_created: AtomicU64,
    pub(crate) joins: AtomicU64,
    pub(crate) resumes: AtomicU64,
    pub(crate) messages: AtomicU64,
    pub(crate) chat_messages: AtomicU64,
    pub(crate) files_shared: AtomicU64,
    pub(crate) messages_dropped: AtomicU64,
    pub(crate) sockets_refused: AtomicU64,
    errors: [AtomicU64; ErrorCode::ALL.len()],
}

/// Adds one.
pub(crate) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

impl Counters {
    pub(crate) fn new() -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            rooms_created: zero(),
            joins: zero(),
            resumes: zero(),
            messages: zero(),
            chat_messages: zero(),
            files_shared: zero(),
            messages_dropped: zero(),
            sockets_refused: zero(),
            errors: std::array::from_fn(|_| zero()),
        }
    }

    pub(crate) fn count_error(&self, code: ErrorCode) {
        // The codes are declared without values of their own, so that they number themselves from 0.
        if let Some(counter) = self.errors.get(code as usize) {
            count(counter);
        }
    }

    /// The growing part of a snapshot.
    pub(crate) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let errors = ErrorCode::ALL.iter().zip(&self.errors).map(|(&code, counter)| (code, read(counter)));
        Stats {
            rooms_created: read(&self.rooms_created),
            joins: read(&self.joins),
            resumes: read(&self.resumes),
            messages: read(&self.messages),
            chat_messages: read(&self.chat_messages),
            files_shared: read(&self.files_shared),
            messages_dropped: read(&self.messages_dropped),
            sockets_refused: read(&self.sockets_refused),
            errors: errors.filter(|&(_, count)| count > 0).collect(),
            ..Stats::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_own_counter() {
        let counters = Counters::new();
        for (times, &code) in ErrorCode::ALL.iter().enumerate() {
            (0..=times).for_each(|_| counters.count_error(code));
        }
        let expected: Vec<_> = ErrorCode::ALL.iter().zip(1..).map(|(&code, count)| (code, count)).collect();
        assert_eq!(counters.snapshot().errors, expected);
    }
}
