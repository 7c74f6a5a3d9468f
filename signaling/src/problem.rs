//! Errors of the REST interface: problem details (RFC 9457) with Parlor's error codes.

use crate::protocol::{ErrorCode, Refusal};
use crate::stats::Cause;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

/// Seconds after which a bucket has something again, where the refusal does not know.
const RETRY_LIMITED: u32 = 1;
/// Seconds after which a database or a shard may be back, where the refusal does not know.
const RETRY_UNAVAILABLE: u32 = 5;

/// A refusal as a response.
#[derive(Debug)]
pub(crate) struct Problem(pub(crate) Refusal);

/// What is counted of a refusal: an extension of its response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused {
    pub(crate) code: ErrorCode,
    pub(crate) cause: Option<Cause>,
}

/// The body of every refusal (RFC 9457).
#[derive(Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody<'a> {
    /// Always `about:blank`.
    // No page describes the problem further than its code does: RFC 9457 section 4.2.1.
    r#type: &'static str,
    /// The status in words.
    title: &'static str,
    /// The status.
    status: u16,
    /// What was wrong and what is allowed, for people.
    detail: &'a str,
    /// Always `false`.
    success: bool,
    /// The same as `detail`.
    error: &'a str,
    /// What was wrong, for programs.
    code: ErrorCode,
    /// The field to blame.
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(refusal) = self;
        let status = status(refusal.code);
        let body = ProblemBody {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: &refusal.message,
            success: false,
            error: &refusal.message,
            code: refusal.code,
            field: refusal.field.as_deref(),
        };
        let mut response = (status, axum::Json(body)).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        let default = match status {
            StatusCode::TOO_MANY_REQUESTS => Some(RETRY_LIMITED),
            StatusCode::SERVICE_UNAVAILABLE => Some(RETRY_UNAVAILABLE),
            _ => None,
        };
        if let Some(seconds) = refusal.retry_after.or(default) {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        // RFC 6750 section 3: a 401 says how to authenticate, and whether the token was to blame.
        let challenge = match refusal.code {
            ErrorCode::Unauthorized => Some("Bearer"),
            ErrorCode::TokenInvalid => Some("Bearer error=\"invalid_token\""),
            _ => None,
        };
        if let Some(challenge) = challenge {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        response.extensions_mut().insert(Refused { code: refusal.code, cause: refusal.cause });
        response
    }
}

pub(crate) fn status(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::RoomNotFound
        | ErrorCode::MessageNotFound
        | ErrorCode::UserNotFound
        | ErrorCode::FileNotFound
        | ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::RoomExists | ErrorCode::RoomFull | ErrorCode::NoKeys => StatusCode::CONFLICT,
        ErrorCode::RoomExpired => StatusCode::GONE,
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::ServerBusy | ErrorCode::Draining => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        ErrorCode::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        ErrorCode::UnsupportedMediaType | ErrorCode::FileTypeRefused => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ErrorCode::BodyTooLarge | ErrorCode::FrameTooLarge | ErrorCode::FileTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        ErrorCode::Unauthorized | ErrorCode::TokenInvalid => StatusCode::UNAUTHORIZED,
        ErrorCode::FilesFull => StatusCode::INSUFFICIENT_STORAGE,
        ErrorCode::StoreUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::ServerFull => StatusCode::INSUFFICIENT_STORAGE,
        ErrorCode::VersionConflict => StatusCode::PRECONDITION_FAILED,
        ErrorCode::IdempotencyMismatch => StatusCode::UNPROCESSABLE_ENTITY,
        ErrorCode::OriginRefused
        | ErrorCode::Forbidden
        | ErrorCode::Banned
        | ErrorCode::RoomNotOpen
        | ErrorCode::RoomLocked
        | ErrorCode::PasswordRequired
        | ErrorCode::PasswordWrong
        | ErrorCode::InviteInvalid
        | ErrorCode::LobbyDenied => StatusCode::FORBIDDEN,
        _ => StatusCode::BAD_REQUEST,
    }
}
