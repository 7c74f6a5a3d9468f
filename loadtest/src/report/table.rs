//! The report for people: a few aligned lines about what matters, and sentences about what is wrong.

use super::{Costs, Measured, Report, Source, Spread, Verdict};
use std::collections::BTreeMap;
use std::fmt::Write;

/// Reasons beyond these are left to the JSON.
const SHOWN_REASONS: usize = 8;

/// Writes to a `String`, which cannot fail.
macro_rules! line {
    ($text:expr, $($arguments:tt)*) => {
        let _ = writeln!($text, $($arguments)*);
    };
}

pub(super) fn table(report: &Report) -> String {
    let mut text = String::new();
    head(&mut text, report);
    measured(&mut text, &report.total);
    if report.scenarios.len() > 1 {
        for scenario in &report.scenarios {
            line!(text, "\nscenario {}", scenario.kind);
            measured(&mut text, &scenario.measured);
        }
    }
    costs(&mut text, &report.server);
    tester(&mut text, report);
    verdict(&mut text, report);
    text
}

fn head(text: &mut String, report: &Report) {
    let kinds: Vec<&str> = report.scenarios.iter().map(|scenario| scenario.kind).collect();
    line!(text, "{} on {} at {}", kinds.join(" + "), report.plan.target.name(), report.plan.server);
    let steady = report.steady_seconds.map_or("not reached".to_owned(), |seconds| format!("{seconds:.1} s"));
    line!(
        text,
        "run {:.1} s, steady part {steady}{}",
        report.elapsed_seconds,
        if report.interrupted { ", interrupted" } else { "" }
    );
    if let Some((packets, bits)) = report.packets_per_second.zip(report.bits_per_second) {
        line!(text, "received in a second: {} packets, {:.1} Mbit", grouped(packets as u64), bits / 1e6);
    }
    text.push('\n');
}

fn measured(text: &mut String, measured: &Measured) {
    let Measured { joins, sent, received, witnesses, .. } = measured;
    line!(
        text,
        "{:<12} {} of {} succeeded, {} connected at most",
        "joins",
        joins.succeeded,
        joins.attempted,
        measured.most_connected
    );
    reasons(text, "failed", &joins.failed);
    reasons(text, "lost", &measured.lost_connections);
    reasons(text, "leave failed", &measured.leaves.failed);
    line!(text, "\n{:<22} {:>9} {:>9} {:>9} {:>9}", "milliseconds", "p50", "p95", "p99", "max");
    let spreads = [
        ("join", &joins.time_ms),
        ("first packet", &joins.first_packet_ms),
        ("latency, video", &measured.latency_ms.video),
        ("latency, audio", &measured.latency_ms.audio),
        ("jitter, witnesses", &measured.jitter_ms.witnesses),
        ("jitter, light", &measured.jitter_ms.light),
        ("leave", &measured.leaves.time_ms),
    ];
    for (name, spread) in spreads.iter().filter(|(_, spread)| spread.count > 0) {
        let Spread { p50, p95, p99, max, .. } = spread;
        line!(text, "{name:<22} {p50:>9.2} {p95:>9.2} {p99:>9.2} {max:>9.2}");
    }
    line!(text, "\n{:<22} {:>13} {:>9} {:>9} {:>9} {:>9}", "packets", "number", "MB", "lost", "late", "again");
    for (name, sent) in [("sent, video", sent.video), ("sent, audio", sent.audio)] {
        if sent.packets > 0 {
            line!(
                text,
                "{name:<22} {:>13} {:>9} {:>9} {:>9} {:>9}",
                grouped(sent.packets),
                megabytes(sent.bytes),
                "",
                "",
                sent.retransmitted
            );
        }
    }
    let kinds = [
        ("received, video", received.video),
        ("received, audio", received.audio),
        ("retransmissions", received.retransmissions),
    ];
    for (name, kind) in kinds.iter().filter(|(_, kind)| kind.packets > 0) {
        let (packets, bytes) = (grouped(kind.packets), megabytes(kind.bytes));
        line!(
            text,
            "{name:<22} {packets:>13} {bytes:>9} {:>9} {:>9} {:>9}",
            kind.lost,
            kind.reordered,
            kind.duplicated
        );
    }
    line!(text, "{:<22} {:.4} %, late {:.4} %", "loss", measured.loss * 100.0, measured.reordered * 100.0);
    if witnesses.packets > 0 {
        line!(
            text,
            "{:<22} {} decrypted: {} undecryptable, {} with wrong content, {} out of order, {} missing",
            "witnesses",
            grouped(witnesses.packets),
            witnesses.undecryptable,
            witnesses.wrong_content,
            witnesses.out_of_order,
            witnesses.missing
        );
    }
}

