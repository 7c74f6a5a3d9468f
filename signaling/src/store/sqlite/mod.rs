//! The embedded store: one SQLite file and its log, below a directory of its own.
//!
//! One thread writes ([`writer`]), a few read ([`readers`]); calls reach them through bounded queues and are bounded in time. The
//! file is Parlor's alone: a lock beside it (`….lock`) keeps a second process out.
//!
//! What always holds:
//! - A call that returned `Ok` is on the disk: the log is synced with each commit.
//! - A read sees everything that was written before it was asked for.
//! - After a purge nothing of the room is in the file, nor in its log: what was deleted is overwritten, the log is truncated.

mod files;
mod invites;
mod messages;
mod readers;
mod rooms;
mod rows;
mod schema;
mod scrub;
mod sessions;
#[cfg(test)]
mod tests;
mod writer;

pub(crate) use schema::APPLICATION_ID;

use super::{
    FileId, FileRecord, InviteRecord, MessageRecord, Page, Reader, RoomRecord, RoomUid, Secret, SessionRecord, Store,
    StoreError, Write,
};
use crate::directory_of_data::create_directory;
use crate::protocol::{MessageId, RoomCode, Timestamp};
use async_trait::async_trait;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long a call may take. What has waited longer is done all the same, or was never begun: repeating it is harmless.
const PATIENCE: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(crate) struct SqliteStore {
    name: String,
    /// `None` while it is being dropped.
    queues: Option<Queues>,
    threads: Vec<JoinHandle<()>>,
    /// Held for as long as the threads run.
    _lock: File,
}

#[derive(Debug)]
struct Queues {
    writer: mpsc::Sender<writer::Job>,
    readers: mpsc::Sender<readers::Job>,
}

impl SqliteStore {
    /// Opens the database at `path`, with its directory and tables if need be. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Failed`] when it is in use by another process, not Parlor's, or of a later version.
    pub(crate) fn open(path: &Path) -> Result<Self, StoreError> {
        let file_error = |error: io::Error| StoreError::Failed(error.to_string());
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        if let Some(directory) = directory {
            create_directory(directory).map_err(|error| {
                StoreError::Failed(format!("cannot create the directory {}: {error}", directory.display()))
            })?;
        }
        let lock = lock(path)?;
        // Closed last: see `scrub`.
        let file = own(path).map_err(file_error)?;
        let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        schema::prepare_writer(&mut connection)?;
        // A purge that ended with the process, or the power.
        writer::sweep(&connection, &file)?;

        let (writer, jobs) = mpsc::channel(writer::QUEUE);
        let (readers, reads) = mpsc::channel(readers::QUEUE);
        let reads: readers::Jobs = Arc::new(Mutex::new(reads));
        let mut threads = Vec::new();
        for _ in 0..readers::THREADS {
            let connection = connect(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            schema::prepare_reader(&connection)?;
            let reads = Arc::clone(&reads);
            let run = move || readers::run(&connection, &reads);
            threads.push(thread::Builder::new().name("store-reader".to_owned()).spawn(run).map_err(file_error)?);
        }
        let run = move || {
            writer::run(&connection, &file, jobs);
            drop(connection);
            drop(file);
        };
        threads.push(thread::Builder::new().name("store-writer".to_owned()).spawn(run).map_err(file_error)?);
        let name = format!("sqlite:{}", path.display());
        Ok(Self { name, queues: Some(Queues { writer, readers }), threads, _lock: lock })
    }

    fn queues(&self) -> Result<&Queues, StoreError> {
        self.queues.as_ref().ok_or_else(gone)
    }

    async fn change<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = writer::change(change);
        ask(&self.queues()?.writer, job, answer).await
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (job, answer) = readers::read(read);
        ask(&self.queues()?.readers, job, answer).await
    }
}

async fn ask<J, T>(
    queue: &mpsc::Sender<J>,
    job: J,
    answer: oneshot::Receiver<Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let asked = async {
        queue.send(job).await.map_err(|_| gone())?;
        // A sender that is dropped: see `writer::commit`.
        answer.await.unwrap_or_else(|_| Err(StoreError::Unavailable("the call was not begun".to_owned())))
    };
    let late = || Err(StoreError::Unavailable(format!("no answer within {} s", PATIENCE.as_secs())));
    timeout(PATIENCE, asked).await.unwrap_or_else(|_| late())
}

fn gone() -> StoreError {
    StoreError::Unavailable("the store's thread has ended".to_owned())
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        self.queues = None;
        // They end after what they are at: whoever opens the file next finds it free.
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Opens a file, and creates it for its owner alone. SQLite gives its log the same rights.
fn own(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Beside the database.
pub(crate) fn lock_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    name.into()
}

/// A file of its own, since locks on the database are SQLite's. The system releases it whatever way the process ends.
fn lock(path: &Path) -> Result<File, StoreError> {
    let name = lock_path(path);
    let failed = |error: io::Error| StoreError::Failed(format!("cannot lock {}: {error}", name.display()));
    let file = own(&name).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::Failed("it is in use by another process: a database serves one Parlor".to_owned()))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn connect(path: &Path, mode: OpenFlags) -> Result<Connection, StoreError> {
    // A path that begins with a dot or a slash is never taken for a URI or for `:memory:`.
    let path = Path::new(".").join(path);
    // A connection stays with its thread.
    Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX).map_err(failure)
}

