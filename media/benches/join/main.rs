//! What a join costs the server: everything that it does for one participant from the SDP offer until media flows.
//!
//! A publisher with a camera and a microphone is in the room. The newcomer, a webrtc-rs connection in memory and on virtual
//! time, joins by an offer, ICE, DTLS and SCTP, opens its chat channel, is offered both tracks, answers, and gets a packet of
//! each. Only the server's side counts: reading descriptions, commands, datagrams, timers.
//!
//! The floor is the bare asymmetric cryptography of the handshake, measured right after each join.

#![allow(clippy::expect_used, reason = "a failed expectation is a failed benchmark")]

#[path = "../../tests/webrtc_rs/client.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod client;
#[path = "../../tests/webrtc_rs/feedback.rs"]
mod feedback;
mod floor;
#[path = "../../tests/webrtc_rs/house.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod house;
#[path = "../../tests/webrtc_rs/speaker.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod speaker;
#[path = "../fan_out/turns.rs"]
mod turns;

use criterion::{Criterion, criterion_group, criterion_main};
use floor::Floor;
use house::{House, Spent};
use speaker::Speaker;
use std::time::Duration;
use turns::{Turns, spread, time};

/// A part of a join: its name, and what it took.
type Part = (&'static str, fn(&Spent) -> Duration);

/// As they are printed.
const PARTS: [Part; 7] = [
    ("reading descriptions", |spent| spent.parsing),
    ("join, offer, answer", |spent| spent.commands),
    ("connectivity checks", |spent| spent.ice),
    ("DTLS, server's offer", |spent| spent.deferred),
    ("SCTP", |spent| spent.dtls),
    ("media", |spent| spent.media),
    ("timers", |spent| spent.timers),
];

/// One join of somebody who sends a camera and a microphone too, or who only listens.
fn join_one(sends: bool) -> Spent {
    let mut house = House::new();
    let mut publisher = Speaker::join(&mut house, 1_000);
    publisher.speak(&mut house, 3);
    let mut newcomer = house.new_client();
    let sender = sends.then(|| (newcomer.add_audio(5_000), newcomer.add_video(5_001)));
    house.spent = Spent::default();
    let number = house.join(newcomer);
    let received = |house: &House| house.clients[number].packets.len();
    for _ in 0..10 {
        if received(&house) >= 2 {
            break;
        }
        publisher.speak(&mut house, 1);
    }
    assert!(received(&house) >= 2, "media flows");
    assert_eq!(house.shard.stats().publications, if sender.is_some() { 4 } else { 2 });
    house.spent
}

fn total(spent: &Spent) -> Duration {
    PARTS.iter().map(|(_, part)| part(spent)).sum()
}

fn join(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("join");
    group.sample_size(20).warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(6));
    for (name, sends) in [("a listener", false), ("a participant who sends", true)] {
        let floor = Floor::new();
        let mut turns = Turns::of("join", "join", "handshake");
        let mut joins = Vec::new();
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut sum = Duration::ZERO;
                for _ in 0..iterations {
                    let spent = join_one(sends);
                    let handshake = time(|| floor.handshake());
                    turns.note(1, total(&spent), handshake);
                    joins.push(spent);
                    sum += total(&spent);
                }
                sum
            });
        });
        turns.report(name);
        report_parts(&joins);
    }
    group.finish();
}

#[allow(clippy::print_stdout, reason = "the result of the benchmark")]
fn report_parts(joins: &[Spent]) {
    for (name, part) in PARTS {
        let mut samples: Vec<f64> = joins.iter().map(|spent| part(spent).as_nanos() as f64 / 1_000.0).collect();
        if let Some(spread) = spread(&mut samples) {
            println!("  of it {name:<22}{spread:.1?} us");
        }
    }
}

criterion_group!(benches, join);
criterion_main!(benches);
