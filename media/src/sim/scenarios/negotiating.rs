//! Offers that cross, and offers that fail.

use super::{QUIET, call, caller, camera, settle};
use crate::command::{Command, Event, NegotiationError, SubscriptionError};
use crate::sim::description::parse;
use crate::sim::network::Quality;
use crate::sim::world::World;
use std::time::Duration;

#[test]
fn crossing_offers_are_resolved() {
    let mut world = World::new(Quality::GOOD, 1);
    world.signalling_delay = Duration::from_millis(80);
    let first = caller(&mut world, camera());
    world.run_ms(2_000);
    // The newcomer's tracks make the server offer, just as the client offers something itself.
    caller(&mut world, camera());
    world.run_ms(100);
    world.clients[first].add(camera());
    world.clients[first].add(QUIET);
    world.offer(first);
    world.run_ms(5_000);
    assert!(world.clients[first].glares > 0, "the offers have crossed");
    let refused = |event: &Event| matches!(event, Event::Answered { result: Err(NegotiationError::Glare), .. });
    assert!(world.count_events(world.start, refused) > 0);
    settle(&mut world);
    for mid in ["0", "1", "2", "3"] {
        let line = world.line_of(1, first, mid).expect("all is published in the end");
        assert!(world.clients[1].receiver.stream(&line).judge().len() > 30);
    }
    let line = world.line_of(first, 1, "1").expect("and received");
    assert!(world.clients[first].receiver.stream(&line).judge().len() > 30);
}

#[test]
fn a_refused_offer_changes_nothing() {
    let mut world = call(Quality::GOOD, 2, 2);
    let participant = world.clients[0].id;
    let good = world.clients[0].offer().1;
    world.clients[0].offering = None;
    let fewer = good[..good.rfind("m=").expect("m-lines")].replace(" 99\r\n", "\r\n");
    let other_certificate =
        good.replace("a=fingerprint:sha-256 ", "a=fingerprint:sha-256 00:").replace(":00\r\n", "\r\n");
    for (request, bad) in [fewer, other_certificate].iter().enumerate() {
        let Ok(offer) = crate::sdp::RemoteDescription::parse(bad) else { continue };
        let request = 1_000 + request as u64;
        let command = Command::Offer { participant, request, offer: Box::new(offer), tracks: Vec::new() };
        world.shard.handle_command(world.now, command);
        let answer = world.shard.poll_event();
        assert!(matches!(answer, Some(Event::Answered { result: Err(_), .. })), "{answer:?}");
    }
    let answer = Command::Answer { participant, negotiation: None, answer: parse(&good) };
    world.shard.handle_command(world.now, answer);
    let refused = world.shard.poll_event();
    assert!(matches!(refused, Some(Event::AnswerRefused { error: NegotiationError::NoOffer, .. })), "{refused:?}");
    world.run_ms(2_000);
    settle(&mut world);
    for (subscriber, publisher) in [(0, 1), (1, 0)] {
        let line = world.line_of(subscriber, publisher, "1").expect("a line");
        world.clients[subscriber].receiver.stream(&line).judge();
    }
}

#[test]
fn a_line_that_the_client_refuses_carries_nothing() {
    let mut world = World::new(Quality::GOOD, 3);
    let picky = world.join(true, true);
    world.clients[picky].add(QUIET);
    world.clients[picky].session.refused = (0..20).map(|number| format!("s{number}")).collect();
    world.offer(picky);
    let other = caller(&mut world, camera());
    world.run_ms(3_000);
    assert!(world.clients[picky].receiver.streams.iter().all(|stream| stream.packets.is_empty()));
    assert_eq!(world.line_of(picky, other, "1"), None);
    let refused = |event: &Event| matches!(event, Event::SubscriptionFailed { reason: SubscriptionError::Refused, .. });
    assert_eq!(world.count_events(world.start, refused), 2);
    // It changes its mind.
    world.clients[picky].session.refused.clear();
    let (participant, track) = (world.clients[picky].id, world.track(other, "1"));
    world.command(Command::Subscribe { participant, track });
    world.run_ms(3_000);
    let line = world.line_of(picky, other, "1").expect("a line");
    assert!(world.clients[picky].receiver.stream(&line).judge().len() > 50);
    // And again: an offer of its own switches the lines off, and a later one on.
    world.clients[picky].session.refused = (0..20).map(|number| format!("s{number}")).collect();
    world.offer(picky);
    world.run_ms(200);
    let before = world.clients[picky].receiver.stream(&line).packets.len();
    world.run_ms(2_000);
    assert_eq!(world.clients[picky].receiver.stream(&line).packets.len(), before, "nothing is sent there");
    world.clients[picky].session.refused.clear();
    world.offer(picky);
    world.run_ms(2_000);
    let stream = world.clients[picky].receiver.stream(&line);
    assert!(stream.packets.len() > before + 50 && stream.judge().last().is_some_and(|frame| frame.publisher == 2));
}
