//! What forwarding costs with sockets: everything between the kernel's having a publisher's datagrams and its having those
//! for thirty subscribers, in CPU time of the shard's thread.
//!
//! The tick is the server's own (`src/shard_thread/body.rs` and `src/net`, compiled into the benchmark), with the real engine
//! and a real socket. Each subscriber has a real socket on loopback, which is emptied outside of the clock; so is the
//! publisher's, whose frame waits in the shard's socket when a turn begins. On loopback the kernel's receiving side runs within
//! the send, for Parlor and floor alike.
//!
//! The floor does the least that could do the same for the network: ring seals as many bytes, as often, with one key in one
//! buffer that never leaves the cache, and the result goes to each destination by `sendmsg` with GSO, or by `sendto` where it
//! is a single datagram. Both take turns, and the medians are over the turns.

#![allow(clippy::expect_used, reason = "a failed expectation is a failed benchmark")]
#![allow(clippy::print_stdout, reason = "the results of the benchmark")]

#[path = "../../media/tests/webrtc_rs/client.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod client;
#[path = "../../src/clock.rs"]
#[allow(dead_code, unused_imports, reason = "the server and its tests use all of it")]
mod clock;
#[path = "../sending/cpu.rs"]
mod cpu;
#[path = "../../src/engine.rs"]
#[allow(dead_code, unused_imports, reason = "the server and its tests use all of it")]
mod engine;
#[path = "../../media/tests/webrtc_rs/feedback.rs"]
mod feedback;
mod floor;
#[path = "../../src/heartbeat.rs"]
#[allow(dead_code, unused_imports, reason = "the server and its tests use all of it")]
mod heartbeat;
#[path = "../../media/tests/webrtc_rs/house.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod house;
#[path = "../../src/load.rs"]
#[allow(dead_code, unused_imports, reason = "the server and its tests use all of it")]
mod load;
#[path = "../../src/net/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the server and its tests use all of it")]
mod net;
#[path = "../../src/readings.rs"]
#[allow(dead_code, reason = "the server uses all of it")]
mod readings;
#[path = "../sending/receivers.rs"]
mod receivers;
#[allow(dead_code, unused_imports, reason = "the server and its tests use all of it")]
mod shard_thread;
mod turns;
mod venue;

use cpu::time;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use floor::Floor;
use parlor_media::command::MediaKind;
use shard_thread::Turner;
use std::time::{Duration, Instant};
use turns::Turns;
use venue::{SUBSCRIBERS, Venue};

/// Turns of the same length that would fit between the begins of two. A shard that is busy for half of its time waits for more to
/// come (`src/shard_thread/window.rs`), but here a turn finds all that there is, and would be charged for sleeping.
const BETWEEN_TURNS: u32 = 3;

/// Waits as a busy machine does, so that nothing begins with cold caches.
fn stay_awake(until: Instant) {
    while Instant::now() < until {
        std::hint::spin_loop();
    }
}

/// One kind of traffic.
struct Case {
    name: &'static str,
    kind: MediaKind,
    /// Payload bytes of a frame's packets.
    frame: &'static [usize],
    /// Each packet has a tick of its own, as when they come far apart and no window holds them.
    apart: bool,
}

const CASES: [Case; 4] = [
    Case { name: "video, 8 packets of 1200 bytes", kind: MediaKind::Video, frame: &[1_200; 8], apart: false },
    // As libwebrtc splits a frame: as equally as can be, the larger packets last.
    Case {
        name: "video, 8 packets of 1199 and 1200 bytes",
        kind: MediaKind::Video,
        frame: &[1_199, 1_199, 1_199, 1_200, 1_200, 1_200, 1_200, 1_200],
        apart: false,
    },
    Case {
        name: "video, 8 packets of 1200 bytes, one a tick",
        kind: MediaKind::Video,
        frame: &[1_200; 8],
        apart: true,
    },
    Case { name: "audio, 160 bytes", kind: MediaKind::Audio, frame: &[160], apart: false },
];

fn forwarding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("forwarding");
    group.warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(4));
    for case in CASES {
        let forwarded = (case.frame.len() * SUBSCRIBERS) as u64;
        let payload: usize = case.frame.iter().sum();
        let (mut venue, mut turner, mut turns) = (Venue::new(case.kind), Turner::new(), Turns::default());
        let largest = case.frame.iter().max().copied().unwrap_or_default();
        let mut floor = Floor::new(&venue.receivers().addresses(), case.frame.len(), largest);
        group.throughput(Throughput::Elements(forwarded));
        group.bench_function(case.name, |bencher| {
            bencher.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    let mut forwarding = Duration::ZERO;
                    let mut received = 0;
                    venue.write(case.frame);
                    for _ in 0..if case.apart { case.frame.len() } else { 1 } {
                        venue.send(turner.port(), if case.apart { 1 } else { case.frame.len() });
                        let begin = Instant::now();
                        forwarding += time(|| turner.turn(&mut venue));
                        let took = begin.elapsed();
                        received += venue.receivers().drain();
                        stay_awake(begin + BETWEEN_TURNS * took);
                    }
                    assert!(received >= payload * SUBSCRIBERS, "only {received} bytes arrived");
                    let least = time(|| floor.forward());
                    venue.receivers().drain();
                    turns.note(forwarded, forwarding, least);
                    total += forwarding;
                    venue.rest();
                }
                total
            });
        });
        venue.check();
        let messages = turner.readings().egress.messages;
        turns.report(case.name, messages.sum() as f64 / messages.count().max(1) as f64);
    }
    group.finish();
}

criterion_group!(benches, forwarding);
criterion_main!(benches);
