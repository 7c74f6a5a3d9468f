//! `GET /metrics`: what the shards hung out and what the signalling counted, in Prometheus's text format.
//!
//! [`catalogue`] declares every metric once. At a scrape the readings of all shards are copied and added up; nothing of this
//! happens on a shard's thread.

pub(crate) mod catalogue;
#[cfg(test)]
mod document;
mod scrape;

use crate::http::requests::Requests;
use crate::process::ProcessStats;
use crate::readings::Board;
use crate::tls::Tls;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use parlor_signaling::Stats;
use prometheus::proto::MetricFamily;
use prometheus::{Encoder, TextEncoder};
use scrape::Scrape;

/// Where the metrics are read from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    boards: Vec<Board>,
    requests: Requests,
    tls: Option<Tls>,
}

impl Metrics {
    /// Reads the boards of the shards, in their order.
    pub(crate) fn new(boards: Vec<Board>) -> Self {
        Self { boards, requests: Requests::default(), tls: None }
    }

    /// Where the web server's requests are counted.
    pub(crate) fn requests(&self) -> &Requests {
        &self.requests
    }

    /// Tells of this server's certificate too.
    pub(crate) fn with_tls(self, tls: Option<Tls>) -> Self {
        Self { tls, ..self }
    }

    /// The response to a scrape, with the signalling's numbers of now.
    pub(crate) fn response(&self, signaling: &Stats) -> Response {
        let mut text = Vec::new();
        match TextEncoder::new().encode(&self.families(signaling), &mut text) {
            Ok(()) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
            Err(error) => {
                tracing::error!(%error, "cannot write the metrics");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    fn families(&self, signaling: &Stats) -> Vec<MetricFamily> {
        let mut scrape = Scrape::default();
        catalogue::process::read(&mut scrape, &ProcessStats::read(), self.boards.len());
        if let Some(tls) = &self.tls {
            catalogue::process::read_certificate(&mut scrape, tls.certificate().expires_at);
        }
        catalogue::requests::read(&mut scrape, &self.requests.read());
        catalogue::read_signaling(&mut scrape, signaling);
        for (shard, board) in self.boards.iter().enumerate() {
            catalogue::read_shard(&mut scrape, &shard.to_string(), &board.read());
        }
        scrape.families()
    }
}

#[cfg(test)]
mod tests {
    use super::catalogue::{Kind, all};
    use super::*;
    use crate::net::tcp::TcpStats;
    use crate::net::{EgressStats, IngressStats};
    use crate::readings::Readings;

    fn text(metrics: &Metrics) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&metrics.families(&Stats { rooms: 3, ..Stats::default() }), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn readings_of_all_shards_add_up() {
        let boards = vec![Board::default(), Board::default()];
        for (board, datagrams) in boards.iter().zip([5, 7]) {
            board.publish(&Readings {
                ingress: IngressStats { datagrams, ..IngressStats::default() },
                egress: EgressStats { gso: true, ..EgressStats::default() },
                ..Readings::default()
            });
        }
        let text = text(&Metrics::new(boards));
        assert!(text.contains("parlor_datagrams_received_total{protocol=\"udp\"} 12\n"), "{text}");
        assert!(text.contains("parlor_gso_active{shard=\"1\"} 1\n"), "{text}");
        assert!(text.contains("# TYPE parlor_gso_active gauge\n"), "{text}");
        assert!(text.contains("parlor_shards 2\n"), "{text}");
        assert!(text.contains("parlor_rooms 3\n"), "{text}");
        assert_eq!(text.matches("# TYPE parlor_datagrams_received_total counter").count(), 1);
        let build = format!("parlor_build_info{{version=\"{}\",target=\"", env!("CARGO_PKG_VERSION"));
        assert!(text.contains(&build), "{text}");
    }

    #[test]
    fn distributions_are_shown_in_base_units() {
        let boards = vec![Board::default(), Board::default()];
        for board in &boards {
            let mut readings = Readings::default();
            readings.engine.round_trips.observe(30_000);
            board.publish(&readings);
        }
        let text = text(&Metrics::new(boards));
        for line in [
            "# TYPE parlor_round_trip_seconds histogram",
            "parlor_round_trip_seconds_bucket{le=\"0.025\"} 0",
            "parlor_round_trip_seconds_bucket{le=\"0.05\"} 2",
            "parlor_round_trip_seconds_bucket{le=\"+Inf\"} 2",
            "parlor_round_trip_seconds_sum 0.06",
            "parlor_round_trip_seconds_count 2",
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }

    #[test]
    fn the_certificates_end_is_told_where_there_is_one() {
        let tls = crate::tls::tests::Issued::new().tls();
        let end = format!("parlor_tls_certificate_expiry_seconds {}\n", tls.certificate().expires_at);
        assert!(text(&Metrics::default().with_tls(Some(tls))).contains(&end));
        assert!(!text(&Metrics::default()).contains("parlor_tls_certificate_expiry_seconds"));
    }

    /// Told once something has been counted: they would be long lists of zeros.
    const WITH_THE_FIRST: [&str; 7] = [
        "parlor_http_requests_total",
        "parlor_http_request_seconds",
        "parlor_errors_total",
        "parlor_messages_received_total",
        "parlor_messages_sent_total",
        "parlor_store_operations_total",
        "parlor_store_operation_seconds",
    ];

    #[test]
    fn every_metric_is_read_and_each_once() {
        let board = Board::default();
        board.publish(&Readings { tcp: Some(TcpStats::default()), ..Readings::default() });
        let families = Metrics::new(vec![board])
            .with_tls(Some(crate::tls::tests::Issued::new().tls()))
            .families(&Stats::default());
        let read: Vec<_> = families.iter().map(MetricFamily::name).collect();
        let declared: Vec<_> = all().map(|metric| metric.name).collect();
        let from_the_start: Vec<_> = declared.iter().copied().filter(|name| !WITH_THE_FIRST.contains(name)).collect();
        assert_eq!(read, from_the_start);
        let distinct: std::collections::HashSet<_> = declared.iter().collect();
        assert_eq!(distinct.len(), declared.len());
    }

    #[test]
    fn names_follow_prometheuss_conventions() {
        for metric in all() {
            let is_ours = ["parlor_", "process_"].iter().any(|prefix| metric.name.starts_with(prefix));
            assert!(is_ours, "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
