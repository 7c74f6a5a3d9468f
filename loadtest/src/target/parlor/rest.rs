//! Rooms and tokens, by REST.

use crate::target::{RoomSize, TargetError};
use reqwest::{Client, Method, Response, Url};
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// How long a request may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// The most bytes of an answer: what the server says of a room is far smaller.
const MAX_ANSWER: usize = 1 << 16;

/// See the module's text.
pub(super) struct Rest {
    client: Client,
    base: Url,
    credential: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Created {
    room: Room,
    host_secret: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Room {
    room_id: String,
}

#[derive(Deserialize)]
struct Signed {
    token: String,
}

#[derive(Deserialize)]
struct Problem {
    code: String,
    detail: String,
}

impl Rest {
    pub(super) fn new(base: Url, insecure: bool, credential: Option<String>) -> anyhow::Result<Self> {
        let mut builder = Client::builder().timeout(TIMEOUT);
        builder = builder.tls_backend_preconfigured(super::socket::tls_config(insecure)?);
        Ok(Self { client: builder.build()?, base, credential })
    }

    /// Creates a room; its id, and its host's secret where the server has no keys.
    pub(super) async fn create_room(&self, size: RoomSize) -> Result<(String, Option<String>), TargetError> {
        let body = json!({
            "name": "Load test",
            "maxParticipants": size.participants.max(2),
            "history": "none",
        });
        let created: Created = self.ask(Method::POST, "api/rooms", self.credential.as_deref(), Some(body)).await?;
        Ok((created.room.room_id, created.host_secret))
    }

    pub(super) async fn delete_room(&self, room: &str, secret: Option<String>) -> Result<(), TargetError> {
        let credential = self.credential.as_deref().or(secret.as_deref());
        self.ask::<Value>(Method::DELETE, &format!("api/rooms/{room}"), credential, None).await.map(drop)
    }

    /// A token for a participant.
    pub(super) async fn sign_token(&self, room: &str, name: &str) -> Result<String, TargetError> {
        let body = json!({ "identity": name, "displayName": name, "role": "speaker" });
        let path = format!("api/rooms/{room}/tokens");
        let signed: Signed = self.ask(Method::POST, &path, self.credential.as_deref(), Some(body)).await?;
        Ok(signed.token)
    }

    async fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        path: &str,
        credential: Option<&str>,
        body: Option<Value>,
    ) -> Result<T, TargetError> {
        let url = self.base.join(path).map_err(|error| TargetError::Unexpected(error.to_string()))?;
        let mut request = self.client.request(method, url);
        if let Some(credential) = credential {
            request = request.bearer_auth(credential);
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_string());
        }
        let response = request.send().await.map_err(|error| TargetError::Unreachable(kind(&error)))?;
        let status = response.status();
        let answer = read(response).await?;
        if status.is_success() {
            return serde_json::from_slice(&answer).map_err(|_| TargetError::Unexpected(format!("answer of {path}")));
        }
        let problem = serde_json::from_slice::<Problem>(&answer);
        Err(TargetError::Refused(problem.map_or_else(
            |_| format!("status {}", status.as_u16()),
            |Problem { code, detail }| format!("{code}: {detail}"),
        )))
    }
}

async fn read(mut response: Response) -> Result<Vec<u8>, TargetError> {
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| TargetError::Unreachable(kind(&error)))? {
        if answer.len() + chunk.len() > MAX_ANSWER {
            return Err(TargetError::Unexpected("an answer without end".to_owned()));
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(answer)
}

/// What went wrong, without the URL, so that equal faults are counted together.
fn kind(error: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(deeper) = source.source() {
        source = deeper;
    }
    source.to_string()
}
