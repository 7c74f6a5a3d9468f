//! Rooms begin and end.
//!
//! The store comes first: a room that somebody was told of is there after a crash, and one that somebody was told is gone does
//! not come back. What happens by the clock ends in memory first and is purged from the store in the background
//! ([`crate::purge`]). Commands are reserved before the room is locked (see [`crate::shards`]).

use crate::lines::paced;
use crate::places::RoomPlace;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::media::MediaFailure;
use crate::protocol::server::{Departure, ServerMessage};
use crate::room::{Room, RoomState};
use crate::room_settings::History;
use crate::shards::{Permits, least_loaded};
use crate::spreading::Reserved;
use crate::stats::Limit;
use crate::store::{RoomRecord, StoreError};
use crate::switchboard::Switchboard;
use crate::webhooks::Event;
use futures_util::stream::{self, StreamExt};
use parlor_media::command::Command;
use parlor_media::ids::RoomId;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::Instant;

/// Rooms whose last `seq` is asked for at a time, when they are loaded.
const LOADED_AT_A_TIME: usize = 16;

/// How often a room's parts may change while one waits for them.
const MAX_ATTEMPTS: usize = 4;

/// Finishes what was begun, also when nobody waits for it any more: memory and store must not differ because a client hung up.
///
/// # Errors
/// Those of `work`, and `internal` when it panicked.
pub(crate) async fn to_the_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
) -> Result<T, Refusal> {
    let failed = || Refusal::new(ErrorCode::Internal, "the server failed");
    tokio::spawn(work).await.unwrap_or_else(|_| Err(failed()))
}

impl Switchboard {
    /// Creates a room on the least loaded shard. To be run [`to_the_end`].
    pub(crate) async fn create_room(&self, record: RoomRecord) -> Result<Arc<Room>, Refusal> {
        self.check_memory()?;
        if self.is_stopping() {
            return Err(Refusal::busy());
        }
        self.check_draining()?;
        let code = record.code.clone();
        let exists = || Refusal::new(ErrorCode::RoomExists, format!("there is a room \"{code}\" already"));
        if self.directory.room(&code).is_some() {
            return Err(exists());
        }
        let full = || server_full("rooms").by(Limit::Rooms);
        let place = self.places.take(self.policy().max_rooms).ok_or_else(full)?;
        let index = least_loaded(&self.shards).ok_or_else(Refusal::busy)?;
        // Whether the shard listens at all: its channel is not held while the store works.
        drop(self.shards[index].reserve(1).await.map_err(|_| Refusal::busy())?);
        let uid = record.uid;
        match self.store.create_room(&record, self.wall_clock()).await {
            Ok(()) => {}
            // One that has just ended and is not yet purged is in the store only.
            Err(StoreError::Conflict) if self.directory.room(&code).is_none() => return Err(Refusal::busy()),
            Err(StoreError::Conflict) => return Err(exists()),
            Err(error) => {
                // Nobody knows whether it was entered: if it was, it goes again.
                self.purges.push(uid, Some(place));
                return Err(error.into());
            }
        }
        let Ok(permits) = self.shards[index].reserve(1).await else {
            self.purges.push(uid, Some(place));
            return Err(Refusal::busy());
        };
        let started = |state: &RoomState| {
            self.webhooks.emit(&Event::RoomStarted {
                room_id: &code,
                name: state.record.settings.name.as_deref(),
                created_at: state.record.created_at,
                expires_at: state.record.expires_at,
            });
        };
        let room = self.enter(record, index, 0, permits, Some(place), started).ok_or_else(|| {
            self.purges.push(uid, None);
            exists()
        })?;
        self.counters.rooms_created.count();
        paced!(self.lines.rooms, info, room = room.key.0, shard = index, "room created");
        Ok(room)
    }

    /// Enters a room that the store has, with what is `told` of it before anybody comes; `None` when there is one of its id.
    fn enter(
        &self,
        record: RoomRecord,
        shard: usize,
        seq: u64,
        mut permits: Permits<'_>,
        place: Option<RoomPlace>,
        told: impl FnOnce(&RoomState),
    ) -> Option<Arc<Room>> {
        let key = RoomId(self.next_room.fetch_add(1, Ordering::Relaxed));
        let room = Room::new(key, record, shard, Instant::now());
        // Locked while it is entered: nobody joins before the shard was told of it.
        let mut state = room.lock();
        state.chat.resume_from(seq);
        state.place = place;
        if !self.directory.insert(&room) {
            drop(state);
            return None;
        }
        permits.send(Command::OpenRoom { room: key });
        self.shards[shard].count_room();
        told(&state);
        drop(state);
        Some(room)
    }

