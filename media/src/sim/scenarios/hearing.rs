//! Large rooms: only the loudest are heard, from their first syllable on.

use super::{QUIET, settle};
use crate::command::{Command, Event, SubscriptionError};
use crate::loudest::LoudestLimits;
use crate::room_stats::SubscriptionState;
use crate::sim::network::Quality;
use crate::sim::publisher::Media;
use crate::sim::receiver::Arrived;
use crate::sim::world::{ROOM, World};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// More than four microphones, and two are heard.
const TWO_OF_FOUR: LoudestLimits = LoudestLimits { above: 4, places: 2 };

/// Packets of 20 ms that may come before what began to be loud.
const PREROLL_PACKETS: u32 = 8;

/// Somebody with a microphone, who hears the others.
fn talker(world: &mut World, follows_bindings: bool) -> usize {
    let client = world.join(follows_bindings, true);
    world.clients[client].add(QUIET);
    world.offer(client);
    client
}

/// A room of connected people with microphones, of whom the second follows no bindings; three quiet seconds into their call.
fn room(quality: Quality, seed: u64, limits: LoudestLimits, count: usize) -> World {
    let mut world = World::choosing(quality, seed, limits);
    for index in 0..count {
        talker(&mut world, index != 1);
    }
    connect(&mut world);
    world
}

fn connect(world: &mut World) {
    let end = world.now + Duration::from_secs(30);
    assert!(world.run_until(|world| world.clients.iter().all(|c| c.dead || c.connected_at.is_some()), end));
    world.run_ms(3_000);
}

/// Makes somebody that loud; the number of the first packet that is so.
fn speak(world: &mut World, client: usize, level: u8) -> u32 {
    let track = world.clients[client].publisher.track("0");
    track.media = Media::Audio { level };
    track.frame
}

/// What a listener has received of somebody's microphone since then, on whatever line, by the packet's number.
fn received(world: &World, listener: usize, of: usize, since: Instant) -> BTreeMap<u32, Arrived> {
    let publisher = world.clients[of].id.0;
    let packets = world.clients[listener].receiver.streams.iter().flat_map(|stream| stream.packets.values());
    let packets = packets.filter(|packet| packet.content.publisher == publisher && packet.at >= since);
    packets.map(|packet| (packet.content.frame, *packet)).collect()
}

/// Whom a listener has received anything of since then.
fn heard(world: &World, listener: usize, since: Instant) -> BTreeSet<usize> {
    let others = (0..world.clients.len()).filter(|of| *of != listener);
    others.filter(|of| !received(world, listener, *of, since).is_empty()).collect()
}

fn offers(world: &World, since: Instant) -> usize {
    world.count_events(since, |event| matches!(event, Event::Offered { .. }))
}

fn judge(world: &mut World) {
    settle(world);
    for client in world.clients.iter().filter(|client| !client.dead) {
        for stream in &client.receiver.streams {
            stream.judge();
        }
    }
}

#[test]
fn who_begins_to_speak_is_heard_from_the_first_syllable_on() {
    let mut world = room(Quality::GOOD, 1, TWO_OF_FOUR, 7);
    assert_eq!(world.shard.stats().choosing_rooms, 1);
    for speaker in [4, 5, 6, 0, 1, 2, 3] {
        let start = world.now;
        let first = speak(&mut world, speaker, 25);
        world.run_ms(500);
        for listener in (0..7).filter(|listener| *listener != speaker) {
            let packets = received(&world, listener, speaker, start);
            let (earliest, arrived) = packets.first_key_value().expect("something is heard");
            assert!(*earliest + PREROLL_PACKETS >= first, "{listener} hears {speaker} from long before");
            let was_heard = *earliest + 2 >= first && speaker < 2;
            assert!(
                *earliest + PREROLL_PACKETS <= first + 1 || was_heard,
                "{listener} hears {speaker} from {earliest}, not {first}"
            );
            // Ten each way on the network, and the next packet's turn.
            assert!(arrived.at - start <= Duration::from_millis(45), "{listener} waits for {speaker}");
            let missing = (*earliest..first + 20).find(|frame| !packets.contains_key(frame));
            assert_eq!(missing, None, "{listener} hears all of {speaker}: {earliest} {first} {:?}", packets.keys());
        }
        assert!(received(&world, speaker, speaker, start).is_empty(), "nobody hears oneself");
        speak(&mut world, speaker, 127);
        world.run_ms(2_500);
    }
    assert!(world.shard.stats().voice_changes >= 6);
    judge(&mut world);
}