/// What the database's error means. A disk that is full or fails may be mended while the server runs.
fn failure(error: rusqlite::Error) -> StoreError {
    let text = error.to_string();
    match error.sqlite_error_code() {
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::DatabaseBusy
            | ErrorCode::DatabaseLocked
            | ErrorCode::DiskFull
            | ErrorCode::FileLockingProtocolFailed
            | ErrorCode::OutOfMemory
            | ErrorCode::SystemIoFailure,
        ) => StoreError::Unavailable(text),
        _ => StoreError::Failed(text),
    }
}

#[async_trait]
impl Store for SqliteStore {
    fn name(&self) -> &str {
        &self.name
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.change(|_| Ok(())).await?;
        self.read(|connection| rows::value::<i64>(connection, "SELECT count(*) FROM (SELECT 1 FROM rooms LIMIT 1)", []))
            .await
            .map(drop)
    }

    async fn create_room(&self, room: &RoomRecord, now: Timestamp) -> Result<(), StoreError> {
        let room = room.clone();
        self.change(move |connection| rooms::create(connection, &room, now)).await
    }

    async fn update_room(&self, room: &RoomRecord, expected: u64) -> Result<(), StoreError> {
        let room = room.clone();
        self.change(move |connection| rooms::update(connection, &room, expected)).await
    }

    async fn rooms(&self, now: Timestamp, limit: usize) -> Result<Vec<RoomRecord>, StoreError> {
        self.read(move |connection| rooms::all(connection, now, limit)).await
    }

    async fn room(&self, code: &RoomCode, now: Timestamp) -> Result<Option<RoomRecord>, StoreError> {
        let code = code.clone();
        self.read(move |connection| rooms::by_code(connection, &code, now)).await
    }

    async fn end_room(&self, room: RoomUid) -> Result<(), StoreError> {
        self.change(move |connection| rooms::end(connection, room)).await
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RoomUid>, StoreError> {
        self.read(move |connection| rooms::due(connection, now, limit)).await
    }

    async fn purge(&self, room: RoomUid) -> Result<(), StoreError> {
        let purged = async {
            while !self.change(move |connection| rooms::remove_slice(connection, room)).await? {}
            let (sender, answer) = oneshot::channel();
            ask(&self.queues()?.writer, writer::Job::Sweep(sender), answer).await
        };
        let late = "a large room takes longer: the next purge goes on with it";
        timeout(PATIENCE, purged).await.unwrap_or_else(|_| Err(StoreError::Unavailable(late.to_owned())))
    }

    async fn write(&self, batch: &[Write]) -> Result<(), StoreError> {
        let batch = batch.to_vec();
        self.change(move |connection| messages::write(connection, &batch)).await
    }

    async fn last_seq(&self, room: RoomUid) -> Result<u64, StoreError> {
        self.read(move |connection| messages::last_seq(connection, room)).await
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
        self.read(move |connection| messages::page(connection, room, &reader, page, limit, now)).await
    }

    async fn message(&self, room: RoomUid, id: MessageId, now: Timestamp) -> Result<Option<MessageRecord>, StoreError> {
        self.read(move |connection| messages::one(connection, room, id, now)).await
    }

    async fn sessions(
        &self,
        room: RoomUid,
        skip: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        self.read(move |connection| sessions::page(connection, room, skip, limit, now)).await
    }

    async fn close_sessions(&self, left_at: Timestamp, reason: &str) -> Result<u64, StoreError> {
        let reason = reason.to_owned();
        self.change(move |connection| sessions::close_all(connection, left_at, &reason)).await
    }

    async fn add_invites(&self, invites: &[InviteRecord]) -> Result<(), StoreError> {
        let invites = invites.to_vec();
        self.change(move |connection| invites::add(connection, &invites)).await
    }

    async fn invites(&self, room: RoomUid, limit: usize, now: Timestamp) -> Result<Vec<InviteRecord>, StoreError> {
        self.read(move |connection| invites::list(connection, room, limit, now)).await
    }

    async fn redeem_invite(&self, room: RoomUid, secret: Secret, now: Timestamp) -> Result<InviteRecord, StoreError> {
        self.change(move |connection| invites::redeem(connection, room, secret, now)).await
    }

    async fn remove_invite(&self, room: RoomUid, id: u64) -> Result<(), StoreError> {
        self.change(move |connection| invites::remove(connection, room, id)).await
    }

    async fn add_file(&self, file: &FileRecord) -> Result<(), StoreError> {
        let file = file.clone();
        self.change(move |connection| files::add(connection, &file)).await
    }

    async fn file(&self, room: RoomUid, id: FileId, now: Timestamp) -> Result<Option<FileRecord>, StoreError> {
        self.read(move |connection| files::one(connection, room, id, now)).await
    }

    async fn files(
        &self,
        room: RoomUid,
        skip: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<FileRecord>, StoreError> {
        self.read(move |connection| files::page(connection, room, skip, limit, now)).await
    }

    async fn remove_file(&self, room: RoomUid, id: FileId) -> Result<(), StoreError> {
        self.change(move |connection| files::remove(connection, room, id)).await
    }
}
