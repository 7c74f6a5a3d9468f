//! What it costs to find out whose a datagram is: `Shard::handle_datagram` for datagrams that go no further.
//!
//! - *unknown*: media from an address that nobody has, as floods consist of.
//! - *known*: media of somebody who is here, too short to be decrypted.
//! - *check*: a connectivity check that is authenticated and answered, as each client sends every few seconds.
//!
//! A hundred people are connected, and the datagrams are theirs by turns. The floor is one look-up of the same path in a hash
//! table of as many entries; for checks the two HMAC-SHA1 of request and answer (RFC 8489 section 14.5) come on top.

#![allow(clippy::expect_used, reason = "a failed expectation is a failed benchmark")]

#[path = "../../tests/webrtc_rs/client.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod client;
#[path = "../../tests/webrtc_rs/feedback.rs"]
mod feedback;
#[path = "../../tests/webrtc_rs/house.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod house;
#[path = "../fan_out/turns.rs"]
mod turns;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use house::{House, path_of};
use parlor_media::drop_reason::DropReason;
use parlor_media::path::Path;
use parlor_media::transport::demux::{DatagramKind, classify};
use ring::hmac::{HMAC_SHA1_FOR_LEGACY_USE_ONLY, Key, sign};
use std::collections::HashMap;
use std::hint::black_box;
use std::time::Duration;
use turns::{Turns, time};

const PEOPLE: usize = 100;

/// How often everybody's datagram comes in a turn.
const ROUNDS: usize = 10;

/// Bytes of a check and of its answer, as far as the HMAC covers them.
const COVERED: usize = 80;

/// A datagram of everybody's, with the path it comes by.
type Datagrams = Vec<(Path, Vec<u8>)>;

/// A house of connected people, and a check of each.
fn house() -> (House, Datagrams) {
    let mut house = House::new();
    for _ in 0..PEOPLE {
        house.join_silent();
    }
    let mut checks = HashMap::new();
    while checks.len() < PEOPLE {
        house.now += Duration::from_millis(100);
        for client in &mut house.clients {
            client.handle_timeout(house.now);
            while let Some(datagram) = client.poll_datagram() {
                if classify(&datagram) == DatagramKind::Stun {
                    checks.insert(path_of(client), datagram);
                }
            }
        }
    }
    house.shard.outbox().clear();
    (house, checks.into_iter().collect())
}

fn demux(criterion: &mut Criterion) {
    let (mut house, checks) = house();
    let media = |(path, _): &(Path, Vec<u8>)| (*path, vec![0x80; 20]);
    let known: Datagrams = checks.iter().map(media).collect();
    let elsewhere = |path: Path| Path { remote: (path.remote.ip(), path.remote.port() + 20_000).into(), ..path };
    let unknown: Datagrams = known.iter().map(|(path, datagram)| (elsewhere(*path), datagram.clone())).collect();
    let table: HashMap<Path, u32> = known.iter().zip(0..).map(|((path, _), slot)| (*path, slot)).collect();
    let key = Key::new(HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[7; 24]);
    let mut group = criterion.benchmark_group("demux");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Elements((PEOPLE * ROUNDS) as u64));
    for (name, mut datagrams, macs) in [("unknown", unknown, 0), ("known", known, 0), ("check", checks, 2)] {
        let mut turns = Turns::of("datagram", "demux", "look-up");
        let before = house.shard.stats();
        let mut count = 0;
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    let demux = time(|| {
                        for _ in 0..ROUNDS {
                            for (path, datagram) in &mut datagrams {
                                house.shard.handle_datagram(house.now, path, datagram);
                            }
                        }
                    });
                    house.shard.outbox().clear();
                    let floor = time(|| {
                        for _ in 0..ROUNDS {
                            for (path, _) in &datagrams {
                                black_box(table.get(black_box(path)));
                                for _ in 0..macs {
                                    black_box(sign(&key, black_box(&[0; COVERED])));
                                }
                            }
                        }
                    });
                    count += (PEOPLE * ROUNDS) as u64;
                    turns.note((PEOPLE * ROUNDS) as u64, demux, floor);
                    total += demux;
                }
                total
            });
        });
        let dropped = |reason| house.shard.stats().drops[reason as usize] - before.drops[reason as usize];
        let expected = match name {
            "unknown" => dropped(DropReason::UnknownPath),
            "known" => dropped(DropReason::MalformedRtp),
            _ => count - house.shard.stats().drops.iter().sum::<u64>() + before.drops.iter().sum::<u64>(),
        };
        assert_eq!(expected, count, "all went the way that was measured");
        turns.report(name);
    }
    group.finish();
}

criterion_group!(benches, demux);
criterion_main!(benches);
