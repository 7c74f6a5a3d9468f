//! Encodings that nobody watches are switched off, and on again.

use super::{CAMERA, LOWEST, Room, TOP, WARM_UP, ms, seconds, seeds};
use crate::command::{Command, Rid, View};
use crate::sim::network::Quality;
use crate::sim::oracles;

#[test]
fn an_encoding_that_comes_back_begins_with_a_key_frame() {
    let mut room = Room::new("switched off", Quality::GOOD, 1, 1);
    room.run(seconds(4));
    let publisher = room.publishers[0];
    // It follows nobody but this test.
    room.world.clients[publisher].follows_wants = false;
    let want = |room: &mut Room, top| {
        let wanted = [("q", true), ("h", true), ("f", top)].map(|(rid, wanted)| (Rid::new(rid), wanted));
        room.world.clients[publisher].publisher.on_wanted(CAMERA, &wanted);
    };
    want(&mut room, false);
    let off = room.run(seconds(4));
    want(&mut room, true);
    let on = room.run(seconds(3));
    let playback = &room.playbacks()[0];
    room.expect([
        oracles::layer_is_back(playback, &off, TOP - 1, seconds(2)),
        oracles::layer_is_back(playback, &on, TOP, seconds(1)),
    ]);
    let keyframes = &room.world.clients[publisher].publisher.known_track(CAMERA).keyframes;
    let first = keyframes.iter().find(|(at, layer)| *at >= on.start && *layer == usize::from(TOP));
    assert!(first.is_some_and(|(at, _)| *at - on.start < std::time::Duration::from_millis(40)));
    room.judge(true);
}

/// A publisher that was asked for one encoding hears no request for another one for 300 ms: it comes when it is heard.
#[test]
fn another_encoding_is_asked_for_when_its_publisher_hears_it() {
    let mut room = Room::new("asked twice", Quality::GOOD, 1, 1);
    room.run(WARM_UP);
    let (participant, track) = (room.world.clients[room.subscriber].id, room.world.track(room.publishers[0], CAMERA));
    let show = |room: &mut Room, size| {
        let view = View { size, ..View::UNKNOWN };
        room.world.command(Command::SetView { participant, track, view });
    };
    show(&mut room, Some((640, 360)));
    room.run(ms(200));
    show(&mut room, Some((320, 180)));
    let window = room.run(seconds(1));
    let playback = &room.playbacks()[0];
    room.expect([oracles::layer_is_back(playback, &window, LOWEST, ms(500))]);
    room.judge(true);
}

#[test]
fn a_camera_that_all_show_small_sends_no_large_picture_until_somebody_looks_closer() {
    for seed in seeds() {
        let mut room = Room::new("shown small", Quality::GOOD, seed, 1);
        room.run(WARM_UP);
        let (publisher, track) = (room.publishers[0], room.world.track(room.publishers[0], CAMERA));
        let show = |room: &mut Room, client: usize, size| {
            let participant = room.world.clients[client].id;
            let view = View { size, ..View::UNKNOWN };
            room.world.command(Command::SetView { participant, track, view });
        };
        let sends_top = |room: &Room| {
            let track = room.world.clients[publisher].publisher.known_track(CAMERA);
            track.encodings[usize::from(TOP)].enabled
        };
        for client in [room.subscriber, room.neighbour] {
            show(&mut room, client, Some((320, 180)));
        }
        room.run(seconds(13));
        assert!(!sends_top(&room), "nobody has use for it");
        let client = room.subscriber;
        show(&mut room, client, None);
        let close = room.run(seconds(5));
        assert!(sends_top(&room));
        let playback = &room.playbacks()[0];
        room.expect([
            oracles::layer_is_back(playback, &close, TOP, seconds(2)),
            oracles::picture_moves(playback, &close, 0.0),
        ]);
        room.judge(true);
    }
}
