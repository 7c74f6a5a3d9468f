//! What the process wants of a shard's thread itself; what it wants of the engine are commands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Looked at in every tick; the thread is to be woken after a change. Clones are the same ones.
#[derive(Clone, Debug, Default)]
pub(crate) struct Orders(Arc<Flags>);

#[derive(Debug, Default)]
struct Flags {
    stop: AtomicBool,
    panic: AtomicBool,
}

impl Orders {
    /// To end after the present tick.
    pub(super) fn stop(&self) {
        self.0.stop.store(true, Ordering::Release);
    }

    pub(super) fn is_to_stop(&self) -> bool {
        self.0.stop.load(Ordering::Acquire)
    }

    /// To panic in the next tick, as a bug would: see [`crate::faults`].
    pub(super) fn panic(&self) {
        self.0.panic.store(true, Ordering::Release);
    }

    /// Whether to panic. Tells it once.
    pub(super) fn take_panic(&self) -> bool {
        self.0.panic.load(Ordering::Relaxed) && self.0.panic.swap(false, Ordering::AcqRel)
    }
}
