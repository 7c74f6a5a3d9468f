//! What a path names.

use crate::invites::no_such_invite;
use crate::problem::Problem;
use crate::protocol::InviteId;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::ids::ROOM_CODE_RULE;
use crate::protocol::{ParticipantRef, RoomCode};
use crate::room::Room;
use crate::switchboard::Switchboard;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use parlor_media::ids::ParticipantId;
use std::sync::Arc;

/// The room that a path names, which is the first thing it names.
pub(crate) struct AtRoom(pub(crate) Arc<Room>);

impl FromRequestParts<Arc<Switchboard>> for AtRoom {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, board: &Arc<Switchboard>) -> Result<Self, Problem> {
        let bad =
            || Refusal::new(ErrorCode::BadRoomId, format!("a room's id has {ROOM_CODE_RULE}")).with_field("roomId");
        if !board.is_open() && !parts.headers.contains_key(AUTHORIZATION) {
            // Whether there is such a room is nothing for strangers.
            return Err(Refusal::new(ErrorCode::Unauthorized, "a token is needed").into());
        }
        let params = RawPathParams::from_request_parts(parts, board).await.map_err(|_| bad())?;
        let (_, text) = params.iter().next().ok_or_else(bad)?;
        Ok(Self(board.room(&RoomCode::parse(text).ok_or_else(bad)?)?))
    }
}

/// The participant of `{participant_id}` in the path.
pub(crate) struct AtUser(pub(crate) ParticipantId);

impl FromRequestParts<Arc<Switchboard>> for AtUser {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, board: &Arc<Switchboard>) -> Result<Self, Problem> {
        let text = named(parts, board, "participant_id").await;
        let participant = text.as_deref().and_then(ParticipantRef::parse).ok_or_else(Refusal::user_not_found)?;
        Ok(Self(participant.0))
    }
}

/// The invite of `{invite_id}` in the path.
pub(crate) struct AtInvite(pub(crate) InviteId);

impl FromRequestParts<Arc<Switchboard>> for AtInvite {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, board: &Arc<Switchboard>) -> Result<Self, Problem> {
        let text = named(parts, board, "invite_id").await;
        Ok(Self(text.as_deref().and_then(InviteId::parse).ok_or_else(no_such_invite)?))
    }
}

/// A part of the path, decoded.
async fn named(parts: &mut Parts, board: &Arc<Switchboard>, name: &str) -> Option<String> {
    let params = RawPathParams::from_request_parts(parts, board).await.ok()?;
    params.iter().find(|&(there, _)| there == name).map(|(_, text)| text.to_owned())
}
