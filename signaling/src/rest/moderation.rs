//! `/api/rooms/{room}/users/{participant}/…` and `/api/rooms/{room}/bans`: what hosts do to people.

use super::body::{self, Content};
use super::{AtRoom, AtUser, Board, Done, Routes};
use crate::access::{Action, Caller, Identity, Role};
use crate::lifecycle::to_the_end;
use crate::problem::Problem;
use crate::protocol::TrackRef;
use crate::protocol::error::{ErrorCode, Refusal};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::{delete, get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/rooms/{room}/users/{participant}/mute", post(mute))
        .route("/rooms/{room}/users/{participant}/kick", post(kick))
        .route("/rooms/{room}/users/{participant}/ban", post(ban))
        .route("/rooms/{room}/users/{participant}/promote", post(promote))
        .route("/rooms/{room}/bans", get(bans))
        .route("/rooms/{room}/bans/{identity}", delete(unban))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Mute {
    #[serde(default)]
    track_id: Option<TrackRef>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Promote {
    role: Role,
}

#[derive(Serialize)]
struct Banned {
    success: bool,
    identity: Identity,
}

#[derive(Serialize)]
struct Bans {
    success: bool,
    bans: Vec<Identity>,
}

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

async fn kick(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    AtUser(participant): AtUser,
) -> Result<Json<Done>, Problem> {
    board.kick(&caller, &room, participant).await?;
    Ok(Json(Done::YES))
}

async fn ban(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    AtUser(participant): AtUser,
) -> Result<Json<Banned>, Problem> {
    let identity = to_the_end(async move { board.ban(&caller, &room, participant).await }).await?;
    Ok(Json(Banned { success: true, identity }))
}

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

async fn bans(State(board): Board, caller: Caller, AtRoom(room): AtRoom) -> Result<Json<Bans>, Problem> {
    let state = room.lock();
    caller.require(&board, &room, &state, Action::Moderate)?;
    Ok(Json(Bans { success: true, bans: state.record.banned.clone() }))
}

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
