//! `/api/rooms` and `/api/rooms/{room_id}`: rooms themselves.

use super::body::{self, Content};
use super::wishes::{RoomChange, Wishes};
use super::{AtRoom, Board, Done, Routes};
use crate::access::{Action, Caller, HOST_PREFIX, Identity, Role, Standing};
use crate::gate::Who;
use crate::idempotency::Repeatable;
use crate::lifecycle::to_the_end;
use crate::limits::Kind;
use crate::problem::Problem;
use crate::protocol::error::Refusal;
use crate::protocol::schema::text_schema;
use crate::protocol::server::Departure;
use crate::protocol::{RoomCode, RoomView, SecretText};
use crate::room::Room;
use crate::room_settings::{Allowed, History, PublishPolicy, RoomSettings};
use crate::session::Token;
use crate::store::{RoomRecord, RoomUid};
use crate::switchboard::{Switchboard, entropy};
use crate::visitor::Visitor;
use axum::extract::State;
use axum::http::header::{AUTHORIZATION, ETAG, IF_MATCH, IF_NONE_MATCH, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Serialize;
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::{OpenApi, ToSchema};

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/rooms", post(create_room))
        .route("/rooms/{room_id}", get(get_room).patch(change_room).delete(delete_room))
        .route("/rooms/{room_id}/end", post(end_room))
}

#[derive(OpenApi)]
#[openapi(paths(create_room, get_room, change_room, delete_room, end_room), components(schemas(Version)))]
struct Api;

pub(super) fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// A version as an `ETag`.
struct Version;

text_schema!(
    Version,
    "Version",
    "The version of the room's settings; who comes and goes does not change it.",
    "^\"[0-9]+\"$",
    "\"1\""
);

/// One room.
#[derive(Serialize, ToSchema)]
struct RoomBody {
    /// Always `true`.
    success: bool,
    room: RoomView,
}

/// A room that was created.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct CreatedBody {
    /// Always `true`.
    success: bool,
    room: RoomView,
    /// Whoever shows it is the room's host. It is told here only; a server with keys gives none.
    #[schema(value_type = String, required = false, nullable = false, pattern = "^host_[0-9a-f]{64}$")]
    #[serde(skip_serializing_if = "Option::is_none")]
    host_secret: Option<SecretText>,
}

/// The answer to a creation, as it is given again when the request is repeated.
#[derive(Clone)]
pub(crate) struct Created {
    room: RoomView,
    host_secret: Option<Token>,
}

/// Create a room.
#[utoipa::path(
    post, path = "/api/rooms", operation_id = "create_room", tag = "rooms",
    params(("Idempotency-Key" = Option<String>, Header, description = "The same key and body within a day get the same answer: 1 to 255 visible ASCII characters", min_length = 1, max_length = 255, pattern = "^[!-~]{1,255}$")),
    request_body(content = Option<Wishes>),
    responses(
        (status = 201, description = "The room is there.", body = CreatedBody, headers(("ETag" = Version), ("Location" = String, description = "Its address"))),
        (status = 409, description = "There is a room of that id."),
        (status = 422, description = "The same key came with another body."),
        (status = 507, description = "The server has as many rooms as it takes."),
    )
)]
async fn create_room(
    State(board): Board,
    visitor: Visitor,
    caller: Caller,
    headers: HeaderMap,
    content: Content,
) -> Result<Response, Problem> {
    caller.may_create_rooms(&board)?;
    let repeatable = repeatable(&visitor, &headers, &content)?;
    let wishes: Wishes = body::json(&headers, content)?;
    let created = to_the_end(async move {
        let make = make(&board, visitor.address, caller.token_identity(), wishes);
        match repeatable {
            Some(request) => board.created.once(request, make).await,
            None => make.await,
        }
    });
    let Created { room, host_secret } = created.await?;
    let headers = [(ETAG, etag(room.version)), (LOCATION, location(&room.room_id))];
    let host_secret = host_secret.map(|secret| secret.written(HOST_PREFIX));
    Ok((StatusCode::CREATED, headers, Json(CreatedBody { success: true, room, host_secret })).into_response())
}

