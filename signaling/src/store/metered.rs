//! Any store with its calls counted and timed: the one place where the server's use of its database is measured.
//!
//! A call that its caller gives up is not counted: only one that ended has an outcome.

use super::{
    FileRecord, InviteRecord, MessageRecord, Page, Reader, RoomRecord, RoomUid, Secret, SessionRecord, Store,
    StoreError, Write,
};
use crate::protocol::{FileId, MessageId, RoomCode, Timestamp};
use crate::stats::{Counters, Counts, Latencies, Stopwatch, Tally, Word, words};
use async_trait::async_trait;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The store now and so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// What keeps it.
    pub backend: Backend,
    /// Whether it answers.
    pub available: bool,
    /// Writes that wait for it.
    pub queued: usize,
    /// What they take in memory, roughly.
    pub queued_bytes: usize,
    /// How long the first of them has waited.
    pub oldest: Duration,
    /// Writes that never reached it so far.
    pub writes_lost: u64,
    /// How its calls ended so far.
    pub calls: Counts<(Operation, Outcome)>,
    /// How long they took, for operations that were called.
    pub latencies: Vec<(Operation, Latencies)>,
}

words! {
    /// What keeps a store.
    #[derive(Default)]
    Backend {
        /// SQLite.
        Sqlite = "sqlite";
        /// MongoDB.
        Mongodb = "mongodb";
        /// Memory.
        Memory = "memory";
        /// Something else.
        #[default]
        Other = "other";
    }
}

impl Backend {
    /// What keeps the store of that name.
    pub(crate) fn of(name: &str) -> Self {
        let scheme = name.split_once(':').map_or("", |(scheme, _)| scheme);
        Self::ALL.iter().copied().find(|backend| backend.as_str() == scheme).unwrap_or_default()
    }
}

words! {
    /// How a call ended.
    Outcome {
        /// It was done.
        Ok = "ok";
        /// There is such a thing already, or none: an answer, not a failure.
        Refused = "refused";
        /// The database cannot be reached, or not in time.
        Unavailable = "unavailable";
        /// The database failed.
        Failed = "failed";
    }
}

impl Outcome {
    fn of<T>(result: &Result<T, StoreError>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(StoreError::Conflict | StoreError::Missing) => Self::Refused,
            Err(StoreError::Unavailable(_)) => Self::Unavailable,
            Err(StoreError::Failed(_)) => Self::Failed,
        }
    }
}

/// What was counted of a store's calls.
#[derive(Debug)]
pub(crate) struct StoreCalls {
    ended: Tally<(Operation, Outcome)>,
    latencies: Box<[Stopwatch<Latencies>]>,
}

impl Default for StoreCalls {
    fn default() -> Self {
        Self { ended: Tally::default(), latencies: Operation::ALL.iter().map(|_| Stopwatch::default()).collect() }
    }
}

impl StoreCalls {
    fn ended(&self, operation: Operation, outcome: Outcome, took: Duration) {
        self.ended.count((operation, outcome));
        if let Some(latencies) = self.latencies.get(operation.index()) {
            latencies.observe(took);
        }
    }

