//! Cameras with temporal layers: a lower frame rate where the whole does not fit.

use super::{CAMERA, LOWEST, Room, TOP, WARM_UP, ms, seconds, seeds, settle};
use crate::sim::network::Quality;
use crate::sim::oracles;

#[test]
fn temporal_layers_arrive_whole_over_a_lossy_link() {
    for seed in seeds() {
        let mut room = Room::new("temporal layers", Quality::lossy(0.02), seed, 1);
        room.run(WARM_UP);
        let window = room.run(seconds(5));
        let playback = &room.playbacks()[0];
        room.expect([
            oracles::picture_moves(playback, &window, 0.01),
            // A frame that nothing refers to is given up when a later one is there already.
            oracles::picture_is_fluid(playback, &window, 23.0),
        ]);
        room.judge(true);
    }
}

/// The lowest encoding and sound are more than the link carries: the only picture goes on at a lower frame rate. Whether a higher one
/// fits is tried now and then, and costs a moment's queue on a link this slow.
#[test]
fn a_picture_moves_at_a_lower_frame_rate_where_the_whole_does_not_fit() {
    for seed in seeds() {
        let mut room = Room::new("150 kbit/s, temporal layers", Quality::limited(150_000), seed, 1);
        room.run(WARM_UP);
        let window = room.run(seconds(30));
        let playback = &room.playbacks()[0];
        room.expect([
            oracles::picture_moves(playback, &window, 0.1),
            oracles::picture_is_fluid(playback, &window, 7.0),
            oracles::layer_is_kept(playback, &window, LOWEST),
            oracles::is_never_paused(playback, &window),
            oracles::budget_is_kept(room.link(), &window, 150_000, 1.5, seconds(1)),
            oracles::sound_arrives(room.sound(), &window, 0.98, ms(300)),
            oracles::layer_is_kept(&room.neighbours_playbacks()[0], &window, TOP),
        ]);
        room.judge(false);
        let lost = room.link().queue_drops(&(room.world.start..room.world.now));
        let gaps = room.stream(room.subscriber, room.publishers[0], CAMERA).gaps().len();
        assert!(gaps <= lost, "{gaps} numbers are missing, of which the link has lost {lost} at most");
    }
}

/// Of what the publisher's uplink loses or reorders, each packet has the fate of its frame, and what comes too late to be left out
/// without a gap is made up for.
#[test]
fn what_is_left_out_leaves_no_gap_though_it_comes_late() {
    let mut blanks = 0;
    for seed in seeds() {
        let mut room = Room::new("thinned and lossy", Quality::limited(2_000_000), seed, 1);
        room.world.set_quality(room.publishers[0], Quality::lossy(0.03));
        room.run(WARM_UP);
        // What the link loses belongs to the layer before.
        room.world.set_down(room.subscriber, Quality::limited(150_000));
        room.run(WARM_UP);
        let window = room.run(seconds(30));
        let playback = &room.playbacks()[0];
        room.expect([oracles::layer_is_kept(playback, &window, LOWEST)]);
        assert!(playback.frames_per_s(&window) < 20.0, "frames are left out");
        settle(&mut room.world);
        let stream = room.stream(room.subscriber, room.publishers[0], CAMERA);
        let lost = room.link().queue_drops(&(room.world.start..room.world.now));
        let gaps = stream.gaps().len();
        assert!(gaps <= lost, "{gaps} numbers are missing, of which the link has lost {lost} at most");
        // Where the link itself has lost nothing of it.
        stream.judge_last_source();
        blanks += stream.blanks.len();
    }
    assert!(blanks > 0, "some come too late");
}
