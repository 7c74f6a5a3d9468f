//! The packet path allocates nothing, from the datagram that comes in to those that go out.

use super::{call, caller, camera};
use crate::allocations::allocations_of;
use crate::relay::RelayBatch;
use crate::sim::network::Quality;
use crate::sim::world::World;

#[test]
fn media_is_forwarded_to_ten_subscribers_without_allocation() {
    let mut world = call(Quality::GOOD, 1, 11);
    world.run_ms(8_000);
    let path = world.clients[0].path();
    let before = world.shard.stats();
    let (mut allocations, mut media, mut others) = (0, 0, 0);
    world.tap = Some((0, false));
    for _ in 0..1_500 {
        world.run_ms(1);
        // What the publisher has sent in this millisecond goes straight to the shard.
        let (now, datagrams) = (world.now, std::mem::take(&mut world.tapped));
        for mut datagram in datagrams {
            let is_media = datagram[0] >> 6 == 2 && !(192..=223).contains(&datagram[1]);
            let count = allocations_of(|| {
                world.shard.handle_datagram(now, &path, &mut datagram);
                world.shard.outbox().clear();
            });
            allocations += if is_media { count } else { 0 };
            media += u64::from(is_media);
            others += if is_media { 0 } else { count };
        }
    }
    assert!(media > 100, "{media} packets");
    assert_eq!(allocations, 0, "for {media} packets");
    assert!(others > 0, "a report does allocate: the counter works");
    let forwarded = world.shard.stats().rtp_out_packets() - before.rtp_out_packets();
    assert!(forwarded > media * 10);
}

#[test]
fn media_is_relayed_to_another_shard_without_allocation() {
    let mut world = World::new(Quality::GOOD, 2);
    caller(&mut world, camera());
    world.place = world.branch();
    for _ in 0..3 {
        caller(&mut world, camera());
    }
    world.run_ms(10_000);
    let path = world.clients[0].path();
    let (mut allocations, mut media) = (0, 0);
    let mut batch = RelayBatch::default();
    let before = world.branches[0].stats();
    world.tap = Some((0, false));
    for turn in 0..3_000 {
        world.run_ms(1);
        let (now, datagrams) = (world.now, std::mem::take(&mut world.tapped));
        let datagrams = datagrams.into_iter().filter(|d| d[0] >> 6 == 2 && !(192..=223).contains(&d[1]));
        for mut datagram in datagrams {
            let count = allocations_of(|| {
                world.shard.handle_datagram(now, &path, &mut datagram);
                world.shard.outbox().clear();
                world.shard.take_relay(&mut batch);
                world.branches[0].handle_relay(now, &batch, &mut |_| ());
                world.branches[0].outbox().clear();
            });
            // The three batches that take turns find their size first.
            allocations += if turn > 1_500 { count } else { 0 };
            media += u64::from(turn > 1_500);
        }
    }
    assert!(media > 80, "{media} packets");
    assert_eq!(allocations, 0, "for {media} packets");
    let forwarded = world.branches[0].stats().rtp_out_packets() - before.rtp_out_packets();
    assert!(forwarded > media * 3);
}
