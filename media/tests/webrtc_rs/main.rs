//! Parlor's engine against webrtc-rs's own `RTCPeerConnection`, which knows nothing of how the engine is made.
//!
//! Everything happens in memory and on virtual time, through the engine's public interface.

#![allow(clippy::expect_used, reason = "a failed expectation is a failed test")]

mod client;
mod feedback;
#[allow(dead_code, reason = "the benchmarks use all of it")]
mod house;
mod speaker;

use bytes::Bytes;
use client::Received;
use house::{House, Loss};
use parlor_media::command::{Channel, Event};
use parlor_media::transport::demux::{DatagramKind, classify};
use speaker::{Speaker, opus, vp8};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

/// What `listener` has of the `number`th track that was ever published, from 1.
fn received(house: &House, listener: usize, number: u64) -> Vec<Received> {
    let track = format!("t{number:013}");
    house.clients[listener].packets.iter().filter(|packet| packet.track == track).cloned().collect()
}

/// Asserts that packets are numbered without a gap, and spaced by `step` in time.
fn assert_contiguous(packets: &[Received], step: u32) {
    for pair in packets.windows(2) {
        assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
        assert_eq!(pair[1].timestamp, pair[0].timestamp.wrapping_add(step));
        assert_eq!(pair[1].ssrc, pair[0].ssrc);
    }
}

/// Every third protected RTP packet of video size is lost; what repairs them is not.
fn some_video() -> Loss {
    let mut count = 0;
    Box::new(move |_, datagram| {
        let video = datagram.len() > 300 && datagram.first().is_some_and(|byte| byte >> 6 == 2);
        count += u32::from(video);
        video && count % 3 == 0 && count < 100
    })
}

#[test]
fn media_flows_from_one_connection_to_another() {
    let mut house = House::new();
    let mut speaker = Speaker::join(&mut house, 1_000);
    let listener = house.join_silent();
    speaker.speak(&mut house, 100);

    let (audio, video) = (received(&house, listener, 1), received(&house, listener, 2));
    let expected = |frame: fn(u16) -> Bytes| (0..100).map(frame).collect::<Vec<_>>();
    let payloads = |packets: &[Received]| packets.iter().map(|packet| packet.payload.clone()).collect::<Vec<_>>();
    assert_eq!(payloads(&video), expected(|n| vp8(n, n == 0)));
    assert_eq!(payloads(&audio), expected(opus));
    assert!(video.iter().chain(&audio).all(|packet| packet.marker));
    assert_contiguous(&video, 1_800);
    assert_contiguous(&audio, 960);
    assert_eq!(house.clients[listener].tracks.len(), 2);
    assert!(house.clients[speaker.number].packets.is_empty(), "nobody hears themselves");
    let speakers = house.events.iter().filter_map(|event| match event {
        Event::Speakers { speakers, .. } => speakers.first().copied(),
        _ => None,
    });
    assert_eq!(speakers.last(), Some((House::participant(speaker.number), 20)));
    assert_eq!(house.shard.stats().drops.iter().sum::<u64>(), 0);
}

#[test]
fn those_present_hear_a_late_joiner_and_go_on_undisturbed() {
    let mut house = House::new();
    let mut first = Speaker::join(&mut house, 1_000);
    let mut second = Speaker::join(&mut house, 2_000);
    for _ in 0..50 {
        first.send(&mut house);
        second.speak(&mut house, 1);
    }
    let before = received(&house, second.number, 2).len();
    let mut third = Speaker::join(&mut house, 3_000);
    for _ in 0..50 {
        first.send(&mut house);
        second.send(&mut house);
        third.speak(&mut house, 1);
    }

    assert_eq!(before, 50);
    for (listener, track, count) in
        [(1, 1, 100), (1, 2, 100), (0, 3, 100), (0, 4, 100), (0, 5, 50), (0, 6, 50), (1, 6, 50)]
    {
        let packets = received(&house, listener, track);
        assert_eq!(packets.len(), count, "track {track} at {listener}");
        assert_contiguous(&packets, if track % 2 == 0 { 1_800 } else { 960 });
    }
    for track in [2, 4] {
        let packets = received(&house, third.number, track);
        assert!(packets.len() >= 45, "track {track}: {} pictures", packets.len());
        assert_eq!(packets[0].payload[4], 0, "the first picture is a key frame");
        assert_contiguous(&packets, 1_800);
    }
}

#[test]
fn loss_on_both_ways_is_repaired() {
    let mut house = House::new();
    let mut speaker = Speaker::join(&mut house, 1_000);
    let listener = house.join_silent();
    speaker.speak(&mut house, 1);
    house.loss_up = Some(some_video());
    house.loss_down = Some(some_video());
    speaker.speak(&mut house, 149);
    house.run_for(Duration::from_secs(1));

    let mut video = received(&house, listener, 2);
    let first = video[0].sequence;
    video.sort_by_key(|packet| packet.sequence.wrapping_sub(first));
    video.dedup_by_key(|packet| packet.sequence);
    assert_contiguous(&video, 1_800);
    assert_eq!(video.len(), 150);
    let stats = house.shard.stats();
    assert!(stats.rtx_in_packets > 20 && stats.rtx_out_packets > 20, "{stats:?}");
}

