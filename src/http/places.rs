//! How many connections wait for requests at a time.

use parlor_config::LimitsConfig;
use tokio::sync::watch;

/// Those that are taken, under a limit that may change.
pub(super) struct Places {
    taken: watch::Sender<usize>,
    limits: watch::Receiver<LimitsConfig>,
}

/// A place, until it is dropped.
pub(super) struct Place(watch::Sender<usize>);

impl Places {
    pub(super) fn new(limits: watch::Receiver<LimitsConfig>) -> Self {
        Self { taken: watch::Sender::new(0), limits }
    }

    /// A place, as soon as there is one. May be cancelled without loss.
    pub(super) async fn take(&mut self) -> Place {
        let mut taken = self.taken.subscribe();
        loop {
            let most = self.limits.borrow_and_update().max_connections as usize;
            if *taken.borrow_and_update() < most {
                self.taken.send_modify(|taken| *taken += 1);
                return Place(self.taken.clone());
            }
            tokio::select! {
                // Its sender is here: it does not fail.
                _ = taken.changed() => {}
                // Without a sender the limit stays.
                Ok(()) = self.limits.changed() => {}
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.send_modify(|taken| *taken -= 1);
    }
}
