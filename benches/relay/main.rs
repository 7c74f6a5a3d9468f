//! How much more one room carries on two shards than on one: the whole server with its threads and real sockets.
//!
//! One person publishes, 200 receive. Packets are pushed as fast as the shards take them: as many are on their way as some
//! receive batches hold, and the next follow when the slowest shard has sent those. The same people are in two servers, in
//! one of which the room is on one shard, in the other on two; both are measured in turns, so that the load of the machine
//! falls on both alike. Receivers read nothing meanwhile, but for one on each shard, by whom the packets are counted: what
//! they are sent ends in their sockets' buffers, at the shard's expense.
//!
//! The publisher and the counting share the machine with the shards: on two cores they take about a tenth of one.

#![allow(clippy::expect_used, reason = "a failed expectation is a failed benchmark")]
#![allow(clippy::print_stdout, reason = "the results of the benchmark")]

#[path = "../../media/tests/webrtc_rs/client.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod client;
#[path = "../../media/tests/webrtc_rs/feedback.rs"]
mod feedback;
mod guest;
mod hall;

use hall::Hall;
use std::time::Duration;

const SUBSCRIBERS: usize = 200;

/// Measurements of each kind, in turns.
const WINDOWS: usize = 6;
const WINDOW: Duration = Duration::from_secs(2);

fn main() {
    let mut one = Hall::open(1, SUBSCRIBERS, &mut || ());
    // While it fills, those in the first would be taken for gone.
    let two = Hall::open(2, SUBSCRIBERS, &mut || one.rest());
    let mut halls = [one, two];
    let mut rates = [Vec::new(), Vec::new()];
    let mut ratios = Vec::new();
    for _ in 0..WINDOWS {
        let pair = [0, 1].map(|kind| {
            halls.iter_mut().for_each(Hall::rest);
            halls[kind].push(WINDOW) * SUBSCRIBERS as f64
        });
        ratios.push(pair[1] / pair[0]);
        rates.iter_mut().zip(pair).for_each(|(rates, rate)| rates.push(rate));
    }
    for (shards, rates) in (1..).zip(&mut rates) {
        println!("{SUBSCRIBERS} subscribers on {shards} shard(s), packets forwarded a second: {}", spread(rates, 0));
    }
    println!("ratio of two shards to one: {}", spread(&mut ratios, 2));
    for hall in &mut halls {
        hall.check();
    }
}

/// Median, least and most.
fn spread(values: &mut [f64], digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let (least, most) = (values[0], values[values.len() - 1]);
    format!("{:.digits$} [{least:.digits$}–{most:.digits$}]", values[values.len() / 2])
}
