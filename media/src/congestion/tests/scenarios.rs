//! What the estimate is worth on paths of many kinds. Each scenario runs with several seeds.
//!
//! `PRINT=1` with `--nocapture` prints the figures; `SEEDS` takes more seeds.

use super::call::{Call, Seen, Wishes};
use super::path::{Losses, Quality};

fn seeds() -> std::ops::Range<u64> {
    let count = std::env::var("SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(4);
    1..count + 1
}

/// Figures of all seeds.
fn report(name: &str, figures: &[(f64, &str)]) {
    if std::env::var_os("PRINT").is_some() {
        let figures: Vec<_> = figures.iter().map(|(value, unit)| format!("{value:.1} {unit}")).collect();
        #[allow(clippy::print_stderr, reason = "for a person who asks")]
        {
            eprintln!("{name}: {}", figures.join(", "));
        }
    }
}

/// Runs a call per seed, and asserts of all of them; worst values are reported.
fn settled(
    name: &str,
    quality: Quality,
    wishes: Wishes,
    settle_ms: i64,
    link_bps: f64,
    range: [f64; 2],
    waiting_ms: f64,
) {
    let seen: Vec<(u64, Seen)> = seeds()
        .map(|seed| {
            let mut call = Call::new(quality, wishes, seed);
            call.run_ms(settle_ms + 30_000);
            (seed, call.since(settle_ms))
        })
        .collect();
    let worst = |value: &dyn Fn(&Seen) -> f64, pick: fn(f64, f64) -> f64| {
        seen.iter().map(|(_, s)| value(s)).reduce(pick).unwrap_or_default()
    };
    let percent = 100.0 / link_bps;
    report(
        name,
        &[
            (worst(&|s| s.mean_bps, f64::min) * percent, "% least mean"),
            (worst(&|s| s.mean_bps, f64::max) * percent, "% greatest mean"),
            (worst(&|s| s.min_bps, f64::min) * percent, "% min"),
            (worst(&|s| s.max_bps, f64::max) * percent, "% max"),
            (worst(&|s| s.waiting_ms, f64::max), "ms p95 wait"),
        ],
    );
    for (seed, seen) in &seen {
        assert!(
            seen.mean_bps >= link_bps * range[0] && seen.mean_bps <= link_bps * range[1],
            "{name}, seed {seed}: {seen:?}"
        );
        assert!(seen.waiting_ms <= waiting_ms, "{name}, seed {seed}: {seen:?}");
    }
}

/// Reports the slowest, and asserts of all.
fn in_time(name: &str, limit_ms: i64, run: impl Fn(u64) -> i64) {
    let times: Vec<_> = seeds().map(|seed| (run(seed), seed)).collect();
    report(name, &[(times.iter().max().map_or(0.0, |(ms, _)| *ms as f64), "ms at most")]);
    for (ms, seed) in times {
        assert!(ms <= limit_ms, "{name}, seed {seed}: {ms} ms");
    }
}

#[test]
fn steady_links_are_filled_without_a_long_queue() {
    for rate_bps in [2e6, 1e6, 400e3, 150e3] {
        let name = format!("steady {} kbit/s", rate_bps / 1e3);
        settled(&name, Quality::narrow(rate_bps), Wishes::all(5e6), 10_000, rate_bps, [0.85, 1.05], 100.0);
    }
}

#[test]
fn losses_that_are_the_paths_own_do_not_starve_it() {
    let random = |share| Quality { losses: Losses::Random(share), ..Quality::narrow(1e6) };
    settled("2 % random loss", random(0.02), Wishes::all(5e6), 10_000, 1e6, [0.8, 1.1], 150.0);
    settled("5 % random loss", random(0.05), Wishes::all(5e6), 10_000, 1e6, [0.8, 1.1], 150.0);
    settled("10 % random loss", random(0.10), Wishes::all(5e6), 10_000, 1e6, [0.7, 1.1], 150.0);
    let bursts = Quality { losses: Losses::Bursts { share: 0.1, mean_len: 5.0 }, ..Quality::narrow(1e6) };
    settled("10 % bursty loss", bursts, Wishes::all(5e6), 10_000, 1e6, [0.7, 1.1], 150.0);
}

#[test]
fn jitter_is_no_congestion() {
    let jittery = |reorders| Quality { delay_us: 50_000, jitter_us: 100_000, reorders, ..Quality::narrow(1e6) };
    settled("jitter 100±50 ms", jittery(false), Wishes::all(5e6), 15_000, 1e6, [0.75, 1.15], 300.0);
    settled("jitter 100±50 ms, reordered", jittery(true), Wishes::all(5e6), 15_000, 1e6, [0.75, 1.15], 300.0);
}

#[test]
fn a_policer_is_found_by_its_losses() {
    let policed = Quality { policed_bps: Some(1e6), ..Quality::FREE };
    settled("policed to 1 Mbit/s", policed, Wishes::all(5e6), 15_000, 1e6, [0.7, 1.45], 10.0);
}

#[test]
fn lost_feedback_does_little() {
    let quality = Quality { feedback_loss: 0.1, ..Quality::narrow(1e6) };
    settled("10 % of feedback lost", quality, Wishes::all(5e6), 10_000, 1e6, [0.75, 1.05], 120.0);
}

#[test]
fn cross_traffic_leaves_its_share() {
    let quality = Quality { cross_bps: 1e6, ..Quality::narrow(2e6) };
    settled("1 of 2 Mbit/s is somebody else's", quality, Wishes::all(5e6), 15_000, 1e6, [0.75, 1.1], 150.0);
}

#[test]
fn a_step_down_is_followed() {
    in_time("2 to 0.4 Mbit/s", 1_000, |seed| {
        let mut call = Call::new(Quality::narrow(2e6), Wishes::all(5e6), seed);
        call.run_ms(15_000);
        call.change(|quality| quality.rate_bps = Some(400e3));
        call.run_ms(20_000);
        // While the queue drains it is lower; then it is as it should be.
        let settled = call.since(27_000);
        assert!(
            (0.85 * 400e3..=1.05 * 400e3).contains(&settled.mean_bps) && settled.waiting_ms < 150.0,
            "seed {seed}: {settled:?}"
        );
        let is_wrong = |bps: f64| !(120e3..=500e3).contains(&bps);
        let last = call.samples.iter().rfind(|sample| is_wrong(sample.estimate_bps) && sample.at_ms < 22_000);
        last.map_or(0, |sample| sample.at_ms - 15_000)
    });
}

/// A sender that gives everything up for it hears nothing more that could tell it.
#[test]
fn a_queue_that_nothing_is_added_to_has_drained() {
    for seed in seeds() {
        let mut call = Call::new(Quality::narrow(2e6), Wishes::all(5e6), seed);
        call.run_ms(15_000);
        call.change(|quality| quality.rate_bps = Some(400e3));
        call.run_ms(500);
        call.wishes = Wishes { cap_bps: 0.0, next_bps: 300e3, wanted_bps: 2e6 };
        call.run_ms(3_000);
        let estimate_bps = call.congestion.estimate_bps();
        assert!((250_000..=500_000).contains(&estimate_bps), "seed {seed}: {estimate_bps}");
    }
}

#[test]
fn a_step_up_is_found() {
    in_time("0.4 to 2 Mbit/s", 10_000, |seed| {
        let mut call = Call::new(Quality::narrow(400e3), Wishes::all(5e6), seed);
        call.run_ms(40_000);
        call.change(|quality| *quality = Quality::narrow(2e6));
        call.run_ms(20_000);
        call.reached_ms(40_000, 1.6e6)
    });
}

#[test]
fn an_outage_is_made_good() {
    in_time("after an outage of 3 s", 3_000, |seed| {
        let mut call = Call::new(Quality::narrow(2e6), Wishes::all(5e6), seed);
        call.run_ms(15_000);
        let before_bps = call.since(10_000).mean_bps;
        call.change(|quality| quality.is_down = true);
        call.run_ms(3_000);
        assert!(call.congestion.estimate_bps() as f64 <= before_bps * 0.4);
        call.change(|quality| quality.is_down = false);
        call.run_ms(10_000);
        call.reached_ms(18_000, before_bps * 0.8)
    });
}

#[test]
fn who_sends_little_finds_room_by_probes() {
    in_time("room for 800 kbit/s while 300 are sent", 4_000, |seed| {
        let wishes = Wishes { cap_bps: 300e3, next_bps: 800e3, wanted_bps: 2e6 };
        let mut call = Call::new(Quality::narrow(2e6), wishes, seed);
        call.run_ms(60_000);
        let seen = call.since(4_000);
        assert!(seen.min_bps >= 800e3, "{seen:?}");
        call.reached_ms(0, 800e3)
    });
}

#[test]
fn a_free_path_is_soon_known() {
    in_time("2 Mbit/s at the start", 2_000, |seed| {
        let mut call = Call::new(Quality::FREE, Wishes::all(5e6), seed);
        call.run_ms(5_000);
        call.reached_ms(0, 2e6)
    });
    in_time("5 Mbit/s at the start", 2_000, |seed| {
        let mut call = Call::new(Quality::FREE, Wishes::all(5e6), seed);
        call.run_ms(30_000);
        assert!(call.since(3_000).min_bps > 4e6);
        call.reached_ms(0, 5e6)
    });
}

#[test]
fn a_late_receiver_does_not_lower_it() {
    in_time("5 Mbit/s, receiver late by up to 10 ms", 3_000, |seed| {
        let quality = Quality { delay_us: 200, receiver_pause_us: 10_000, ..Quality::FREE };
        let mut call = Call::new(quality, Wishes::all(5e6), seed);
        call.run_ms(60_000);
        let seen = call.since(5_000);
        assert!(seen.min_bps > 2.5e6 && seen.mean_bps > 4.5e6, "seed {seed}: {seen:?}");
        call.reached_ms(0, 5e6)
    });
}
