//! Who speaks.

use super::call;
use crate::command::{Command, Event};
use crate::ids::ParticipantId;
use crate::sim::network::Quality;
use crate::sim::publisher::Media;
use crate::sim::world::World;

fn speakers(world: &World) -> Vec<ParticipantId> {
    let lists = world.events.iter().rev().find_map(|(_, event)| match event {
        Event::Speakers { speakers, .. } => Some(speakers.iter().map(|(id, _)| *id).collect()),
        _ => None,
    });
    lists.unwrap_or_default()
}

fn speak(world: &mut World, client: usize, level: u8) {
    world.clients[client].publisher.track("0").media = Media::Audio { level };
}

#[test]
fn those_who_speak_are_told_of_and_the_muted_are_not() {
    let mut world = call(Quality::lossy(0.02), 1, 3);
    assert!(speakers(&world).is_empty());
    speak(&mut world, 1, 20);
    world.run_ms(1_500);
    assert_eq!(speakers(&world), [world.clients[1].id]);
    speak(&mut world, 2, 5);
    world.run_ms(1_500);
    assert_eq!(speakers(&world), [world.clients[2].id, world.clients[1].id], "the louder one first");
    let (participant, track) = (world.clients[2].id, world.track(2, "0"));
    world.command(Command::SetMuted { participant: world.clients[0].id, track, muted: true });
    world.run_ms(500);
    assert!(speakers(&world).contains(&participant), "nobody mutes another one");
    world.command(Command::SetMuted { participant, track, muted: true });
    world.run_ms(1_000);
    assert_eq!(speakers(&world), [world.clients[1].id]);
    world.command(Command::SetMuted { participant, track, muted: false });
    world.run_ms(1_500);
    assert_eq!(speakers(&world).len(), 2);
    world.leave(2);
    speak(&mut world, 1, 127);
    world.run_ms(3_000);
    assert!(speakers(&world).is_empty());
}
