//! `/api/rooms/{room_id}/tokens`: tokens for a room, made for an application that holds no key itself.

use super::body::{self, Content};
use super::{AtRoom, Board, Routes};
use crate::access::{Action, Caller, Grant, Identity, PublishGrant, Role};
use crate::lines::paced;
use crate::membership::parse_display_name;
use crate::problem::Problem;
use crate::protocol::error::Refusal;
use crate::protocol::schema::Name;
use crate::protocol::{RoomCode, SecretText, Timestamp};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::{OpenApi, ToSchema};

pub(super) fn routes() -> Routes {
    Router::new().route("/rooms/{room_id}/tokens", post(create_token))
}

#[derive(OpenApi)]
#[openapi(paths(create_token))]
struct Api;

pub(super) fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// The body of `POST /api/rooms/{room}/tokens`. What reaches beyond the room (administration, creating rooms) is not to be
/// had here.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CreateToken {
    /// Who will show it.
    identity: Identity,
    /// How they are called in the room.
    #[schema(value_type = Option<Name>)]
    display_name: Option<String>,
    /// `speaker` unless it says otherwise.
    role: Option<Role>,
    /// What they may publish: `audio`, `video`, `screen`; all unless it says otherwise.
    #[schema(value_type = Option<Vec<Medium>>)]
    publish: Option<Vec<String>>,
    /// Whether they may chat; `true` unless it says otherwise.
    chat: Option<bool>,
    /// Whether the others are not shown that they are there.
    hidden: Option<bool>,
    /// How long the token is good: six hours unless it says otherwise.
    #[schema(minimum = 1)]
    expires_in_seconds: Option<u64>,
}

/// What can be published.
#[derive(ToSchema)]
#[schema(rename_all = "lowercase")]
#[expect(dead_code, reason = "it describes the names that `PublishGrant` reads")]
enum Medium {
    Audio,
    Video,
    Screen,
}

/// A token that was made.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TokenBody {
    /// Always `true`.
    success: bool,
    /// To be shown as a bearer, or as `token` in `join-room`. A secret.
    #[schema(value_type = String)]
    token: SecretText,
    /// When it is over.
    expires_at: Timestamp,
}

/// Make a token for a room.
#[utoipa::path(
    post, path = "/api/rooms/{room_id}/tokens", operation_id = "create_token", tag = "access",
    params(("room_id" = RoomCode, Path)),
    request_body = CreateToken,
    responses(
        (status = 201, description = "The token. For hosts and administrators.", body = TokenBody),
        (status = 409, description = "The server has no key to sign tokens with."),
    )
)]
async fn create_token(
    State(board): Board,
    caller: Caller,
    AtRoom(room): AtRoom,
    headers: HeaderMap,
    content: Content,
) -> Result<(StatusCode, Json<TokenBody>), Problem> {
    let keys = &board.policy().keys;
    keys.require_signer()?;
    caller.require(&board, &room, &room.lock(), Action::Invite)?;
    let request: CreateToken = body::json(&headers, content)?;
    let now = board.wall_clock();
    let lifetime = keys.lifetime(request.expires_in_seconds.map(Duration::from_secs))?;
    let publish = match &request.publish {
        None => PublishGrant::ALL,
        Some(names) => PublishGrant::parse(names.iter().map(String::as_str))
            .ok_or_else(|| Refusal::field("publish", format!("`publish` must be {}", PublishGrant::RULE)))?,
    };
    let grant = Grant {
        identity: request.identity,
        name: parse_display_name(request.display_name.as_deref())?,
        room: Some(room.code.clone()),
        role: request.role.unwrap_or(Role::Speaker),
        publish,
        chat: request.chat.unwrap_or(true),
        hidden: request.hidden.unwrap_or(false),
        admin: false,
        create_rooms: false,
        expires_at: now + lifetime,
    };
    let token = keys.sign(&grant, now)?;
    paced!(board.lines.credentials, info, room = room.key.0, role = grant.role.as_str(), "token made");
    Ok((StatusCode::CREATED, Json(TokenBody { success: true, token, expires_at: grant.expires_at.whole_seconds() })))
}
