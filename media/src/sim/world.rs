//! A world of one shard, or a few, and many clients on virtual time, with what must hold of every datagram between them.
//!
//! Checked all the time: no SRTP index is used for two different packets, everything decrypts, and whatever a client
//! receives on an m-line belongs to the track that the line was bound to when it was sent.

mod links;

use super::client::SimClient;
use super::description::parse;
use super::network::{Flight, Link, Quality};
use crate::command::{Candidate, Channel, Command, Event, NegotiationError, ParticipantSettings, Rid, Rights};
use crate::drop_reason::DropReason;
use crate::feedback::rtcp::is_transport_cc;
use crate::feedback::turns::FeedbackTurns;
use crate::ids::{ParticipantId, RoomId, TrackId};
use crate::loudest::LoudestLimits;
use crate::outbox::Outbox;
use crate::path::{Path, Protocol};
use crate::relay::{RelayBatch, ShardSet};
use crate::rtp::sequence::SequenceUnwrapper;
use crate::transport::Identity;
use crate::{Shard, ShardSettings, ShardStats};
use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(crate) const ROOM: RoomId = RoomId(7);

/// What reaches a client through the signalling channel.
enum Signal {
    Answer(u64, Result<String, NegotiationError>),
    Offer(u32, String),
    /// Which encodings of an m-line are wanted.
    Wanted(String, Vec<(Option<Rid>, bool)>),
}

/// What a line has carried, and since when.
type Bindings = Vec<(Instant, Option<TrackId>)>;

/// See the module's text.
pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) shard: Shard,
    /// Further shards, on which the room has parts.
    pub(crate) branches: Vec<Shard>,
    /// The shard of the next who joins: 0 is the first, the branches follow.
    pub(crate) place: usize,
    /// Each client's.
    places: Vec<usize>,
    /// Nothing gets from one shard to another: the queues are full.
    pub(crate) relay_is_full: bool,
    /// What is being carried; kept for its memory.
    batch: RelayBatch,
    /// What has left outboxes that filled in the middle of a turn.
    left: Vec<(Path, Vec<u8>)>,
    /// How often one was emptied while its shard forwarded and did what was due.
    pub(crate) flushes: usize,
    identity: Arc<Identity>,
    pub(crate) clients: Vec<SimClient>,
    up: Vec<Link>,
    down: Vec<Link>,
    /// Feedback that has come, of whom, and when it may be handed in.
    feedback: Vec<(usize, Flight)>,
    feedback_turns: FeedbackTurns,
    quality: Quality,
    seed: u64,
    loudest: LoudestLimits,
    opus_red: bool,
    fingerprint: String,
    pub(crate) signalling_delay: Duration,
    to_clients: BTreeMap<(Instant, u64), (usize, Signal)>,
    to_shard: BTreeMap<(Instant, u64), Command>,
    count: u64,
    /// Everything that the shard told.
    pub(crate) events: Vec<(Instant, Event)>,
    /// The publisher and m-line of every track there ever was.
    pub(crate) tracks: HashMap<TrackId, (ParticipantId, String)>,
    /// What each subscriber's line has carried since when.
    bindings: HashMap<(ParticipantId, String), Bindings>,
    /// The ciphertext under each SRTP index.
    sealed: HashMap<(ParticipantId, u32, u64), u64>,
    sealed_rtcp: HashMap<(ParticipantId, u32, u32), u64>,
    indices: HashMap<(ParticipantId, u32), SequenceUnwrapper>,
    /// The shard is not asked to do what it has put off.
    pub(crate) puts_off: bool,
    /// A client whose datagrams are kept here, and whether they reach the shard nevertheless.
    pub(crate) tap: Option<(usize, bool)>,
    pub(crate) tapped: Vec<Vec<u8>>,
    /// Datagrams that the shard sent to a port that is nobody's any more.
    pub(crate) misdirected: u64,
}

impl World {
    pub(crate) fn new(quality: Quality, seed: u64) -> Self {
        Self::with(quality, seed, LoudestLimits::NEVER, true)
    }

