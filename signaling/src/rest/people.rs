//! `/api/rooms/{room_id}/users`: who is in a room.

use super::{AtRoom, Board, Routes};
use crate::access::{Action, Caller};
use crate::problem::Problem;
use crate::protocol::Participant;
use crate::room::RoomState;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Router::new().route("/rooms/{room_id}/users", get(users))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsersBody {
    success: bool,
    participant_count: usize,
    participants: Vec<Participant>,
}

async fn users(State(board): Board, caller: Caller, AtRoom(room): AtRoom) -> Result<Json<UsersBody>, Problem> {
    let state = room.lock();
    // Who may walk in may look in.
    if !(board.is_open() && has_no_door(&state)) {
        caller.require(&board, &room, &state, Action::SeeUsers)?;
    }
    let participants = state.participants(None);
    Ok(Json(UsersBody { success: true, participant_count: participants.len(), participants }))
}

fn has_no_door(state: &RoomState) -> bool {
    let settings = &state.record.settings;
    !settings.locked && !settings.lobby && state.record.password.is_none() && settings.not_before.is_none()
}
