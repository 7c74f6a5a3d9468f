//! What it costs to know what fifty listeners' paths carry, and to choose layers by that, beside forwarding to them.
//!
//! Three people talk and fifty listen. Forwarding is measured as in `benches/forwarding`: the server's own tick with real sockets on
//! loopback, from the kernel's having a frame's datagrams to its having those for everybody. The estimators, one for each listener, and
//! the allocator are the engine's own (`media/src/instruments.rs`), called as the engine calls them: for each packet that leaves, for
//! each report of arrivals, by the clock, and for each choice. Reports come as Chromium sends them, every 100 ms, and are written by the
//! engine's recorder. All listeners have their turn before the first has its next, so that caches are as cold as they are when
//! forwarding. What the clock that measures takes itself is taken off.
//!
//! Both take turns, and the medians are over the turns.

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
#[path = "../../src/heartbeat.rs"]
#[allow(dead_code, unused_imports, reason = "the server and its tests use all of it")]
mod heartbeat;
#[path = "../../media/tests/webrtc_rs/house.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod house;
mod listeners;
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
#[path = "../forwarding/shard_thread.rs"]
#[allow(dead_code, unused_imports, reason = "the server and its tests use all of it")]
mod shard_thread;
#[path = "../forwarding/venue.rs"]
#[allow(dead_code, reason = "another benchmark uses all of it")]
mod venue;

use cpu::{spread, time};
use listeners::{Cost, Listeners};
use parlor_media::command::MediaKind;
use shard_thread::Turner;
use venue::Venue;

const PUBLISHERS: usize = 3;
const LISTENERS: usize = 50;
/// Packets of a frame: 864 kbit/s at 30 frames a second.
const FRAME: [usize; 3] = [1_200; 3];
/// Seconds of the call that are measured, and those before in which estimates grow.
const SECONDS: usize = 60;
const WARM_UP: usize = 10;
const FRAMES_PER_S: usize = 30;

fn main() {
    let (mut venue, mut turner) = (Venue::of(MediaKind::Video, PUBLISHERS, LISTENERS), Turner::new());
    let mut listeners = Listeners::new(LISTENERS, PUBLISHERS);
    let (mut forwarding, mut shares) = (Vec::new(), Vec::new());
    let mut costs: [Vec<f64>; 4] = Default::default();
    for second in 0..WARM_UP + SECONDS {
        let (mut forwarded_ns, mut forwarded) = (0.0, 0.0);
        let mut cost = Cost::default();
        for _ in 0..FRAMES_PER_S {
            for publisher in 0..PUBLISHERS {
                venue.write_of(publisher, &FRAME);
                venue.send(turner.port(), FRAME.len());
                forwarded_ns += time(|| turner.turn(&mut venue)).as_nanos() as f64;
                forwarded += (FRAME.len() * venue.fan_out()) as f64;
                venue.receivers().drain();
            }
            cost.add(&listeners.frame(&FRAME));
            venue.rest();
        }
        if second < WARM_UP {
            continue;
        }
        let per_packet = forwarded_ns / forwarded;
        forwarding.push(per_packet);
        for (samples, spent) in costs.iter_mut().zip(cost.parts_ns()) {
            samples.push(spent / cost.packets);
        }
        shares.push(100.0 * cost.total_ns() / cost.packets / per_packet);
    }
    println!(
        "three people, {LISTENERS} listeners, CPU time per forwarded packet, 10th percentile, median, 90th percentile"
    );
    println!("  forwarding       {:.0?} ns", spread(&mut forwarding));
    for (name, samples) in ["packets that leave", "reports", "the clock", "the allocator"].into_iter().zip(&mut costs) {
        println!("  {name:<18} {:.2?} ns", spread(samples));
    }
    println!("  estimator and allocator {:.2?} % of forwarding", spread(&mut shares));
    println!("  estimates {:?} kbit/s", listeners.estimates_kbps());
}
