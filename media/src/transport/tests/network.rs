//! One transport, one client, and a lossy network between them on virtual time.

use crate::outbox::Outbox;
use crate::path::{Path, Protocol};
use crate::transport::demux::{DatagramKind, classify};
use crate::transport::sealing::OWN;
use crate::transport::srtp::header_len;
use crate::transport::test_client::{ClientEvent, ClientOptions, TestClient};
use crate::transport::{IceCredentials, Identity, Transport, TransportEvent};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::VecDeque;
use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// The origin of virtual time.
pub(in crate::transport) fn start() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "the origin of virtual time")]
    Instant::now()
}

pub(in crate::transport) fn path(port: u16) -> Path {
    let local = Ipv4Addr::LOCALHOST.into();
    Path { protocol: Protocol::Udp, remote: (Ipv4Addr::LOCALHOST, port).into(), local }
}

pub(in crate::transport) fn identity() -> Arc<Identity> {
    static IDENTITY: OnceLock<Arc<Identity>> = OnceLock::new();
    Arc::clone(IDENTITY.get_or_init(|| Identity::generate().unwrap()))
}

struct Flying {
    at: Instant,
    order: u64,
    to_server: bool,
    path: Path,
    datagram: Vec<u8>,
}

/// See the module's text.
pub(in crate::transport) struct Call {
    pub(in crate::transport) now: Instant,
    pub(in crate::transport) server: Transport,
    pub(in crate::transport) client: TestClient,
    pub(in crate::transport) outbox: Outbox,
    /// Where the client is.
    pub(in crate::transport) path: Path,
    /// Datagrams lost in either direction, in percent.
    pub(in crate::transport) loss: u32,
    pub(in crate::transport) delay: Duration,
    pub(in crate::transport) server_events: Vec<TransportEvent>,
    pub(in crate::transport) client_events: Vec<ClientEvent>,
    /// RTP packets as the server decrypted them.
    pub(in crate::transport) received: Vec<Vec<u8>>,
    /// Whether the client reaches the network at all.
    pub(in crate::transport) unplugged: bool,
    /// Datagrams that the server sent, with their paths.
    pub(in crate::transport) sent: Vec<(Path, Vec<u8>)>,
    rng: SmallRng,
    order: u64,
    flying: VecDeque<Flying>,
}

impl Call {
    pub(in crate::transport) fn new(options: &ClientOptions) -> Self {
        let now = start();
        let mut rng = SmallRng::seed_from_u64(options.seed);
        let local = IceCredentials::generate(&mut rng);
        let client = TestClient::new(now, options, &local, identity().fingerprint());
        let mut server = Transport::new(identity(), local, 0);
        server.set_remote(now, &client.description());
        Self {
            now,
            server,
            client,
            outbox: Outbox::new(),
            path: path(1000),
            loss: 0,
            delay: Duration::from_millis(20),
            server_events: Vec::new(),
            client_events: Vec::new(),
            received: Vec::new(),
            unplugged: false,
            sent: Vec::new(),
            rng,
            order: 0,
            flying: VecDeque::new(),
        }
    }

    /// A call that is up, with a data channel where there is to be one.
    pub(in crate::transport) fn connected(options: &ClientOptions) -> Self {
        let mut call = Self::new(options);
        assert!(call.run_until(Duration::from_secs(5), Self::is_connected), "not connected");
        call
    }

    pub(in crate::transport) fn is_connected(&self) -> bool {
        self.server.is_connected() && self.client.is_connected()
    }

    /// Hands a datagram to the server as the shard does; media lands in `received`.
    pub(in crate::transport) fn deliver(
        &mut self,
        path: &Path,
        datagram: &[u8],
    ) -> Result<(), crate::drop_reason::DropReason> {
        let (now, outbox) = (self.now, &mut self.outbox);
        let result = match classify(datagram) {
            DatagramKind::Stun => self.server.handle_stun(now, path, datagram, outbox),
            DatagramKind::Dtls => self.server.handle_dtls(now, path, datagram, outbox),
            DatagramKind::Rtp => {
                let mut packet = datagram.to_vec();
                self.server.unprotect_rtp(path, &mut packet).map(|len| {
                    packet.truncate(len);
                    self.received.push(packet);
                })
            }
            DatagramKind::Rtcp => self.server.unprotect_rtcp(path, &mut datagram.to_vec()).map(drop),
            DatagramKind::Unknown => Err(crate::drop_reason::DropReason::UnknownProtocol),
        };
        self.collect();
        result
    }

