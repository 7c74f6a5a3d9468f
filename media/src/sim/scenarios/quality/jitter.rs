//! Links whose delay varies: 100 ms, 50 more or less.
//!
//! Where packets overtake one another by as much, a probe of a tenth of a second shows little, and what is found may be layers less
//! than there is room for.

use super::{LOWEST, Room, TOP, WARM_UP, ms, seconds, seeds};
use crate::sim::network::Quality;
use crate::sim::oracles;

/// There is room for everything. `worst` is the layer that must be shown at least.
fn shaken(keeps_order: bool, worst: u8) {
    for seed in seeds() {
        let quality = Quality { delay: ms(50), jitter: ms(100), keeps_order, ..Quality::GOOD };
        let mut room = Room::new("100 ms ± 50 ms", quality, seed, 1);
        room.run(WARM_UP);
        let window = room.run(seconds(15));
        let mut verdicts = vec![oracles::sound_arrives(room.sound(), &window, 0.995, ms(300))];
        for playback in room.playbacks().iter().chain(&room.neighbours_playbacks()) {
            verdicts.extend([
                oracles::layer_is_at_least(playback, &window, worst),
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
    shaken(true, TOP);
}

#[test]
fn jitter_that_reorders_costs_layers_but_no_movement() {
    shaken(false, LOWEST);
}
