//! `/api/rooms` and `/api/rooms/{room}`: rooms themselves.

use super::body::{self, Content};
use super::{AtRoom, Board, Done, Routes};
use crate::access::Role;
use crate::gate::Who;
use crate::limits::Kind;
use crate::problem::Problem;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::server::Departure;
use crate::protocol::{RoomCode, Timestamp, text};
use crate::room::Room;
use crate::room_settings::{Allowed, History, PublishPolicy, RoomSettings};
use crate::store::{RoomRecord, RoomUid};
use crate::switchboard::{Switchboard, entropy};
use crate::visitor::Visitor;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::time::Instant;

pub(super) fn routes() -> Routes {
    Router::new().route("/rooms", post(create)).route("/rooms/{room}", get(show).delete(delete))
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

fn body(room: &Room) -> RoomBody {
    let state = room.lock();
    let view = RoomView {
        room_id: room.code.clone(),
        name: state.record.settings.name.clone(),
        created_at: state.record.created_at,
        expires_at: state.record.expires_at,
        participant_count: state.count(),
        max_participants: state.record.settings.max_participants,
    };
    RoomBody { success: true, room: view }
}

async fn create(
    State(board): Board,
    visitor: Visitor,
    headers: HeaderMap,
    content: Content,
) -> Result<(StatusCode, Json<RoomBody>), Problem> {
    let plan = plan(&board, body::json(&headers, content)?)?;
    board.gate.take(Kind::RoomCreation, Who { address: visitor.address, ..Who::default() }, Instant::now())?;
    let room = board.create_room(plan).await?;
    Ok((StatusCode::CREATED, Json(body(&room))))
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

async fn show(AtRoom(room): AtRoom) -> Json<RoomBody> {
    Json(body(&room))
}

async fn delete(State(board): Board, AtRoom(room): AtRoom) -> Result<Json<Done>, Problem> {
    let permits = board.shard_of(&room).reserve(1).await.map_err(|_| Refusal::busy())?;
    board.end_room(&room, Departure::RoomClosed, Some(permits));
    Ok(Json(Done::YES))
}
