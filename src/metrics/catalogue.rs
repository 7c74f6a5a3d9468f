//! Every metric: name, meaning, labels with their values, and where the number comes from.
//!
//! A file for each part of the process declares its metrics and reads their numbers from a plain snapshot. No label has a value
//! that clients choose or that grows with use: rooms and participants are never labels. Names end in the base unit, and
//! counters in `_total`. `docs/metrics.md` shows all of it; a test compares.

pub(crate) mod control;
pub(crate) mod engine;
mod labels;
pub(crate) mod process;
pub(crate) mod sockets;
pub(crate) mod threads;

use super::scrape::Scrape;
use crate::readings::Readings;

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
        /// What one unit of the counted numbers is in the metric's base unit.
        unit: f64,
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
    /// These.
    Closed(fn() -> Vec<&'static str>),
    /// What the text says; few, and fixed while the process runs.
    #[allow(dead_code, reason = "for docs/metrics.md, which a test compares")]
    Open(&'static str),
}

impl Values {
    /// Whether a label may say this.
    pub(crate) fn allow(&self, value: &str) -> bool {
        match self {
            Self::Closed(values) => values().contains(&value),
            Self::Open(_) => true,
        }
    }
}

/// Microseconds, counted in a metric of seconds.
const MICROSECONDS: f64 = 1e-6;

/// Declares the metrics of a part: `ID = Kind "name" [LABEL, …], "Help.";`, and lists them in `ALL` in their order.
macro_rules! metrics {
    ($($id:ident = $kind:ident $(($unit:expr))? $name:literal $([$($label:ident),+])?, $help:literal;)+) => {
        $(static $id: $crate::metrics::catalogue::Metric = $crate::metrics::catalogue::Metric {
            name: $name,
            help: $help,
            kind: $crate::metrics::catalogue::Kind::$kind $({ unit: $unit })?,
            labels: &[$($($label),+)?],
        };)+

        pub(super) static ALL: &[&$crate::metrics::catalogue::Metric] = &[$(&$id,)+];
    };
}
use metrics;

/// The metrics of each part, in the order in which they are shown.
static PARTS: [&[&Metric]; 5] = [process::ALL, control::ALL, engine::ALL, sockets::ALL, threads::ALL];

/// Every metric, in the order in which they are shown.
pub(crate) fn all() -> impl Iterator<Item = &'static Metric> {
    PARTS.into_iter().flatten().copied()
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
