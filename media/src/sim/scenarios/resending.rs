//! Clients without RTX get the very bytes again, under the same SRTP index. The world checks at every datagram that no
//! index is ever used for others.

use super::{QUIET, caller, camera, settle, simulcast};
use crate::command::{Command, Rid};
use crate::drop_reason::DropReason;
use crate::sim::network::Quality;
use crate::sim::publisher::{Encoded, Media};
use crate::sim::world::World;

/// A simulcast publisher and a subscriber without RTX who repairs its sound, too.
fn pair(quality: Quality, seed: u64) -> World {
    let mut world = World::new(quality, seed);
    let plain = world.join(true, true);
    world.clients[plain].session.without_rtx = true;
    world.clients[plain].receiver.repairs_audio = true;
    world.clients[plain].add(QUIET);
    world.offer(plain);
    caller(&mut world, simulcast());
    world.run_ms(4_000);
    assert!(world.clients.iter().all(|client| client.connected_at.is_some()));
    world
}

#[test]
fn loss_is_repaired_without_rtx() {
    let mut world = pair(Quality::GOOD, 1);
    world.set_quality(0, Quality::lossy(0.05));
    world.run_ms(15_000);
    settle(&mut world);
    for mid in ["0", "1"] {
        let line = world.line_of(0, 1, mid).expect("a line");
        let stream = world.clients[0].receiver.stream(&line);
        assert!(stream.judge().len() > 400);
        assert_eq!(stream.repaired, 0, "nothing came as RTX");
    }
    assert!(world.shard.stats().rtx_out_packets > 30);
}

#[test]
fn no_index_is_used_for_two_packets_whatever_changes() {
    let mut world = pair(Quality::GOOD, 2);
    let mut publisher = 1;
    for turn in 0_u64..60 {
        let rid = ["q", "h", "f"][turn as usize % 3];
        let (participant, track) = (world.clients[0].id, world.track(publisher, "1"));
        match turn % 6 {
            0 | 3 => world.command(Command::SetLayer { participant, track, rid: Rid::new(rid) }),
            1 => ["0", "1"].iter().for_each(|mid| {
                world.clients[publisher].publisher.restart_in_place(mid, turn % 4 * 5);
            }),
            2 => world.set_quality(0, Quality::lossy(0.1)),
            4 => {
                world.command(Command::Unsubscribe { participant, track });
                world.run_ms(60);
                world.command(Command::Subscribe { participant, track });
            }
            _ => {
                world.leave(publisher);
                publisher = caller(&mut world, if turn % 12 == 5 { camera() } else { simulcast() });
                world.run_ms(600);
            }
        }
        for _ in 0..10 {
            world.run_ms(25);
            let client = &mut world.clients[0];
            client.receiver.request_again(120, &mut client.transport);
            world.send(0);
        }
    }
    assert!(world.shard.stats().redundant_out.count > 100, "{:?}", world.shard.stats().redundant_out);
    assert!(world.shard.stats().rtx_out_packets > 10_000, "{}", world.shard.stats().rtx_out_packets);
}

#[test]
fn what_the_path_has_no_room_for_is_repaired_later() {
    let mut world = World::new(Quality::GOOD, 3);
    let subscriber = world.join(true, true);
    world.clients[subscriber].watch();
    world.clients[subscriber].add(QUIET);
    world.offer(subscriber);
    caller(&mut world, Media::Encoded(Encoded::of_chromium()));
    world.run_ms(8_000);
    let resent = |world: &World| world.shard.stats().rtx_out_packets;
    assert_eq!(resent(&world), 0);
    let client = &mut world.clients[subscriber];
    client.receiver.request_again(30, &mut client.transport);
    world.send(subscriber);
    world.run_ms(10);
    let at_once = resent(&world);
    assert!((30..50).contains(&at_once), "{at_once} of sixty: the sound, and what there is room for");
    world.run_ms(990);
    assert_eq!((resent(&world), world.drops(DropReason::RepairBudget)), (60, 0));
}
