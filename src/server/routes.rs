//! What the web server serves.

use crate::assets;
use crate::clock::Clock;
use crate::http::requests::{self, Requests};
use crate::metrics::Metrics;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{AppendHeaders, IntoResponse};
use axum::routing::get;
use parlor_signaling::Signaling;

/// 200 while the server can do all of its work, else 503 with the reasons why not.
fn readiness(ailments: &[String]) -> impl IntoResponse + use<> {
    let (status, retry) = match ailments {
        [] => (StatusCode::OK, None),
        _ => (StatusCode::SERVICE_UNAVAILABLE, Some([(header::RETRY_AFTER, "5")])),
    };
    let body = serde_json::json!({ "ready": ailments.is_empty(), "reasons": ailments });
    (status, retry.map(AppendHeaders), [(header::CACHE_CONTROL, "no-store")], axum::Json(body))
}

/// Metrics, and nothing else.
pub(super) fn metrics(signaling: &Signaling, metrics: Metrics) -> Router {
    let signaling = signaling.clone();
    Router::new().route("/metrics", get(move || async move { metrics.response(&signaling.stats()) }))
}

/// Pages, REST, signalling and health.
pub(super) fn app(signaling: &Signaling, clock: Clock) -> Router {
    let ready = signaling.clone();
    let health = move || async move {
        let body = format!(
            "{{\"status\":\"ok\",\"version\":\"{}\",\"uptimeSeconds\":{}}}\n",
            env!("CARGO_PKG_VERSION"),
            clock.uptime(clock.now()).as_secs()
        );
        ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")], body)
    };
    signaling
        .router()
        .route("/healthz", get(health))
        .route("/readyz", get(move || async move { readiness(&ready.ailments()) }))
        .merge(assets::router())
}

/// The same with every request counted.
pub(super) fn counted(app: Router, requests: Requests) -> Router {
    app.layer(from_fn_with_state(requests, requests::count))
}
