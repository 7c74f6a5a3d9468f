//! Links that lose datagrams.

use super::{Room, TOP, WARM_UP, ms, seconds, seeds};
use crate::sim::network::Quality;
use crate::sim::network::bursts::Bursts;
use crate::sim::oracles::{self, SHORT_QUEUE};

#[test]
fn a_megabit_with_five_percent_of_loss_is_still_used() {
    for seed in seeds() {
        let quality = Quality { loss: 0.05, ..Quality::limited(1_000_000) };
        let mut room = Room::new("1 Mbit/s, 5 % loss", quality, seed, 8);
        room.run(WARM_UP);
        let window = room.run(seconds(30));
        let mut verdicts = vec![
            oracles::link_is_used(room.link(), &window, 1_000_000, 0.7),
            oracles::queue_is_short(room.link(), &window, SHORT_QUEUE),
            oracles::sound_arrives(room.sound(), &window, 0.995, ms(300)),
        ];
        for playback in &room.playbacks() {
            verdicts.extend([
                oracles::picture_moves(playback, &window, 0.01),
                oracles::layers_are_steady(playback, &window, 4.0),
            ]);
        }
        let neighbours = room.neighbours_playbacks();
        verdicts.extend(neighbours.iter().map(|playback| oracles::layer_is_kept(playback, &window, TOP)));
        room.expect(verdicts);
    }
}

#[test]
fn bursts_of_loss_are_repaired() {
    for seed in seeds() {
        let quality = Quality { bursts: Some(Bursts::of(0.1)), delay: ms(20), ..Quality::GOOD };
        let mut room = Room::new("10 % loss in bursts", quality, seed, 1);
        room.run(WARM_UP);
        let window = room.run(seconds(30));
        let playback = &room.playbacks()[0];
        room.expect([
            oracles::sound_arrives(room.sound(), &window, 0.995, ms(300)),
            oracles::picture_moves(playback, &window, 0.01),
            oracles::picture_is_fluid(playback, &window, 28.0),
            oracles::layer_is_kept(&room.neighbours_playbacks()[0], &window, TOP),
        ]);
    }
}
