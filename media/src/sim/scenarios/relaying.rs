//! One room on two shards.

use super::{QUIET, caller, camera, settle, simulcast};
use crate::command::{Command, Event, Rid, View};
use crate::formats::Codec;
use crate::ids::ParticipantId;
use crate::sim::network::Quality;
use crate::sim::publisher::{Encoded, Media};
use crate::sim::world::{ROOM, World};
use std::time::Duration;

/// Two callers on the first shard and two on a branch, connected, a second into their call.
fn spread(quality: Quality, seed: u64, video: fn() -> Media) -> World {
    let mut world = World::new(quality, seed);
    caller(&mut world, video());
    caller(&mut world, video());
    world.run_ms(500);
    world.place = world.branch();
    caller(&mut world, video());
    caller(&mut world, video());
    let end = world.now + Duration::from_secs(15);
    assert!(world.run_until(|world| world.clients.iter().all(|c| c.connected_at.is_some()), end));
    world.run_ms(1_000);
    world
}

/// How many frames of a publisher's picture have reached a subscriber, all in order.
fn frames(world: &World, subscriber: usize, publisher: usize) -> usize {
    let line = world.line_of(subscriber, publisher, "1").expect("a line");
    world.clients[subscriber].receiver.stream(&line).judge().len()
}

fn layer(world: &World, subscriber: usize, publisher: usize) -> Option<u8> {
    let line = world.line_of(subscriber, publisher, "1").expect("a line");
    world.clients[subscriber].receiver.stream(&line).judge().last().map(|frame| frame.layer)
}

fn lost_and_repaired(world: &World, subscriber: usize, publisher: usize) -> u64 {
    let line = world.line_of(subscriber, publisher, "1").expect("a line");
    world.clients[subscriber].receiver.stream(&line).repaired
}

fn keyframes(world: &mut World, client: usize) -> usize {
    world.clients[client].publisher.track("1").keyframes.len()
}

#[test]
fn everybody_receives_everybody_whatever_the_shard() {
    let mut world = spread(Quality::GOOD, 1, camera);
    world.run_ms(5_000);
    settle(&mut world);
    for subscriber in 0..4 {
        for publisher in (0..4).filter(|publisher| *publisher != subscriber) {
            let frames = frames(&world, subscriber, publisher);
            assert!(frames > 150, "{subscriber} got {frames} frames of {publisher}");
            let sound = world.line_of(subscriber, publisher, "0").expect("a line");
            assert!(world.clients[subscriber].receiver.stream(&sound).judge().len() > 250);
        }
        assert!(world.clients[subscriber].receiver.reports > 5, "with the times of other shards' clocks");
    }
    let (home, branch) = (world.shard.stats(), world.branches[0].stats());
    assert_eq!((home.publications, home.mirrors), (4, 4));
    assert_eq!(home.relay_out.count, branch.relay_in.count);
    assert_eq!(branch.relay_out, home.relay_in);
    assert_eq!((home.relay_dropped, branch.relay_dropped), (0, 0));
    assert_eq!((home.nack_out_packets, branch.nack_out_packets), (0, 0));
}

#[test]
fn loss_is_repaired_on_either_side_of_the_relay() {
    for seed in 2..=4 {
        let mut world = spread(Quality::lossy(0.05), seed, camera);
        world.run_ms(20_000);
        settle(&mut world);
        for (subscriber, publisher) in [(0, 2), (2, 0), (3, 1), (2, 3)] {
            assert!(frames(&world, subscriber, publisher) > 550, "seed {seed}");
            assert!(lost_and_repaired(&world, subscriber, publisher) > 30, "seed {seed}");
        }
    }
}

#[test]
fn a_publisher_is_repaired_though_all_who_receive_it_are_elsewhere() {
    let mut world = World::new(Quality::lossy(0.05), 11);
    caller(&mut world, camera());
    world.place = world.branch();
    caller(&mut world, camera());
    caller(&mut world, camera());
    world.run_ms(25_000);
    settle(&mut world);
    for subscriber in [1, 2] {
        assert!(frames(&world, subscriber, 0) > 550, "{}", frames(&world, subscriber, 0));
    }
    assert!(world.shard.stats().rtx_in_packets > 30, "{:?}", world.shard.stats());
}

