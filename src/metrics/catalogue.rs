//! Every metric: name, meaning, labels with their values, and where the number comes from.
//!
//! A file for each part of the process declares its metrics and reads their numbers from a plain snapshot. No label has a value
//! that clients choose or that grows with use: rooms and participants are never labels. Names end in the base unit, and
//! counters in `_total`. `docs/metrics.md` shows all of it; a test compares.

pub(crate) mod control;
pub(crate) mod engine;
mod labels;
pub(crate) mod process;
pub(crate) mod requests;
pub(crate) mod sessions;
pub(crate) mod sockets;
pub(crate) mod storage;
pub(crate) mod threads;

use super::scrape::Scrape;
use crate::readings::Readings;
use parlor_signaling::Stats;

/// The description of a number.
#[derive(Debug)]
pub(crate) struct Metric {
    /// As Prometheus knows it.
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    /// The labels that tell several numbers of one metric apart.
    pub(crate) labels: &'static [Label],
}

/// What becomes of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// It counts from the start of the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Many numbers, counted in buckets.
    Histogram {
        /// How many units of the counted numbers make one of the metric's base unit.
        per_unit: f64,
    },
}

/// A label and what it may say.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) name: &'static str,
    pub(crate) values: Values,
}

/// The values of a label.
#[derive(Debug)]
pub(crate) enum Values {
    /// These, which speak for themselves.
    Closed(fn() -> Vec<&'static str>),
    /// These, each with its meaning.
    Explained(fn() -> Vec<(&'static str, &'static str)>),
    /// These, which another document explains.
    Elsewhere {
        values: fn() -> Vec<&'static str>,
        #[allow(dead_code, reason = "for docs/metrics.md, which a test compares")]
        document: &'static str,
    },
    /// What the text says; few, and fixed while the process runs.
    #[allow(dead_code, reason = "for docs/metrics.md, which a test compares")]
    Open(&'static str),
}

impl Values {
    /// Whether a label may say this.
    pub(crate) fn allow(&self, value: &str) -> bool {
        match self {
            Self::Closed(values) | Self::Elsewhere { values, .. } => values().contains(&value),
            Self::Explained(values) => values().iter().any(|(known, _)| *known == value),
            Self::Open(_) => true,
        }
    }
}

/// Counted and shown as they are.
const ONE: f64 = 1.0;

/// Counted in microseconds, shown in seconds.
const MICROSECONDS: f64 = 1e6;

/// Counted in thousandths, shown as a ratio.
const THOUSANDTHS: f64 = 1e3;

/// Declares the metrics of a part: `ID = Kind "name" [LABEL, …], "Help.";`, and lists them in `ALL` in their order.
macro_rules! metrics {
    ($($id:ident = $kind:ident $(($per_unit:expr))? $name:literal $([$($label:ident),+])?, $help:literal;)+) => {
        $(pub(super) static $id: $crate::metrics::catalogue::Metric = $crate::metrics::catalogue::Metric {
            name: $name,
            help: $help,
            kind: $crate::metrics::catalogue::Kind::$kind $({ per_unit: $per_unit })?,
            labels: &[$($($label),+)?],
        };)+

        pub(super) static ALL: &[&$crate::metrics::catalogue::Metric] = &[$(&$id,)+];
    };
}
use metrics;

/// The metrics of one part of the process.
pub(crate) struct Part {
    /// The heading in the document.
    #[allow(dead_code, reason = "for docs/metrics.md, which a test compares")]
    pub(crate) title: &'static str,
    pub(crate) metrics: &'static [&'static Metric],
}

/// Every part, in the order in which they are shown.
pub(crate) static PARTS: [Part; 8] = [
    Part { title: "Process", metrics: process::ALL },
    Part { title: "HTTP", metrics: requests::ALL },
    Part { title: "Rooms and people", metrics: control::ALL },
    Part { title: "WebSockets and messages", metrics: sessions::ALL },
    Part { title: "Store, files and webhooks", metrics: storage::ALL },
    Part { title: "Media engine", metrics: engine::ALL },
    Part { title: "Sockets", metrics: sockets::ALL },
    Part { title: "Shard threads", metrics: threads::ALL },
];

/// Every metric, in the order in which they are shown.
pub(crate) fn all() -> impl Iterator<Item = &'static Metric> {
    PARTS.iter().flat_map(|part| part.metrics).copied()
}

/// Adds the signalling's numbers.
pub(super) fn read_signaling(scrape: &mut Scrape, stats: &Stats) {
    control::read(scrape, stats);
    engine::read_signalling(scrape, &stats.join_latency);
    sessions::read_sockets(scrape, &stats.sockets);
    sessions::read_messages(scrape, &stats.messages);
    storage::read_store(scrape, &stats.store);
    storage::read_files(scrape, &stats.files);
    storage::read_webhooks(scrape, &stats.webhooks);
}

/// Adds one shard's numbers; `shard` is its number, for what is told shard by shard.
pub(super) fn read_shard(scrape: &mut Scrape, shard: &str, readings: &Readings) {
    engine::read(scrape, shard, &readings.engine);
    sockets::read_ingress(scrape, &readings.ingress);
    sockets::read_egress(scrape, shard, &readings.egress);
    if let Some(tcp) = &readings.tcp {
        sockets::read_tcp(scrape, tcp);
    }
    threads::read(scrape, shard, &readings.body);
}