    fn fly(&mut self, to_server: bool, path: Path, datagram: Vec<u8>) {
        if self.unplugged || self.rng.next_u32() % 100 < self.loss {
            return;
        }
        self.order += 1;
        let (at, order) = (self.now + self.delay, self.order);
        self.flying.push_back(Flying { at, order, to_server, path, datagram });
    }

    /// Moves what both sides want sent onto the network, and their events to where the test looks.
    pub(in crate::transport) fn collect(&mut self) {
        let outgoing: Vec<_> =
            self.outbox.runs().flat_map(|(path, datagrams)| datagrams.map(move |d| (path, d.to_vec()))).collect();
        self.outbox.clear();
        for (path, datagram) in outgoing {
            self.sent.push((path, datagram.clone()));
            // What is sent to where the client is no more is lost.
            if path == self.path {
                self.fly(false, path, datagram);
            }
        }
        while let Some(datagram) = self.client.poll_transmit() {
            self.fly(true, self.path, datagram);
        }
        while let Some(event) = self.server.poll_event() {
            self.server_events.push(event);
        }
        while let Some(event) = self.client.poll_event() {
            self.client_events.push(event);
        }
    }

    /// Sends RTP from the server to the client.
    pub(in crate::transport) fn send_from_server(&mut self, packet: &[u8], index: u64) {
        let mut buffer = packet.to_vec();
        buffer.resize(packet.len() + 32, 0);
        let len = self.server.protect_rtp(&mut buffer, packet.len(), index).expect("connected");
        let path = *self.server.path().expect("connected");
        assert!(self.outbox.push(0, &path, &buffer[..len]));
        self.collect();
    }

    /// The same for a packet of which all but the beginning of the payload is shared: that packet as it is to arrive.
    pub(in crate::transport) fn send_shared_from_server(&mut self, packet: &[u8], ssrc: u32, index: u64) {
        let payload = header_len(packet).expect("RTP")..packet.len();
        let mut buffer = packet.to_vec();
        buffer[payload.start + OWN..].fill(0);
        buffer.resize(packet.len() + 32, 0);
        let shared = &packet[payload.clone()];
        let len = self.server.seal_rtp(&mut buffer, payload, shared, ssrc, index).expect("connected");
        let path = *self.server.path().expect("connected");
        assert!(self.outbox.push(0, &path, &buffer[..len]));
        self.collect();
    }

    /// Goes to the next thing that happens, up to `end`. Returns whether anything did.
    fn step(&mut self, end: Instant) -> bool {
        self.collect();
        let arrival = self.flying.iter().map(|flying| (flying.at, flying.order)).min();
        let next = [arrival.map(|(at, _)| at), self.server.poll_timeout(), Some(self.client.poll_timeout())]
            .into_iter()
            .flatten()
            .min()
            .filter(|next| *next <= end);
        let Some(next) = next else {
            self.now = end;
            return false;
        };
        self.now = self.now.max(next);
        if let Some((at, order)) = arrival
            && at <= self.now
            && let Some(position) = self.flying.iter().position(|flying| flying.order == order)
            && let Some(flying) = self.flying.remove(position)
        {
            if flying.to_server {
                let _ = self.deliver(&flying.path, &flying.datagram);
            } else {
                self.client.handle_datagram(self.now, &flying.datagram);
            }
        } else {
            if self.server.poll_timeout().is_some_and(|at| at <= self.now) {
                self.server.handle_timeout(self.now, &mut self.outbox);
                assert!(
                    self.server.poll_timeout().is_none_or(|at| at > self.now),
                    "the server's timer does not move on"
                );
            }
            if self.client.poll_timeout() <= self.now {
                self.client.handle_timeout(self.now);
            }
        }
        self.collect();
        true
    }

    pub(in crate::transport) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.step(end) {}
    }

    /// Runs until `done`; returns whether that came to pass within `limit`.
    pub(in crate::transport) fn run_until(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + limit;
        while !done(self) {
            if !self.step(end) {
                return done(self);
            }
        }
        true
    }
}
