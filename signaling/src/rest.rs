//! The REST interface under `/api`.

use crate::access::Role;
use crate::problem::Problem;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::ids::{ROOM_CODE_RULE, clip};
use crate::protocol::server::Departure;
use crate::protocol::{Participant, RoomCode, Timestamp, fields, text};
use crate::room::Room;
use crate::room_settings::{Allowed, History, PublishPolicy, RoomSettings};
use crate::store::{RoomRecord, RoomUid};
use crate::switchboard::{Switchboard, entropy};
use crate::visitor::Visitor;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The largest body: a plan for a room takes some hundred bytes.
const MAX_BODY_BYTES: usize = 16 * 1024;

type Board = State<Arc<Switchboard>>;

/// The routes, to be nested under `/api`.
pub(crate) fn router(board: &Arc<Switchboard>) -> Router<Arc<Switchboard>> {
    Router::new()
        .route("/rooms", post(create))
        .route("/rooms/{room}", get(show).delete(delete))
        .route("/rooms/{room}/users", get(users))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(board), guard))
}

/// Refuses changes from foreign pages, and sets the headers that every answer has.
async fn guard(State(board): Board, visitor: Visitor, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut response = if changes && !visitor.is_welcome(&board.settings.allowed_origins) {
        refuse(&board, origin_refused())
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub(crate) fn origin_refused() -> Refusal {
    Refusal::new(ErrorCode::OriginRefused, "pages of this origin may not use this server")
}

pub(crate) fn refuse(board: &Switchboard, refusal: Refusal) -> Response {
    board.counters.count_error(refusal.code);
    Problem(refusal).into_response()
}

/// The body of `POST /api/rooms`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateRoom {
    room_id: Option<RoomCode>,
    max_participants: Option<u64>,
    expires_in_seconds: Option<u64>,
    name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoomView {
    room_id: RoomCode,
    name: Option<String>,
    created_at: Timestamp,
    expires_at: Option<Timestamp>,
    participant_count: usize,
    max_participants: usize,
}

#[derive(Serialize)]
struct RoomBody {
    success: bool,
    room: RoomView,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsersBody {
    success: bool,
    participant_count: usize,
    participants: Vec<Participant>,
}

#[derive(Serialize)]
struct Done {
    success: bool,
}

fn body(room: &Room) -> RoomBody {
    let state = room.lock();
    let view = RoomView {
        room_id: room.code.clone(),
        name: state.record.settings.name.clone(),
        created_at: state.record.created_at,
        expires_at: state.record.expires_at,
        participant_count: state.members.len(),
        max_participants: state.record.settings.max_participants,
    };
    RoomBody { success: true, room: view }
}

async fn create(
    State(board): Board,
    visitor: Visitor,
    headers: HeaderMap,
    content: Result<Bytes, BytesRejection>,
) -> Response {
    let created = async {
        let plan = plan(&board, parse(&headers, content)?)?;
        if !board.gate.may_create_room(visitor.address, Instant::now()) {
            return Err(Refusal::new(
                ErrorCode::RateLimited,
                "too many rooms were created from this address, wait a moment",
            ));
        }
        board.create_room(plan).await
    };
    match created.await {
        Ok(room) => (StatusCode::CREATED, Json(body(&room))).into_response(),
        Err(refusal) => refuse(&board, refusal),
    }
}

fn parse(headers: &HeaderMap, content: Result<Bytes, BytesRejection>) -> Result<CreateRoom, Refusal> {
    let content = content.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            Refusal::new(ErrorCode::BodyTooLarge, format!("the body may have {MAX_BODY_BYTES} bytes at most"))
        }
        _ => Refusal::new(ErrorCode::BadJson, "the body could not be read"),
    })?;
    if content.is_empty() {
        return Ok(CreateRoom::default());
    }
    // A form of a foreign page cannot send this type without asking first.
    let essence =
        headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(|text| text.split(';').next());
    if !essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json")) {
        return Err(Refusal::new(ErrorCode::UnsupportedMediaType, "`Content-Type` must be application/json"));
    }
    match serde_json::from_slice(&content) {
        Ok(Value::Object(object)) => fields::from_object(object).map_err(|error| {
            let code =
                if error.field.as_deref() == Some("roomId") { ErrorCode::BadRoomId } else { ErrorCode::BadMessage };
            let refusal = Refusal::new(code, error.message);
            match error.field {
                Some(field) => refusal.with_field(clip(&field)),
                None => refusal,
            }
        }),
        Ok(_) => Err(Refusal::new(ErrorCode::BadJson, "the body must be a JSON object")),
        Err(error) => Err(Refusal::new(ErrorCode::BadJson, format!("the body is not JSON: {error}"))),
    }
}