fn repeatable(visitor: &Visitor, headers: &HeaderMap, content: &Content) -> Result<Option<Repeatable>, Refusal> {
    let Some(key) = headers.get(IDEMPOTENCY_KEY) else { return Ok(None) };
    let address = visitor.address.map(|address| address.to_canonical().to_string()).unwrap_or_default();
    let caller = headers.get(AUTHORIZATION).map_or(address.as_bytes(), HeaderValue::as_bytes);
    let content = content.as_deref().unwrap_or_default();
    Repeatable::new(caller, key.as_bytes(), content).map(Some)
}

async fn make(
    board: &Arc<Switchboard>,
    address: Option<IpAddr>,
    identity: Option<&Identity>,
    mut wishes: Wishes,
) -> Result<Created, Refusal> {
    let code = match wishes.take_room_id() {
        Some(code) => code,
        None => RoomCode::from_entropy(entropy()?),
    };
    board.count(Kind::RoomCreation, Who { address, identity, room: None })?;
    let now = board.wall_clock();
    let change = wishes.check(board.room_bounds(), now).await?;
    let host_secret = if board.is_open() { Some(Token::from_entropy(entropy()?)) } else { None };
    let mut record = blank(board, code)?;
    record.host_secret = host_secret.map(Token::digest);
    change.apply(&mut record, now, false)?;
    let room = board.create_room(record).await?;
    let room = room.lock().view(true);
    Ok(Created { room, host_secret })
}

/// A room of which nothing was asked.
fn blank(board: &Switchboard, code: RoomCode) -> Result<RoomRecord, Refusal> {
    let policy = board.policy();
    Ok(RoomRecord {
        uid: RoomUid::from_entropy(entropy()?),
        code,
        version: 1,
        created_at: board.wall_clock(),
        expires_at: None,
        settings: RoomSettings {
            name: None,
            max_participants: policy.default_max_participants.min(policy.max_participants),
            not_before: None,
            empty_timeout_seconds: Some(board.settings.empty_timeout.as_secs()),
            history: History::WhileOpen,
            locked: false,
            lobby: false,
            join_as: Role::Speaker,
            publish: PublishPolicy::default(),
            chat: Allowed::Everyone,
            metadata: serde_json::Map::new(),
        },
        host_secret: None,
        password: None,
        banned: Vec::new(),
    })
}

/// See a room's settings, and how many are in.
#[utoipa::path(
    get, path = "/api/rooms/{room_id}", operation_id = "get_room", tag = "rooms",
    params(("room_id" = RoomCode, Path), ("If-None-Match" = Option<String>, Header, description = "A version that is known already")),
    responses(
        (status = 200, description = "The room. Its metadata is for members, hosts and administrators.", body = RoomBody, headers(("ETag" = Version))),
        (status = 304, description = "The settings are of that version.", headers(("ETag" = Version))),
    )
)]
async fn get_room(
    State(board): Board,
    AtRoom(room): AtRoom,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let view = {
        let state = room.lock();
        let standing = caller.require(&board, &room, &state, Action::SeeRoom)?;
        state.view(matches!(standing, Standing::Admin | Standing::Member(_)))
    };
    let etag = etag(view.version);
    if names(&headers, IF_NONE_MATCH, &etag, true) {
        return Ok((StatusCode::NOT_MODIFIED, [(ETAG, etag)]).into_response());
    }
    Ok(([(ETAG, etag)], Json(RoomBody { success: true, room: view })).into_response())
}

