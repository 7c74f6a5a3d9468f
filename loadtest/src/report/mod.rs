//! What a run found out: one structure, which is printed as a table for people and as JSON for programs.
//!
//! The JSON's names and units are a promise: `docs/loadtest.md` documents them, a test holds them against `report/golden.json`, and
//! [`SCHEMA`] grows when one of them changes its meaning or goes. New ones may come without that.

pub mod checks;
mod costs;
mod measures;
mod table;
mod tester;
#[cfg(test)]
mod tests;

pub use checks::{Check, Checks, Verdict};
pub use costs::{Costs, Memory, Source};
pub use measures::{Measured, Scenario, Spread, Window};
pub use tester::Tester;

use crate::plan::Plan;
use crate::tally::Tally;
use crate::watch::Looks;
use serde::Serialize;
use std::time::Duration;

/// The version of the JSON.
pub const SCHEMA: u32 = 1;

/// See the module's text.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// [`SCHEMA`]
    pub schema: u32,
    /// The tester's version.
    pub version: &'static str,
    /// What was to be done, without the credential.
    pub plan: Plan,
    /// The run was ended early.
    pub interrupted: bool,
    /// From the first join to the last measurement.
    pub elapsed_seconds: f64,
    /// How long everybody was there; nothing when the run did not come to that.
    pub steady_seconds: Option<f64>,
    /// Media packets that arrived in a second of the steady part, at all participants together.
    pub packets_per_second: Option<f64>,
    /// Bits of UDP payload that arrived in a second of the steady part.
    pub bits_per_second: Option<f64>,
    /// Everything together.
    pub total: Measured,
    /// The same by scenario, in the order of the plan.
    pub scenarios: Vec<Scenario>,
    /// What the server's process cost.
    pub server: Costs,
    /// Whether the tester itself kept up.
    pub tester: Tester,
    /// Over time, in stretches of [`Self::window_seconds`].
    pub windows: Vec<Window>,
    /// The length of each of [`Self::windows`].
    pub window_seconds: f64,
    /// The thresholds that were asked for.
    pub checks: Vec<Check>,
    /// What follows from them.
    pub verdict: Verdict,
}

/// What is known of the server's process, to be told with its costs.
#[derive(Clone, Debug, Default)]
pub struct ServerProcess {
    /// Its number, where it is on this machine.
    pub pid: Option<u32>,
    /// Its name there.
    pub name: Option<String>,
    /// Why its costs cannot be known, for people.
    pub unknown: Option<String>,
    /// What a packet takes at the least on this machine, in microseconds, where that was measured.
    pub floor: Option<f64>,
}

impl Report {
    /// Puts together what was planned, what the clients measured, and what the server cost.
    pub fn new(plan: &Plan, tally: &Tally, looks: &Looks, process: ServerProcess, checks: &Checks) -> Self {
        let rates = Rates::of(tally);
        let mut report = Self {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            plan: Plan { credential: None, ..plan.clone() },
            interrupted: tally.interrupted,
            elapsed_seconds: seconds(tally.elapsed),
            steady_seconds: steady(tally).map(seconds),
            packets_per_second: rates.map(|rates| round(rates.packets)),
            bits_per_second: rates.map(|rates| round(rates.bytes * 8.0)),
            total: Measured::of(&tally.total),
            scenarios: plan
                .scenarios
                .iter()
                .zip(&tally.scenarios)
                .map(|(scenario, measures)| Scenario::of(scenario.name(), measures))
                .collect(),
            server: Costs::of(looks, rates, process),
            tester: Tester::of(&tally.saturation, looks),
            windows: tally.windows.list.iter().map(Window::of).collect(),
            window_seconds: seconds(tally.windows.length),
            checks: Vec::new(),
            verdict: Verdict::Unchecked,
        };
        report.checks = checks.apply(&report);
        report.verdict = Verdict::of(&report);
        report
    }

    /// As JSON, with a newline at the end.
    ///
    /// # Errors
    /// Never in fact: everything in it can be written.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// As text for people.
    #[must_use]
    pub fn to_table(&self) -> String {
        table::table(self)
    }
}

/// What arrived in a second of the steady part, at all participants together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rates {
    pub(crate) packets: f64,
    pub(crate) bytes: f64,
}

impl Rates {
    /// Of the windows that lie wholly within the steady part; the others hold part of the joins or leaves.
    fn of(tally: &Tally) -> Option<Self> {
        let (from, until) = tally.steady_from.zip(tally.steady_until)?;
        let length = tally.windows.length.as_secs_f64();
        let windows = tally.windows.list.iter().enumerate().filter(|(index, _)| {
            let begin = *index as f64 * length;
            begin >= from.as_secs_f64() && begin + length <= until.as_secs_f64()
        });
        let (count, packets, bytes) = windows.fold((0_u32, 0, 0), |(count, packets, bytes), (_, window)| {
            (count + 1, packets + window.packets, bytes + window.bytes)
        });
        let seconds = f64::from(count) * length;
        (count > 0).then(|| Self { packets: packets as f64 / seconds, bytes: bytes as f64 / seconds })
    }
}

fn steady(tally: &Tally) -> Option<Duration> {
    Some(tally.steady_until?.saturating_sub(tally.steady_from?))
}

fn seconds(duration: Duration) -> f64 {
    round(duration.as_secs_f64())
}

/// To thousandths: more digits are noise, and are hard to read.
fn round(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
