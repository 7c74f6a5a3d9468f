//! How good a call is, as the room is told.

use super::{call, caller, camera};
use crate::command::Event;
use crate::quality::Level;
use crate::sim::network::Quality as Network;
use crate::sim::world::World;
use std::time::Duration;

/// The levels of a client that were told so far.
fn told(world: &World, client: usize) -> Vec<Level> {
    let id = world.clients[client].id;
    let lists = world.events.iter().filter_map(|(_, event)| match event {
        Event::Quality { participants, .. } => Some(participants),
        _ => None,
    });
    lists.flatten().filter(|(participant, _)| *participant == id).map(|(_, quality)| quality.level).collect()
}

fn level(world: &World, client: usize) -> Option<Level> {
    told(world, client).last().copied()
}

/// Waits until a client has that level.
fn becomes(world: &mut World, client: usize, expected: Level, within_s: u64) {
    let end = world.now + Duration::from_secs(within_s);
    let reached = world.run_until(|world| level(world, client) == Some(expected), end);
    assert!(reached, "{expected:?} is not told of {client}: {:?}", told(world, client));
}

#[test]
fn a_lossy_downlink_is_told_and_its_end_too() {
    let mut world = call(Network::GOOD, 1, 3);
    for client in 0..3 {
        becomes(&mut world, client, Level::Excellent, 10);
    }
    world.set_down(2, Network { loss: 0.2, ..Network::GOOD });
    becomes(&mut world, 2, Level::Poor, 15);
    world.set_down(2, Network::GOOD);
    becomes(&mut world, 2, Level::Excellent, 60);
    for client in 0..2 {
        assert_eq!(told(&world, client), [Level::Excellent], "the others notice nothing");
    }
    world.run_ms(20_000);
    assert!(told(&world, 2).len() <= 5, "it does not flap: {:?}", told(&world, 2));
}

#[test]
fn who_joins_a_good_call_is_told_nothing_worse_of_it() {
    // Whenever it comes between two judgements.
    for phase in 0..4 {
        let mut world = call(Network::GOOD, 6, 2);
        world.run_ms(8_000 + 500 * phase);
        let late = caller(&mut world, camera());
        becomes(&mut world, late, Level::Excellent, 20);
        assert_eq!(told(&world, late), [Level::Excellent], "phase {phase}");
    }
}

#[test]
fn a_lossy_uplink_is_told_of_its_owner_alone() {
    let mut world = call(Network::GOOD, 2, 2);
    world.run_ms(8_000);
    world.plan_up(1, Duration::ZERO, Network { loss: 0.25, ..Network::GOOD });
    becomes(&mut world, 1, Level::Poor, 15);
    world.run_ms(20_000);
    assert!(!told(&world, 0).contains(&Level::Poor), "what is lost before the server is not blamed on who receives it");
}

#[test]
fn who_is_not_heard_any_more_is_lost_and_comes_back() {
    let mut world = call(Network::GOOD, 3, 2);
    becomes(&mut world, 1, Level::Excellent, 10);
    world.set_quality(1, Network::GOOD.broken());
    becomes(&mut world, 1, Level::Lost, 15);
    world.set_quality(1, Network::GOOD);
    becomes(&mut world, 1, Level::Excellent, 60);
}

#[test]
fn nothing_is_known_once_nothing_is_sent() {
    let mut world = call(Network::GOOD, 4, 1);
    becomes(&mut world, 0, Level::Excellent, 10);
    world.clients[0].publisher.tracks.iter_mut().for_each(|track| track.enabled = false);
    becomes(&mut world, 0, Level::Unknown, 30);
}

#[test]
fn both_parts_of_a_room_tell_of_their_own_participants() {
    let mut world = call(Network::GOOD, 5, 1);
    world.place = world.branch();
    let far = caller(&mut world, camera());
    let end = world.now + Duration::from_secs(15);
    assert!(world.run_until(|world| world.clients[far].connected_at.is_some(), end));
    becomes(&mut world, 0, Level::Excellent, 20);
    becomes(&mut world, far, Level::Excellent, 20);
    world.set_down(far, Network { loss: 0.2, ..Network::GOOD });
    becomes(&mut world, far, Level::Poor, 15);
    assert_eq!(level(&world, 0), Some(Level::Excellent));
}
