//! Parlor's signalling: rooms, participants and what they say to one another, between browsers and the media shards.
//!
//! [`Signaling`] owns the room directory, the sessions and their sockets. Requests come in by REST ([`rest`]) and WebSocket
//! ([`ws`]); what they change happens under the lock of one room, and becomes commands to that room's shards and messages to
//! its members. Events of the shards become messages ([`events`]).
//!
//! What always holds:
//! - Locks are taken in this order: room, session, map of the directory. None is held across an await. That of the policy is
//!   held for no longer than it takes to clone or replace a pointer.
//! - Commands about a participant reach its shard in the order in which the room changed. Requests wait for the shard before
//!   they lock ([`shards`]); the handling of events never waits.
//! - Logs name rooms by their numbers: a room's id is the key to it.
//! - Everything that a client can make grow has a bound: frames, texts, outboxes, sockets, rooms, members, offers, tables.

mod access;
mod admission;
mod change;
mod chat;
mod directory;
mod directory_of_data;
mod draining;
mod events;
mod files;
mod gate;
mod idempotency;
mod invites;
mod join_trace;
mod lifecycle;
mod limits;
mod lines;
mod lobby;
mod membership;
mod moderation;
mod openapi;
mod outbox;
mod password;
mod places;
mod problem;
pub mod protocol;
mod proxies;
mod purge;
mod rate;
mod readiness;
mod readings;
mod requests;
mod rest;
mod rights;
mod room;
mod room_settings;
mod session;
mod session_log;
mod settings;
mod settle;
mod shards;
mod spreading;
mod stats;
mod store;
mod switchboard;
mod timers;
mod visitor;
mod webhooks;
mod ws;

#[cfg(test)]
mod tests;

pub use access::{KeyError, KeySources, Keys, MIN_SECRET_BYTES, TokenRequest};
pub use draining::Calls;
pub use files::{FileSettings, FileStorage};
pub use join_trace::TRACES;
pub use limits::Rates;
pub use lines::{Pace, Turn};
pub use rate::Rate;
pub use readiness::{Ailment, Reason};
pub use settings::{Announce, Policy, Settings};
pub use shards::ShardHandle;
pub use spreading::Spread;
pub use stats::{
    Carrier, Cause, Counts, CredentialFault, Direction, FileStats, JoinOutcome, Latencies, Limit, MessageStats,
    ResumeOutcome, SocketEnd, SocketStats, Stats, Turned, Word,
};
#[doc(hidden)]
pub use store::bench;
pub use store::{
    Backend, Health, OpenError, Operation, Outcome, Storage, StoreError, StorePlace, StoreStats, StoreUrl,
};
pub use visitor::OverTls;
pub use webhooks::{SigningKey, WebhookSettings, WebhookStats};

use axum::Router;
use axum::http::Method;
use axum::routing::get;
use parlor_media::command::Event;
use protocol::server::Departure;
use std::sync::Arc;
use std::time::Duration;
use switchboard::Switchboard;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// How long a stop waits for clients to be told, and for the store at the same time.
const SHUTDOWN_PATIENCE: Duration = Duration::from_secs(3);

/// Before another attempt to remove files of rooms that are gone.
const ORPHANS_PAUSE: Duration = Duration::from_secs(60);

/// Gives TLS connections of this process, to webhooks and clouds, their cryptography. Repeating it is harmless; what the process
/// has chosen otherwise stays.
pub fn install_cryptography() {
    // An error says that there is one.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Whether a request of this method and path sets its own pace: an upload takes as long as bytes flow, and bounds itself.
#[must_use]
pub fn sets_its_own_pace(method: &Method, path: &str) -> bool {
    let mut parts = path.split('/').skip(1);
    let mut next = || parts.next().unwrap_or_default();
    let is_files = (next(), next(), !next().is_empty(), next()) == ("api", "rooms", true, "files");
    *method == Method::POST && is_files && parts.next().is_none()
}

/// The signalling; clones are the same one.
#[derive(Clone)]
pub struct Signaling {
    board: Arc<Switchboard>,
}

impl std::fmt::Debug for Signaling {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signaling")
    }
}

impl Signaling {
    /// A signalling without rooms, over this storage and these shards.
    #[must_use]
    pub fn new(settings: Settings, announce: Announce, storage: Storage, shards: Vec<ShardHandle>) -> Self {
        Self { board: Arc::new(Switchboard::new(settings, announce, storage, shards)) }
    }

    /// The routes `/api/…` and `/ws`. Limits per address need the server to be made with
    /// `into_make_service_with_connect_info::<SocketAddr>()`.
    pub fn router(&self) -> Router {
        Router::new()
            .nest("/api", rest::router(&self.board))
            .route("/ws", get(ws::upgrade))
            .with_state(Arc::clone(&self.board))
    }

