//! How a run goes, on stderr while it goes: a bar on a terminal, a line every few seconds elsewhere, or nothing.

use crate::run::{Phase, Snapshot};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal, Write};
use std::time::Duration;

/// Without a terminal a line is written so often, and at each new phase: logs are read later, and by fewer people.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Rates are over at least this long, or they would jump with every burst.
const RATE_OVER: Duration = Duration::from_secs(1);

/// See the module's text.
pub struct Progress {
    view: View,
    /// What rates are counted from: the last snapshot that is [`RATE_OVER`] old, and the one after it.
    base: Snapshot,
    next_base: Snapshot,
    phase: Phase,
    last_line: Duration,
}

enum View {
    Bar(ProgressBar),
    Lines,
    Nothing,
}

impl Progress {
    /// On stderr, in the way that fits it.
    #[must_use]
    pub fn on_stderr(is_quiet: bool) -> Self {
        let view = match (is_quiet, std::io::stderr().is_terminal()) {
            (true, _) => View::Nothing,
            (false, true) => View::Bar(bar()),
            (false, false) => View::Lines,
        };
        Self {
            view,
            base: Snapshot::default(),
            next_base: Snapshot::default(),
            phase: Phase::Opening,
            last_line: Duration::ZERO,
        }
    }

    /// Shows how the run goes.
    pub fn show(&mut self, now: &Snapshot) {
        let text = status(now, &self.base);
        match &self.view {
            View::Bar(bar) => {
                bar.set_prefix(phase_name(now.phase));
                let (done, all) = done(now);
                bar.set_length(all);
                bar.set_position(done);
                bar.set_message(text);
            }
            View::Lines if now.phase != self.phase || now.elapsed >= self.last_line + LINE_EVERY => {
                // Nobody may read it any more; the run goes on.
                let _ = writeln!(
                    std::io::stderr(),
                    "{:>4.0} s  {:<8} {text}",
                    now.elapsed.as_secs_f64(),
                    phase_name(now.phase)
                );
                self.last_line = now.elapsed;
            }
            View::Lines | View::Nothing => {}
        }
        self.phase = now.phase;
        if now.elapsed >= self.next_base.elapsed + RATE_OVER {
            self.base = std::mem::replace(&mut self.next_base, now.clone());
        }
    }

    /// Leaves the screen to the report.
    pub fn end(&self) {
        if let View::Bar(bar) = &self.view {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{prefix:<8} [{bar:24}] {wide_msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()).progress_chars("=> "));
    bar
}

fn phase_name(phase: Phase) -> &'static str {
    match phase {
        Phase::Opening => "opening",
        Phase::Joining => "joining",
        Phase::Steady => "steady",
        Phase::Leaving => "leaving",
        Phase::Over => "over",
    }
}

/// How much of the phase is done, of how much.
fn done(now: &Snapshot) -> (u64, u64) {
    match (now.phase, now.phase_length) {
        (Phase::Joining, _) => (now.joined + now.join_failures, now.planned_joins.max(1)),
        (_, Some(length)) => (milliseconds(now.phase_elapsed.min(length)), milliseconds(length).max(1)),
        (Phase::Over, None) => (1, 1),
        (_, None) => (0, 1),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// A line about a snapshot; rates are those since `base`.
fn status(now: &Snapshot, base: &Snapshot) -> String {
    let seconds = now.elapsed.saturating_sub(base.elapsed).as_secs_f64().max(0.001);
    let packets = now.received_packets.saturating_sub(base.received_packets);
    let bits = now.received_bytes.saturating_sub(base.received_bytes) * 8;
    let lost = now.lost.saturating_sub(base.lost);
    let loss = lost as f64 * 100.0 / (lost + packets).max(1) as f64;
    let mut text = format!("{} connected", now.connected);
    if now.phase == Phase::Joining {
        text = format!("{} of {} joined", now.joined, now.planned_joins);
    }
    if now.join_failures > 0 {
        text += &format!(", {} failed", now.join_failures);
    }
    text += &format!(
        " | {:.0} packets/s, {:.1} Mbit/s, loss {loss:.2} %",
        packets as f64 / seconds,
        bits as f64 / seconds / 1e6
    );
    if let Some(latency) = now.latency_p99 {
        text += &format!(", latency p99 {:.1} ms", latency.as_secs_f64() * 1e3);
    }
    text += &format!(" | tester {:.0} % busy", now.busy * 100.0);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(seconds: u64, packets: u64, lost: u64) -> Snapshot {
        Snapshot {
            phase: Phase::Steady,
            elapsed: Duration::from_secs(seconds),
            phase_length: Some(Duration::from_secs(30)),
            phase_elapsed: Duration::from_secs(seconds),
            planned_joins: 10,
            joined: 9,
            join_failures: 1,
            connected: 9,
            received_packets: packets,
            received_bytes: packets * 1000,
            lost,
            latency_p99: Some(Duration::from_micros(2_340)),
            busy: 0.25,
            ..Snapshot::default()
        }
    }

    #[test]
    fn a_line_tells_rates_since_the_base() {
        let text = status(&snapshot(4, 3_000, 10), &snapshot(2, 1_020, 0));
        let expected =
            "9 connected, 1 failed | 990 packets/s, 7.9 Mbit/s, loss 0.50 %, latency p99 2.3 ms | tester 25 % busy";
        assert_eq!(text, expected);
        let joining = Snapshot { phase: Phase::Joining, latency_p99: None, ..Snapshot::default() };
        assert_eq!(
            status(&joining, &joining),
            "0 of 0 joined | 0 packets/s, 0.0 Mbit/s, loss 0.00 % | tester 0 % busy"
        );
    }

    #[test]
    fn the_bar_is_about_the_phase() {
        assert_eq!(done(&snapshot(3, 0, 0)), (3_000, 30_000));
        assert_eq!(done(&snapshot(31, 0, 0)), (30_000, 30_000));
        assert_eq!(done(&Snapshot { phase: Phase::Joining, ..snapshot(3, 0, 0) }), (10, 10));
        assert_eq!(done(&Snapshot::default()), (0, 1));
    }

    #[test]
    fn rates_are_over_a_second_and_more() {
        let mut progress = Progress::on_stderr(true);
        for quarter in 0..12_u64 {
            progress.show(&Snapshot {
                elapsed: Duration::from_millis(250 * quarter),
                received_packets: quarter,
                ..Snapshot::default()
            });
        }
        // At 2.75 s: the base is that of 1 s.
        assert_eq!(
            (progress.base.elapsed, progress.next_base.elapsed),
            (Duration::from_secs(1), Duration::from_secs(2))
        );
        progress.end();
    }
}