#[test]
fn what_a_subscriber_loses_is_sent_again_by_its_own_shard() {
    let mut world = spread(Quality::GOOD, 5, camera);
    let before = (world.shard.stats(), world.branches[0].stats());
    world.set_quality(2, Quality::lossy(0.1));
    for client in [2, 3] {
        world.clients[client].publisher.tracks.iter_mut().for_each(|track| track.enabled = false);
    }
    world.run_ms(5_000);
    settle(&mut world);
    let (home, branch) = (world.shard.stats(), world.branches[0].stats());
    assert!(branch.rtx_out_packets > before.1.rtx_out_packets + 50);
    assert_eq!(home.rtx_out_packets, before.0.rtx_out_packets, "home was not asked");
    assert_eq!(
        (home.nack_out_packets, home.pli_out),
        (before.0.nack_out_packets, before.0.pli_out),
        "nor the publishers"
    );
    assert!(frames(&world, 2, 0) > 150);
}

#[test]
fn a_wish_for_a_key_frame_crosses_and_is_throttled() {
    let mut world = spread(Quality::GOOD, 6, camera);
    let before = keyframes(&mut world, 0);
    let (participant, track) = (world.clients[2].id, world.track(0, "1"));
    for _ in 0..10 {
        world.command(Command::Unsubscribe { participant, track });
        world.command(Command::Subscribe { participant, track });
        world.run_ms(200);
    }
    let asked = keyframes(&mut world, 0) - before;
    assert!((3..=5).contains(&asked), "{asked} key frames in two seconds");
    world.run_ms(1_000);
    settle(&mut world);
    frames(&world, 2, 0);
}

#[test]
fn only_what_is_wanted_is_relayed_and_layers_follow_the_wish() {
    let mut world = spread(Quality::GOOD, 7, simulcast);
    world.run_ms(2_000);
    assert_eq!(layer(&world, 2, 0), Some(2), "the best is known to be there");
    let track = world.track(0, "1");
    let wish = |world: &mut World, client: usize, rid: &str| {
        let participant = world.clients[client].id;
        world.command(Command::SetLayer { participant, track, rid: Rid::new(rid) });
    };
    let volume = |world: &mut World| {
        let before = world.shard.stats().relay_out.bytes;
        world.run_ms(1_000);
        world.shard.stats().relay_out.bytes - before
    };
    wish(&mut world, 2, "q");
    wish(&mut world, 3, "q");
    world.run_ms(3_000);
    assert_eq!((layer(&world, 2, 0), layer(&world, 3, 0), layer(&world, 1, 0)), (Some(0), Some(0), Some(2)));
    let one = volume(&mut world);
    wish(&mut world, 3, "h");
    world.run_ms(3_000);
    assert_eq!((layer(&world, 2, 0), layer(&world, 3, 0)), (Some(0), Some(1)));
    let two = volume(&mut world);
    assert!(two * 10 > one * 12, "a layer that is wanted is relayed: {one}, then {two} bytes");
    for client in [2, 3] {
        let participant = world.clients[client].id;
        world.command(Command::Unsubscribe { participant, track });
    }
    world.run_ms(2_000);
    let none = volume(&mut world);
    assert!(none * 10 < one * 8, "and what nobody wants is not: {one}, then {none} bytes");
    world.clients[1].publisher.track("1").encodings[2].enabled = false;
    world.run_ms(3_000);
    assert_eq!(layer(&world, 2, 1), Some(1), "a layer that is gone is replaced");
    settle(&mut world);
    frames(&world, 3, 1);
}

#[test]
fn what_ends_on_one_shard_ends_on_the_other() {
    let mut world = spread(Quality::GOOD, 8, camera);
    world.clients[0].session.inactive = vec!["1".to_owned()];
    world.offer(0);
    world.run_ms(500);
    assert_eq!(world.line_of(2, 0, "1"), None);
    assert!(world.line_of(2, 0, "0").is_some());
    assert_eq!(world.branches[0].stats().mirrors, 3);
    world.clients[0].session.inactive.clear();
    world.offer(0);
    world.run_ms(2_000);
    assert!(world.line_of(2, 0, "1").is_some());
    world.leave(2);
    world.leave(1);
    world.run_ms(2_000);
    assert_eq!((world.shard.stats().mirrors, world.branches[0].stats().mirrors), (2, 2));
    assert_eq!((world.line_of(0, 2, "1"), world.line_of(3, 1, "1")), (None, None));
    let ended = world.count_events(world.start, |event| matches!(event, Event::Unpublished { .. }));
    assert_eq!(ended, 1, "told once, by the shard of its publisher");
    settle(&mut world);
    frames(&world, 3, 0);
    world.link(1);
    assert_eq!(world.shard.stats().mirrors, 0, "a part that is given up");
    let now = world.now;
    world.branches[0].handle_command(now, Command::CloseRoom { room: ROOM });
    assert_eq!((world.branches[0].stats().mirrors, world.branches[0].stats().rooms), (0, 0));
}

