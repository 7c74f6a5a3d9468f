//! `/api/rooms/{room}/invites`: one-time invites.

use super::body::{self, Content};
use super::{AtInvite, AtRoom, Board, Done, Routes};
use crate::access::{Caller, Role};
use crate::invites::{FreshInvite, InvitePlan};
use crate::problem::Problem;
use crate::protocol::InviteId;
use crate::protocol::Timestamp;
use crate::protocol::error::Refusal;
use crate::store::InviteRecord;
use crate::switchboard::Switchboard;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The most invites made at once.
const MAX_COUNT: u64 = 100;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/rooms/{room}/invites", get(list).post(make))
        .route("/rooms/{room}/invites/{invite}", delete(withdraw))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MakeInvites {
    #[serde(default)]
    count: Option<u64>,
    #[serde(default)]
    role: Option<Role>,
    #[serde(default)]
    expires_in_seconds: Option<u64>,
}

#[derive(Serialize)]
struct InvitesBody {
    success: bool,
    invites: Vec<InviteView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InviteView {
    invite_id: InviteId,
    /// Shown when it is made, and never again.
    #[serde(skip_serializing_if = "Option::is_none")]
    invite: Option<String>,
    role: Role,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
}

impl InviteView {
    fn of(record: &InviteRecord, invite: Option<String>) -> Self {
        let &InviteRecord { id, role, created_at, expires_at, .. } = record;
        Self { invite_id: InviteId(id), invite, role, created_at, expires_at }
    }
}

async fn make(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    headers: HeaderMap,
    content: Content,
) -> Result<(StatusCode, Json<InvitesBody>), Problem> {
    let plan = plan(&board, body::json(&headers, content)?)?;
    let invites = board.make_invites(&caller, &room, plan).await?;
    let view = |FreshInvite { record, text }| InviteView::of(&record, Some(text));
    Ok((StatusCode::CREATED, Json(InvitesBody { success: true, invites: invites.into_iter().map(view).collect() })))
}

fn plan(board: &Switchboard, asked: MakeInvites) -> Result<InvitePlan, Refusal> {
    let within = |field: &str, asked: u64, most: u64| {
        let fits = (1..=most).contains(&asked);
        fits.then_some(asked)
            .ok_or_else(|| Refusal::field(field, format!("`{field}` is {asked}, 1 to {most} is allowed")))
    };
    let count = within("count", asked.count.unwrap_or(1), MAX_COUNT)?;
    let longest = board.settings.max_expiry.as_secs();
    let expires_in =
        asked.expires_in_seconds.map(|seconds| within("expiresInSeconds", seconds, longest)).transpose()?;
    Ok(InvitePlan {
        count: usize::try_from(count).unwrap_or(1),
        role: asked.role,
        expires_in: expires_in.map(Duration::from_secs),
    })
}

async fn list(State(board): Board, caller: Caller, AtRoom(room): AtRoom) -> Result<Json<InvitesBody>, Problem> {
    let invites = board.list_invites(&caller, &room).await?;
    let invites = invites.iter().map(|record| InviteView::of(record, None)).collect();
    Ok(Json(InvitesBody { success: true, invites }))
}

async fn withdraw(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    AtInvite(invite): AtInvite,
) -> Result<Json<Done>, Problem> {
    board.withdraw_invite(&caller, &room, invite).await?;
    Ok(Json(Done::YES))
}
