//! What is counted of a call, held against what happened.

use super::{QUIET, call, caller, camera, settle, simulcast};
use crate::command::{Command, MediaKind, Rid};
use crate::drop_reason::DropReason;
use crate::path::Protocol;
use crate::sim::network::Quality;
use crate::sim::world::World;
use crate::stats::{Census, CloseCause, Direction, JoinStage, LAYERS, TRACK_CLASSES};

fn times(world: &World, stage: JoinStage) -> (u64, u64) {
    let times = world.shard.stats().join_stages[stage as usize];
    (times.count(), times.sum())
}

fn closes(world: &World, cause: CloseCause) -> u64 {
    world.shard.stats().closes[cause as usize]
}

/// Kinds and codecs of which there are publications, with how many subscriptions each has.
fn tracks(census: &Census) -> Vec<(&'static str, u64, u64)> {
    let counts = census.publications.into_iter().zip(census.subscriptions);
    let classes = TRACK_CLASSES.into_iter().zip(counts);
    classes
        .filter(|(_, (publications, _))| *publications > 0)
        .map(|((_, codec), (publications, subscriptions))| (codec, publications, subscriptions))
        .collect()
}

/// Layers that are forwarded to somebody, with how many.
fn layers(census: &Census) -> Vec<(&'static str, u64)> {
    LAYERS.into_iter().zip(census.layers).filter(|(_, count)| *count > 0).collect()
}

#[test]
fn each_stage_of_a_way_into_a_call_is_counted_once() {
    let mut world = call(Quality::GOOD, 1, 2);
    // The answer takes 10 ms by the signalling, and the check that follows it 10 ms by the network.
    assert_eq!(times(&world, JoinStage::Ice), (2, 40_000));
    let (count, micros) = times(&world, JoinStage::Dtls);
    assert!(count == 2 && micros >= 2 * 30_000, "a handshake takes a round trip and a half at least, not {micros}");
    assert_eq!(times(&world, JoinStage::FirstPacketIn).0, 2);
    assert_eq!(times(&world, JoinStage::FirstPacketOut).0, 2);
    world.clients[0].transport.draw_credentials();
    world.offer(0);
    world.clients[0].port = 20_000;
    world.clients[0].publisher.restart("1");
    world.run_ms(3_000);
    for stage in JoinStage::ALL {
        assert_eq!(times(&world, *stage).0, 2, "{}: a restart is not a join", stage.name());
    }
}

#[test]
fn who_never_gets_through_is_told_from_who_vanishes_or_closes() {
    let mut world = call(Quality::GOOD, 2, 3);
    let blocked = caller(&mut world, camera());
    world.tap = Some((blocked, false));
    world.run_ms(32_000);
    assert_eq!(closes(&world, CloseCause::IceTimeout), 1);
    assert_eq!(times(&world, JoinStage::Ice).0, 3);
    world.clients[0].dead = true;
    world.run_ms(32_000);
    assert_eq!(closes(&world, CloseCause::ConsentExpired), 1);
    let now = world.now;
    world.clients[1].transport.close(now);
    world.send(1);
    world.run_ms(100);
    assert_eq!(closes(&world, CloseCause::ClosedByClient), 1);
    world.leave(2);
    assert_eq!(world.shard.stats().closes.iter().sum::<u64>(), 3, "a leave is no failure");
    assert_eq!((world.shard.stats().connected(), world.shard.stats().connects), (0, [3, 0]));
}

#[test]
fn a_transport_counts_for_what_it_goes_over_at_present() {
    let mut world = call(Quality::GOOD, 3, 2);
    assert_eq!(world.shard.stats().transports, [2, 0]);
    for (protocol, expected) in [(Protocol::Tcp, [1, 1]), (Protocol::Udp, [2, 0])] {
        world.clients[0].protocol = protocol;
        let now = world.now;
        world.clients[0].transport.check_now(now);
        world.run_ms(1_000);
        assert_eq!(world.shard.stats().transports, expected);
    }
    assert_eq!(world.shard.stats().connects, [2, 0], "a change is not a connect");
    world.leave(0);
    world.leave(1);
    assert_eq!(world.shard.stats().transports, [0, 0]);
}

#[test]
fn tracks_are_counted_by_codec_and_forwarded_layers_by_their_index() {
    let mut world = World::new(Quality::GOOD, 4);
    caller(&mut world, simulcast());
    caller(&mut world, camera());
    world.run_ms(4_000);
    let census = |world: &World| world.shard.stats().census;
    assert_eq!(tracks(&census(&world)), [("opus", 2, 2), ("vp8", 2, 2)]);
    assert_eq!(layers(&census(&world)), [("single", 1), ("2", 1)]);

    let (participant, track) = (world.clients[1].id, world.track(0, "1"));
    world.command(Command::SetLayer { participant, track, rid: Rid::new("q") });
    world.run_ms(3_000);
    assert_eq!(layers(&census(&world)), [("single", 1), ("0", 1)]);

    world.command(Command::Silence { participant: world.clients[0].id, track: Some(track) });
    world.clients[1].publisher.track("1").enabled = false;
    world.run_ms(3_000);
    assert_eq!(layers(&census(&world)), [("none", 2)], "neither a silenced track nor a silent one is forwarded");

    let third = world.join(true, true);
    world.clients[third].add(QUIET);
    world.clients[third].publisher.track("0").enabled = false;
    world.offer(third);
    world.run_ms(3_000);
    assert_eq!(tracks(&census(&world)), [("opus", 2, 4), ("vp8", 2, 4), ("unknown", 1, 2)]);

    (0..3).for_each(|client| world.leave(client));
    world.run_ms(100);
    assert_eq!(census(&world), Census::default());
}

