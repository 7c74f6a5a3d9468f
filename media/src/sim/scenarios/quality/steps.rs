//! A link that becomes narrow for a while: 2 Mbit/s, 400 kbit/s, 2 Mbit/s.

use super::{LOWEST, Room, TOP, WARM_UP, ms, seconds, seeds};
use crate::sim::network::Quality;
use crate::sim::oracles::{self, SHORT_QUEUE, Verdict};
use crate::sim::publisher::Encoded;
use std::ops::Range;
use std::time::Instant;

const WIDE_BPS: u64 = 2_000_000;
const NARROW_BPS: u64 = 400_000;

/// What the link is like before, between and after the steps.
struct Spans {
    narrow: Range<Instant>,
    wide: Range<Instant>,
}

fn run(seed: u64, cameras: usize, camera: &Encoded) -> (Room, Spans) {
    let mut room = Room::with("2 to 0.4 to 2 Mbit/s", Quality::limited(WIDE_BPS), seed, cameras, camera);
    room.run(WARM_UP);
    room.world.plan_down(room.subscriber, seconds(0), Quality::limited(NARROW_BPS));
    room.world.plan_down(room.subscriber, seconds(15), Quality::limited(WIDE_BPS));
    let narrow = room.run(seconds(15));
    let wide = room.run(seconds(20));
    (room, Spans { narrow, wide })
}

/// What holds whatever the number of cameras.
fn follows(room: &Room, spans: &Spans) -> Vec<Verdict> {
    let settled = spans.narrow.start + seconds(3)..spans.narrow.end;
    let grown = spans.wide.start + seconds(10)..spans.wide.end;
    let mut verdicts = vec![
        oracles::settles(room.link(), &spans.narrow, NARROW_BPS, seconds(3)),
        oracles::queue_is_short(room.link(), &settled, SHORT_QUEUE),
        oracles::budget_is_kept(room.link(), &settled, NARROW_BPS, 1.2, seconds(1)),
        oracles::sound_arrives(room.sound(), &settled, 0.995, ms(300)),
        oracles::queue_is_short(room.link(), &grown, SHORT_QUEUE),
        oracles::sound_arrives(room.sound(), &grown, 0.995, ms(300)),
    ];
    let shown = spans.narrow.start + seconds(3)..spans.narrow.end;
    for playback in &room.playbacks() {
        verdicts.extend([
            oracles::picture_moves(playback, &shown, 0.01),
            oracles::picture_moves(playback, &grown, 0.01),
            oracles::switches_are_smooth(playback, &spans.wide, ms(500)),
        ]);
    }
    let whole = spans.narrow.start..spans.wide.end;
    verdicts.extend(room.neighbours_playbacks().iter().map(|playback| oracles::layer_is_kept(playback, &whole, TOP)));
    verdicts
}

#[test]
fn eight_cameras_follow_the_link_down_and_up() {
    for seed in seeds() {
        let (room, spans) = run(seed, 8, &Encoded::simulcast());
        let mut verdicts = follows(&room, &spans);
        verdicts.push(oracles::fills(room.link(), &spans.wide, WIDE_BPS, 0.8, seconds(10)));
        room.expect(verdicts);
    }
}

#[test]
fn one_camera_falls_to_its_lowest_layer_and_comes_back() {
    for seed in seeds() {
        let (room, spans) = run(seed, 1, &Encoded::of_chromium());
        let mut verdicts = follows(&room, &spans);
        let playback = &room.playbacks()[0];
        verdicts.extend([
            oracles::layer_is_back(playback, &spans.narrow, LOWEST, seconds(3)),
            oracles::picture_is_fluid(playback, &spans.narrow, 10.0),
            oracles::layer_is_back(playback, &spans.wide, TOP, seconds(10)),
        ]);
        room.expect(verdicts);
    }
}
