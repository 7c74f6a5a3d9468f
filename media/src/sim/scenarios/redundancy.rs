//! Sound with copies of what was just before (RED), for those whose network loses packets.

use super::{QUIET, call, caller, camera};
use crate::command::Command;
use crate::loudest::LoudestLimits;
use crate::sim::network::Quality;
use crate::sim::network::bursts::Bursts;
use crate::sim::oracles::{self, Verdict};
use crate::sim::publisher::{AUDIO, Media, RED};
use crate::sim::receiver::Stream;
use crate::sim::world::World;
use std::ops::Range;
use std::time::{Duration, Instant};

/// From the first loss to the copies: two reports, the first of which may be of too few packets, and some round trips.
const NOTICED: Duration = Duration::from_secs(5);

/// From the last loss to the last copy: ten calm seconds, a window of two around their beginning and their end, a report's interval.
const CALMED: Duration = Duration::from_secs(15);

/// Bursts of two datagrams and a half, of which four fifths get lost: 10 % of all.
fn bursts() -> Quality {
    let (leave, loss) = (0.4, 0.8);
    let bad = 0.1 / loss;
    let bursts = Bursts { enter: leave * bad / (1.0 - bad), leave, loss };
    Quality { bursts: Some(bursts), ..Quality::GOOD }
}

/// Somebody with a microphone.
fn talker(world: &mut World) -> usize {
    let client = world.join(true, true);
    world.clients[client].add(QUIET);
    world.offer(client);
    client
}

/// Makes three talkers, the last of whom loses packets on the way to it from now on.
fn talk(world: &mut World, down: Quality) {
    (0..3).for_each(|_| {
        talker(world);
    });
    let end = world.now + Duration::from_secs(15);
    assert!(world.run_until(|world| world.clients.iter().all(|c| c.connected_at.is_some()), end));
    world.run_ms(1_000);
    world.set_down(2, down);
}

fn run(world: &mut World, time: Duration) -> Range<Instant> {
    let start = world.now;
    world.run(time);
    start..world.now
}

fn sound(world: &World, subscriber: usize, publisher: usize) -> &Stream {
    let line = world.line_of(subscriber, publisher, "0").expect("a line");
    world.clients[subscriber].receiver.stream(&line)
}

fn redundant(world: &World, subscriber: usize) -> u64 {
    world.clients[subscriber].receiver.streams.iter().map(|stream| stream.redundant).sum()
}

/// At least this share of the sound of both others is heard.
fn is_heard(world: &World, window: &Range<Instant>, least: f64) -> Verdict {
    let streams = [0, 1].map(|publisher| sound(world, 2, publisher));
    streams.iter().try_for_each(|stream| oracles::sound_arrives(stream, window, least, Duration::from_secs(1)))
}

#[test]
fn what_gets_lost_at_random_is_heard_from_copies() {
    for seed in 1..=3 {
        for (mut world, has_copies) in
            [(World::new(Quality::GOOD, seed), true), (World::without_red(Quality::GOOD, seed), false)]
        {
            talk(&mut world, Quality { loss: 0.1, ..Quality::GOOD });
            world.run(NOTICED);
            let window = run(&mut world, Duration::from_secs(30));
            let verdict = is_heard(&world, &window, 0.99);
            assert_eq!(verdict.is_ok(), has_copies, "seed {seed}: {verdict:?}");
        }
    }
}

#[test]
fn what_gets_lost_in_bursts_is_heard_from_copies() {
    for seed in 1..=3 {
        for (mut world, has_copies) in
            [(World::new(Quality::GOOD, seed), true), (World::without_red(Quality::GOOD, seed), false)]
        {
            talk(&mut world, bursts());
            world.run(NOTICED);
            let window = run(&mut world, Duration::from_secs(30));
            let verdict = is_heard(&world, &window, 0.96);
            assert_eq!(verdict.is_ok(), has_copies, "seed {seed}: {verdict:?}");
        }
    }
}

#[test]
fn only_those_get_copies_who_lose_packets_and_take_them() {
    let mut world = World::new(Quality::GOOD, 4);
    let plain = world.join(true, true);
    world.clients[plain].session.without_red = true;
    world.clients[plain].add(QUIET);
    world.offer(plain);
    world.set_down(plain, bursts());
    talk(&mut world, bursts());
    world.set_down(2, Quality::GOOD);
    world.set_down(3, bursts());
    world.run_ms(20_000);
    let got: Vec<bool> = (0..4).map(|client| redundant(&world, client) > 100).collect();
    assert_eq!(got, [false, false, false, true]);
    assert_eq!((0..3).map(|client| redundant(&world, client)).sum::<u64>(), 0);
}

