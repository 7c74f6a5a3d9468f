//! A link that falls so far at once that its queue is full of what it cannot carry before anybody hears of it.

use super::{CAMERA, LOWEST, Room, WARM_UP, ms, seconds, seeds};
use crate::command::{Command, View};
use crate::sim::network::Quality;
use crate::sim::oracles;
use crate::sim::publisher::Encoded;

/// The key frame of the layer that fits is asked for, and then waits behind the queue: a quarter of a second to hear of the
/// fall, a frame's time to encode, 300 ms of queue.
const STANDSTILL: u64 = 800;

#[test]
fn a_picture_soon_goes_on_at_its_lowest_layer() {
    for seed in seeds() {
        let camera = Encoded { frames_per_s: 15, ..Encoded::of_chromium() };
        let mut room = Room::with("3 to 0.4 Mbit/s", Quality::limited(3_000_000), seed, 1, &camera);
        // Whenever it comes in a frame's time.
        room.run(WARM_UP + ms(37 * seed));
        room.world.set_down(room.subscriber, Quality::limited(400_000));
        let window = room.run(seconds(6));
        let playback = &room.playbacks()[0];
        room.expect([
            oracles::switches_are_smooth(playback, &window, ms(STANDSTILL)),
            oracles::layer_is_back(playback, &window, LOWEST, seconds(1)),
            oracles::sound_arrives(room.sound(), &(window.start + seconds(1)..window.end), 0.995, ms(300)),
        ]);
    }
}

/// Somebody has just been sent a key frame, so no other one can be had soon: the lowest layer goes on with what the ring holds of it, though
/// nobody received that.
#[test]
fn the_lowest_layer_goes_on_with_a_young_key_frame() {
    let camera = Encoded { frames_per_s: 15, ..Encoded::of_chromium() };
    let mut room = Room::with("3 to 0.4 Mbit/s", Quality::limited(3_000_000), 1, 1, &camera);
    room.run(WARM_UP);
    let (participant, track) = (room.world.clients[room.neighbour].id, room.world.track(room.publishers[0], CAMERA));
    let before = room.world.shard.stats().replays;
    room.world.set_down(room.subscriber, Quality::limited(400_000));
    // The key frame of the middle layer is one of all layers.
    let view = View { size: Some((640, 360)), ..View::UNKNOWN };
    room.world.command(Command::SetView { participant, track, view });
    let window = room.run(seconds(3));
    let playback = &room.playbacks()[0];
    room.expect([
        oracles::switches_are_smooth(playback, &window, ms(STANDSTILL)),
        oracles::layer_is_back(playback, &window, LOWEST, seconds(1)),
    ]);
    assert_eq!(room.world.shard.stats().replays, before + 1);
}