    /// A world in which sound is sent without copies, whatever gets lost.
    pub(crate) fn without_red(quality: Quality, seed: u64) -> Self {
        Self::with(quality, seed, LoudestLimits::NEVER, false)
    }

    /// A world whose rooms forward only the loudest voices where there are many.
    pub(crate) fn choosing(quality: Quality, seed: u64, loudest: LoudestLimits) -> Self {
        Self::with(quality, seed, loudest, true)
    }

    fn with(quality: Quality, seed: u64, loudest: LoudestLimits, opus_red: bool) -> Self {
        #[allow(clippy::disallowed_methods, reason = "an anchor for virtual time")]
        let now = Instant::now();
        let identity = Identity::generate().expect("an identity");
        let fingerprint = identity.fingerprint().to_owned();
        let shard = Self::shard(now, 0, seed, &identity, (loudest, opus_red));
        Self {
            now,
            start: now,
            shard,
            branches: Vec::new(),
            place: 0,
            places: Vec::new(),
            relay_is_full: false,
            batch: RelayBatch::default(),
            left: Vec::new(),
            flushes: 0,
            identity,
            clients: Vec::new(),
            up: Vec::new(),
            down: Vec::new(),
            feedback: Vec::new(),
            feedback_turns: FeedbackTurns::default(),
            quality,
            seed,
            loudest,
            opus_red,
            fingerprint,
            signalling_delay: Duration::from_millis(10),
            to_clients: BTreeMap::new(),
            to_shard: BTreeMap::new(),
            count: 0,
            events: Vec::new(),
            tracks: HashMap::new(),
            bindings: HashMap::new(),
            sealed: HashMap::new(),
            sealed_rtcp: HashMap::new(),
            indices: HashMap::new(),
            puts_off: false,
            tap: None,
            tapped: Vec::new(),
            misdirected: 0,
        }
    }

    fn shard(
        now: Instant,
        place: usize,
        seed: u64,
        identity: &Arc<Identity>,
        (loudest, opus_red): (LoudestLimits, bool),
    ) -> Shard {
        let mut shard = Shard::new(ShardSettings {
            index: 3 + place as u16,
            identity: Arc::clone(identity),
            seed: [seed as u8 ^ (place as u8) << 4; 32],
            now,
            // A clock that was set between two starts.
            unix_time: Duration::from_secs(1_700_000_000 + 5_000 * place as u64),
            loudest,
            opus_red,
            past: ShardStats::default(),
        });
        shard.handle_command(now, Command::OpenRoom { room: ROOM });
        // As the sockets' side does where it has GSO: packets of a frame are made equal.
        shard.outbox().set_joins(true);
        shard
    }

    /// Opens a part of the room on another shard. Returns its place.
    pub(crate) fn branch(&mut self) -> usize {
        let place = self.branches.len() + 1;
        let settings = (self.loudest, self.opus_red);
        self.branches.push(Self::shard(self.now, place, self.seed, &self.identity, settings));
        self.link(place + 1);
        place
    }

    /// Links the first so many parts with one another.
    pub(crate) fn link(&mut self, count: usize) {
        let shards: ShardSet = (0..count).map(|place| 3 + place as u16).collect();
        for place in 0..count {
            let now = self.now;
            self.shard_at(place).handle_command(now, Command::LinkRoom { room: ROOM, home: 3, shards });
            // What it says reaches those that are linked after it too early.
            self.collect();
        }
    }

    pub(crate) fn shard_at(&mut self, place: usize) -> &mut Shard {
        if place == 0 { &mut self.shard } else { &mut self.branches[place - 1] }
    }

    /// The shard of a client.
    fn shard_of(&mut self, client: usize) -> &mut Shard {
        self.shard_at(self.places[client])
    }

