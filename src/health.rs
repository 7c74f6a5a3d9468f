//! `/healthz` and `/readyz`: whether the process works, and whether it takes on new work.
//!
//! `/healthz` is for who restarts the process: it looks at the shards' heartbeats and at nothing outside of the process, so that no
//! database that is away ends a call. `/readyz` is for who sends people to the server: what it says is no reason to restart it.

use crate::clock::Clock;
use crate::heartbeat::Heartbeat;
use axum::http::{StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use parlor_signaling::{Ailment, Reason};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A shard whose latest heartbeat is older is not alive. They beat once a second, between ticks; no tick takes a tenth of that.
const MAX_AGE: Duration = Duration::from_secs(5);

/// When who was told that the server is not ready may look again.
const RETRY_SECONDS: &str = "5";

/// The signs of life of the process.
#[derive(Clone, Debug)]
pub(crate) struct Health {
    clock: Clock,
    /// Of the shards, in their order.
    hearts: Vec<Heartbeat>,
}

impl Health {
    pub(crate) fn new(clock: Clock, hearts: Vec<Heartbeat>) -> Self {
        Self { clock, hearts }
    }

    /// The response of `/healthz`: 200 while every shard is alive, else 503 with the reasons.
    pub(crate) fn liveness(&self, now: Instant) -> Response {
        let reasons = self.ailments(now);
        let (status, word) = verdict(&reasons, "ok", "failing");
        let shard = |(index, heart): (usize, &Heartbeat)| json!({ "index": index, "heartbeatAgeMs": u64::try_from(heart.age(now).as_millis()).unwrap_or(u64::MAX) });
        let body = json!({
            "status": word,
            "version": env!("CARGO_PKG_VERSION"),
            "uptimeSeconds": self.clock.uptime(now).as_secs(),
            "shards": self.hearts.iter().enumerate().map(shard).collect::<Value>(),
            "reasons": reasons,
        });
        answer(status, &body).into_response()
    }

    /// The response of `/readyz`: 200 while new work is taken on, else 503 with the reasons, those of the signalling and the shards'.
    pub(crate) fn readiness(&self, now: Instant, mut reasons: Vec<Ailment>) -> Response {
        reasons.extend(self.ailments(now));
        let (status, ready) = verdict(&reasons, true, false);
        let retry = (!ready).then_some(AppendHeaders([(header::RETRY_AFTER, RETRY_SECONDS)]));
        (retry, answer(status, &json!({ "ready": ready, "reasons": reasons }))).into_response()
    }

    fn ailments(&self, now: Instant) -> Vec<Ailment> {
        let hearts = self.hearts.iter().enumerate();
        let silent = hearts.map(|(index, heart)| (index, heart.age(now))).filter(|&(_, age)| age > MAX_AGE);
        silent
            .map(|(index, age)| {
                let message = format!("shard {index} has shown no sign of life for {} s", age.as_secs());
                Ailment::new(Reason::Shards, message)
            })
            .collect()
    }
}

fn verdict<T>(reasons: &[Ailment], good: T, bad: T) -> (StatusCode, T) {
    if reasons.is_empty() { (StatusCode::OK, good) } else { (StatusCode::SERVICE_UNAVAILABLE, bad) }
}

fn answer(status: StatusCode, body: &Value) -> impl IntoResponse + use<> {
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
    (status, headers, format!("{body}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;

    async fn told(response: Response) -> (u16, Option<String>, Value) {
        let (parts, body) = response.into_parts();
        assert_eq!(parts.headers["content-type"], "application/json");
        assert_eq!(parts.headers["cache-control"], "no-store");
        let retry = parts.headers.get("retry-after").map(|value| value.to_str().unwrap().to_owned());
        let body = to_bytes(body, 10_000).await.unwrap();
        (parts.status.as_u16(), retry, serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn a_silent_shard_fails_both_and_is_named() {
        let (clock, start) = (Clock::start(), Instant::now());
        let hearts = vec![Heartbeat::new(start), Heartbeat::new(start)];
        let health = Health::new(clock, hearts.clone());
        let bound = start + MAX_AGE;
        let (status, _, body) = told(health.liveness(bound)).await;
        assert_eq!((status, &body["status"], &body["reasons"]), (200, &json!("ok"), &json!([])));
        assert_eq!(body["shards"][1], json!({ "index": 1, "heartbeatAgeMs": 5_000 }));
        assert_eq!((&body["version"], &body["uptimeSeconds"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(5)));

        hearts[0].beat(bound);
        let late = bound + Duration::from_secs(1);
        let reason = json!([{ "reason": "shards", "message": "shard 1 has shown no sign of life for 6 s" }]);
        let (status, _, body) = told(health.liveness(late)).await;
        assert_eq!((status, &body["status"], &body["reasons"]), (503, &json!("failing"), &reason));
        let (status, retry, body) = told(health.readiness(late, Vec::new())).await;
        assert_eq!((status, retry.as_deref()), (503, Some("5")));
        assert_eq!(body, json!({ "ready": false, "reasons": reason }));

        hearts[1].beat(late);
        assert_eq!(told(health.liveness(late)).await.0, 200);
        assert_eq!(
            told(health.readiness(late, Vec::new())).await,
            (200, None, json!({ "ready": true, "reasons": [] }))
        );
    }

    #[tokio::test]
    async fn what_the_signalling_lacks_is_no_matter_of_life() {
        let health = Health::new(Clock::start(), vec![Heartbeat::new(Instant::now())]);
        let (status, _, body) = told(health.readiness(Instant::now(), vec![Ailment::new(Reason::Store, "away")])).await;
        assert_eq!((status, &body["reasons"]), (503, &json!([{ "reason": "store", "message": "away" }])));
        assert_eq!(told(health.liveness(Instant::now())).await.0, 200);
    }
}
