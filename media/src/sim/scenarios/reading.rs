//! How a room does, read while a call goes on.

use super::{QUIET, call, caller, camera, simulcast};
use crate::command::{Command, Event, MediaKind, Source};
use crate::formats::{Codec, FormatId};
use crate::ids::RoomId;
use crate::path::Protocol;
use crate::room_stats::{ParticipantStats, RoomStats, SubscriptionState};
use crate::sim::network::Quality;
use crate::sim::world::{ROOM, World};
use std::time::Duration;

fn read(world: &mut World, room: RoomId) -> RoomStats {
    world.command(Command::ReadRoom { request: 7, room });
    match world.events.pop() {
        Some((_, Event::RoomRead { request: 7, stats })) => *stats,
        other => panic!("an answer, not {other:?}"),
    }
}

fn one(world: &mut World, client: usize) -> ParticipantStats {
    let id = world.clients[client].id;
    let stats = read(world, ROOM);
    stats.participants.into_iter().find(|stats| stats.participant == id).expect("somebody in the room")
}

fn codec(format: Option<FormatId>) -> Option<Codec> {
    format.map(|format| format.format().codec)
}

#[test]
fn a_call_is_read_as_it_is() {
    let mut world = call(Quality::GOOD, 1, 2);
    world.run_ms(4_000);
    let (first, second) = (one(&mut world, 0), one(&mut world, 1));
    assert_eq!(first.transport.protocol, Some(Protocol::Udp));
    assert!(first.transport.connected_for > Some(Duration::from_secs(4)));
    assert!(first.transport.rtt.is_some(), "what it receives, it reports on");
    let [sound, picture] = first.publications.as_slice() else { panic!("two tracks") };
    assert_eq!((sound.kind, sound.source, sound.muted), (MediaKind::Audio, Source::Microphone, false));
    assert_eq!((picture.kind, picture.source, picture.subscribers), (MediaKind::Video, Source::Camera, 1));
    for (publication, expected) in [(sound, Codec::Opus), (picture, Codec::Vp8)] {
        let [encoding] = publication.encodings.as_slice() else { panic!("one encoding") };
        assert_eq!((encoding.rid, codec(encoding.format), encoding.is_alive), (None, Some(expected), true));
        let quality = encoding.reception.expect("a report");
        assert_eq!(quality.loss_fraction, 0.0);
        assert_eq!(encoding.nacked_packets, 0);
        let subscription = second.subscriptions.iter().find(|s| s.track == publication.track).expect("a subscription");
        assert_eq!((subscription.publisher, subscription.state), (first.participant, SubscriptionState::Forwarding));
        assert_eq!(codec(subscription.format), Some(expected));
        // The rates of both sides are measured at other moments.
        let (sent, got) = (subscription.traffic.bitrate_bps, encoding.traffic.bitrate_bps);
        assert!(got > 0 && sent.abs_diff(got) * 4 < got, "{sent} of {got}");
        assert!(subscription.traffic.packets > 30 && subscription.traffic.packets <= encoding.traffic.packets);
        assert_eq!(subscription.reception.map(|quality| quality.loss_fraction), Some(0.0));
    }
    let frames = picture.encodings[0].traffic.frames_per_second;
    assert!((28..=32).contains(&frames), "{frames} frames a second");
    assert_eq!(sound.encodings[0].traffic.frames_per_second, 0);
}

#[test]
fn loss_is_seen_by_both_sides_of_the_server() {
    let mut world = call(Quality::GOOD, 2, 2);
    world.set_quality(0, Quality::lossy(0.2));
    world.run_ms(6_000);
    let (lossy, good) = (one(&mut world, 0), one(&mut world, 1));
    let up = &lossy.publications[1].encodings[0];
    assert!(up.reception.is_some_and(|quality| (0.05..0.5).contains(&quality.loss_fraction)), "{up:?}");
    assert!(up.nacked_packets > 10, "{up:?}");
    let down = lossy.subscriptions.iter().find(|s| codec(s.format) == Some(Codec::Vp8)).expect("a picture");
    assert!(down.reception.is_some_and(|quality| (0.05..0.5).contains(&quality.loss_fraction)), "{down:?}");
    assert!(down.nacked_packets > 10 && down.resent_packets > 10, "{down:?}");
    assert!(lossy.transport.rtt.is_some());
    let clean = &good.publications[1].encodings[0];
    assert_eq!((clean.nacked_packets, clean.reception.map(|q| q.loss_fraction)), (0, Some(0.0)));
}

#[test]
fn layers_are_told_apart() {
    let mut world = World::new(Quality::GOOD, 3);
    caller(&mut world, simulcast());
    caller(&mut world, camera());
    world.run_ms(6_000);
    let (publisher, subscriber) = (one(&mut world, 0), one(&mut world, 1));
    let rids: Vec<_> = publisher.publications[1].encodings.iter().filter_map(|encoding| encoding.rid).collect();
    assert_eq!(rids.iter().map(|rid| rid.as_str()).collect::<Vec<_>>(), ["q", "h", "f"]);
    let picture = publisher.publications[1].track;
    let forwarded = subscriber.subscriptions.iter().find(|s| s.track == picture).expect("a subscription");
    assert_eq!(forwarded.rid.map(|rid| rid.as_str().to_owned()).as_deref(), Some("f"));
    world.clients[0].publisher.track("1").encodings[2].enabled = false;
    world.run_ms(3_500);
    let encodings = one(&mut world, 0).publications[1].encodings.clone();
    let alive: Vec<_> = encodings.iter().map(|encoding| encoding.is_alive).collect();
    assert_eq!(alive, [true, true, false]);
    assert_eq!(encodings[2].traffic.bitrate_bps, 0, "what stopped has no rate");
    assert!(encodings[1].keyframe_requests > 0, "to switch to it, it had to begin anew");
    let forwarded = one(&mut world, 1).subscriptions.into_iter().find(|s| s.track == picture).expect("a subscription");
    assert_eq!(forwarded.rid.map(|rid| rid.as_str().to_owned()).as_deref(), Some("h"));
}

#[test]
fn who_has_not_connected_shows_what_is_missing() {
    let mut world = World::new(Quality::GOOD, 4);
    let silent = world.join(true, true);
    assert_eq!(one(&mut world, silent).transport, Default::default());
    caller(&mut world, camera());
    world.run_ms(3_000);
    let listener = world.join(true, true);
    world.clients[listener].add(QUIET);
    world.offer(listener);
    // The answer to its offer is there, the one to the server's is under way.
    world.run_ms(15);
    let states: Vec<_> = one(&mut world, listener).subscriptions.iter().map(|s| s.state).collect();
    assert_eq!(states, [SubscriptionState::Negotiating; 2]);
}

#[test]
fn a_room_that_is_not_there_is_empty() {
    let mut world = World::new(Quality::GOOD, 5);
    assert_eq!(read(&mut world, RoomId(99)), RoomStats::default());
}

#[test]
fn a_large_room_gives_everybody_an_equal_share_and_counts_the_rest() {
    let mut world = call(Quality::GOOD, 6, 4);
    let stats = world.shard.read_at_most(world.now, ROOM, 10);
    let listed: Vec<_> = stats.participants.iter().map(|p| (p.subscriptions.len(), p.subscriptions_left_out)).collect();
    assert_eq!(listed, [(2, 4); 4]);
    let all = read(&mut world, ROOM);
    assert!(all.participants.iter().all(|p| (p.subscriptions.len(), p.subscriptions_left_out) == (6, 0)));
}
