//! One publisher and its subscribers, each with a socket of its own, around a shard.
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

/// Who receives.
pub(crate) const SUBSCRIBERS: usize = 30;

/// Virtual time between two frames, and two pieces of audio.
const INTERVAL: Duration = Duration::from_millis(20);

/// Frames between two turns of everything that is not forwarding.
const FRAMES_BETWEEN_RESTS: u64 = 5;

/// See the module's text. The publisher is client 0.
pub(crate) struct Venue {
    house: House,
    publisher: UdpSocket,
    receivers: Receivers,
    kind: MediaKind,
    sender: Sender,
    sequence: u16,
    frames: u64,
    packets: u64,
    written: VecDeque<Vec<u8>>,
}

impl Venue {
    /// Everybody connected.
    pub(crate) fn new(kind: MediaKind) -> Self {
        let mut house = House::new();
        let publisher = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let address = publisher.local_addr().expect("bound");
        let mut client = Client::new(house.now, address, House::server());
        let sender = match kind {
            MediaKind::Audio => client.add_audio(1_000),
            MediaKind::Video => client.add_video(1_000),
        };
        house.join(client);
        let receivers = Receivers::new(SUBSCRIBERS);
        for address in receivers.addresses() {
            let client = Client::new(house.now, address, House::server());
            house.join(client);
        }
        // Subscribers need no media to stay connected.
        house.loss_down = Some(Box::new(|_, datagram| is_media(datagram)));
        Self { house, publisher, receivers, kind, sender, sequence: 0, frames: 0, packets: 0, written: VecDeque::new() }
    }

    /// Makes the datagrams of a frame of packets with that many bytes of payload each: the first ever is a key frame.
    pub(crate) fn write(&mut self, sizes: &[usize]) {
        let now = self.house.now;
        for (number, size) in sizes.iter().enumerate() {
            let payload = self.payload(*size, number == 0);
            let (timestamp, last) = (self.frames as u32 * 1_800, number + 1 == sizes.len());
            self.house.clients[0].send_part(now, self.sender, self.sequence, timestamp, payload, last);
            self.sequence = self.sequence.wrapping_add(1);
        }
        self.frames += 1;
        self.packets += sizes.len() as u64;
        let path = crate::house::path_of(&self.house.clients[0]);
        while let Some(mut datagram) = self.house.clients[0].poll_datagram() {
            if classify(&datagram) == DatagramKind::Rtp {
                self.written.push_back(datagram);
            } else {
                self.house.shard.handle_datagram(now, &path, &mut datagram);
            }
        }
    }

    /// Sends the next `count` of them to the port.
    pub(crate) fn send(&mut self, port: u16, count: usize) {
        for datagram in self.written.drain(..count) {
            self.publisher.send_to(&datagram, (Ipv4Addr::LOCALHOST, port)).expect("sent");
        }
    }

    /// VP8, by its payload descriptor and the lowest bit of a frame's first byte; audio is not looked into.
    fn payload(&self, size: usize, first: bool) -> Bytes {
        let mut payload = vec![7; size];
        if self.kind == MediaKind::Video {
            let begins = if first { 0x10 } else { 0 };
            payload[..4].copy_from_slice(&[0x80 | begins, 0x80, 0x80 | (self.frames >> 8) as u8, self.frames as u8]);
            payload[4] = u8::from(self.frames != 0);
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
        assert_eq!(stats.rtp_out_packets(), self.packets * SUBSCRIBERS as u64, "{stats:?}");
        assert_eq!(stats.connected(), SUBSCRIBERS as u64 + 1);
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

    fn handle_timeout(&mut self, _now: Instant) {}

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
