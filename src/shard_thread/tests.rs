mod relaying;

use super::*;
use crate::engine::Flush;
use crate::net::tcp::TcpLimits;
use crate::readings::Readings;
use parlor_media::ShardStats;
use parlor_media::ids::RoomId;
use parlor_media::outbox::Outbox;
use parlor_media::path::Path;
use parlor_media::relay::RelayBatch;
use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::{Mutex, MutexGuard};

/// Opening this room is a bug.
const POISON: RoomId = RoomId(666);

/// Opening this room takes until the fixture's gate is open.
const STICKY: RoomId = RoomId(777);

/// Sends every datagram back, and answers every opened room with an event. `close` as a datagram closes its path.
struct Echo {
    outbox: Outbox,
    rooms: VecDeque<RoomId>,
    past: ShardStats,
    opened: u64,
    closing: Vec<Path>,
    gate: Arc<Mutex<()>>,
    timeout: Option<Instant>,
    deferred: VecDeque<Path>,
}

impl Echo {
    fn new(past: ShardStats, gate: Arc<Mutex<()>>) -> Self {
        Self {
            outbox: Outbox::new(),
            rooms: VecDeque::new(),
            past: past.without_gauges(),
            opened: 0,
            closing: Vec::new(),
            gate,
            timeout: None,
            deferred: VecDeque::new(),
        }
    }
}

impl Engine for Echo {
    fn handle_command(&mut self, now: Instant, command: Command) {
        match command {
            Command::OpenRoom { room: POISON } => panic!("a bug, on purpose"),
            Command::OpenRoom { room } => {
                if room == STICKY {
                    drop(self.gate.lock().unwrap());
                }
                self.opened += 1;
                self.rooms.push_back(room);
            }
            // Answered when a timer fires.
            Command::CloseRoom { .. } => self.timeout = Some(now + Duration::from_millis(1)),
            _ => {}
        }
    }

