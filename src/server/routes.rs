//! What the web server serves.

use crate::assets;
use crate::health::Health;
use crate::metrics::Metrics;
use axum::Router;
use axum::routing::get;
use parlor_signaling::Signaling;
use std::time::Instant;

/// Pages, REST, signalling, health and metrics.
pub(super) fn app(signaling: &Signaling, metrics: Metrics, health: Health) -> Router {
    let (control, work, life) = (signaling.clone(), signaling.clone(), health.clone());
    signaling
        .router()
        .route("/healthz", get(move || async move { life.liveness(Instant::now()) }))
        .route("/readyz", get(move || async move { health.readiness(Instant::now(), work.ailments()) }))
        .route("/metrics", get(move || async move { metrics.response(&control.stats()) }))
        .merge(assets::router())
}