    /// Enters all rooms of the store, empty, and closes the sessions that an earlier process left open. Returns how many rooms
    /// there are. To be called once, before anything is served.
    ///
    /// # Errors
    /// When the store does not answer; nothing that was entered is taken back.
    pub(crate) async fn load_rooms(&self) -> Result<usize, StoreError> {
        let now = self.wall_clock();
        let lost = self.store.close_sessions(now, "server-lost").await?;
        let max_rooms = self.policy().max_rooms;
        let mut records = self.store.rooms(now, max_rooms.saturating_add(1)).await?;
        if records.len() > max_rooms {
            tracing::error!(max_rooms, "the store has more rooms: the latest stay closed");
            records.truncate(max_rooms);
        }
        let seqs = stream::iter(&records).map(|record| async {
            match record.settings.history {
                History::None => Ok(0),
                _ => self.store.last_seq(record.uid).await,
            }
        });
        let seqs: Vec<_> = seqs.buffered(LOADED_AT_A_TIME).collect().await;
        let mut loaded = 0;
        for (record, seq) in records.into_iter().zip(seqs) {
            let Some(index) = least_loaded(&self.shards) else { break };
            let place = self.places.take(max_rooms);
            let Ok(permits) = self.shards[index].reserve(1).await else {
                tracing::error!(shard = index, "the shard takes no commands: a room of the store stays closed");
                continue;
            };
            loaded += usize::from(self.enter(record, index, seq?, permits, place, |_| {}).is_some());
        }
        tracing::info!(rooms = loaded, sessions_lost = lost, "rooms loaded");
        Ok(loaded)
    }

    /// Deletes a room: everyone in it is told, and nothing of it stays. To be run [`to_the_end`].
    pub(crate) async fn delete_room(&self, room: &Room, reason: Departure) -> Result<(), Refusal> {
        let _turn = room.changing.lock().await;
        if room.lock().ended {
            return Err(self.gone(room));
        }
        drop(self.reserve_parts(room, 1).await?);
        self.store.end_room(room.uid).await?;
        // The store knows: should a shard not listen now, the next sweep ends the room.
        for _ in 0..MAX_ATTEMPTS {
            let reserved = self.reserve_parts(room, 1).await?;
            if self.end_room_if(room, reserved, |_| Some(reason)) {
                return Ok(());
            }
        }
        Err(Refusal::busy())
    }

    /// Ends the call: everyone is put out. A room that keeps its history stays; another one is deleted.
    pub(crate) async fn end_call(&self, room: &Room) -> Result<(), Refusal> {
        if room.lock().record.settings.history != History::Keep {
            return self.delete_room(room, Departure::Ended).await;
        }
        for _ in 0..MAX_ATTEMPTS {
            let reserved = self.reserve_parts(room, 2).await?;
            let mut state = room.lock();
            if state.ended {
                drop(state);
                return Err(self.gone(room));
            }
            if reserved.covers(&state) {
                self.open_anew(room, &mut state, reserved);
                self.put_out(room, &mut state, Departure::Ended);
                state.empty_since = Some(Instant::now());
                paced!(self.lines.rooms, info, room = room.key.0, "call ended");
                return Ok(());
            }
        }
        Err(Refusal::busy())
    }

    /// Closes all parts of a room, and opens it on its home, without anybody. Takes two commands of each.
    fn open_anew(&self, room: &Room, state: &mut RoomState, mut reserved: Reserved<'_>) {
        for part in std::mem::replace(&mut state.parts, vec![room.home]) {
            reserved.send(part, Command::CloseRoom { room: room.key });
        }
        reserved.send(room.home, Command::OpenRoom { room: room.key });
        state.early.clear();
    }

