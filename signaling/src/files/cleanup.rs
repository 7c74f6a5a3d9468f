//! What is removed: a room's files with the room, and what no room owns.

use super::upload::UPLOAD_PATIENCE;
use super::{Files, STORAGE_PATIENCE, storage, within};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::store::RoomUid;
use crate::switchboard::Switchboard;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, ObjectStore};
use std::collections::{BTreeSet, HashSet};
use std::io;
use tokio::time::timeout;

/// Files listed, and removed (the storage bounds how many at a time), before the next are listed.
const PAGE: usize = 1000;

/// The most rooms that a search for orphans knows of: more than any server has.
const MAX_ROOMS: usize = 1_000_000;

impl Files {
    /// Removes every file of a room. A room without files is fine.
    ///
    /// # Errors
    /// When some may be left: to be tried again.
    pub(crate) async fn remove_room(&self, room: RoomUid) -> Result<(), Refusal> {
        let Some(store) = self.settings.storage.store() else { return Ok(()) };
        self.empty(store, room).await.map_err(|error| self.unavailable(error))?;
        self.quotas.forget_room(room);
        Ok(())
    }

    async fn empty(&self, store: &dyn ObjectStore, room: RoomUid) -> Result<(), Error> {
        let prefix = self.room_path(room);
        loop {
            let listing = store.list(Some(&prefix)).map_ok(|object| object.location).take(PAGE);
            let page: Vec<Path> = within(listing.try_collect()).await?;
            let listed = page.len();
            let mut removals = store.delete_stream(stream::iter(page.into_iter().map(Ok)).boxed());
            while let Some(removed) = within(async { Ok(removals.next().await) }).await? {
                match removed {
                    Ok(_) | Err(Error::NotFound { .. }) => {}
                    Err(error) => return Err(error),
                }
            }
            if listed < PAGE {
                break;
            }
        }
        // A directory may hold what a crash left of an upload besides, which no listing shows.
        match self.settings.storage.rooms_directory() {
            Some(rooms) => remove_directory(rooms.join(storage::room_name(room))).await,
            None => Ok(()),
        }
    }

    /// Rooms that have files: all of a directory's, or a page of a bucket's behind `after`, and where to go on if there are more.
    async fn rooms_with_files(&self, after: Option<Path>) -> Result<(BTreeSet<RoomUid>, Option<Path>), Refusal> {
        if let Some(directory) = self.settings.storage.rooms_directory() {
            let listing = tokio::task::spawn_blocking(move || list_directory(&directory));
            let failed = |error| Error::Generic { store: "file", source: Box::new(error) };
            let found = listing.await.unwrap_or_else(|error| Err(io::Error::other(error)));
            return Ok((found.map_err(failed).map_err(|error| self.unavailable(error))?, None));
        }
        let (store, rooms) = (self.store()?, self.settings.storage.rooms());
        let listing = match &after {
            Some(after) => store.list_with_offset(Some(&rooms), after),
            None => store.list(Some(&rooms)),
        };
        let listing = listing.map_ok(|object| object.location).take(PAGE).try_collect();
        let page: Vec<Path> = within(listing).await.map_err(|error| self.unavailable(error))?;
        let name = |path: &Path| Some(path.prefix_match(&rooms)?.next()?.as_ref().to_owned());
        let found = page.iter().filter_map(name).filter_map(|name| storage::parse_room_name(&name)).collect();
        // Buckets list in the order of their keys.
        let next = if page.len() < PAGE { None } else { page.into_iter().max() };
        Ok((found, next))
    }
}

impl Switchboard {
    /// Removes the files of rooms that are not there any more, as a crash or another database leaves them. To be run once, when
    /// the store's rooms are loaded.
    ///
    /// # Errors
    /// When the storage or the store does not answer: nothing more than orphans was removed.
    pub(crate) async fn remove_orphans(&self) -> Result<usize, Refusal> {
        let (mut removed, mut next) = (0, None);
        loop {
            let (found, more) = self.files.rooms_with_files(next).await?;
            // Asked after the listing: a room that began since, and has files already, is among them.
            let stored = self.store.rooms(self.wall_clock(), MAX_ROOMS).await?;
            if stored.len() >= MAX_ROOMS {
                return Err(Refusal::new(
                    ErrorCode::Internal,
                    "there are too many rooms to tell which files are theirs",
                ));
            }
            let mut known: HashSet<RoomUid> = stored.iter().map(|room| room.uid).collect();
            known.extend(self.directory.rooms().iter().map(|room| room.uid));
            for orphan in found.into_iter().filter(|room| !known.contains(room)) {
                self.files.remove_room(orphan).await?;
                removed += 1;
            }
            match more {
                Some(more) => next = Some(more),
                None => return Ok(removed),
            }
        }
    }
}

/// The rooms of a directory. Of those that stay, what crashed uploads left is removed; the longest upload is over by then.
fn list_directory(directory: &std::path::Path) -> io::Result<BTreeSet<RoomUid>> {
    let entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
        entries => entries?,
    };
    let mut found = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        let Some(room) = entry.file_name().to_str().and_then(storage::parse_room_name) else { continue };
        found.insert(room);
        for file in std::fs::read_dir(entry.path())?.flatten() {
            // `object_store` writes to a name with `#` and a number, then renames.
            let is_partial = file.file_name().to_string_lossy().contains('#');
            let age = file.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
            if is_partial && age.is_some_and(|age| age > 2 * UPLOAD_PATIENCE) {
                std::fs::remove_file(file.path())?;
            }
        }
    }
    Ok(found)
}

async fn remove_directory(directory: std::path::PathBuf) -> Result<(), Error> {
    match timeout(STORAGE_PATIENCE, tokio::fs::remove_dir_all(directory)).await {
        Ok(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::Generic { store: "file", source: Box::new(error) })
        }
        _ => Ok(()),
    }
}