    /// Handles a shard's events until its channel closes.
    pub async fn run_events(&self, shard: usize, mut events: mpsc::Receiver<Event>) {
        while let Some(event) = events.recv().await {
            self.board.handle_event(event);
        }
        tracing::debug!(shard, "the shard's events have ended");
    }

    /// Enters all rooms of the store, empty, and returns how many there are. To be called once, before anything is served.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn load(&self) -> Result<usize, StoreError> {
        self.board.load_rooms().await
    }

    /// Removes what is left of ended rooms, for as long as it is polled.
    pub async fn run_purges(&self) {
        self.board.run_purges().await;
    }

    /// Looks whether the store answers, for as long as it is polled.
    pub async fn watch_store(&self) {
        self.board.watch_store().await;
    }

    /// Why the server takes on no new work now; empty when it does.
    #[must_use]
    pub fn ailments(&self) -> Vec<Ailment> {
        self.board.ailments()
    }

    /// Ends what is due, for as long as it is polled.
    pub async fn run_timers(&self) {
        self.board.run_timers().await;
    }

    /// Writes what is to be kept to the store, for as long as it is polled.
    pub async fn run_journal(&self) {
        self.board.journal.run(|notice| self.board.on_notice(notice)).await;
    }

    /// How the store does.
    #[must_use]
    pub fn store_health(&self) -> Health {
        self.board.journal.health()
    }

    /// Delivers webhooks, for as long as it is polled.
    pub async fn run_webhooks(&self) {
        self.board.webhooks.run().await;
    }

    /// Removes files of rooms that are not there any more, as soon as store and storage answer. To be run once, at the start.
    pub async fn remove_orphaned_files(&self) {
        if !self.board.settings.files.storage.is_on() {
            return;
        }
        loop {
            match self.board.remove_orphans().await {
                Ok(0) => return,
                Ok(rooms) => {
                    tracing::info!(rooms, "files of rooms that are gone were removed");
                    return;
                }
                Err(refusal) => tracing::warn!(reason = refusal.message, "files of rooms that are gone may be left"),
            }
            sleep(ORPHANS_PAUSE).await;
        }
    }

    /// A shard was started anew: rooms with a part on it stay, and everybody in them is told to join again, those on other
    /// shards, too. Rooms of a shard that takes no commands end until the next start of the server finds them in the store.
    pub async fn shard_lost(&self, shard: usize) {
        let mut listens = true;
        let rooms = self.board.directory.rooms().into_iter();
        let rooms: Vec<_> = rooms.filter(|room| room.lock().parts.contains(&shard)).collect();
        tracing::error!(shard, rooms = rooms.len(), "shard lost: its participants are told to join again");
        for room in rooms {
            // One wait is enough to learn that it does not.
            let channel = &self.board.shards[shard];
            listens = if listens { channel.reserve(2).await.is_ok() } else { channel.try_reserve(2).is_ok() };
            if !(listens && self.board.reopen(&room).await) {
                self.board.leave_to_store(&room, Departure::RoomClosed);
            }
        }
        if !listens {
            tracing::error!(shard, "the shard takes no commands: its rooms have ended");
        }
    }

    /// No call begins any more, and everybody in one is told that the server ends after `bound` at the latest.
    pub fn drain(&self, bound: Duration) {
        self.board.drain(bound);
    }

    /// The calls that are on now.
    #[must_use]
    pub fn calls(&self) -> Calls {
        self.board.calls()
    }

    /// Waits until no call is on. One may wait at a time.
    pub async fn until_no_calls(&self) {
        self.board.until_no_calls().await;
    }

    /// Refuses newcomers, tells every client that the server stops, and waits, for three seconds at most, until they were told and
    /// what is to be kept is stored.
    pub async fn shutdown(&self) {
        // Rooms first: their members' last message is queued before their sockets learn of the stop. Then those that came in between.
        self.leave_all_rooms();
        self.board.stopping.send_replace(true);
        self.leave_all_rooms();
        let told = timeout(SHUTDOWN_PATIENCE, self.board.gate.until_empty());
        let (told, cut) = tokio::join!(told, self.board.journal.drain(SHUTDOWN_PATIENCE));
        if told.is_err() {
            tracing::warn!(sockets = self.board.gate.sockets(), "some sockets did not close in time");
        }
        if cut > 0 {
            tracing::error!(writes = cut, "the store did not take everything in time: chat and session logs are cut");
        }
    }

    fn leave_all_rooms(&self) {
        for room in self.board.directory.rooms() {
            self.board.leave_to_store(&room, Departure::ServerShutdown);
        }
    }

    /// Goes by another policy from now on. Who is in a room stays, also beyond what a new limit allows.
    pub fn replace_policy(&self, policy: Policy) {
        self.board.replace_policy(policy);
    }

    /// A snapshot for metrics.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.board.stats()
    }
}
