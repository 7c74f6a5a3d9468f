//! Thresholds: what turns a run into a check.
//!
//! A threshold on something that was not measured is missed: a check that passes since nothing was looked at would be worse than none.

use super::Report;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The thresholds of a run; those that are not set are not checked. In a plan's file they are the table `checks`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Checks {
    /// The share of media packets that may be lost, 0 to 1.
    pub max_loss: Option<f64>,
    /// One-way latency, 99th percentile, of pictures and of sound.
    pub max_latency_p99_ms: Option<f64>,
    /// Jitter at witnesses, 99th percentile.
    pub max_jitter_p99_ms: Option<f64>,
    /// Time of a join, 95th percentile.
    pub max_join_p95_ms: Option<f64>,
    /// Time to the first media packet, 95th percentile.
    pub max_first_packet_p95_ms: Option<f64>,
    /// The share of joins that may fail, 0 to 1.
    pub max_join_failures: Option<f64>,
    /// Media packets that have to arrive in a second.
    pub min_packets_per_second: Option<f64>,
    /// The server's processor time per forwarded packet.
    pub max_cpu_us_per_packet: Option<f64>,
    /// The server's memory per participant.
    pub max_kib_per_participant: Option<f64>,
}

/// A threshold, and what came of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// As in a plan's file.
    pub name: &'static str,
    /// What was asked for.
    pub limit: f64,
    /// What was measured; nothing if it was not.
    pub value: Option<f64>,
    /// Whether it is within the limit.
    pub passed: bool,
}

/// What follows from the thresholds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// There were none.
    Unchecked,
    /// All were met.
    Passed,
    /// One was missed.
    Missed,
    /// The tester itself was the bottleneck: whether the server would have met them is not known.
    TesterLimited,
}

/// A threshold's name, its limit, what was measured, and whether less is better.
type Row = (&'static str, Option<f64>, Option<f64>, Bound);

#[derive(Clone, Copy)]
enum Bound {
    AtMost,
    AtLeast,
}

impl Checks {
    /// The name of each threshold, its value and the range that is allowed.
    pub(crate) fn limits(&self) -> [(&'static str, Option<f64>, std::ops::RangeInclusive<f64>); 9] {
        const MS: std::ops::RangeInclusive<f64> = 0.0..=600_000.0;
        [
            ("max_loss", self.max_loss, 0.0..=1.0),
            ("max_latency_p99_ms", self.max_latency_p99_ms, MS),
            ("max_jitter_p99_ms", self.max_jitter_p99_ms, MS),
            ("max_join_p95_ms", self.max_join_p95_ms, MS),
            ("max_first_packet_p95_ms", self.max_first_packet_p95_ms, MS),
            ("max_join_failures", self.max_join_failures, 0.0..=1.0),
            ("min_packets_per_second", self.min_packets_per_second, 0.0..=1e9),
            ("max_cpu_us_per_packet", self.max_cpu_us_per_packet, 0.0..=1e6),
            ("max_kib_per_participant", self.max_kib_per_participant, 0.0..=1e9),
        ]
    }

    /// What is wrong with them, as a sentence that names the threshold.
    ///
    /// # Errors
    /// When one is out of its range.
    pub fn check(&self) -> Result<(), String> {
        for (name, value, allowed) in self.limits() {
            if let Some(value) = value.filter(|value| !allowed.contains(value)) {
                return Err(format!("`{name}` is {value}, allowed is {} to {}", allowed.start(), allowed.end()));
            }
        }
        Ok(())
    }

    /// Those of `over`, and of this one where it sets none.
    #[must_use]
    pub fn overridden_by(&self, over: &Self) -> Self {
        Self {
            max_loss: over.max_loss.or(self.max_loss),
            max_latency_p99_ms: over.max_latency_p99_ms.or(self.max_latency_p99_ms),
            max_jitter_p99_ms: over.max_jitter_p99_ms.or(self.max_jitter_p99_ms),
            max_join_p95_ms: over.max_join_p95_ms.or(self.max_join_p95_ms),
            max_first_packet_p95_ms: over.max_first_packet_p95_ms.or(self.max_first_packet_p95_ms),
            max_join_failures: over.max_join_failures.or(self.max_join_failures),
            min_packets_per_second: over.min_packets_per_second.or(self.min_packets_per_second),
            max_cpu_us_per_packet: over.max_cpu_us_per_packet.or(self.max_cpu_us_per_packet),
            max_kib_per_participant: over.max_kib_per_participant.or(self.max_kib_per_participant),
        }
    }

    pub(super) fn apply(&self, report: &Report) -> Vec<Check> {
        let total = &report.total;
        let latency = &total.latency_ms;
        let measured = |count: u64, value: f64| (count > 0).then_some(value);
        // What was not measured is 0 there.
        let worst = measured(latency.video.count + latency.audio.count, latency.video.p99.max(latency.audio.p99));
        let jitter = &total.jitter_ms.witnesses;
        let joins = &total.joins;
        let packets = total.received.video.packets + total.received.audio.packets;
        let failed = joins.attempted.saturating_sub(joins.succeeded) as f64 / joins.attempted.max(1) as f64;
        let memory = report.server.memory.map(|memory| memory.bytes_per_participant as f64 / 1024.0);
        let rows: [Row; 9] = [
            ("max_loss", self.max_loss, measured(packets, total.loss), Bound::AtMost),
            ("max_latency_p99_ms", self.max_latency_p99_ms, worst, Bound::AtMost),
            ("max_jitter_p99_ms", self.max_jitter_p99_ms, measured(jitter.count, jitter.p99), Bound::AtMost),
            ("max_join_p95_ms", self.max_join_p95_ms, measured(joins.time_ms.count, joins.time_ms.p95), Bound::AtMost),
            (
                "max_first_packet_p95_ms",
                self.max_first_packet_p95_ms,
                measured(joins.first_packet_ms.count, joins.first_packet_ms.p95),
                Bound::AtMost,
            ),
            ("max_join_failures", self.max_join_failures, measured(joins.attempted, failed), Bound::AtMost),
            ("min_packets_per_second", self.min_packets_per_second, report.packets_per_second, Bound::AtLeast),
            ("max_cpu_us_per_packet", self.max_cpu_us_per_packet, report.server.cpu_us_per_packet, Bound::AtMost),
            ("max_kib_per_participant", self.max_kib_per_participant, memory, Bound::AtMost),
        ];
        rows.into_iter()
            .filter_map(|(name, limit, value, bound)| limit.map(|limit| Check::new(name, limit, value, bound)))
            .collect()
    }
}

impl Check {
    fn new(name: &'static str, limit: f64, value: Option<f64>, bound: Bound) -> Self {
        let passed = value.is_some_and(|value| match bound {
            Bound::AtMost => value <= limit,
            Bound::AtLeast => value >= limit,
        });
        Self { name, limit, value, passed }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, limit, value, passed } = self;
        let verdict = if *passed { "met" } else { "missed" };
        match value {
            Some(value) => write!(f, "{name} {limit} {verdict}: it is {value}"),
            None => write!(f, "{name} {limit} {verdict}: it was not measured"),
        }
    }
}

impl Verdict {
    pub(super) fn of(report: &Report) -> Self {
        if report.checks.is_empty() {
            Self::Unchecked
        } else if !report.tester.bottlenecks.is_empty() {
            Self::TesterLimited
        } else if report.checks.iter().all(|check| check.passed) {
            Self::Passed
        } else {
            Self::Missed
        }
    }
}