fn plan(board: &Switchboard, request: CreateRoom) -> Result<RoomRecord, Refusal> {
    let settings = &board.settings;
    let name = text::parse_name(request.name.as_deref().unwrap_or_default())
        .map_err(|message| Refusal::new(ErrorCode::NameInvalid, message).with_field("name"))?;
    let max_participants = match request.max_participants {
        None => settings.default_max_participants.min(settings.max_participants),
        Some(asked) => {
            usize::try_from(within("maxParticipants", asked, settings.max_participants as u64)?).unwrap_or(1)
        }
    };
    let created_at = board.wall_clock();
    let expires_at = match request.expires_in_seconds {
        None => None,
        Some(asked) => {
            Some(created_at + Duration::from_secs(within("expiresInSeconds", asked, settings.max_expiry.as_secs())?))
        }
    };
    let code = match request.room_id {
        Some(code) => code,
        None => RoomCode::from_entropy(entropy()?),
    };
    Ok(RoomRecord {
        uid: RoomUid::from_entropy(entropy()?),
        code,
        version: 1,
        created_at,
        expires_at,
        settings: RoomSettings {
            name: Some(name).filter(|name| !name.is_empty()),
            max_participants,
            not_before: None,
            empty_timeout_seconds: Some(settings.empty_timeout.as_secs()),
            history: History::None,
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

fn within(field: &str, asked: u64, most: u64) -> Result<u64, Refusal> {
    if (1..=most).contains(&asked) {
        Ok(asked)
    } else {
        Err(Refusal::field(field, format!("`{field}` is {asked}, 1 to {most} is allowed")))
    }
}

fn find(
    board: &Switchboard,
    path: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Result<Arc<Room>, Refusal> {
    let bad = || Refusal::new(ErrorCode::BadRoomId, format!("a room's id has {ROOM_CODE_RULE}")).with_field("roomId");
    let Path(text) = path.map_err(|_| bad())?;
    board.room(&RoomCode::parse(&text).ok_or_else(bad)?)
}

type RoomPath = Result<Path<String>, axum::extract::rejection::PathRejection>;

async fn show(State(board): Board, path: RoomPath) -> Response {
    match find(&board, path) {
        Ok(room) => Json(body(&room)).into_response(),
        Err(refusal) => refuse(&board, refusal),
    }
}

async fn users(State(board): Board, path: RoomPath) -> Response {
    match find(&board, path) {
        Ok(room) => {
            let participants = room.lock().participants(None);
            Json(UsersBody { success: true, participant_count: participants.len(), participants }).into_response()
        }
        Err(refusal) => refuse(&board, refusal),
    }
}

async fn delete(State(board): Board, path: RoomPath) -> Response {
    let room = match find(&board, path) {
        Ok(room) => room,
        Err(refusal) => return refuse(&board, refusal),
    };
    match board.shard_of(&room).reserve(1).await {
        Ok(permits) => {
            board.end_room(&room, Departure::RoomClosed, Some(permits));
            Json(Done { success: true }).into_response()
        }
        Err(_) => refuse(&board, Refusal::busy()),
    }
}

async fn not_found(State(board): Board) -> Response {
    refuse(&board, Refusal::new(ErrorCode::NotFound, "there is nothing at this path"))
}

async fn method_not_allowed(State(board): Board, method: Method) -> Response {
    let message =
        format!("the method {} is not allowed here, the header `Allow` names those that are", clip(method.as_str()));
    refuse(&board, Refusal::new(ErrorCode::MethodNotAllowed, message))
}
