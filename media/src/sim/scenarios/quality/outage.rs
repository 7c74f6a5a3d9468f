//! A connection that is away for three seconds, in both directions.

use super::{Room, TOP, WARM_UP, ms, seconds, seeds};
use crate::sim::network::Quality;
use crate::sim::oracles;

const OUTAGE_S: u64 = 3;

#[test]
fn three_seconds_of_nothing_are_overcome() {
    for seed in seeds() {
        let quality = Quality::limited(2_500_000);
        let mut room = Room::new("a 3 s outage", quality, seed, 1);
        room.run(WARM_UP);
        room.world.plan_down(room.subscriber, seconds(0), quality.broken());
        room.world.plan_up(room.subscriber, seconds(0), Quality::GOOD.broken());
        room.world.plan_down(room.subscriber, seconds(OUTAGE_S), quality);
        room.world.plan_up(room.subscriber, seconds(OUTAGE_S), Quality::GOOD);
        room.run(seconds(OUTAGE_S));
        let after = room.run(seconds(18));
        let recovered = after.start + seconds(3)..after.end;
        let steady = after.start + seconds(10)..after.end;
        let playback = &room.playbacks()[0];
        room.expect([
            oracles::sound_arrives(room.sound(), &(after.start + seconds(1)..after.end), 0.995, ms(300)),
            oracles::picture_moves(playback, &recovered, 0.01),
            oracles::layer_is_back(playback, &after, TOP, seconds(10)),
            oracles::queue_is_short(room.link(), &steady, oracles::SHORT_QUEUE),
            oracles::layer_is_kept(&room.neighbours_playbacks()[0], &after, TOP),
        ]);
    }
}
