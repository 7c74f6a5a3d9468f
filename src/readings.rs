//! What a shard shows of itself: plain numbers, copied out about once a second.
//!
//! A shard's thread fills its own [`Readings`] and swaps them with the shared ones on the [`Board`]; whoever scrapes the
//! metrics copies those. Neither waits for the other for longer than a copy takes, and the shard not even that.

use std::sync::{Arc, Mutex, PoisonError};

/// Whether a metric only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It counts from the start of the process; its name ends in `_total`.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// The description of a number.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Metric {
    /// As Prometheus knows it.
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    /// The label that tells several readings of one metric apart, beside the shard; empty for none.
    pub(crate) label: &'static str,
}

/// One number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reading {
    pub(crate) metric: &'static Metric,
    /// The value of the metric's label.
    pub(crate) label: &'static str,
    pub(crate) value: u64,
}

/// All numbers of one shard at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readings(Vec<Reading>);

impl Readings {
    /// Adds a number.
    pub(crate) fn add(&mut self, metric: &'static Metric, value: u64) {
        self.add_labelled(metric, "", value);
    }

    /// Adds one of a metric's several numbers.
    pub(crate) fn add_labelled(&mut self, metric: &'static Metric, label: &'static str, value: u64) {
        self.0.push(Reading { metric, label, value });
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Reading> {
        self.0.iter()
    }
}

/// Where one shard's latest readings hang.
#[derive(Clone, Debug, Default)]
pub(crate) struct Board(Arc<Mutex<Readings>>);

impl Board {
    /// Hangs `readings` out and takes the former ones back, for their memory. Skips the turn while someone reads.
    pub(crate) fn publish(&self, readings: &mut Readings) {
        if let Ok(mut shared) = self.0.try_lock() {
            std::mem::swap(&mut *shared, readings);
        }
    }

    /// A copy of the latest readings.
    pub(crate) fn read(&self) -> Readings {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