    /// What was counted, without anything now.
    pub(crate) fn read(&self) -> StoreStats {
        let latencies = Operation::ALL.iter().zip(&self.latencies).map(|(&operation, times)| (operation, times.read()));
        StoreStats {
            calls: self.ended.read(),
            latencies: latencies.filter(|(_, times)| times.count() > 0).collect(),
            ..StoreStats::default()
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Metered {
    store: Arc<dyn Store>,
    counters: Arc<Counters>,
}

impl Metered {
    pub(crate) fn over(store: Arc<dyn Store>, counters: &Arc<Counters>) -> Arc<dyn Store> {
        Arc::new(Self { store, counters: Arc::clone(counters) })
    }
}

macro_rules! operations {
    ($($operation:ident = $name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        words! {
            /// What a store is asked for.
            Operation { $(#[doc = concat!("`", stringify!($name), "`")] $operation = stringify!($name);)* }
        }

        #[async_trait]
        impl Store for Metered {
            fn name(&self) -> &str {
                self.store.name()
            }

            $(async fn $name(&self, $($arg: $type),*) -> Result<$result, StoreError> {
                let began = Instant::now();
                let result = self.store.$name($($arg),*).await;
                self.counters.store.ended(Operation::$operation, Outcome::of(&result), began.elapsed());
                result
            })*
        }
    };
}

operations! {
    Ping = ping() -> ();
    CreateRoom = create_room(room: &RoomRecord, now: Timestamp) -> ();
    UpdateRoom = update_room(room: &RoomRecord, expected: u64) -> ();
    Rooms = rooms(now: Timestamp, limit: usize) -> Vec<RoomRecord>;
    Room = room(code: &RoomCode, now: Timestamp) -> Option<RoomRecord>;
    EndRoom = end_room(room: RoomUid) -> ();
    Due = due(now: Timestamp, limit: usize) -> Vec<RoomUid>;
    Purge = purge(room: RoomUid) -> ();
    Write = write(batch: &[Write]) -> ();
    LastSeq = last_seq(room: RoomUid) -> u64;
    Messages = messages(room: RoomUid, reader: &Reader, page: Page, limit: usize, now: Timestamp) -> Vec<MessageRecord>;
    Message = message(room: RoomUid, id: MessageId, now: Timestamp) -> Option<MessageRecord>;
    Sessions = sessions(room: RoomUid, skip: u64, limit: usize, now: Timestamp) -> Vec<SessionRecord>;
    CloseSessions = close_sessions(left_at: Timestamp, reason: &str) -> u64;
    AddInvites = add_invites(invites: &[InviteRecord]) -> ();
    Invites = invites(room: RoomUid, limit: usize, now: Timestamp) -> Vec<InviteRecord>;
    RedeemInvite = redeem_invite(room: RoomUid, secret: Secret, now: Timestamp) -> InviteRecord;
    RemoveInvite = remove_invite(room: RoomUid, id: u64) -> ();
    AddFile = add_file(file: &FileRecord) -> ();
    File = file(room: RoomUid, id: FileId, now: Timestamp) -> Option<FileRecord>;
    Files = files(room: RoomUid, skip: u64, limit: usize, now: Timestamp) -> Vec<FileRecord>;
    RemoveFile = remove_file(room: RoomUid, id: FileId) -> ();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{FlakyStore, record, wall_clock};

    #[tokio::test]
    async fn calls_are_counted_by_operation_and_outcome() {
        let (flaky, counters) = (Arc::new(FlakyStore::default()), Arc::new(Counters::default()));
        let store = Metered::over(Arc::clone(&flaky) as _, &counters);
        let room = record("abc");
        store.create_room(&room, wall_clock()).await.unwrap();
        let other = RoomRecord { uid: RoomUid(1), ..record("abc") };
        store.create_room(&other, wall_clock()).await.unwrap_err();
        store.update_room(&record("xyz"), 1).await.unwrap_err();
        flaky.poison(Some(|_| true));
        let left = Write::Left {
            room: room.uid,
            participant: crate::protocol::ParticipantRef(parlor_media::ids::ParticipantId(1)),
            at: wall_clock(),
            reason: "left".to_owned(),
        };
        store.write(&[left]).await.unwrap_err();
        flaky.set_down(true);
        store.ping().await.unwrap_err();

        let stats = counters.store.read();
        let expected = [
            ((Operation::Ping, Outcome::Unavailable), 1),
            ((Operation::CreateRoom, Outcome::Ok), 1),
            ((Operation::CreateRoom, Outcome::Refused), 1),
            ((Operation::UpdateRoom, Outcome::Refused), 1),
            ((Operation::Write, Outcome::Failed), 1),
        ];
        assert_eq!(stats.calls.occurred().collect::<Vec<_>>(), expected);
        let timed: Vec<_> =
            stats.latencies.iter().map(|(operation, times)| (operation.as_str(), times.count())).collect();
        assert_eq!(timed, [("ping", 1), ("create_room", 2), ("update_room", 1), ("write", 1)]);
    }

    #[test]
    fn a_backend_is_known_by_its_name() {
        for (name, known) in [
            ("sqlite:parlor-data/parlor.db", Backend::Sqlite),
            ("mongodb://db:27017/parlor", Backend::Mongodb),
            ("memory:", Backend::Memory),
            ("flaky:", Backend::Other),
        ] {
            assert_eq!(Backend::of(name), known);
        }
    }
}