    /// A participant who has joined the room, but offered nothing.
    pub(crate) fn join(&mut self, follows_bindings: bool, auto_subscribe: bool) -> usize {
        let index = self.clients.len();
        let id = index as u64 + 1;
        self.places.push(self.place);
        self.clients.push(SimClient::new(self.now, id, self.seed, &self.fingerprint));
        self.up.push(Link::new(self.quality, self.seed << 16 | id << 1));
        self.down.push(Link::new(self.quality, self.seed << 16 | id << 1 | 1));
        let address = "127.0.0.1:7900".parse().expect("an address");
        let candidates = Arc::new([Candidate { protocol: Protocol::Udp, address }]);
        let settings = ParticipantSettings { candidates, follows_bindings, auto_subscribe, rights: Rights::ALL };
        self.command(Command::Join { room: ROOM, participant: ParticipantId(id), settings });
        index
    }

    /// Gives the shard that it concerns a command now.
    pub(crate) fn command(&mut self, command: Command) {
        self.hand_in(command);
        self.collect();
    }

    fn hand_in(&mut self, command: Command) {
        let now = self.now;
        let client = match &command {
            Command::Join { participant, .. }
            | Command::Leave { participant }
            | Command::Offer { participant, .. }
            | Command::Answer { participant, .. }
            | Command::SetMuted { participant, .. }
            | Command::Silence { participant, .. }
            | Command::SetRights { participant, .. }
            | Command::Subscribe { participant, .. }
            | Command::Unsubscribe { participant, .. }
            | Command::SetLayer { participant, .. }
            | Command::SetView { participant, .. }
            | Command::SendData { participant, .. } => Some((participant.0 - 1) as usize),
            _ => None,
        };
        let place = client.and_then(|client| self.places.get(client)).copied().unwrap_or(0);
        self.shard_at(place).handle_command(now, command);
    }

    /// A client leaves, through the signalling.
    pub(crate) fn leave(&mut self, client: usize) {
        self.clients[client].dead = true;
        self.command(Command::Leave { participant: self.clients[client].id });
    }

    /// Sends a client's offer on its way, unless one is under way, which then comes first.
    pub(crate) fn offer(&mut self, client: usize) {
        if self.clients[client].offering.is_some() {
            self.clients[client].wants_offer = true;
            return;
        }
        let (request, sdp, tracks) = self.clients[client].offer();
        let participant = self.clients[client].id;
        self.count += 1;
        let at = (self.now + self.signalling_delay, self.count);
        self.to_shard.insert(at, Command::Offer { participant, request, offer: parse(&sdp), tracks });
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run_until(|_| false, end);
        self.now = end;
    }

    pub(crate) fn run_ms(&mut self, ms: u64) {
        self.run(Duration::from_millis(ms));
    }

    /// Runs until `done`, and returns whether that came before `end`.
    pub(crate) fn run_until(&mut self, done: impl Fn(&Self) -> bool, end: Instant) -> bool {
        let mut stuck = (self.now, 0);
        while !done(self) {
            let Some(next) = self.next().filter(|next| *next <= end) else { return false };
            self.now = self.now.max(next);
            stuck = if stuck.0 == self.now { (self.now, stuck.1 + 1) } else { (self.now, 0) };
            assert!(stuck.1 < 10_000, "time stands still");
            self.turn();
        }
        true
    }

    fn next(&self) -> Option<Instant> {
        let signalling = self.to_clients.keys().next().into_iter().chain(self.to_shard.keys().next());
        let links = self.up.iter().chain(&self.down).filter_map(Link::next);
        let clients = self.clients.iter().filter_map(SimClient::poll_timeout);
        let feedback = self.feedback_turns.poll_timeout();
        let signalling = signalling.map(|(at, _)| *at);
        let has_deferred = self.branches.iter().chain([&self.shard]).any(Shard::has_deferred);
        if has_deferred && !self.puts_off {
            return Some(self.now);
        }
        let shards = self.branches.iter().chain([&self.shard]).filter_map(Shard::poll_timeout);
        signalling.chain(links).chain(clients).chain(shards).chain(feedback).min()
    }

