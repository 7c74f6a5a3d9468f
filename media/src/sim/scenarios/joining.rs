//! People who come late, leave, come again, and choose what they receive.

use super::{QUIET, call, caller, camera, settle};
use crate::command::{Command, Event};
use crate::sim::network::Quality;
use crate::sim::world::{ROOM, World};
use std::time::{Duration, Instant};

fn offers(world: &World, since: Instant) -> usize {
    world.count_events(since, |event| matches!(event, Event::Offered { .. }))
}

#[test]
fn a_late_joiner_sees_a_picture_at_once() {
    let mut world = call(Quality::GOOD, 1, 2);
    world.run_ms(5_000);
    let before = world.clients[0].publisher.track("1").keyframes.len();
    let late = caller(&mut world, camera());
    let end = world.now + Duration::from_secs(5);
    assert!(world.run_until(|world| world.clients[late].connected_at.is_some(), end));
    let connected = world.now;
    world.run_ms(1_000);
    let line = world.line_of(late, 0, "1").expect("a line");
    let stream = world.clients[late].receiver.stream(&line);
    let (_, first) = stream.packets.first_key_value().expect("a picture");
    assert!(first.content.key && first.content.packet == 0, "it begins with a key frame, not {:?}", first.content);
    let waited = first.at - connected;
    assert!(waited < Duration::from_millis(120), "the picture came after {waited:?}");
    let asked = world.clients[0].publisher.track("1").keyframes.len() - before;
    assert_eq!(asked, 1, "one key frame is enough");
    settle(&mut world);
    world.clients[late].receiver.stream(&line).judge();
}

#[test]
fn who_leaves_and_comes_again_costs_the_others_no_negotiation() {
    let mut world = call(Quality::GOOD, 2, 3);
    world.run_ms(2_000);
    let bystander = world.clients[0].id;
    let mut last = 2;
    for _ in 0..4 {
        let since = world.now;
        world.leave(last);
        world.run_ms(500);
        last = caller(&mut world, camera());
        world.run_ms(3_000);
        let disturbed = |event: &Event| matches!(event, Event::Offered { participant, .. } if participant.0 <= 2);
        assert_eq!(world.count_events(since, disturbed), 0);
        let bound = |event: &Event| matches!(event, Event::Bound { participant, .. } if *participant == bystander);
        assert_eq!(world.count_events(since, bound), 2);
    }
    settle(&mut world);
    for subscriber in 0..2 {
        for stream in &world.clients[subscriber].receiver.streams {
            stream.judge();
        }
        let line = world.line_of(subscriber, last, "1").expect("a line");
        let frames = world.clients[subscriber].receiver.stream(&line).judge();
        let publishers: std::collections::HashSet<_> = frames.iter().map(|frame| frame.publisher).collect();
        assert!(publishers.len() >= 4, "one line has carried {publishers:?}");
    }
}

#[test]
fn who_follows_no_bindings_is_told_by_offers() {
    let mut world = World::new(Quality::GOOD, 3);
    let plain = world.join(false, true);
    world.clients[plain].add(QUIET);
    world.offer(plain);
    let mut other = caller(&mut world, camera());
    world.run_ms(3_000);
    for _ in 0..3 {
        for mid in ["0", "1"] {
            let track = crate::wire_id::wire_id('t', world.track(other, mid).0);
            let line = world.line_of(plain, other, mid).expect("a line");
            let told = world.clients[plain].session.lines[&line].msid.clone().expect("an msid");
            assert_eq!(told, (crate::wire_id::wire_id('p', world.clients[other].id.0), track));
            assert!(world.clients[plain].session.lines[&line].sends);
        }
        world.leave(other);
        world.run_ms(500);
        assert!(world.clients[plain].session.lines.values().all(|line| !line.sends), "nothing is sent any more");
        other = caller(&mut world, camera());
        world.run_ms(3_000);
    }
    assert_eq!(world.clients[plain].session.lines.len(), 2, "the same lines serve again");
    settle(&mut world);
    world.clients[plain].receiver.streams.iter().for_each(|stream| drop(stream.judge()));
    assert!(world.clients[plain].offers_received >= 7);
}

