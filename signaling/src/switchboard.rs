//! What everything here shares: settings, shards, the directory and the counters.

use crate::access::Grant;
use crate::directory::Directory;
use crate::files::Files;
use crate::gate::Gate;
use crate::gate::Who;
use crate::idempotency::Answers;
use crate::limits::Kind;
use crate::places::Places;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::server::{Access, Limits};
use crate::protocol::{RoomCode, ServerMessage, Timestamp};
use crate::purge::Purges;
use crate::readiness::StoreWatch;
use crate::rest::Created;
use crate::room::{Room, Surroundings, encode};
use crate::session::Session;
use crate::settings::{Announce, Policy, RoomBounds, Settings};
use crate::shards::{Shard, ShardHandle};
use crate::stats::{Counters, Stats};
use crate::store::{Journal, Storage, Store};
use crate::webhooks::Webhooks;
use axum::extract::ws::Utf8Bytes;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;
use tokio::time::Instant;

/// See the module.
pub(crate) struct Switchboard {
    pub(crate) settings: Settings,
    /// The one of now; it is replaced whole, and never changed.
    policy: RwLock<Arc<Policy>>,
    pub(crate) announce: Announce,
    pub(crate) shards: Vec<Shard>,
    pub(crate) directory: Directory,
    pub(crate) store: Arc<dyn Store>,
    /// What is written to the store in the background.
    pub(crate) journal: Arc<Journal>,
    pub(crate) store_watch: StoreWatch,
    /// Rooms that have ended, until nothing of them is left.
    pub(crate) purges: Purges,
    /// One for each room, from its creation until nothing of it is left.
    pub(crate) places: Arc<Places>,
    /// Rooms that were created by requests which may come again.
    pub(crate) created: Answers<Created>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) counters: Counters,
    pub(crate) files: Files,
    pub(crate) webhooks: Webhooks,
    pub(crate) surroundings: Surroundings,
    /// The number of the next room. Numbers are not reused.
    pub(crate) next_room: AtomicU64,
    /// `true` once the server stops.
    pub(crate) stopping: watch::Sender<bool>,
}

impl Switchboard {
    pub(crate) fn new(settings: Settings, announce: Announce, storage: Storage, shards: Vec<ShardHandle>) -> Self {
        // Without entropy nobody can join either; an empty id is the least of it.
        let server_id = entropy::<10>().map(|bytes| RoomCode::from_entropy(bytes).to_string()).unwrap_or_default();
        Self {
            places: Arc::default(),
            gate: Gate::new(),
            policy: RwLock::new(Arc::new(settings.first_policy.clone())),
            surroundings: Surroundings {
                ice_servers: settings.ice_servers.clone(),
                resume_grace_seconds: settings.resume_grace.as_secs(),
                server_id,
            },
            journal: Arc::new(Journal::new(Arc::clone(&storage.0), settings.wall_clock)),
            files: Files::new(settings.files.clone()),
            webhooks: Webhooks::new(&settings.webhooks, settings.wall_clock),
            settings,
            announce,
            shards: shards.into_iter().map(Shard::new).collect(),
            directory: Directory::default(),
            store: storage.0,
            store_watch: StoreWatch::default(),
            purges: Purges::default(),
            created: Answers::new(),
            counters: Counters::new(),
            next_room: AtomicU64::new(1),
            stopping: watch::Sender::new(false),
        }
    }

    /// The first message on a socket.
    pub(crate) fn hello(&self) -> Utf8Bytes {
        encode(&ServerMessage::Hello {
            protocol: crate::protocol::server::PROTOCOL_VERSION,
            server_id: self.surroundings.server_id.clone(),
            access: if self.is_open() { Access::Open } else { Access::Keys },
            ice_servers: self.surroundings.ice_servers.clone(),
            limits: Limits::new(self.settings.max_text_bytes, self.settings.max_frame_bytes),
        })
    }

    /// The time of day, as people and stores know it. What is measured in seconds goes by [`tokio::time::Instant`].
    pub(crate) fn wall_clock(&self) -> Timestamp {
        (self.settings.wall_clock)()
    }

    /// Whom it believes and how much it takes on, now. Who asks twice may be told two.
    pub(crate) fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn replace_policy(&self, policy: Policy) {
        *self.policy.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(policy);
    }

    /// What a room may ask for, now.
    pub(crate) fn room_bounds(&self) -> RoomBounds {
        RoomBounds { max_participants: self.policy().max_participants, max_expiry: self.settings.max_expiry }
    }

    /// Counts something for all of `who`, or, when a limit is reached, for none.
    ///
    /// # Errors
    /// `rate-limited`, with the limit's name and when to try again.
    pub(crate) fn count(&self, kind: Kind, who: Who<'_>) -> Result<(), Refusal> {
        self.gate.take(kind, who, &self.policy().rates, Instant::now())
    }

    /// Whether rooms are open to whoever knows their ids. Otherwise tokens are needed.
    pub(crate) fn is_open(&self) -> bool {
        self.policy().keys.is_open()
    }

    /// What a token grants now.
    ///
    /// # Errors
    /// `token-invalid`
    pub(crate) fn verify(&self, token: &str) -> Result<Grant, Refusal> {
        self.policy().keys.verify(token, self.wall_clock())
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    pub(crate) fn shard_of(&self, room: &Room) -> &Shard {
        // A room's index was given by `least_loaded` over the same list, which never changes.
        &self.shards[room.shard]
    }

    /// The room of that id.
    pub(crate) fn room(&self, code: &RoomCode) -> Result<Arc<Room>, Refusal> {
        match self.directory.room(code) {
            Some(room) if room.lock().is_expired(self.wall_clock()) => Err(expired(code)),
            Some(room) => Ok(room),
            None if self.directory.has_expired(code) => Err(expired(code)),
            None => Err(Refusal::new(ErrorCode::RoomNotFound, format!("there is no room \"{code}\""))),
        }
    }

    /// An error as a message; counts it.
    pub(crate) fn error(&self, refusal: Refusal) -> Utf8Bytes {
        self.counters.count_error(refusal.code);
        encode(&refusal.into())
    }

    /// Tells a session why its request was refused.
    pub(crate) fn refuse(&self, session: &Session, refusal: Refusal) {
        session.post(self.error(refusal));
    }

    pub(crate) fn stats(&self) -> Stats {
        let rooms = self.directory.rooms();
        let detached = |room: &Arc<Room>| room.lock().members.iter().filter(|m| !m.session.is_attached()).count();
        let journal = self.journal.health();
        Stats {
            rooms: rooms.len(),
            participants: self.directory.participant_count(),
            detached: rooms.iter().map(detached).sum(),
            sockets: self.gate.sockets(),
            store_available: journal.available,
            store_queue: journal.queued,
            store_writes_lost: journal.dropped,
            webhooks: self.webhooks.stats(),
            ..self.counters.snapshot()
        }
    }
}

pub(crate) fn expired(code: &RoomCode) -> Refusal {
    Refusal::new(ErrorCode::RoomExpired, format!("the room \"{code}\" has expired"))
}

/// Random bytes of the operating system's.
pub(crate) fn entropy<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the operating system gives no random numbers");
        Refusal::new(ErrorCode::Internal, "the server is out of random numbers")
    })?;
    Ok(bytes)
}
