//! A camera in one stream of VP9 or AV1 with spatial layers: a smaller picture where the whole does not fit, or is not of use.

use super::{CAMERA, LOWEST, Room, TOP, WARM_UP, ms, seconds, seeds, settle};
use crate::command::{Command, View};
use crate::formats::Codec;
use crate::sim::network::Quality;
use crate::sim::oracles::{self, SHORT_QUEUE};
use crate::sim::publisher::Encoded;

const WIDE_BPS: u64 = 3_000_000;
const NARROW_BPS: u64 = 400_000;

/// A room with such a camera, and a subscriber behind a downlink of this quality.
fn room(name: &str, down: Quality, (codec, seed): (Codec, u64)) -> Room {
    Room::with(&format!("{name}, {codec:?}"), down, seed, 1, &Encoded::svc(codec))
}

/// Both codecs with each seed.
fn runs() -> impl Iterator<Item = (Codec, u64)> {
    seeds().flat_map(|seed| [(Codec::Vp9, seed), (Codec::Av1, seed)])
}

fn keyframes(room: &Room) -> usize {
    room.world.clients[room.publishers[0]].publisher.known_track(CAMERA).keyframes.len()
}

/// Who is behind the link falls at once, and rises with one key picture for each layer; who is beside it keeps the whole picture.
#[test]
fn spatial_layers_follow_the_link_down_and_up() {
    for run in runs() {
        let mut room = room("spatial layers, 3 to 0.4 to 3 Mbit/s", Quality::limited(WIDE_BPS), run);
        room.run(WARM_UP);
        let before = keyframes(&room);
        room.world.plan_down(room.subscriber, seconds(0), Quality::limited(NARROW_BPS));
        let narrow = room.run(seconds(15));
        assert_eq!(keyframes(&room), before + 1, "one makes good what the full queue loses");
        room.world.plan_down(room.subscriber, seconds(0), Quality::limited(WIDE_BPS));
        let wide = room.run(seconds(20));
        let settled = narrow.start + seconds(3)..narrow.end;
        let grown = wide.start + seconds(12)..wide.end;
        let playback = &room.playbacks()[0];
        let neighbour = &room.neighbours_playbacks()[0];
        room.expect([
            oracles::layer_is_back(playback, &narrow, LOWEST, seconds(2)),
            oracles::switches_are_smooth(playback, &narrow, ms(1_500)),
            oracles::picture_moves(playback, &settled, 0.01),
            oracles::picture_is_fluid(playback, &settled, 15.0),
            oracles::queue_is_short(room.link(), &settled, SHORT_QUEUE),
            oracles::budget_is_kept(room.link(), &settled, NARROW_BPS, 1.2, seconds(1)),
            oracles::sound_arrives(room.sound(), &settled, 0.995, ms(300)),
            oracles::layer_is_back(playback, &wide, TOP, seconds(12)),
            oracles::picture_moves(playback, &grown, 0.01),
            oracles::switches_are_smooth(playback, &wide, ms(300)),
            oracles::layer_is_kept(neighbour, &(narrow.start..wide.end), TOP),
            oracles::picture_moves(neighbour, &(narrow.start..wide.end), 0.01),
        ]);
        let asked = keyframes(&room) - before;
        assert!((1..=4).contains(&asked), "{asked} key pictures");
        room.judge(false);
        let lost = room.link().queue_drops(&(room.world.start..room.world.now));
        let gaps = room.stream(room.subscriber, room.publishers[0], CAMERA).gaps().len();
        assert!(gaps <= lost, "{gaps} numbers are missing, of which the link has lost {lost} at most");
    }
}

/// NACKs of who is sent a part of each packet sequence are answered with what was sent under those numbers, marker and all.
#[test]
fn what_is_lost_of_a_smaller_picture_is_sent_again() {
    for run in runs() {
        let mut room = room("a small lossy view", Quality::lossy(0.03), run);
        let (participant, track) =
            (room.world.clients[room.subscriber].id, room.world.track(room.publishers[0], CAMERA));
        let before = keyframes(&room);
        let show = |room: &mut Room, height| {
            let view = View { size: Some((320, height)), ..View::UNKNOWN };
            room.world.command(Command::SetView { participant, track, view });
        };
        show(&mut room, 180);
        room.run(WARM_UP);
        let small = room.run(seconds(10));
        show(&mut room, 360);
        let middle = room.run(seconds(10));
        show(&mut room, 180);
        let again = room.run(seconds(5));
        let playback = &room.playbacks()[0];
        room.expect([
            oracles::layer_is_kept(playback, &small, LOWEST),
            oracles::picture_is_fluid(playback, &small, 25.0),
            oracles::layer_is_back(playback, &middle, 1, seconds(3)),
            oracles::picture_is_fluid(playback, &middle, 25.0),
            oracles::layer_is_back(playback, &again, LOWEST, seconds(1)),
            oracles::layer_is_kept(&room.neighbours_playbacks()[0], &(small.start..again.end), TOP),
        ]);
        assert!(keyframes(&room) - before <= 3, "one for the larger picture, and those for the first pictures");
        room.judge(true);
        assert!(room.stream(room.subscriber, room.publishers[0], CAMERA).repaired > 20);
    }
}

/// Of what the publisher's uplink loses or reorders, each packet has the fate of its picture's layer, also when it comes late.
#[test]
fn a_smaller_picture_has_no_gap_though_the_publisher_loses() {
    let mut blanks = 0;
    for run in runs() {
        let mut room = room("layers of a lossy publisher", Quality::limited(WIDE_BPS), run);
        room.world.set_quality(room.publishers[0], Quality::lossy(0.03));
        room.run(WARM_UP);
        room.world.set_down(room.subscriber, Quality::limited(250_000));
        room.run(WARM_UP);
        let window = room.run(seconds(20));
        let playback = &room.playbacks()[0];
        room.expect([
            oracles::layer_is_kept(playback, &window, LOWEST),
            oracles::picture_moves(playback, &window, 0.15),
        ]);
        settle(&mut room.world);
        let lost = room.link().queue_drops(&(room.world.start..room.world.now));
        let stream = room.stream(room.subscriber, room.publishers[0], CAMERA);
        let gaps = stream.gaps().len();
        assert!(gaps <= lost, "{gaps} numbers are missing, of which the link has lost {lost} at most");
        room.stream(room.neighbour, room.publishers[0], CAMERA).judge();
        blanks += stream.blanks.len();
    }
    assert!(blanks > 0, "some come too late");
}

/// Half of the frames, and then all of them again, of the smallest picture.
#[test]
fn the_smallest_picture_moves_at_a_lower_frame_rate_where_it_does_not_fit() {
    for run in runs() {
        let mut room = room("150 kbit/s, spatial layers", Quality::limited(150_000), run);
        room.run(WARM_UP);
        let window = room.run(seconds(20));
        let playback = &room.playbacks()[0];
        room.expect([
            oracles::picture_is_fluid(playback, &window, 6.0),
            oracles::layer_is_kept(playback, &window, LOWEST),
            oracles::is_never_paused(playback, &window),
            oracles::sound_arrives(room.sound(), &window, 0.98, ms(300)),
            oracles::layer_is_kept(&room.neighbours_playbacks()[0], &window, TOP),
        ]);
        room.judge(false);
    }
}
