//! Publishers who start over, stop for a while, or change their format.

use super::{call, caller, camera, settle, simulcast};
use crate::sim::network::Quality;
use crate::sim::publisher::{AUDIO, RED};
use crate::sim::world::World;

#[test]
fn a_publisher_that_starts_over_is_one_stream_to_its_subscribers() {
    for (seed, quality) in [(1, Quality::GOOD), (2, Quality::lossy(0.02))] {
        let mut world = World::new(quality, seed);
        let publisher = caller(&mut world, simulcast());
        let subscriber = caller(&mut world, camera());
        world.run_ms(4_000);
        for _ in 0..4 {
            // What is lost of the last packets before a restart nobody could send again.
            for client in [publisher, subscriber] {
                world.set_quality(client, Quality { loss: 0.0, ..quality });
            }
            world.run_ms(400);
            world.clients[publisher].publisher.restart("1");
            // They are still on their way.
            world.run_ms(100);
            for client in [publisher, subscriber] {
                world.set_quality(client, quality);
            }
            world.run_ms(1_500);
        }
        settle(&mut world);
        let line = world.line_of(subscriber, publisher, "1").expect("a line");
        let frames = world.clients[subscriber].receiver.stream(&line).judge();
        let mut lives: Vec<u8> = frames.iter().map(|frame| frame.life).collect();
        lives.dedup();
        assert_eq!(lives, [0, 1, 2, 3, 4]);
        assert!(frames.len() > 300, "{} frames", frames.len());
    }
}

#[test]
fn a_track_may_pause_for_minutes_and_go_on() {
    let mut world = call(Quality::GOOD, 3, 2);
    // A second picture, so that what names no m-line cannot be guessed.
    world.clients[0].add(simulcast());
    world.offer(0);
    world.run_ms(3_000);
    for _ in 0..2 {
        // Sequence numbers roll over before the pause.
        for _ in 0..3 {
            world.clients[0].publisher.track("1").jump(20_000);
            world.run_ms(500);
        }
        world.clients[0].session.inactive = vec!["1".to_owned(), "2".to_owned()];
        world.clients[0].publisher.track("1").enabled = false;
        world.clients[0].publisher.track("2").enabled = false;
        world.offer(0);
        world.run_ms(5_000);
        assert_eq!(world.shard.stats().publications, 3);
        world.clients[0].session.inactive.clear();
        world.clients[0].publisher.track("1").enabled = true;
        world.clients[0].publisher.track("2").enabled = true;
        world.offer(0);
        world.run_ms(3_000);
        for mid in ["1", "2"] {
            let line = world.line_of(1, 0, mid).expect("a line");
            let newest = world.clients[1].receiver.stream(&line).packets.last_key_value().expect("packets").1;
            let age = world.now - newest.at;
            assert!(age < std::time::Duration::from_millis(100), "{mid}: the newest packet is {age:?} old");
        }
    }
}

#[test]
fn packets_of_red_and_plain_opus_mix() {
    let mut world = call(Quality::GOOD, 4, 2);
    for packet in 0..100 {
        world.clients[0].publisher.track("0").audio_type = if packet % 5 == 0 { RED } else { AUDIO };
        world.run_ms(20);
    }
    settle(&mut world);
    let line = world.line_of(1, 0, "0").expect("a line");
    let packets = &world.clients[1].receiver.stream(&line).packets;
    let steps: Vec<u32> =
        packets.values().zip(packets.values().skip(1)).map(|(a, b)| b.timestamp - a.timestamp).collect();
    assert!(steps.iter().all(|step| *step == 960), "time goes on evenly: {steps:?}");
}
