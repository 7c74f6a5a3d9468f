//! Strangers, and members who mean harm: everything is dropped and counted, and the others notice nothing.

use super::{QUIET, call, settle};
use crate::drop_reason::DropReason;
use crate::feedback::rtcp_writer::{write_nack, write_pli};
use crate::path::Path;
use crate::sim::network::Quality;
use crate::sim::publisher::{AUDIO, VP8, packet};
use crate::sim::world::World;
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

/// Two who talk, and a third who attacks.
const ATTACKER: usize = 2;

fn drops(world: &World, before: &crate::ShardStats, reason: DropReason) -> u64 {
    world.drops(reason) - before.drops[reason as usize]
}

/// The two others have seen and heard one another without a flaw.
fn assert_undisturbed(world: &mut World) {
    settle(world);
    for (subscriber, publisher) in [(0, 1), (1, 0)] {
        for mid in ["0", "1"] {
            let line = world.line_of(subscriber, publisher, mid).expect("a line");
            let stream = world.clients[subscriber].receiver.stream(&line);
            let numbers: Vec<u32> = stream.judge().iter().map(|frame| frame.frame).collect();
            assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "no frame is missing");
            let newest = stream.packets.last_key_value().expect("packets").1.at;
            assert!(world.now - newest < std::time::Duration::from_millis(2_200), "to the end");
        }
    }
}

fn stranger(world: &World) -> Path {
    let path = world.clients[0].path();
    Path { remote: (path.local, 4_444).into(), ..path }
}

#[test]
fn strangers_achieve_nothing() {
    let mut world = call(Quality::GOOD, 1, 3);
    let before = world.shard.stats();
    let path = stranger(&world);
    let lengths = [0, 1, 11, 12, 1_500, 9_000];
    for length in lengths {
        world.inject(&path, &vec![0x80; length]);
        world.inject(&path, &vec![0x16; length]);
        world.inject(&path, &vec![0; length]);
        world.inject(&path, &vec![0xff; length]);
        world.run_ms(20);
    }
    for ssrc in 0..5_000 {
        world.inject(&path, &packet(VP8, true, 1, ssrc, &[], &[0; 100]));
    }
    assert!(drops(&world, &before, DropReason::UnknownPath) >= 5_000);
    assert!(drops(&world, &before, DropReason::UnknownProtocol) > 0);
    assert_eq!(world.misdirected, 0, "nothing is ever sent to a stranger");
    assert_undisturbed(&mut world);
}

#[test]
fn checks_with_wrong_credentials_are_not_answered() {
    let mut world = call(Quality::GOOD, 2, 3);
    let before = world.shard.stats();
    let path = stranger(&world);
    let mut checks = Vec::new();
    world.clients[0].transport.check_now(world.now);
    let now = world.now;
    world.clients[0].transport.handle_timeout(now);
    while let Some(datagram) = world.clients[0].transport.poll_transmit() {
        if datagram[0] < 4 {
            checks.push(datagram);
        }
    }
    let check = checks.pop().expect("a check");
    for at in 20..check.len() {
        let mut forged = check.clone();
        forged[at] ^= 1;
        world.inject(&path, &forged);
    }
    for length in 0..check.len() {
        world.inject(&path, &check[..length]);
    }
    // Without FINGERPRINT, which would tell as much, and with another HMAC.
    let mut forged = check[..check.len() - 8].to_vec();
    forged[3] -= 8;
    let last = forged.len() - 1;
    forged[last] ^= 1;
    world.inject(&path, &forged);
    for reason in [DropReason::UnknownUsername, DropReason::BadIntegrity, DropReason::MalformedStun] {
        assert!(drops(&world, &before, reason) > 0, "{reason:?}");
    }
    assert_eq!(world.misdirected, 0, "no answer");
    assert_undisturbed(&mut world);
}

#[test]
fn a_member_sends_rubbish() {
    let mut world = call(Quality::GOOD, 3, 3);
    let before = world.shard.stats();
    let path = world.clients[ATTACKER].path();
    let mut rng = SmallRng::seed_from_u64(5);
    for length in [0, 1, 11, 12, 100, 1_500, 9_000] {
        for first in [0x80, 0x90, 0xb0, 0xbf] {
            let mut datagram = vec![0; length];
            rng.fill_bytes(&mut datagram);
            if let Some([head, second, ..]) = datagram.get_mut(..2) {
                (*head, *second) = (first, VP8);
            }
            world.inject(&path, &datagram);
            if let Some(second) = datagram.get_mut(1) {
                *second = 200;
            }
            world.inject(&path, &datagram);
            world.run_ms(5);
        }
    }
    for ssrc in 0..5_000 {
        world.inject(&path, &packet(VP8, true, 1, ssrc, &[], &[0; 100]));
    }
    for reason in [
        DropReason::MalformedRtp,
        DropReason::ForgedRtp,
        DropReason::MalformedRtcp,
        DropReason::ForgedRtcp,
        DropReason::UnknownProtocol,
    ] {
        assert!(drops(&world, &before, reason) > 0, "{reason:?}");
    }
    assert!(drops(&world, &before, DropReason::ForgedRtp) >= 5_000);
    assert_undisturbed(&mut world);
}

