//! Where rooms outlive the process: one trait, kept by SQLite and by MongoDB.
//!
//! The directory in memory is what the server works with; a [`Store`] is its durable copy, and the only place of what is too
//! much for memory: messages, session logs, records of files. The server is the only writer of its database.
//!
//! What always holds:
//! - Whatever returned `Ok` survives a crash of the process and of the database.
//! - Repeating a call is harmless: after an error nobody knows whether it was done.
//! - Reads take `now` and show nothing of a room whose time is over, whatever a sweep has or has not removed.
//! - Nothing of a room is left once [`Store::purge`] returned, in no file of the database.

pub mod bench;
#[cfg(test)]
mod contract;
mod journal;
mod memory;
mod metered;
mod mongo;
mod records;
mod sqlite;
mod url;

pub use journal::Health;
#[cfg(test)]
pub(crate) use journal::MAX_WRITES;
pub(crate) use journal::{Journal, Notice};
pub(crate) use memory::MemoryStore;
pub use metered::{Backend, Operation, Outcome, StoreStats};
pub(crate) use metered::{Metered, StoreCalls};
pub(crate) use mongo::MongoStore;
pub(crate) use records::{
    FileRecord, InviteRecord, MAX_REACTIONS, MessageRecord, Page, Reaction, Reader, RoomRecord, RoomUid, Secret,
    SessionRecord, Write,
};
pub use url::{OpenError, StorePlace, StoreUrl};

use crate::lines::{STORE_FAILURES, paced};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::{FileId, MessageId, RoomCode, Timestamp};
use async_trait::async_trait;
use std::sync::Arc;

/// An open store.
#[derive(Clone, Debug)]
pub struct Storage(pub(crate) Arc<dyn Store>);

impl Storage {
    /// A store that forgets with the process.
    #[must_use]
    pub fn memory() -> Self {
        Self(Arc::new(MemoryStore::default()))
    }
}

/// Why a store did not do what it was asked.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// There is such a thing already, or it has changed meanwhile.
    #[error("it exists already, or has changed meanwhile")]
    Conflict,
    /// There is no such thing.
    #[error("there is no such thing")]
    Missing,
    /// The database cannot be reached, does not answer in time, or its disk is full: try again.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// The database answered with something that trying again will not mend: it refuses, or holds what cannot be read.
    #[error("the database failed: {0}")]
    Failed(String),
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        paced!(STORE_FAILURES, warn, %error, "the store did not do what it was asked");
        match error {
            StoreError::Unavailable(_) => {
                Self::new(ErrorCode::StoreUnavailable, "the database cannot be reached now, try again in a moment")
                    .with_retry_after(5)
            }
            _ => Self::new(ErrorCode::Internal, "the database failed"),
        }
    }
}

/// See the module. Every call is bounded in time by the implementation (ten seconds at most) and may be dropped.
#[async_trait]
pub(crate) trait Store: Send + Sync + std::fmt::Debug {
    /// What it is, without secrets: `sqlite:parlor-data/parlor.db`.
    fn name(&self) -> &str;

    /// Whether the database answers.
    async fn ping(&self) -> Result<(), StoreError>;

    /// Enters a room. A room of that code whose time is over, or that is marked as ending, does not stand in the way, and is
    /// ending from then on. A room of that uid stays as it is.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when there is a room of that code.
    async fn create_room(&self, room: &RoomRecord, now: Timestamp) -> Result<(), StoreError>;

    /// Replaces a room whose version is `expected`; the record carries the new version.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] when it has another version, [`StoreError::Missing`] when it is gone.
    async fn update_room(&self, room: &RoomRecord, expected: u64) -> Result<(), StoreError>;

    /// All rooms whose time is not over and that are not ending, `limit` at most, in the order of their creation.
    async fn rooms(&self, now: Timestamp, limit: usize) -> Result<Vec<RoomRecord>, StoreError>;

    /// The room of a code, unless its time is over or it is ending.
    async fn room(&self, code: &RoomCode, now: Timestamp) -> Result<Option<RoomRecord>, StoreError>;

    /// Marks a room as ending: from now on it is hidden, and [`Self::due`] lists it. A room that is not there is fine.
    async fn end_room(&self, room: RoomUid) -> Result<(), StoreError>;

    /// Rooms to be purged: ending, or their time is over. `limit` at most.
    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RoomUid>, StoreError>;

    /// Removes a room and everything in it: messages, sessions, invites, records of files. The room itself goes last, so that
    /// an interrupted purge is found again by [`Self::due`]. A room that is not there is fine.
    async fn purge(&self, room: RoomUid) -> Result<(), StoreError>;

    /// Writes a batch, in its order. What is there already stays as it is; what refers to something that is gone, or to a room
    /// that is ending, is left out.
    /// Batches hold 512 writes and 2 MiB at most.
    async fn write(&self, batch: &[Write]) -> Result<(), StoreError>;

    /// The `seq` of a room's last message, 0 without any.
    async fn last_seq(&self, room: RoomUid) -> Result<u64, StoreError>;

    /// A page of a room's messages that `reader` may see, `limit` at most (1 to 200), always in the order of `seq`.
    async fn messages(
        &self,
        room: RoomUid,
        reader: &Reader,
        page: Page,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<MessageRecord>, StoreError>;

    /// One message.
    async fn message(&self, room: RoomUid, id: MessageId, now: Timestamp) -> Result<Option<MessageRecord>, StoreError>;

    /// A page of a room's sessions in the order of joining: those after the first `skip`, `limit` at most (1 to 200).
    async fn sessions(
        &self,
        room: RoomUid,
        skip: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<SessionRecord>, StoreError>;

    /// Closes sessions that an earlier process left open. Returns how many there were.
    async fn close_sessions(&self, left_at: Timestamp, reason: &str) -> Result<u64, StoreError>;

    /// Enters one-time invites of one room.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the room is gone or ending.
    async fn add_invites(&self, invites: &[InviteRecord]) -> Result<(), StoreError>;

    /// A room's invites that are neither used nor over, `limit` at most, in the order of their creation.
    async fn invites(&self, room: RoomUid, limit: usize, now: Timestamp) -> Result<Vec<InviteRecord>, StoreError>;

    /// Uses an invite up, and returns it. Of many calls at a time one succeeds.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is none of that secret in that room, or it is used or over.
    async fn redeem_invite(&self, room: RoomUid, secret: Secret, now: Timestamp) -> Result<InviteRecord, StoreError>;

    /// Withdraws an invite.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when there is no unused one.
    async fn remove_invite(&self, room: RoomUid, id: u64) -> Result<(), StoreError>;

    /// Enters a file that is wholly stored.
    ///
    /// # Errors
    /// [`StoreError::Missing`] when the room is gone or ending.
    async fn add_file(&self, file: &FileRecord) -> Result<(), StoreError>;

    /// One file.
    async fn file(&self, room: RoomUid, id: FileId, now: Timestamp) -> Result<Option<FileRecord>, StoreError>;

    /// A room's files, latest last, `limit` at most, after the first `skip`.
    async fn files(
        &self,
        room: RoomUid,
        skip: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<FileRecord>, StoreError>;

    /// Removes a file's record. One that is not there is fine.
    async fn remove_file(&self, room: RoomUid, id: FileId) -> Result<(), StoreError>;
}
