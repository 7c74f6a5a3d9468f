//! Links that have room for some of what there is.

use super::{Room, TOP, WARM_UP, ms, seconds, seeds};
use crate::sim::network::Quality;
use crate::sim::oracles::{self, SHORT_QUEUE, Verdict};
use crate::sim::publisher::Encoded;
use std::ops::Range;
use std::time::Instant;

/// What holds on each of these links once it has settled.
fn steady(room: &Room, window: &Range<Instant>, rate_bps: u64) -> Vec<Verdict> {
    let mut verdicts = vec![
        oracles::queue_is_short(room.link(), window, SHORT_QUEUE),
        oracles::budget_is_kept(room.link(), window, rate_bps, 1.2, seconds(1)),
        oracles::sound_arrives(room.sound(), window, 0.995, ms(300)),
    ];
    for playback in &room.playbacks() {
        verdicts.extend([
            oracles::picture_moves(playback, window, 0.01),
            oracles::layers_are_steady(playback, window, 4.0),
            oracles::switches_are_smooth(playback, window, ms(500)),
        ]);
    }
    verdicts.extend(room.neighbours_playbacks().iter().map(|playback| oracles::layer_is_kept(playback, window, TOP)));
    verdicts
}

/// Eight cameras whose lowest layers take some two thirds of the link, so that there is something for every bit of it.
fn filled(rate_bps: u64) {
    for seed in seeds() {
        let camera = Encoded::of_chromium().scaled(rate_bps as f64 / 2e6);
        let name = format!("{} kbit/s", rate_bps / 1_000);
        let mut room = Room::with(&name, Quality::limited(rate_bps), seed, 8, &camera);
        room.run(WARM_UP);
        // Which layers fit beside one another is found by trying, ever more rarely.
        room.run(seconds(15));
        // What is allowed is a number of changes a minute.
        let window = room.run(seconds(60));
        let mut verdicts = steady(&room, &window, rate_bps);
        verdicts.push(oracles::link_is_used(room.link(), &window, rate_bps, 0.85));
        room.expect(verdicts);
    }
}

#[test]
fn two_megabits_are_filled_and_not_overfilled() {
    filled(2_000_000);
}

#[test]
fn one_megabit_is_filled_and_not_overfilled() {
    filled(1_000_000);
}

#[test]
fn four_hundred_kilobits_carry_a_moving_picture() {
    for seed in seeds() {
        let mut room = Room::new("400 kbit/s", Quality::limited(400_000), seed, 1);
        room.run(WARM_UP);
        let window = room.run(seconds(30));
        let mut verdicts = steady(&room, &window, 400_000);
        verdicts.push(oracles::picture_is_fluid(&room.playbacks()[0], &window, 10.0));
        room.expect(verdicts);
    }
}

/// The lowest encoding does not fit beside the sound, but its lowest frame rate does.
#[test]
fn a_hundred_and_fifty_kilobits_carry_sound() {
    for seed in seeds() {
        let mut room = Room::new("150 kbit/s", Quality::limited(150_000), seed, 1);
        room.run(WARM_UP);
        // Whether a higher frame rate fits is found by trying, ever more rarely; each time the sound waits.
        room.run(seconds(45));
        let window = room.run(seconds(30));
        let verdicts = steady(&room, &window, 150_000);
        room.expect(verdicts);
    }
}
