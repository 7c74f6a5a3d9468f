//! `/api/rooms/{room_id}/invites`: one-time invites.

use super::body::{self, Content};
use super::{AtInvite, AtRoom, Board, Done, Routes};
use crate::access::{Caller, Role};
use crate::invites::{FreshInvite, InvitePlan};
use crate::problem::Problem;
use crate::protocol::error::Refusal;
use crate::protocol::{InviteId, RoomCode, SecretText, Timestamp};
use crate::store::InviteRecord;
use crate::switchboard::Switchboard;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{delete, get};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::{OpenApi, ToSchema};

/// The most invites made at once.
const MAX_COUNT: u64 = 100;

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/rooms/{room_id}/invites", get(list).post(make))
        .route("/rooms/{room_id}/invites/{invite_id}", delete(withdraw))
}

#[derive(OpenApi)]
#[openapi(paths(make, list, withdraw))]
struct Api;

pub(super) fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// What invites are wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct MakeInvites {
    /// How many; one when it is left out.
    #[schema(minimum = 1, maximum = 100)]
    #[serde(default)]
    count: Option<u64>,
    /// What who comes by them is; what the room makes of newcomers when it is left out.
    #[serde(default)]
    role: Option<Role>,
    /// How long they are good; as long as the room when it is left out.
    #[schema(minimum = 1)]
    #[serde(default)]
    expires_in_seconds: Option<u64>,
}

/// Invites of a room.
#[derive(Serialize, ToSchema)]
struct InvitesBody {
    /// Always `true`.
    success: bool,
    invites: Vec<InviteView>,
}

/// An invite, good for one person once.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Invite)]
struct InviteView {
    invite_id: InviteId,
    /// The secret that is given to the person: shown when it is made, and never again.
    #[schema(value_type = String, required = false, nullable = false, pattern = "^invite_[0-9a-f]{64}$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    invite: Option<SecretText>,
    /// What who comes by it is.
    role: Role,
    /// When it was made.
    created_at: Timestamp,
    /// When it is over; `null`: with the room.
    expires_at: Option<Timestamp>,
}

impl InviteView {
    fn of(record: &InviteRecord, invite: Option<SecretText>) -> Self {
        let &InviteRecord { id, role, created_at, expires_at, .. } = record;
        Self { invite_id: InviteId(id), invite, role, created_at, expires_at }
    }
}

/// Make one-time invites.
///
/// Each lets one person in, past the lock, the password and the lobby; on a server with keys it stands for a token.
#[utoipa::path(
    post, path = "/api/rooms/{room_id}/invites", operation_id = "make_invites", tag = "access",
    params(("room_id" = RoomCode, Path)),
    request_body(content = Option<MakeInvites>),
    responses(
        (status = 201, description = "The invites. For hosts and administrators.", body = InvitesBody),
        (status = 507, description = "The room has as many unused invites as it can."),
    )
)]
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

/// See the unused invites, without what is given to people.
#[utoipa::path(
    get, path = "/api/rooms/{room_id}/invites", operation_id = "list_invites", tag = "access",
    params(("room_id" = RoomCode, Path)),
    responses((status = 200, description = "The invites. For hosts and administrators.", body = InvitesBody))
)]
async fn list(State(board): Board, caller: Caller, AtRoom(room): AtRoom) -> Result<Json<InvitesBody>, Problem> {
    let invites = board.list_invites(&caller, &room).await?;
    let invites = invites.iter().map(|record| InviteView::of(record, None)).collect();
    Ok(Json(InvitesBody { success: true, invites }))
}

/// Withdraw an unused invite.
#[utoipa::path(
    delete, path = "/api/rooms/{room_id}/invites/{invite_id}", operation_id = "withdraw_invite", tag = "access",
    params(("room_id" = RoomCode, Path), ("invite_id" = InviteId, Path)),
    responses((status = 200, description = "Nobody comes by it any more.", body = Done))
)]
async fn withdraw(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    AtInvite(invite): AtInvite,
) -> Result<Json<Done>, Problem> {
    board.withdraw_invite(&caller, &room, invite).await?;
    Ok(Json(Done::YES))
}