    fn turn(&mut self) {
        let now = self.now;
        while let Some(entry) = self.to_shard.first_entry().filter(|entry| entry.key().0 <= now) {
            let command = entry.remove();
            self.hand_in(command);
        }
        for client in 0..self.clients.len() {
            while let Some(flight) = self.up[client].receive(now) {
                match is_transport_cc(&flight.datagram) {
                    true => self.feedback.push((client, flight)),
                    false => self.gather(client, flight),
                }
            }
        }
        if !self.feedback.is_empty() && self.feedback_turns.are_watched() {
            self.feedback_turns.hasten(now);
        }
        if self.feedback_turns.is_due(now) {
            let feedback = std::mem::take(&mut self.feedback);
            self.feedback_turns.on_turn(now, feedback.len() as u64, false);
            feedback.into_iter().for_each(|(client, flight)| self.gather(client, flight));
        }
        for place in 0..=self.branches.len() {
            let (puts_off, mut left, mut flushes) = (self.puts_off, std::mem::take(&mut self.left), 0);
            let shard = self.shard_at(place);
            shard.handle_timeout(now, &mut |outbox| {
                empty(outbox, &mut left);
                flushes += 1;
            });
            if shard.has_deferred() && !puts_off {
                shard.handle_deferred(now);
            }
            self.left = left;
            self.flushes += flushes;
        }
        self.collect();
        while let Some(entry) = self.to_clients.first_entry().filter(|entry| entry.key().0 <= now) {
            let (client, signal) = entry.remove();
            self.signal(client, signal);
        }
        for client in 0..self.clients.len() {
            while let Some(flight) = self.down[client].receive(now) {
                self.deliver(client, flight.sent, &flight.path, &flight.datagram);
            }
            self.clients[client].handle_timeout(now);
            self.send(client);
        }
    }

    /// Hands what has come to the client's shard.
    fn gather(&mut self, client: usize, mut flight: Flight) {
        let (now, mut left) = (self.now, std::mem::take(&mut self.left));
        let shard = self.shard_of(client);
        shard.gather_datagram(now, &flight.path, &mut flight.datagram, &mut |outbox| empty(outbox, &mut left));
        if shard.outbox().needs_flush() {
            empty(shard.outbox(), &mut left);
        }
        self.left = left;
    }

    /// Puts a client's datagrams on their way.
    pub(crate) fn send(&mut self, client: usize) {
        let sender = &mut self.clients[client];
        let path = sender.path();
        let tap = self.tap.filter(|(tapped, _)| *tapped == client);
        while let Some(datagram) = sender.transport.poll_transmit() {
            if let Some((_, passes)) = tap {
                self.tapped.push(datagram.clone());
                if !passes {
                    continue;
                }
            }
            self.up[client].send(self.now, path, datagram);
        }
    }

    /// Hands a datagram to the shard at once.
    pub(crate) fn inject(&mut self, path: &Path, datagram: &[u8]) {
        let mut datagram = datagram.to_vec();
        self.shard.handle_datagram(self.now, path, &mut datagram);
        self.collect();
    }

    pub(crate) fn set_quality(&mut self, client: usize, quality: Quality) {
        self.up[client].set_quality(self.now, quality);
        self.down[client].set_quality(self.now, quality);
    }

    /// Takes what the shards have to send and to tell.
    pub(crate) fn collect(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        // What is relayed is not relayed again: but wishes may come back.
        while let Some(place) = (0..=self.branches.len()).find(|place| self.shard_at(*place).has_relay()) {
            self.shard_at(place).take_relay(&mut batch);
            self.carry(place, &batch);
        }
        self.batch = batch;
        for place in 0..=self.branches.len() {
            self.collect_of(place);
        }
    }

    /// Takes a batch to the shards that it is for.
    fn carry(&mut self, from: usize, batch: &RelayBatch) {
        let now = self.now;
        for to in batch.destinations().iter() {
            assert_ne!(usize::from(to - 3), from, "nobody speaks to itself");
            if self.relay_is_full {
                self.shard_at(from).relay_refused(now, batch, to);
            } else {
                self.shard_at(usize::from(to - 3)).handle_relay(now, batch, &mut |_| ());
            }
        }
    }

