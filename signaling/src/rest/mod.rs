//! The REST interface under `/api`: one file for each subject, each with its `routes`.
//!
//! A handler takes what it needs by extractors ([`AtRoom`], [`Caller`], [`Visitor`]) and [`body::json`], asks
//! [`crate::access::require`], and returns `Result<_, Problem>`: a [`crate::protocol::Refusal`] becomes a [`Problem`] by `?`,
//! and [`guard`] counts it. A subject describes itself by its `api`. What a body may be bounds each subject by itself; [`MAX_BODY_BYTES`] holds unless it says otherwise.

pub(crate) mod body;
mod files;
mod invites;
mod list;
mod lobby;
mod messages;
mod moderation;
mod path;
mod people;
pub(crate) mod query;
mod rooms;
mod server;
mod stats;
mod tokens;
mod wishes;

pub(crate) use path::{AtInvite, AtRoom, AtUser};
pub(crate) use rooms::Created;

use crate::access::Caller;
use crate::openapi;
use crate::problem::{Problem, Refused};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::ids::clip;
use crate::settings::RoomBounds;
use crate::switchboard::Switchboard;
use crate::visitor::Visitor;
use axum::extract::{DefaultBodyLimit, FromRequestParts, Request, State};
use axum::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;

use std::sync::Arc;
use utoipa::openapi::OpenApi;
use utoipa::{OpenApi as _, ToSchema};

/// The largest body, where a subject does not say otherwise: settings of a room take a few kilobytes at most.
pub(crate) const MAX_BODY_BYTES: usize = 16 * 1024;

pub(crate) type Board = State<Arc<Switchboard>>;
/// Some subject's routes, with paths below `/api`.
pub(crate) type Routes = Router<Arc<Switchboard>>;

/// The routes, to be nested under `/api`.
pub(crate) fn router(board: &Arc<Switchboard>) -> Routes {
    Router::new()
        .merge(rooms::routes())
        .merge(list::routes())
        .merge(messages::routes())
        .merge(people::routes())
        .merge(stats::routes())
        .merge(server::routes())
        .merge(moderation::routes())
        .merge(lobby::routes())
        .merge(invites::routes())
        .merge(tokens::routes())
        .merge(files::routes())
        .route("/openapi.json", get(openapi_json))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(Arc::clone(board), guard))
}

/// What all of it does on a server of these bounds, in OpenAPI.
#[must_use]
pub(crate) fn description(bounds: RoomBounds) -> OpenApi {
    let subjects = [
        list::api(),
        rooms::api(),
        messages::api(),
        people::api(),
        stats::api(),
        moderation::api(),
        lobby::api(),
        tokens::api(),
        invites::api(),
        files::api(),
        server::api(),
        Api::openapi(),
    ];
    openapi::describe(subjects, bounds)
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(openapi_json))]
struct Api;

/// Fetch this description.
#[utoipa::path(
    get, path = "/api/openapi.json", operation_id = "describe_api", tag = "server", security(()),
    responses((status = 200, description = "OpenAPI 3.1, with the bounds of this server.", body = Map<String, Value>))
)]
async fn openapi_json(State(board): Board) -> Json<OpenApi> {
    Json(description(board.room_bounds()))
}

/// The answer to a request that has nothing more to tell.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Done {
    /// Always `true`.
    success: bool,
}

impl Done {
    pub(crate) const YES: Self = Self { success: true };
}

/// Refuses changes from foreign pages, counts refusals, and sets the headers that every answer has.
async fn guard(State(board): Board, visitor: Visitor, request: Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let mut response = if changes && !visitor.is_welcome(&board.policy().allowed_origins) {
        Problem(origin_refused()).into_response()
    } else {
        next.run(request).await
    };
    if let Some(&Refused { code, cause }) = response.extensions().get() {
        board.counters.count_refusal(code, cause);
    }
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

pub(crate) fn origin_refused() -> Refusal {
    Refusal::new(ErrorCode::OriginRefused, "pages of this origin may not use this server")
}

impl FromRequestParts<Arc<Switchboard>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, board: &Arc<Switchboard>) -> Result<Self, Problem> {
        Ok(Self::of(board, parts)?)
    }
}

async fn not_found() -> Problem {
    Problem(Refusal::new(ErrorCode::NotFound, "there is nothing at this path"))
}

async fn method_not_allowed(method: Method) -> Problem {
    let message =
        format!("the method {} is not allowed here, the header `Allow` names those that are", clip(method.as_str()));
    Problem(Refusal::new(ErrorCode::MethodNotAllowed, message))
}
