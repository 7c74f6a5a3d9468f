//! A shard with one room and its clients, in memory and on virtual time.

use crate::client::Client;
use bytes::Bytes;
use parlor_media::command::{Candidate, Channel, Command, Event, ParticipantSettings, Rights};
use parlor_media::ids::{ParticipantId, RoomId};
use parlor_media::path::{Path, Protocol};
use parlor_media::sdp::RemoteDescription;
use parlor_media::transport::Identity;
use parlor_media::transport::demux::{DatagramKind, classify};
use parlor_media::{Shard, ShardSettings, ShardStats};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

const ROOM: RoomId = RoomId(1);

/// How far virtual time jumps at most: every timer of webrtc-rs that matters here is coarser.
const STEP: Duration = Duration::from_millis(10);

/// Decides whether a datagram is lost, of which it is told the client's number.
pub(crate) type Loss = Box<dyn FnMut(usize, &[u8]) -> bool>;

/// How long the server's side has worked, in real time: what benchmarks read and nothing depends on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spent {
    /// Reading the clients' descriptions, outside of the shard.
    pub(crate) parsing: Duration,
    /// Commands: joins, offers and answers.
    pub(crate) commands: Duration,
    /// Connectivity checks.
    pub(crate) ice: Duration,
    /// Handshakes and offers.
    pub(crate) deferred: Duration,
    /// What is inside DTLS: data channels.
    pub(crate) dtls: Duration,
    /// RTP and RTCP.
    pub(crate) media: Duration,
    /// Timers.
    pub(crate) timers: Duration,
}

/// Does something and adds how long it took.
fn metered<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    #[allow(clippy::disallowed_methods, reason = "what benchmarks read; nothing depends on it")]
    let clock = Instant::now;
    let start = clock();
    let done = work();
    *spent += clock().saturating_duration_since(start);
    done
}

/// See the module's text. Clients are named by their number, in the order of joining.
pub(crate) struct House {
    /// The engine under test.
    pub(crate) shard: Shard,
    /// Who is in the room.
    pub(crate) clients: Vec<Client>,
    /// The present.
    pub(crate) now: Instant,
    /// Every event of the shard that is not part of negotiation.
    pub(crate) events: Vec<Event>,
    /// The server's offers so far.
    pub(crate) offers: usize,
    /// What is lost on the way to the shard, if anything.
    pub(crate) loss_up: Option<Loss>,
    /// What is lost on the way to the clients.
    pub(crate) loss_down: Option<Loss>,
    /// What the server's side has cost.
    pub(crate) spent: Spent,
    requests: u64,
}

impl House {
    /// A shard with an empty room.
    pub(crate) fn new() -> Self {
        #[allow(clippy::disallowed_methods, reason = "an anchor for virtual time; its value does not matter")]
        let now = Instant::now();
        let mut shard = Shard::new(ShardSettings {
            index: 0,
            identity: Identity::generate().expect("an identity"),
            seed: [7; 32],
            now,
            unix_time: Duration::from_secs(1_800_000_000),
            loudest: parlor_media::loudest::LoudestLimits::NEVER,
            opus_red: true,
            past: ShardStats::default(),
        });
        shard.handle_command(now, Command::OpenRoom { room: ROOM });
        // As where there is GSO: packets of a frame are made equal.
        shard.outbox().set_joins(true);
        Self {
            shard,
            clients: Vec::new(),
            now,
            events: Vec::new(),
            offers: 0,
            loss_up: None,
            loss_down: None,
            spent: Spent::default(),
            requests: 0,
        }
    }

    /// The address of the shard's UDP socket.
    pub(crate) fn server() -> SocketAddr {
        (Ipv4Addr::LOCALHOST, 7900).into()
    }

    /// A client that has not joined yet.
    pub(crate) fn new_client(&self) -> Client {
        Client::new(self.now, (Ipv4Addr::LOCALHOST, 20_000 + self.clients.len() as u16).into(), Self::server())
    }

    /// Adds a participant who offers nothing yet.
    pub(crate) fn enter(&mut self) {
        let client = self.new_client();
        self.add(client);
    }

    fn add(&mut self, client: Client) -> usize {
        let number = self.clients.len();
        self.clients.push(client);
        self.seat(number);
        number
    }

    fn seat(&mut self, number: usize) {
        let settings = ParticipantSettings {
            candidates: [Candidate { protocol: Protocol::Udp, address: Self::server() }].into(),
            follows_bindings: false,
            auto_subscribe: true,
            rights: Rights::ALL,
        };
        self.command(Command::Join { room: ROOM, participant: Self::participant(number), settings });
    }

    /// Brings a client into the room, which subscribes it to everything, and waits until it is connected.
    pub(crate) fn join(&mut self, client: Client) -> usize {
        let number = self.add(client);
        self.connect(number);
        number
    }

    /// Has somebody who left come again, with a new connection from the same address that publishes nothing.
    pub(crate) fn join_again(&mut self, number: usize) {
        self.clients[number] = Client::new(self.now, self.clients[number].address(), Self::server());
        self.seat(number);
        self.connect(number);
    }

    fn connect(&mut self, number: usize) {
        self.offer(number);
        self.run_until("the client is connected, its chat open, and all tracks bound", |house| {
            let client = &house.clients[number];
            client.connected && client.chat_open && house.everything_is_bound()
        });
    }

    /// The same for a client that publishes nothing.
    pub(crate) fn join_silent(&mut self) -> usize {
        let client = self.new_client();
        self.join(client)
    }

    /// Takes a client out of the room. It is not told.
    pub(crate) fn leave(&mut self, number: usize) {
        self.shard.handle_command(self.now, Command::Leave { participant: Self::participant(number) });
    }