    fn collect_of(&mut self, place: usize) {
        self.shard_at(place).check();
        while let Some(event) = self.shard_at(place).poll_event() {
            self.on_event(event);
        }
        let mut left = std::mem::take(&mut self.left);
        empty(self.shard_at(place).outbox(), &mut left);
        for (path, datagram) in left {
            let port = path.remote.port();
            let Some(client) = self.clients.iter().position(|client| client.port == port && !client.dead) else {
                self.misdirected += 1;
                continue;
            };
            self.check_sealed(client, &datagram);
            self.down[client].send(self.now, path, datagram);
        }
    }

    fn on_event(&mut self, event: Event) {
        let client = |id: &ParticipantId| (id.0 - 1) as usize;
        let signal = match &event {
            Event::Answered { participant, request, result } => {
                Some((client(participant), Signal::Answer(*request, result.clone())))
            }
            Event::Offered { participant, negotiation, sdp } => {
                Some((client(participant), Signal::Offer(*negotiation, sdp.clone())))
            }
            Event::EncodingsWanted { participant, mid, encodings, .. } => {
                Some((client(participant), Signal::Wanted(mid.clone(), encodings.clone())))
            }
            Event::Published { participant, info } => {
                self.tracks.insert(info.track, (*participant, info.mid.clone()));
                None
            }
            Event::Bound { participant, mid, track, .. } => {
                let history = self.bindings.entry((*participant, mid.clone())).or_default();
                assert_eq!(history.last().and_then(|(_, track)| *track), None, "a line carries one track");
                history.push((self.now, Some(*track)));
                None
            }
            Event::Unbound { participant, mid, track } => {
                let history = self.bindings.entry((*participant, mid.clone())).or_default();
                assert_eq!(history.last().and_then(|(_, track)| *track), Some(*track), "what ends had begun");
                history.push((self.now, None));
                None
            }
            Event::AnswerRefused { error, .. } => panic!("an answer was refused: {error}"),
            _ => None,
        };
        if let Some(signal) = signal {
            self.count += 1;
            self.to_clients.insert((self.now + self.signalling_delay, self.count), signal);
        }
        self.events.push((self.now, event));
    }

    fn signal(&mut self, index: usize, signal: Signal) {
        let client = &mut self.clients[index];
        if client.dead || client.closed {
            return;
        }
        match signal {
            Signal::Answer(request, Ok(sdp)) => client.on_answer(self.now, request, &sdp),
            Signal::Answer(request, Err(NegotiationError::Glare)) => {
                client.glares += 1;
                if client.offering == Some(request) {
                    client.offering = None;
                }
                client.wants_offer = true;
                // The server's offer is under way; it comes first.
                return;
            }
            Signal::Answer(_, Err(error)) => panic!("an offer was refused: {error}"),
            Signal::Wanted(mid, encodings) => {
                if client.follows_wants {
                    client.publisher.on_wanted(&mid, &encodings);
                }
            }
            Signal::Offer(negotiation, sdp) => {
                let answer = client.on_offer(&sdp);
                let command =
                    Command::Answer { participant: client.id, negotiation: Some(negotiation), answer: parse(&answer) };
                self.count += 1;
                self.to_shard.insert((self.now + self.signalling_delay, self.count), command);
            }
        }
        if self.clients[index].wants_offer {
            self.offer(index);
        }
        self.send(index);
    }

