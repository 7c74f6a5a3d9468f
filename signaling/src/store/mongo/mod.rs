//! The store in a MongoDB: `mongodb://…` and `mongodb+srv://…`, a standalone server as well as a replica set.
//!
//! [`MongoStore`] is the store: it bounds calls in time and number. [`Archive`] owns a client's pool and one database. Rooms,
//! messages, sessions, invites and files are a collection each and a document each; what is in a room carries the room's uid.
//! How records look as documents is beside what reads and writes them: [`rooms`], [`messages`], [`sessions`], [`invites`],
//! [`files`]; [`batch`] writes what the journal brings.
//!
//! What always holds:
//! - No transaction is used, since a standalone server has none. What must be atomic is one command on one document; what takes
//!   several is ordered so that the next attempt completes an interrupted one.
//! - Writes are acknowledged by a majority of the replica set, from its journal; reads see what a majority has ([`options`]).
//! - Nothing is written into a room that is being purged: see [`Archive::open_rooms`].
//! - What the driver does is never cancelled, also when its caller is: see [`MongoStore::call`].
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
use mongodb::options::ClientOptions;
use mongodb::{Client, Collection, Database};
use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{RwLock, RwLockReadGuard, Semaphore};
use tokio::time::timeout;

/// What a call of [`Store`] may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the server works at a command: less than [`CALL_TIMEOUT`], so that it has given up before anybody tries again.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(8);

/// See the module.
pub(crate) struct MongoStore {
    archive: Arc<Archive>,
    /// One permit for each call that is under way.
    calls: Arc<Semaphore>,
    /// What a call may take.
    patience: Duration,
}

/// The database and what has to be known about it.
struct Archive {
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
        f.debug_struct("MongoStore").field("name", &self.archive.name).finish_non_exhaustive()
    }
}

impl MongoStore {
    /// Opens the database that a URL names, and creates what is missing of its indexes.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when the URL cannot be read or the server refuses, [`StoreError::Unavailable`] when no server is
    /// reached: later the same call may succeed.
    pub(crate) async fn open(url: &str) -> Result<Self, StoreError> {
        Self::open_with_patience(url, CALL_TIMEOUT).await
    }

    /// Whether a primary answers. Changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when none does in time.
    pub(crate) async fn ping(url: &str) -> Result<(), StoreError> {
        let options = options::parse(url).await?;
        let database = options::database(&options).to_owned();
        let client = Client::with_options(options)?;
        let asked = timeout(CALL_TIMEOUT, client.database(&database).run_command(doc! { "ping": 1 })).await;
        let late = |_| StoreError::Unavailable(format!("no answer within {} s", CALL_TIMEOUT.as_secs()));
        asked.map_err(late)??;
        Ok(())
    }

    /// The same with calls that may take as long as `patience`.
    async fn open_with_patience(url: &str, patience: Duration) -> Result<Self, StoreError> {
        let options = options::parse(url).await?;
        let calls = options::calls(&options);
        let archive = Archive::open(options).await?;
        Ok(Self { archive: Arc::new(archive), calls: Arc::new(Semaphore::new(calls)), patience })
    }

    /// What `work` comes to, if it does in time.
    ///
    /// It runs as a task of its own, to its end even when nobody waits for it any more: a request for a connection that is
    /// dropped makes the driver's pool keep the one behind it waiting, until something else happens in it. There are never more
    /// such tasks than connections. A server that does not answer at all ends them, since the driver's monitor sees that.
    async fn call<T, F>(&self, work: impl FnOnce(Arc<Archive>) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let work = work(Arc::clone(&self.archive));
        let call = async {
            let permit = Arc::clone(&self.calls).acquire_owned().await;
            let task = tokio::spawn(async move {
                let _permit = permit;
                work.await
            });
            task.await.unwrap_or_else(|_| Err(StoreError::Failed("a call broke off".into())))
        };
        timeout(self.patience, call).await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable(format!("it did not answer within {} seconds", self.patience.as_secs_f32())))
        })
    }
}

