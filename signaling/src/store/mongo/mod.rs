//! The store in a MongoDB: `mongodb://…` and `mongodb+srv://…`, a standalone server as well as a replica set.
//!
//! [`MongoStore`] owns a client's pool and one database. Rooms, messages, sessions, invites and files are a collection each and
//! a document each; what is in a room carries the room's uid. How records look as documents is beside what reads and writes
//! them: [`rooms`], [`messages`], [`sessions`], [`invites`], [`files`]; [`batch`] writes what the journal brings.
//!
//! What always holds:
//! - No transaction is used, since a standalone server has none. What must be atomic is one command on one document; what takes
//!   several is ordered so that the next attempt completes an interrupted one.
//! - Writes are acknowledged by a majority of the replica set, from its journal; reads see what a majority has ([`options`]).
//! - Nothing is written into a room that is being purged: see [`MongoStore::open_rooms`].
//! - Texts of people are values, never names of fields, operators or parts of queries.
//! - Errors name codes and fields, never what a document holds.

mod batch;
mod errors;
mod fields;
mod files;
mod indexes;
mod invites;
mod messages;
mod options;
mod rooms;
mod sessions;

#[cfg(test)]
pub(crate) mod mongod;
#[cfg(test)]
mod tests;

use super::{
    FileId, FileRecord, InviteRecord, MessageRecord, Page, Reader, RoomRecord, RoomUid, Secret, SessionRecord, Store,
    StoreError, Write,
};
use crate::protocol::{MessageId, RoomCode, Timestamp};
use crate::session::lock;
use async_trait::async_trait;
use fields::Fields;
use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc};
use mongodb::{Client, Collection, Database};
use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;
use tokio::sync::{RwLock, RwLockReadGuard};
use tokio::time::timeout;

/// What a call of [`Store`] may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server works at a command: less than [`CALL_TIMEOUT`], so that it has given up before anybody tries again.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(8);

/// See the module.
pub(crate) struct MongoStore {
    /// The database and its servers, without credentials.
    name: String,
    database: Database,
    /// Shared by those who write into rooms that they found open; a purge passes through it alone.
    doors: RwLock<()>,
    /// Rooms of which something is left although they are gone themselves, found at the start.
    leftovers: Mutex<BTreeSet<RoomUid>>,
}

impl fmt::Debug for MongoStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoStore").field("name", &self.name).finish_non_exhaustive()
    }
}

impl MongoStore {
    /// Opens the database that a URL names, and creates what is missing of its indexes.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the URL cannot be read or the server refuses, [`StoreError::Unavailable`] when no server is
    /// reached: later the same call may succeed.
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        let options = options::parse(url).await?;
        let name = options::name(&options);
        let database_name = options::database(&options).to_owned();
        let database = Client::with_options(options)?.database(&database_name);
        let store = Self { name, database, doors: RwLock::default(), leftovers: Mutex::default() };
        indexes::create(&store).await?;
        let leftovers = rooms::leftovers(&store).await?;
        if !leftovers.is_empty() {
            tracing::info!(
                rooms = leftovers.len(),
                "the database holds leftovers of rooms that are gone, they will be purged"
            );
        }
        *lock(&store.leftovers) = leftovers;
        Ok(store)
    }

    fn collection(&self, name: &'static str) -> Collection<Document> {
        self.database.collection(name)
    }

    /// Up to `limit` documents after the first `skip`, in order.
    async fn list(
        &self,
        collection: &'static str,
        filter: Document,
        sort: Document,
        skip: u64,
        limit: usize,
    ) -> Result<Vec<Fields>, StoreError> {
        // To the server a limit of zero is none.
        if limit == 0 {
            return Ok(Vec::new());
        }
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let documents = self.collection(collection);
        let find = documents.find(filter).sort(sort).skip(skip.min(i64::MAX.cast_unsigned()));
        let cursor = find.limit(limit).max_time(COMMAND_TIMEOUT).await?;
        Ok(cursor.map_ok(|document| Fields::new(collection, document)).try_collect().await?)
    }

    async fn find_one(&self, collection: &'static str, filter: Document) -> Result<Option<Fields>, StoreError> {
        let found = self.collection(collection).find_one(filter).max_time(COMMAND_TIMEOUT).await?;
        Ok(found.map(|document| Fields::new(collection, document)))
    }

    /// Inserts what is not there: documents that break a unique index are there already.
    async fn insert_missing(&self, collection: &'static str, documents: &[Document]) -> Result<(), StoreError> {
        if documents.is_empty() {
            return Ok(());
        }
        match self.collection(collection).insert_many(documents).ordered(false).await {
            Err(error) if errors::is_all_duplicates(&error) => Ok(()),
            result => Ok(result.map(drop)?),
        }
    }

    /// Those of `rooms` into which may be written, for as long as the guard is held.
    ///
    /// A purge marks its room as ending, waits until nobody holds a guard from before, and removes: what is written under a
    /// guard is either removed by it or not written at all.
    async fn open_rooms(
        &self,
        rooms: &BTreeSet<RoomUid>,
    ) -> Result<(RwLockReadGuard<'_, ()>, BTreeSet<RoomUid>), StoreError> {
        let guard = self.doors.read().await;
        let uids: Vec<Bson> = rooms.iter().map(|&room| fields::uid(room)).collect();
        let filter = doc! { "_id": { "$in": uids }, "ending": false };
        let documents = self.collection(rooms::COLLECTION);
        let find = documents.find(filter).projection(doc! { "_id": 1 });
        let found: Vec<Document> = find.max_time(COMMAND_TIMEOUT).await?.try_collect().await?;
        let found = found.into_iter().map(|document| Fields::new(rooms::COLLECTION, document).uid("_id"));
        Ok((guard, found.collect::<Result<_, _>>()?))
    }
}

