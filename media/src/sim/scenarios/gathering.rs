//! What comes together is forwarded together, through an outbox that fills in the middle.

use super::{call, caller, camera};
use crate::drop_reason::DropReason;
use crate::outbox::Outbox;
use crate::sim::network::Quality;
use crate::sim::world::World;
use std::collections::HashMap;

/// Datagrams by destination, in runs: one run is one message to the kernel, or a few.
type Runs = Vec<HashMap<u16, usize>>;

fn take(outbox: &mut Outbox, runs: &mut Runs) {
    runs.push(outbox.runs().map(|(path, datagrams)| (path.remote.port(), datagrams.len())).collect());
    outbox.clear();
}

#[test]
fn a_frame_leaves_whole_for_each_subscriber_however_often_the_outbox_fills() {
    let mut world = call(Quality::GOOD, 1, 11);
    let path = world.clients[0].path();
    // So small that a frame to ten does not fit.
    *world.shard.outbox() = Outbox::with_slab(16 << 10);
    world.tap = Some((0, false));
    let mut divided = 0;
    for _ in 0..3_000 {
        world.run_ms(1);
        let media: Vec<Vec<u8>> = std::mem::take(&mut world.tapped)
            .into_iter()
            .filter(|datagram| datagram[0] >> 6 == 2 && !(192..=223).contains(&datagram[1]))
            .collect();
        let before = world.shard.stats();
        let mut runs = Runs::new();
        for mut datagram in media.iter().cloned() {
            let flush = &mut |outbox: &mut Outbox| take(outbox, &mut runs);
            world.shard.gather_datagram(world.now, &path, &mut datagram, flush);
        }
        assert_eq!(world.shard.stats().rtp_out_packets(), before.rtp_out_packets(), "nothing leaves yet");
        world.shard.forward(world.now, &mut |outbox: &mut Outbox| take(outbox, &mut runs));
        let flushes = runs.len();
        take(world.shard.outbox(), &mut runs);
        let sent: usize = runs.iter().flat_map(HashMap::values).sum();
        assert_eq!(sent, media.len() * 10, "to each of ten");
        // Sound and pictures are forwarded one after the other.
        let is_one_frame = media.windows(2).all(|pair| pair[0][8..12] == pair[1][8..12]);
        if is_one_frame {
            let whole = |count: &usize| *count == media.len();
            assert!(runs.iter().flat_map(HashMap::values).all(whole), "{} packets: {runs:?}", media.len());
            divided += usize::from(media.len() > 1 && flushes > 0);
        }
    }
    assert!(divided > 10, "{divided} frames did not fit the outbox");
}

#[test]
fn what_has_waited_leaves_however_often_the_outbox_fills() {
    let mut world = World::new(Quality::GOOD, 1);
    // So small that what the pacers of twenty release at once does not fit.
    *world.shard.outbox() = Outbox::with_slab(16 << 10);
    let publisher = caller(&mut world, camera());
    for _ in 0..20 {
        let viewer = world.join(true, true);
        world.clients[viewer].watch();
        world.offer(viewer);
    }
    world.run_ms(2_000);
    for _ in 0..5 {
        let now = world.now;
        let ssrc = world.clients[publisher].publisher.track("1").encodings[0].ssrc;
        world.clients[publisher].publisher.on_keyframe_request(now, ssrc);
        world.run_ms(1_000);
    }
    assert!(world.flushes > 10, "it was never full: {}", world.flushes);
    assert_eq!(world.drops(DropReason::OutboxFull), 0);
}
