//! The tick: what a shard's thread does over and over.
//!
//! A tick takes one `now`, and in this order takes what other shards relay, drains commands, receives and relays that, does
//! what is due, relays, sends, takes transport feedback if that has its turn, does a little of what may wait for all this, and tells the
//! control plane: who is told of a track finds it on every shard of its room. Each part is bounded, so that none starves the
//! others; what is left over makes the next tick follow at once.

use super::allowance::Allowance;
use super::exit::Exit;
use super::orders::Orders;
use super::outlet::Outlet;
use super::relay::RelayPort;
use super::sockets::ShardSockets;
use super::window::Window;
use crate::clock::Clock;
use crate::engine::{Engine, Flush};
use crate::heartbeat::Heartbeat;
use crate::load::Load;
use crate::net::tcp::TcpPaths;
use crate::net::{Drained, Egress, Ingress, Sink};
use crate::readings::{Board, BodyStats, Readings};
use mio::{Events, Interest, Poll, Token};
use parlor_media::ShardStats;
use parlor_media::command::Command;
use parlor_media::command::Event;
use parlor_media::feedback::turns::FeedbackTurns;
use parlor_media::outbox::Outbox;
use parlor_media::path::Path;
use std::io;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

pub(super) const WAKER: Token = Token(0);
pub(super) const UDP: Token = Token(1);
const FEEDBACK: Token = Token(2);
/// The TCP listener's token; its connections have those from the next one on.
pub(super) const LISTENER: usize = 3;

/// Poll events fetched at once; the others are fetched in the next tick.
const POLL_EVENTS: usize = 256;

/// Batches received in a tick from UDP.
const MAX_BATCHES: usize = 16;

/// Datagrams after which no further batch of UDP is received in a tick: to a hundred subscribers each they keep a core busy
/// for some ten milliseconds.
const MAX_DATAGRAMS: u64 = 256;

/// Batches received in a tick from TCP.
const MAX_TCP_BATCHES: usize = 4;

/// Batches of other shards taken in a tick. Each is what one of their ticks brought.
const MAX_RELAYED: usize = 16;

/// How often the readings are hung out, and the heart beats.
const READINGS_INTERVAL: Duration = Duration::from_secs(1);

/// When to try again to hand events to a control plane that is behind.
const STALL_RETRY: Duration = Duration::from_millis(5);

/// Everything of a shard's thread that survives its engine.
pub(super) struct Body {
    poll: Poll,
    poll_events: Events,
    sockets: ShardSockets,
    ingress: Ingress,
    exit: Exit,
    clock: Clock,
    commands: mpsc::Receiver<Command>,
    outlet: Outlet,
    relay: RelayPort,
    board: Board,
    readings_due: Instant,
    /// Datagrams may wait in the UDP socket.
    udp_readable: bool,
    /// The poll tells when the UDP socket can be written to.
    awaits_writable: bool,
    feedback: FeedbackTurns,
    /// The poll tells when there is feedback.
    watches_feedback: bool,
    window: Window,
    /// The last tick left something undone.
    busy: bool,
    /// When the present tick began, until it is accounted for.
    tick_began: Option<Instant>,
    stats: BodyStats,
    /// What the engine had counted when readings were last hung out.
    past: ShardStats,
    heartbeat: Heartbeat,
    load: Load,
    /// When the load was last noted, and how long the thread had been busy by then.
    load_noted: (Instant, Duration),
    orders: Orders,
}

impl Body {
    #[allow(clippy::too_many_arguments, reason = "the parts of one thread, handed over once")]
    pub(super) fn new(
        poll: Poll,
        sockets: ShardSockets,
        gso: bool,
        clock: Clock,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<Event>,
        relay: RelayPort,
        board: Board,
        heartbeat: Heartbeat,
        load: Load,
        orders: Orders,
    ) -> Self {
        let egress = Egress::new(&sockets.udp, gso);
        let (port, ipv6, tcp) = (sockets.port(), sockets.has_ipv6(), sockets.tcp.is_some());
        let (gso, feedback) = (egress.stats().gso, sockets.feedback.is_some());
        tracing::info!(port, ipv6, tcp, gso, feedback, "shard ready");
        Self {
            poll,
            poll_events: Events::with_capacity(POLL_EVENTS),
            ingress: Ingress::new(),
            exit: Exit::new(egress, clock),
            sockets,
            clock,
            commands,
            outlet: Outlet::new(events),
            relay,
            board,
            readings_due: clock.now(),
            udp_readable: true,
            awaits_writable: false,
            feedback: FeedbackTurns::default(),
            watches_feedback: false,
            window: Window::new(clock.now()),
            busy: true,
            tick_began: None,
            stats: BodyStats::default(),
            past: ShardStats::default(),
            heartbeat,
            load,
            load_noted: (clock.now(), Duration::ZERO),
            orders,
        }
    }

