//! How much each room holds, uploads under way included.
//!
//! The store knows what a room has; it is asked once, at the first upload or removal, and from then on what changes is counted
//! here. A claim holds an upload's place and bytes, and gives them back unless the upload was kept.

use crate::access::Identity;
use crate::protocol::FileId;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::session::lock;
use crate::stats::Limit;
use crate::store::RoomUid;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

/// Uploads of one identity in one room at a time.
pub(super) const MAX_UPLOADS_EACH: usize = 3;

/// See the module. Rooms enter with their first upload and leave with their end, or with their last file.
#[derive(Debug)]
pub(super) struct Quotas {
    max_files: usize,
    max_bytes: u64,
    rooms: Mutex<HashMap<RoomUid, Usage>>,
}

#[derive(Debug, Default)]
struct Usage {
    /// Those that are there, with their sizes; at most as many as a room may have.
    files: HashMap<FileId, u64>,
    /// Uploads under way, by whom.
    uploads: HashMap<Identity, usize>,
    claimed_bytes: u64,
}

impl Usage {
    fn bytes(&self) -> u64 {
        self.files.values().fold(self.claimed_bytes, |sum, size| sum.saturating_add(*size))
    }

    fn places(&self) -> usize {
        self.files.len() + self.uploads.values().sum::<usize>()
    }
}

/// An upload's share.
#[derive(Debug)]
pub(super) struct Claim {
    quotas: Arc<Quotas>,
    room: RoomUid,
    uploader: Identity,
    bytes: u64,
}

impl Quotas {
    pub(super) fn new(max_files: usize, max_bytes: u64) -> Arc<Self> {
        Arc::new(Self { max_files, max_bytes, rooms: Mutex::default() })
    }

    pub(super) fn knows(&self, room: RoomUid) -> bool {
        lock(&self.rooms).contains_key(&room)
    }

    /// Learns what the store has, unless it is known meanwhile.
    pub(super) fn learn(&self, room: RoomUid, files: HashMap<FileId, u64>) {
        lock(&self.rooms).entry(room).or_insert_with(|| Usage { files, ..Usage::default() });
    }

    /// Claims a place, and as many bytes as are known to come.
    pub(super) fn claim(self: &Arc<Self>, room: RoomUid, uploader: &Identity, bytes: u64) -> Result<Claim, Refusal> {
        let mut rooms = lock(&self.rooms);
        let usage = rooms.entry(room).or_default();
        if usage.places() >= self.max_files {
            let message = format!("the room has {} files, more are not allowed", self.max_files);
            return Err(Refusal::new(ErrorCode::FilesFull, message).by(Limit::FilesPerRoom));
        }
        let uploads = usage.uploads.get(uploader).copied().unwrap_or(0);
        if uploads >= MAX_UPLOADS_EACH {
            let message = format!("{MAX_UPLOADS_EACH} uploads at a time are allowed: wait for one to end");
            return Err(Refusal::new(ErrorCode::RateLimited, message));
        }
        self.check(usage, bytes)?;
        usage.uploads.insert(uploader.clone(), uploads + 1);
        usage.claimed_bytes += bytes;
        drop(rooms);
        Ok(Claim { quotas: Arc::clone(self), room, uploader: uploader.clone(), bytes })
    }

    fn check(&self, usage: &Usage, more: u64) -> Result<(), Refusal> {
        let left = self.max_bytes.saturating_sub(usage.bytes());
        if more <= left {
            return Ok(());
        }
        let message = format!("the room's files may have {} bytes together, {left} are left", self.max_bytes);
        Err(Refusal::new(ErrorCode::FilesFull, message).by(Limit::FileBytesPerRoom))
    }

    /// A file is gone.
    pub(super) fn forget(&self, room: RoomUid, file: FileId) {
        if let Some(usage) = lock(&self.rooms).get_mut(&room) {
            usage.files.remove(&file);
        }
    }