#[test]
fn chat_goes_both_ways() {
    let mut house = House::new();
    let (one, two) = (house.join_silent(), house.join_silent());
    let now = house.now;
    house.clients[one].say(now, "hello");
    house.clients[one].say(now, &"long ".repeat(10_000));
    house.tell(one, "to one");
    house.tell(two, &"to two ".repeat(5_000));
    house.run_for(Duration::from_millis(500));

    let said = house.events.iter().filter_map(|event| match event {
        Event::Data { participant, channel: Channel::Chat, text } => Some((*participant, text.len())),
        _ => None,
    });
    let one_id = House::participant(one);
    assert_eq!(said.collect::<Vec<_>>(), [(one_id, 5), (one_id, 50_000)]);
    assert_eq!(house.clients[one].texts, ["to one"]);
    assert_eq!(house.clients[two].texts, ["to two ".repeat(5_000)]);
}

#[test]
fn a_leaver_takes_its_tracks_along_and_a_lines_next_track_goes_on() {
    let mut house = House::new();
    let mut first = Speaker::join(&mut house, 1_000);
    let listener = house.join_silent();
    first.speak(&mut house, 50);
    house.leave(first.number);
    house.run_for(Duration::from_millis(100));
    let mut second = Speaker::join(&mut house, 2_000);
    second.speak(&mut house, 50);

    let unbound = house.events.iter().filter(|event| matches!(event, Event::Unbound { .. })).count();
    assert_eq!(unbound, 2);
    let packets = house.clients[listener].packets.clone();
    let mut ssrcs = packets.iter().map(|packet| packet.ssrc).collect::<Vec<_>>();
    ssrcs.sort_unstable();
    ssrcs.dedup();
    assert_eq!(ssrcs.len(), 2, "the second speaker's tracks came on the first one's lines");
    assert_eq!(packets.len(), 200);
    for ssrc in ssrcs {
        let mut sequences: Vec<u16> = packets.iter().filter(|p| p.ssrc == ssrc).map(|p| p.sequence).collect();
        let first = sequences[0];
        sequences.sort_by_key(|sequence| sequence.wrapping_sub(first));
        assert_eq!(sequences, (0..100).map(|n| first.wrapping_add(n)).collect::<Vec<_>>());
    }
}

#[test]
fn what_is_published_later_is_heard_too() {
    let mut house = House::new();
    let (late, listener) = (house.join_silent(), house.join_silent());
    let mut speaker = Speaker::publish(&mut house, late, 1_000);
    house.offer(late);
    house.run_until_bound();
    speaker.speak(&mut house, 50);

    let video = received(&house, listener, 2);
    assert_eq!(video.len(), 50);
    assert_contiguous(&video, 1_800);
    assert_eq!(received(&house, listener, 1).len(), 50);
}

/// webrtc-rs itself neither sends nor takes media until the restarted ICE has chosen a pair again.
#[test]
fn ice_restarts_on_either_side_are_survived() {
    let mut house = House::new();
    let mut speaker = Speaker::join(&mut house, 1_000);
    let listener = house.join_silent();
    speaker.speak(&mut house, 50);
    for client in [speaker.number, listener] {
        house.clients[client].restart_ice();
        house.offer(client);
        house.run_for(Duration::from_secs(1));
        speaker.speak(&mut house, 50);
    }

    let video = received(&house, listener, 2);
    assert_eq!(video.len(), 150);
    assert_contiguous(&video, 1_800);
    assert!(house.clients.iter().all(|client| client.connected));
    assert_eq!(house.shard.stats().drops.iter().sum::<u64>(), 0);
}

#[test]
fn packets_of_a_frame_leave_with_one_size_and_arrive_as_they_were() {
    const FRAMES: u16 = 20;
    let mut house = House::new();
    let mut client = house.new_client();
    let video = client.add_video(1_000);
    let publisher = house.join(client);
    let listener = house.join_silent();
    let sizes = Rc::new(RefCell::new(Vec::new()));
    let seen = Rc::clone(&sizes);
    house.loss_down = Some(Box::new(move |number, datagram| {
        if number == listener && classify(datagram) == DatagramKind::Rtp {
            seen.borrow_mut().push(datagram.len());
        }
        false
    }));

    let mut sent = Vec::new();
    for frame in 0..FRAMES {
        // As libwebrtc splits a frame: the larger packets last.
        for (part, len) in [700, 700, 700, 701, 701].into_iter().enumerate() {
            let mut payload = vec![0x80, 0x80, 0x80 | (frame >> 8) as u8, frame as u8, u8::from(frame > 0)];
            payload[0] |= if part == 0 { 0x10 } else { 0 };
            payload.resize(len, part as u8);
            let payload = Bytes::from(payload);
            sent.push(payload.clone());
            let (now, sequence) = (house.now, 65_500u16.wrapping_add(sent.len() as u16));
            let client = &mut house.clients[publisher];
            client.send_part(now, video, sequence, 3_000 * u32::from(frame), payload, part == 4);
        }
        house.run_for(Duration::from_millis(33));
    }

    let received: Vec<_> = house.clients[listener].packets.iter().map(|packet| packet.payload.clone()).collect();
    assert_eq!(received, sent);
    let sizes = sizes.borrow();
    assert_eq!(sizes.len(), sent.len());
    assert!(sizes.windows(2).all(|pair| pair[0] == pair[1]), "{sizes:?}");
}
