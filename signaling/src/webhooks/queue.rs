//! The queue of one receiver: what waits, when it is tried, and when it is given up.

use super::WebhookStats;
use super::post::{PATIENCE, Post, Request};
use super::signature::SigningKey;
use crate::lines::{WEBHOOK_FAILURES, paced};
use crate::protocol::Timestamp;
use crate::session::lock;
use crate::switchboard::entropy;
use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use reqwest::Url;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until, timeout};

/// Deliveries that wait or are under way. An event has some ten kilobytes at most, so that a receiver that is down costs ten
/// megabytes; a busy server fills it in minutes.
pub(super) const DEPTH: usize = 1024;

/// Requests to one receiver at a time.
pub(super) const CONCURRENCY: usize = 8;

/// Attempts of one delivery; with [`backoff`] they take about an hour.
pub(super) const MAX_ATTEMPTS: u32 = 13;

/// Between warnings about what was dropped.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// See the module.
pub(super) struct Queue {
    url: Url,
    key: SigningKey,
    waiting: Mutex<Waiting>,
    changed: Notify,
    delivered: AtomicU64,
    attempts_failed: AtomicU64,
    given_up: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Waiting {
    /// By when they are due; the number keeps those of one instant apart.
    due: BTreeMap<(Instant, u64), Delivery>,
    under_way: usize,
    next_number: u64,
    /// When a drop was last logged, and how many there were since.
    warned: Option<Instant>,
    unmentioned: u64,
}

struct Delivery {
    id: String,
    body: Bytes,
    /// Those that failed.
    attempts: u32,
}

impl Waiting {
    fn insert(&mut self, at: Instant, delivery: Delivery) {
        self.next_number += 1;
        self.due.insert((at, self.next_number), delivery);
    }

    /// How many drops are to be logged now, if any.
    fn warning(&mut self, now: Instant) -> Option<u64> {
        self.unmentioned += 1;
        if self.warned.is_some_and(|at| now.saturating_duration_since(at) < WARNING_INTERVAL) {
            return None;
        }
        self.warned = Some(now);
        Some(std::mem::take(&mut self.unmentioned))
    }
}

impl Queue {
    pub(super) fn new(url: Url, key: SigningKey) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            url,
            key,
            waiting: Mutex::default(),
            changed: Notify::new(),
            delivered: zero(),
            attempts_failed: zero(),
            given_up: zero(),
            dropped: zero(),
        }
    }

    /// Takes a delivery, unless it is full.
    pub(super) fn push(&self, id: &str, body: &Bytes) {
        let now = Instant::now();
        let mut waiting = lock(&self.waiting);
        if waiting.due.len() + waiting.under_way < DEPTH {
            waiting.insert(now, Delivery { id: id.to_owned(), body: body.clone(), attempts: 0 });
            drop(waiting);
            self.changed.notify_one();
            return;
        }
        let warning = waiting.warning(now);
        drop(waiting);
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if let Some(dropped) = warning {
            tracing::warn!(receiver = self.receiver(), dropped, "a webhook's queue is full: newer events are dropped");
        }
    }

    /// Delivers, for as long as it is polled.
    pub(super) async fn run(&self, post: &dyn Post, clock: fn() -> Timestamp) {
        let mut under_way = FuturesUnordered::new();
        loop {
            while under_way.len() < CONCURRENCY
                && let Some(delivery) = self.take_due(Instant::now())
            {
                under_way.push(self.attempt(post, clock, delivery));
            }
            let next = self.next_due().filter(|_| under_way.len() < CONCURRENCY);
            tokio::select! {
                Some(()) = under_way.next() => {}
                () = sleep_until(next.unwrap_or_else(Instant::now)), if next.is_some() => {}
                () = self.changed.notified() => {}
            }
        }
    }

    fn take_due(&self, now: Instant) -> Option<Delivery> {
        let mut waiting = lock(&self.waiting);
        let first = waiting.due.first_entry().filter(|first| first.key().0 <= now)?;
        let delivery = first.remove();
        waiting.under_way += 1;
        Some(delivery)
    }

    fn next_due(&self) -> Option<Instant> {
        lock(&self.waiting).due.first_key_value().map(|(&(at, _), _)| at)
    }

    async fn attempt(&self, post: &dyn Post, clock: fn() -> Timestamp, mut delivery: Delivery) {
        let timestamp = clock().unix_seconds();
        let request = Request {
            url: self.url.clone(),
            id: delivery.id.clone(),
            timestamp,
            signature: self.key.sign(&delivery.id, timestamp, &delivery.body),
            body: delivery.body.clone(),
        };
        let failure = match timeout(PATIENCE, post.post(request)).await {
            Ok(Ok(status)) if status.is_success() => None,
            Ok(Ok(status)) => Some(format!("it answered {status}")),
            Ok(Err(error)) => Some(error),
            Err(_) => Some("it did not answer in time".to_owned()),
        };
        let mut waiting = lock(&self.waiting);
        waiting.under_way -= 1;
        let Some(failure) = failure else {
            self.delivered.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.attempts_failed.fetch_add(1, Ordering::Relaxed);
        delivery.attempts += 1;
        let (receiver, id) = (self.receiver(), delivery.id.clone());
        if delivery.attempts < MAX_ATTEMPTS {
            paced!(WEBHOOK_FAILURES, debug, receiver, id, failure, "a webhook was not taken: it is sent again later");
            waiting.insert(Instant::now() + backoff(delivery.attempts, jitter()), delivery);
        } else {
            self.given_up.fetch_add(1, Ordering::Relaxed);
            paced!(WEBHOOK_FAILURES, warn, receiver, id, failure, "a webhook is given up after its last attempt");
        }
    }

    /// The receiver, as the log may name it: a URL's path can be a secret.
    fn receiver(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    pub(super) fn stats(&self) -> WebhookStats {
        let waiting = lock(&self.waiting);
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        WebhookStats {
            queued: (waiting.due.len() + waiting.under_way) as u64,
            delivered: read(&self.delivered),
            attempts_failed: read(&self.attempts_failed),
            given_up: read(&self.given_up),
            dropped: read(&self.dropped),
        }
    }
}

/// How long to wait after that many failed attempts: 1 s, 2 s, 4 s … 15 minutes, three quarters to five quarters of it, as
/// `jitter` (0 to 1) says, so that many deliveries do not come back together.
fn backoff(attempts: u32, jitter: f64) -> Duration {
    let seconds = 1_u64 << (attempts - 1).min(10);
    Duration::from_secs(seconds.min(900)).mul_f64(0.75 + jitter / 2.0)
}

fn jitter() -> f64 {
    entropy::<2>().map_or(0.5, |bytes| f64::from(u16::from_le_bytes(bytes)) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_spread_over_an_hour() {
        let all = |jitter| (1..MAX_ATTEMPTS).map(|attempt| backoff(attempt, jitter)).sum::<Duration>();
        assert_eq!(backoff(1, 0.5), Duration::from_secs(1));
        assert_eq!(backoff(MAX_ATTEMPTS, 0.5), Duration::from_secs(900));
        assert!((30 * 60..=75 * 60).contains(&all(0.0).as_secs()), "{:?}", all(0.0));
        assert!((30 * 60..=75 * 60).contains(&all(1.0).as_secs()), "{:?}", all(1.0));
    }
}
