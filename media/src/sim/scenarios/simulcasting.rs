//! Simulcast: layers that are chosen, and layers that come and go.

use super::{QUIET, caller, camera, settle, simulcast};
use crate::command::{Command, Event, Rid};
use crate::sim::content::Content;
use crate::sim::network::Quality;
use crate::sim::world::World;
use std::time::Duration;

/// A publisher of three layers and a subscriber, both connected.
fn pair(quality: Quality, seed: u64) -> World {
    let mut world = World::new(quality, seed);
    caller(&mut world, simulcast());
    caller(&mut world, camera());
    let end = world.now + Duration::from_secs(10);
    assert!(world.run_until(|world| world.clients.iter().all(|c| c.connected_at.is_some()), end));
    world.run_ms(2_000);
    world
}

fn set_layer(world: &mut World, rid: Option<&str>) {
    let (participant, track) = (world.clients[1].id, world.track(0, "1"));
    world.command(Command::SetLayer { participant, track, rid: rid.map(|rid| Rid::new(rid).expect("a rid")) });
}

/// The layers of the frames that the subscriber got, repetitions left out.
fn layers(frames: &[Content]) -> Vec<u8> {
    let mut layers: Vec<u8> = frames.iter().map(|frame| frame.layer).collect();
    layers.dedup();
    layers
}

fn frames(world: &World) -> Vec<Content> {
    let line = world.line_of(1, 0, "1").expect("a line");
    world.clients[1].receiver.stream(&line).judge()
}

#[test]
fn layers_follow_the_wish_without_a_gap() {
    for quality in [Quality::GOOD, Quality::lossy(0.0), Quality::lossy(0.03)] {
        let mut world = pair(quality, 1);
        for rid in [Some("q"), Some("h"), None, Some("q"), Some("f")] {
            set_layer(&mut world, rid);
            world.run_ms(3_000);
        }
        settle(&mut world);
        let frames = frames(&world);
        let layers = layers(&frames);
        assert_eq!(layers[layers.len() - 5..], [0, 1, 2, 0, 2], "{layers:?}");
        let numbers: Vec<u32> = frames.iter().map(|frame| frame.frame).collect();
        let longest = numbers.windows(2).map(|pair| i64::from(pair[1]) - i64::from(pair[0])).max();
        assert!(longest < Some(5), "the picture stood still for {longest:?} frames");
        let changes = world.count_events(world.start, |event| matches!(event, Event::LayerChanged { .. }));
        assert_eq!(changes, layers.len(), "each change is told");
    }
}

#[test]
fn a_layer_that_disappears_is_replaced_and_comes_back() {
    let mut world = pair(Quality::GOOD, 2);
    let layer = |world: &World| frames(world).last().map(|frame| frame.layer);
    assert_eq!(layer(&world), Some(2));
    world.clients[0].publisher.track("1").encodings[2].enabled = false;
    world.run_ms(2_500);
    assert_eq!(layer(&world), Some(1), "the next lower one serves");
    world.clients[0].publisher.track("1").encodings[1].enabled = false;
    world.run_ms(2_500);
    assert_eq!(layer(&world), Some(0));
    world.clients[0].publisher.track("1").encodings[2].enabled = true;
    world.run_ms(1_000);
    assert_eq!(layer(&world), Some(2), "the best is back");
    settle(&mut world);
    frames(&world);
}

#[test]
fn a_wish_for_one_subscriber_leaves_the_others_alone() {
    let mut world = pair(Quality::GOOD, 3);
    let third = world.join(true, true);
    world.clients[third].add(QUIET);
    world.offer(third);
    world.run_ms(2_000);
    set_layer(&mut world, Some("q"));
    world.run_ms(2_000);
    set_layer(&mut world, Some("nothing"));
    world.run_ms(1_000);
    settle(&mut world);
    let line = world.line_of(third, 0, "1").expect("a line");
    let theirs = world.clients[third].receiver.stream(&line).judge();
    assert_eq!(theirs.last().map(|frame| frame.layer), Some(2));
    assert_eq!(frames(&world).last().map(|frame| frame.layer), Some(0));
}
