//! Pictures that begin with what is kept of a young key frame.

use super::{QUIET, call, caller, camera, settle};
use crate::command::{Command, View};
use crate::drop_reason::DropReason;
use crate::sim::network::Quality;
use crate::sim::publisher::{Encoded, Media};
use crate::sim::world::World;
use std::time::Duration;

/// A room of `count` people with cameras, and one who has been connected for a while and wants no track yet.
fn room(seed: u64, count: usize) -> (World, usize) {
    let mut world = call(Quality::GOOD, seed, count);
    let chooser = world.join(true, false);
    world.clients[chooser].add(QUIET);
    world.offer(chooser);
    world.run_ms(5_000);
    (world, chooser)
}

/// Asks for another key frame of everybody, as somebody does who cannot decode; runs until it has come.
fn refresh(world: &mut World, publishers: usize) {
    for publisher in 0..publishers {
        let now = world.now;
        let track = world.clients[publisher].publisher.track("1");
        let (ssrc, before) = (track.encodings[0].ssrc, track.keyframes.len());
        world.clients[publisher].publisher.on_keyframe_request(now, ssrc);
        let end = now + Duration::from_millis(200);
        assert!(world.run_until(|world| keyframes(world, publisher) > before, end));
    }
}

/// Key frames that a publisher has encoded.
fn keyframes(world: &World, publisher: usize) -> usize {
    world.clients[publisher].publisher.known_track("1").keyframes.len()
}

fn subscribe(world: &mut World, subscriber: usize, publisher: usize) {
    let (participant, track) = (world.clients[subscriber].id, world.track(publisher, "1"));
    world.command(Command::Subscribe { participant, track });
}

/// Packets of a publisher's picture that have come.
fn received(world: &World, subscriber: usize, publisher: usize) -> usize {
    let line = world.line_of(subscriber, publisher, "1");
    line.map_or(0, |line| world.clients[subscriber].receiver.stream(&line).packets.len())
}

#[test]
fn a_picture_begins_with_the_latest_key_frame_and_none_is_asked_for() {
    for age_ms in [20, 100, 250, 400] {
        let (mut world, chooser) = room(1, 2);
        refresh(&mut world, 1);
        world.run_ms(age_ms);
        let (before, asked) = (keyframes(&world, 0), world.shard.stats().pli_out);
        subscribe(&mut world, chooser, 0);
        world.run_ms(3_000);
        assert_eq!((keyframes(&world, 0), world.shard.stats().pli_out), (before, asked), "at {age_ms} ms");
        assert_eq!(world.shard.stats().replays, 1);
        settle(&mut world);
        let line = world.line_of(chooser, 0, "1").expect("a line");
        let stream = world.clients[chooser].receiver.stream(&line);
        let (_, first) = stream.packets.first_key_value().expect("a picture");
        assert!(first.content.key && first.content.packet == 0, "it begins with a key frame");
        let frames = stream.judge();
        assert!(frames.windows(2).all(|pair| pair[1].frame == pair[0].frame + 1), "not a frame is missing");
    }
}

#[test]
fn what_was_captured_long_before_it_is_sent_leaves_no_delay_behind() {
    let (mut world, chooser) = room(2, 2);
    refresh(&mut world, 1);
    world.run_ms(400);
    subscribe(&mut world, chooser, 0);
    world.run_ms(2_000);
    let line = world.line_of(chooser, 0, "1").expect("a line");
    let stream = world.clients[chooser].receiver.stream(&line);
    let mut frames: Vec<_> = stream.packets.values().filter(|packet| packet.content.packet == 0).collect();
    frames.sort_by_key(|packet| packet.content.frame);
    let late_ms = |index: usize| {
        let ticks = frames[index].timestamp.wrapping_sub(frames[0].timestamp) as i32;
        (frames[index].at - frames[0].at).as_millis() as i64 - i64::from(ticks) / 90
    };
    // By the first frame's time the last ones are as late as the first ones had to wait for each other, and no more.
    let last = late_ms(frames.len() - 1);
    assert!((-60..=300).contains(&last), "{last} ms");
    let ticks: Vec<u32> = frames.windows(2).map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp)).collect();
    assert!(ticks[..8].iter().all(|ticks| (100..300).contains(ticks)), "what is old follows closely: {ticks:?}");
    assert!(ticks[20..].iter().all(|ticks| (2_900..3_100).contains(ticks)), "what is live does not: {ticks:?}");
}

#[test]
fn an_old_key_frame_is_not_begun_with() {
    let (mut world, chooser) = room(3, 2);
    refresh(&mut world, 1);
    world.run_ms(600);
    let before = keyframes(&world, 0);
    subscribe(&mut world, chooser, 0);
    world.run_ms(1_000);
    assert_eq!((keyframes(&world, 0), world.shard.stats().replays), (before + 1, 0));
    assert!(received(&world, chooser, 0) > 20);
}

#[test]
fn who_comes_while_a_packet_is_missing_gets_another_key_frame() {
    let (mut world, chooser) = room(4, 2);
    refresh(&mut world, 1);
    world.run_ms(100);
    let before = keyframes(&world, 0);
    // A number that never comes.
    world.clients[0].publisher.track("1").jump(1);
    world.run_ms(50);
    subscribe(&mut world, chooser, 0);
    world.run_ms(1_500);
    assert_eq!((keyframes(&world, 0), world.shard.stats().replays), (before + 1, 0));
    assert!(received(&world, chooser, 0) > 20);
}