    fn deliver(&mut self, client: usize, sent: Instant, path: &Path, datagram: &[u8]) {
        let now = self.now;
        let receiver = &mut self.clients[client];
        if receiver.dead || receiver.closed || path.remote.port() != receiver.port {
            return;
        }
        let id = receiver.id;
        for (mid, content) in receiver.handle_datagram(now, datagram) {
            let history = self.bindings.get(&(id, mid.clone())).map(Vec::as_slice).unwrap_or_default();
            let begun = history.partition_point(|(at, _)| *at <= sent);
            // Of several bindings at the same instant any may be meant.
            let at_once = history[..begun].iter().rev().take_while(|(at, _)| *at == sent).count();
            let candidates = &history[begun.saturating_sub(at_once + 1)..begun];
            let whose = (ParticipantId(content.publisher), content.track.to_string());
            let expected: Vec<_> = candidates.iter().filter_map(|(_, track)| self.tracks.get(&(*track)?)).collect();
            assert!(expected.contains(&&whose), "{id:?} got {content:?} on {mid}, which carries {expected:?}");
        }
        assert_eq!(self.clients[client].transport.unreadable, 0, "all that is sent can be decrypted");
    }

    /// The nonce rule: what has once been sent under an index may only be sent again unchanged.
    fn check_sealed(&mut self, client: usize, datagram: &[u8]) {
        let [first, second, high, low, rest @ ..] = datagram else { return };
        if first >> 6 != 2 {
            return;
        }
        let id = self.clients[client].id;
        let mut hasher = DefaultHasher::new();
        datagram.hash(&mut hasher);
        let hash = hasher.finish();
        let word = |at: usize| u32::from_be_bytes(*rest[at..].first_chunk().expect("long enough"));
        if (192..=223).contains(second) {
            let index = *datagram.last_chunk::<4>().expect("long enough");
            let known = self.sealed_rtcp.insert((id, word(0), u32::from_be_bytes(index)), hash);
            assert!(known.is_none(), "an SRTCP index is used once");
            return;
        }
        let ssrc = word(4);
        let index = self.indices.entry((id, ssrc)).or_default().unwrap(u16::from_be_bytes([*high, *low]));
        let known = *self.sealed.entry((id, ssrc, index)).or_insert(hash);
        assert_eq!(known, hash, "{id:?}: index {index} of SSRC {ssrc:x} was used for two packets");
    }

    pub(crate) fn drops(&self, reason: DropReason) -> u64 {
        self.shard.stats().drops[reason as usize]
    }

    /// The line on which a subscriber receives a publisher's track at present.
    pub(crate) fn line_of(&self, subscriber: usize, publisher: usize, mid: &str) -> Option<String> {
        let (subscriber, publisher) = (self.clients[subscriber].id, self.clients[publisher].id);
        let lines = self.bindings.iter().filter(|((participant, _), _)| *participant == subscriber);
        let mut carrying = lines.filter_map(|((_, line), history)| Some((line, history.last()?.1?)));
        let found = carrying.find(|(_, track)| self.tracks.get(track) == Some(&(publisher, mid.to_owned())));
        found.map(|(line, _)| line.clone())
    }

    /// The track of a client's m-line.
    pub(crate) fn track(&self, publisher: usize, mid: &str) -> TrackId {
        let whose = (self.clients[publisher].id, mid.to_owned());
        let tracks = self.tracks.iter().filter(|(_, known)| **known == whose);
        tracks.map(|(track, _)| *track).max().expect("a published track")
    }

    /// Events of a kind since some time.
    pub(crate) fn count_events(&self, since: Instant, matches: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|(at, event)| *at >= since && matches(event)).count()
    }

    pub(crate) fn chat(&mut self, client: usize, text: &[u8]) {
        let now = self.now;
        let client_ref = &mut self.clients[client];
        let channel = client_ref.chat.expect("an open channel");
        client_ref.transport.send_message(now, channel, true, text).expect("room");
        self.send(client);
    }

    pub(crate) fn send_data(&mut self, client: usize, text: &[u8]) {
        let participant = self.clients[client].id;
        let text = text.to_vec().into();
        self.command(Command::SendData { participant, channel: Channel::Chat, opening: 1, text });
    }
}

/// Takes what is in an outbox.
fn empty(outbox: &mut Outbox, left: &mut Vec<(Path, Vec<u8>)>) {
    left.extend(outbox.runs().flat_map(|(path, datagrams)| datagrams.map(move |datagram| (path, datagram.to_vec()))));
    outbox.clear();
}
