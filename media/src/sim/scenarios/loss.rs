//! Loss and reordering.

use super::{call, settle};
use crate::sim::network::Quality;

#[test]
fn a_good_network_loses_nothing() {
    let mut world = call(Quality::GOOD, 1, 2);
    world.run_ms(10_000);
    settle(&mut world);
    for (subscriber, publisher) in [(0, 1), (1, 0)] {
        for mid in ["0", "1"] {
            let line = world.line_of(subscriber, publisher, mid).expect("a line");
            let stream = world.clients[subscriber].receiver.stream(&line);
            let frames = stream.judge();
            assert!(frames.len() > 300, "{} frames", frames.len());
            assert_eq!((stream.repaired, stream.duplicates), (0, 0), "nothing is sent twice");
        }
        assert!(world.clients[subscriber].receiver.reports > 10);
    }
}

#[test]
fn five_percent_of_loss_and_reordering_are_repaired() {
    for seed in 1..=3 {
        let mut world = call(Quality::lossy(0.05), seed, 2);
        world.run_ms(30_000);
        settle(&mut world);
        for (subscriber, publisher) in [(0, 1), (1, 0)] {
            let line = world.line_of(subscriber, publisher, "1").expect("a line");
            let stream = world.clients[subscriber].receiver.stream(&line);
            let frames = stream.judge();
            assert!(frames.len() > 890, "seed {seed}: {} frames", frames.len());
            assert!(stream.repaired > 50, "seed {seed}: only {} packets were lost", stream.repaired);
        }
    }
}