    fn forward(&mut self, _now: Instant, _flush: Flush<'_>) {}

    fn gather_datagram(&mut self, _now: Instant, path: &Path, datagram: &mut [u8], _flush: Flush<'_>) {
        if datagram == b"later" {
            self.deferred.push_back(*path);
            return;
        }
        self.past.data_in.count += 1;
        datagram.reverse();
        self.outbox.push(0, path, datagram);
        if datagram == b"esolc" {
            self.closing.push(*path);
        }
    }

    fn handle_path_closed(&mut self, _now: Instant, path: &Path) {
        self.rooms.push_back(RoomId(path.remote.port().into()));
    }

    fn handle_timeout(&mut self, _now: Instant, _flush: Flush<'_>) {
        self.timeout = None;
        self.rooms.push_back(RoomId(0));
    }

    fn handle_deferred(&mut self, _now: Instant) {
        if let Some(path) = self.deferred.pop_front() {
            self.outbox.push(0, &path, b"at last");
        }
    }

    fn has_deferred(&self) -> bool {
        !self.deferred.is_empty()
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timeout
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.rooms.pop_front().map(|room| Event::Speakers { room, speakers: Vec::new() })
    }

    fn poll_closed_path(&mut self) -> Option<Path> {
        self.closing.pop()
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }

    fn stats(&self) -> ShardStats {
        ShardStats { rooms: self.opened, ..self.past }
    }

    fn has_relay(&self) -> bool {
        false
    }

    fn take_relay(&mut self, _batch: &mut RelayBatch) {}

    fn handle_relay(&mut self, _now: Instant, _batch: &RelayBatch, _flush: Flush<'_>) {}

    fn relay_refused(&mut self, _now: Instant, _batch: &RelayBatch, _to: u16) {}
}

struct Fixture {
    shard: ShardThread,
    events: mpsc::Receiver<Event>,
    lost: mpsc::UnboundedReceiver<()>,
    starts: Arc<Mutex<u32>>,
    gate: Arc<Mutex<()>>,
}

impl Fixture {
    fn new(depth: usize) -> Self {
        let limits = TcpLimits { connections: 8, connections_per_address: 8 };
        let (sender, events) = mpsc::channel(depth);
        let (lost_sender, lost) = mpsc::unbounded_channel();
        let starts = Arc::new(Mutex::new(0));
        let counter = Arc::clone(&starts);
        let gate = Arc::new(Mutex::new(()));
        let engines_gate = Arc::clone(&gate);
        let setup = ShardSetup {
            index: 0,
            sockets: ShardSockets::bind(0, Some(limits)).unwrap(),
            gso: true,
            clock: Clock::start(),
            events: sender,
            relay: RelayPort::connect(1).remove(0),
            on_lost: Box::new(move || {
                let _ = lost_sender.send(());
            }),
        };
        let shard = ShardThread::spawn(setup, move |_now, past| {
            *counter.lock().unwrap() += 1;
            Echo::new(past, Arc::clone(&engines_gate))
        });
        Self { shard: shard.unwrap(), events, lost, starts, gate }
    }

    fn command(&self, command: Command) {
        self.shard.commands().blocking_send(command).unwrap();
        (self.shard.wake())();
    }

    fn open(&self, room: u64) {
        self.command(Command::OpenRoom { room: RoomId(room) });
    }

    /// Makes the engine hang until what is returned is dropped.
    fn stick(&self) -> MutexGuard<'_, ()> {
        let closed = self.gate.lock().unwrap();
        self.open(STICKY.0);
        closed
    }

    fn event(&mut self) -> RoomId {
        match self.events.blocking_recv() {
            Some(Event::Speakers { room, .. }) => room,
            other => panic!("{other:?}"),
        }
    }

    fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.shard.port()).into()
    }

    fn echo_udp(&self, text: &[u8]) -> Vec<u8> {
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.send_to(text, self.address()).unwrap();
        let mut buffer = [0; 100];
        let (len, from) = client.recv_from(&mut buffer).unwrap();
        assert_eq!(from, self.address());
        buffer[..len].to_vec()
    }

    /// The readings, once they show something. They are hung out once a second.
    fn readings(&self, show: impl Fn(&Readings) -> bool) -> Readings {
        let deadline = Instant::now() + Duration::from_secs(10);
        let board = self.shard.board();
        loop {
            let readings = board.read();
            if show(&readings) {
                return readings;
            }
            assert!(Instant::now() < deadline, "{readings:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn connect(&self) -> TcpStream {
        let client = TcpStream::connect(self.address()).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client
    }
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "never so: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn transport_feedback_reaches_the_engine_often_and_seldom_and_after_a_panic() {
    let mut fixture = Fixture::new(EVENTS);
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    // For the echoes of more than a turn takes at once.
    socket2::SockRef::from(&client).set_recv_buffer_size(1 << 20).unwrap();
    for count in [1, 40, 300, 1] {
        for number in 0..count {
            client.send_to(&[0xaf, 205, number as u8], fixture.address()).unwrap();
        }
        for number in 0..count {
            let mut buffer = [0; 100];
            let len = client.recv(&mut buffer).unwrap();
            assert_eq!(buffer[..len], [number as u8, 205, 0xaf]);
        }
    }
    (fixture.shard.panic())();
    assert_eq!(fixture.lost.blocking_recv(), Some(()));
    assert_eq!(fixture.echo_udp(&[0x8f, 205, 1]), [1, 205, 0x8f]);
}

#[test]
fn datagrams_frames_commands_and_timers_reach_the_engine() {
    let mut fixture = Fixture::new(EVENTS);
    assert_eq!(fixture.echo_udp(b"hello"), b"olleh");
    let mut client = fixture.connect();
    client.write_all(b"\0\x03abc").unwrap();
    let mut frame = [0; 5];
    client.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, b"\0\x03cba");
    fixture.open(7);
    assert_eq!(fixture.event(), RoomId(7));
    fixture.command(Command::CloseRoom { room: RoomId(7) });
    assert_eq!(fixture.event(), RoomId(0));
    let port = client.local_addr().unwrap().port();
    drop(client);
    assert_eq!(fixture.event(), RoomId(port.into()));
}

#[test]
fn what_the_engine_puts_off_is_done_without_further_input() {
    let fixture = Fixture::new(EVENTS);
    let clients: Vec<_> = (0..5).map(|_| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap()).collect();
    for client in &clients {
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client.send_to(b"later", fixture.address()).unwrap();
    }
    for client in &clients {
        let mut buffer = [0; 100];
        let (len, _) = client.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"at last");
    }
}

#[test]
fn a_path_that_the_engine_closes_is_closed_after_its_last_frame() {
    let fixture = Fixture::new(EVENTS);
    let mut client = fixture.connect();
    client.write_all(b"\0\x05close").unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"\0\x05esolc");
}

#[test]
fn a_panic_restarts_the_engine_on_the_same_sockets_and_is_told() {
    let mut fixture = Fixture::new(EVENTS);
    let mut client = fixture.connect();
    client.write_all(b"\0\x01a").unwrap();
    client.read_exact(&mut [0; 3]).unwrap();
    for round in 1..=2 {
        fixture.command(Command::OpenRoom { room: POISON });
        assert!(fixture.lost.blocking_recv().is_some());
        assert_eq!(fixture.echo_udp(b"hello"), b"olleh");
        fixture.open(9);
        assert_eq!(fixture.event(), RoomId(9));
        assert_eq!(*fixture.starts.lock().unwrap(), 1 + round);
    }
    assert_eq!(client.read(&mut [0; 8]).unwrap_or(0), 0, "connections of the lost engine are closed");
}