#[test]
fn no_more_are_heard_than_there_are_places_whoever_speaks() {
    let mut world = room(Quality::GOOD, 2, TWO_OF_FOUR, 8);
    for (speaker, level) in [(2, 30), (3, 30), (4, 29), (5, 31), (6, 30), (7, 30)] {
        speak(&mut world, speaker, level);
        world.run_ms(40);
    }
    world.run_ms(1_000);
    let since = world.now;
    world.run_ms(5_000);
    for listener in [0, 1] {
        assert_eq!(heard(&world, listener, since), [2, 3].into(), "who came first stays");
    }
    assert_eq!(heard(&world, 2, since), [3].into(), "one of them hears the other");
    let stats = world.shard.read_at_most(world.now, ROOM, 1_000);
    for listener in [0, 1] {
        let of = |state| stats.participants[listener].subscriptions.iter().filter(|s| s.state == state).count();
        assert_eq!((of(SubscriptionState::Forwarding), of(SubscriptionState::Unheard)), (2, 5));
        assert_eq!(stats.participants[listener].subscriptions_left_out, 0);
    }
    let few = world.shard.read_at_most(world.now, ROOM, 8);
    assert_eq!(few.participants[0].subscriptions_left_out, 6);
    speak(&mut world, 6, 10);
    world.run_ms(1_000);
    let since = world.now;
    world.run_ms(1_000);
    let loudest = heard(&world, 0, since);
    assert!(loudest.len() == 2 && loudest.contains(&6), "the clearly louder one makes its way: {loudest:?}");
    assert!(world.drops(crate::drop_reason::DropReason::Unheard) > 1_000);
    judge(&mut world);
}

#[test]
fn changes_cost_no_negotiation_and_a_few_lines() {
    let mut world = room(Quality::lossy(0.02), 3, TWO_OF_FOUR, 12);
    world.run_ms(2_000);
    let since = world.now;
    for turn in 0..24 {
        let speaker = turn % 12;
        speak(&mut world, speaker, 25);
        world.run_ms(700);
        speak(&mut world, speaker, 127);
        world.run_ms(1_500);
    }
    assert_eq!(offers(&world, since), 0);
    let bound = world.count_events(since, |event| matches!(event, Event::Bound { .. }));
    assert!(bound > 100, "lines changed hands: {bound}");
    for client in (0..12).filter(|client| *client != 1) {
        let lines = world.clients[client].receiver.streams.len();
        // Those of the first four, before there was a choice, and spare ones.
        assert!(lines <= 8, "{client} has {lines} lines");
        let bound = (0..12).filter(|of| world.line_of(client, *of, "0").is_some()).count();
        assert!((1..=2).contains(&bound), "{client} has {bound} voices");
    }
    assert_eq!(
        (0..12).filter(|of| world.line_of(1, *of, "0").is_some()).count(),
        11,
        "who cannot follow keeps its lines"
    );
    settle(&mut world);
    for client in &world.clients {
        for stream in &client.receiver.streams {
            // Of the sound that was lost, gaps are left; the numbers of a line go on from voice to voice.
            let count = stream.packets.len();
            assert!(stream.gaps().len() * 10 <= count, "{} of {count} are missing", stream.gaps().len());
            let timestamps: Vec<u32> = stream.packets.values().map(|packet| packet.timestamp).collect();
            assert!(timestamps.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) as i32 > 0), "time runs on");
        }
    }
}

