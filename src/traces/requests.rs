//! A span for each HTTP request: its method, the route that matched, the status of its answer.
//!
//! Paths, queries, headers and bodies hold ids and credentials: nothing of them is in a span. A WebSocket's request ends with
//! its upgrade.

use axum::Router;
use axum::extract::{ConnectInfo, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use ipnet::IpNet;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_http::HeaderExtractor;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use parlor_config::Config;
use parlor_signaling::TRACES;
use std::net::SocketAddr;
use std::sync::Arc;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The same routes, with a span for each request where traces are configured.
pub(crate) fn traced(app: Router, config: &Config) -> Router {
    if config.traces.endpoint.is_none() {
        return app;
    }
    let accepted = if config.traces.accept_traceparent { config.http.trusted_proxies.clone() } else { Vec::new() };
    app.layer(from_fn_with_state(Arc::<[IpNet]>::from(accepted), trace))
}

async fn trace(State(proxies): State<Arc<[IpNet]>>, request: Request, next: Next) -> Response {
    let span = begin(&request, &proxies);
    let response = next.run(request).await;
    let status = response.status();
    span.record("http.response.status_code", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
    response
}

fn begin(request: &Request, proxies: &[IpNet]) -> Span {
    let method = method(request.method());
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let span = tracing::info_span!(
        target: TRACES, parent: None, "request",
        otel.name = route.map_or_else(|| method.to_owned(), |route| format!("{method} {route}")),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
        otel.status_code = Empty
    );
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip().to_canonical());
    if peer.is_some_and(|peer| proxies.iter().any(|network| network.contains(&peer))) {
        go_on(&span, request.headers());
    }
    span
}

/// Makes the span a part of the trace that the headers name, if they name one (W3C Trace Context).
fn go_on(span: &Span, headers: &HeaderMap) {
    // An error says that there are no traces.
    let _ = span.set_parent(TraceContextPropagator::new().extract(&HeaderExtractor(headers)));
}

/// A method by a name that is not the client's to choose.
fn method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "_OTHER",
    }
}
