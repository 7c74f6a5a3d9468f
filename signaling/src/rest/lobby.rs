//! `/api/rooms/{room}/lobby`: who waits, and a host's word.

use super::{AtRoom, AtUser, Board, Done, Routes};
use crate::access::{Action, Caller, Identity};
use crate::problem::Problem;
use crate::protocol::{ParticipantRef, Timestamp};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/rooms/{room}/lobby", get(lobby))
        .route("/rooms/{room}/lobby/{participant}/admit", post(admit))
        .route("/rooms/{room}/lobby/{participant}/deny", post(deny))
}

#[derive(Serialize)]
struct LobbyBody {
    success: bool,
    waiting: Vec<WaitingView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WaitingView {
    participant_id: ParticipantRef,
    identity: Identity,
    display_name: Option<String>,
    since: Timestamp,
}

async fn lobby(State(board): Board, caller: Caller, AtRoom(room): AtRoom) -> Result<Json<LobbyBody>, Problem> {
    let state = room.lock();
    caller.require(&board, &room, &state, Action::ManageLobby)?;
    let view = |waiting: &crate::lobby::Waiting| WaitingView {
        participant_id: ParticipantRef(waiting.arrival.participant),
        identity: waiting.arrival.identity.clone(),
        display_name: waiting.arrival.display_name.clone(),
        since: waiting.since,
    };
    Ok(Json(LobbyBody { success: true, waiting: state.lobby.waiting().iter().map(view).collect() }))
}

async fn admit(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    AtUser(participant): AtUser,
) -> Result<Json<Done>, Problem> {
    let admit = |state: &mut _, permits: crate::shards::Permits<'_>| board.admit(&room, state, participant, permits);
    board.act_on_others(&caller, &room, Action::ManageLobby, admit).await?;
    Ok(Json(Done::YES))
}

async fn deny(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    AtUser(participant): AtUser,
) -> Result<Json<Done>, Problem> {
    let mut state = room.lock();
    caller.require(&board, &room, &state, Action::ManageLobby)?;
    board.deny(&room, &mut state, participant)?;
    Ok(Json(Done::YES))
}
