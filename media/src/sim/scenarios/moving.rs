//! Clients whose address changes, who restart ICE, or who vanish.

use super::{call, settle};
use crate::command::{CloseReason, Event};
use crate::drop_reason::DropReason;
use crate::sim::network::Quality;
use std::time::Duration;

#[test]
fn a_change_of_address_loses_only_what_was_in_flight() {
    let mut world = call(Quality::GOOD, 1, 2);
    world.run_ms(3_000);
    world.clients[0].port = 20_000;
    let (now, before) = (world.now, world.misdirected);
    world.clients[0].transport.check_now(now);
    world.run_ms(3_000);
    // A round trip of media and reports, and no more.
    let lost = world.misdirected - before;
    assert!(lost < 15, "{lost} datagrams went to the old address");
    settle(&mut world);
    for (subscriber, publisher) in [(0, 1), (1, 0)] {
        let line = world.line_of(subscriber, publisher, "1").expect("a line");
        let frames = world.clients[subscriber].receiver.stream(&line).judge();
        assert!(frames.len() > 190, "{} frames", frames.len());
    }
    assert!(world.drops(DropReason::UnknownPath) < 15);
}

#[test]
fn an_ice_restart_does_not_disturb_the_call() {
    let mut world = call(Quality::GOOD, 2, 2);
    for turn in 0..3 {
        world.clients[0].transport.draw_credentials();
        world.offer(0);
        world.clients[0].port = 21_000 + turn;
        world.run_ms(2_000);
    }
    let now = world.now;
    world.run_ms(40_000);
    assert_eq!(world.count_events(now, |event| matches!(event, Event::Closed { .. })), 0, "consent goes on");
    settle(&mut world);
    for (subscriber, publisher) in [(0, 1), (1, 0)] {
        let line = world.line_of(subscriber, publisher, "1").expect("a line");
        let stream = world.clients[subscriber].receiver.stream(&line);
        let frames = stream.packets.last_key_value().expect("packets").1.content.frame;
        assert!(frames > 1_350, "{frames} frames");
    }
}

#[test]
fn a_client_that_vanishes_is_closed_and_its_lines_are_freed() {
    let mut world = call(Quality::GOOD, 3, 3);
    let (now, gone) = (world.now, world.clients[0].id);
    world.clients[0].dead = true;
    world.run_ms(27_000);
    assert_eq!(world.count_events(now, |event| matches!(event, Event::Closed { .. })), 0);
    world.run_ms(4_000);
    let closed = |event: &Event| matches!(event, Event::Closed { participant, reason: CloseReason::ConsentExpired } if *participant == gone);
    assert_eq!(world.count_events(now, closed), 1);
    assert_eq!(world.count_events(now, |event| matches!(event, Event::Unbound { .. })), 4);
    assert_eq!(world.count_events(now, |event| matches!(event, Event::Offered { .. })), 0);
    assert_eq!((world.shard.stats().participants, world.shard.stats().publications), (2, 4));
    settle(&mut world);
    let line = world.line_of(1, 2, "1").expect("a line");
    world.clients[1].receiver.stream(&line).judge();
}

#[test]
fn a_client_that_closes_is_gone_at_once() {
    let mut world = call(Quality::GOOD, 4, 2);
    let now = world.now;
    world.clients[0].transport.close(now);
    world.send(0);
    world.run(Duration::from_millis(50));
    let closed = |event: &Event| matches!(event, Event::Closed { reason: CloseReason::ClosedByClient, .. });
    assert_eq!(world.count_events(now, closed), 1);
    assert_eq!(world.shard.stats().participants, 1);
}
