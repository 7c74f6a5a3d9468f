//! Webhooks: an application is told what happens in rooms, by signed HTTP requests (Standard Webhooks 1.0).
//!
//! [`Webhooks::emit`] writes an event down and returns; everything else happens in [`Webhooks::run`], one queue for each URL.
//!
//! What always holds:
//! - `emit` neither waits nor fails, so that it may be called under a room's lock.
//! - A queue is bounded. What does not fit is dropped, counted and logged, the newest first: what came before it matters to
//!   whoever follows events.
//! - Order is not promised: a delivery that is tried again comes after later ones. A receiver orders by `timestamp`.
//! - Neither the secret nor a URL beyond its host reaches a log.

mod event;
mod post;
mod queue;
mod signature;

pub(crate) use event::Event;
pub use signature::SigningKey;

use crate::protocol::Timestamp;
use crate::switchboard::entropy;
use bytes::Bytes;
use futures_util::future::join_all;
use post::{Client, Post};
use queue::Queue;
use reqwest::Url;
use std::fmt;

/// The most URLs: every event is sent to each.
const MAX_URLS: usize = 8;

/// Where events are sent; the default is nowhere.
#[derive(Clone, Default)]
pub struct WebhookSettings {
    urls: Vec<Url>,
    key: Option<SigningKey>,
    include_text: bool,
}

impl WebhookSettings {
    /// Sends every event to each of `urls`, signed with `secret`: `whsec_` and the base64 of 32 bytes or more, or any text of
    /// 32 bytes or more. With `include_text`, `message.sent` tells what was said.
    ///
    /// # Errors
    /// In one line for people, without the values.
    pub fn new(urls: &[String], secret: &str, include_text: bool) -> Result<Self, String> {
        if urls.is_empty() {
            return Ok(Self::default());
        }
        if urls.len() > MAX_URLS {
            return Err(format!("webhooks.urls has {} URLs, at most {MAX_URLS} are allowed", urls.len()));
        }
        let is_web = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        let parse = |(number, text): (usize, &String)| {
            let url = Url::parse(text).ok().filter(is_web);
            url.ok_or_else(|| format!("the URL {number} of webhooks.urls must begin with https:// or http://"))
        };
        let urls = (1..).zip(urls).map(parse).collect::<Result<_, _>>()?;
        let key = SigningKey::parse(secret)
            .ok_or("webhooks.secret must be a text of 32 bytes or more, or whsec_ and the base64 of as many")?;
        Ok(Self { urls, key: Some(key), include_text })
    }
}

impl fmt::Debug for WebhookSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSettings").field("urls", &self.urls.len()).finish_non_exhaustive()
    }
}

/// See the module.
pub(crate) struct Webhooks {
    queues: Vec<Queue>,
    include_text: bool,
    clock: fn() -> Timestamp,
}

/// What the queues did so far, and hold now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebhookStats {
    /// Deliveries that wait, or are under way.
    pub queued: u64,
    /// Deliveries that were taken.
    pub delivered: u64,
    /// Attempts that failed.
    pub attempts_failed: u64,
    /// Deliveries given up after the last attempt.
    pub given_up: u64,
    /// Deliveries for which the queue had no room.
    pub dropped: u64,
}

impl Webhooks {
    pub(crate) fn new(settings: &WebhookSettings, clock: fn() -> Timestamp) -> Self {
        let queue = |url: &Url| settings.key.clone().map(|key| Queue::new(url.clone(), key));
        Self { queues: settings.urls.iter().filter_map(queue).collect(), include_text: settings.include_text, clock }
    }

    /// Whether anybody listens: without, what an event is made of need not be gathered.
    pub(crate) fn is_on(&self) -> bool {
        !self.queues.is_empty()
    }

    /// The text of a message, where events tell it.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Option<&'a str> {
        self.include_text.then_some(text)
    }

    /// Tells of an event. Never waits.
    pub(crate) fn emit(&self, event: &Event<'_>) {
        if !self.is_on() {
            return;
        }
        let Ok(number) = entropy::<16>() else { return };
        let id = format!("msg_{:032x}", u128::from_le_bytes(number));
        let body = Bytes::from(event.to_json((self.clock)()));
        self.queues.iter().for_each(|queue| queue.push(&id, &body));
    }

    /// Delivers, for as long as it is polled.
    pub(crate) async fn run(&self) {
        if !self.is_on() {
            return;
        }
        match Client::new() {
            Ok(client) => self.run_with(&client).await,
            Err(error) => tracing::error!(%error, "webhooks cannot be sent"),
        }
    }

    pub(crate) async fn run_with(&self, post: &dyn Post) {
        join_all(self.queues.iter().map(|queue| queue.run(post, self.clock))).await;
    }

    pub(crate) fn stats(&self) -> WebhookStats {
        let add = |sum: WebhookStats, one: WebhookStats| WebhookStats {
            queued: sum.queued + one.queued,
            delivered: sum.delivered + one.delivered,
            attempts_failed: sum.attempts_failed + one.attempts_failed,
            given_up: sum.given_up + one.given_up,
            dropped: sum.dropped + one.dropped,
        };
        self.queues.iter().map(Queue::stats).fold(WebhookStats::default(), add)
    }
}

#[cfg(test)]
mod tests;
