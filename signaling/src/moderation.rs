//! What hosts do to people: mute, remove, ban, give another role.
//!
//! Hosts may do it to everybody in the room, other hosts and themselves included. Whoever does it is authorised by identity and
//! role, under the same lock in which it is done: a host that has just stepped down does nothing more.

use crate::access::{Action, Caller, Identity, Role};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::server::{By, Departure, ServerMessage};
use crate::protocol::{ParticipantRef, TrackRef};
use crate::rights::rights;
use crate::room::{Room, RoomState};
use crate::session::Place;
use crate::shards::Permits;
use crate::switchboard::Switchboard;
use parlor_media::command::Command;
use parlor_media::ids::ParticipantId;
use std::sync::Arc;

/// The most identities that one room bans.
pub(crate) const MAX_BANNED: usize = 1024;

impl Switchboard {
    /// Reserves a command for what a caller does to a participant, and does it under the room's lock if the caller may.
    pub(crate) async fn act_on_others<T>(
        &self,
        caller: &Caller,
        room: &Room,
        action: Action,
        participant: ParticipantId,
        act: impl FnOnce(&mut RoomState, Permits<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        caller.require(self, room, &room.lock(), action)?;
        let permits = self.shard_of(room, participant).reserve(1).await.map_err(|_| Refusal::busy())?;
        let mut state = room.lock();
        // It may have another role meanwhile.
        caller.require(self, room, &state, action)?;
        act(&mut state, permits)
    }

    /// Mutes one track of a participant, or all. Its publisher may unmute it.
    ///
    /// # Errors
    /// `user-not-found`, `unknown-track`
    pub(crate) async fn mute(
        &self,
        caller: &Caller,
        room: &Room,
        participant: ParticipantId,
        track: Option<TrackRef>,
    ) -> Result<(), Refusal> {
        let silence = |state: &mut RoomState, mut permits: Permits<'_>| {
            let member = state.member(participant).ok_or_else(Refusal::user_not_found)?;
            let meant = |of: TrackRef| track.is_none_or(|track| track == of);
            let mut muted = Vec::new();
            for track in member.tracks.iter_mut().filter(|published| meant(published.track_id)) {
                track.muted = true;
                muted.push(track.track_id);
            }
            if let (Some(track), true) = (track, muted.is_empty()) {
                let message = format!("`trackId`: {track} is not a track of this participant");
                return Err(Refusal::new(ErrorCode::UnknownTrack, message).with_field("trackId"));
            }
            permits.send(Command::Silence { participant, track: track.map(|track| track.0) });
            let participant_id = ParticipantRef(participant);
            for track_id in muted {
                let by = Some(By::Host);
                state.tell_all(&ServerMessage::TrackState { participant_id, track_id, muted: true, by });
            }
            Ok(())
        };
        self.act_on_others(caller, room, Action::Moderate, participant, silence).await
    }

    /// Removes a participant, which may come back.
    ///
    /// # Errors
    /// `user-not-found`
    pub(crate) async fn kick(
        &self,
        caller: &Caller,
        room: &Arc<Room>,
        participant: ParticipantId,
    ) -> Result<(), Refusal> {
        let place = Place { room: Arc::clone(room), participant };
        let remove = |state: &mut RoomState, permits: Permits<'_>| {
            let removed = self.remove_locked(state, &place, Departure::Kicked, None, permits);
            removed.map_err(|_| Refusal::user_not_found())
        };
        self.act_on_others(caller, room, Action::Kick, participant, remove).await
    }

    /// Gives a participant another role, for as long as it stays.
    ///
    /// # Errors
    /// `user-not-found`
    pub(crate) async fn promote(
        &self,
        caller: &Caller,
        room: &Room,
        participant: ParticipantId,
        role: Role,
    ) -> Result<(), Refusal> {
        let change = |state: &mut RoomState, permits: Permits<'_>| {
            let settings = state.record.settings.clone();
            let member = state.member(participant).ok_or_else(Refusal::user_not_found)?;
            if std::mem::replace(&mut member.role, role) == role {
                return Ok(());
            }
            let (hidden, was) = (member.grants.hidden, member.rights);
            let rights = rights(role, &member.grants, &settings);
            let changed = ServerMessage::RoleChanged { participant_id: ParticipantRef(participant), role };
            if hidden {
                member.tell(&changed);
            } else {
                state.tell_all(&changed);
            }
            if rights != was {
                self.grant_rights(state, participant, rights, permits);
            }
            if role == Role::Host
                && let Some(member) = state.members.iter().find(|member| member.participant == participant)
            {
                state.tell_lobby_to(member);
            }
            Ok(())
        };
        self.act_on_others(caller, room, Action::Moderate, participant, change).await
    }

    /// Bans the identity of a participant, or of somebody who waits: everybody of that identity goes, and none comes back.
    /// Returns the identity.
    ///
    /// # Errors
    /// `user-not-found`, and when the store cannot take it: then nothing has happened.
    pub(crate) async fn ban(
        &self,
        caller: &Caller,
        room: &Arc<Room>,
        participant: ParticipantId,
    ) -> Result<Identity, Refusal> {
        let identity = {
            let state = room.lock();
            caller.require(self, room, &state, Action::Moderate)?;
            identity_of(&state, participant).ok_or_else(Refusal::user_not_found)?
        };
        self.change_room(room, None, |record| {
            if record.banned.contains(&identity) {
                return Ok(());
            }
            if record.banned.len() >= MAX_BANNED {
                let message = format!("the room bans {MAX_BANNED} identities already, more are not allowed");
                return Err(Refusal::new(ErrorCode::ServerFull, message));
            }
            record.banned.push(identity.clone());
            Ok(())
        })
        .await?;
        Ok(identity)
    }

    /// Lets an identity come back.
    ///
    /// # Errors
    /// `user-not-found` when it is not banned.
    pub(crate) async fn unban(&self, caller: &Caller, room: &Arc<Room>, identity: &Identity) -> Result<(), Refusal> {
        caller.require(self, room, &room.lock(), Action::Moderate)?;
        self.change_room(room, None, |record| {
            let index = record.banned.iter().position(|banned| banned == identity);
            let index = index.ok_or_else(|| Refusal::new(ErrorCode::UserNotFound, "this identity is not banned"))?;
            record.banned.remove(index);
            Ok(())
        })
        .await
    }
}

fn identity_of(state: &RoomState, participant: ParticipantId) -> Option<Identity> {
    let members = state.members.iter().map(|member| (member.participant, &member.identity));
    let waiting = state.lobby.waiting().iter().map(|waiting| (waiting.arrival.participant, &waiting.arrival.identity));
    members.chain(waiting).find(|&(of, _)| of == participant).map(|(_, identity)| identity.clone())
}