/// Change a room's settings.
#[utoipa::path(
    patch, path = "/api/rooms/{room_id}", operation_id = "change_room", tag = "rooms",
    params(("room_id" = RoomCode, Path), ("If-Match" = Option<String>, Header, description = "The version to be changed, as its `ETag`")),
    request_body(content = RoomChange),
    responses(
        (status = 200, description = "The room as it is now; its members were told.", body = RoomBody, headers(("ETag" = Version))),
        (status = 412, description = "The room is of another version."),
    )
)]
async fn change_room(
    State(board): Board,
    AtRoom(room): AtRoom,
    caller: Caller,
    headers: HeaderMap,
    content: Content,
) -> Result<Response, Problem> {
    caller.require(&board, &room, &room.lock(), Action::ChangeRoom)?;
    let wishes: Wishes = body::json(&headers, content)?;
    wishes.refuse_nulls()?;
    let now = board.wall_clock();
    let change = wishes.check(board.room_bounds(), now).await?;
    let room = to_the_end(async move {
        let expected = expected(&headers, &room)?;
        let has_spoken = room.lock().chat.last_seq() > 0;
        board.change_room(&room, expected, |record| change.clone().apply(record, now, has_spoken)).await?;
        let room = room.lock().view(true);
        Ok(room)
    });
    let room = room.await?;
    Ok(([(ETAG, etag(room.version))], Json(RoomBody { success: true, room })).into_response())
}

/// The version that `If-Match` wants; `*` and no header want none.
fn expected(headers: &HeaderMap, room: &Room) -> Result<Option<u64>, Refusal> {
    if !headers.contains_key(IF_MATCH) || headers.get_all(IF_MATCH).iter().any(|value| value.as_bytes() == b"*") {
        return Ok(None);
    }
    let version = room.lock().record.version;
    // What names none of our versions names one that the room does not have.
    Ok(Some(if names(headers, IF_MATCH, &etag(version), false) { version } else { 0 }))
}

/// Delete a room, with everything that was said and shared in it.
#[utoipa::path(
    delete, path = "/api/rooms/{room_id}", operation_id = "delete_room", tag = "rooms",
    params(("room_id" = RoomCode, Path)),
    responses((status = 200, description = "Everyone in it was told; within a minute nothing is left.", body = Done))
)]
async fn delete_room(State(board): Board, AtRoom(room): AtRoom, caller: Caller) -> Result<Json<Done>, Problem> {
    caller.require(&board, &room, &room.lock(), Action::DeleteRoom)?;
    to_the_end(async move { board.delete_room(&room, Departure::RoomClosed).await }).await?;
    Ok(Json(Done::YES))
}

/// End the call: everyone is put out. A room that keeps its history stays, another one ends.
#[utoipa::path(
    post, path = "/api/rooms/{room_id}/end", operation_id = "end_call", tag = "rooms",
    params(("room_id" = RoomCode, Path)),
    responses((status = 200, description = "Nobody is in it any more.", body = Done))
)]
async fn end_room(State(board): Board, AtRoom(room): AtRoom, caller: Caller) -> Result<Json<Done>, Problem> {
    caller.require(&board, &room, &room.lock(), Action::EndRoom)?;
    to_the_end(async move { board.end_call(&room).await }).await?;
    Ok(Json(Done::YES))
}

fn etag(version: u64) -> HeaderValue {
    // Digits and quotes are always a header's value.
    HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"0\""))
}

fn location(code: &RoomCode) -> HeaderValue {
    // So is a room's id, whose alphabet needs no escapes.
    HeaderValue::from_str(&format!("/api/rooms/{code}")).unwrap_or(HeaderValue::from_static("/api/rooms"))
}

/// Whether one of the tags that a header lists is this one, or any would do. `If-None-Match` compares `weakly`, `If-Match` does
/// not (RFC 9110 section 13.1).
fn names(headers: &HeaderMap, header: HeaderName, etag: &HeaderValue, weakly: bool) -> bool {
    let values = headers.get_all(header);
    let tags = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|text| text.split(',')).map(str::trim);
    let mut tags = tags.map(|tag| tag.strip_prefix("W/").filter(|_| weakly).unwrap_or(tag));
    tags.any(|tag| tag == "*" || tag.as_bytes() == etag.as_bytes())
}
