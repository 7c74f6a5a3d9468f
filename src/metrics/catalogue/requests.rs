//! What the web server counts.

use super::{Label, MICROSECONDS, Scrape, Values, metrics};
use crate::http::requests::{ABANDONED, METHODS, OTHER, RequestStats};

const METHOD: Label = Label { name: "method", values: Values::Closed(|| METHODS.into_iter().chain([OTHER]).collect()) };
const ROUTE: Label = Label {
    name: "route",
    values: Values::Open("the path's template, as `/api/rooms/{room_id}`; `pages`; `unmatched` where there is nothing"),
};
const STATUS: Label = Label {
    name: "status",
    values: Values::Open("of the answer, as `200`; `abandoned` when the client went away or it took too long"),
};

metrics! {
    REQUESTS = Counter "parlor_http_requests_total" [METHOD, ROUTE, STATUS], "HTTP requests; a WebSocket is one to `/ws` with status 101.";
    IN_FLIGHT = Gauge "parlor_http_requests_in_flight", "HTTP requests whose answer has not begun.";
    LATENCY = Histogram(MICROSECONDS) "parlor_http_request_seconds" [ROUTE], "From the head of an HTTP request to that of its answer; uploads arrive in between.";
}

pub(in crate::metrics) fn read(scrape: &mut Scrape, stats: &RequestStats) {
    for ((method, route, status), count) in &stats.answers {
        let status = status.as_ref().map_or(ABANDONED, |status| status.as_str());
        scrape.add(&REQUESTS, &[method, route, status], *count);
    }
    scrape.add(&IN_FLIGHT, &[], stats.in_flight);
    for (route, latencies) in &stats.latencies {
        scrape.add_histogram(&LATENCY, &[route], latencies);
    }
}
