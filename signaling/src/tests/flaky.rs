//! A store in memory that can be away, refuse, and be looked into.

use crate::protocol::{FileId, MessageId, RoomCode, Timestamp};
use crate::session::lock;
use crate::store::{
    FileRecord, InviteRecord, MemoryStore, MessageRecord, Page, Reader, RoomRecord, RoomUid, Secret, SessionRecord,
    Store, StoreError, Write,
};
use async_trait::async_trait;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// What makes the store refuse a write for good.
type Poison = fn(&Write) -> bool;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct FlakyStore {
    inner: MemoryStore,
    down: AtomicBool,
    /// A batch of which this many writes are done before the store goes down.
    torn: AtomicUsize,
    poison: Mutex<Option<Poison>>,
    batches: Mutex<Vec<usize>>,
}

impl FlakyStore {
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    /// The next batch fails after this many of its writes were done.
    pub(crate) fn tear_next(&self, after: usize) {
        self.torn.store(after, Ordering::Relaxed);
    }

    pub(crate) fn poison(&self, poison: Option<Poison>) {
        *lock(&self.poison) = poison;
    }

    /// The sizes of the batches that were tried since the last call.
    pub(crate) fn take_batches(&self) -> Vec<usize> {
        std::mem::take(&mut lock(&self.batches))
    }

    fn check(&self) -> Result<(), StoreError> {
        if self.down.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("nobody listens".to_owned()));
        }
        Ok(())
    }
}

macro_rules! forward {
    ($($name:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        #[async_trait]
        impl Store for FlakyStore {
            fn name(&self) -> &str {
                "flaky:"
            }

            async fn write(&self, batch: &[Write]) -> Result<(), StoreError> {
                lock(&self.batches).push(batch.len());
                self.check()?;
                let torn = self.torn.swap(0, Ordering::Relaxed);
                if torn > 0 {
                    self.inner.write(&batch[..torn.min(batch.len())]).await?;
                    return Err(StoreError::Unavailable("it broke in between".to_owned()));
                }
                let poison = *lock(&self.poison);
                if batch.iter().any(|write| poison.is_some_and(|is_poison| is_poison(write))) {
                    return Err(StoreError::Failed("one of these is not to my taste".to_owned()));
                }
                self.inner.write(batch).await
            }

            $(async fn $name(&self, $($arg: $type),*) -> Result<$result, StoreError> {
                self.check()?;
                self.inner.$name($($arg),*).await
            })*
        }
    };
}

forward! {
    ping() -> ();
    create_room(room: &RoomRecord, now: Timestamp) -> ();
    update_room(room: &RoomRecord, expected: u64) -> ();
    rooms(now: Timestamp, limit: usize) -> Vec<RoomRecord>;
    room(code: &RoomCode, now: Timestamp) -> Option<RoomRecord>;
    end_room(room: RoomUid) -> ();
    due(now: Timestamp, limit: usize) -> Vec<RoomUid>;
    purge(room: RoomUid) -> ();
    last_seq(room: RoomUid) -> u64;
    messages(room: RoomUid, reader: &Reader, page: Page, limit: usize, now: Timestamp) -> Vec<MessageRecord>;
    message(room: RoomUid, id: MessageId, now: Timestamp) -> Option<MessageRecord>;
    sessions(room: RoomUid, skip: u64, limit: usize, now: Timestamp) -> Vec<SessionRecord>;
    close_sessions(left_at: Timestamp, reason: &str) -> u64;
    add_invites(invites: &[InviteRecord]) -> ();
    invites(room: RoomUid, limit: usize, now: Timestamp) -> Vec<InviteRecord>;
    redeem_invite(room: RoomUid, secret: Secret, now: Timestamp) -> InviteRecord;
    remove_invite(room: RoomUid, id: u64) -> ();
    add_file(file: &FileRecord) -> ();
    file(room: RoomUid, id: FileId, now: Timestamp) -> Option<FileRecord>;
    files(room: RoomUid, skip: u64, limit: usize, now: Timestamp) -> Vec<FileRecord>;
    remove_file(room: RoomUid, id: FileId) -> ();
}
