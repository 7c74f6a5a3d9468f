//! Cameras with temporal layers.

use super::{Room, WARM_UP, seconds, seeds};
use crate::sim::network::Quality;
use crate::sim::oracles;
use crate::sim::publisher::Encoded;

#[test]
fn temporal_layers_arrive_whole_over_a_lossy_link() {
    for seed in seeds() {
        let camera = Encoded { temporal_layers: true, ..Encoded::simulcast() };
        let mut room = Room::with("temporal layers", Quality::lossy(0.02), seed, 1, &camera);
        room.run(WARM_UP);
        let window = room.run(seconds(5));
        let playback = &room.playbacks()[0];
        room.expect([
            oracles::picture_moves(playback, &window, 0.01),
            oracles::picture_is_fluid(playback, &window, 28.0),
        ]);
        room.judge(true);
    }
}
