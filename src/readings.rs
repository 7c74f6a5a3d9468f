//! What a shard shows of itself: plain numbers, copied out about once a second.
//!
//! A shard's thread copies its [`Readings`] to the [`Board`], and whoever scrapes the metrics copies them from there. Neither
//! waits for the other for longer than a copy takes, and the shard not even that.

use crate::net::tcp::TcpStats;
use crate::net::{EgressStats, IngressStats};
use parlor_media::ShardStats;
use parlor_media::histogram::Histogram;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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

/// Microseconds: from a tick with nothing to do to one that is heard.
static TICK_BOUNDS: [u64; 11] = [25, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000];

/// Microseconds: from a datagram that came alone to a delay that is heard.
static FORWARDING_BOUNDS: [u64; 11] = [25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 100_000];

/// How long datagrams took through a shard, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ForwardingTimes(pub(crate) Histogram<11>);

impl Default for ForwardingTimes {
    fn default() -> Self {
        Self(Histogram::new(&FORWARDING_BOUNDS))
    }
}

/// What the thread around an engine has done since the start. Gauges say so.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyStats {
    /// Time spent in ticks, and not waiting for the next.
    pub(crate) busy: Duration,
    /// The ticks, by how long they took, in microseconds.
    pub(crate) ticks: Histogram<11>,
    pub(crate) forwarding: ForwardingTimes,
    /// Gauge: how far apart receiving begins.
    pub(crate) window: Duration,
    /// How long the shard has waited for that.
    pub(crate) held: Duration,
    /// Gauge: commands that wait for the shard.
    pub(crate) commands_queued: u64,
    /// Gauge: events that wait for the control plane.
    pub(crate) events_queued: u64,
    /// Panics after which the engine was started anew.
    pub(crate) restarts: u64,
    /// Times that the control plane's queue was full.
    pub(crate) event_stalls: u64,
}

impl Default for BodyStats {
    fn default() -> Self {
        Self {
            busy: Duration::ZERO,
            ticks: Histogram::new(&TICK_BOUNDS),
            forwarding: ForwardingTimes::default(),
            window: Duration::ZERO,
            held: Duration::ZERO,
            commands_queued: 0,
            events_queued: 0,
            restarts: 0,
            event_stalls: 0,
        }
    }
}

impl BodyStats {
    /// Counts a tick.
    pub(crate) fn ticked(&mut self, took: Duration) {
        self.busy += took;
        self.ticks.observe(took.as_micros() as u64);
    }
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
