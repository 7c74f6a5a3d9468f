//! `GET /api/server`: the server as a whole, for administrators.

use super::{Board, Routes};
use crate::access::Caller;
use crate::problem::Problem;
use crate::protocol::Timestamp;
use crate::protocol::server::Access;
use crate::switchboard::Switchboard;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

pub(super) fn routes() -> Routes {
    Router::new().route("/server", get(get_server))
}

#[derive(OpenApi)]
#[openapi(paths(get_server))]
struct Api;

pub(super) fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

/// The server as a whole.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct ServerBody {
    /// Always `true`.
    success: bool,
    /// Of Parlor.
    version: &'static str,
    /// How long it has run.
    uptime_seconds: u64,
    /// Whether people need tokens.
    access: Access,
    /// Whether it is about to end and begins no new calls.
    draining: bool,
    /// Why it takes on no new work now; empty when it does.
    reasons: Vec<String>,
    /// Rooms, those with nobody in them included.
    room_count: usize,
    /// People in them.
    participant_count: usize,
    /// WebSockets.
    socket_count: usize,
    /// The threads that forward media.
    shards: Vec<ShardView>,
    store: StoreView,
}

/// A thread that forwards media, and what is placed on it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Shard)]
struct ShardView {
    /// Of its sockets, UDP and TCP.
    port: u16,
    /// Rooms that were placed on it; a large one has parts on others, too.
    room_count: usize,
    participant_count: usize,
    /// The share of time in which it works, 0 to 1, within the latest second.
    load: f64,
}

/// How the database does.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Store)]
struct StoreView {
    /// Which it is.
    name: String,
    /// Since when it has not answered; `null` while it does.
    away_since: Option<Timestamp>,
    /// Writes that wait for it.
    queued_writes: usize,
    /// Writes that never reached it.
    lost_writes: u64,
}

/// See how the server does.
#[utoipa::path(
    get, path = "/api/server", operation_id = "get_server", tag = "server",
    responses((status = 200, description = "The server as a whole. For administrators.", body = ServerBody))
)]
async fn get_server(State(board): Board, caller: Caller) -> Result<Json<ServerBody>, Problem> {
    caller.require_server("see the server")?;
    Ok(Json(overview(&board)))
}

fn overview(board: &Switchboard) -> ServerBody {
    let shards = board.shards.iter().map(|shard| {
        let (participant_count, room_count) = shard.load();
        // In hundredths: more is not measured.
        let load = f64::from((shard.busy() * 100.0).round()) / 100.0;
        ShardView { port: shard.port(), room_count, participant_count, load }
    });
    let journal = board.journal.health();
    ServerBody {
        success: true,
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: board.started.elapsed().as_secs(),
        access: if board.is_open() { Access::Open } else { Access::Keys },
        draining: board.is_stopping() || board.drain.seconds_left().is_some(),
        reasons: board.ailments().into_iter().map(|ailment| ailment.message).collect(),
        room_count: board.directory.room_count(),
        participant_count: board.directory.participant_count(),
        socket_count: board.gate.sockets(),
        shards: shards.collect(),
        store: StoreView {
            name: board.store.name().to_owned(),
            away_since: board.store_away_since(),
            queued_writes: journal.queued,
            lost_writes: journal.dropped,
        },
    }
}