#[test]
fn a_path_that_has_become_clean_has_no_copies() {
    let mut world = World::new(Quality::GOOD, 5);
    talk(&mut world, bursts());
    world.run_ms(15_000);
    assert!(redundant(&world, 2) > 100);
    world.set_down(2, Quality::GOOD);
    let end = world.now + CALMED;
    world.run_ms(30_000);
    let latest = world.clients[2].receiver.streams.iter().filter_map(|stream| stream.redundant_at).max();
    assert!(latest.is_some_and(|latest| latest < end), "{:?} too late", latest.map(|latest| latest - end));
}

#[test]
fn what_a_publishers_network_loses_asks_for_no_copies() {
    let mut world = World::new(Quality::GOOD, 6);
    talk(&mut world, Quality::GOOD);
    let lossy = Quality { loss: 0.15, jitter: Duration::from_millis(30), ..Quality::GOOD };
    [0, 1].into_iter().for_each(|client| world.plan_up(client, Duration::ZERO, lossy));
    world.run_ms(30_000);
    assert!(sound(&world, 2, 0).gaps().len() > 100, "it is missing here, too");
    assert_eq!(redundant(&world, 2), 0);
    // But beside it what is lost here does.
    world.set_down(2, bursts());
    world.run_ms(15_000);
    assert!(redundant(&world, 2) > 100);
}

#[test]
fn a_publisher_of_red_is_forwarded_as_it_is() {
    let mut world = World::new(Quality::GOOD, 7);
    talk(&mut world, bursts());
    world.clients[0].publisher.track("0").audio_type = RED;
    world.run_ms(15_000);
    let [own, plain] = [0, 1].map(|publisher| sound(&world, 2, publisher).redundant);
    assert!(own == 0 && plain > 100, "{own} and {plain} packets");
    // Single packets are plain at such a publisher, and have no copies, too.
    for packet in 0..100 {
        world.clients[0].publisher.track("0").audio_type = if packet % 5 > 1 { AUDIO } else { RED };
        world.run_ms(20);
    }
    assert_eq!(sound(&world, 2, 0).redundant, 0);
}

/// The receiver holds every copy against its original and its source: here sources change, are silenced, and lose their lines.
#[test]
fn copies_are_of_the_same_source_whatever_changes() {
    let mut world = World::choosing(Quality::GOOD, 8, LoudestLimits { above: 3, places: 2 });
    talk(&mut world, bursts());
    let talkers = [0, 1, talker(&mut world), talker(&mut world)];
    world.run_ms(10_000);
    for turn in 0..60_usize {
        let client = talkers[turn % talkers.len()];
        match turn % 3 {
            0 => world.clients[client].publisher.restart_in_place("0", turn as u64 % 4),
            1 => {
                for other in talkers {
                    let level = if other == client { 10 } else { 90 };
                    world.clients[other].publisher.track("0").media = Media::Audio { level };
                }
            }
            _ => {
                let (participant, track) = (world.clients[2].id, world.track(client, "0"));
                world.command(Command::Unsubscribe { participant, track });
                world.run_ms(60);
                world.command(Command::Subscribe { participant, track });
            }
        }
        world.run_ms(500);
    }
    assert!(redundant(&world, 2) > 300, "{}", redundant(&world, 2));
}

#[test]
fn what_was_said_while_silenced_is_not_in_copies() {
    let mut world = World::new(Quality::GOOD, 9);
    talk(&mut world, bursts());
    world.run(NOTICED);
    let (participant, track) = (world.clients[0].id, world.track(0, "0"));
    for _ in 0..20 {
        world.command(Command::Silence { participant, track: Some(track) });
        // What is under way is forwarded still.
        world.run_ms(50);
        let from = world.clients[0].publisher.track("0").frame;
        world.run_ms(300);
        let to = world.clients[0].publisher.track("0").frame;
        world.run_ms(50);
        world.command(Command::SetMuted { participant, track, muted: false });
        world.run_ms(300);
        let mut heard = sound(&world, 2, 0).frames_of_sound();
        assert!(!heard.any(|frame| (from..to).contains(&frame)), "something of {from} to {to} was heard");
    }
    assert!(sound(&world, 2, 0).redundant > 100);
}

#[test]
fn who_is_on_another_shard_gets_copies_too() {
    let mut world = call(Quality::GOOD, 10, 1);
    world.place = world.branch();
    let far = caller(&mut world, camera());
    let end = world.now + Duration::from_secs(15);
    assert!(world.run_until(|world| world.clients[far].connected_at.is_some(), end));
    world.set_down(far, Quality { loss: 0.1, ..Quality::GOOD });
    world.run(NOTICED);
    let window = run(&mut world, Duration::from_secs(20));
    let stream = sound(&world, far, 0);
    assert!(stream.redundant > 500, "{}", stream.redundant);
    assert_eq!(oracles::sound_arrives(stream, &window, 0.985, Duration::from_secs(1)), Ok(()));
}
