//! `/api/rooms/{room}/messages`: what was said in a room, a page at a time.

use super::{AtRoom, Board, Routes};
use crate::access::{Action, Caller, require};
use crate::chat::{History, asked_page};
use crate::problem::Problem;
use crate::protocol::chat::ChatMessage;
use crate::protocol::error::Refusal;
use crate::room::RoomState;
use crate::store::Reader;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(super) fn routes() -> Routes {
    Router::new().route("/rooms/{room}/messages", get(messages))
}

/// What the query asks for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    before: Option<u64>,
    after: Option<u64>,
    limit: Option<u64>,
}

/// A page of messages, in the order of `seq`.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Messages)]
pub(crate) struct MessagesBody {
    success: bool,
    messages: Vec<ChatMessage>,
    /// There are more in the direction that was asked for.
    more: bool,
}

async fn messages(
    State(board): Board,
    AtRoom(room): AtRoom,
    caller: Caller,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<MessagesBody>, Problem> {
    let may_read = |state: &RoomState| require(caller.standing(&room, state), Action::ReadMessages);
    // Before the query is looked at: strangers learn nothing.
    may_read(&room.lock())?;
    let Query(asked) = asked.map_err(|rejection| Refusal::field("query", rejection.body_text()))?;
    let (page, limit) = asked_page(asked.before, asked.after, asked.limit)?;
    let reader = |state: &RoomState| {
        may_read(state)?;
        // Whoever is no person sees what everybody sees.
        Ok(caller.identity(&room, state).map_or(Reader::Public, Reader::Person))
    };
    let give = |_: &mut RoomState, History { messages, more }| Json(MessagesBody { success: true, messages, more });
    Ok(board.read_messages(&room, reader, page, limit, give).await?)
}
