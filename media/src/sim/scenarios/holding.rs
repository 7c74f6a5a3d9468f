//! What is kept for retransmissions: as much as those who receive it can use, and no longer.

use super::{caller, simulcast};
use crate::sim::network::Quality;
use crate::sim::world::World;

/// The least of bytes, and the places of half a second's packets.
const LEAST: usize = 4_096 + 128 * 24;

#[test]
fn rings_hold_what_somebody_receives() {
    let mut world = World::new(Quality::GOOD, 1);
    let publisher = caller(&mut world, simulcast());
    let listener = world.join(true, true);
    world.offer(listener);
    world.run_ms(4_000);
    let [audio, q, h, f] = world.shard.ring_memory()[..] else { panic!("an audio and three video encodings") };
    assert!(audio > 0 && f > 2 * LEAST, "{audio} {f}");
    assert!([q, h].iter().all(|held| *held <= LEAST), "layers that nobody receives: {q} {h}");

    world.leave(listener);
    world.run_ms(1_500);
    let held = world.shard.ring_memory();
    assert!(held.iter().all(|held| *held <= LEAST), "nobody is left: {held:?}");

    world.clients[publisher].publisher.tracks.iter_mut().for_each(|track| track.enabled = false);
    world.run_ms(5_000);
    assert_eq!(world.shard.ring_memory(), [0; 4], "and nothing is sent");
}
