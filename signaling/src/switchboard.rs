//! What everything here shares: settings, shards, the directory and the counters.

use crate::access::Grant;
use crate::directory::Directory;
use crate::draining::Drain;
use crate::files::Files;
use crate::gate::Gate;
use crate::gate::Who;
use crate::idempotency::Answers;
use crate::limits::Kind;
use crate::lines::Lines;
use crate::places::Places;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::server::{Access, Limits};
use crate::protocol::{RoomCode, ServerMessage, Timestamp};
use crate::purge::Purges;
use crate::readiness::StoreWatch;
use crate::readings::Readings;
use crate::rest::Created;
use crate::room::{Encoded, Room, Surroundings, encode};
use crate::session::Session;
use crate::settings::{Announce, Policy, RoomBounds, Settings};
use crate::shards::{Shard, ShardHandle};
use crate::stats::{Counters, SocketStats, Stats};
use crate::store::{Backend, Journal, Metered, Storage, Store, StoreStats};
use crate::webhooks::Webhooks;
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
    /// What shards are asked of their rooms.
    pub(crate) readings: Readings,
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
    pub(crate) counters: Arc<Counters>,
    /// Of the log.
    pub(crate) lines: Lines,
    pub(crate) files: Files,
    pub(crate) webhooks: Webhooks,
    pub(crate) surroundings: Surroundings,
    /// The number of the next room. Numbers are not reused.
    pub(crate) next_room: AtomicU64,
    /// When this began.
    pub(crate) started: Instant,
    /// Whether the server is about to stop.
    pub(crate) drain: Drain,
    /// `true` once the server stops.
    pub(crate) stopping: watch::Sender<bool>,
}

impl Switchboard {
    pub(crate) fn new(settings: Settings, announce: Announce, storage: Storage, shards: Vec<ShardHandle>) -> Self {
        // Without entropy nobody can join either; an empty id is the least of it.
        let server_id = entropy::<10>().map(|bytes| RoomCode::from_entropy(bytes).to_string()).unwrap_or_default();
        let counters = Arc::<Counters>::default();
        let store = Metered::over(storage.0, &counters);
        Self {
            places: Arc::default(),
            gate: Gate::new(),
            policy: RwLock::new(Arc::new(settings.first_policy.clone())),
            surroundings: Surroundings {
                ice_servers: settings.ice_servers.clone(),
                resume_grace_seconds: settings.resume_grace.as_secs(),
                server_id,
            },
            journal: Arc::new(Journal::new(Arc::clone(&store), settings.wall_clock)),
            files: Files::new(settings.files.clone(), &counters),
            webhooks: Webhooks::new(&settings.webhooks, settings.wall_clock),
            settings,
            announce,
            shards: shards.into_iter().map(Shard::new).collect(),
            directory: Directory::default(),
            readings: Readings::default(),
            started: Instant::now(),
            store,
            store_watch: StoreWatch::default(),
            purges: Purges::default(),
            created: Answers::new(),
            counters,
            lines: Lines::default(),
            next_room: AtomicU64::new(1),
            drain: Drain::default(),
            stopping: watch::Sender::new(false),
        }
    }

    /// The first message on a socket.
    pub(crate) fn hello(&self) -> Encoded {
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
    pub(crate) fn error(&self, refusal: Refusal) -> Encoded {
        self.counters.count_refusal(refusal.code, refusal.cause);
        encode(&refusal.into())
    }

    /// Tells a session why its request was refused.
    pub(crate) fn refuse(&self, session: &Session, refusal: Refusal) {
        session.post(self.error(refusal));
    }

    pub(crate) fn stats(&self) -> Stats {
        let counted = self.counters.snapshot();
        let rooms = self.directory.rooms();
        let (mut detached, mut waiting) = (0, 0);
        for room in &rooms {
            let state = room.lock();
            detached += state.members.iter().filter(|member| !member.session.is_attached()).count();
            waiting += state.lobby.waiting().len();
        }
        let journal = self.journal.health();
        Stats {
            rooms: rooms.len(),
            purges_pending: self.purges.len(),
            participants: self.directory.participant_count(),
            draining: self.drain.seconds_left().is_some(),
            detached,
            waiting,
            sockets: SocketStats { open: self.gate.sockets(), ..counted.sockets },
            store: StoreStats {
                backend: Backend::of(self.store.name()),
                available: self.store_away_since().is_none(),
                queued: journal.queued,
                queued_bytes: journal.queued_bytes,
                oldest: journal.oldest,
                writes_lost: journal.dropped,
                ..counted.store
            },
            webhooks: self.webhooks.stats(),
            ..counted
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