#[test]
fn the_silenced_are_silent_on_every_shard() {
    let mut world = spread(Quality::lossy(0.02), 9, camera);
    let (participant, track) = (world.clients[0].id, world.track(0, "1"));
    world.command(Command::Silence { participant, track: Some(track) });
    world.run_ms(1_000);
    let line = world.line_of(2, 0, "1").expect("a line");
    let received = |world: &World| world.clients[2].receiver.stream(&line).packets.len();
    let before = received(&world);
    world.run_ms(1_000);
    assert_eq!(received(&world), before);
    world.command(Command::SetMuted { participant, track, muted: false });
    world.run_ms(2_000);
    assert!(received(&world) > before + 60);
    settle(&mut world);
    frames(&world, 2, 0);
}

fn speakers(world: &World) -> Vec<ParticipantId> {
    let lists = world.events.iter().rev().find_map(|(_, event)| match event {
        Event::Speakers { speakers, .. } => Some(speakers.iter().map(|(id, _)| *id).collect()),
        _ => None,
    });
    lists.unwrap_or_default()
}

#[test]
fn one_shard_says_who_speaks_wherever_they_are() {
    let mut world = spread(Quality::GOOD, 10, camera);
    for (client, level) in [(1, 25), (2, 5)] {
        world.clients[client].publisher.track("0").media = Media::Audio { level };
    }
    let since = world.now;
    world.run_ms(2_000);
    assert_eq!(speakers(&world), [world.clients[2].id, world.clients[1].id]);
    let lists = world.count_events(since, |event| matches!(event, Event::Speakers { .. }));
    assert!(lists <= 7, "{lists} lists: not one of each shard");
    let (participant, track) = (world.clients[2].id, world.track(2, "0"));
    world.command(Command::SetMuted { participant, track, muted: true });
    world.run_ms(1_000);
    assert_eq!(speakers(&world), [world.clients[1].id]);
    // Nobody on the first shard has to listen for that.
    world.command(Command::SetMuted { participant, track, muted: false });
    for client in [0, 1] {
        let participant = world.clients[client].id;
        world.command(Command::Unsubscribe { participant, track });
    }
    world.run_ms(3_000);
    assert_eq!(speakers(&world).first(), Some(&world.clients[2].id));
}

#[test]
fn a_full_queue_costs_packets_and_nothing_else() {
    let mut world = spread(Quality::GOOD, 11, camera);
    world.relay_is_full = true;
    world.run_ms(300);
    world.leave(1);
    world.place = 0;
    let late = caller(&mut world, camera());
    world.run_ms(1_500);
    let lost = world.shard.stats().relay_dropped;
    assert!(lost > 100, "{lost} packets did not get through");
    assert!(world.line_of(2, 1, "1").is_some(), "the other shard knows nothing of that");
    world.relay_is_full = false;
    world.run_ms(3_000);
    assert_eq!(world.line_of(2, 1, "1"), None);
    let line = world.line_of(2, late, "1").expect("a line for who came meanwhile");
    assert!(world.clients[2].receiver.stream(&line).judge().len() > 60);
    let before = world.clients[3].receiver.stream(&world.line_of(3, 0, "1").expect("a line")).packets.len();
    world.run_ms(1_000);
    let after = world.clients[3].receiver.stream(&world.line_of(3, 0, "1").expect("a line")).packets.len();
    assert!(after > before + 30, "and the others go on");
}

#[test]
fn a_track_that_is_asked_for_before_it_is_known_comes() {
    let mut world = World::new(Quality::GOOD, 12);
    caller(&mut world, camera());
    world.run_ms(2_000);
    world.relay_is_full = true;
    world.place = world.branch();
    let client = world.join(true, false);
    world.clients[client].add(QUIET);
    world.offer(client);
    let (participant, track) = (world.clients[client].id, world.track(0, "1"));
    world.run_ms(1_000);
    world.command(Command::Subscribe { participant, track });
    world.run_ms(1_000);
    assert_eq!(world.line_of(client, 0, "1"), None);
    world.relay_is_full = false;
    world.run_ms(2_000);
    settle(&mut world);
    assert!(frames(&world, client, 0) > 30);
    assert_eq!(world.line_of(client, 0, "0"), None, "nothing else was asked for");
    let failed = world.count_events(world.start, |event| matches!(event, Event::SubscriptionFailed { .. }));
    assert_eq!(failed, 0);
}