    /// A room is gone.
    pub(super) fn forget_room(&self, room: RoomUid) {
        lock(&self.rooms).remove(&room);
    }
}

impl Claim {
    /// Claims more bytes, for an upload of `total` so far.
    pub(super) fn grow(&mut self, total: u64) -> Result<(), Refusal> {
        let Some(more) = total.checked_sub(self.bytes).filter(|&more| more > 0) else { return Ok(()) };
        let mut rooms = lock(&self.quotas.rooms);
        // Gone with its room: the upload fails when its record is written.
        let Some(usage) = rooms.get_mut(&self.room) else { return Ok(()) };
        self.quotas.check(usage, more)?;
        usage.claimed_bytes += more;
        self.bytes = total;
        Ok(())
    }

    /// The upload is there: it counts as a file from now on.
    pub(super) fn keep(self, file: FileId, size: u64) {
        if let Some(usage) = lock(&self.quotas.rooms).get_mut(&self.room) {
            usage.files.insert(file, size);
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut rooms = lock(&self.quotas.rooms);
        let Some(usage) = rooms.get_mut(&self.room) else { return };
        usage.claimed_bytes = usage.claimed_bytes.saturating_sub(self.bytes);
        if let Some(uploads) = usage.uploads.get_mut(&self.uploader) {
            *uploads = uploads.saturating_sub(1);
            if *uploads == 0 {
                usage.uploads.remove(&self.uploader);
            }
        }
        if usage.files.is_empty() && usage.uploads.is_empty() {
            rooms.remove(&self.room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: RoomUid = RoomUid(7);

    fn who(name: &str) -> Identity {
        Identity::parse(name).unwrap()
    }

    fn code(result: Result<Claim, Refusal>) -> ErrorCode {
        result.unwrap_err().code
    }

    #[test]
    fn uploads_under_way_count() {
        let quotas = Quotas::new(4, 100);
        quotas.learn(ROOM, HashMap::from([(FileId(1), 30)]));
        let mut first = quotas.claim(ROOM, &who("ana"), 60).unwrap();
        assert_eq!(code(quotas.claim(ROOM, &who("bo"), 11)), ErrorCode::FilesFull);
        first.grow(70).unwrap();
        assert_eq!(first.grow(71).unwrap_err().code, ErrorCode::FilesFull);
        drop(first);
        let whole = quotas.claim(ROOM, &who("ana"), 70).unwrap();
        whole.keep(FileId(2), 70);
        assert_eq!(code(quotas.claim(ROOM, &who("ana"), 1)), ErrorCode::FilesFull);
        quotas.forget(ROOM, FileId(2));
        assert!(quotas.claim(ROOM, &who("ana"), 70).is_ok());
        assert!(quotas.claim(RoomUid(8), &who("ana"), 100).is_ok(), "rooms do not share");
    }

    #[test]
    fn files_and_uploads_are_bounded_in_number() {
        let quotas = Quotas::new(MAX_UPLOADS_EACH + 1, 100);
        let claims: Vec<_> = (0..MAX_UPLOADS_EACH).map(|_| quotas.claim(ROOM, &who("ana"), 1).unwrap()).collect();
        assert_eq!(code(quotas.claim(ROOM, &who("ana"), 1)), ErrorCode::RateLimited);
        let last = quotas.claim(ROOM, &who("bo"), 1).unwrap();
        assert_eq!(code(quotas.claim(ROOM, &who("bo"), 1)), ErrorCode::FilesFull);
        drop((claims, last));
        assert!(lock(&quotas.rooms).is_empty(), "a room without files is not remembered");
    }

    #[test]
    fn a_claim_may_outlive_its_room() {
        let quotas = Quotas::new(4, 100);
        let mut claim = quotas.claim(ROOM, &who("ana"), 10).unwrap();
        quotas.forget_room(ROOM);
        claim.grow(20).unwrap();
        claim.keep(FileId(1), 20);
        assert!(!quotas.knows(ROOM));
    }
}
