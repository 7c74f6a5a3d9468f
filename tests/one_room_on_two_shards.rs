//! One room on two shards of the real server, with webrtc-rs connections on real sockets.

#![allow(clippy::expect_used, clippy::print_stdout, reason = "a test")]

#[path = "../media/tests/webrtc_rs/client.rs"]
#[allow(dead_code, reason = "the tests of the engine use all of it")]
mod client;
#[path = "../media/tests/webrtc_rs/feedback.rs"]
mod feedback;
#[path = "../benches/relay/guest.rs"]
mod guest;
#[path = "../benches/relay/hall.rs"]
mod hall;

use hall::Hall;
use std::time::Duration;

#[test]
fn what_one_publishes_reaches_people_on_both_shards() {
    let mut hall = Hall::open(2, 5, &mut || ());
    hall.rest();
    let rate = hall.push(Duration::from_millis(500));
    assert!(rate > 0.0, "packets got through both shards");
    let (relayed, dropped) = hall.check();
    assert!(relayed > 0.0, "and through the relay");
    assert_eq!(dropped, 0.0);
}
