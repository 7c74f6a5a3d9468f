//! A room's settings change, one change at a time: first in the store, then in memory, then for those present.

use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::server::ServerMessage;
use crate::room::Room;
use crate::store::{RoomRecord, StoreError};
use crate::switchboard::Switchboard;
use std::sync::Arc;

impl Switchboard {
    /// Changes a room's record, of the version that is `expected` if there is one, and tells its members. To be run
    /// [`crate::lifecycle::to_the_end`].
    ///
    /// # Errors
    /// Those of `change`; when the room has ended or has another version; when the store does not take it, and then nothing has
    /// changed in memory.
    pub(crate) async fn change_room(
        &self,
        room: &Arc<Room>,
        expected: Option<u64>,
        change: impl Fn(&mut RoomRecord) -> Result<(), Refusal> + Send,
    ) -> Result<(), Refusal> {
        let turn = room.changing.lock().await;
        loop {
            let before = {
                let state = room.lock();
                if state.ended || state.is_expired(self.wall_clock()) {
                    drop(state);
                    return Err(self.gone(room));
                }
                state.record.clone()
            };
            if expected.is_some_and(|expected| expected != before.version) {
                let message = format!("the room is of version {} by now, read it again", before.version);
                return Err(Refusal::new(ErrorCode::VersionConflict, message));
            }
            let mut after = before.clone();
            change(&mut after)?;
            if after == before {
                return Ok(());
            }
            after.version += 1;
            match self.store.update_room(&after, before.version).await {
                Ok(()) => {
                    self.adopt(room, after)?;
                    drop(turn);
                    self.policy_changed(room).await;
                    return Ok(());
                }
                // An earlier change that failed was made after all: it counts, and this one comes on top of it.
                Err(StoreError::Conflict) => match self.store.room(&room.code, self.wall_clock()).await? {
                    Some(there) if there.uid == room.uid && there.version > before.version => {
                        self.adopt(room, there)?;
                    }
                    _ => return Err(Refusal::new(ErrorCode::Internal, "the room in the store is another one")),
                },
                Err(StoreError::Missing) => return Err(self.gone(room)),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What the store has counts from now on.
    fn adopt(&self, room: &Room, record: RoomRecord) -> Result<(), Refusal> {
        let mut state = room.lock();
        if state.ended {
            drop(state);
            return Err(self.gone(room));
        }
        state.record = record;
        state.tell_all(&ServerMessage::RoomUpdated { room: state.view(true) });
        Ok(())
    }
}
