//! Rights are given and taken, and people are silenced.

use super::{QUIET, call, caller, camera, settle};
use crate::command::{Command, Event, Rights, Source};
use crate::drop_reason::DropReason;
use crate::sim::network::Quality;
use crate::sim::world::World;

fn received(world: &World, line: &str) -> usize {
    world.clients[1].receiver.stream(line).packets.len()
}

#[test]
fn the_silenced_are_not_heard_until_they_unmute_themselves() {
    let mut world = call(Quality::lossy(0.02), 1, 2);
    let (participant, other) = (world.clients[0].id, world.clients[1].id);
    let [sound, picture] = ["0", "1"].map(|mid| world.line_of(1, 0, mid).expect("a line"));
    world.command(Command::Silence { participant, track: None });
    // What is under way still arrives, and what was lost of it is repaired.
    world.run_ms(500);
    let before = [received(&world, &sound), received(&world, &picture)];
    world.run_ms(2_000);
    assert_eq!([received(&world, &sound), received(&world, &picture)], before);
    assert!(world.drops(DropReason::Silenced) > 0);
    let [audio, video] = ["0", "1"].map(|mid| world.track(0, mid));
    world.command(Command::SetMuted { participant: other, track: audio, muted: false });
    world.run_ms(500);
    assert_eq!(received(&world, &sound), before[0], "nobody unmutes another one");
    world.command(Command::SetMuted { participant, track: audio, muted: false });
    world.run_ms(1_000);
    assert!(received(&world, &sound) > before[0] + 30);
    assert_eq!(received(&world, &picture), before[1], "each track is unmuted by itself");
    world.command(Command::SetMuted { participant, track: video, muted: false });
    world.run_ms(1_000);
    assert!(received(&world, &picture) > before[1] + 30);
    settle(&mut world);
    // Without gaps, as if nothing had been. Lost sound is not repaired.
    world.clients[1].receiver.stream(&picture).judge();
}

#[test]
fn one_track_is_silenced_and_the_other_goes_on() {
    let mut world = call(Quality::GOOD, 2, 2);
    let (participant, track) = (world.clients[0].id, world.track(0, "0"));
    let [sound, picture] = ["0", "1"].map(|mid| world.line_of(1, 0, mid).expect("a line"));
    world.command(Command::Silence { participant, track: Some(track) });
    world.run_ms(500);
    let before = [received(&world, &sound), received(&world, &picture)];
    world.run_ms(1_000);
    assert_eq!(received(&world, &sound), before[0]);
    assert!(received(&world, &picture) > before[1] + 25);
    world.command(Command::SetMuted { participant, track, muted: false });
    world.run_ms(1_000);
    settle(&mut world);
    for line in [sound, picture] {
        assert!(world.clients[1].receiver.stream(&line).judge().len() > 30);
    }
}

#[test]
fn what_one_may_not_publish_reaches_nobody() {
    let mut world = World::new(Quality::GOOD, 3);
    let listener = world.join(true, true);
    let participant = world.clients[listener].id;
    world.command(Command::SetRights { participant, rights: Rights { screen: true, ..Rights::NONE } });
    world.clients[listener].add(QUIET);
    world.clients[listener].add(camera());
    world.offer(listener);
    let other = caller(&mut world, camera());
    world.run_ms(3_000);
    assert!(world.clients[listener].connected_at.is_some(), "who may not send may receive");
    assert!(world.line_of(listener, other, "1").is_some());
    let refused =
        |source| move |event: &Event| matches!(event, Event::PublishRefused { source: s, .. } if *s == source);
    assert!(world.count_events(world.start, refused(Source::Microphone)) > 0);
    assert!(world.count_events(world.start, refused(Source::Camera)) > 0);
    assert_eq!(world.line_of(other, listener, "0"), None);
    assert!(world.clients[other].receiver.streams.iter().all(|stream| stream.packets.is_empty()));

    world.command(Command::SetRights { participant, rights: Rights::ALL });
    world.offer(listener);
    world.run_ms(3_000);
    let [sound, picture] = ["0", "1"].map(|mid| world.line_of(other, listener, mid).expect("published now"));
    assert!(received(&world, &sound) > 30 && received(&world, &picture) > 30);

    world.command(Command::SetRights { participant, rights: Rights { video: false, ..Rights::ALL } });
    let ended = |event: &Event| matches!(event, Event::Unpublished { .. });
    assert_eq!(world.count_events(world.now, ended), 1);
    world.run_ms(500);
    let before = [received(&world, &sound), received(&world, &picture)];
    world.run_ms(1_000);
    assert!(received(&world, &sound) > before[0] + 30);
    assert_eq!(received(&world, &picture), before[1]);
}
