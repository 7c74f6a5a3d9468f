//! Pictures that a subscriber does not look at.

use super::{CAMERA, Room, TOP, WARM_UP, ms, seconds, seeds};
use crate::command::{Command, View};
use crate::sim::network::Quality;
use crate::sim::oracles;

#[test]
fn a_hidden_camera_is_not_sent() {
    for seed in seeds() {
        let mut room = Room::new("a hidden camera", Quality::GOOD, seed, 2);
        room.run(WARM_UP);
        let (participant, track) =
            (room.world.clients[room.subscriber].id, room.world.track(room.publishers[1], CAMERA));
        let show = |room: &mut Room, visible| {
            let view = View { visible, ..View::UNKNOWN };
            room.world.command(Command::SetView { participant, track, view });
        };
        show(&mut room, false);
        // What is on its way, and what was lost of it.
        room.run(ms(500));
        let hidden = room.run(seconds(5));
        show(&mut room, true);
        let shown = room.run(seconds(3));
        let back = shown.start + seconds(1)..shown.end;
        room.expect([
            oracles::nothing_arrives(room.stream(room.subscriber, room.publishers[1], CAMERA), &hidden),
            oracles::layer_is_kept(&room.playback(room.subscriber, room.publishers[0]), &hidden, TOP),
            oracles::picture_is_fluid(&room.playback(room.subscriber, room.publishers[1]), &back, 28.0),
            oracles::layer_is_kept(&room.playback(room.neighbour, room.publishers[1]), &hidden, TOP),
        ]);
        room.judge(true);
    }
}
