//! The store that forgets with the process: `memory:`.

use super::{
    FileId, FileRecord, InviteRecord, MessageRecord, Page, Reader, RoomRecord, RoomUid, Secret, SessionRecord, Store,
    StoreError, Write,
};
use crate::protocol::{MessageId, RoomCode, Timestamp};
use crate::session::lock;
use async_trait::async_trait;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, MutexGuard};

/// See the module. It is bounded by what bounds its writers: rooms by their number, messages by their rate and the room's end.
#[derive(Debug, Default)]
pub(crate) struct MemoryStore {
    rooms: Mutex<HashMap<RoomUid, Shelf>>,
}

/// A room and everything in it.
#[derive(Debug)]
struct Shelf {
    record: RoomRecord,
    ending: bool,
    messages: BTreeMap<u64, MessageRecord>,
    sessions: Vec<SessionRecord>,
    invites: Vec<InviteRecord>,
    files: Vec<FileRecord>,
}

impl Shelf {
    fn is_open(&self, now: Timestamp) -> bool {
        !self.ending && self.record.expires_at.is_none_or(|end| now < end)
    }

    fn message(&mut self, id: MessageId) -> Option<&mut MessageRecord> {
        self.messages.values_mut().find(|message| message.id == id)
    }
}

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, HashMap<RoomUid, Shelf>> {
        lock(&self.rooms)
    }

    /// What `read` finds in a room whose time is not over.
    fn read<T: Default>(&self, room: RoomUid, now: Timestamp, read: impl FnOnce(&Shelf) -> T) -> T {
        self.lock().get(&room).filter(|shelf| shelf.is_open(now)).map(read).unwrap_or_default()
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn name(&self) -> &str {
        "memory:"
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn create_room(&self, room: &RoomRecord, now: Timestamp) -> Result<(), StoreError> {
        let mut rooms = self.lock();
        // Repeated.
        if rooms.contains_key(&room.uid) {
            return Ok(());
        }
        for shelf in rooms.values_mut().filter(|shelf| shelf.record.code == room.code) {
            if shelf.is_open(now) {
                return Err(StoreError::Conflict);
            }
            // Its code is given again: no later change may bring it back.
            shelf.ending = true;
        }
        let (messages, sessions, invites, files) = (BTreeMap::new(), Vec::new(), Vec::new(), Vec::new());
        let shelf = Shelf { record: room.clone(), ending: false, messages, sessions, invites, files };
        rooms.insert(room.uid, shelf);
        Ok(())
    }

    async fn update_room(&self, room: &RoomRecord, expected: u64) -> Result<(), StoreError> {
        match self.lock().get_mut(&room.uid).filter(|shelf| !shelf.ending) {
            None => Err(StoreError::Missing),
            // Repeated.
            Some(shelf) if shelf.record == *room => Ok(()),
            Some(shelf) if shelf.record.version != expected => Err(StoreError::Conflict),
            Some(shelf) => {
                shelf.record = room.clone();
                Ok(())
            }
        }
    }

    async fn rooms(&self, now: Timestamp, limit: usize) -> Result<Vec<RoomRecord>, StoreError> {
        let rooms = self.lock();
        let mut open: Vec<_> = rooms.values().filter(|shelf| shelf.is_open(now)).map(|s| s.record.clone()).collect();
        open.sort_by_key(|room| (room.created_at, room.uid));
        open.truncate(limit);
        Ok(open)
    }

    async fn room(&self, code: &RoomCode, now: Timestamp) -> Result<Option<RoomRecord>, StoreError> {
        let rooms = self.lock();
        Ok(rooms.values().find(|s| s.record.code == *code && s.is_open(now)).map(|shelf| shelf.record.clone()))
    }

    async fn end_room(&self, room: RoomUid) -> Result<(), StoreError> {
        if let Some(shelf) = self.lock().get_mut(&room) {
            shelf.ending = true;
        }
        Ok(())
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Vec<RoomUid>, StoreError> {
        let rooms = self.lock();
        Ok(rooms.iter().filter(|(_, shelf)| !shelf.is_open(now)).map(|(&uid, _)| uid).take(limit).collect())
    }

    async fn purge(&self, room: RoomUid) -> Result<(), StoreError> {
        self.lock().remove(&room);
        Ok(())
    }

    async fn write(&self, batch: &[Write]) -> Result<(), StoreError> {
        let mut rooms = self.lock();
        for write in batch {
            if let Some(shelf) = rooms.get_mut(&write.room()).filter(|shelf| !shelf.ending) {
                apply(shelf, write);
            }
        }
        Ok(())
    }

    async fn last_seq(&self, room: RoomUid) -> Result<u64, StoreError> {
        let rooms = self.lock();
        Ok(rooms.get(&room).and_then(|shelf| shelf.messages.keys().next_back().copied()).unwrap_or(0))
    }

    async fn messages(
        &self,
        room: RoomUid,
        reader: &Reader,
        page: Page,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<MessageRecord>, StoreError> {
        Ok(self.read(room, now, |shelf| {
            let visible = |range: (std::ops::Bound<u64>, std::ops::Bound<u64>)| {
                shelf.messages.range(range).map(|(_, message)| message).filter(|message| reader.sees(message))
            };
            use std::ops::Bound::{Excluded, Unbounded};
            let last = |end| {
                let mut page: Vec<_> = visible((Unbounded, end)).rev().take(limit).cloned().collect();
                page.reverse();
                page
            };
            match page {
                Page::Latest => last(Unbounded),
                Page::Before(seq) => last(Excluded(seq)),
                Page::After(seq) => visible((Excluded(seq), Unbounded)).take(limit).cloned().collect(),
            }
        }))
    }

    async fn message(&self, room: RoomUid, id: MessageId, now: Timestamp) -> Result<Option<MessageRecord>, StoreError> {
        Ok(self.read(room, now, |shelf| shelf.messages.values().find(|message| message.id == id).cloned()))
    }

    async fn sessions(
        &self,
        room: RoomUid,
        skip: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<SessionRecord>, StoreError> {
        Ok(self.read(room, now, |shelf| page(&shelf.sessions, skip, limit)))
    }

    async fn close_sessions(&self, left_at: Timestamp, reason: &str) -> Result<u64, StoreError> {
        let mut rooms = self.lock();
        let open = rooms.values_mut().flat_map(|shelf| &mut shelf.sessions).filter(|s| s.left_at.is_none());
        Ok(open.map(|session| session.close(left_at, reason)).count() as u64)
    }

    async fn add_invites(&self, invites: &[InviteRecord]) -> Result<(), StoreError> {
        let mut rooms = self.lock();
        for invite in invites {
            let shelf = rooms.get_mut(&invite.room).filter(|shelf| !shelf.ending).ok_or(StoreError::Missing)?;
            if !shelf.invites.contains(invite) {
                shelf.invites.push(invite.clone());
            }
        }
        Ok(())
    }

    async fn invites(&self, room: RoomUid, limit: usize, now: Timestamp) -> Result<Vec<InviteRecord>, StoreError> {
        Ok(self.read(room, now, |shelf| {
            let good = shelf.invites.iter().filter(|invite| invite.is_good(now));
            good.take(limit).cloned().collect()
        }))
    }

    async fn redeem_invite(&self, room: RoomUid, secret: Secret, now: Timestamp) -> Result<InviteRecord, StoreError> {
        let mut rooms = self.lock();
        let shelf = rooms.get_mut(&room).filter(|shelf| shelf.is_open(now)).ok_or(StoreError::Missing)?;
        let good = |invite: &InviteRecord| invite.secret == secret && invite.is_good(now);
        let index = shelf.invites.iter().position(good).ok_or(StoreError::Missing)?;
        Ok(shelf.invites.remove(index))
    }

    async fn remove_invite(&self, room: RoomUid, id: u64) -> Result<(), StoreError> {
        let mut rooms = self.lock();
        let shelf = rooms.get_mut(&room).ok_or(StoreError::Missing)?;
        let index = shelf.invites.iter().position(|invite| invite.id == id).ok_or(StoreError::Missing)?;
        shelf.invites.remove(index);
        Ok(())
    }

    async fn add_file(&self, file: &FileRecord) -> Result<(), StoreError> {
        let mut rooms = self.lock();
        let shelf = rooms.get_mut(&file.room).filter(|shelf| !shelf.ending).ok_or(StoreError::Missing)?;
        if !shelf.files.iter().any(|there| there.id == file.id) {
            shelf.files.push(file.clone());
        }
        Ok(())
    }

    async fn file(&self, room: RoomUid, id: FileId, now: Timestamp) -> Result<Option<FileRecord>, StoreError> {
        Ok(self.read(room, now, |shelf| shelf.files.iter().find(|file| file.id == id).cloned()))
    }

    async fn files(
        &self,
        room: RoomUid,
        skip: u64,
        limit: usize,
        now: Timestamp,
    ) -> Result<Vec<FileRecord>, StoreError> {
        Ok(self.read(room, now, |shelf| page(&shelf.files, skip, limit)))
    }

    async fn remove_file(&self, room: RoomUid, id: FileId) -> Result<(), StoreError> {
        if let Some(shelf) = self.lock().get_mut(&room) {
            shelf.files.retain(|file| file.id != id);
        }
        Ok(())
    }
}

fn page<T: Clone>(all: &[T], skip: u64, limit: usize) -> Vec<T> {
    all.iter().skip(usize::try_from(skip).unwrap_or(usize::MAX)).take(limit).cloned().collect()
}

fn apply(shelf: &mut Shelf, write: &Write) {
    match write {
        Write::Message(message) => {
            shelf.messages.entry(message.seq).or_insert_with(|| (**message).clone());
        }
        Write::Edit { id, text, at, .. } => {
            if let Some(message) = shelf.message(*id).filter(|message| message.deleted_at.is_none()) {
                message.text.clone_from(text);
                message.edited_at = Some(*at);
            }
        }
        Write::Erase { id, at, .. } => {
            if let Some(message) = shelf.message(*id) {
                message.erase(*at);
            }
        }
        Write::React { id, reaction, on, .. } => {
            if let Some(message) = shelf.message(*id).filter(|message| message.deleted_at.is_none()) {
                message.react(reaction, *on);
            }
        }
        Write::Joined(session) => {
            if !shelf.sessions.iter().any(|there| there.participant == session.participant) {
                shelf.sessions.push((**session).clone());
            }
        }
        Write::Left { participant, at, reason, .. } => {
            let session = shelf.sessions.iter_mut().find(|session| session.participant == *participant);
            if let Some(session) = session.filter(|session| session.left_at.is_none()) {
                session.close(*at, reason);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::contract::store_contract;
    use std::sync::Arc;

    async fn fresh() -> Option<(Arc<dyn Store>, ())> {
        Some((Arc::new(MemoryStore::default()), ()))
    }

    store_contract!(fresh);
}
