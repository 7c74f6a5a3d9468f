//! What command lines and files mean, and what they are told.

use super::*;
use crate::plan::{Audio, Media, Video};

fn parse(line: &str) -> Result<Order, clap::Error> {
    Order::parse(["parlor-loadtest"].into_iter().chain(line.split_whitespace()).map(OsString::from))
}

fn plan(line: &str) -> Plan {
    parse(line).unwrap().plan
}

/// What is said of a command line that is not right. Code 2 follows.
fn refusal(line: &str) -> String {
    let error = parse(line).expect_err(line);
    assert_eq!(error.exit_code(), 2, "{line}");
    error.to_string()
}

#[test]
fn the_command_line_is_consistent_and_explains_itself() {
    Cli::command().debug_assert();
    let help = parse("--help").unwrap_err();
    assert_eq!(help.exit_code(), 0);
    let help = help.to_string();
    for word in [
        "meeting",
        "livestream",
        "audio",
        "churn",
        "rooms",
        "run",
        "--max-loss",
        "--target",
        "Exit codes:",
        "Thresholds:",
    ] {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
    let help = parse("livestream --help").unwrap_err().to_string();
    for word in ["--viewers", "--video-bitrate", "--layers", "--packet-ms", "--duration", "Media:"] {
        assert!(help.contains(word), "{word} is not in\n{help}");
    }
    assert_eq!(parse("").unwrap_err().exit_code(), 2);
}

#[test]
fn every_scenario_has_its_flags() {
    let media = Media::default();
    let audio = Audio::default();
    let cases = [
        ("meeting --participants 4", Scenario::Meeting { participants: 4, media }),
        ("livestream --viewers 100", Scenario::Livestream { publishers: 1, viewers: 100, media }),
        ("audio --speakers 3 --listeners 0", Scenario::Audio { speakers: 3, listeners: 0, audio }),
        (
            "churn --rate 0.5 --stay 1m --rooms 2",
            Scenario::Churn { rooms: 2, publishers: 1, joins_per_second: 0.5, stay_seconds: 60.0, media },
        ),
        ("rooms --rooms 50", Scenario::Rooms { rooms: 50, participants: 4, media }),
    ];
    for (line, scenario) in cases {
        assert_eq!(plan(line).scenarios, [scenario], "{line}");
    }
}

#[test]
fn what_is_sent_is_described_by_flags() {
    let line = "meeting --participants 2 --video-bitrate 2.3M --fps 25 --payload-bytes 1200 --layers 3 --audio-bitrate 64k --packet-ms 60";
    let video = Video { bitrate_bps: 2_300_000, fps: 25, payload_bytes: 1200, layers: 3 };
    let audio = Audio { bitrate_bps: 64_000, packet_ms: 60 };
    let sent = |line: &str| match plan(line).scenarios[0] {
        Scenario::Meeting { media, .. } => media,
        _ => unreachable!(),
    };
    assert_eq!(sent(line), Media { video: Some(video), audio: Some(audio) });
    assert_eq!(sent("meeting --participants 2 --no-video").video, None);
    assert_eq!(sent("meeting --participants 2 --no-audio").audio, None);
}

#[test]
fn flags_of_the_run_may_stand_anywhere() {
    let line = "--seed 7 audio --listeners 9 --duration 5m --ramp 200 --join-timeout 3s --threads 2 --witnesses 0 --sample-every 1 \
        --insecure --server https://sfu.example:8443 --room monday-call --pid 42 --metrics http://localhost:9090/metrics --json --quiet \
        --floor 5s";
    let order = parse(line).unwrap();
    let expected = Plan {
        server: "https://sfu.example:8443".to_owned(),
        insecure: true,
        room: Some("monday-call".to_owned()),
        duration_seconds: 300.0,
        joins_per_second: 200.0,
        join_timeout_seconds: 3.0,
        seed: 7,
        threads: 2,
        witnesses: 0,
        sample_every: 1,
        scenarios: order.plan.scenarios.clone(),
        ..Plan::default()
    };
    assert_eq!(order.plan, expected);
    assert_eq!((order.pid, order.metrics.unwrap().as_str()), (Some(42), "http://localhost:9090/metrics"));
    assert!(order.is_json && order.is_quiet);
    assert_eq!(order.floor, Some(Duration::from_secs(5)));
}

#[test]
fn the_server_follows_from_the_target() {
    assert_eq!(plan("audio --listeners 1").server, "http://localhost:8080");
    let janus = plan("audio --listeners 1 --target janus");
    assert_eq!((janus.server.as_str(), janus.target), ("ws://localhost:8188", TargetKind::Janus));
    for (line, allowed) in [
        ("--server ws://localhost:8188", "allowed for parlor is a URL such as http://localhost:8080"),
        ("--server localhost:8080", "allowed for parlor"),
        ("--target janus --server http://localhost:8188", "allowed for janus is a URL such as ws://localhost:8188"),
    ] {
        let said = refusal(&format!("audio --listeners 1 {line}"));
        assert!(said.contains("--server") && said.contains(allowed), "{said}");
    }
}

#[test]
fn thresholds_are_written_with_their_units() {
    let line = "audio --listeners 1 --max-loss 0.1% --max-latency-p99 20ms --max-jitter-p99 5ms --max-join-p95 1.5s \
        --max-first-packet-p95 2s --max-join-failures 0 --min-packets-per-second 5000 --max-cpu-per-packet 1.5us --max-memory-per-participant 200";
    let expected = Checks {
        max_loss: Some(0.001),
        max_latency_p99_ms: Some(20.0),
        max_jitter_p99_ms: Some(5.0),
        max_join_p95_ms: Some(1500.0),
        max_first_packet_p95_ms: Some(2000.0),
        max_join_failures: Some(0.0),
        min_packets_per_second: Some(5000.0),
        max_cpu_us_per_packet: Some(1.5),
        max_kib_per_participant: Some(200.0),
    };
    assert_eq!(parse(line).unwrap().checks, expected);
    assert_eq!(parse("audio --listeners 1").unwrap().checks, Checks::default());
}

#[test]
fn a_value_that_is_not_allowed_names_its_flag_and_what_is() {
    let cases = [
        ("meeting --participants 0", "--participants", "1..=100000"),
        ("meeting", "--participants", "required"),
        ("livestream --viewers x", "--viewers", "invalid digit"),
        ("audio --listeners 1 --packet-ms 30", "--packet-ms", "10, 20, 40, 60"),
        ("audio --listeners 1 --audio-bitrate 5k", "--audio-bitrate", "from 6000 to 510000"),
        ("meeting --participants 2 --fps 0", "--fps", "1..=120"),
        ("meeting --participants 2 --layers 4", "--layers", "1..=3"),
        ("meeting --participants 2 --payload-bytes 1201", "--payload-bytes", "80..=1200"),
        ("meeting --participants 2 --video-bitrate 1G", "--video-bitrate", "such as 64k or 2.3M"),
        ("meeting --participants 2 --no-video --fps 5", "--no-video", "cannot be used with"),
        ("meeting --participants 2 --no-video --no-audio", "--no-audio", "cannot be used with"),
        ("churn --rate 0", "--rate", "from 0.01 to 10000"),
        ("rooms --rooms 2 --duration 8d", "--duration", "such as 90s, 1.5m or 2h"),
        ("rooms --rooms 2 --room monday-call", "`room`", "in one room, and this takes 2"),
        ("audio --listeners 1 --room a/b", "--room", "allowed for parlor is 3 to 64 letters"),
        ("audio --listeners 1 --target janus --room monday-call", "--room", "allowed for janus is a number"),
        ("rooms --rooms 2 --ramp 0", "--ramp", "from 0.1 to 10000"),
        ("rooms --rooms 2 --threads 0", "--threads", "1..=256"),
        ("rooms --rooms 2 --target mediasoup", "--target", "parlor, janus"),
        ("rooms --rooms 2 --max-loss 2", "--max-loss", "such as 0.5%"),
        ("rooms --rooms 2 --max-latency-p99 20", "--max-latency-p99", "such as 20ms"),
        ("rooms --rooms 2 --metrics 9090", "--metrics", "http://localhost:9090/metrics"),
        ("rooms --rooms 2 --credential-file /nonexistent", "--credential-file", "No such file"),
        ("run /nonexistent.toml", "/nonexistent.toml", "No such file"),
        ("storm", "storm", "unrecognized subcommand"),
    ];
    for (line, flag, allowed) in cases {
        let said = refusal(line);
        assert!(said.contains(flag) && said.contains(allowed), "{line}: {said}");
    }
}

#[test]
fn the_example_describes_every_scenario_and_flags_hold_over_it() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/evening.toml");
    let order = parse(&format!("run {path}")).unwrap();
    let kinds: Vec<_> = order.plan.scenarios.iter().map(Scenario::name).collect();
    assert_eq!(kinds, ["livestream", "rooms", "meeting", "audio", "churn"]);
    assert_eq!(order.checks.max_latency_p99_ms, Some(50.0));

    let line = format!("run {path} --duration 5 --seed 9 --max-loss 1% --server https://other.example");
    let changed = parse(&line).unwrap();
    assert_eq!((changed.plan.duration_seconds, changed.plan.seed), (5.0, 9));
    assert_eq!(changed.plan.server, "https://other.example");
    assert_eq!((changed.checks.max_loss, changed.checks.max_join_failures), (Some(0.01), Some(0.0)));
    assert_eq!(changed.plan.scenarios, order.plan.scenarios);
}

#[test]
fn a_file_that_is_not_right_is_told_where() {
    let scenario = "[[scenarios]]\nkind = \"audio\"\nspeakers = 1\nlisteners = 1\n";
    assert_eq!(file::parse(scenario).unwrap().0.server, "");
    for (text, expected) in [
        ("", "`scenarios` is empty"),
        ("x = 1", "unknown field `x`"),
        ("[[scenarios]]\nkind = \"storm\"", "unknown variant `storm`"),
        ("[[scenarios]]\nkind = \"livestream\"", "missing field `viewers`"),
        ("[[scenarios]]\nkind = \"meeting\"\nparticipants = 0", "`participants` is 0, allowed is 1 to 100000"),
        (&format!("duration_seconds = 0\n{scenario}"), "`duration_seconds` is 0"),
        (&format!("{scenario}[checks]\nmax_lost = 1"), "in `checks`: unknown field `max_lost`"),
        (&format!("{scenario}[checks]\nmax_loss = 1.5"), "in `checks`: `max_loss` is 1.5, allowed is 0 to 1"),
        ("scenarios = [", "TOML parse error at line 1"),
    ] {
        let said = file::parse(text).expect_err(text);
        assert!(said.contains(expected), "{text}: {said}");
    }
}
