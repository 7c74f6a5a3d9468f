//! Whole calls over simulated paths, on virtual time.

mod call;
mod hostile;
mod path;
mod scenarios;

use crate::allocations::allocations_of;
use call::{Call, Wishes};
use path::Quality;

#[test]
fn nothing_is_allocated_once_the_history_is_long_enough() {
    let mut call = Call::new(Quality::narrow(2e6), Wishes::all(5e6), 1);
    call.run_ms(5_000);
    let messages = call.record_ms(400);
    assert!(messages.len() > 4);
    let now_us = call.now_us();
    let allocated = allocations_of(|| {
        for message in &messages {
            assert_eq!(call.congestion.on_feedback(now_us, message), Ok(()));
            call.congestion.on_sent(now_us, 1_000, None);
            call.congestion.handle_timeout(now_us, crate::congestion::Demand::default());
        }
    });
    assert_eq!(allocated, 0);
}
