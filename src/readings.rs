//! What a shard shows of itself: plain numbers, copied out about once a second.
//!
//! A shard's thread copies its [`Readings`] to the [`Board`], and whoever scrapes the metrics copies them from there. Neither
//! waits for the other for longer than a copy takes, and the shard not even that.

use crate::net::tcp::TcpStats;
use crate::net::{EgressStats, IngressStats};
use parlor_media::ShardStats;
use std::sync::{Arc, Mutex, PoisonError};

/// All numbers of one shard at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Readings {
    pub(crate) engine: ShardStats,
    pub(crate) ingress: IngressStats,
    pub(crate) egress: EgressStats,
    /// Without ICE-TCP there are none.
    pub(crate) tcp: Option<TcpStats>,
    /// Of the thread itself.
    pub(crate) body: BodyStats,
}

/// What the thread around an engine has done since the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct BodyStats {
    /// Panics after which the engine was started anew.
    pub(crate) restarts: u64,
    /// Times that the control plane's queue was full.
    pub(crate) event_stalls: u64,
}

/// Where one shard's latest readings hang.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Mutex<Readings>>);

impl Board {
    /// Hangs `readings` out. Skips the turn while someone reads.
    pub(crate) fn publish(&self, readings: &Readings) {
        if let Ok(mut shared) = self.0.try_lock() {
            *shared = *readings;
        }
    }

    /// A copy of the latest readings.
    pub(crate) fn read(&self) -> Readings {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
