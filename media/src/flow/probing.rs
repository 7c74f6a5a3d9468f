//! A probe that is going on: for some ten milliseconds a participant is sent at the rate that is to be tried.

use super::pacer::QUANTUM;
use crate::congestion::{Probe, ProbeId};
use std::time::{Duration, Instant};

/// A probe that has not had its bytes by then has nothing to send them with.
const LONGEST: Duration = Duration::from_millis(200);

/// Below this rate a packet of 1,200 bytes takes as long as all of a usual probe, and its path as long to carry it.
const SLOW_BPS: u64 = 500_000;

/// See the module's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Probing {
    probe: Probe,
    began: Instant,
    sent_bytes: usize,
    sent_packets: usize,
}

impl Probing {
    pub(super) fn new(now: Instant, probe: Probe) -> Self {
        Self { probe, began: now, sent_bytes: 0, sent_packets: 0 }
    }

    pub(super) fn id(&self) -> ProbeId {
        self.probe.id
    }

    /// Whether it is made of small packets, as its rate is low.
    pub(super) fn is_slow(&self) -> bool {
        self.probe.bitrate_bps < SLOW_BPS
    }

    /// Counts a packet, the probe's own or media: both are part of it.
    pub(super) fn spend(&mut self, bytes: usize) {
        self.sent_bytes += bytes;
        self.sent_packets += 1;
    }

    /// Whether it has had what it needs, or will not get it.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        let is_full = self.sent_bytes >= self.probe.min_bytes && self.sent_packets >= self.probe.min_packets;
        is_full || now.saturating_duration_since(self.began) >= LONGEST
    }

    /// Bytes that should have left by the end of this quantum, and have not.
    pub(super) fn due(&self, now: Instant) -> usize {
        let until = now.saturating_duration_since(self.began) + QUANTUM;
        let wanted = self.probe.bitrate_bps as f64 / 8.0 * until.as_secs_f64();
        (wanted as usize).saturating_sub(self.sent_bytes)
    }
}
