//! Rooms begin and end.
//!
//! Each change reserves its commands first and then happens under the room's lock (see [`crate::shards`]).

use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::server::{Departure, MediaFailure, ServerMessage};
use crate::room::{Room, RoomState};
use crate::shards::{Permits, least_loaded};
use crate::stats::count;
use crate::store::{RoomRecord, StoreError};
use crate::switchboard::Switchboard;
use parlor_media::command::Command;
use parlor_media::ids::RoomId;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::Instant;

impl Switchboard {
    /// Creates a room on the least loaded shard.
    pub(crate) async fn create_room(&self, record: RoomRecord) -> Result<Arc<Room>, Refusal> {
        let index = least_loaded(&self.shards).ok_or_else(Refusal::busy)?;
        let mut permits = self.shards[index].reserve(1).await.map_err(|_| Refusal::busy())?;
        if self.is_stopping() || self.directory.room_count() >= self.settings.max_rooms {
            return Err(Refusal::busy());
        }
        let exists = || Refusal::new(ErrorCode::RoomExists, format!("there is a room \"{}\" already", record.code));
        match self.store.create_room(&record, self.wall_clock()).await {
            Ok(()) => {}
            Err(StoreError::Conflict) => return Err(exists()),
            Err(error) => return Err(error.into()),
        }
        let key = RoomId(self.next_room.fetch_add(1, Ordering::Relaxed));
        let room = Room::new(key, record.clone(), index, Instant::now());
        // Locked while it is entered: nobody joins before the shard was told of it.
        let state = room.lock();
        if !self.directory.insert(&room) {
            return Err(exists());
        }
        permits.send(Command::OpenRoom { room: key });
        self.shards[index].count_room();
        drop(state);
        count(&self.counters.rooms_created);
        tracing::info!(room = room.key.0, shard = index, "room created");
        Ok(room)
    }

    /// Ends a room: everyone in it is told, and the shard. Does nothing when it has ended already.
    pub(crate) fn end_room(&self, room: &Room, reason: Departure, permits: Option<Permits<'_>>) {
        self.end_room_if(room, permits, |_| Some(reason));
    }

    /// The same for the reason that `due` sees under the room's lock; without one the room goes on.
    pub(crate) fn end_room_if(
        &self,
        room: &Room,
        permits: Option<Permits<'_>>,
        due: impl FnOnce(&RoomState) -> Option<Departure>,
    ) {
        let mut state = room.lock();
        if state.ended {
            return;
        }
        let Some(reason) = due(&state) else { return };
        state.ended = true;
        if let Some(mut permits) = permits {
            permits.send(Command::CloseRoom { room: room.key });
        }
        self.directory.remove(room);
        if reason == Departure::RoomExpired {
            self.directory.remember_expired(&room.code, Instant::now());
        }
        if reason != Departure::ServerShutdown {
            state.tell_all(&ServerMessage::RoomClosed { room_id: room.code.clone(), reason });
        }
        for member in std::mem::take(&mut state.members) {
            self.part(room, &member, reason, None);
        }
        self.empty_lobby(&mut state, &room.code, reason);
        drop(state);
        self.shard_of(room).uncount_room();
        tracing::info!(room = room.key.0, ?reason, "room ended");
    }

    /// Empties a room whose shard was started anew, and opens it there again.
    pub(crate) fn reopen(&self, room: &Room, mut permits: Permits<'_>) {
        let mut state = room.lock();
        if state.ended {
            return;
        }
        // What was still queued may have reached the new shard: begin from nothing.
        permits.send(Command::CloseRoom { room: room.key });
        permits.send(Command::OpenRoom { room: room.key });
        for member in std::mem::take(&mut state.members) {
            let message = "the part of the server that held the room was started anew".to_owned();
            self.tell_failure(room, &member, MediaFailure::ServerRestarted, message);
        }
        state.empty_since = Some(Instant::now());
    }
}
