//! The JSON against what is promised, the table, and what follows from thresholds.

use super::*;
use crate::command::Exit;
use crate::plan::{Media, Scenario as Planned};
use crate::tally::{Measures, Saturation, Windows};
use crate::watch::Look;
use crate::watch::metrics::Reading;
use crate::watch::process::Usage;
use std::collections::BTreeSet;
use std::time::Instant;

/// Written anew by `UPDATE_DOCS=1 cargo test -p parlor-loadtest golden`. A change of it is a change of what is promised.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/golden.json");

fn plan() -> Plan {
    let media = Media::default();
    Plan {
        server: "http://localhost:8080".to_owned(),
        credential: Some("secret".to_owned()),
        scenarios: vec![
            Planned::Livestream { publishers: 1, viewers: 2, media },
            Planned::Meeting { participants: 2, media },
        ],
        ..Plan::default()
    }
}

fn measures(number: u64) -> Measures {
    let mut measures = Measures { most_connected: 3 * number, ..Measures::default() };
    measures.joins.attempted = 4 * number;
    measures.joins.succeeded = 3 * number;
    measures.joins.failed.add("refused: room-full");
    measures.leaves.attempted = 3 * number;
    measures.leaves.succeeded = 3 * number;
    measures.lost_connections.add("consent expired");
    measures.sent_video.packets = 1_000 * number;
    measures.sent_video.bytes = 1_200_000 * number;
    measures.video.packets = 1_990 * number;
    measures.video.bytes = 2_388_000 * number;
    measures.video.lost = 10 * number;
    measures.video.reordered = 2 * number;
    measures.audio.packets = 500 * number;
    measures.audio.bytes = 60_000 * number;
    measures.retransmissions.packets = 5 * number;
    measures.witnesses.packets = 1_200 * number;
    for step in 1..=100 {
        measures.joins.time.record(step * 1_000_000);
        measures.joins.first_packet.record(step * 1_500_000);
        measures.leaves.time.record(step * 100_000);
        measures.witnesses.video_latency.record(step * 20_000);
        measures.witnesses.audio_latency.record(step * 10_000);
        measures.witnesses.jitter.record(step * 5_000);
        measures.witnesses.light_jitter.record(step * 6_000);
    }
    measures
}

fn tally() -> Tally {
    let mut windows = Windows::default();
    for second in 0..4 {
        let window = windows.at(Duration::from_secs(second));
        window.packets = 1_000 * second;
        window.bytes = 1_000_000 * second;
        window.joined = 3 - second.min(3);
        window.latency.record(1_000_000);
    }
    let mut total = measures(1);
    total.merge(&measures(2));
    Tally {
        elapsed: Duration::from_millis(4_200),
        steady_from: Some(Duration::from_millis(900)),
        steady_until: Some(Duration::from_millis(3_950)),
        interrupted: false,
        total,
        scenarios: vec![measures(1), measures(2)],
        windows,
        saturation: Saturation {
            busy: vec![0.25],
            busiest_second: 0.3,
            ticks: 300,
            late_ticks: 1,
            ..Saturation::default()
        },
    }
}

fn looks() -> Looks {
    let start = Instant::now();
    let look = |ms: u64, connected: u64| {
        let process =
            Some(Usage { cpu: Duration::from_millis(ms / 10), resident_bytes: 20_000_000 + connected * 100_000 });
        let metrics =
            Some(Reading { cpu: Duration::from_millis(ms / 10), resident_bytes: 20_000_000, packets_out: ms * 100 });
        Some(Look {
            at: start + Duration::from_millis(ms),
            process,
            metrics,
            tester: process,
            machine: None,
            connected,
        })
    };
    Looks { before: look(0, 0), steady_from: look(900, 9), steady_until: look(3_900, 9) }
}

fn report(tally: &Tally, checks: &Checks) -> Report {
    let process = ServerProcess {
        pid: Some(4711),
        name: Some("parlor".to_owned()),
        floor: Some(50.0),
        ..ServerProcess::default()
    };
    Report::new(&plan(), tally, &looks(), process, checks)
}

fn strict() -> Checks {
    Checks {
        max_loss: Some(0.01),
        max_latency_p99_ms: Some(5.0),
        max_cpu_us_per_packet: Some(70.0),
        ..Checks::default()
    }
}

#[test]
fn golden_json_is_as_promised() {
    let mut report = report(&tally(), &strict());
    // The version of the day is no part of the promise.
    report.version = "0.0.0";
    let json = report.to_json().unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(GOLDEN, &json).unwrap();
    }
    assert_eq!(json, std::fs::read_to_string(GOLDEN).unwrap());
    assert!(!json.contains("secret"), "a report is passed around");
}