#[test]
fn who_comes_into_a_large_room_needs_no_more_than_one_offer() {
    let mut world = room(Quality::GOOD, 4, TWO_OF_FOUR, 6);
    let came = world.now;
    let late = talker(&mut world, true);
    connect(&mut world);
    // The newcomer has one, and so has who keeps a line for everybody.
    let bystanders =
        |event: &Event| matches!(event, Event::Offered { participant, .. } if ![2, 7].contains(&participant.0));
    assert_eq!(world.count_events(came, bystanders), 0);
    assert_eq!(offers(&world, came), 2);
    let since = world.now;
    for speaker in [2, 3, 4, 5] {
        speak(&mut world, speaker, 25);
        world.run_ms(500);
        assert!(heard(&world, late, since).contains(&speaker));
        speak(&mut world, speaker, 127);
        world.run_ms(2_500);
    }
    assert_eq!(offers(&world, since), 0);
    assert!(world.clients[late].receiver.streams.len() <= 4, "{}", world.clients[late].receiver.streams.len());
    judge(&mut world);
}

#[test]
fn everybody_is_heard_again_when_the_room_has_become_small() {
    let mut world = room(Quality::GOOD, 5, TWO_OF_FOUR, 6);
    world.leave(5);
    world.run_ms(500);
    world.leave(4);
    world.run_ms(500);
    assert_eq!(world.shard.stats().choosing_rooms, 1, "not at the border itself");
    world.leave(3);
    world.run_ms(1_000);
    assert_eq!(world.shard.stats().choosing_rooms, 0);
    let since = world.now;
    world.run_ms(500);
    for (listener, others) in [(0, [1, 2]), (1, [0, 2]), (2, [0, 1])] {
        assert_eq!(heard(&world, listener, since), others.into());
    }
    talker(&mut world, true);
    connect(&mut world);
    assert_eq!(world.shard.stats().choosing_rooms, 0);
    judge(&mut world);
}

#[test]
fn the_sound_of_a_screen_is_always_forwarded() {
    let mut world = room(Quality::GOOD, 6, TWO_OF_FOUR, 6);
    let mid = world.clients[5].add(QUIET);
    world.clients[5].publisher.track(&mid).is_of_screen = true;
    world.offer(5);
    world.run_ms(1_000);
    for speaker in [2, 3] {
        speak(&mut world, speaker, 20);
    }
    world.run_ms(3_000);
    for listener in 0..5 {
        let line = world.line_of(listener, 5, &mid).expect("a line");
        let packets = world.clients[listener].receiver.stream(&line).packets.values();
        let lately = packets.filter(|packet| packet.content.track == 1).count();
        assert!(lately > 150, "{lately}");
    }
    judge(&mut world);
}

#[test]
fn what_was_said_while_silenced_is_never_heard() {
    let mut world = room(Quality::GOOD, 7, TWO_OF_FOUR, 6);
    let (participant, track) = (world.clients[4].id, world.track(4, "0"));
    let start = world.now;
    speak(&mut world, 4, 20);
    world.command(Command::Silence { participant, track: Some(track) });
    world.run_ms(2_000);
    let since = world.clients[4].publisher.track("0").frame;
    world.command(Command::SetMuted { participant, track, muted: false });
    world.run_ms(1_000);
    for listener in 0..4 {
        let packets = received(&world, listener, 4, start);
        let first = packets.keys().next().expect("unmuted");
        // One packet was on its way.
        assert!(first + 1 >= since, "{listener} hears what was said in silence: {first}, not {since}");
    }
    judge(&mut world);
}

