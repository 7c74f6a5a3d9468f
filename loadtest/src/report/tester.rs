//! Whether the tester itself kept up: a measurement says something about the server only as long as it did.

use super::measures::Spread;
use super::round;
use crate::tally::Saturation;
use crate::watch::{Look, Looks};
use serde::Serialize;

/// A machine that idles for less than this part of the time is full.
const FULL_MACHINE: f64 = 0.03;

/// The tester's own state over the steady part.
#[derive(Clone, Debug, Serialize)]
pub struct Tester {
    /// Processors in use: 1.0 is one, all the time.
    pub cpu_cores: Option<f64>,
    /// Resident memory at the end.
    pub resident_bytes: Option<u64>,
    /// By thread that sends and receives: the share of the time that it did not sleep, 0 to 1.
    pub threads_busy: Vec<f64>,
    /// The same for the busiest second of the busiest of them.
    pub busiest_second: f64,
    /// Datagrams that the kernel dropped, since the tester did not fetch them in time.
    pub receive_drops: u64,
    /// Sending times that publishers missed by more than 10 ms.
    pub late_ticks: u64,
    /// All their sending times.
    pub ticks: u64,
    /// How late they were.
    pub lateness_ms: Spread,
    /// Joins that began more than 100 ms after their time.
    pub late_joins: u64,
    /// The share of the time that the machine's processors idled, 0 to 1.
    pub machine_idle: Option<f64>,
    /// Why the tester, and not the server, may be what limited the run; empty when nothing says so.
    pub bottlenecks: Vec<String>,
}

impl Tester {
    pub(super) fn of(saturation: &Saturation, looks: &Looks) -> Self {
        let steady = looks.steady_from.zip(looks.steady_until);
        Self {
            cpu_cores: steady.and_then(|(from, until)| cores(&from, &until)).map(round),
            resident_bytes: steady.and_then(|(_, until)| until.tester).map(|tester| tester.resident_bytes),
            threads_busy: saturation.busy.iter().copied().map(round).collect(),
            busiest_second: round(saturation.busiest_second),
            receive_drops: saturation.receive_drops,
            late_ticks: saturation.late_ticks,
            ticks: saturation.ticks,
            lateness_ms: Spread::of(&saturation.lateness),
            late_joins: saturation.late_joins,
            machine_idle: steady.and_then(|(from, until)| until.machine?.idle_since(from.machine?)).map(round),
            bottlenecks: saturation.complaints(),
        }
    }

    /// Whether the machine had no time left. That is no fault of the tester's, but where server and tester share the machine each
    /// waits for the other, and latencies tell of that.
    pub(super) fn is_machine_full(&self) -> bool {
        self.machine_idle.is_some_and(|idle| idle < FULL_MACHINE)
    }
}

fn cores(from: &Look, until: &Look) -> Option<f64> {
    let used = until.tester?.cpu.saturating_sub(from.tester?.cpu);
    let window = until.at.saturating_duration_since(from.at).as_secs_f64();
    (window > 0.0).then(|| used.as_secs_f64() / window)
}