impl Archive {
    async fn open(options: ClientOptions) -> Result<Self, StoreError> {
        let name = options::name(&options);
        let database_name = options::database(&options).to_owned();
        let database = Client::with_options(options)?.database(&database_name);
        let archive = Self { name, database, doors: RwLock::default(), leftovers: Mutex::default() };
        indexes::create(&archive).await?;
        let leftovers = rooms::leftovers(&archive).await?;
        if !leftovers.is_empty() {
            tracing::info!(
                rooms = leftovers.len(),
                "the database holds leftovers of rooms that are gone, to be purged"
            );
        }
        *lock(&archive.leftovers) = leftovers;
        Ok(archive)
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

#[async_trait]
impl Store for MongoStore {
    fn name(&self) -> &str {
        &self.archive.name
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.call(|archive| async move { Ok(archive.database.run_command(doc! { "ping": 1 }).await.map(drop)?) }).await
    }

    async fn create_room(&self, room: &RoomRecord, now: Timestamp) -> Result<(), StoreError> {
        let room = room.clone();
        self.call(|archive| async move { rooms::create(&archive, &room, now).await }).await
    }

    async fn update_room(&self, room: &RoomRecord, expected: u64) -> Result<(), StoreError> {
        let room = room.clone();
        self.call(|archive| async move { rooms::update(&archive, &room, expected).await }).await
    }

    async fn rooms(&self, now: Timestamp, limit: usize) -> Result<Vec<RoomRecord>, StoreError> {
        self.call(|archive| async move { rooms::all(&archive, now, limit).await }).await
    }

    async fn room(&self, code: &RoomCode, now: Timestamp) -> Result<Option<RoomRecord>, StoreError> {
        let code = code.clone();
        self.call(|archive| async move { rooms::by_code(&archive, &code, now).await }).await
    }

    async fn end_room(&self, room: RoomUid) -> Result<(), StoreError> {
        self.call(|archive| async move { rooms::end(&archive, room).await }).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RoomUid>, StoreError> {
        self.call(|archive| async move { rooms::due(&archive, now, limit).await }).await
    }

    async fn purge(&self, room: RoomUid) -> Result<(), StoreError> {
        self.call(|archive| async move { rooms::purge(&archive, room).await }).await
    }

    async fn write(&self, batch: &[Write]) -> Result<(), StoreError> {
        let batch = batch.to_vec();
        self.call(|archive| async move { batch::write(&archive, &batch).await }).await
    }

    async fn last_seq(&self, room: RoomUid) -> Result<u64, StoreError> {
        self.call(|archive| async move { messages::last_seq(&archive, room).await }).await
    }

    async fn messages(
        &self,
        room: RoomUid,
        reader: &Reader,
        page: Page,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<MessageRecord>, StoreError> {
        let reader = reader.clone();
        self.call(|archive| async move { messages::page(&archive, room, &reader, page, limit, now).await }).await
    }

    async fn message(&self, room: RoomUid, id: MessageId, now: Timestamp) -> Result<Option<MessageRecord>, StoreError> {
        self.call(|archive| async move { messages::one(&archive, room, id, now).await }).await
    }

    async fn sessions(
        &self,
        room: RoomUid,
        skip: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        self.call(|archive| async move { sessions::page(&archive, room, skip, limit, now).await }).await
    }

    async fn close_sessions(&self, left_at: Timestamp, reason: &str) -> Result<u64, StoreError> {
        let reason = reason.to_owned();
        self.call(|archive| async move { sessions::close_all(&archive, left_at, &reason).await }).await
    }

    async fn add_invites(&self, invites: &[InviteRecord]) -> Result<(), StoreError> {
        let invites = invites.to_vec();
        self.call(|archive| async move { invites::add(&archive, &invites).await }).await
    }

    async fn invites(&self, room: RoomUid, limit: usize, now: Timestamp) -> Result<Vec<InviteRecord>, StoreError> {
        self.call(|archive| async move { invites::all(&archive, room, limit, now).await }).await
    }

    async fn redeem_invite(&self, room: RoomUid, secret: Secret, now: Timestamp) -> Result<InviteRecord, StoreError> {
        self.call(|archive| async move { invites::redeem(&archive, room, secret, now).await }).await
    }

    async fn remove_invite(&self, room: RoomUid, id: u64) -> Result<(), StoreError> {
        self.call(|archive| async move { invites::remove(&archive, room, id).await }).await
    }

    async fn add_file(&self, file: &FileRecord) -> Result<(), StoreError> {
        let file = file.clone();
        self.call(|archive| async move { files::add(&archive, &file).await }).await
    }

    async fn file(&self, room: RoomUid, id: FileId, now: Timestamp) -> Result<Option<FileRecord>, StoreError> {
        self.call(|archive| async move { files::one(&archive, room, id, now).await }).await
    }

    async fn files(
        &self,
        room: RoomUid,
        skip: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<FileRecord>, StoreError> {
        self.call(|archive| async move { files::page(&archive, room, skip, limit, now).await }).await
    }

    async fn remove_file(&self, room: RoomUid, id: FileId) -> Result<(), StoreError> {
        self.call(|archive| async move { files::remove(&archive, room, id).await }).await
    }
}
