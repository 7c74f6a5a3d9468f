//! Who is in a room, and who was.

use super::query::{Asked, limit};
use super::{AtRoom, Board, Routes};
use crate::access::{Action, Caller, Identity, Role, may};
use crate::problem::Problem;
use crate::protocol::error::Refusal;
use crate::protocol::{Participant, ParticipantRef, RoomCode, Timestamp};
use crate::room::{Room, RoomState};
use crate::store::SessionRecord;
use crate::switchboard::Switchboard;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/rooms/{room_id}/users", get(list_users))
        .route("/rooms/{room_id}/sessions", get(list_sessions))
}

#[derive(OpenApi)]
#[openapi(paths(list_users, list_sessions))]
struct Api;

pub(super) fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// Who is in a room.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct UsersBody {
    /// Always `true`.
    success: bool,
    participant_count: usize,
    participants: Vec<Participant>,
}

/// A participant's stay.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Session)]
struct SessionView {
    participant_id: ParticipantRef,
    identity: Identity,
    /// `null` without one.
    display_name: Option<String>,
    role: Role,
    joined_at: Timestamp,
    /// `null` for who is still there.
    left_at: Option<Timestamp>,
    /// So far, for who is still there.
    duration_seconds: u64,
    /// Why it ended: a `reason` of `room-left`, or `server-lost` for who was there when the server failed; `null` for who is
    /// still there.
    reason: Option<String>,
}

/// A page of a room's sessions.
#[derive(Serialize, ToSchema)]
struct SessionsBody {
    /// Always `true`.
    success: bool,
    sessions: Vec<SessionView>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SessionPage {
    /// How many to leave out at the beginning.
    #[param(value_type = Option<u64>, maximum = 4_294_967_295_i64)]
    skip: Option<u32>,
    /// How many at most; 50 when it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u64>,
}

/// See who is in a room.
#[utoipa::path(
    get, path = "/api/rooms/{room_id}/users", operation_id = "list_users", tag = "rooms",
    params(("room_id" = RoomCode, Path)),
    responses((status = 200, description = "Everyone in it, in the order of joining. For members and hosts; on an open server for everybody, unless the room has a password, a lobby or a lock.", body = UsersBody))
)]
async fn list_users(State(board): Board, AtRoom(room): AtRoom, caller: Caller) -> Result<Json<UsersBody>, Problem> {
    let state = room.lock();
    check_users(&board, &room, &state, &caller)?;
    let participants = state.participants(None);
    Ok(Json(UsersBody { success: true, participant_count: participants.len(), participants }))
}

fn check_users(board: &Switchboard, room: &Room, state: &RoomState, caller: &Caller) -> Result<(), Refusal> {
    let settings = &state.record.settings;
    let has_door =
        settings.locked || settings.lobby || state.record.password.is_some() || settings.not_before.is_some();
    if board.is_open() && !has_door && !may(caller.standing(room, state), Action::SeeUsers) {
        return Ok(());
    }
    caller.require(board, room, state, Action::SeeUsers).map(drop)
}

/// See who was in a room, when, and why they left.
#[utoipa::path(
    get, path = "/api/rooms/{room_id}/sessions", operation_id = "list_sessions", tag = "rooms",
    params(("room_id" = RoomCode, Path), SessionPage),
    responses((status = 200, description = "A page of sessions, in the order of joining. For hosts and administrators.", body = SessionsBody))
)]
async fn list_sessions(
    State(board): Board,
    AtRoom(room): AtRoom,
    caller: Caller,
    Asked(page): Asked<SessionPage>,
) -> Result<Json<SessionsBody>, Problem> {
    caller.require(&board, &room, &room.lock(), Action::SeeSessions)?;
    let limit = limit(page.limit)?;
    let skip = page.skip.unwrap_or(0).into();
    board.journal.flushed().await.map_err(Refusal::from)?;
    let now = board.wall_clock();
    let sessions = board.store.sessions(room.uid, skip, limit, now).await.map_err(Refusal::from)?;
    let sessions = sessions.into_iter().map(|session| view(session, now)).collect();
    Ok(Json(SessionsBody { success: true, sessions }))
}

fn view(session: SessionRecord, now: Timestamp) -> SessionView {
    let SessionRecord { participant, identity, display_name, role, joined_at, left_at, reason, .. } = session;
    let duration_seconds = left_at.unwrap_or(now).since(joined_at).as_secs();
    let participant_id = participant;
    SessionView { participant_id, identity, display_name, role, joined_at, left_at, duration_seconds, reason }
}
