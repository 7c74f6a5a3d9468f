//! Who is shown as writing.

use super::require_chat;
use crate::protocol::error::Refusal;
use crate::protocol::ids::ParticipantRef;
use crate::protocol::server::ServerMessage;
use crate::room::{Member, Room, RoomState, encode};
use crate::session::Place;
use crate::switchboard::Switchboard;
use parlor_media::ids::ParticipantId;
use std::time::Duration;
use tokio::time::Instant;

/// Who was said to write is shown as writing for no longer than this without another word.
const TYPING_TIMEOUT: Duration = Duration::from_secs(6);

impl Switchboard {
    /// Shows or hides that a participant writes.
    pub(crate) fn typing(&self, place: &Place, typing: bool) -> Result<(), Refusal> {
        let mut state = place.room.lock();
        require_chat(state.member_ref(place.participant)?, &state)?;
        let Some(member) = state.member(place.participant) else { return Ok(()) };
        let until = typing.then(|| Instant::now() + TYPING_TIMEOUT);
        let was_typing = std::mem::replace(&mut member.chat.typing_until, until).is_some();
        if was_typing != typing {
            tell_typing(&state.members, place.participant, typing);
        }
        Ok(())
    }

    /// Who has said something no longer writes it.
    pub(super) fn end_typing(&self, state: &mut RoomState, participant: ParticipantId) {
        let was_typing = state.member(participant).is_some_and(|member| member.chat.typing_until.take().is_some());
        if was_typing {
            tell_typing(&state.members, participant, false);
        }
    }

    /// Hides those that were shown as writing for too long.
    pub(crate) fn expire_typing(&self, room: &Room, now: Instant) {
        let mut state = room.lock();
        let is_over = |member: &&mut Member| member.chat.typing_until.is_some_and(|until| now >= until);
        let over: Vec<_> = state
            .members
            .iter_mut()
            .filter(is_over)
            .map(|member| {
                member.chat.typing_until = None;
                member.participant
            })
            .collect();
        over.into_iter().for_each(|participant| tell_typing(&state.members, participant, false));
    }
}

fn tell_typing(members: &[Member], participant: ParticipantId, typing: bool) {
    let text = encode(&ServerMessage::Typing { participant_id: ParticipantRef(participant), typing });
    let others = members.iter().filter(|member| member.participant != participant);
    others.for_each(|member| member.session.post_ephemeral(text.clone()));
}
