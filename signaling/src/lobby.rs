//! The lobby: people who wait for a host to let them in.
//!
//! Who waits is no member: it has no participant on the shard, no credential, and is told nothing of the room. It waits as
//! long as its socket lives, and cannot resume: a client whose socket is lost joins again.

use crate::access::{Action, Caller, Identity, Role};
use crate::admission::{Arrival, check_space};
use crate::join_trace::Stage;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::server::{Departure, ServerMessage};
use crate::protocol::{ParticipantRef, RoomCode, Timestamp};
use crate::room::{Member, Room, RoomState, encode};
use crate::session::{Place, Session};
use crate::spreading::Entry;
use crate::stats::{JoinOutcome, Limit};
use crate::switchboard::Switchboard;
use parlor_media::ids::ParticipantId;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long who was denied may not ask again.
const DENIED_FOR: Duration = Duration::from_secs(60);
/// The most people of a room who are remembered as denied; beyond, the oldest may ask early.
const MAX_DENIED: usize = 64;

/// The lobby of one room.
#[derive(Debug, Default)]
pub(crate) struct Lobby {
    /// In the order of their coming. As many as the room may have participants.
    waiting: Vec<Waiting>,
    denied: VecDeque<(Identity, Instant)>,
}

/// Somebody who waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) arrival: Arrival,
    /// What it comes in as.
    pub(crate) role: Role,
    pub(crate) since: Timestamp,
    /// The same for who measures.
    pub(crate) came_at: Instant,
}

impl Lobby {
    /// Everyone who waits.
    pub(crate) fn waiting(&self) -> &[Waiting] {
        &self.waiting
    }

    fn take(&mut self, participant: ParticipantId) -> Option<Waiting> {
        let index = self.waiting.iter().position(|waiting| waiting.arrival.participant == participant)?;
        Some(self.waiting.remove(index))
    }

    fn remember_denied(&mut self, identity: Identity, now: Instant) {
        self.forget_denied(now);
        if self.denied.len() >= MAX_DENIED {
            self.denied.pop_front();
        }
        self.denied.push_back((identity, now));
    }

    fn forget_denied(&mut self, now: Instant) {
        self.denied.retain(|&(_, at)| now.saturating_duration_since(at) < DENIED_FOR);
    }
}

impl Waiting {
    fn joined(&self) -> ServerMessage {
        ServerMessage::LobbyJoined {
            participant_id: ParticipantRef(self.arrival.participant),
            identity: self.arrival.identity.clone(),
            display_name: self.arrival.display_name.clone(),
        }
    }

    /// It no longer waits and is told why.
    fn dismiss(&self, room: &RoomCode, reason: Departure, id: Option<String>) {
        self.arrival.session.leave();
        self.arrival.session.post(encode(&ServerMessage::RoomLeft { room_id: room.clone(), reason, id }));
    }
}

impl RoomState {
    /// Tells hosts.
    pub(crate) fn tell_hosts(&self, message: &ServerMessage) {
        let text = encode(message);
        let hosts = self.members.iter().filter(|member| member.role == Role::Host);
        hosts.for_each(|member| member.session.post(text.clone()));
    }

    /// Tells a host who waits.
    pub(crate) fn tell_lobby_to(&self, host: &Member) {
        self.lobby.waiting.iter().for_each(|waiting| host.tell(&waiting.joined()));
    }

    fn tell_lobby_left(&self, participant: ParticipantId) {
        self.tell_hosts(&ServerMessage::LobbyLeft { participant_id: ParticipantRef(participant) });
    }
}

impl Switchboard {
    /// Lets somebody wait. The room's lock is held.
    pub(crate) fn wait(
        &self,
        room: &Arc<Room>,
        state: &mut RoomState,
        arrival: Arrival,
        role: Role,
    ) -> Result<(), Refusal> {
        state.lobby.forget_denied(Instant::now());
        if state.lobby.denied.iter().any(|(identity, _)| *identity == arrival.identity) {
            let seconds = DENIED_FOR.as_secs();
            let message = format!("a host did not let you in: ask again in {seconds} seconds at the earliest");
            return Err(Refusal::new(ErrorCode::LobbyDenied, message));
        }
        let most = state.record.settings.max_participants;
        if state.lobby.waiting.len() >= most {
            let message = format!("the room's lobby is full: at most {most} people may wait");
            return Err(Refusal::new(ErrorCode::RoomFull, message).by(Limit::ParticipantsPerRoom));
        }
        let participant = arrival.participant;
        if !arrival.session.wait(Place { room: Arc::clone(room), participant }) {
            return Err(Refusal::already_joined());
        }
        let told = ServerMessage::LobbyWaiting {
            room_id: room.code.clone(),
            participant_id: ParticipantRef(participant),
            id: arrival.id.clone(),
        };
        arrival.session.post(encode(&told));
        // It was compared; waiting people's passwords are not kept.
        let arrival = Arrival { password: None, ..arrival };
        let mut waiting = Waiting { arrival, role, since: self.wall_clock(), came_at: Instant::now() };
        waiting.arrival.trace.stage(Stage::Lobby);
        state.tell_hosts(&waiting.joined());
        state.lobby.waiting.push(waiting);
        self.counters.joins.count(JoinOutcome::Waiting);
        self.lines.waits(room.key, participant);
        Ok(())
    }

