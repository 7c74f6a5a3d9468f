//! What a path names.

use crate::problem::Problem;
use crate::protocol::RoomCode;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::ids::ROOM_CODE_RULE;
use crate::room::Room;
use crate::switchboard::Switchboard;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use std::sync::Arc;

/// The room that a path names, which is the first thing it names.
pub(crate) struct AtRoom(pub(crate) Arc<Room>);

impl FromRequestParts<Arc<Switchboard>> for AtRoom {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, board: &Arc<Switchboard>) -> Result<Self, Problem> {
        let bad =
            || Refusal::new(ErrorCode::BadRoomId, format!("a room's id has {ROOM_CODE_RULE}")).with_field("roomId");
        let params = RawPathParams::from_request_parts(parts, board).await.map_err(|_| bad())?;
        let (_, text) = params.iter().next().ok_or_else(bad)?;
        Ok(Self(board.room(&RoomCode::parse(text).ok_or_else(bad)?)?))
    }
}
