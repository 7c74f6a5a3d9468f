//! `GET /metrics`: what the shards hung out, in Prometheus's text format.

pub(crate) mod table;

use crate::readings::{Board, Kind, Metric, Readings};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use parlor_signaling::Stats;
use prometheus::proto::{Counter, Gauge, LabelPair, Metric as Sample, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};

/// Where the metrics are read from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Metrics {
    boards: Vec<Board>,
}

static BUILD_INFO: Metric =
    Metric { name: "parlor_build_info", help: "1; its label tells the version.", kind: Kind::Gauge, label: "version" };

static SHARDS: Metric = Metric { name: "parlor_shards", help: "Media threads.", kind: Kind::Gauge, label: "" };

impl Metrics {
    /// Reads the boards of the shards, in their order.
    pub(crate) fn new(boards: Vec<Board>) -> Self {
        Self { boards }
    }

    /// The response to a scrape, with the signalling's numbers of now.
    pub(crate) fn response(&self, signaling: &Stats) -> Response {
        let mut text = Vec::new();
        let encoder = TextEncoder::new();
        match encoder.encode(&self.families(signaling), &mut text) {
            Ok(()) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
            Err(error) => {
                tracing::error!(%error, "cannot write the metrics");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }

    fn families(&self, signaling: &Stats) -> Vec<MetricFamily> {
        let mut families = vec![
            family(&BUILD_INFO, vec![sample(&BUILD_INFO, env!("CARGO_PKG_VERSION"), None, 1)]),
            family(&SHARDS, vec![sample(&SHARDS, "", None, self.boards.len() as u64)]),
        ];
        let mut control = Readings::default();
        table::read_signaling(&mut control, signaling);
        let shards: Vec<_> = self.boards.iter().map(Board::read).collect();
        let of = |metric: &'static Metric| {
            let shards =
                shards.iter().enumerate().flat_map(|(shard, all)| all.iter().map(move |one| (Some(shard), one)));
            let all = control.iter().map(|one| (None, one)).chain(shards);
            all.filter(|(_, reading)| std::ptr::eq(reading.metric, metric))
                .map(|(shard, reading)| sample(metric, reading.label, shard, reading.value))
                .collect::<Vec<_>>()
        };
        families.extend(
            table::ALL
                .iter()
                .map(|metric| (metric, of(metric)))
                .filter(|(_, samples)| !samples.is_empty())
                .map(|(metric, samples)| family(metric, samples)),
        );
        families
    }
}

fn sample(metric: &Metric, label: &str, shard: Option<usize>, value: u64) -> Sample {
    let shard = shard.map(|shard| pair("shard", &shard.to_string()));
    let label = (!metric.label.is_empty()).then(|| pair(metric.label, label));
    let mut sample = Sample::from_label(label.into_iter().chain(shard).collect());
    // Prometheus's numbers are floats; 2^53 packets take centuries.
    let value = value as f64;
    match metric.kind {
        Kind::Counter => {
            let mut counter = Counter::default();
            counter.set_value(value);
            sample.set_counter(counter);
        }
        Kind::Gauge => {
            let mut gauge = Gauge::default();
            gauge.set_value(value);
            sample.set_gauge(gauge);
        }
    }
    sample
}

fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}

fn family(metric: &Metric, samples: Vec<Sample>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(metric.name.to_owned());
    family.set_help(metric.help.to_owned());
    family.set_field_type(match metric.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
    });
    family.set_metric(samples);
    family
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{EgressStats, IngressStats};
    use crate::readings::Readings;

    fn text(metrics: &Metrics) -> String {
        let mut text = Vec::new();
        TextEncoder::new().encode(&metrics.families(&Stats { rooms: 3, ..Stats::default() }), &mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn readings_of_all_shards_are_shown_under_one_family() {
        let boards = vec![Board::default(), Board::default()];
        for (board, datagrams) in boards.iter().zip([5, 7]) {
            let mut readings = Readings::default();
            table::read_ingress(&mut readings, &IngressStats { datagrams, ..IngressStats::default() });
            table::read_egress(&mut readings, &EgressStats { gso: true, ..EgressStats::default() });
            board.publish(&mut readings);
        }
        let text = text(&Metrics::new(boards));
        assert!(text.contains("parlor_datagrams_received_total{protocol=\"udp\",shard=\"0\"} 5\n"), "{text}");
        assert!(text.contains("parlor_datagrams_received_total{protocol=\"udp\",shard=\"1\"} 7\n"), "{text}");
        assert!(text.contains("parlor_gso_active{shard=\"1\"} 1\n"), "{text}");
        assert!(text.contains("# TYPE parlor_gso_active gauge\n"), "{text}");
        assert!(text.contains("parlor_shards 2\n"), "{text}");
        assert!(text.contains("parlor_rooms 3\n"), "{text}");
        assert_eq!(text.matches("# TYPE parlor_datagrams_received_total counter").count(), 1);
        assert!(
            text.contains(&format!("parlor_build_info{{version=\"{}\"}} 1\n", env!("CARGO_PKG_VERSION"))),
            "{text}"
        );
    }

    #[test]
    fn names_follow_prometheuss_conventions() {
        for metric in table::ALL {
            assert!(metric.name.starts_with("parlor_"), "{}", metric.name);
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Kind::Counter, "{}", metric.name);
            assert!(metric.help.ends_with('.'), "{}", metric.name);
        }
    }
}