#[test]
fn a_room_that_closes_takes_its_part_of_the_census_along() {
    let mut world = call(Quality::GOOD, 5, 2);
    world.run_ms(1_000);
    assert_eq!(tracks(&world.shard.stats().census), [("opus", 2, 2), ("vp8", 2, 2)]);
    world.command(Command::CloseRoom { room: crate::sim::world::ROOM });
    assert_eq!(world.shard.stats().census, Census::default());
}

#[test]
fn traffic_is_counted_by_kind_as_it_arrives_and_leaves() {
    let mut world = call(Quality::GOOD, 6, 2);
    world.chat(0, b"four");
    world.send_data(1, b"twelve bytes");
    world.run_ms(3_000);
    settle(&mut world);
    let stats = world.shard.stats();
    for (mid, kind) in [("0", MediaKind::Audio), ("1", MediaKind::Video)] {
        let received = |(subscriber, publisher)| {
            let line = world.line_of(subscriber, publisher, mid).expect("a line");
            world.clients[subscriber].receiver.stream(&line).packets.len() as u64
        };
        let (sent, came) = (stats.rtp_out[kind as usize], stats.rtp_in[kind as usize]);
        assert_eq!(sent.count, [(0, 1), (1, 0)].map(received).iter().sum::<u64>());
        assert!(came.count >= sent.count, "everything that leaves has come, but for what nobody was there to receive");
        let floor = if kind == MediaKind::Audio { 80 } else { 200 };
        assert!(sent.bytes > sent.count * floor && came.bytes > came.count * floor, "{came:?} {sent:?}");
    }
    assert!(stats.rtcp_in.count > 6 && stats.rtcp_out.count > 6, "reports and feedback");
    assert!(stats.rtcp_in.bytes > stats.rtcp_in.count * 8 && stats.rtcp_out.bytes > stats.rtcp_out.count * 8);
    assert_eq!(
        [(stats.data_in.count, stats.data_in.bytes), (stats.data_out.count, stats.data_out.bytes)],
        [(1, 4), (1, 12)]
    );
    assert_eq!((stats.rtx_in_packets, stats.rtx_out_packets, stats.nack_in_packets), (0, 0, 0));
}

#[test]
fn loss_jitter_and_round_trips_are_counted_at_the_rate_of_reports() {
    let mut world = call(Quality::GOOD, 7, 2);
    world.run_ms(5_000);
    let good = world.shard.stats();
    for direction in [Direction::In, Direction::Out] {
        let (losses, jitters) = (good.losses[direction as usize], good.jitters[direction as usize]);
        // Two people with two streams each, once a second.
        assert!((16..=28).contains(&losses.count()) && losses.count() == jitters.count(), "{}", losses.count());
        assert_eq!(losses.sum(), 0, "nothing was lost");
    }
    let mean = |times: crate::histogram::Histogram<10>| times.sum() / times.count();
    assert!((19_000..21_500).contains(&mean(good.round_trips)), "10 ms each way: {:?}", good.round_trips);

    let mut world = call(Quality::lossy(0.1), 8, 2);
    world.run_ms(20_000);
    let lossy = world.shard.stats();
    // A tenth is lost on each way; sound that the publisher's network lost is missing at its subscribers, too.
    for ((losses, jitters), most) in lossy.losses.iter().zip(&lossy.jitters).zip([130, 180]) {
        let mean = losses.sum() / losses.count();
        assert!((80..most).contains(&mean), "{mean} of a thousand lost: {losses:?}");
        let jitter = jitters.sum() / jitters.count();
        assert!((3_000..30_000).contains(&jitter), "delays differ by 30 ms: {jitters:?}");
    }
    settle(&mut world);
    // What was repaired last is in a report a second later.
    world.run_ms(1_000);
    let idle = world.shard.stats();
    world.run_ms(5_000);
    let after = world.shard.stats();
    assert_eq!((after.losses, after.jitters), (idle.losses, idle.jitters), "what is not sent is not lost");
}

#[test]
fn requests_of_subscribers_are_counted_by_type_and_what_is_too_old_is_not_served() {
    let mut world = call(Quality::GOOD, 9, 2);
    let before = world.shard.stats();
    let line = world.line_of(0, 1, "1").expect("a line");
    let ssrc = world.clients[0].receiver.stream(&line).ssrc;
    let mut fir = vec![0x84, 206, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0];
    fir.extend(ssrc.to_be_bytes());
    fir.extend([1, 0, 0, 0]);
    world.clients[0].transport.send_rtcp(&fir);
    let mut pli = vec![0x81, 206, 0, 2, 0, 0, 0, 1];
    pli.extend(ssrc.to_be_bytes());
    world.clients[0].transport.send_rtcp(&pli);
    let never_sent = world.clients[0].receiver.stream(&line).packets.first_key_value().expect("packets").0 - 100;
    let mut nack = vec![0x81, 205, 0, 3, 0, 0, 0, 1];
    nack.extend(ssrc.to_be_bytes());
    nack.extend([(never_sent >> 8) as u8, never_sent as u8, 0, 0]);
    world.clients[0].transport.send_rtcp(&nack);
    world.send(0);
    world.run_ms(1_000);
    let after = world.shard.stats();
    assert_eq!((after.fir_in - before.fir_in, after.pli_in - before.pli_in), (1, 1));
    assert_eq!(after.pli_out - before.pli_out, 1, "the throttle makes one of both");
    assert_eq!(after.nack_in_packets - before.nack_in_packets, 1);
    let unserved = |drops: [u64; DropReason::ALL.len()]| drops[DropReason::NotInRing as usize];
    assert_eq!(unserved(after.drops) - unserved(before.drops), 1);
    assert_eq!(after.rtx_out_packets, before.rtx_out_packets);
}
