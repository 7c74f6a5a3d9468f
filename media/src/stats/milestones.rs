//! How long a participant waits at each stage of its way into a call.

use super::{JoinStage, ShardStats};
use std::time::Instant;

/// When a participant came how far; each stage is counted once.
#[derive(Debug, Default)]
pub(crate) struct Milestones {
    offered: Option<Instant>,
    reached: Option<Instant>,
    up: Option<Instant>,
    received: bool,
    sent: bool,
}

impl Milestones {
    /// Whether a connectivity check has ever got through.
    pub(crate) fn has_been_reached(&self) -> bool {
        self.reached.is_some()
    }

    /// Its first offer was accepted.
    pub(crate) fn on_offer(&mut self, now: Instant) {
        self.offered.get_or_insert(now);
    }

    /// A path was authenticated.
    pub(crate) fn on_path(&mut self, now: Instant, stats: &mut ShardStats) {
        if self.reached.is_none() {
            self.reached = Some(now);
            count(stats, JoinStage::Ice, self.offered, now);
        }
    }

    /// The transport is up.
    pub(crate) fn on_up(&mut self, now: Instant, stats: &mut ShardStats) {
        if self.up.is_none() {
            self.up = Some(now);
            count(stats, JoinStage::Dtls, self.reached, now);
        }
    }

    /// One of its streams has begun.
    pub(crate) fn on_packet_in(&mut self, now: Instant, stats: &mut ShardStats) {
        if !std::mem::replace(&mut self.received, true) {
            count(stats, JoinStage::FirstPacketIn, self.up, now);
        }
    }

    /// It was sent the beginning of a stream.
    pub(crate) fn on_packet_out(&mut self, now: Instant, stats: &mut ShardStats) {
        if !std::mem::replace(&mut self.sent, true) {
            count(stats, JoinStage::FirstPacketOut, self.up, now);
        }
    }
}

fn count(stats: &mut ShardStats, stage: JoinStage, since: Option<Instant>, now: Instant) {
    if let Some(since) = since {
        stats.join_stages[stage as usize].observe(now.saturating_duration_since(since).as_micros() as u64);
    }
}
