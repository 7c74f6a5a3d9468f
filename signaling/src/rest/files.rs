//! `/api/rooms/{room_id}/files`: shared files.
//!
//! Whatever a file is, its answer cannot do anything in the page's origin: it is saved, not shown, unless it is an image, sound
//! or video and is asked for in place; its type is the server's finding and not to be guessed at; and a sandbox is around it.

use super::{AtRoom, Board, Done, Routes};
use crate::access::{Action, Caller, Identity};
use crate::files::{Upload, Wanted, disposition, may_be_shown_inline, not_found, parse_file_name, wanted};
use crate::gate::Who;
use crate::lifecycle::to_the_end;
use crate::limits::Kind;
use crate::problem::Problem;
use crate::protocol::FileId;
use crate::protocol::RoomCode;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::file::SharedFile;
use crate::protocol::schema::FileName;
use crate::store::FileRecord;
use crate::visitor::Visitor;
use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, RawPathParams, State};
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use utoipa::{OpenApi, ToSchema};

/// Files of a page of the list.
const PAGE: usize = 50;
const MAX_PAGE: usize = 200;

static RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

pub(super) fn routes() -> Routes {
    Router::new()
        .route("/rooms/{room_id}/files", get(list_files).post(upload_file))
        .route("/rooms/{room_id}/files/{file_id}", get(get_file).delete(delete_file))
}

#[derive(OpenApi)]
#[openapi(paths(upload_file, list_files, get_file, delete_file), components(schemas(FileName, Inline)))]
struct Api;

pub(super) fn api() -> utoipa::openapi::OpenApi {
    Api::openapi()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UploadQuery {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListQuery {
    #[serde(default)]
    skip: u32,
    #[serde(default = "page")]
    limit: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DownloadQuery {
    inline: Option<Inline>,
}

#[derive(Deserialize, ToSchema)]
enum Inline {
    #[serde(rename = "1")]
    Yes,
}

fn page() -> usize {
    PAGE
}

#[derive(Serialize, ToSchema)]
struct FileBody {
    /// Always `true`.
    success: bool,
    file: SharedFile,
}

#[derive(Serialize, ToSchema)]
struct FilesBody {
    /// Always `true`.
    success: bool,
    files: Vec<SharedFile>,
}

/// A query's fields.
fn fields<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, Refusal> {
    let bad = |rejection: QueryRejection| Refusal::new(ErrorCode::BadMessage, rejection.body_text());
    query.map(|Query(fields)| fields).map_err(bad)
}

/// Share a file
///
/// The body is the file's bytes as they are.
#[utoipa::path(
    post, path = "/api/rooms/{room_id}/files", operation_id = "upload_file", tag = "files",
    params(
        ("room_id" = RoomCode, Path),
        ("name" = FileName, Query, description = "What people call it: 1 to 255 bytes, no path"),
    ),
    request_body(content = Option<Vec<u8>>, content_type = "application/octet-stream"),
    responses(
        (status = 201, description = "The file is there for everybody in the room.", body = FileBody),
        (status = 413, description = "The file is larger than the server takes."),
        (status = 415, description = "Files of that type are not taken; the type is that of the content."),
        (status = 507, description = "The room's files are as many, or as large together, as they may be."),
    )
)]
async fn upload_file(
    State(board): Board,
    AtRoom(room): AtRoom,
    caller: Caller,
    visitor: Visitor,
    query: Result<Query<UploadQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<FileBody>), Problem> {
    let person = {
        let state = room.lock();
        caller.require(&board, &room, &state, Action::UploadFile)?;
        caller.identity(&room, &state)
    };
    let who = Who { address: visitor.address, identity: person.as_ref(), room: None };
    board.count(Kind::Upload, who)?;
    // Whoever has a room's host secret without being in the room; hosts of several rooms are one by that name only.
    let uploader = person.or_else(|| Identity::parse("host")).ok_or_else(Refusal::busy)?;
    let name = parse_file_name(&fields(query)?.name)
        .map_err(|message| Refusal::new(ErrorCode::NameInvalid, message).with_field("name"))?;
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let file = board.take_file(Upload { room, uploader, name, declared }, body).await?;
    Ok((StatusCode::CREATED, Json(FileBody { success: true, file })))
}

/// List shared files
///
/// The earliest first.
#[utoipa::path(
    get, path = "/api/rooms/{room_id}/files", operation_id = "list_files", tag = "files",
    params(
        ("room_id" = RoomCode, Path),
        ("skip" = Option<u64>, Query, description = "Files to leave out", maximum = 4_294_967_295_i64),
        ("limit" = Option<u64>, Query, description = "Files at most, 50 without it", minimum = 1, maximum = 200),
    ),
    responses((status = 200, description = "A page of the room's files.", body = FilesBody))
)]
async fn list_files(
    State(board): Board,
    AtRoom(room): AtRoom,
    caller: Caller,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Json<FilesBody>, Problem> {
    caller.require(&board, &room, &room.lock(), Action::DownloadFile)?;
    let ListQuery { skip, limit } = fields(query)?;
    if !(1..=MAX_PAGE).contains(&limit) {
        return Err(Refusal::field("limit", format!("`limit` is {limit}, 1 to {MAX_PAGE} is allowed")).into());
    }
    let files = board.store.files(room.uid, skip.into(), limit, board.wall_clock()).await.map_err(Refusal::from)?;
    Ok(Json(FilesBody { success: true, files: files.into_iter().map(SharedFile::from).collect() }))
}

/// Fetch a shared file
#[utoipa::path(
    get, path = "/api/rooms/{room_id}/files/{file_id}", operation_id = "get_file", tag = "files",
    params(
        ("room_id" = RoomCode, Path),
        ("file_id" = FileId, Path),
        ("inline" = Option<Inline>, Query, description = "1: images, sound and video are to be shown in place"),
        ("Range" = Option<String>, Header, description = "One range of bytes (RFC 9110)"),
        ("If-Range" = Option<String>, Header, description = "The content that the range continues"),
        ("If-None-Match" = Option<String>, Header, description = "Content that is known already"),
    ),
    responses(
        (status = 200, description = "All of it.", content_type = "*/*", body = Vec<u8>, headers(("ETag" = String), ("Content-Disposition" = String), ("Accept-Ranges" = String))),
        (status = 206, description = "The range.", content_type = "*/*", body = Vec<u8>, headers(("ETag" = String), ("Content-Disposition" = String), ("Content-Range" = String))),
        (status = 304, description = "The content is known.", headers(("ETag" = String))),
        (status = 416, description = "Nothing of the range is there."),
    )
)]
async fn get_file(
    State(board): Board,
    AtRoom(room): AtRoom,
    caller: Caller,
    params: RawPathParams,
    query: Result<Query<DownloadQuery>, QueryRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(&board, &room, &room.lock(), Action::DownloadFile)?;
    let file = board.file(&room, file_id(&params)?).await?;
    let inline = fields(query)?.inline.is_some() && may_be_shown_inline(&file.content_type);
    // A file never changes.
    let etag = format!("\"{}\"", file.id);
    if headers.get_all(IF_NONE_MATCH).iter().any(|value| matches(value, &etag)) {
        return Ok((StatusCode::NOT_MODIFIED, describe(&file, &etag, inline)).into_response());
    }
    // Ranges are for GET (RFC 9110 section 14.2).
    let wanted = if method == Method::HEAD { Wanted::Whole } else { wanted(&headers, file.size, &etag) };
    let (status, range) = match wanted {
        Wanted::Whole => (StatusCode::OK, 0..file.size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => {
            let range = [(CONTENT_RANGE, format!("bytes */{}", file.size))];
            return Ok((StatusCode::RANGE_NOT_SATISFIABLE, range).into_response());
        }
    };
    let mut answer_headers = describe(&file, &etag, inline);
    answer_headers.insert(CONTENT_LENGTH, HeaderValue::from(range.end - range.start));
    if status == StatusCode::PARTIAL_CONTENT {
        answer_headers.insert(CONTENT_RANGE, content_range(&range, file.size)?);
    }
    let partial = (status == StatusCode::PARTIAL_CONTENT).then(|| range.clone());
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        Body::from_stream(board.files.download(&file, partial).await?)
    };
    Ok((status, answer_headers, body).into_response())
}

