//! The packet path allocates nothing, from the datagram that comes in to those that go out.

use super::call;
use crate::allocations::allocations_of;
use crate::sim::network::Quality;

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
