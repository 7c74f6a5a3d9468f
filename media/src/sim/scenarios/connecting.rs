//! Getting connected on bad networks.

use super::QUIET;
use crate::command::Event;
use crate::sim::network::Quality;
use crate::sim::world::World;
use std::time::Duration;

#[test]
fn everybody_gets_connected_at_a_quarter_of_loss() {
    let quality = Quality { jitter: Duration::from_millis(10), ..Quality::lossy(0.25) };
    for seed in 1..=3 {
        let mut world = World::new(quality, seed);
        for _ in 0..20 {
            let client = world.join(true, false);
            world.clients[client].add(QUIET);
            world.offer(client);
        }
        let end = world.now + Duration::from_secs(5);
        world.run_until(|world| world.clients.iter().all(|client| client.transport.is_connected()), end);
        let late: Vec<_> = world.clients.iter().filter(|c| !c.transport.is_connected()).map(|c| c.id).collect();
        assert!(late.is_empty(), "seed {seed}: {late:?} are not connected");
        world.run_ms(2_000);
        assert_eq!(world.shard.stats().connected(), 20);
        assert_eq!(world.count_events(world.start, |event| matches!(event, Event::Connected { .. })), 20);
    }
}
