//! What a request asks for behind the `?`.

use crate::problem::Problem;
use crate::protocol::error::Refusal;
use crate::protocol::ids::clip;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// The most entries of a page.
pub(crate) const MAX_PAGE: u64 = 200;
/// The entries of a page that does not say.
const PAGE: u64 = 50;

/// The query as `T`, which should refuse unknown fields.
pub(crate) struct Asked<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::from_request_parts(parts, state).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(rejection) => {
                // "Failed to deserialize query string: limit: invalid digit found in string"
                let text = rejection.body_text();
                let reason = text.split_once(": ").map_or(text.as_str(), |(_, reason)| reason);
                let refusal = Refusal::field("query", format!("the query cannot be read: {reason}"));
                Err(match reason.split_once(": ") {
                    Some((field, _)) => refusal.with_field(clip(field)),
                    None => refusal,
                }
                .into())
            }
        }
    }
}

/// How many entries a page shall have.
pub(crate) fn limit(asked: Option<u64>) -> Result<usize, Refusal> {
    match asked.unwrap_or(PAGE) {
        limit @ 1..=MAX_PAGE => Ok(usize::try_from(limit).unwrap_or(1)),
        limit => Err(Refusal::field("limit", format!("`limit` is {limit}, 1 to {MAX_PAGE} is allowed"))),
    }
}
