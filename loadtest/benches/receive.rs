//! How many packets a second one core takes on the light path: readiness, `recvmmsg` with joined datagrams, headers,
//! counting. Everything is as in a run, over real UDP on loopback; only the senders' time is left out.
//!
//! Each benchmark prints packets per core-second beside criterion's own figures.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark")]

use bytes::BytesMut;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mio::{Events, Interest, Poll, Token};
use parlor_loadtest::light::header::{Datagram, classify};
use parlor_loadtest::light::intake::Intake;
use parlor_loadtest::net::{self, Receiver, Sender};
use parlor_loadtest::tally::{Measures, Window};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

const CLIENTS: usize = 100;
const SDP: &str = "m=audio\na=rtpmap:111 opus/48000/2\nm=video\na=rtpmap:96 VP8/90000\n\
    a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01\n";

struct Hall {
    poll: Poll,
    clients: Vec<(mio::net::UdpSocket, Intake)>,
    receiver: Receiver,
    server: mio::net::UdpSocket,
    sender: Sender,
    tally: Measures,
    window: Window,
    sequence: u16,
}

impl Hall {
    fn new() -> Self {
        let poll = Poll::new().unwrap();
        let loopback = Ipv4Addr::LOCALHOST.into();
        let client = |number| {
            let mut socket = net::open(loopback).unwrap();
            poll.registry().register(&mut socket, Token(number), Interest::READABLE).unwrap();
            let mut intake = Intake::default();
            intake.numbers.learn(SDP);
            (socket, intake)
        };
        Self {
            clients: (0..CLIENTS).map(client).collect(),
            poll,
            receiver: Receiver::new(),
            server: net::open(loopback).unwrap(),
            sender: Sender::default(),
            tally: Measures::default(),
            window: Window::default(),
            sequence: 0,
        }
    }

    /// Sends each client a burst of packets as a server would: one stream, consecutive numbers.
    fn send(&mut self, payload_type: u8, count: usize, bytes: usize) {
        for (number, (socket, _)) in self.clients.iter().enumerate() {
            let to: SocketAddr = (Ipv4Addr::LOCALHOST, socket.local_addr().unwrap().port()).into();
            let packet = |index: usize| {
                let sequence = self.sequence.wrapping_add(index as u16).to_be_bytes();
                let mut packet = BytesMut::zeroed(bytes);
                packet[..4].copy_from_slice(&[0x90, payload_type, sequence[0], sequence[1]]);
                packet[8..12].copy_from_slice(&(number as u32 + 1).to_be_bytes());
                packet[12..20].copy_from_slice(&[0xbe, 0xde, 0, 1, 0x31, sequence[0], sequence[1], 0]);
                (to, packet)
            };
            let mut burst: Vec<_> = (0..count).map(packet).collect();
            self.sender.flush(&self.server, &mut burst, |_| panic!("the kernel takes what loopback can hold"));
        }
        self.sequence = self.sequence.wrapping_add(count as u16);
    }

    /// Receives everything, as a thread of a run does; returns how many packets that were.
    fn receive(&mut self, expected: u64) -> Duration {
        let before = self.tally.video.packets + self.tally.audio.packets;
        let mut events = Events::with_capacity(128);
        let begin = Instant::now();
        while self.tally.video.packets + self.tally.audio.packets < before + expected {
            self.poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
            assert!(!events.is_empty(), "packets are missing");
            for event in &events {
                let (socket, intake) = &mut self.clients[event.token().0];
                loop {
                    let more = self.receiver.receive(socket).unwrap();
                    let now = begin.elapsed().as_nanos() as u64;
                    for datagram in self.receiver.messages().flat_map(|message| message.datagrams()) {
                        if classify(datagram) == Datagram::Rtp {
                            intake.take(now, datagram, 16, &mut self.tally, &mut self.window).unwrap();
                        }
                    }
                    if !more {
                        break;
                    }
                }
            }
        }
        let took = begin.elapsed();
        // Told by the run's feedback, which has its own cost a few times a second.
        for (_, intake) in &mut self.clients {
            intake.arrivals.drain(1, 2, |_| ());
        }
        took
    }
}

fn receive(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive");
    for (name, payload_type, count, bytes) in [
        ("video: bursts of 8 x 1200 B", 96, 8, 1_200),
        ("video: bursts of 3 x 1000 B", 96, 3, 1_000),
        ("audio: 1 x 160 B", 111, 1, 160),
    ] {
        let mut hall = Hall::new();
        let packets = (count * CLIENTS) as u64;
        let (mut total, mut time) = (0, Duration::ZERO);
        group.throughput(Throughput::Elements(packets));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| {
                let mut sum = Duration::ZERO;
                for _ in 0..rounds {
                    hall.send(payload_type, count, bytes);
                    sum += hall.receive(packets);
                }
                (total, time) = (total + rounds * packets, time + sum);
                sum
            });
        });
        let lost = hall.tally.video.lost + hall.tally.audio.lost;
        assert_eq!(lost, 0, "every packet is accounted for");
        println!("{name}: {:.0} packets per core-second", total as f64 / time.as_secs_f64());
    }
    group.finish();
}

criterion_group!(benches, receive);
criterion_main!(benches);
