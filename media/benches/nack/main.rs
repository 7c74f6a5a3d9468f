//! What a NACK costs: `Shard::handle_datagram` for a subscriber's NACK of several packets, which are read from the publisher's
//! ring, written as RTX and sealed.
//!
//! The NACKs are webrtc-rs's own, for packets of 1,200 bytes that were lost on their way to it. The floor is sealing as many
//! bytes as are sent again.

#![allow(clippy::expect_used, reason = "a failed expectation is a failed benchmark")]

#[path = "../../tests/webrtc_rs/client.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod client;
#[path = "../../tests/webrtc_rs/feedback.rs"]
mod feedback;
#[path = "../fan_out/floor.rs"]
mod floor;
#[path = "../../tests/webrtc_rs/house.rs"]
#[allow(dead_code, reason = "the tests use all of it")]
mod house;
#[path = "../fan_out/turns.rs"]
mod turns;

use client::Sender;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use floor::Floor;
use house::{House, path_of};
use parlor_media::path::Path;
use parlor_media::rtp::header::FIXED_HEADER_LEN;
use parlor_media::transport::demux::{DatagramKind, classify};
use std::time::Duration;
use turns::{Turns, time};

const PAYLOAD: usize = 1_200;

/// webrtc-rs looks for what it misses ten times a second.
const STEP: Duration = Duration::from_millis(10);
const STEPS: usize = 30;

/// A publisher, client 0, and a subscriber, client 1.
struct Stage {
    house: House,
    paths: [Path; 2],
    sender: Sender,
    sequence: u16,
    timestamp: u32,
}

impl Stage {
    fn new() -> Self {
        let mut house = House::new();
        let mut publisher = house.new_client();
        let sender = publisher.add_video(1_000);
        house.join(publisher);
        house.join_silent();
        let paths = [0, 1].map(|client| path_of(&house.clients[client]));
        let mut stage = Self { house, paths, sender, sequence: 0, timestamp: 0 };
        for _ in 0..20 {
            stage.publish(1, false);
            stage.rest();
        }
        stage
    }

    /// Sends packets, which reach the subscriber or are lost.
    fn publish(&mut self, packets: usize, lost: bool) {
        let now = self.house.now;
        for _ in 0..packets {
            let mut payload = vec![7; PAYLOAD];
            let key = u8::from(self.sequence != 0);
            payload[..5].copy_from_slice(&[0x90, 0x80, 0x80 | (self.sequence >> 8) as u8, self.sequence as u8, key]);
            self.house.clients[0].send(now, self.sender, self.sequence, self.timestamp, payload.into());
            self.sequence = self.sequence.wrapping_add(1);
        }
        self.timestamp = self.timestamp.wrapping_add(3_000);
        while let Some(mut datagram) = self.house.clients[0].poll_datagram() {
            self.house.shard.handle_datagram(now, &self.paths[0], &mut datagram);
        }
        if lost {
            self.house.shard.outbox().clear();
        }
        self.deliver();
    }

    /// Lets everything else happen that keeps a room running.
    fn rest(&mut self) {
        self.house.run_for(STEP);
        self.house.events.clear();
    }

    fn deliver(&mut self) {
        let house = &mut self.house;
        for (path, datagrams) in house.shard.outbox().runs() {
            let client = usize::from(path == self.paths[1]);
            datagrams.for_each(|datagram| house.clients[client].handle_datagram(house.now, datagram));
        }
        house.shard.outbox().clear();
    }

    /// Waits until the subscriber asks; returns what the answer took and how many packets were sent again.
    fn answer(&mut self) -> (Duration, u64) {
        let before = self.house.shard.stats().rtx_out_packets;
        for _ in 0..STEPS {
            self.house.now += STEP;
            self.house.clients[1].handle_timeout(self.house.now);
            let mut took = Duration::ZERO;
            while let Some(mut datagram) = self.house.clients[1].poll_datagram() {
                let (now, path, shard) = (self.house.now, &self.paths[1], &mut self.house.shard);
                let nacked = shard.stats().nack_in_packets;
                let work = time(|| shard.handle_datagram(now, path, &mut datagram));
                if classify(&datagram) == DatagramKind::Rtcp && shard.stats().nack_in_packets > nacked {
                    took += work;
                }
            }
            self.deliver();
            let resent = self.house.shard.stats().rtx_out_packets - before;
            if resent > 0 {
                return (took, resent);
            }
        }
        unreachable!("the subscriber asks for what it misses");
    }
}

fn nack(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("nack");
    group.sample_size(20).warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(3));
    for packets in [1, 8, 32] {
        let mut stage = Stage::new();
        let mut floor = Floor::new(FIXED_HEADER_LEN, PAYLOAD);
        let mut turns = Turns::of("packet sent again", "answering", "sealing");
        group.throughput(Throughput::Elements(packets as u64));
        group.bench_function(format!("{packets} packets"), |bencher| {
            bencher.iter_custom(|iterations| {
                let mut total = Duration::ZERO;
                for _ in 0..iterations {
                    stage.publish(packets, true);
                    stage.publish(1, false);
                    let (answering, resent) = stage.answer();
                    // webrtc-rs may ask for the same again at once.
                    assert!(resent >= packets as u64, "what was lost is sent again");
                    let sealing = time(|| floor.seal(resent));
                    turns.note(resent, answering, sealing);
                    total += answering;
                    stage.rest();
                }
                total
            });
        });
        turns.report(&format!("a NACK of {packets}"));
    }
    group.finish();
}

criterion_group!(benches, nack);
criterion_main!(benches);