fn reasons(text: &mut String, what: &str, reasons: &BTreeMap<String, u64>) {
    let mut reasons: Vec<_> = reasons.iter().collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    for (reason, count) in reasons.iter().take(SHOWN_REASONS) {
        line!(text, "  {what:<10} {count:>6} × {reason}");
    }
    if reasons.len() > SHOWN_REASONS {
        line!(text, "  {what:<10}        {} more reasons: --json tells them", reasons.len() - SHOWN_REASONS);
    }
}

fn costs(text: &mut String, costs: &Costs) {
    text.push('\n');
    match (&costs.process, costs.pid) {
        (Some(name), Some(pid)) => {
            line!(text, "{:<22} {name}, process {pid}", "server");
        }
        _ => {
            line!(
                text,
                "{:<22} {}",
                "server",
                if costs.cpu_from.is_some() { "by its metrics" } else { "its costs are not known" }
            );
        }
    }
    if let Some(cores) = costs.cpu_cores {
        line!(text, "{:<22} {cores:.2} cores in the steady part", "  CPU");
    }
    if let Some(((time, packets), from)) = costs.cpu_us_per_packet.zip(costs.packets_per_second).zip(costs.packets_from)
    {
        let from = if from == Source::Metrics { "by the server's count" } else { "that arrived" };
        line!(
            text,
            "{:<22} {time:.3} µs, of {} packets in a second {from}",
            "  CPU per packet",
            grouped(packets as u64)
        );
    }
    if let Some(floor) = costs.floor_us_per_packet {
        let times = costs.cpu_us_per_packet.map(|time| format!(": the server takes {:.2} times that", time / floor));
        line!(text, "{:<22} {floor:.3} µs{}", "  at the least", times.unwrap_or_default());
    }
    if costs.sends_more_than_arrives() {
        let own = grouped(costs.own_packets_per_second.unwrap_or_default() as u64);
        line!(text, "  note: it sent {own} packets in a second: others are there, or packets were lost on the way");
    }
    if let Some(memory) = costs.memory {
        let kib = memory.bytes_per_participant as f64 / 1024.0;
        let [before, most] = [memory.before_bytes, memory.with_participants_bytes].map(megabytes);
        line!(
            text,
            "{:<22} {kib:.1} KiB a participant: {before} MB before, {most} MB with {}",
            "  memory",
            memory.participants
        );
    }
    if let Some(unknown) = &costs.unknown {
        line!(text, "  {unknown}");
    }
}

fn tester(text: &mut String, report: &Report) {
    let tester = &report.tester;
    let busiest = tester.threads_busy.iter().copied().fold(0.0, f64::max) * 100.0;
    let cores = tester.cpu_cores.map_or(String::new(), |cores| format!("{cores:.2} cores, "));
    let idle = tester.machine_idle.map_or(String::new(), |idle| format!(", the machine idled {:.0} %", idle * 100.0));
    line!(text, "{:<22} {cores}busiest thread {busiest:.0} %{idle}", "tester");
    if tester.is_machine_full() {
        line!(
            text,
            "  note: this machine had no time left; what ran on it waited for one another, and latencies tell of that"
        );
    }
    if !tester.bottlenecks.is_empty() {
        line!(text, "\nTHE TESTER WAS THE BOTTLENECK, not the server: these figures say little about the server.");
        for reason in &tester.bottlenecks {
            line!(text, "  {reason}");
        }
        line!(
            text,
            "  Give it more threads (--threads), fewer witnesses (--witnesses), less load, or a machine of its own."
        );
    }
}

fn verdict(text: &mut String, report: &Report) {
    if report.checks.is_empty() {
        return;
    }
    text.push('\n');
    for check in &report.checks {
        line!(text, "{} {check}", if check.passed { "ok    " } else { "MISSED" });
    }
    let verdict = match report.verdict {
        Verdict::Unchecked => return,
        Verdict::Passed => "passed",
        Verdict::Missed => "missed",
        Verdict::TesterLimited => "undecided, since the tester was the bottleneck",
    };
    line!(text, "checks: {verdict}");
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// With commas between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::grouped;

    #[test]
    fn thousands_are_grouped() {
        let texts = [0, 12, 999, 1_000, 12_345, 1_234_567].map(grouped);
        assert_eq!(texts, ["0", "12", "999", "1,000", "12,345", "1,234,567"]);
    }
}
