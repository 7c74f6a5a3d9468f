//! Whether the server can do all of its work now, for who sends it traffic.
//!
//! Not being ready is no reason to end it: calls go on while the database is away.

use crate::protocol::Timestamp;
use crate::session::lock;
use crate::switchboard::Switchboard;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::sleep;

/// Between looks at the store.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// What the latest look at the store saw.
#[derive(Debug, Default)]
pub(crate) struct StoreWatch {
    away_since: Mutex<Option<Timestamp>>,
}

impl Switchboard {
    /// Looks at the store every few seconds until it is dropped.
    pub(crate) async fn watch_store(&self) {
        loop {
            let is_there = self.store.ping().await.is_ok();
            self.saw_store(is_there);
            sleep(PING_INTERVAL).await;
        }
    }

    fn saw_store(&self, is_there: bool) {
        let mut away_since = lock(&self.store_watch.away_since);
        match *away_since {
            None if !is_there => {
                *away_since = Some(self.wall_clock());
                tracing::warn!(store = self.store.name(), "the database does not answer");
            }
            Some(_) if is_there => {
                *away_since = None;
                tracing::info!(store = self.store.name(), "the database answers again");
            }
            _ => {}
        }
    }

    /// Since when the store has not answered; `None` while it does.
    pub(crate) fn store_away_since(&self) -> Option<Timestamp> {
        let away_since = *lock(&self.store_watch.away_since);
        away_since.or_else(|| self.journal.health().since)
    }

    /// Why the server cannot do all of its work now; empty when it can.
    pub(crate) fn ailments(&self) -> Vec<String> {
        let mut ailments = Vec::new();
        if self.is_stopping() {
            ailments.push("stopping".to_owned());
        }
        if let Some(since) = self.store_away_since() {
            let queued = self.journal.health().queued;
            ailments.push(format!("store: the database has not answered since {since}, {queued} writes wait"));
        }
        if self.lacks_memory() {
            ailments.push("memory: the process uses as much as it may".to_owned());
        }
        ailments
    }
}
