//! What was said in a room, a page at a time.

use super::query::Asked;
use super::{AtRoom, Board, Routes};
use crate::access::{Action, Caller, Standing};
use crate::chat::{History, asked_page};
use crate::problem::Problem;
use crate::protocol::RoomCode;
use crate::protocol::chat::ChatMessage;
use crate::protocol::error::Refusal;
use crate::room::RoomState;
use crate::store::Reader;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, OpenApi, ToSchema};

pub(super) fn routes() -> Routes {
    Router::new().route("/rooms/{room_id}/messages", get(list_messages))
}

#[derive(OpenApi)]
#[openapi(paths(list_messages))]
struct Api;

pub(super) fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// The last place that a message can have: what every JSON reader takes for an integer.
const MAX_SEQ: u64 = (1 << 53) - 1;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct MessagePage {
    /// The last messages before that `seq`; not together with `after`.
    #[param(maximum = 9_007_199_254_740_991_i64)]
    before: Option<u64>,
    /// The first messages after that `seq`; without either, the last ones of the room.
    #[param(maximum = 9_007_199_254_740_991_i64)]
    after: Option<u64>,
    /// How many at most; 50 when it is left out.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u64>,
}

/// A page of messages.
#[derive(Debug, Serialize, ToSchema)]
struct MessagesBody {
    /// Always `true`.
    success: bool,
    /// In the order of `seq`, in their latest form.
    messages: Vec<ChatMessage>,
    /// There are more in the direction that was asked for.
    more: bool,
}

/// Read what was said in a room.
#[utoipa::path(
    get, path = "/api/rooms/{room_id}/messages", operation_id = "list_messages", tag = "rooms",
    params(("room_id" = RoomCode, Path), MessagePage),
    responses((status = 200, description = "A page of messages. For members, hosts and administrators; direct messages are for the two people only.", body = MessagesBody))
)]
async fn list_messages(
    State(board): Board,
    AtRoom(room): AtRoom,
    caller: Caller,
    Asked(asked): Asked<MessagePage>,
) -> Result<Json<MessagesBody>, Problem> {
    let reader = |state: &RoomState| {
        let standing = caller.require(&board, &room, state, Action::ReadMessages)?;
        // An administrator is no person of the room, nor is who holds its secret: they see what everybody sees.
        let person = caller.identity(&room, state).filter(|_| standing != Standing::Admin);
        Ok(person.map_or(Reader::Public, Reader::Person))
    };
    // First of all: strangers learn nothing.
    reader(&room.lock())?;
    for (field, seq) in [("before", asked.before), ("after", asked.after)] {
        if let Some(seq) = seq.filter(|&seq| seq > MAX_SEQ) {
            return Err(Refusal::field(field, format!("`{field}` is {seq}, {MAX_SEQ} at most is allowed")).into());
        }
    }
    let (page, limit) = asked_page(asked.before, asked.after, asked.limit)?;
    let give = |_: &mut RoomState, History { messages, more }| Json(MessagesBody { success: true, messages, more });
    Ok(board.read_messages(&room, reader, page, limit, give).await?)
}