#[test]
fn a_full_event_channel_neither_blocks_the_shard_nor_loses_or_reorders_events() {
    let mut fixture = Fixture::new(4);
    for room in 1..=100 {
        fixture.open(room);
    }
    // The shard still serves its sockets.
    assert_eq!(fixture.echo_udp(b"abc"), b"cba");
    for room in 1..=100 {
        assert_eq!(fixture.event(), RoomId(room));
    }
}

#[test]
fn readings_are_hung_out() {
    let fixture = Fixture::new(EVENTS);
    assert_eq!(fixture.echo_udp(b"x"), b"x");
    let readings = fixture.readings(|readings| readings.ingress.datagrams > 0);
    assert!(readings.tcp.is_some());
    assert_eq!((readings.engine.rooms, readings.body.restarts), (0, 0));
}

#[test]
fn what_was_counted_outlives_a_panic_and_what_was_held_does_not() {
    let mut fixture = Fixture::new(EVENTS);
    fixture.open(1);
    assert_eq!(fixture.event(), RoomId(1));
    for _ in 0..5 {
        assert_eq!(fixture.echo_udp(b"x"), b"x");
    }
    let before = fixture.readings(|readings| readings.engine.data_in.count == 5 && readings.engine.rooms == 1);
    fixture.command(Command::OpenRoom { room: POISON });
    assert!(fixture.lost.blocking_recv().is_some());
    let after = fixture.readings(|readings| readings.body.restarts == 1);
    assert_eq!((after.engine.data_in.count, after.engine.rooms), (5, 0));
    assert!(after.body.busy > before.body.busy && after.body.ticks.count() > before.body.ticks.count());
}

#[test]
fn work_waits_and_queues_are_counted() {
    let fixture = Fixture::new(4);
    for room in 1..=10 {
        fixture.open(room);
    }
    assert_eq!(fixture.echo_udp(b"abc"), b"cba");
    assert_eq!(fixture.echo_udp(b"de"), b"ed");
    let readings = fixture.readings(|readings| readings.engine.data_in.count == 2 && readings.engine.rooms == 10);
    let body = readings.body;
    assert_eq!((body.commands_queued, body.events_queued), (0, 5), "four in the channel and one in hand");
    assert_eq!(body.forwarding.0.count(), 2, "each datagram caused one");
    assert!(body.event_stalls > 0 && body.busy > Duration::ZERO);
    assert!(body.ticks.count() >= 2 && body.ticks.sum() <= body.busy.as_micros() as u64);
    assert_eq!((readings.egress.messages.sum(), readings.ingress.batches.sum()), (2, 2));
}

#[test]
fn an_ordered_panic_is_like_any_other() {
    let mut fixture = Fixture::new(EVENTS);
    fixture.open(7);
    assert_eq!(fixture.event(), RoomId(7));
    (fixture.shard.panic())();
    assert!(fixture.lost.blocking_recv().is_some());
    assert_eq!(fixture.echo_udp(b"hello"), b"olleh");
    assert_eq!(*fixture.starts.lock().unwrap(), 2);
}

#[test]
fn an_idle_shards_heart_beats_and_a_stuck_ones_does_not() {
    let mut fixture = Fixture::new(EVENTS);
    let heartbeat = fixture.shard.heartbeat();
    let has_beaten_since = |at: Instant| heartbeat.age(Instant::now()) < at.elapsed();
    let start = Instant::now();
    wait_until("an idle shard's heart beats", || has_beaten_since(start));
    let stuck = fixture.stick();
    wait_until("a stuck shard's does not", || heartbeat.age(Instant::now()) > Duration::from_secs(2));
    drop(stuck);
    let released = Instant::now();
    wait_until("it beats again", || has_beaten_since(released));
    assert_eq!(fixture.event(), STICKY);
}

#[test]
fn a_dropped_shard_ends_its_thread_and_frees_its_port() {
    let fixture = Fixture::new(EVENTS);
    let port = fixture.shard.port();
    drop(fixture);
    assert!(ShardSockets::bind(port, None).is_ok());
}

#[test]
fn a_taken_port_is_an_error_that_names_the_protocol() {
    let limits = TcpLimits { connections: 1, connections_per_address: 1 };
    let sockets = ShardSockets::bind(0, Some(limits)).unwrap();
    let (protocol, error) = ShardSockets::bind(sockets.port(), Some(limits)).err().unwrap();
    assert_eq!((protocol, error.kind()), ("UDP", io::ErrorKind::AddrInUse));
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let (protocol, _) = ShardSockets::bind(listener.local_addr().unwrap().port(), Some(limits)).err().unwrap();
    assert_eq!(protocol, "TCP");
}
