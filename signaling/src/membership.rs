//! Rooms begin and end, participants come, resume and go.
//!
//! Each change reserves its commands first and then happens under the room's lock (see [`crate::shards`]).

use crate::access::{Identity, Role};
use crate::protocol::client::{JoinRoom, Resume};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::ids::RoomCode;
use crate::protocol::server::{Departure, MediaFailure, MediaState, ServerMessage};
use crate::protocol::{ParticipantRef, text};
use crate::room::{Member, Room, RoomState};
use crate::session::{Attachment, Place, Session, Token};
use crate::shards::{Permits, least_loaded};
use crate::stats::count;
use crate::store::{RoomRecord, StoreError};
use crate::switchboard::{Switchboard, entropy, expired};
use parlor_media::command::{Command, ParticipantSettings, Rights};
use parlor_media::ids::{ParticipantId, RoomId};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::Instant;

/// What a session resumes with.
pub(crate) struct Resumed {
    pub(crate) session: Arc<Session>,
    pub(crate) attachment: Attachment,
    /// To be written before anything else.
    pub(crate) message: ServerMessage,
}

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
        drop(state);
        self.shard_of(room).uncount_room();
        tracing::info!(room = room.key.0, ?reason, "room ended");
    }

    /// Lets a session join a room.
    pub(crate) async fn join(
        &self,
        session: &Arc<Session>,
        on_loopback: bool,
        id: Option<String>,
        join: JoinRoom,
    ) -> Result<(), Refusal> {
        if session.place().is_some() {
            return Err(Refusal::already_joined());
        }
        let display_name = parse_display_name(join.display_name.as_deref())?;
        let room = self.room(&join.room_id)?;
        let shard = self.shard_of(&room);
        let candidates = shard.candidates(&self.announce.for_client(on_loopback));
        let participant = ParticipantId(u64::from_le_bytes(entropy()?));
        let token = Token::from_entropy(entropy()?);
        let access = Token::from_entropy(entropy()?);
        let identity = Identity::parse(&format!("guest-{}", ParticipantRef(participant))).ok_or_else(Refusal::busy)?;
        let mut permits = shard.reserve(1).await.map_err(|_| Refusal::busy())?;

        let mut state = room.lock();
        self.check_entrance(&room, &state)?;
        if !session.enter(Place { room: Arc::clone(&room), participant }, token) {
            return Err(Refusal::already_joined());
        }
        let member = Member {
            participant,
            session: Arc::clone(session),
            identity,
            role: Role::Speaker,
            access,
            display_name,
            joined_at: self.wall_clock(),
            tracks: Vec::new(),
            candidates: Arc::clone(&candidates),
            trickled: false,
            chat_open: false,
            typing_until: None,
            offers: VecDeque::new(),
            next_offer: 0,
            answer_id: None,
        };
        let settings = ParticipantSettings {
            candidates,
            follows_bindings: join.follows_bindings,
            auto_subscribe: join.auto_subscribe,
            rights: Rights::ALL,
        };
        permits.send(Command::Join { room: room.key, participant, settings });
        shard.count_participant();
        self.directory.enter(participant, &room);
        self.directory.add_token(token, session);
        self.directory.add_access(access, Place { room: Arc::clone(&room), participant });
        let participant_view = member.seen_by(None);
        state.members.push(member);
        state.empty_since = None;
        let view = room.membership(&state, participant, &self.surroundings, token.to_text(), id);
        session.post(crate::room::encode(&ServerMessage::RoomJoined(view)));
        let participant_count = state.members.len();
        state.tell_others(participant, &ServerMessage::UserJoined { participant_count, participant: participant_view });
        drop(state);
        count(&self.counters.joins);
        Ok(())
    }

    fn check_entrance(&self, room: &Room, state: &RoomState) -> Result<(), Refusal> {
        if self.is_stopping() {
            return Err(Refusal::busy());
        }
        if state.is_expired(self.wall_clock()) {
            return Err(expired(&room.code));
        }
        if state.ended {
            // It ended while the command was reserved: say what the directory says now.
            return Err(self.room(&room.code).err().unwrap_or_else(Refusal::busy));
        }
        let most = state.record.settings.max_participants;
        if state.members.len() >= most {
            let message = format!("the room is full: at most {most} participants are allowed");
            return Err(Refusal::new(ErrorCode::RoomFull, message));
        }
        Ok(())
    }

    /// Takes a session up again.
    pub(crate) fn resume(&self, id: Option<String>, resume: &Resume) -> Result<Resumed, Refusal> {
        let failed = || Refusal::new(ErrorCode::ResumeFailed, "the session cannot be resumed: join anew");
        let presented = Token::parse(&resume.resume_token).ok_or_else(failed)?;
        let session = self.directory.session(presented).ok_or_else(failed)?;
        let Place { room, participant } = session.place().ok_or_else(failed)?;
        let fresh = Token::from_entropy(entropy()?);

        let state = room.lock();
        if !state.members.iter().any(|member| member.participant == participant) {
            return Err(failed());
        }
        let (attachment, void) = session.resume(presented, resume.received, fresh).map_err(|_| failed())?;
        self.directory.void_tokens([void]);
        self.directory.add_token(fresh, &session);
        let view = room.membership(&state, participant, &self.surroundings, fresh.to_text(), id);
        drop(state);
        count(&self.counters.resumes);
        Ok(Resumed { session, attachment, message: ServerMessage::Resumed(view) })
    }

    /// The client was heard of on its present socket: the token before its latest is void.
    pub(crate) fn confirm(&self, session: &Session) {
        self.directory.void_tokens([session.confirm()]);
    }

    /// Removes a participant, telling the shard.
    pub(crate) fn remove(
        &self,
        place: &Place,
        reason: Departure,
        id: Option<String>,
        permits: Permits<'_>,
    ) -> Result<(), Refusal> {
        self.remove_locked(&mut place.room.lock(), place, reason, id, permits)
    }

    /// Removes a participant whose session is lost, unless it has resumed or left meanwhile.
    pub(crate) fn remove_lost(&self, place: &Place, permits: Permits<'_>, now: Instant) {
        let mut state = place.room.lock();
        let is_lost = |member: &mut Member| member.session.is_lost(self.settings.resume_grace, now);
        if state.member(place.participant).is_some_and(is_lost) {
            // It is there: nothing came between.
            let _ = self.remove_locked(&mut state, place, Departure::Disconnected, None, permits);
        }
    }

    fn remove_locked(
        &self,
        state: &mut RoomState,
        place: &Place,
        reason: Departure,
        id: Option<String>,
        mut permits: Permits<'_>,
    ) -> Result<(), Refusal> {
        let member = state.remove(place.participant, Instant::now()).ok_or_else(Refusal::not_joined)?;
        permits.send(Command::Leave { participant: place.participant });
        self.part(&place.room, &member, reason, id);
        state.tell_departure(place.participant, reason);
        Ok(())
    }

    /// Removes a participant whose transport has ended.
    pub(crate) fn remove_failed(&self, room: &Room, participant: ParticipantId, reason: MediaFailure, message: String) {
        let mut state = room.lock();
        let Some(member) = state.remove(participant, Instant::now()) else { return };
        self.tell_failure(room, &member, reason, message);
        state.tell_departure(participant, Departure::MediaFailed);
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

    fn tell_failure(&self, room: &Room, member: &Member, reason: MediaFailure, message: String) {
        let (reason, message) = (Some(reason), Some(message));
        member.tell(&ServerMessage::MediaState { state: MediaState::Failed, protocol: None, reason, message });
        self.part(room, member, Departure::MediaFailed, None);
    }

    /// The bookkeeping for a member that was taken out of its room, and its own last message.
    fn part(&self, room: &Room, member: &Member, reason: Departure, id: Option<String>) {
        self.directory.leave(member.participant);
        self.directory.void_tokens(member.session.leave());
        self.directory.remove_access(member.access);
        self.shard_of(room).uncount_participant();
        member.tell(&ServerMessage::RoomLeft { room_id: room.code.clone(), reason, id });
        if reason == Departure::ServerShutdown {
            member.session.close(CLOSE_RESTART, "the server stops");
        }
        tracing::debug!(room = room.key.0, participant = %ParticipantRef(member.participant), ?reason, "participant left");
    }
}

/// WebSocket close code "service restart" (registered with IANA).
pub(crate) const CLOSE_RESTART: u16 = 1012;

/// A display name; `None` when there is none or it is empty.
pub(crate) fn parse_display_name(name: Option<&str>) -> Result<Option<String>, Refusal> {
    let name = text::parse_name(name.unwrap_or_default());
    let name = name.map_err(|message| Refusal::new(ErrorCode::NameInvalid, message).with_field("displayName"))?;
    Ok(Some(name).filter(|name| !name.is_empty()))
}

/// A place in the room that a message names.
pub(crate) fn place_in(session: &Session, room: &RoomCode) -> Result<Place, Refusal> {
    let place = session.place().ok_or_else(Refusal::not_joined)?;
    if place.room.code != *room {
        return Err(Refusal::wrong_room(room, &place.room.code));
    }
    Ok(place)
}