/// The headers that every answer about a file has.
fn describe(file: &FileRecord, etag: &str, inline: bool) -> HeaderMap {
    let text = |text: &str| HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    HeaderMap::from_iter([
        (CONTENT_TYPE, text(&file.content_type)),
        (CONTENT_DISPOSITION, disposition(&file.name, inline)),
        (CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox; default-src 'none'")),
        (RESOURCE_POLICY.clone(), HeaderValue::from_static("same-origin")),
        (ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (ETAG, text(etag)),
    ])
}

fn content_range(range: &Range<u64>, size: u64) -> Result<HeaderValue, Refusal> {
    let text = format!("bytes {}-{}/{size}", range.start, range.end.saturating_sub(1));
    HeaderValue::from_str(&text).map_err(|_| Refusal::busy())
}

/// Whether an `If-None-Match` has that tag (RFC 9110 section 13.1.2).
fn matches(value: &HeaderValue, etag: &str) -> bool {
    let tags = value.to_str().unwrap_or_default().split(',').map(str::trim);
    tags.into_iter().any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// Remove a shared file
///
/// One's own, or as a host or administrator anybody's.
#[utoipa::path(
    delete, path = "/api/rooms/{room_id}/files/{file_id}", operation_id = "delete_file", tag = "files",
    params(("room_id" = RoomCode, Path), ("file_id" = FileId, Path)),
    responses((status = 200, description = "Its bytes are gone; everybody in the room was told.", body = Done))
)]
async fn delete_file(
    State(board): Board,
    AtRoom(room): AtRoom,
    caller: Caller,
    params: RawPathParams,
) -> Result<Json<Done>, Problem> {
    let identity = {
        let state = room.lock();
        caller.require(&board, &room, &state, Action::DownloadFile)?;
        caller.identity(&room, &state)
    };
    let file = board.file(&room, file_id(&params)?).await?;
    if identity.as_ref() != Some(&file.uploader) {
        caller.require(&board, &room, &room.lock(), Action::DeleteFile)?;
    }
    to_the_end(async move { board.remove_file(&room, file.id).await }).await?;
    Ok(Json(Done::YES))
}

/// The file that the path names; what is no file's id names none.
fn file_id(params: &RawPathParams) -> Result<FileId, Refusal> {
    let text = params.iter().find(|&(name, _)| name == "file_id").map(|(_, text)| text);
    text.and_then(FileId::parse).ok_or_else(not_found)
}
