//! One publisher, or a few, and their subscribers, each with a socket of its own, around a shard.
//!
//! They join in memory and on virtual time, and everything but media stays there. Media goes through the kernel: the
//! publisher's datagrams to the body's socket, the subscribers' to theirs.

use crate::client::{Client, Sender};
use crate::engine::{Engine, Flush};
use crate::house::House;
use crate::receivers::Receivers;
use bytes::Bytes;
use parlor_media::ShardStats;
use parlor_media::command::{Command, Event, MediaKind};
use parlor_media::outbox::Outbox;
use parlor_media::path::Path;
use parlor_media::relay::RelayBatch;
use parlor_media::transport::demux::{DatagramKind, classify};
use std::collections::VecDeque;
use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

/// Who receives of one publisher.
pub(crate) const SUBSCRIBERS: usize = 30;

/// Virtual time between two frames, and two pieces of audio.
const INTERVAL: Duration = Duration::from_millis(20);

/// Frames between two turns of everything that is not forwarding.
const FRAMES_BETWEEN_RESTS: u64 = 5;

/// See the module's text. Publishers are the first clients.
pub(crate) struct Venue {
    house: House,
    publishers: Vec<Publisher>,
    receivers: Receivers,
    subscribers: usize,
    kind: MediaKind,
    frames: u64,
    packets: u64,
    /// With who sends it.
    written: VecDeque<(usize, Vec<u8>)>,
}

struct Publisher {
    socket: UdpSocket,
    sender: Sender,
    sequence: u16,
    frames: u64,
}

impl Venue {
    /// Everybody connected.
    pub(crate) fn new(kind: MediaKind) -> Self {
        Self::of(kind, 1, SUBSCRIBERS)
    }

    /// The same with so many who send, to each other as well, and who only receive.
    pub(crate) fn of(kind: MediaKind, publishers: usize, subscribers: usize) -> Self {
        let mut house = House::new();
        let publishers: Vec<Publisher> = (0..publishers as u32)
            .map(|number| {
                let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
                let address = socket.local_addr().expect("bound");
                let mut client = Client::new(house.now, address, House::server());
                let sender = match kind {
                    MediaKind::Audio => client.add_audio(1_000 + number * 10),
                    MediaKind::Video => client.add_video(1_000 + number * 10),
                };
                house.join(client);
                Publisher { socket, sender, sequence: 0, frames: 0 }
            })
            .collect();
        let receivers = Receivers::new(subscribers);
        for address in receivers.addresses() {
            let client = Client::new(house.now, address, House::server());
            house.join(client);
        }
        // Subscribers need no media to stay connected.
        house.loss_down = Some(Box::new(|_, datagram| is_media(datagram)));
        Self { house, publishers, receivers, subscribers, kind, frames: 0, packets: 0, written: VecDeque::new() }
    }

    /// Makes the datagrams of a frame of packets with that many bytes of payload each: the first ever is a key frame.
    pub(crate) fn write(&mut self, sizes: &[usize]) {
        self.write_of(0, sizes);
    }

    /// The same of a publisher.
    pub(crate) fn write_of(&mut self, index: usize, sizes: &[usize]) {
        let (now, frames) = (self.house.now, self.publishers[index].frames);
        for (number, size) in sizes.iter().enumerate() {
            let payload = self.payload(frames, *size, number == 0);
            let (timestamp, last) = (frames as u32 * 1_800, number + 1 == sizes.len());
            let Publisher { sender, sequence, .. } = &mut self.publishers[index];
            self.house.clients[index].send_part(now, *sender, *sequence, timestamp, payload, last);
            *sequence = sequence.wrapping_add(1);
        }
        self.publishers[index].frames += 1;
        self.frames += 1;
        self.packets += sizes.len() as u64;
        let path = crate::house::path_of(&self.house.clients[index]);
        while let Some(mut datagram) = self.house.clients[index].poll_datagram() {
            if classify(&datagram) == DatagramKind::Rtp {
                self.written.push_back((index, datagram));
            } else {
                self.house.shard.handle_datagram(now, &path, &mut datagram);
            }
        }
    }

    /// Sends the next `count` of them to the port.
    pub(crate) fn send(&mut self, port: u16, count: usize) {
        for (index, datagram) in self.written.drain(..count) {
            self.publishers[index].socket.send_to(&datagram, (Ipv4Addr::LOCALHOST, port)).expect("sent");
        }
    }

    /// To how many each packet goes.
    pub(crate) fn fan_out(&self) -> usize {
        self.subscribers + self.publishers.len() - 1
    }

    /// VP8, by its payload descriptor and the lowest bit of a frame's first byte; audio is not looked into.
    fn payload(&self, frames: u64, size: usize, first: bool) -> Bytes {
        let mut payload = vec![7; size];
        if self.kind == MediaKind::Video {
            let begins = if first { 0x10 } else { 0 };
            payload[..4].copy_from_slice(&[0x80 | begins, 0x80, 0x80 | (frames >> 8) as u8, frames as u8]);
            payload[4] = u8::from(frames != 0);
        }
        payload.into()
    }

    /// Lets time pass, and now and then everything else happen that keeps a room running.
    pub(crate) fn rest(&mut self) {
        self.house.now += INTERVAL;
        if self.frames.is_multiple_of(FRAMES_BETWEEN_RESTS) {
            self.house.run_for(Duration::from_millis(1));
            self.house.events.clear();
        }
    }

    pub(crate) fn receivers(&mut self) -> &mut Receivers {
        &mut self.receivers
    }

    /// Asserts that every packet was forwarded to everybody.
    pub(crate) fn check(&self) {
        let stats = self.house.shard.stats();
        assert_eq!(stats.rtp_out_packets(), self.packets * self.fan_out() as u64, "{stats:?}");
        assert_eq!(stats.connected(), (self.subscribers + self.publishers.len()) as u64);
    }
}

/// The body drives the shard, but for what goes by the clock and to the control plane: both are the house's.
impl Engine for Venue {
    fn handle_command(&mut self, _now: Instant, _command: Command) {}

    fn gather_datagram(&mut self, _now: Instant, path: &Path, datagram: &mut [u8], flush: Flush<'_>) {
        self.house.shard.gather_datagram(self.house.now, path, datagram, flush);
    }

    fn forward(&mut self, _now: Instant, flush: Flush<'_>) {
        self.house.shard.forward(self.house.now, flush);
    }

    fn handle_path_closed(&mut self, _now: Instant, _path: &Path) {}

    fn handle_timeout(&mut self, _now: Instant, _flush: Flush<'_>) {}

    fn handle_deferred(&mut self, _now: Instant) {}

    fn has_deferred(&self) -> bool {
        false
    }

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_event(&mut self) -> Option<Event> {
        None
    }

    fn poll_closed_path(&mut self) -> Option<Path> {
        None
    }

    fn outbox(&mut self) -> &mut Outbox {
        self.house.shard.outbox()
    }

    fn stats(&self) -> ShardStats {
        self.house.shard.stats()
    }

    fn has_relay(&self) -> bool {
        false
    }

    fn take_relay(&mut self, _batch: &mut RelayBatch) {}

    fn handle_relay(&mut self, _now: Instant, _batch: &RelayBatch, _flush: Flush<'_>) {}

    fn relay_refused(&mut self, _now: Instant, _batch: &RelayBatch, _to: u16) {}
}

fn is_media(datagram: &[u8]) -> bool {
    matches!(classify(datagram), DatagramKind::Rtp | DatagramKind::Rtcp)
}