#[test]
fn a_hundred_who_come_at_once_cost_one_key_frame() {
    let mut world = call(Quality::GOOD, 5, 2);
    let crowd = [(); 100].map(|()| {
        let client = world.join(true, false);
        world.offer(client);
        client
    });
    world.run_ms(3_000);
    let before = [0, 1].map(|publisher| keyframes(&world, publisher));
    for client in crowd {
        for publisher in [0, 1] {
            subscribe(&mut world, client, publisher);
        }
        // All within three tenths of a second.
        world.run_ms(3);
    }
    world.run_ms(1_500);
    for publisher in [0, 1] {
        assert!(crowd.iter().all(|client| received(&world, *client, publisher) > 20));
        assert_eq!(keyframes(&world, publisher) - before[publisher], 1);
    }
}

#[test]
fn a_lost_request_is_repeated_until_a_key_frame_comes() {
    let (mut world, chooser) = room(6, 2);
    world.set_quality(0, Quality::lossy(1.0));
    subscribe(&mut world, chooser, 0);
    world.run_ms(2_000);
    let asked = world.shard.stats().pli_out;
    assert_eq!((received(&world, chooser, 0), world.shard.stats().replays), (0, 0));
    world.set_quality(0, Quality::GOOD);
    world.run_ms(2_500);
    assert!(world.shard.stats().pli_out > asked);
    assert!(received(&world, chooser, 0) > 20);
}

#[test]
fn key_frames_go_first_where_many_pictures_begin() {
    const PUBLISHERS: usize = 6;
    let (mut world, chooser) = room(7, PUBLISHERS);
    refresh(&mut world, PUBLISHERS);
    world.run_ms(20);
    (0..PUBLISHERS).for_each(|publisher| subscribe(&mut world, chooser, publisher));
    let begun = |world: &World| (0..PUBLISHERS).filter(|p| received(world, chooser, *p) > 0).count();
    let end = world.now + Duration::from_secs(2);
    assert!(world.run_until(|world| begun(world) == PUBLISHERS, end));
    settle(&mut world);
    for publisher in 0..PUBLISHERS {
        let line = world.line_of(chooser, publisher, "1").expect("a line");
        world.clients[chooser].receiver.stream(&line).judge();
    }
    assert_eq!(world.drops(DropReason::PacerFull), 0);
}

#[test]
fn a_picture_larger_than_what_is_replayed_begins_with_a_key_frame_of_its_own() {
    let mut world = World::new(Quality::GOOD, 8);
    // 2.5 Mbit/s in one encoding.
    let mut encoded = Encoded::simulcast();
    encoded.layers.drain(..2);
    encoded.layers[0].rid = None;
    caller(&mut world, Media::Encoded(encoded));
    let first = world.join(true, true);
    world.clients[first].add(QUIET);
    world.offer(first);
    let chooser = world.join(true, false);
    world.clients[chooser].add(QUIET);
    world.offer(chooser);
    world.run_ms(6_000);
    refresh(&mut world, 1);
    world.run_ms(450);
    let before = keyframes(&world, 0);
    subscribe(&mut world, chooser, 0);
    world.run_ms(1_500);
    assert_eq!((keyframes(&world, 0), world.shard.stats().replays), (before + 1, 0));
    assert!(received(&world, chooser, 0) > 20);
}

#[test]
fn what_is_shown_again_begins_anew() {
    let (mut world, chooser) = room(9, 2);
    subscribe(&mut world, chooser, 0);
    world.run_ms(2_000);
    let (participant, track) = (world.clients[chooser].id, world.track(0, "1"));
    world.command(Command::SetView { participant, track, view: View { visible: false, ..View::UNKNOWN } });
    world.run_ms(1_000);
    refresh(&mut world, 1);
    world.run_ms(150);
    let (before, replays) = (keyframes(&world, 0), world.shard.stats().replays);
    world.command(Command::SetView { participant, track, view: View::UNKNOWN });
    world.run_ms(1_000);
    assert_eq!((keyframes(&world, 0), world.shard.stats().replays), (before, replays + 1));
    settle(&mut world);
    let line = world.line_of(chooser, 0, "1").expect("a line");
    world.clients[chooser].receiver.stream(&line).judge();
}

#[test]
fn a_mirror_replays_what_it_has() {
    let mut world = World::new(Quality::GOOD, 10);
    caller(&mut world, camera());
    let place = world.branch();
    world.place = place;
    let [first, second] = [0; 2].map(|_| {
        let client = world.join(true, false);
        world.clients[client].add(QUIET);
        world.offer(client);
        client
    });
    world.run_ms(3_000);
    subscribe(&mut world, first, 0);
    world.run_ms(250);
    let before = keyframes(&world, 0);
    subscribe(&mut world, second, 0);
    world.run_ms(1_000);
    assert_eq!(keyframes(&world, 0), before);
    assert_eq!(world.branches[0].stats().replays, 1);
    assert!(received(&world, second, 0) > 20);
}
