//! `GET /api/rooms`: all rooms, a page at a time, for administrators.

use super::query::{Asked, limit};
use super::{Board, Routes};
use crate::access::Caller;
use crate::problem::Problem;
use crate::protocol::error::Refusal;
use crate::protocol::{RoomView, Timestamp};
use crate::store::RoomUid;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, OpenApi, ToSchema};

/// The longest text that is searched for: the longest id, or name.
const MAX_SEARCH_CHARS: usize = 64;

pub(super) fn routes() -> Routes {
    Router::new().route("/rooms", get(list_rooms))
}

#[derive(OpenApi)]
#[openapi(paths(list_rooms))]
struct Api;

pub(super) fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Search {
    /// How many rooms at most; 50 when it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u64>,
    /// The `nextCursor` of the page before.
    cursor: Option<String>,
    /// Only rooms of which the id or the name contains this, in any case.
    #[param(max_length = 64)]
    q: Option<String>,
    /// `true`: only rooms with somebody in them.
    live: Option<bool>,
}

/// A page of rooms, the oldest first.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct RoomsBody {
    /// Always `true`.
    success: bool,
    rooms: Vec<RoomView>,
    /// How many tracks are published in each of these rooms, by the room's id; rooms without are left out.
    track_counts: BTreeMap<String, usize>,
    /// For the next page; `null` on the last one.
    next_cursor: Option<String>,
}

/// A room's place in the list: by its creation.
type Place = (Timestamp, RoomUid);

/// List all rooms.
#[utoipa::path(
    get, path = "/api/rooms", operation_id = "list_rooms", tag = "rooms",
    params(Search),
    responses((status = 200, description = "A page of rooms, the oldest first. For administrators.", body = RoomsBody))
)]
async fn list_rooms(
    State(board): Board,
    caller: Caller,
    Asked(search): Asked<Search>,
) -> Result<Json<RoomsBody>, Problem> {
    caller.require_server("list all rooms")?;
    let limit = limit(search.limit)?;
    let after = search.cursor.as_deref().map(parse_cursor).transpose()?;
    let wanted = search.q.unwrap_or_default();
    if wanted.chars().count() > MAX_SEARCH_CHARS {
        return Err(Refusal::field("q", format!("`q` may have {MAX_SEARCH_CHARS} characters at most")).into());
    }
    let wanted = wanted.to_lowercase();
    let mut rooms: Vec<(Place, RoomView, usize)> = Vec::new();
    for room in board.directory.rooms() {
        let state = room.lock();
        let place = (state.record.created_at, room.uid);
        let name = state.record.settings.name.as_deref().unwrap_or_default();
        let is_wanted = room.code.as_str().contains(&wanted) || name.to_lowercase().contains(&wanted);
        let is_wanted = is_wanted && (search.live != Some(true) || state.count() > 0);
        if is_wanted && after.is_none_or(|after| place > after) {
            let shown = state.members.iter().filter(|member| !member.grants.hidden);
            let tracks = shown.map(|member| member.tracks.len()).sum();
            rooms.push((place, state.view(caller.is_admin()), tracks));
        }
    }
    rooms.sort_by_key(|&(place, ..)| place);
    let more = rooms.len() > limit;
    rooms.truncate(limit);
    let next_cursor = rooms.last().filter(|_| more).map(|&(place, ..)| cursor(place));
    let with_tracks = rooms.iter().filter(|&&(.., tracks)| tracks > 0);
    let track_counts = with_tracks.map(|(_, view, tracks)| (view.room_id.to_string(), *tracks)).collect();
    let rooms = rooms.into_iter().map(|(_, view, _)| view).collect();
    Ok(Json(RoomsBody { success: true, rooms, track_counts, next_cursor }))
}

fn cursor((created_at, uid): Place) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{created_at} {:x}", uid.0))
}

fn parse_cursor(text: &str) -> Result<Place, Refusal> {
    let parse = || {
        let text = String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (created_at, uid) = text.split_once(' ')?;
        Some((Timestamp::parse(created_at)?, RoomUid(u64::from_str_radix(uid, 16).ok()?)))
    };
    parse().ok_or_else(|| Refusal::field("cursor", "`cursor` must be a `nextCursor` that was given"))
}