#[test]
fn tracks_are_received_as_long_as_they_are_wanted() {
    let mut world = World::new(Quality::GOOD, 4);
    let chooser = world.join(true, false);
    world.clients[chooser].add(QUIET);
    world.offer(chooser);
    let other = caller(&mut world, camera());
    world.run_ms(2_000);
    assert!(world.clients[chooser].receiver.streams.is_empty(), "nothing was asked for");
    let (participant, track) = (world.clients[chooser].id, world.track(other, "1"));
    let mut counts = Vec::new();
    for _ in 0..3 {
        world.command(Command::Subscribe { participant, track });
        world.command(Command::Subscribe { participant, track });
        world.run_ms(2_000);
        world.command(Command::Unsubscribe { participant, track });
        world.command(Command::Unsubscribe { participant, track });
        world.run_ms(100);
        let received = |world: &World| world.clients[chooser].receiver.streams[0].packets.len();
        let before = received(&world);
        world.run_ms(1_000);
        assert_eq!(received(&world), before, "nothing to a non-subscriber");
        counts.push(before);
    }
    assert!(counts.is_sorted_by(|a, b| a + 50 < *b), "{counts:?}");
    let since = world.now;
    world.command(Command::Subscribe { participant, track: world.track(0, "0") });
    world.command(Command::Subscribe { participant, track: crate::ids::TrackId(1) });
    assert_eq!(world.count_events(since, |event| matches!(event, Event::SubscriptionFailed { .. })), 2);
    settle(&mut world);
    world.clients[chooser].receiver.streams[0].judge();
}

#[test]
fn what_is_wished_for_before_the_first_offer_is_received_after_it() {
    let mut world = World::new(Quality::GOOD, 6);
    let other = caller(&mut world, camera());
    world.run_ms(500);
    let chooser = world.join(true, false);
    let participant = world.clients[chooser].id;
    let (voice, picture) = (world.track(other, "0"), world.track(other, "1"));
    for track in [voice, picture, picture] {
        world.command(Command::Subscribe { participant, track });
    }
    world.command(Command::Unsubscribe { participant, track: voice });
    world.clients[chooser].add(QUIET);
    world.offer(chooser);
    world.run_ms(2_000);
    assert_eq!(world.line_of(chooser, other, "0"), None);
    let line = world.line_of(chooser, other, "1").expect("a line");
    assert!(world.clients[chooser].receiver.stream(&line).judge().len() > 30);
}

#[test]
fn a_participant_publishes_eight_tracks() {
    let mut world = World::new(Quality::GOOD, 5);
    let rich = world.join(true, true);
    for index in 0..8 {
        world.clients[rich].add(if index % 2 == 0 { QUIET } else { camera() });
    }
    world.offer(rich);
    let other = caller(&mut world, camera());
    world.run_ms(5_000);
    settle(&mut world);
    for mid in 0..8 {
        let line = world.line_of(other, rich, &mid.to_string()).expect("a line");
        let frames = world.clients[other].receiver.stream(&line).judge();
        assert!(frames.len() > 100 && frames.iter().all(|frame| frame.track == mid));
    }
}

#[test]
fn a_room_that_closes_says_nothing_more() {
    let mut world = call(Quality::GOOD, 6, 3);
    let plain = world.join(false, true);
    world.clients[plain].add(QUIET);
    world.offer(plain);
    world.run_ms(3_000);
    let since = world.now;
    world.command(Command::CloseRoom { room: ROOM });
    assert!(world.events.iter().all(|(at, _)| *at < since), "{:?}", world.events.last());
    assert_eq!(offers(&world, since), 0);
    world.run_ms(100);
    assert!(world.clients.iter().all(|client| client.closed), "everybody is told by DTLS");
    let stats = world.shard.stats();
    assert_eq!((stats.rooms, stats.participants, stats.publications, stats.subscriptions), (0, 0, 0, 0));
    world.run_ms(60_000);
}
