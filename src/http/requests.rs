//! How many requests there were, for what, how they were answered and how long that took.
//!
//! What is counted is bounded by what the server is: methods by name or as `other`, routes as their templates, statuses as it
//! gives them. Nothing of a request's own words is kept.

use crate::assets;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use parlor_media::histogram::Histogram;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Methods that are known by name.
pub(crate) const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Any other method.
pub(crate) const OTHER: &str = "other";

/// The route of pages and of what they load.
const PAGES: &str = "pages";

/// The route of paths at which there is nothing.
const UNMATCHED: &str = "unmatched";

/// In place of a status: the client went away, or the answer took longer than it may.
pub(crate) const ABANDONED: &str = "abandoned";

/// Upper bounds of what answers take, in microseconds. Uploads take the longest: as long as their bytes flow.
const LATENCIES: [u64; 14] = [
    250,
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    5_000_000,
    30_000_000,
    300_000_000,
];

/// See the module; clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Requests(Arc<Mutex<RequestStats>>);

/// What was counted so far, and what is under way.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestStats {
    /// Requests whose answer has not begun.
    pub(crate) in_flight: u64,
    /// By method, route and status.
    pub(crate) answers: BTreeMap<(&'static str, Arc<str>, Status), u64>,
    /// From a request's head to that of its answer, in microseconds, by route.
    pub(crate) latencies: BTreeMap<Arc<str>, Histogram<{ LATENCIES.len() }>>,
}

/// How a request was answered: `None` when it was not.
pub(crate) type Status = Option<StatusCode>;

impl Requests {
    pub(crate) fn read(&self) -> RequestStats {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, RequestStats> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request under way. Dropped, it is over.
struct UnderWay {
    requests: Requests,
    method: &'static str,
    matched: Option<MatchedPath>,
    since: Instant,
    status: Status,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let took = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        let route = route(self.matched.as_ref().map(MatchedPath::as_str), self.status);
        let mut stats = self.requests.lock();
        stats.in_flight -= 1;
        *stats.answers.entry((self.method, Arc::clone(&route), self.status)).or_default() += 1;
        stats.latencies.entry(route).or_insert_with(|| Histogram::new(&LATENCIES)).observe(took);
    }
}

/// Counts a request: a layer around all routes.
pub(crate) async fn count(State(requests): State<Requests>, request: Request, next: Next) -> Response {
    requests.lock().in_flight += 1;
    let mut under_way = UnderWay {
        requests,
        method: method(request.method()),
        matched: request.extensions().get().cloned(),
        since: Instant::now(),
        status: None,
    };
    let response = next.run(request).await;
    under_way.status = Some(response.status());
    response
}

fn method(method: &Method) -> &'static str {
    METHODS.into_iter().find(|known| *known == method.as_str()).unwrap_or(OTHER)
}

fn route(matched: Option<&str>, status: Status) -> Arc<str> {
    match matched {
        Some(template) if assets::PAGES.contains(&template) => PAGES.into(),
        Some(template) => template.into(),
        // Files of pages have no route of their own: they are what the fallback finds.
        None if status.is_some_and(|status| !status.is_client_error() && !status.is_server_error()) => PAGES.into(),
        None => UNMATCHED.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use std::future::pending;
    use tower::ServiceExt;

    /// A server with a route of a room's, one that never answers, an interface of its own, and pages.
    fn app() -> (Router, Requests) {
        let requests = Requests::default();
        let api = Router::new()
            .route("/rooms/{room_id}", get(|| async { "room" }))
            .route("/never", get(pending::<()>))
            .fallback(|| async { StatusCode::NOT_FOUND });
        let app = Router::new().nest("/api", api).merge(assets::router());
        (app.layer(from_fn_with_state(requests.clone(), count)), requests)
    }

    async fn ask(app: &Router, method: &str, path: &str) {
        let request = Request::builder().method(method).uri(path).body(Body::empty()).unwrap();
        app.clone().oneshot(request).await.unwrap();
    }

    fn answers(requests: &Requests) -> Vec<(&'static str, String, u16, u64)> {
        let answers = requests.read().answers;
        let shown = |((method, route, status), count): (_, _)| {
            let (method, route, status): (&'static str, Arc<str>, Status) = (method, route, status);
            (method, route.to_string(), status.map_or(0, |status| status.as_u16()), count)
        };
        answers.into_iter().map(shown).collect()
    }

    #[tokio::test]
    async fn requests_are_counted_by_method_template_and_status() {
        let (app, requests) = app();
        for path in ["/api/rooms/abc", "/api/rooms/xyz", "/", "/r/abc", "/parlor-client.js"] {
            ask(&app, "GET", path).await;
        }
        ask(&app, "POST", "/api/rooms/abc").await;
        let room = "/api/rooms/{room_id}".to_owned();
        let expected = [("GET", room.clone(), 200, 2), ("GET", "pages".to_owned(), 200, 3), ("POST", room, 405, 1)];
        assert_eq!(answers(&requests), expected);
        let stats = requests.read();
        assert_eq!(stats.in_flight, 0);
        let timed: Vec<_> = stats.latencies.iter().map(|(route, times)| (&**route, times.count())).collect();
        assert_eq!(timed, [("/api/rooms/{room_id}", 3), ("pages", 3)]);
    }

    #[tokio::test]
    async fn nothing_that_clients_make_up_becomes_a_label() {
        let (app, requests) = app();
        for number in 0..50 {
            for path in [format!("/{number}"), format!("/api/{number}"), format!("/api/rooms/{number}?{number}")] {
                ask(&app, &format!("METHOD{number}"), &path).await;
                ask(&app, "GET", &path).await;
            }
        }
        let labels: Vec<_> =
            answers(&requests).into_iter().map(|(method, route, status, _)| (method, route, status)).collect();
        let (room, unmatched) = ("/api/rooms/{room_id}".to_owned(), "unmatched".to_owned());
        let expected = [
            ("GET", room.clone(), 200),
            ("GET", unmatched.clone(), 404),
            ("other", room, 405),
            ("other", unmatched.clone(), 404),
            ("other", unmatched, 405),
        ];
        assert_eq!(labels, expected);
    }

    #[tokio::test]
    async fn a_request_that_is_given_up_is_counted_as_such() {
        let (app, requests) = app();
        let waiting = tokio::spawn(async move { ask(&app, "GET", "/api/never").await });
        while requests.read().in_flight == 0 {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        waiting.await.unwrap_err();
        assert_eq!(answers(&requests), [("GET", "/api/never".to_owned(), 0, 1)]);
        assert_eq!(requests.read().in_flight, 0);
    }
}
