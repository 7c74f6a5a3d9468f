//! One file for each kind of thing that happens in a call.

mod allocating;
mod attacking;
mod chat;
mod churning;
mod connecting;
mod counting;
mod gathering;
mod hearing;
mod holding;
mod joining;
mod judging;
mod loss;
mod moderating;
mod moving;
mod negotiating;
mod quality;
mod reading;
mod redundancy;
mod relaying;
mod replaying;
mod resending;
mod restarting;
mod resting;
mod simulcasting;
mod speaking;
mod storming;

use super::network::Quality;
use super::publisher::Media;
use super::world::World;
use std::time::Duration;

/// A microphone that is silent.
pub(super) const QUIET: Media = Media::Audio { level: 127 };

/// A camera without simulcast.
pub(super) fn camera() -> Media {
    Media::Video { rids: Vec::new() }
}

/// A camera with three encodings.
pub(super) fn simulcast() -> Media {
    Media::Video { rids: vec!["q", "h", "f"] }
}

/// Somebody who sends sound and, as mid 1, a picture, and receives everything.
pub(super) fn caller(world: &mut World, video: Media) -> usize {
    let client = world.join(true, true);
    world.clients[client].add(QUIET);
    world.clients[client].add(video);
    world.offer(client);
    client
}

/// A world of `count` connected callers with cameras, a second into their call.
pub(super) fn call(quality: Quality, seed: u64, count: usize) -> World {
    let mut world = World::new(quality, seed);
    for _ in 0..count {
        caller(&mut world, camera());
    }
    let end = world.now + Duration::from_secs(15);
    let connected = world.run_until(|world| world.clients.iter().all(|c| c.connected_at.is_some()), end);
    assert!(connected, "everybody gets connected");
    world.run_ms(1_000);
    world
}

/// Stops all media and waits until everything has been repaired.
pub(super) fn settle(world: &mut World) {
    for client in &mut world.clients {
        client.publisher.tracks.iter_mut().for_each(|track| track.enabled = false);
    }
    world.run_ms(2_000);
}
