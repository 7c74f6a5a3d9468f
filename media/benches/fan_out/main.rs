//! What forwarding costs: `Shard::handle_datagram` per forwarded packet, from one publisher to thirty subscribers, without
//! sockets. It decrypts, stores, renumbers, copies and seals.
//!
//! The floor is the least that forwarding takes with a library: ring sealing the same number of bytes with AES-128-GCM, as often, in one
//! buffer that never leaves the cache. The engine's own sealing may take less (`media/benches/sealing`). Both take turns of some microseconds, and medians are taken over the turns, so that
//! whatever else the machine does hardly counts. The ratio of the two is the figure to compare between machines; Criterion's
//! own figures, which are means over many turns, are for comparing changes on a quiet machine.

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
mod stage;
mod turns;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use floor::Floor;
use parlor_media::command::MediaKind;
use stage::{SUBSCRIBERS, Stage};
use std::time::Duration;
use turns::{Turns, time};

/// One kind of traffic.
struct Case {
    name: &'static str,
    kind: MediaKind,
    /// Payload bytes of a packet.
    payload: usize,
    /// Packets that come at once, as a video frame's do.
    burst: usize,
}

const CASES: [Case; 2] = [
    Case { name: "video, 1200 bytes", kind: MediaKind::Video, payload: 1_200, burst: 8 },
    Case { name: "audio, 160 bytes", kind: MediaKind::Audio, payload: 160, burst: 1 },
];

fn fan_out(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("fan_out");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(3));
    for case in CASES {
        let forwarded = (case.burst * SUBSCRIBERS) as u64;
        let mut stage = Stage::new(case.kind, case.payload);
        let mut floor = Floor::new(stage.header_len, case.payload);
        let mut turns = Turns::default();
        group.throughput(Throughput::Elements(forwarded));
        group.bench_function(case.name, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    let mut datagrams = stage.publish(case.burst);
                    let forwarding = time(|| stage.forward(&mut datagrams));
                    let sealing = time(|| floor.seal(forwarded));
                    turns.note(forwarded, forwarding, sealing);
                    total += forwarding;
                    stage.rest();
                }
                total
            });
        });
        stage.check();
        turns.report(case.name);
    }
    group.finish();
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
