//! Participants resume and go; how they come is [`crate::admission`].
//!
//! Each change reserves its commands first and then happens under the room's lock (see [`crate::shards`]).

use crate::admission::grant_for;
use crate::protocol::client::{RenewToken, Resume};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::ids::RoomCode;
use crate::protocol::media::{MediaFailure, MediaState};
use crate::protocol::server::{Departure, ServerMessage};
use crate::protocol::{ParticipantRef, text};
use crate::rights::{Grants, rights};
use crate::room::{Member, Room, RoomState};
use crate::session::{Attachment, Place, Session, Token};
use crate::shards::Permits;
use crate::stats::ResumeOutcome;
use crate::switchboard::{Switchboard, entropy};
use crate::webhooks::Event;
use parlor_media::command::Command;
use parlor_media::ids::ParticipantId;
use std::sync::Arc;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// What a session resumes with.
pub(crate) struct Resumed {
    pub(crate) session: Arc<Session>,
    pub(crate) attachment: Attachment,
    /// To be written before anything else.
    pub(crate) message: ServerMessage,
}

impl Switchboard {
    /// Takes a session up again.
    pub(crate) fn resume(&self, id: Option<String>, resume: &Resume) -> Result<Resumed, Refusal> {
        let failed = |outcome| {
            self.counters.resumes.count(outcome);
            Refusal::new(ErrorCode::ResumeFailed, "the session cannot be resumed: join anew")
        };
        let unknown = || failed(ResumeOutcome::Unknown);
        let presented = Token::parse(resume.resume_token.expose()).ok_or_else(unknown)?;
        let session = self.directory.session(presented).ok_or_else(unknown)?;
        let Place { room, participant } = session.place().ok_or_else(unknown)?;
        let fresh = Token::from_entropy(entropy()?);

        let mut state = room.lock();
        let member = state.member(participant).ok_or_else(unknown)?;
        let resumed = session.resume(presented, resume.received, fresh);
        let (attachment, void) = resumed.map_err(|not| failed(not.outcome()))?;
        // A client that lost its socket may have lost its data channel too, and not know it yet.
        member.chat.line.repeat_all(&session);
        self.directory.void_tokens([void]);
        self.directory.add_token(fresh, &session);
        let member = state.members.iter().find(|member| member.participant == participant).ok_or_else(unknown)?;
        let view = room.membership(&state, member, &self.surroundings, fresh, id);
        drop(state);
        self.counters.resumes.count(ResumeOutcome::Resumed);
        self.lines.resumed(room.key, participant);
        Ok(Resumed { session, attachment, message: ServerMessage::Resumed(view) })
    }

    /// The client was heard of on its present socket: the token before its latest is void.
    pub(crate) fn confirm(&self, session: &Session) {
        self.directory.void_tokens([session.confirm()]);
    }

    /// A participant shows a new token before its present one is over. Its role and whether it is hidden stay.
    ///
    /// # Errors
    /// When the token is not good, for another room, or somebody else's.
    pub(crate) async fn renew_token(
        &self,
        session: &Session,
        id: Option<String>,
        request: RenewToken,
    ) -> Result<(), Refusal> {
        let Place { room, participant } = place_in(session, &request.room_id)?;
        let grant = grant_for(self, &request.room_id, request.token.expose())?;
        let permits = self.shard_of(&room, participant).reserve(1).await.map_err(|_| Refusal::busy())?;
        let mut state = room.lock();
        let settings = state.record.settings.clone();
        let member = state.member(participant).ok_or_else(Refusal::not_joined)?;
        if member.identity != grant.identity {
            return Err(Refusal::new(ErrorCode::Forbidden, "the token is somebody else's").with_field("token"));
        }
        let grants = Grants::of(&grant, self.policy().keys.leeway());
        member.grants = Grants { hidden: member.grants.hidden, ..grants };
        member.tell(&ServerMessage::TokenRenewed { expires_at: grant.expires_at, id });
        let rights = rights(member.role, &member.grants, &settings);
        if rights != member.rights {
            self.grant_rights(&mut state, participant, rights, permits);
        }
        Ok(())
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

    /// The same under the room's lock.
    pub(crate) fn remove_locked(
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
        state.tell_departure(&member, reason);
        Ok(())
    }

    /// Removes a participant whose transport has ended.
    pub(crate) fn remove_failed(&self, room: &Room, participant: ParticipantId, reason: MediaFailure, message: String) {
        let mut state = room.lock();
        let Some(member) = state.remove(participant, Instant::now()) else { return };
        self.tell_failure(room, &member, reason, message);
        state.tell_departure(&member, Departure::MediaFailed);
    }

    pub(crate) fn tell_failure(&self, room: &Room, member: &Member, reason: MediaFailure, message: String) {
        self.lines.media_failed(room.key, member.participant, reason, &message);
        member.trace.failed(reason);
        let (reason, message) = (Some(reason), Some(message));
        member.tell(&ServerMessage::MediaState { state: MediaState::Failed, protocol: None, reason, message });
        self.part(room, member, Departure::MediaFailed, None);
    }

    /// The bookkeeping for a member that was taken out of its room, and its own last message.
    pub(crate) fn part(&self, room: &Room, member: &Member, reason: Departure, id: Option<String>) {
        self.directory.leave(member.participant);
        self.drain.on_departure();
        member.chat.line.give_up(&member.session);
        self.log_left(room, member, reason);
        member.trace.left(reason);
        self.directory.void_tokens(member.session.leave());
        self.directory.remove_access(member.access);
        self.shards[member.shard].uncount_participant();
        self.webhooks.emit(&Event::ParticipantLeft {
            room_id: &room.code,
            participant_id: ParticipantRef(member.participant),
            identity: &member.identity,
            display_name: member.display_name.as_deref(),
            joined_at: member.joined_at,
            reason,
        });
        member.tell(&ServerMessage::RoomLeft { room_id: room.code.clone(), reason, id });
        if reason == Departure::ServerShutdown {
            member.session.close(CloseCode::Restart, "the server stops");
        }
        let stay = self.wall_clock().since(member.joined_at);
        self.lines.left(room.key, member.participant, reason, stay);
    }
}

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
