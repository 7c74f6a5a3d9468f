//! Shared files: their bytes, in a directory or in a cloud's bucket. Their records are the store's.
//!
//! A file's key is `rooms/<room>/<file>`, both numbers that the server drew: what people call a file is never part of a path.
//!
//! What always holds:
//! - Bytes come first, the record last: what is listed can be fetched. An upload that does not end well leaves neither.
//! - Nothing of a file is in memory beyond [`upload::PART_BYTES`] and what a connection holds.
//! - A file's content is what its first bytes say ([`kind`]), never what its sender says.
//! - A bucket and prefix belong to one server: what it does not know there, below `rooms/`, it removes.

mod cleanup;
mod disposition;
mod kind;
mod name;
mod quota;
mod range;
mod storage;
#[cfg(test)]
mod tests;
mod upload;

pub(crate) use disposition::disposition;
pub(crate) use kind::may_be_shown_inline;
pub(crate) use name::parse_file_name;
pub(crate) use range::{Wanted, wanted};
pub use storage::FileStorage;
pub(crate) use upload::Upload;

use crate::lines::{FILE_FAILURES, paced};
use crate::protocol::FileId;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::room::Room;
use crate::stats::{Counters, Direction};
use crate::store::{FileRecord, RoomUid};
use crate::switchboard::Switchboard;
use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, GetResult, ObjectStore, ObjectStoreExt};
use quota::Quotas;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Uploads of the whole server at a time; each holds two parts at most.
const MAX_UPLOADS: usize = 16;

/// How long one request to the storage may take; parts of an upload are such.
const STORAGE_PATIENCE: Duration = Duration::from_secs(60);

/// What may be shared, and where it is kept.
#[derive(Clone, Debug)]
pub struct FileSettings {
    /// Where.
    pub storage: FileStorage,
    /// Of one file.
    pub max_bytes: u64,
    /// Files of one room.
    pub max_per_room: usize,
    /// Of a room's files together, those included that are being uploaded.
    pub max_room_bytes: u64,
    /// Content types that are taken, as `image/png` or `image/*`; empty: all.
    pub types: Vec<String>,
}

impl Default for FileSettings {
    fn default() -> Self {
        Self {
            storage: FileStorage::memory(),
            max_bytes: 25 << 20,
            max_per_room: 200,
            max_room_bytes: 500 << 20,
            types: Vec::new(),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Files {
    settings: FileSettings,
    quotas: Arc<Quotas>,
    uploads: Arc<Semaphore>,
    counters: Arc<Counters>,
}

impl Files {
    pub(crate) fn new(settings: FileSettings, counters: &Arc<Counters>) -> Self {
        let quotas = Quotas::new(settings.max_per_room, settings.max_room_bytes);
        let (uploads, counters) = (Arc::new(Semaphore::new(MAX_UPLOADS)), Arc::clone(counters));
        Self { settings, quotas, uploads, counters }
    }

    /// The storage; a refusal where files are off.
    fn store(&self) -> Result<&dyn ObjectStore, Refusal> {
        let off = || Refusal::new(ErrorCode::NotFound, "files cannot be shared on this server");
        self.settings.storage.store().ok_or_else(off)
    }

    fn room_path(&self, room: RoomUid) -> Path {
        self.settings.storage.rooms().join(storage::room_name(room))
    }

    fn path(&self, room: RoomUid, file: FileId) -> Path {
        self.room_path(room).join(file.to_string())
    }

    /// Some or all bytes of a file.
    ///
    /// # Errors
    /// `file-not-found` when they are gone, `store-unavailable` when the storage does not answer.
    pub(crate) async fn read(&self, file: &FileRecord, range: Option<Range<u64>>) -> Result<GetResult, Refusal> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let path = self.path(file.room, file.id);
        let store = self.store()?;
        match within(store.get_opts(&path, options)).await {
            Err(Error::NotFound { .. }) => Err(not_found()),
            other => other.map_err(|error| self.unavailable(error)),
        }
    }

    /// The same for a client: what it is sent is counted.
    ///
    /// # Errors
    /// Those of [`Self::read`]; what fails later ends the stream.
    pub(crate) async fn download(
        &self,
        file: &FileRecord,
        range: Option<Range<u64>>,
    ) -> Result<impl Stream<Item = object_store::Result<Bytes>> + use<>, Refusal> {
        let (read, counters) = (self.read(file, range).await?, Arc::clone(&self.counters));
        Ok(read.into_stream().inspect(move |bytes| match bytes {
            Ok(bytes) => counters.file_bytes.add(Direction::Out, bytes.len() as u64),
            Err(_) => counters.storage_errors.count(),
        }))
    }

    /// The storage did not do what it was asked.
    fn unavailable(&self, error: Error) -> Refusal {
        self.counters.storage_errors.count();
        paced!(FILE_FAILURES, warn, %error, "the file storage did not do what it was asked");
        Refusal::new(ErrorCode::StoreUnavailable, "the file storage cannot be reached now, try again in a moment")
    }

    async fn delete(&self, room: RoomUid, file: FileId) -> Result<(), Refusal> {
        match within(self.store()?.delete(&self.path(room, file))).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(self.unavailable(error)),
        }
    }
}

impl Switchboard {
    /// A file of a room.
    ///
    /// # Errors
    /// `file-not-found` when the room has none of that id.
    pub(crate) async fn file(&self, room: &Room, id: FileId) -> Result<FileRecord, Refusal> {
        self.files.store()?;
        self.store.file(room.uid, id, self.wall_clock()).await?.ok_or_else(not_found)
    }

    /// Removes a file: its bytes first, so that nothing is left when it is no longer listed.
    pub(crate) async fn remove_file(&self, room: &Room, id: FileId) -> Result<(), Refusal> {
        self.learn_quota(room.uid).await?;
        self.files.delete(room.uid, id).await?;
        self.store.remove_file(room.uid, id).await?;
        self.files.quotas.forget(room.uid, id);
        room.lock().tell_all(&crate::protocol::ServerMessage::FileRemoved { file_id: id });
        Ok(())
    }
}

/// Awaits the storage for as long as it may take.
async fn within<T>(request: impl Future<Output = object_store::Result<T>>) -> object_store::Result<T> {
    let late = |error| Error::Generic { store: "files", source: Box::new(error) };
    timeout(STORAGE_PATIENCE, request).await.unwrap_or_else(|error| Err(late(error)))
}

pub(crate) fn not_found() -> Refusal {
    Refusal::new(ErrorCode::FileNotFound, "the room has no such file")
}
