//! Whole calls over simulated paths, on virtual time.

mod call;
mod hostile;
mod path;
mod scenarios;

use super::history::History;
use super::{Arrival, TOGETHER_US};
use crate::allocations::allocations_of;
use call::{Call, Wishes};
use path::Quality;

#[test]
fn nothing_is_allocated_once_the_history_is_long_enough() {
    let mut call = Call::new(Quality::narrow(2e6), Wishes::all(5e6), 1);
    call.run_ms(5_000);
    let messages = call.record_ms(400);
    assert!(messages.len() > 4);
    let now = call.now();
    let allocated = allocations_of(|| {
        for message in &messages {
            assert_eq!(call.congestion.on_feedback(now, message), Ok(()));
            call.congestion.on_sent(now, 1_000, None);
            call.congestion.handle_timeout(now, crate::congestion::Demand::default());
        }
    });
    assert_eq!(allocated, 0);
}

#[test]
fn what_left_at_once_and_arrived_together_is_one_arrival() {
    let mut history = History::new();
    for (at_us, cluster) in [(100, 0), (100, 0), (200, 0), (100, 3)] {
        history.push(at_us, 1_000, cluster);
    }
    let base = history.next_sequence().wrapping_sub(4);
    let [first, second, later, probe] = [0, 1, 2, 3].map(|n| history.report(base.wrapping_add(n), true).expect("sent"));
    let mut arrival = Arrival::new(first, 5_000);
    assert!(arrival.takes(second, 5_000 + TOGETHER_US));
    assert_eq!((arrival.packets, arrival.bytes, arrival.first_us, arrival.last_us), (2, 2_000, 5_000, 6_000));
    assert!(!arrival.takes(second, 6_001), "a queue let go of it one by one");
    assert!(!arrival.takes(second, 5_999), "out of order");
    assert!(!arrival.takes(later, 6_000) && !arrival.takes(probe, 6_000));
    assert!(!Arrival::new(probe, 5_000).takes(second, 5_000));
    assert_eq!(
        (arrival.packets, arrival.bytes, arrival.last_us),
        (2, 2_000, 6_000),
        "what is not taken changes nothing"
    );
}
