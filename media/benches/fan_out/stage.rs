//! One publisher and its subscribers, and the packets that pass between them.

use crate::client::Sender;
use crate::house::{House, path_of};
use bytes::Bytes;
use parlor_media::command::MediaKind;
use parlor_media::path::Path;
use parlor_media::transport::SRTP_TAG;
use parlor_media::transport::demux::{DatagramKind, classify};
use std::time::Duration;

/// Who receives.
pub(crate) const SUBSCRIBERS: usize = 30;

/// Virtual time between two bursts: of 8 video packets this makes 10 Mbit/s.
const BURST_INTERVAL: Duration = Duration::from_millis(8);

/// Bursts between two turns of everything that is not forwarding.
const BURSTS_BETWEEN_RESTS: u16 = 10;

/// See the module's text. The publisher is client 0.
pub(crate) struct Stage {
    house: House,
    path: Path,
    kind: MediaKind,
    sender: Sender,
    payload: usize,
    sequence: u16,
    bursts: u16,
    published: u64,
    /// Bytes before the payload of a packet that leaves.
    pub(crate) header_len: usize,
}

impl Stage {
    /// Everybody connected, and the first packet, a key frame, forwarded.
    pub(crate) fn new(kind: MediaKind, payload: usize) -> Self {
        let mut house = House::new();
        let mut publisher = house.new_client();
        let sender = match kind {
            MediaKind::Audio => publisher.add_audio(1_000),
            MediaKind::Video => publisher.add_video(1_000),
        };
        let path = path_of(&publisher);
        house.join(publisher);
        for _ in 0..SUBSCRIBERS {
            house.join_silent();
        }
        // Subscribers need no media to stay connected.
        house.loss_down = Some(Box::new(|_, datagram| is_media(datagram)));
        let mut stage =
            Self { house, path, kind, sender, payload, sequence: 0, bursts: 0, published: 0, header_len: 0 };
        let mut first = stage.publish(1);
        stage.handle(&mut first);
        let left =
            stage.house.shard.outbox().runs().next().and_then(|(_, mut datagrams)| datagrams.next()).map(<[u8]>::len);
        stage.header_len = left.expect("forwarded") - payload - SRTP_TAG;
        stage.house.shard.outbox().clear();
        stage.rest();
        stage
    }

    /// A burst's sealed datagrams, distinct from all before.
    pub(crate) fn publish(&mut self, burst: usize) -> Vec<Vec<u8>> {
        let now = self.house.now;
        for _ in 0..burst {
            let payload = self.payload();
            let publisher = &mut self.house.clients[0];
            publisher.send(now, self.sender, self.sequence, u32::from(self.bursts) * 720, payload);
            self.sequence = self.sequence.wrapping_add(1);
        }
        self.published += burst as u64;
        let mut media = Vec::with_capacity(burst);
        while let Some(mut datagram) = self.house.clients[0].poll_datagram() {
            match classify(&datagram) {
                DatagramKind::Rtp => media.push(datagram),
                _ => self.house.shard.handle_datagram(now, &self.path, &mut datagram),
            }
        }
        assert_eq!(media.len(), burst);
        media
    }

    /// A packet of one picture each, all but the first no key frames; audio is not looked into.
    fn payload(&self) -> Bytes {
        let mut payload = vec![7; self.payload];
        if self.kind == MediaKind::Video {
            let descriptor = [0x90, 0x80, 0x80 | (self.sequence >> 8) as u8, self.sequence as u8];
            payload[..4].copy_from_slice(&descriptor);
            payload[4] = u8::from(self.published != 0);
        }
        payload.into()
    }

    /// What is measured: the datagrams of a burst come in, and leave for each subscriber.
    pub(crate) fn forward(&mut self, datagrams: &mut [Vec<u8>]) {
        self.handle(datagrams);
        self.house.shard.outbox().clear();
    }

    fn handle(&mut self, datagrams: &mut [Vec<u8>]) {
        let (now, shard) = (self.house.now, &mut self.house.shard);
        for datagram in datagrams {
            shard.gather_datagram(now, &self.path, datagram, &mut |outbox| outbox.clear());
        }
        shard.forward(now, &mut |outbox| outbox.clear());
    }

    /// Lets time pass, and now and then everything else happen that keeps a room running.
    pub(crate) fn rest(&mut self) {
        self.house.now += BURST_INTERVAL;
        self.bursts = self.bursts.wrapping_add(1);
        if self.bursts.is_multiple_of(BURSTS_BETWEEN_RESTS) {
            self.house.run_for(Duration::from_millis(1));
            self.house.events.clear();
        }
    }

    /// Asserts that every packet was forwarded to everybody.
    pub(crate) fn check(&self) {
        let stats = self.house.shard.stats();
        assert_eq!(stats.rtp_out_packets(), self.published * SUBSCRIBERS as u64, "{stats:?}");
        assert_eq!(stats.connected(), SUBSCRIBERS as u64 + 1);
    }
}

fn is_media(datagram: &[u8]) -> bool {
    matches!(classify(datagram), DatagramKind::Rtp | DatagramKind::Rtcp)
}
