//! Links whose delay varies: 100 ms, 50 more or less.

use super::{Room, TOP, WARM_UP, ms, seconds, seeds};
use crate::sim::network::Quality;
use crate::sim::oracles;

/// Jitter takes no quality: there is room for everything.
fn shaken(keeps_order: bool) {
    for seed in seeds() {
        let quality = Quality { delay: ms(50), jitter: ms(100), keeps_order, ..Quality::GOOD };
        let mut room = Room::new("100 ms ± 50 ms", quality, seed, 1);
        room.run(WARM_UP);
        let window = room.run(seconds(15));
        let mut verdicts = vec![oracles::sound_arrives(room.sound(), &window, 0.995, ms(300))];
        for playback in room.playbacks().iter().chain(&room.neighbours_playbacks()) {
            verdicts.extend([
                oracles::layer_is_kept(playback, &window, TOP),
                oracles::picture_moves(playback, &window, 0.01),
                oracles::picture_is_fluid(playback, &window, 28.0),
            ]);
        }
        room.expect(verdicts);
        room.judge(true);
    }
}

#[test]
fn jitter_in_order_costs_no_quality() {
    shaken(true);
}

#[test]
fn jitter_that_reorders_costs_no_quality() {
    shaken(false);
}