/// What `work` comes to, if it does in time.
async fn bounded<T>(work: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
    timeout(CALL_TIMEOUT, work).await.unwrap_or_else(|_| {
        Err(StoreError::Unavailable(format!("it did not answer within {} seconds", CALL_TIMEOUT.as_secs())))
    })
}

#[async_trait]
impl Store for MongoStore {
    fn name(&self) -> &str {
        &self.name
    }

    async fn ping(&self) -> Result<(), StoreError> {
        bounded(async { Ok(self.database.run_command(doc! { "ping": 1 }).await.map(drop)?) }).await
    }

    async fn create_room(&self, room: &RoomRecord, now: Timestamp) -> Result<(), StoreError> {
        bounded(rooms::create(self, room, now)).await
    }

    async fn update_room(&self, room: &RoomRecord, expected: u64) -> Result<(), StoreError> {
        bounded(rooms::update(self, room, expected)).await
    }

    async fn rooms(&self, now: Timestamp, limit: usize) -> Result<Vec<RoomRecord>, StoreError> {
        bounded(rooms::all(self, now, limit)).await
    }

    async fn room(&self, code: &RoomCode, now: Timestamp) -> Result<Option<RoomRecord>, StoreError> {
        bounded(rooms::by_code(self, code, now)).await
    }

    async fn end_room(&self, room: RoomUid) -> Result<(), StoreError> {
        bounded(rooms::end(self, room)).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RoomUid>, StoreError> {
        bounded(rooms::due(self, now, limit)).await
    }

    async fn purge(&self, room: RoomUid) -> Result<(), StoreError> {
        bounded(rooms::purge(self, room)).await
    }

    async fn write(&self, batch: &[Write]) -> Result<(), StoreError> {
        bounded(batch::write(self, batch)).await
    }

    async fn last_seq(&self, room: RoomUid) -> Result<u64, StoreError> {
        bounded(messages::last_seq(self, room)).await
    }

    async fn messages(
        &self,
        room: RoomUid,
        reader: &Reader,
        page: Page,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<MessageRecord>, StoreError> {
        bounded(messages::page(self, room, reader, page, limit, now)).await
    }

    async fn message(&self, room: RoomUid, id: MessageId, now: Timestamp) -> Result<Option<MessageRecord>, StoreError> {
        bounded(messages::one(self, room, id, now)).await
    }

    async fn sessions(
        &self,
        room: RoomUid,
        skip: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        bounded(sessions::page(self, room, skip, limit, now)).await
    }

    async fn close_sessions(&self, left_at: Timestamp, reason: &str) -> Result<u64, StoreError> {
        bounded(sessions::close_all(self, left_at, reason)).await
    }

    async fn add_invites(&self, invites: &[InviteRecord]) -> Result<(), StoreError> {
        bounded(invites::add(self, invites)).await
    }

    async fn invites(&self, room: RoomUid, limit: usize, now: Timestamp) -> Result<Vec<InviteRecord>, StoreError> {
        bounded(invites::all(self, room, limit, now)).await
    }

    async fn redeem_invite(&self, room: RoomUid, secret: Secret, now: Timestamp) -> Result<InviteRecord, StoreError> {
        bounded(invites::redeem(self, room, secret, now)).await
    }

    async fn remove_invite(&self, room: RoomUid, id: u64) -> Result<(), StoreError> {
        bounded(invites::remove(self, room, id)).await
    }

    async fn add_file(&self, file: &FileRecord) -> Result<(), StoreError> {
        bounded(files::add(self, file)).await
    }

    async fn file(&self, room: RoomUid, id: FileId, now: Timestamp) -> Result<Option<FileRecord>, StoreError> {
        bounded(files::one(self, room, id, now)).await
    }

    async fn files(
        &self,
        room: RoomUid,
        skip: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<FileRecord>, StoreError> {
        bounded(files::page(self, room, skip, limit, now)).await
    }

    async fn remove_file(&self, room: RoomUid, id: FileId) -> Result<(), StoreError> {
        bounded(files::remove(self, room, id)).await
    }
}