    /// Somebody who waits gives it up.
    ///
    /// # Errors
    /// When it does not wait, or in another room.
    pub(crate) fn stop_waiting(&self, session: &Session, code: &RoomCode, id: Option<String>) -> Result<(), Refusal> {
        let Place { room, participant } = session.waiting().ok_or_else(Refusal::not_joined)?;
        if room.code != *code {
            return Err(Refusal::wrong_room(code, &room.code));
        }
        self.dismiss(&mut room.lock(), &room, participant, Departure::Left, id)
    }

    /// A host lets somebody in who waits.
    ///
    /// # Errors
    /// Those of [`Self::admit`], and `forbidden`.
    pub(crate) async fn let_in(
        &self,
        caller: &Caller,
        room: &Arc<Room>,
        participant: ParticipantId,
    ) -> Result<(), Refusal> {
        caller.require(self, room, &room.lock(), Action::ManageLobby)?;
        let entry = self.reserve_entry(room).await?;
        let mut state = room.lock();
        // It may have another role meanwhile.
        caller.require(self, room, &state, Action::ManageLobby)?;
        self.admit(room, &mut state, participant, entry)
    }

    /// Lets somebody in who waits. The room's lock is held.
    ///
    /// # Errors
    /// `user-not-found` when nobody of that id waits (any more), `room-full`, `draining`, `server-full`,
    /// `server-busy` when the room's parts have changed since the entry was reserved.
    pub(crate) fn admit(
        &self,
        room: &Arc<Room>,
        state: &mut RoomState,
        participant: ParticipantId,
        entry: Entry<'_>,
    ) -> Result<(), Refusal> {
        let now = self.wall_clock();
        let of_that_id = |waiting: &&Waiting| waiting.arrival.participant == participant;
        let waiting = state.lobby.waiting.iter().find(of_that_id).ok_or_else(Refusal::user_not_found)?;
        if !waiting.arrival.session.is_attached() {
            self.dismiss(state, room, participant, Departure::Disconnected, None)?;
            return Err(Refusal::user_not_found());
        }
        if waiting.arrival.grants.are_over(now) {
            self.dismiss(state, room, participant, Departure::TokenExpired, None)?;
            return Err(Refusal::user_not_found());
        }
        if !entry.fits(state) {
            return Err(Refusal::busy());
        }
        check_space(state, &waiting.arrival)?;
        self.check_call(state)?;
        self.check_capacity()?;
        let taken = state.lobby.take(participant).ok_or_else(Refusal::user_not_found)?;
        let Waiting { mut arrival, role, came_at, .. } = taken;
        arrival.asked_at += came_at.elapsed();
        state.tell_lobby_left(participant);
        self.take_in(room, state, arrival, role, entry)
    }

    /// A host does not let somebody in, who may not ask again for a minute. The room's lock is held.
    ///
    /// # Errors
    /// `user-not-found` when nobody of that id waits.
    pub(crate) fn deny(&self, room: &Room, state: &mut RoomState, participant: ParticipantId) -> Result<(), Refusal> {
        let of_that_id = |waiting: &&Waiting| waiting.arrival.participant == participant;
        let waiting = state.lobby.waiting.iter().find(of_that_id).ok_or_else(Refusal::user_not_found)?;
        let identity = waiting.arrival.identity.clone();
        state.lobby.remember_denied(identity, Instant::now());
        self.dismiss(state, room, participant, Departure::Denied, None)
    }

    /// Ends somebody's waiting. The room's lock is held.
    pub(crate) fn dismiss(
        &self,
        state: &mut RoomState,
        room: &Room,
        participant: ParticipantId,
        reason: Departure,
        id: Option<String>,
    ) -> Result<(), Refusal> {
        let waiting = state.lobby.take(participant).ok_or_else(Refusal::user_not_found)?;
        self.send_away(room, &waiting, reason, id);
        state.tell_lobby_left(participant);
        Ok(())
    }

    /// Ends everybody's waiting: the room ends, or the call in it.
    pub(crate) fn empty_lobby(&self, state: &mut RoomState, room: &Room, reason: Departure) {
        for waiting in std::mem::take(&mut state.lobby.waiting) {
            self.send_away(room, &waiting, reason, None);
            state.tell_lobby_left(waiting.arrival.participant);
        }
    }

    fn send_away(&self, room: &Room, waiting: &Waiting, reason: Departure, id: Option<String>) {
        waiting.arrival.trace.left(reason);
        self.lines.waits_no_more(room.key, waiting.arrival.participant, reason);
        waiting.dismiss(&room.code, reason, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_denied_are_bounded_and_forgotten() {
        let (mut lobby, now) = (Lobby::default(), Instant::now());
        for number in 0..=MAX_DENIED {
            lobby.remember_denied(Identity::parse(&format!("guest-{number}")).unwrap(), now);
        }
        assert_eq!(lobby.denied.len(), MAX_DENIED);
        assert_eq!(lobby.denied[0].0.as_str(), "guest-1");
        lobby.forget_denied(now + DENIED_FOR);
        assert!(lobby.denied.is_empty());
    }
}