    /// Ends a room for the reason that `due` sees under its lock, if any: everyone in it is told, and its shards, and nothing of
    /// it stays. Returns false when its parts do not take that now, or have changed since it was reserved: then the room goes on.
    pub(crate) fn end_room_if(
        &self,
        room: &Room,
        reserved: Reserved<'_>,
        due: impl FnOnce(&RoomState) -> Option<Departure>,
    ) -> bool {
        let mut state = room.lock();
        let reason = if state.ended { None } else { due(&state) };
        if let Some(reason) = reason {
            if !reserved.covers(&state) {
                return false;
            }
            self.close(room, &mut state, reason, reserved);
            let name = state.record.settings.name.as_deref();
            self.webhooks.emit(&Event::RoomEnded { room_id: &room.code, name, reason });
            self.purges.push(room.uid, state.place.take());
        }
        true
    }

    /// Ends a room for this process: the store keeps it, for the next one. Shards that do not listen are not told.
    pub(crate) fn leave_to_store(&self, room: &Room, reason: Departure) {
        let reserved = self.try_reserve_parts(room, 1);
        let mut state = room.lock();
        if !state.ended {
            self.close(room, &mut state, reason, reserved);
        }
    }

    fn close(&self, room: &Room, state: &mut RoomState, reason: Departure, mut reserved: Reserved<'_>) {
        state.ended = true;
        for &part in &state.parts {
            reserved.send(part, Command::CloseRoom { room: room.key });
        }
        self.directory.remove(room);
        if reason == Departure::RoomExpired {
            self.directory.remember_expired(&room.code, Instant::now());
        }
        if reason == Departure::ServerShutdown {
            tracing::debug!(room = room.key.0, "room closed until the next start");
        } else {
            state.tell_all(&ServerMessage::RoomClosed { room_id: room.code.clone(), reason });
            let seconds = self.wall_clock().since(state.record.created_at).as_secs();
            let (room, reason, people) = (room.key.0, reason.as_str(), state.members.len());
            paced!(self.lines.rooms, info, room, reason, seconds, people, "room ended");
        }
        self.put_out(room, state, reason);
        self.shards[room.home].uncount_room();
    }

    fn put_out(&self, room: &Room, state: &mut RoomState, reason: Departure) {
        for member in std::mem::take(&mut state.members) {
            self.part(room, &member, reason, None);
        }
        self.empty_lobby(state, room, reason);
    }

    /// Empties a room of which a shard was started anew, and opens it again. Whether its shards take that.
    pub(crate) async fn reopen(&self, room: &Room) -> bool {
        for _ in 0..MAX_ATTEMPTS {
            let Ok(reserved) = self.reserve_parts(room, 2).await else { return false };
            let mut state = room.lock();
            if state.ended {
                return true;
            }
            if reserved.covers(&state) {
                // What was still queued may have reached the new shard: begin from nothing.
                self.open_anew(room, &mut state, reserved);
                for member in std::mem::take(&mut state.members) {
                    let message = "the part of the server that held the room was started anew".to_owned();
                    self.tell_failure(room, &member, MediaFailure::ServerRestarted, message);
                }
                state.empty_since = Some(Instant::now());
                return true;
            }
        }
        false
    }

    /// What to say of a room that has ended since it was found.
    pub(crate) fn gone(&self, room: &Room) -> Refusal {
        self.room(&room.code).err().unwrap_or_else(Refusal::busy)
    }

    /// Whether there is memory for another room or participant.
    ///
    /// # Errors
    /// `server-full`
    pub(crate) fn check_memory(&self) -> Result<(), Refusal> {
        if self.lacks_memory() {
            let message = "the server has no memory for more now, try again later";
            return Err(Refusal::new(ErrorCode::ServerFull, message).by(Limit::Memory));
        }
        Ok(())
    }

    /// Whether there is room for another participant on this server.
    ///
    /// # Errors
    /// `server-full`
    pub(crate) fn check_capacity(&self) -> Result<(), Refusal> {
        if self.directory.participant_count() >= self.policy().max_total_participants {
            return Err(server_full("participants").by(Limit::Participants));
        }
        self.check_memory()
    }

    /// Whether the process uses as much memory as it may.
    pub(crate) fn lacks_memory(&self) -> bool {
        self.settings.memory_pressure.as_ref().is_some_and(|pressure| pressure.load(Ordering::Relaxed))
    }
}

fn server_full(what: &str) -> Refusal {
    Refusal::new(ErrorCode::ServerFull, format!("the server has as many {what} as it takes, try again later"))
}