    /// Has a client offer what it has.
    pub(crate) fn offer(&mut self, number: usize) {
        let sdp = self.clients[number].offer(self.now);
        let offer = self.parse(&sdp);
        self.requests += 1;
        let participant = Self::participant(number);
        self.command(Command::Offer { participant, request: self.requests, offer, tracks: Vec::new() });
    }

    fn parse(&mut self, sdp: &str) -> Box<RemoteDescription> {
        let description = metered(&mut self.spent.parsing, || RemoteDescription::parse(sdp));
        Box::new(description.expect("a description that Parlor takes"))
    }

    fn command(&mut self, command: Command) {
        let (now, shard) = (self.now, &mut self.shard);
        metered(&mut self.spent.commands, || shard.handle_command(now, command));
    }

    /// Lets time pass until every subscription has its m-line.
    pub(crate) fn run_until_bound(&mut self) {
        self.run_until("all tracks are bound", Self::everything_is_bound);
    }

    /// Whether every subscription has its m-line.
    fn everything_is_bound(&self) -> bool {
        let changes = self.events.iter().map(|event| match event {
            Event::Bound { .. } => 1,
            Event::Unbound { .. } => -1,
            _ => 0,
        });
        changes.sum::<i64>() == self.shard.stats().subscriptions as i64
    }

    /// The identity of a client.
    pub(crate) fn participant(number: usize) -> ParticipantId {
        ParticipantId(number as u64 + 1)
    }

    /// Sends a text to a client on its chat channel.
    pub(crate) fn tell(&mut self, number: usize, text: &str) {
        let (participant, text) = (Self::participant(number), Bytes::copy_from_slice(text.as_bytes()));
        self.shard
            .handle_command(self.now, Command::SendData { participant, channel: Channel::Chat, opening: 1, text });
    }

    /// Lets time pass until something is so, for at most ten seconds.
    pub(crate) fn run_until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let limit = self.now + Duration::from_secs(10);
        loop {
            self.exchange();
            if done(self) {
                return;
            }
            assert!(self.now < limit, "after ten seconds still not so: {what}");
            self.advance();
        }
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            self.exchange();
            self.advance();
        }
        self.exchange();
    }

    fn advance(&mut self) {
        self.now += STEP;
        if self.shard.is_due(self.now) {
            metered(&mut self.spent.timers, || self.shard.handle_timeout(self.now, &mut |_| ()));
        }
        for client in &mut self.clients {
            if client.poll_timeout().is_some_and(|at| at <= self.now) {
                client.handle_timeout(self.now);
            }
        }
    }

    /// Carries datagrams and descriptions back and forth until both sides are silent.
    fn exchange(&mut self) {
        while self.carry_to_shard() | self.work_off() | self.carry_to_clients() | self.negotiate() {}
    }

    /// Has the shard do what it has put off: handshakes and offers.
    fn work_off(&mut self) -> bool {
        let any = self.shard.has_deferred();
        while self.shard.has_deferred() {
            metered(&mut self.spent.deferred, || self.shard.handle_deferred(self.now));
        }
        any
    }

    fn carry_to_shard(&mut self) -> bool {
        let mut any = false;
        for (number, client) in self.clients.iter_mut().enumerate() {
            let path = path_of(client);
            while let Some(mut datagram) = client.poll_datagram() {
                any = true;
                if !self.loss_up.as_mut().is_some_and(|lose| lose(number, &datagram)) {
                    let spent = match classify(&datagram) {
                        DatagramKind::Stun => &mut self.spent.ice,
                        DatagramKind::Dtls => &mut self.spent.dtls,
                        _ => &mut self.spent.media,
                    };
                    metered(spent, || self.shard.gather_datagram(self.now, &path, &mut datagram, &mut |_| ()));
                }
            }
            metered(&mut self.spent.media, || self.shard.forward(self.now, &mut |_| ()));
        }
        any
    }

    fn carry_to_clients(&mut self) -> bool {
        let outbox = self.shard.outbox();
        let any = !outbox.is_empty();
        for (path, datagrams) in outbox.runs() {
            let number = self.clients.iter().position(|client| client.address() == path.remote);
            let number = number.expect("sent to a client");
            for datagram in datagrams {
                if !self.loss_down.as_mut().is_some_and(|lose| lose(number, datagram)) {
                    self.clients[number].handle_datagram(self.now, datagram);
                }
            }
        }
        outbox.clear();
        any
    }

    fn negotiate(&mut self) -> bool {
        let mut any = false;
        while let Some(event) = self.shard.poll_event() {
            any = true;
            match event {
                Event::Answered { participant, result, .. } => {
                    let sdp = result.expect("an offer that Parlor takes");
                    self.clients[number_of(participant)].handle_answer(self.now, sdp);
                }
                Event::Offered { participant, negotiation, sdp } => {
                    self.offers += 1;
                    let answer = self.clients[number_of(participant)].answer(self.now, sdp);
                    let answer = self.parse(&answer);
                    let negotiation = Some(negotiation);
                    self.command(Command::Answer { participant, negotiation, answer });
                }
                Event::AnswerRefused { error, .. } => panic!("Parlor refused an answer: {error}"),
                other => self.events.push(other),
            }
        }
        any
    }
}

fn number_of(participant: ParticipantId) -> usize {
    participant.0 as usize - 1
}

/// The way between a client and the shard.
pub(crate) fn path_of(client: &Client) -> Path {
    Path { protocol: Protocol::Udp, remote: client.address(), local: House::server().ip() }
}
