//! One answer in the making: numbers are added to metrics, and what has the same labels adds up.

use super::catalogue::{Kind, Metric, all};
use parlor_media::histogram::Histogram;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram as Distribution, LabelPair, MetricFamily, MetricType};
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Scrape {
    /// By the metric's place in the catalogue and the values of its labels.
    samples: BTreeMap<(usize, Vec<String>), Sample>,
}

#[derive(Debug)]
enum Sample {
    Number(f64),
    Distribution {
        /// Each upper bound with the number of values that are not above it.
        buckets: Vec<(f64, u64)>,
        count: u64,
        sum: f64,
    },
}

impl Scrape {
    /// Adds a number to a counter or gauge. There is a value for each of its labels.
    pub(super) fn add(&mut self, metric: &'static Metric, labels: &[&str], number: u64) {
        // Prometheus's numbers are floats; 2^53 packets take centuries.
        self.add_fraction(metric, labels, number as f64);
    }

    /// The same for numbers that are not whole.
    pub(super) fn add_fraction(&mut self, metric: &'static Metric, labels: &[&str], number: f64) {
        debug_assert!(!matches!(metric.kind, Kind::Histogram { .. }), "{} takes distributions", metric.name);
        if let Sample::Number(sum) = self.sample(metric, labels, || Sample::Number(0.0)) {
            *sum += number;
        }
    }

    /// Adds what was counted to a histogram, in the metric's unit.
    pub(super) fn add_histogram<const N: usize>(
        &mut self,
        metric: &'static Metric,
        labels: &[&str],
        counted: &Histogram<N>,
    ) {
        let Kind::Histogram { per_unit } = metric.kind else {
            debug_assert!(false, "{} takes numbers", metric.name);
            return;
        };
        let empty = || Sample::Distribution {
            buckets: counted.cumulative().map(|(bound, _)| (bound as f64 / per_unit, 0)).collect(),
            count: 0,
            sum: 0.0,
        };
        if let Sample::Distribution { buckets, count, sum } = self.sample(metric, labels, empty) {
            for ((_, own), (_, theirs)) in buckets.iter_mut().zip(counted.cumulative()) {
                *own += theirs;
            }
            *count += counted.count();
            *sum += counted.sum() as f64 / per_unit;
        }
    }

    fn sample(&mut self, metric: &'static Metric, labels: &[&str], empty: impl FnOnce() -> Sample) -> &mut Sample {
        debug_assert!(
            labels.len() == metric.labels.len()
                && metric.labels.iter().zip(labels).all(|(label, value)| label.values.allow(value)),
            "{} has no {labels:?}",
            metric.name
        );
        let place = all().position(|listed| std::ptr::eq(listed, metric)).unwrap_or(usize::MAX);
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        self.samples.entry((place, labels)).or_insert_with(empty)
    }

    /// The families in the catalogue's order; metrics without samples are left out.
    pub(super) fn families(self) -> Vec<MetricFamily> {
        let listed: Vec<_> = all().collect();
        let mut families: Vec<MetricFamily> = Vec::new();
        let mut latest = None;
        for ((place, labels), sample) in self.samples {
            let Some(metric) = listed.get(place) else { continue };
            if latest.replace(place) != Some(place) {
                families.push(family(metric));
            }
            if let Some(family) = families.last_mut() {
                family.mut_metric().push(write(metric, &labels, sample));
            }
        }
        families
    }
}

fn family(metric: &Metric) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(metric.name.to_owned());
    family.set_help(metric.help.to_owned());
    family.set_field_type(match metric.kind {
        Kind::Counter => MetricType::COUNTER,
        Kind::Gauge => MetricType::GAUGE,
        Kind::Histogram { .. } => MetricType::HISTOGRAM,
    });
    family
}

fn write(metric: &Metric, labels: &[String], sample: Sample) -> prometheus::proto::Metric {
    let labels = metric.labels.iter().zip(labels).map(|(label, value)| pair(label.name, value)).collect();
    let mut written = prometheus::proto::Metric::from_label(labels);
    match (metric.kind, sample) {
        (Kind::Counter, Sample::Number(number)) => {
            let mut counter = Counter::default();
            counter.set_value(number);
            written.set_counter(counter);
        }
        (_, Sample::Number(number)) => {
            let mut gauge = Gauge::default();
            gauge.set_value(number);
            written.set_gauge(gauge);
        }
        (_, Sample::Distribution { buckets, count, sum }) => {
            let mut distribution = Distribution::default();
            distribution.set_sample_count(count);
            distribution.set_sample_sum(sum);
            distribution.set_bucket(buckets.into_iter().map(|(bound, below)| bucket(bound, below)).collect());
            written.set_histogram(distribution);
        }
    }
    written
}

fn bucket(bound: f64, below: u64) -> Bucket {
    let mut bucket = Bucket::default();
    bucket.set_upper_bound(bound);
    bucket.set_cumulative_count(below);
    bucket
}

fn pair(name: &str, value: &str) -> LabelPair {
    let mut pair = LabelPair::default();
    pair.set_name(name.to_owned());
    pair.set_value(value.to_owned());
    pair
}