#[test]
fn who_tells_no_level_is_heard_nevertheless() {
    let mut world = room(Quality::GOOD, 8, TWO_OF_FOUR, 6);
    world.clients[5].publisher.track("0").tells_level = false;
    world.run_ms(2_500);
    let since = world.now;
    world.run_ms(500);
    for listener in 0..5 {
        assert!(heard(&world, listener, since).contains(&5), "its packets have the size of speech");
    }
    judge(&mut world);
}

#[test]
fn one_listens_to_more_than_one_can_have_lines() {
    let mut world = World::choosing(Quality::GOOD, 9, LoudestLimits { above: 8, places: 3 });
    for _ in 0..100 {
        talker(&mut world, true);
    }
    connect(&mut world);
    let failed = |event: &Event| matches!(event, Event::SubscriptionFailed { reason: SubscriptionError::TooMany, .. });
    assert_eq!(world.count_events(world.start, failed), 0);
    let since = world.now;
    for speaker in [99, 55, 97] {
        speak(&mut world, speaker, 25);
        world.run_ms(200);
    }
    for listener in [0, 50, 98] {
        assert!(heard(&world, listener, since).is_superset(&[99, 55, 97].into()), "{listener}");
        assert!(world.clients[listener].receiver.streams.len() <= 16);
    }
    let (participant, track) = (world.clients[0].id, world.track(97, "0"));
    world.command(Command::Unsubscribe { participant, track });
    world.run_ms(50);
    let since = world.now;
    world.run_ms(300);
    assert_eq!(heard(&world, 0, since), [99, 55].into(), "who is not wished to be heard is not");
    assert!(heard(&world, 1, since).contains(&97));
    world.command(Command::Subscribe { participant, track });
    world.run_ms(300);
    assert!(heard(&world, 0, world.now - Duration::from_millis(100)).contains(&97));
    assert_eq!(offers(&world, since), 0);
}

#[test]
fn parts_relay_the_loudest_of_their_own_and_all_hear_the_loudest_of_all() {
    let mut world = World::choosing(Quality::GOOD, 10, TWO_OF_FOUR);
    for _ in 0..4 {
        talker(&mut world, true);
    }
    world.run_ms(500);
    world.place = world.branch();
    for index in 0..4 {
        talker(&mut world, index != 1);
    }
    connect(&mut world);
    let choosing = [world.shard.stats().choosing_rooms, world.branches[0].stats().choosing_rooms];
    assert_eq!(choosing, [1, 1], "what is mirrored counts");
    let relayed = |world: &World| [world.shard.stats().relay_out.count, world.branches[0].stats().relay_out.count];
    let before = relayed(&world);
    world.run_ms(2_000);
    for (before, after) in before.iter().zip(relayed(&world)) {
        assert!((90..=210).contains(&(after - before)), "{} packets in two seconds", after - before);
    }
    for speaker in [7, 2, 4, 0, 6, 3] {
        let start = world.now;
        let first = speak(&mut world, speaker, 25);
        world.run_ms(500);
        for listener in (0..8).filter(|listener| *listener != speaker) {
            let packets = received(&world, listener, speaker, start - Duration::from_millis(40));
            let (earliest, arrived) = packets.first_key_value().expect("something is heard");
            assert!(*earliest <= first, "{listener} misses the beginning of {speaker}");
            assert!(arrived.at <= start + Duration::from_millis(45), "{listener} waits for {speaker}");
            let missing = (*earliest..first + 20).find(|frame| !packets.contains_key(frame));
            assert_eq!(missing, None, "{listener} hears all of {speaker}: {earliest} {first} {:?}", packets.keys());
        }
        for listener in 0..8 {
            assert!(heard(&world, listener, world.now - Duration::from_millis(300)).len() <= 2);
        }
        speak(&mut world, speaker, 127);
        world.run_ms(2_500);
    }
    judge(&mut world);
    world.place = 0;
    for client in [7, 6, 5, 4, 3] {
        world.leave(client);
        world.run_ms(200);
    }
    assert_eq!((world.shard.stats().choosing_rooms, world.branches[0].stats().choosing_rooms), (0, 0));
}