#[test]
fn a_member_encrypts_rubbish() {
    let mut world = call(Quality::GOOD, 4, 3);
    world.clients[ATTACKER].add(super::camera());
    world.offer(ATTACKER);
    world.run_ms(1_000);
    let before = world.shard.stats();
    let mut rng = SmallRng::seed_from_u64(6);
    let send = |world: &mut World, packet: &[u8], index: u64| {
        world.clients[ATTACKER].transport.send_numbered(packet, index);
        world.send(ATTACKER);
    };
    // Padding that exceeds the packet, or counts nothing.
    for padding in [0, 200, 255] {
        let mut bad = packet(VP8, true, 1, 4_000, &[(4, b"1")], &[padding; 40]);
        bad[0] |= 0x20;
        send(&mut world, &bad, 100 + u64::from(padding));
    }
    // Elements of header extensions that exceed the extension; CSRCs; a profile that nobody knows.
    for index in 0..200 {
        let mut body = [0; 8];
        rng.fill_bytes(&mut body);
        let mut bad = packet(VP8, true, 1, 4_001, &[(4, &body)], &[0; 60]);
        bad[16] = rng.random();
        bad[12] = rng.random();
        send(&mut world, &bad, 100 + index);
    }
    // Unknown payload types, unknown SSRCs.
    send(&mut world, &packet(77, true, 1, 4_002, &[(4, b"1")], &[0; 60]), 100);
    for ssrc in 5_000..7_000 {
        send(&mut world, &packet(VP8, true, 1, ssrc, &[], &[0; 60]), 100);
    }
    // Sound on a line of pictures, and pictures that are none.
    send(&mut world, &packet(AUDIO, true, 1, 4_003, &[(4, b"1")], &[0; 60]), 100);
    world.run_ms(1_000);
    for reason in
        [DropReason::MalformedRtp, DropReason::UnknownPayloadType, DropReason::UnknownSsrc, DropReason::TooManySsrcs]
    {
        assert!(drops(&world, &before, reason) > 0, "{reason:?}");
    }
    assert_undisturbed(&mut world);
}

#[test]
fn a_member_replays_and_forges() {
    let mut world = call(Quality::GOOD, 5, 3);
    let before = world.shard.stats();
    let path = world.clients[ATTACKER].path();
    world.tap = Some((ATTACKER, true));
    world.run_ms(1_000);
    world.tap = None;
    let recorded = std::mem::take(&mut world.tapped);
    for _ in 0..3 {
        for datagram in &recorded {
            world.inject(&path, datagram);
            let mut forged = datagram.clone();
            let last = forged.len() - 20;
            forged[last] ^= 0x10;
            world.inject(&path, &forged);
        }
        world.run_ms(2_000);
    }
    assert!(drops(&world, &before, DropReason::ReplayedRtp) > 100);
    assert_undisturbed(&mut world);
}

#[test]
fn storms_of_feedback_are_bounded() {
    let mut world = call(Quality::GOOD, 6, 3);
    world.run_ms(2_000);
    let line = world.line_of(ATTACKER, 0, "1").expect("a line");
    let stream = world.clients[ATTACKER].receiver.stream(&line);
    let (ssrc, newest) = (stream.ssrc, *stream.packets.last_key_value().expect("packets").0 as u16);
    let before = world.shard.stats();
    let keyframes = world.clients[0].publisher.track("1").keyframes.len();
    let lost: Vec<u16> = (0..200).map(|back| newest.wrapping_sub(back)).collect();
    for _ in 0..400 {
        let mut compound = Vec::new();
        write_nack(&mut compound, 1, ssrc, &lost);
        world.clients[ATTACKER].transport.send_rtcp(&compound);
        let mut compound = Vec::new();
        write_pli(&mut compound, 1, ssrc);
        world.clients[ATTACKER].transport.send_rtcp(&compound);
        world.send(ATTACKER);
        world.run_ms(5);
    }
    let after = world.shard.stats();
    assert!(after.nack_in_packets - before.nack_in_packets >= 390 * 200);
    let resent = after.rtx_out_packets - before.rtx_out_packets;
    assert!(resent <= 200 * 8, "{resent} packets were sent again");
    assert!(drops(&world, &before, DropReason::NotInRing) > 0);
    let asked = world.clients[0].publisher.track("1").keyframes.len() - keyframes;
    assert!((2..=5).contains(&asked), "{asked} key frames in two seconds");
    assert_undisturbed(&mut world);
}

#[test]
fn malformed_reports_are_counted() {
    let mut world = call(Quality::GOOD, 7, 3);
    let before = world.shard.stats();
    let mut rng = SmallRng::seed_from_u64(8);
    for turn in 0..3_000 {
        let mut compound = vec![0; rng.random_range(8..200)];
        rng.fill_bytes(&mut compound);
        compound[0] = 0x80 | compound[0] & 0x3f;
        compound[1] = 200 + compound[1] % 8;
        compound[4..8].copy_from_slice(&[0, 0, 0, 1]);
        if turn % 2 == 0 {
            let words = (compound.len() / 4 - 1) as u16;
            compound[2..4].copy_from_slice(&words.to_be_bytes());
        }
        world.clients[ATTACKER].transport.send_rtcp(&compound);
        world.send(ATTACKER);
        world.run_ms(1);
    }
    assert!(drops(&world, &before, DropReason::MalformedRtcp) > 500);
    assert_undisturbed(&mut world);
}

#[test]
fn media_before_the_handshake_is_dropped() {
    let mut world = call(Quality::GOOD, 8, 2);
    let early = world.join(true, true);
    world.clients[early].add(QUIET);
    world.offer(early);
    let (before, path) = (world.shard.stats(), world.clients[early].path());
    for _ in 0..500 {
        world.run_ms(1);
        world.inject(&path, &packet(AUDIO, true, 1, 1, &[(4, b"0")], &[0; 60]));
        world.inject(&path, &[0x80, 201, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]);
    }
    assert!(drops(&world, &before, DropReason::UnknownPath) > 0, "before the first check");
    assert!(drops(&world, &before, DropReason::NotConnected) > 0, "before DTLS is up");
    assert!(world.clients[early].connected_at.is_some());
    world.run_ms(1_000);
    assert_undisturbed(&mut world);
}
