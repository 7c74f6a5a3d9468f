//! Events on their way out of a shard, which never waits for the control plane.

use crate::engine::Engine;
use parlor_media::command::Event;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// The sending end of the event channel.
///
/// When the channel is full, the one event in hand is held back and the engine is not polled for more, until there is room
/// again: the queue in the engine then grows by what commands and clients cause, which the control plane, being busy, no
/// longer does, and which clients do at a bounded rate. Order is kept, and nothing is lost.
pub(super) struct Outlet {
    events: mpsc::Sender<Event>,
    held: Option<Event>,
    stalls: u64,
}

impl Outlet {
    pub(super) fn new(events: mpsc::Sender<Event>) -> Self {
        Self { events, held: None, stalls: 0 }
    }

    /// Sends what the channel takes.
    pub(super) fn publish<E: Engine>(&mut self, engine: &mut E) {
        while let Some(event) = self.held.take().or_else(|| engine.poll_event()) {
            match self.events.try_send(event) {
                // Without a receiver the process is shutting down.
                Ok(()) | Err(TrySendError::Closed(_)) => {}
                Err(TrySendError::Full(event)) => {
                    self.stalls += 1;
                    self.held = Some(event);
                    return;
                }
            }
        }
    }

    /// Whether an event waits for room in the channel.
    pub(super) fn stalled(&self) -> bool {
        self.held.is_some()
    }

    /// Events that wait for the control plane.
    pub(super) fn queued(&self) -> usize {
        self.events.max_capacity() - self.events.capacity() + usize::from(self.held.is_some())
    }

    /// How often the channel was found full.
    pub(super) fn stalls(&self) -> u64 {
        self.stalls
    }

    /// Forgets the event in hand: its engine is gone.
    pub(super) fn clear(&mut self) {
        self.held = None;
    }
}
