//! `/api/rooms/{room_id}/lobby`: who waits, and a host's word.

use super::{AtRoom, AtUser, Board, Done, Routes};
use crate::access::{Action, Caller, Identity};
use crate::problem::Problem;
use crate::protocol::{ParticipantRef, RoomCode, Timestamp};
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/rooms/{room_id}/lobby", get(lobby))
        .route("/rooms/{room_id}/lobby/{participant_id}/admit", post(admit))
        .route("/rooms/{room_id}/lobby/{participant_id}/deny", post(deny))
}

#[derive(OpenApi)]
#[openapi(paths(lobby, admit, deny))]
struct Api;

pub(super) fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// Who waits.
#[derive(Serialize, ToSchema)]
struct LobbyBody {
    /// Always `true`.
    success: bool,
    /// In the order of coming.
    waiting: Vec<WaitingView>,
}

/// Somebody who waits to be let in.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Waiting)]
struct WaitingView {
    participant_id: ParticipantRef,
    identity: Identity,
    /// What they call themselves; `null` without a name.
    #[schema(max_length = 64)]
    display_name: Option<String>,
    /// Since when.
    since: Timestamp,
}

/// See who waits to be let in.
#[utoipa::path(
    get, path = "/api/rooms/{room_id}/lobby", operation_id = "list_lobby", tag = "people",
    params(("room_id" = RoomCode, Path)),
    responses((status = 200, description = "Who waits. For hosts and administrators.", body = LobbyBody))
)]
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

/// Let somebody in who waits.
#[utoipa::path(
    post, path = "/api/rooms/{room_id}/lobby/{participant_id}/admit", operation_id = "admit", tag = "people",
    params(("room_id" = RoomCode, Path), ("participant_id" = ParticipantRef, Path)),
    responses(
        (status = 200, description = "They are in.", body = Done),
        (status = 409, description = "The room is full."),
    )
)]
async fn admit(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    AtUser(participant): AtUser,
) -> Result<Json<Done>, Problem> {
    board.let_in(&caller, &room, participant).await?;
    Ok(Json(Done::YES))
}

/// Send somebody away who waits.
#[utoipa::path(
    post, path = "/api/rooms/{room_id}/lobby/{participant_id}/deny", operation_id = "deny", tag = "people",
    params(("room_id" = RoomCode, Path), ("participant_id" = ParticipantRef, Path)),
    responses((status = 200, description = "They wait no more.", body = Done))
)]
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
