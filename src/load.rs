//! How busy a shard's thread has been lately, for who places rooms and people.
//!
//! One number, written by the thread about once a second and read by anybody; nobody waits for anybody.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// See the module. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Load {
    /// Thousandths.
    busy: Arc<AtomicU32>,
}

impl Load {
    /// The thread was busy for so long of that time.
    pub(crate) fn note(&self, busy: Duration, of: Duration) {
        let thousandths = busy.as_micros() * 1_000 / of.as_micros().max(1);
        self.busy.store(thousandths.min(1_000) as u32, Ordering::Relaxed);
    }

    /// The share of time in which the thread worked, 0 to 1.
    pub(crate) fn share(&self) -> f32 {
        self.busy.load(Ordering::Relaxed) as f32 / 1_000.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_share_is_that_of_the_latest_time() {
        let load = Load::default();
        assert_eq!(load.share(), 0.0);
        load.note(Duration::from_millis(250), Duration::from_secs(1));
        assert_eq!(load.clone().share(), 0.25);
        load.note(Duration::from_secs(3), Duration::from_secs(2));
        assert_eq!(load.share(), 1.0);
        load.note(Duration::ZERO, Duration::ZERO);
        assert_eq!(load.share(), 0.0);
    }
}
