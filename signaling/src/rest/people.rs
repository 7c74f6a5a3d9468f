//! `/api/rooms/{room}/users`: who is in a room.

use super::{AtRoom, Routes};
use crate::protocol::Participant;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

pub(super) fn routes() -> Routes {
    Router::new().route("/rooms/{room}/users", get(users))
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UsersBody {
    success: bool,
    participant_count: usize,
    participants: Vec<Participant>,
}

async fn users(AtRoom(room): AtRoom) -> Json<UsersBody> {
    let participants = room.lock().participants(None);
    Json(UsersBody { success: true, participant_count: participants.len(), participants })
}
