//! Hundreds who come at once: media flows as if nobody did, and everybody gets in.

use super::{call, caller, camera};
use crate::command::Event;
use crate::drop_reason::DropReason;
use crate::handshakes::MAX_WAITING;
use crate::shard::{HANDSHAKES_AT_ONCE, OFFERS_AT_ONCE};
use crate::sim::network::Quality;
use crate::sim::world::World;
use std::time::Duration;

/// A call of two with a crowd before the door: everybody has been answered, and has sent a ClientHello that waits.
fn storm(seed: u64, crowd: usize) -> World {
    let mut world = call(Quality::GOOD, seed, 2);
    world.puts_off = true;
    for _ in 0..crowd {
        let client = world.join(true, false);
        world.offer(client);
    }
    world.run_ms(300);
    assert!(world.shard.stats().handshakes_waiting >= crowd as u64);
    world
}

fn wait_for_everybody(world: &mut World) {
    world.puts_off = false;
    let end = world.now + Duration::from_secs(10);
    let all_in = |world: &World| world.clients.iter().all(|client| client.connected_at.is_some());
    assert!(world.run_until(all_in, end), "everybody gets in");
    assert_eq!(world.shard.stats().connected(), world.clients.len() as u64);
}

#[test]
fn media_passes_five_hundred_handshakes() {
    let mut world = storm(1, 500);
    let path = world.clients[0].path();
    world.tap = Some((0, false));
    let mut media = 0;
    while media < 5 {
        world.run_ms(10);
        let now = world.now;
        for mut datagram in std::mem::take(&mut world.tapped) {
            let is_media = datagram[0] >> 6 == 2 && !(192..=223).contains(&datagram[1]);
            let waiting = world.shard.stats().handshakes_waiting;
            let before = world.shard.outbox().len();
            world.shard.handle_datagram(now, &path, &mut datagram);
            if is_media {
                media += 1;
                assert!(world.shard.outbox().len() > before, "it leaves in the tick in which it came");
                // And what may delay the next one is little.
                world.shard.handle_deferred(now);
                assert_eq!(waiting - world.shard.stats().handshakes_waiting, HANDSHAKES_AT_ONCE as u64);
            }
            world.collect();
        }
    }
    world.tap = None;
    wait_for_everybody(&mut world);
    assert_eq!(world.shard.stats().handshakes_waiting, 0);
}

#[test]
fn what_finds_no_room_is_counted_and_comes_again() {
    let mut world = storm(2, 300);
    let paths: Vec<_> = world.clients.iter().skip(2).map(|client| client.path()).collect();
    for path in paths {
        // As if DTLS: what it is worth is seen once it is its turn.
        (0..10).for_each(|_| world.inject(&path, &[22; 50]));
    }
    let stats = world.shard.stats();
    assert_eq!(stats.handshakes_waiting, MAX_WAITING as u64);
    assert!(stats.drops[DropReason::HandshakeQueueFull as usize] >= 300);
    wait_for_everybody(&mut world);
}

#[test]
fn a_large_room_is_offered_a_new_track_little_by_little() {
    let mut world = World::new(Quality::GOOD, 3);
    let crowd = 3 * OFFERS_AT_ONCE;
    for _ in 0..crowd {
        let listener = world.join(false, true);
        world.offer(listener);
    }
    world.run_ms(5_000);
    let before = world.now;
    world.puts_off = true;
    caller(&mut world, camera());
    world.run_ms(1_000);
    let offers = |world: &World| world.count_events(before, |event| matches!(event, Event::Offered { .. }));
    assert_eq!(offers(&world), 0);
    for round in 1..=3 {
        world.shard.handle_deferred(world.now);
        world.collect();
        assert_eq!(offers(&world), round * OFFERS_AT_ONCE);
    }
    world.puts_off = false;
    world.run_ms(3_000);
    let publisher = crowd;
    assert!((0..crowd).all(|listener| world.line_of(listener, publisher, "1").is_some()));
}
