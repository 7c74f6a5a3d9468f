//! When the shard wants to be woken.

use super::call;
use crate::sim::network::Quality;
use std::time::Duration;

#[test]
fn a_turn_of_the_clock_waits_a_little_for_something_else_to_wake_the_shard() {
    let mut world = call(Quality::GOOD, 1, 2);
    // Handshakes have no more to repeat.
    world.run_ms(10_000);
    let begin = world.shard.poll_timeout().expect("something is published");
    world.shard.handle_timeout(begin);
    let after = |ms| begin + Duration::from_millis(ms);
    assert_eq!(world.shard.poll_timeout(), Some(after(30)), "nobody else wakes it");
    assert!(!world.shard.is_due(after(19)));
    assert!(world.shard.is_due(after(20)), "who is awake has it do its turn");
    world.shard.handle_timeout(after(22));
    assert_eq!(world.shard.poll_timeout(), Some(after(52)));
}
