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

#[test]
fn arrivals_are_reported_while_packets_come() {
    let mut room = Room::new("reports", Quality::GOOD, 1, 1);
    room.run(seconds(5));
    for client in [room.subscriber, room.neighbour] {
        let reports = room.world.clients[client].receiver.feedback_messages;
        assert!((60..=120).contains(&reports), "{reports} reports in five seconds of 50 ms and more each");
    }
}