    pub(super) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// What the engines so far have counted, but for the last second of one that panicked.
    pub(super) fn past(&self) -> ShardStats {
        self.past
    }

    pub(super) fn stopped(&self) -> bool {
        self.orders.is_to_stop()
    }

    /// Ticks until the thread is to stop.
    pub(super) fn run<E: Engine>(&mut self, engine: &mut E) -> io::Result<()> {
        while !self.stopped() {
            self.turn(engine)?;
        }
        Ok(())
    }

    /// Waits until there is something to do, and does it.
    pub(super) fn turn<E: Engine>(&mut self, engine: &mut E) -> io::Result<()> {
        self.wait(engine)?;
        let now = self.now();
        self.tick_began = Some(now);
        self.tick(now, engine);
        Ok(())
    }

    /// Clears what belonged to an engine that is gone: its connections, its commands, its events.
    pub(super) fn recover(&mut self) {
        self.stats.restarts += 1;
        self.tick_began = None;
        self.outlet.clear();
        if let Some(tcp) = &mut self.sockets.tcp {
            tcp.close_all();
        }
        while self.commands.try_recv().is_ok() {}
        self.relay.clear();
        (self.udp_readable, self.busy) = (true, true);
        self.feedback.hasten(self.clock.now());
    }

    fn wait<E: Engine>(&mut self, engine: &E) -> io::Result<()> {
        let mut now = self.now();
        if let Some(began) = self.tick_began.take() {
            self.stats.ticked(now.saturating_duration_since(began));
            self.window.on_tick(began, now, self.exit.video());
        }
        self.await_writable()?;
        self.watch_feedback()?;
        let tcp = self.sockets.tcp.as_ref().and_then(|tcp| tcp.poll_timeout());
        let stall = self.outlet.stalled().then_some(now + STALL_RETRY);
        let feedback = self.feedback.poll_timeout();
        let due =
            [engine.poll_timeout(), tcp, stall, feedback].into_iter().flatten().fold(self.readings_due, Instant::min);
        if !self.busy {
            let hold = self.window.hold(now, due);
            if !hold.is_zero() {
                std::thread::sleep(hold);
                now = self.now();
            }
        }
        let busy = self.busy || self.relay.fall_asleep();
        let timeout = if busy { Duration::ZERO } else { due.saturating_duration_since(now) };
        let polled = self.poll.poll(&mut self.poll_events, Some(timeout));
        self.relay.wake_up();
        match polled {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
            _ => {}
        }
        for event in &self.poll_events {
            match event.token() {
                WAKER => {}
                UDP => self.udp_readable = true,
                FEEDBACK => self.feedback.hasten(now),
                _ => {
                    if let Some(tcp) = &mut self.sockets.tcp {
                        tcp.on_event(event);
                    }
                }
            }
        }
        Ok(())
    }