/// Every name in the JSON.
fn names(value: &serde_json::Value) -> BTreeSet<String> {
    match value {
        serde_json::Value::Object(object) => {
            object.iter().flat_map(|(name, value)| [name.clone()].into_iter().chain(names(value))).collect()
        }
        serde_json::Value::Array(list) => list.iter().flat_map(names).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn every_name_of_the_json_is_documented() {
    let mut value = serde_json::to_value(report(&tally(), &strict())).unwrap();
    // The plan's keys are explained in the example; reasons are the server's words.
    value["plan"] = serde_json::Value::Null;
    value["scenarios"] = serde_json::Value::Null;
    let total = &mut value["total"];
    for reasons in ["/joins/failed", "/leaves/failed", "/lost_connections"] {
        *total.pointer_mut(reasons).unwrap() = serde_json::Value::Null;
    }
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/loadtest.md")).unwrap();
    let missing: Vec<_> = names(&value).into_iter().filter(|name| !page.contains(&format!("`{name}`"))).collect();
    assert!(missing.is_empty(), "docs/loadtest.md does not have {missing:?}");
}

#[test]
fn rates_and_costs_are_those_of_the_steady_part() {
    let report = report(&tally(), &Checks::default());
    // The windows from 1 s to 3 s; that from 3 s to 4 s holds leaves.
    assert_eq!((report.packets_per_second, report.bits_per_second), (Some(1_500.0), Some(12_000_000.0)));
    assert_eq!(report.steady_seconds, Some(3.05));
    // 100 ms of processors in a second, for 1,500 packets.
    assert_eq!(
        (report.server.cpu_us_per_packet, report.server.own_packets_per_second),
        (Some(66.667), Some(100_000.0))
    );
    assert_eq!(report.server.memory.unwrap().bytes_per_participant, 100_000);
    assert_eq!(report.verdict, Verdict::Unchecked);
}

#[test]
fn a_run_that_never_was_steady_has_no_rates() {
    let tally = Tally { steady_from: None, steady_until: None, interrupted: true, ..tally() };
    let report = report(&tally, &Checks { min_packets_per_second: Some(1.0), ..Checks::default() });
    assert_eq!((report.packets_per_second, report.steady_seconds), (None, None));
    assert!(
        report.to_table().contains("min_packets_per_second 1 missed: it was not measured"),
        "{}",
        report.to_table()
    );
    assert_eq!(Exit::of(&report), Exit::Interrupted);
}

#[test]
fn thresholds_lead_to_exit_codes() {
    let exit = |tally: &Tally, checks: &Checks| Exit::of(&report(tally, checks));
    let good = tally();
    assert_eq!(exit(&good, &Checks::default()), Exit::Done);
    assert_eq!(exit(&good, &strict()), Exit::Done);
    assert_eq!(exit(&good, &Checks { max_loss: Some(0.001), ..strict() }), Exit::Missed);

    let mut late = tally();
    late.saturation.late_ticks = 300;
    assert_eq!(exit(&late, &strict()), Exit::TesterLimited);
    assert_eq!(exit(&late, &Checks::default()), Exit::Done);
    assert!(report(&late, &strict()).to_table().contains("THE TESTER WAS THE BOTTLENECK"));

    let mut nobody = tally();
    nobody.total.joins.succeeded = 0;
    assert_eq!(exit(&nobody, &Checks::default()), Exit::Failed);
}

#[test]
fn every_threshold_is_held_against_what_it_names() {
    let report = |checks: &Checks| report(&tally(), checks);
    let all = |value: f64| Checks {
        max_loss: Some(value),
        max_latency_p99_ms: Some(value),
        max_jitter_p99_ms: Some(value),
        max_join_p95_ms: Some(value),
        max_first_packet_p95_ms: Some(value),
        max_join_failures: Some(value),
        min_packets_per_second: Some(value),
        max_cpu_us_per_packet: Some(value),
        max_kib_per_participant: Some(value),
    };
    let by_name = |checks: Vec<Check>| {
        checks.into_iter().map(|check| (check.name, (check.passed, check.value))).collect::<Vec<_>>()
    };
    for (name, (passed, value)) in by_name(report(&all(0.0)).checks) {
        assert_eq!(passed, name == "min_packets_per_second", "{name}");
        assert!(value.is_some_and(|value| value > 0.0), "{name}");
    }
    let high = report(&all(1e6));
    assert_eq!(high.checks.len(), 9);
    for (name, (passed, _)) in by_name(high.checks) {
        assert_eq!(passed, name != "min_packets_per_second", "{name}");
    }
}

#[test]
fn the_table_tells_what_matters() {
    let table = report(&tally(), &strict()).to_table();
    for text in [
        "livestream + meeting on parlor at http://localhost:8080",
        "9 of 12 succeeded",
        "refused: room-full",
        "latency, video",
        "received, video                5,970",
        "parlor, process 4711",
        "note: it sent 100,000 packets in a second",
        "97.7 KiB a participant",
        "scenario meeting",
        "ok     max_loss 0.01 met",
        "checks: passed",
    ] {
        assert!(table.contains(text), "{text} is not in\n{table}");
    }
}