#[test]
fn new_numbers_of_a_publisher_reach_the_mirrors() {
    let mut world = spread(Quality::GOOD, 13, camera);
    let line = world.line_of(2, 0, "1").expect("a line");
    for turn in 0..3 {
        match turn {
            0 => world.clients[0].publisher.restart("1"),
            1 => world.clients[0].publisher.restart_in_place("1", 3),
            _ => {
                world.clients[0].add(camera());
                world.offer(0);
            }
        }
        world.run_ms(2_000);
    }
    settle(&mut world);
    let lives: Vec<u8> = world.clients[2].receiver.stream(&line).judge().iter().map(|frame| frame.life).collect();
    assert_eq!(lives.last(), Some(&2), "the source that replaced the others");
    assert!(world.line_of(2, 0, "2").is_some());
}

#[test]
fn parts_that_are_linked_again_find_one_another() {
    let mut world = spread(Quality::GOOD, 14, camera);
    // The branch does not notice.
    world.link(1);
    world.run_ms(500);
    assert_eq!(world.line_of(0, 2, "1"), None);
    world.link(2);
    world.run_ms(2_000);
    for (subscriber, publisher) in [(0, 2), (2, 0)] {
        let line = world.line_of(subscriber, publisher, "1").expect("a line");
        let newest = world.clients[subscriber].receiver.stream(&line).packets.last_key_value();
        let recent = newest.is_some_and(|(_, packet)| world.now - packet.at < Duration::from_millis(200));
        assert!(recent, "{subscriber} receives {publisher}");
    }
}

#[test]
fn a_frame_rate_is_lowered_on_another_shard() {
    let mut world = World::new(Quality::GOOD, 15);
    let camera = || Media::Encoded(Encoded::of_chromium());
    caller(&mut world, camera());
    caller(&mut world, camera());
    world.run_ms(3_000);
    world.place = world.branch();
    world.run_ms(1_000);
    let client = world.join(true, false);
    world.clients[client].watch();
    let (participant, track) = (world.clients[client].id, world.track(0, "1"));
    world.command(Command::Subscribe { participant, track });
    world.set_down(client, Quality::limited(100_000));
    world.offer(client);
    world.run_ms(15_000);
    let line = world.line_of(client, 0, "1").expect("a line");
    let count = |world: &World| world.clients[client].receiver.stream(&line).decoder.decoded.len();
    let (before, since) = (count(&world), world.now);
    world.run_ms(10_000);
    let shown = count(&world) - before;
    assert!((70..200).contains(&shown), "{shown} frames in ten seconds");
    let paused = world.count_events(since, |event| matches!(event, Event::SubscriptionPaused { .. }));
    assert_eq!(paused, 0);
}

#[test]
fn a_smaller_picture_of_one_stream_is_made_on_another_shard() {
    [Codec::Vp9, Codec::Av1].into_iter().for_each(make_a_smaller_picture);
}

fn make_a_smaller_picture(codec: Codec) {
    let mut world = World::new(Quality::GOOD, 16);
    caller(&mut world, Media::Encoded(Encoded::svc(codec)));
    world.run_ms(3_000);
    world.place = world.branch();
    world.run_ms(1_000);
    let track = world.track(0, "1");
    let [large, small] = [(); 2].map(|()| {
        let client = world.join(true, false);
        world.clients[client].watch();
        let participant = world.clients[client].id;
        world.command(Command::Subscribe { participant, track });
        world.offer(client);
        client
    });
    world.run_ms(5_000);
    let show = |world: &mut World, client: usize, height: u16| {
        let view = View { size: Some((320, height)), ..View::UNKNOWN };
        world.command(Command::SetView { participant: world.clients[client].id, track, view });
    };
    show(&mut world, large, 720);
    show(&mut world, small, 180);
    world.run_ms(5_000);
    let keys = keyframes(&mut world, 0);
    let shown = |world: &World, client: usize| {
        let line = world.line_of(client, 0, "1").expect("a line");
        let decoded = &world.clients[client].receiver.stream(&line).decoder.decoded;
        decoded.last().filter(|last| world.now - last.at < Duration::from_millis(200)).map(|last| last.content.layer)
    };
    assert_eq!((shown(&world, large), shown(&world, small)), (Some(2), Some(0)));
    show(&mut world, small, 360);
    world.run_ms(2_000);
    assert_eq!((shown(&world, large), shown(&world, small)), (Some(2), Some(1)));
    assert_eq!(keyframes(&mut world, 0), keys + 1, "the wish for a key picture crosses once");
    settle(&mut world);
    for client in [large, small] {
        assert!(frames(&world, client, 0) > 250);
    }
}
