//! Nothing is in the way.

use super::{Room, TOP, WARM_UP, ms, seconds, seeds};
use crate::sim::network::Quality;
use crate::sim::oracles;

#[test]
fn everything_arrives_in_the_best_quality() {
    for seed in seeds() {
        let mut room = Room::new("unlimited", Quality::GOOD, seed, 3);
        room.run(WARM_UP);
        let window = room.run(seconds(8));
        let mut verdicts = vec![
            oracles::queue_is_short(room.link(), &window, ms(1)),
            oracles::sound_arrives(room.sound(), &window, 1.0, ms(50)),
        ];
        for playback in room.playbacks().iter().chain(&room.neighbours_playbacks()) {
            verdicts.extend([
                oracles::layer_is_kept(playback, &window, TOP),
                oracles::picture_moves(playback, &window, 0.0),
                oracles::picture_is_fluid(playback, &window, 29.0),
            ]);
        }
        room.expect(verdicts);
        room.judge(true);
    }
}
