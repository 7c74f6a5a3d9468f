//! How far a run is, for who looks on.

use crate::clock::Nanos;
use crate::histogram::Histogram;
use crate::participant::Stage;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep, sleep_until};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(250);

/// How far a run is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Rooms are opened.
    #[default]
    Opening,
    /// Participants join at the planned pace.
    Joining,
    /// Everybody has joined, or failed to.
    Steady,
    /// Everybody leaves.
    Leaving,
    /// Everybody is gone.
    Over,
}

/// What is known while the run goes on. Counts are those since the start.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// How far the run is.
    pub phase: Phase,
    /// Since the start of the run.
    pub elapsed: Duration,
    /// How long the phase will take, if that is known.
    pub phase_length: Option<Duration>,
    /// How long the phase has taken.
    pub phase_elapsed: Duration,
    /// How many participants are to join before the run is steady.
    pub planned_joins: u64,
    /// Joins begun.
    pub joins_attempted: u64,
    /// Joins that succeeded.
    pub joined: u64,
    /// Joins that failed.
    pub join_failures: u64,
    /// Participants that left.
    pub left: u64,
    /// Connected participants now.
    pub connected: u64,
    /// Media packets that publishers sent.
    pub sent_packets: u64,
    /// Media packets that arrived.
    pub received_packets: u64,
    /// Media packets of pictures among them.
    pub received_video_packets: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Packets that never came.
    pub lost: u64,
    /// One-way latency since the snapshot before, 99th percentile; nothing without witnesses.
    pub latency_p99: Option<Duration>,
    /// The busiest thread's share of its time since the snapshot before, 0 to 1.
    pub busy: f64,
}

/// Is told how the run goes: four times a second, and at once when the phase changes. Must return soon.
pub trait Observer: Send + Sync {
    /// Gets the state of the run.
    fn observe(&self, snapshot: &Snapshot);
}

/// An observer that does not look.
impl Observer for () {
    fn observe(&self, _: &Snapshot) {}
}

/// Looks at a run and tells the observer.
pub(super) struct Progress {
    stage: Arc<Stage>,
    observer: Arc<dyn Observer>,
    start: Nanos,
    planned: u64,
    phase: Mutex<(Phase, Nanos, Option<Duration>)>,
}

impl Progress {
    pub(super) fn new(stage: Arc<Stage>, observer: Arc<dyn Observer>, start: Nanos, planned: u64) -> Arc<Self> {
        Arc::new(Self { stage, observer, start, planned, phase: Mutex::new((Phase::Opening, start, None)) })
    }

    /// A phase begins, which may have a known length.
    pub(super) fn enter(&self, phase: Phase, length: Option<Duration>) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = (phase, Nanos::now(), length);
        self.observer.observe(&self.snapshot());
    }

    /// Tells the observer again and again, until the task is aborted.
    pub(super) fn tick(self: Arc<Self>) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut ticks = interval(LOOK);
            loop {
                ticks.tick().await;
                self.observer.observe(&self.snapshot());
            }
        })
    }

    /// Returns when every planned join has succeeded or failed, at the latest after `bound`.
    pub(super) async fn everybody_has_tried(&self, bound: Duration) {
        let last = Instant::now() + bound;
        loop {
            let snapshot = self.snapshot();
            if snapshot.joined + snapshot.join_failures >= self.planned {
                return;
            }
            tokio::select! {
                () = sleep(LOOK / 5) => {}
                () = sleep_until(last) => return,
            }
        }
    }

    fn snapshot(&self) -> Snapshot {
        let now = Nanos::now();
        let (phase, since, phase_length) = *self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        let mut snapshot = Snapshot {
            phase,
            elapsed: Duration::from_nanos(now.since(self.start)),
            phase_length,
            phase_elapsed: Duration::from_nanos(now.since(since)),
            planned_joins: self.planned,
            ..Snapshot::default()
        };
        self.stage.ledger.show(&mut snapshot);
        let mut latency = Histogram::default();
        for gauges in self.stage.workers.iter().map(|worker| worker.gauges()) {
            snapshot.connected += gauges.connected.load(Ordering::Relaxed).max(0) as u64;
            snapshot.sent_packets += gauges.sent_packets.load(Ordering::Relaxed);
            snapshot.received_packets += gauges.received_packets.load(Ordering::Relaxed);
            snapshot.received_video_packets += gauges.received_video_packets.load(Ordering::Relaxed);
            snapshot.received_bytes += gauges.received_bytes.load(Ordering::Relaxed);
            snapshot.lost += gauges.lost.load(Ordering::Relaxed);
            snapshot.busy = snapshot.busy.max(gauges.busy.load(Ordering::Relaxed) as f64 / 1e6);
            latency.merge(&gauges.latency());
        }
        snapshot.latency_p99 = (!latency.is_empty()).then(|| Duration::from_nanos(latency.quantile(0.99)));
        snapshot
    }
}