    /// Has the poll tell when the UDP socket can be written to, while and only while something waits for that: it would else
    /// tell of every datagram that has left.
    fn await_writable(&mut self) -> io::Result<()> {
        let awaits = self.exit.is_blocked();
        if awaits != self.awaits_writable {
            let interest = if awaits { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
            self.poll.registry().reregister(&mut self.sockets.udp.socket, UDP, interest)?;
            self.awaits_writable = awaits;
        }
        Ok(())
    }

    /// Has the poll tell of feedback, while and only while it does not come often.
    fn watch_feedback(&mut self) -> io::Result<()> {
        let Some(endpoint) = &mut self.sockets.feedback else { return Ok(()) };
        let watches = self.feedback.are_watched();
        if watches != self.watches_feedback {
            let registry = self.poll.registry();
            match watches {
                // It tells of what is there already, too.
                true => registry.register(&mut endpoint.socket, FEEDBACK, Interest::READABLE)?,
                false => registry.deregister(&mut endpoint.socket)?,
            }
            self.watches_feedback = watches;
        }
        Ok(())
    }

    fn tick<E: Engine>(&mut self, now: Instant, engine: &mut E) {
        assert!(!self.orders.take_panic(), "a fault was ordered, by SIGUSR2");
        self.busy = false;
        self.take_relayed(now, engine);
        self.take_commands(now, engine);
        self.receive_udp(now, engine);
        self.receive_tcp(now, engine);
        let mut caused = engine.outbox().len();
        self.do_due(now, &mut caused, engine);
        self.relay.send(now, engine);
        self.flush(now, caused, engine);
        self.receive_feedback(now, engine);
        self.do_deferred(now, engine);
        self.outlet.publish(engine);
        // Only now: what the engine had to say on these connections has been written.
        while let Some(path) = engine.poll_closed_path() {
            if let Some(tcp) = &mut self.sockets.tcp {
                tcp.close(&path);
            }
        }
        self.hang_out_readings(now, engine);
    }

    fn take_relayed<E: Engine>(&mut self, now: Instant, engine: &mut E) {
        for _ in 0..MAX_RELAYED {
            let Some(batch) = self.relay.receive() else { return };
            let (sockets, exit) = (&mut self.sockets, &mut self.exit);
            engine.handle_relay(now, &batch, &mut |outbox| {
                exit.flush(now, outbox.len(), &sockets.udp, sockets.tcp.as_mut(), outbox);
            });
        }
        self.busy = true;
    }

    fn take_commands<E: Engine>(&mut self, now: Instant, engine: &mut E) {
        let mut allowance = Allowance::of_a_tick();
        while !allowance.is_spent() {
            let Ok(command) = self.commands.try_recv() else { return };
            allowance.spend(&command);
            engine.handle_command(now, command);
            self.flush_if_full(now, engine);
        }
        self.busy = true;
    }

    fn receive_udp<E: Engine>(&mut self, now: Instant, engine: &mut E) {
        let begin = self.ingress.stats().datagrams;
        for _ in 0..MAX_BATCHES {
            if !self.udp_readable || self.ingress.stats().datagrams - begin >= MAX_DATAGRAMS {
                break;
            }
            self.udp_readable = self.receive_batch(now, engine, false) == Drained::More;
        }
        self.busy |= self.udp_readable;
    }

    /// Transport feedback, once media has left, if it has its turn.
    fn receive_feedback<E: Engine>(&mut self, now: Instant, engine: &mut E) {
        if !self.feedback.is_due(now) {
            return;
        }
        let begin = self.ingress.stats().datagrams;
        let more = (0..MAX_BATCHES).all(|_| self.receive_batch(now, engine, true) == Drained::More);
        self.feedback.on_turn(now, self.ingress.stats().datagrams - begin, more);
        self.flush(now, 0, engine);
    }

    /// Receives a batch from UDP, or of `feedback`.
    fn receive_batch<E: Engine>(&mut self, now: Instant, engine: &mut E, feedback: bool) -> Drained {
        let (sockets, exit) = (&mut self.sockets, &mut self.exit);
        let (udp, tcp) = (&sockets.udp, &mut sockets.tcp);
        let Some(from) = (if feedback { sockets.feedback.as_ref() } else { Some(udp) }) else { return Drained::Empty };
        let mut flush = |outbox: &mut Outbox| exit.flush(now, outbox.len(), udp, tcp.as_mut(), outbox);
        let drained = self.ingress.receive(from, Intake { now, engine, flush: &mut flush, feedback });
        // Before this shard's own subscribers, of whom a frame may take milliseconds.
        self.relay.send(now, engine);
        engine.forward(now, &mut flush);
        drained
    }

    fn receive_tcp<E: Engine>(&mut self, now: Instant, engine: &mut E) {
        for _ in 0..MAX_TCP_BATCHES {
            let Some(tcp) = &mut self.sockets.tcp else { return };
            // The connections cannot be written to meanwhile: what they bring in a batch has room in the outbox.
            let drained = tcp.receive(now, |path, frame| engine.gather_datagram(now, path, frame, &mut |_| ()));
            let (udp, exit) = (&self.sockets.udp, &mut self.exit);
            engine.forward(now, &mut |outbox| exit.flush(now, outbox.len(), udp, Some(tcp), outbox));
            self.flush_if_full(now, engine);
            if drained == Drained::Empty {
                return;
            }
        }
        self.busy = true;
    }

    /// Timers of the engine and of the TCP connections. When the outbox has to be emptied meanwhile, nothing is left of what others
    /// have `caused`.
    fn do_due<E: Engine>(&mut self, now: Instant, caused: &mut usize, engine: &mut E) {
        if let Some(tcp) = &mut self.sockets.tcp {
            tcp.handle_timeout(now);
            while let Some(path) = tcp.poll_ended() {
                engine.handle_path_closed(now, &path);
            }
        }
        if engine.is_due(now) {
            let (sockets, exit) = (&mut self.sockets, &mut self.exit);
            engine.handle_timeout(now, &mut |outbox| {
                exit.flush(now, std::mem::take(caused), &sockets.udp, sockets.tcp.as_mut(), outbox);
            });
        }
    }

    /// Handshakes and the like, a few of them, once media has left.
    fn do_deferred<E: Engine>(&mut self, now: Instant, engine: &mut E) {
        if engine.has_deferred() {
            engine.handle_deferred(now);
            self.relay.send(now, engine);
            self.flush(now, 0, engine);
            self.busy |= engine.has_deferred();
        }
    }

    fn flush_if_full<E: Engine>(&mut self, now: Instant, engine: &mut E) {
        if engine.outbox().needs_flush() {
            let caused = engine.outbox().len();
            self.flush(now, caused, engine);
        }
    }

    fn flush<E: Engine>(&mut self, now: Instant, caused: usize, engine: &mut E) {
        self.exit.flush(now, caused, &self.sockets.udp, self.sockets.tcp.as_mut(), engine.outbox());
    }

    fn note_load(&mut self, now: Instant) {
        let (since, busy) = std::mem::replace(&mut self.load_noted, (now, self.stats.busy));
        self.load.note(self.stats.busy.saturating_sub(busy), now.saturating_duration_since(since));
    }

    fn hang_out_readings<E: Engine>(&mut self, now: Instant, engine: &E) {
        if now < self.readings_due {
            return;
        }
        self.readings_due = now + READINGS_INTERVAL;
        self.past = engine.stats();
        for endpoint in [Some(&mut self.sockets.udp), self.sockets.feedback.as_mut()].into_iter().flatten() {
            self.ingress.note_kernel_drops(endpoint);
        }
        self.exit.note_addresses();
        self.heartbeat.beat(now);
        self.note_load(now);
        self.board.publish(&Readings {
            engine: self.past,
            ingress: self.ingress.stats(),
            egress: self.exit.stats(),
            tcp: self.sockets.tcp.as_ref().map(TcpPaths::stats),
            body: BodyStats {
                event_stalls: self.outlet.stalls(),
                commands_queued: self.commands.len() as u64,
                events_queued: self.outlet.queued() as u64,
                forwarding: self.exit.times(),
                window: self.window.width(),
                held: self.window.held(),
                ..self.stats
            },
        });
    }
}

/// Hands a batch of datagrams to the engine.
struct Intake<'a, E> {
    now: Instant,
    engine: &'a mut E,
    flush: Flush<'a>,
    feedback: bool,
}

impl<E: Engine> Sink for Intake<'_, E> {
    fn expect(&mut self, paths: &[Path]) {
        if self.feedback {
            self.engine.expect_feedback(paths);
        }
    }

    fn take(&mut self, path: &Path, datagram: &mut [u8]) {
        self.engine.gather_datagram(self.now, path, datagram, self.flush);
        let outbox = self.engine.outbox();
        if outbox.needs_flush() {
            (self.flush)(outbox);
        }
    }
}
