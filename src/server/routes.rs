//! What the web server serves.

use crate::assets;
use crate::health::Health;
use crate::http::requests::{self, Requests};
use crate::metrics::Metrics;
use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use parlor_signaling::Signaling;
use std::time::Instant;

/// Metrics, and nothing else.
pub(super) fn metrics(signaling: &Signaling, metrics: Metrics) -> Router {
    let signaling = signaling.clone();
    Router::new().route("/metrics", get(move || async move { metrics.response(&signaling.stats()) }))
}

/// Pages, REST, signalling and health.
pub(super) fn app(signaling: &Signaling, health: Health) -> Router {
    let (work, life) = (signaling.clone(), health.clone());
    signaling
        .router()
        .route("/healthz", get(move || async move { life.liveness(Instant::now()) }))
        .route("/readyz", get(move || async move { health.readiness(Instant::now(), work.ailments()) }))
        .merge(assets::router())
}

/// The same with every request counted.
pub(super) fn counted(app: Router, requests: Requests) -> Router {
    app.layer(from_fn_with_state(requests, requests::count))
}
