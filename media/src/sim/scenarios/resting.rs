//! When the shard wants to be woken, and what it does when it is.

use super::{call, caller, camera};
use crate::sim::network::Quality;
use crate::sim::world::World;
use std::time::Duration;

#[test]
fn a_turn_of_the_clock_waits_a_little_for_something_else_to_wake_the_shard() {
    let mut world = call(Quality::GOOD, 1, 2);
    // Handshakes have no more to repeat.
    world.run_ms(10_000);
    let begin = world.shard.poll_timeout().expect("something is published");
    world.shard.handle_timeout(begin, &mut |_| ());
    let after = |ms| begin + Duration::from_millis(ms);
    assert_eq!(world.shard.poll_timeout(), Some(after(35)), "nobody else wakes it");
    assert!(!world.shard.is_due(after(19)));
    assert!(world.shard.is_due(after(20)), "who is awake has it do its turn");
    world.shard.handle_timeout(after(22), &mut |_| ());
    assert_eq!(world.shard.poll_timeout(), Some(after(57)));
}

#[test]
fn a_room_rests_on_ample_paths_until_something_happens() {
    let mut world = World::new(Quality::GOOD, 1);
    let (_, viewer) = (caller(&mut world, camera()), caller(&mut world, camera()));
    world.run_ms(10_000);
    let restless_ms = |world: &mut World| {
        let looks = (0..100).filter(|_| {
            world.run_ms(10);
            world.shard.is_restless()
        });
        looks.count() * 10
    };
    assert_eq!(restless_ms(&mut world), 0, "nobody asks for anything");
    world.set_quality(viewer, Quality::lossy(0.1));
    assert!(restless_ms(&mut world) >= 30, "what is sent again is paid for with the next turn");
    world.set_quality(viewer, Quality::GOOD);
    world.run_ms(5_000);
    assert_eq!(restless_ms(&mut world), 0, "it is over");
}
