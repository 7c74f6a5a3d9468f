//! What a thread shows while the run goes on: numbers that only it writes.

use super::Shared;
use crate::histogram::Histogram;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Counts since the start of the run; see the fields of the same names in `Snapshot`.
#[derive(Debug, Default)]
pub struct Gauges {
    /// Connections that are up.
    pub connected: AtomicI64,
    /// Media packets sent.
    pub sent_packets: AtomicU64,
    /// Media packets received.
    pub received_packets: AtomicU64,
    /// Those of pictures.
    pub received_video_packets: AtomicU64,
    /// Bytes received.
    pub received_bytes: AtomicU64,
    /// Packets lost.
    pub lost: AtomicU64,
    /// The thread's share of time at work since it last told, in millionths.
    pub busy: AtomicU64,
    /// Latencies at the witnesses since the window began.
    latency: Mutex<Histogram>,
}

impl Gauges {
    pub(super) fn set(&self, shared: &Shared, busy: f64) {
        let sum = |of: fn(&crate::tally::Measures) -> u64| shared.scenarios.iter().map(of).sum::<u64>();
        self.connected.store(shared.connected, Ordering::Relaxed);
        self.sent_packets.store(sum(|m| m.sent_video.packets + m.sent_audio.packets), Ordering::Relaxed);
        self.received_packets.store(sum(|m| m.video.packets + m.audio.packets), Ordering::Relaxed);
        self.received_video_packets.store(sum(|m| m.video.packets), Ordering::Relaxed);
        self.received_bytes.store(sum(|m| m.video.bytes + m.audio.bytes), Ordering::Relaxed);
        self.lost.store(sum(|m| m.video.lost + m.audio.lost), Ordering::Relaxed);
        self.busy.store((busy * 1e6) as u64, Ordering::Relaxed);
        if !shared.window.latency.is_empty() {
            self.latency.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&shared.window.latency);
        }
    }

    /// The latencies of the last window, at most a second old.
    #[must_use]
    pub fn latency(&self) -> Histogram {
        self.latency.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
