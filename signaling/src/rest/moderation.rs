//! `/api/rooms/{room_id}/users/{participant_id}/…` and `/api/rooms/{room_id}/bans`: what hosts do to people.

use super::body::{self, Content};
use super::{AtRoom, AtUser, Board, Done, Routes};
use crate::access::{Action, Caller, Identity, Role};
use crate::lifecycle::to_the_end;
use crate::problem::Problem;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::{ParticipantRef, RoomCode, TrackRef};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use utoipa::{OpenApi, ToSchema};

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/rooms/{room_id}/users/{participant_id}/mute", post(mute))
        .route("/rooms/{room_id}/users/{participant_id}/kick", post(kick))
        .route("/rooms/{room_id}/users/{participant_id}/ban", post(ban))
        .route("/rooms/{room_id}/users/{participant_id}/promote", post(promote))
        .route("/rooms/{room_id}/bans", get(bans))
        .route("/rooms/{room_id}/bans/{identity}", delete(unban))
}

#[derive(OpenApi)]
#[openapi(paths(mute, kick, ban, promote, bans, unban))]
struct Api;

pub(super) fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// What is to be muted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Mute {
    /// One track; all of them when it is left out.
    #[serde(default)]
    track_id: Option<TrackRef>,
}

/// What somebody becomes.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Promote {
    role: Role,
}

/// Who was banned.
#[derive(Serialize, ToSchema)]
struct Banned {
    /// Always `true`.
    success: bool,
    identity: Identity,
}

/// Who is banned.
#[derive(Serialize, ToSchema)]
struct Bans {
    /// Always `true`.
    success: bool,
    /// In the order of being banned.
    #[schema(max_items = 1024)]
    bans: Vec<Identity>,
}

/// Mute one track of a participant, or all of them.
#[utoipa::path(
    post, path = "/api/rooms/{room_id}/users/{participant_id}/mute", operation_id = "mute_participant", tag = "people",
    params(("room_id" = RoomCode, Path), ("participant_id" = ParticipantRef, Path)),
    request_body(content = Option<Mute>),
    responses((status = 200, description = "It is muted; who published it may unmute it.", body = Done))
)]
async fn mute(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    AtUser(participant): AtUser,
    headers: HeaderMap,
    content: Content,
) -> Result<Json<Done>, Problem> {
    let Mute { track_id } = body::json(&headers, content)?;
    board.mute(&caller, &room, participant, track_id).await?;
    Ok(Json(Done::YES))
}

/// Put a participant out.
#[utoipa::path(
    post, path = "/api/rooms/{room_id}/users/{participant_id}/kick", operation_id = "kick_participant", tag = "people",
    params(("room_id" = RoomCode, Path), ("participant_id" = ParticipantRef, Path)),
    responses((status = 200, description = "It is out; it may come back.", body = Done))
)]
async fn kick(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    AtUser(participant): AtUser,
) -> Result<Json<Done>, Problem> {
    board.kick(&caller, &room, participant).await?;
    Ok(Json(Done::YES))
}

/// Put somebody out for good, from the room or its lobby.
#[utoipa::path(
    post, path = "/api/rooms/{room_id}/users/{participant_id}/ban", operation_id = "ban_participant", tag = "people",
    params(("room_id" = RoomCode, Path), ("participant_id" = ParticipantRef, Path)),
    responses(
        (status = 507, description = "The room bans as many identities as it can."),
        (status = 200, description = "Everybody of that identity is out, and stays out.", body = Banned))
)]
async fn ban(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    AtUser(participant): AtUser,
) -> Result<Json<Banned>, Problem> {
    let identity = to_the_end(async move { board.ban(&caller, &room, participant).await }).await?;
    Ok(Json(Banned { success: true, identity }))
}

/// Give a participant another role.
#[utoipa::path(
    post, path = "/api/rooms/{room_id}/users/{participant_id}/promote", operation_id = "promote_participant", tag = "people",
    params(("room_id" = RoomCode, Path), ("participant_id" = ParticipantRef, Path)),
    request_body = Promote,
    responses((status = 200, description = "It has the role, for the rest of its stay.", body = Done))
)]
async fn promote(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    AtUser(participant): AtUser,
    headers: HeaderMap,
    content: Content,
) -> Result<Json<Done>, Problem> {
    let Promote { role } = body::json(&headers, content)?;
    board.promote(&caller, &room, participant, role).await?;
    Ok(Json(Done::YES))
}

/// See who is banned.
#[utoipa::path(
    get, path = "/api/rooms/{room_id}/bans", operation_id = "list_bans", tag = "people",
    params(("room_id" = RoomCode, Path)),
    responses((status = 200, description = "The banned identities. For hosts and administrators.", body = Bans))
)]
async fn bans(State(board): Board, caller: Caller, AtRoom(room): AtRoom) -> Result<Json<Bans>, Problem> {
    let state = room.lock();
    caller.require(&board, &room, &state, Action::Moderate)?;
    Ok(Json(Bans { success: true, bans: state.record.banned.clone() }))
}

/// Let somebody come back.
#[utoipa::path(
    delete, path = "/api/rooms/{room_id}/bans/{identity}", operation_id = "lift_ban", tag = "people",
    params(("room_id" = RoomCode, Path), ("identity" = Identity, Path)),
    responses((status = 200, description = "The identity is banned no more.", body = Done))
)]
async fn unban(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    Path(path): Path<HashMap<String, String>>,
) -> Result<Json<Done>, Problem> {
    let identity = path.get("identity").and_then(|text| Identity::parse(text)).ok_or_else(|| {
        Refusal::new(ErrorCode::UserNotFound, format!("an identity has {}", Identity::RULE)).with_field("identity")
    })?;
    to_the_end(async move { board.unban(&caller, &room, &identity).await }).await?;
    Ok(Json(Done::YES))
}
