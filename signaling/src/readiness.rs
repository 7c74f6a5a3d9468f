//! Whether the server can take on new work now, for who sends it traffic.
//!
//! Not being ready is no reason to end it: calls go on while the database is away.

use crate::protocol::Timestamp;
use crate::session::lock;
use crate::switchboard::Switchboard;
use serde::Serialize;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::sleep;

/// Between looks at the store.
const PING_INTERVAL: Duration = Duration::from_secs(5);

/// Why the server takes on no new work, for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// It is about to end.
    Draining,
    /// The database does not answer.
    Store,
    /// It has as many rooms as it may.
    Rooms,
    /// It has as many participants as it may.
    Participants,
    /// It has as many WebSocket connections as it may.
    Connections,
    /// It uses as much memory as it may.
    Memory,
    /// A shard shows no sign of life.
    Shards,
}

/// One reason why the server takes on no new work.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ailment {
    /// For programs.
    pub reason: Reason,
    /// For people.
    pub message: String,
}

impl Ailment {
    /// A reason and what there is to say.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into() }
    }
}

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

    /// Since when the store does not answer, by the latest look or the latest write; `None` while it does.
    pub(crate) fn store_away_since(&self) -> Option<Timestamp> {
        let seen = *lock(&self.store_watch.away_since);
        seen.or_else(|| self.journal.health().since)
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

    /// Why the server takes on no new work now; empty when it does.
    pub(crate) fn ailments(&self) -> Vec<Ailment> {
        let policy = self.policy();
        let people = self.directory.participant_count();
        let bounds = [
            (Reason::Rooms, "rooms", self.places.taken(), policy.max_rooms, "limits.max_rooms"),
            (Reason::Participants, "participants", people, policy.max_total_participants, "limits.max_participants"),
            (Reason::Connections, "connections", self.gate.sockets(), policy.max_sockets, "limits.max_connections"),
        ];
        let full =
            bounds.into_iter().filter(|&(.., there, most, _)| there >= most).map(|(reason, what, _, most, key)| {
                Ailment::new(reason, format!("there are as many {what} as there may be: {most} ({key})"))
            });
        let pressed = self
            .lacks_memory()
            .then(|| Ailment::new(Reason::Memory, "the process uses as much memory as it may (limits.max_memory_mib)"));
        self.why_no_new_calls().into_iter().chain(self.why_no_writes()).chain(full).chain(pressed).collect()
    }

    fn why_no_new_calls(&self) -> Option<Ailment> {
        let message = match self.drain.seconds_left() {
            _ if self.is_stopping() => "the server stops".to_owned(),
            Some(seconds) => format!("no new calls begin, and the server stops in {seconds} s at the latest"),
            None => return None,
        };
        Some(Ailment::new(Reason::Draining, message))
    }

    fn why_no_writes(&self) -> Option<Ailment> {
        let since = self.store_away_since()?;
        let queued = self.journal.health().queued;
        let message = format!("the database has not answered since {since}, {queued} writes wait");
        Some(Ailment::new(Reason::Store, message))
    }
}
