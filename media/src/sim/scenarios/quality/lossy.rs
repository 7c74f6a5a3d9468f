//! Links that lose datagrams.

use super::{MICROPHONE, Room, TOP, WARM_UP, ms, seconds, seeds};
use crate::sim::network::Quality;
use crate::sim::network::bursts::Bursts;
use crate::sim::oracles::{self, SHORT_QUEUE};
use crate::sim::publisher::{Encoded, Layer, Media};
use std::time::Duration;

#[test]
fn a_megabit_with_five_percent_of_loss_is_still_used() {
    for seed in seeds() {
        let quality = Quality { loss: 0.05, ..Quality::limited(1_000_000) };
        let mut room = Room::new("1 Mbit/s, 5 % loss", quality, seed, 8);
        room.run(WARM_UP);
        // A repair that is lost, too, is a fifth of a second, and comes when it comes: shares of a shorter time say little.
        let window = room.run(seconds(120));
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
fn bursts_of_loss_are_repaired_and_cost_no_layer() {
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
            // The path carries everything; what it loses, it loses of anything.
            oracles::layer_is_kept(playback, &window, TOP),
            oracles::layer_is_kept(&room.neighbours_playbacks()[0], &window, TOP),
        ]);
    }
}

/// A small picture alone is so little that its losses say nothing of what else there would be room for.
#[test]
fn losses_of_a_small_picture_keep_no_other_one_away() {
    let layer = Layer { rid: None, width: 320, height: 180, target_bps: 18_000 };
    let camera = Encoded { layers: vec![layer], frames_per_s: 15, ..Encoded::simulcast() };
    for seed in seeds() {
        let quality = Quality { delay: ms(5), ..Quality::GOOD };
        let mut room = Room::with("20 % loss of a small picture", quality, seed, 1, &camera);
        room.run(WARM_UP);
        room.world.set_down(room.subscriber, Quality { loss: 0.2, ..quality });
        room.run(seconds(10));
        let late = room.world.join(true, false);
        room.world.clients[late].add(Media::Encoded(camera.clone()));
        room.world.offer(late);
        room.run(seconds(10));
        // Its only m-line is the first.
        let track = room.world.track(late, MICROPHONE);
        // What it takes is not known for a second.
        let paused: Duration = room.pauses(room.subscriber, track).iter().map(|pause| pause.end - pause.start).sum();
        assert!(paused < seconds(4), "seed {seed}: {paused:?}");
    }
}
