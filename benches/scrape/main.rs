//! What a scrape costs with 1,000 rooms of four: how long one takes, and what media notices of one each second.
//!
//! The server is the real one, in this process: its shards have the rooms and participants, its signalling has their sessions,
//! each on a WebSocket over loopback. Beside it, one room of webrtc-rs connections forwards video on this thread, in turns of
//! a few microseconds as in the `fan_out` benchmark of `parlor-media`, with somebody scraping and without, in windows that
//! alternate. Load of the machine falls on both kinds alike.

#![allow(clippy::expect_used, reason = "a failed expectation is a failed benchmark")]
#![allow(clippy::print_stdout, reason = "the results of the benchmark")]

#[path = "../../media/tests/webrtc_rs/client.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod client;
mod crowd;
#[path = "../../media/tests/webrtc_rs/feedback.rs"]
mod feedback;
#[path = "../../media/tests/webrtc_rs/house.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod house;
#[path = "../../media/benches/fan_out/stage.rs"]
mod stage;

use criterion::{Criterion, criterion_group, criterion_main};
use crowd::Crowd;
use parlor_media::command::MediaKind;
use stage::{SUBSCRIBERS, Stage};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ROOMS: usize = 1_000;
const PER_ROOM: usize = 4;

/// As often as the most eager operators scrape.
const SCRAPE_INTERVAL: Duration = Duration::from_secs(1);

/// Windows of forwarding, of which every other one has scrapes.
const WINDOWS: usize = 12;
const WINDOW: Duration = Duration::from_secs(5);

/// Packets of a video frame.
const BURST: usize = 8;

fn scrape(criterion: &mut Criterion) {
    let crowd = Crowd::gather(ROOMS, PER_ROOM);
    let text = crowd.scrape();
    assert!(text.contains(&format!("\nparlor_rooms {ROOMS}\n")), "{text}");
    assert!(text.contains(&format!("\nparlor_participants {}\n", ROOMS * PER_ROOM)), "{text}");
    println!("{ROOMS} rooms of {PER_ROOM}: {} lines, {} bytes", text.lines().count(), text.len());
    let mut taken = Vec::new();
    criterion.bench_function("GET /metrics", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut total = Duration::ZERO;
            for _ in 0..iterations {
                let begin = Instant::now();
                crowd.scrape();
                taken.push(begin.elapsed().as_secs_f64() * 1e3);
                total += begin.elapsed();
            }
            total
        });
    });
    println!("a scrape, milliseconds: {}", Spread::of(&mut taken));
    compare(crowd);
}

/// Forwards with scrapes and without, in turns.
fn compare(crowd: Crowd) {
    let crowd = Arc::new(crowd);
    let scrapes = Arc::new(AtomicBool::new(false));
    let (theirs, on) = (Arc::clone(&crowd), Arc::clone(&scrapes));
    // Ends with the process.
    std::thread::spawn(move || {
        loop {
            if on.load(Ordering::Relaxed) {
                theirs.scrape();
            }
            std::thread::sleep(SCRAPE_INTERVAL);
        }
    });
    let mut stage = Stage::new(MediaKind::Video, 1_200);
    let mut sides = [Side::default(), Side::default()];
    for window in 0..WINDOWS {
        let side = window % 2;
        scrapes.store(side == 1, Ordering::Relaxed);
        // Readings are hung out once a second.
        let busy = crowd.busy_seconds();
        let begin = Instant::now();
        while begin.elapsed() < WINDOW {
            let mut datagrams = stage.publish(BURST);
            let turn = Instant::now();
            stage.forward(&mut datagrams);
            sides[side].nanoseconds.push(turn.elapsed().as_nanos() as f64 / (BURST * SUBSCRIBERS) as f64);
            stage.rest();
        }
        sides[side].work.push((crowd.busy_seconds() - busy) * 1e6 / begin.elapsed().as_secs_f64());
    }
    stage.check();
    let [without, with] = sides.map(Side::report);
    println!("forwarding without scrapes, ns a packet: {}", without.forwarding);
    println!("forwarding with one a second:            {}", with.forwarding);
    println!(
        "ratio of the medians {:.3}, of the means {:.3}",
        with.forwarding.median / without.forwarding.median,
        with.forwarding.mean / without.forwarding.mean
    );
    println!("work of the server's shards without scrapes, microseconds a second: {}", without.work);
    println!("with one a second:                                                  {}", with.work);
}

/// What was measured in the windows of one kind.
#[derive(Default)]
struct Side {
    nanoseconds: Vec<f64>,
    /// Of all shards' threads together, in microseconds a second.
    work: Vec<f64>,
}

struct Report {
    forwarding: Spread,
    work: Spread,
}

impl Side {
    fn report(mut self) -> Report {
        Report { forwarding: Spread::of(&mut self.nanoseconds), work: Spread::of(&mut self.work) }
    }
}

/// Where measurements lie.
struct Spread {
    low: f64,
    median: f64,
    high: f64,
    mean: f64,
}

impl Spread {
    fn of(samples: &mut [f64]) -> Self {
        samples.sort_by(f64::total_cmp);
        let at = |tenths: usize| samples[(samples.len() - 1) * tenths / 10];
        Self { low: at(1), median: at(5), high: at(9), mean: samples.iter().sum::<f64>() / samples.len() as f64 }
    }
}

impl std::fmt::Display for Spread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { low, median, high, mean } = self;
        write!(f, "median {median:.3} [{low:.3} to {high:.3} in eight of ten], mean {mean:.3}")
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(50).measurement_time(Duration::from_secs(10));
    targets = scrape
}
criterion_main!(benches);
