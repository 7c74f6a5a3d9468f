//! One HTTP request to a receiver.

use async_trait::async_trait;
use bytes::Bytes;
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{StatusCode, Url};
use std::time::Duration;

/// How long a receiver may take to answer.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// A delivery's request.
#[derive(Clone)]
pub(crate) struct Request {
    pub(super) url: Url,
    /// The same in every attempt.
    pub(super) id: String,
    /// Of the attempt, in seconds since 1970.
    pub(super) timestamp: u64,
    pub(super) signature: String,
    pub(super) body: Bytes,
}

/// Sends requests; tests have their own.
#[async_trait]
pub(crate) trait Post: Send + Sync {
    /// Sends one, and returns the answer's status.
    ///
    /// # Errors
    /// For people, without the URL.
    async fn post(&self, request: Request) -> Result<StatusCode, String>;
}

/// The real one. It follows no redirect, which could lead anywhere, and does not read what is answered.
pub(super) struct Client(reqwest::Client);

impl Client {
    pub(super) fn new() -> reqwest::Result<Self> {
        crate::install_cryptography();
        let builder = reqwest::Client::builder().redirect(Policy::none()).timeout(PATIENCE);
        let agent = concat!("Parlor/", env!("CARGO_PKG_VERSION"));
        builder.user_agent(agent).build().map(Self)
    }
}

#[async_trait]
impl Post for Client {
    async fn post(&self, request: Request) -> Result<StatusCode, String> {
        let request = self
            .0
            .post(request.url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", request.id)
            .header("webhook-timestamp", request.timestamp)
            .header("webhook-signature", request.signature)
            .body(request.body);
        match request.send().await {
            Ok(response) => Ok(response.status()),
            Err(error) => Err(error.without_url().to_string()),
        }
    }
}
