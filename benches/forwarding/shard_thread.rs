//! The tick of a shard's thread, as the server compiles it, with somebody else's hand on it.

#[path = "../../src/shard_thread/allowance.rs"]
mod allowance;
#[path = "../../src/shard_thread/body.rs"]
mod body;
#[path = "../../src/shard_thread/exit.rs"]
mod exit;
#[path = "../../src/shard_thread/orders.rs"]
mod orders;
#[path = "../../src/shard_thread/outlet.rs"]
mod outlet;
#[path = "../../src/shard_thread/relay.rs"]
mod relay;
#[path = "../../src/shard_thread/sockets.rs"]
mod sockets;
#[path = "../../src/shard_thread/window.rs"]
mod window;

use crate::clock::Clock;
use crate::engine::Engine;
use crate::heartbeat::Heartbeat;
use crate::load::Load;
use crate::readings::{Board, Readings};
use mio::{Interest, Poll, Waker};
use parlor_media::command::{Command, Event};
use sockets::ShardSockets;
use tokio::sync::mpsc;

/// A body without a thread of its own.
pub(crate) struct Turner {
    body: body::Body,
    board: Board,
    port: u16,
    _waker: Waker,
    _commands: mpsc::Sender<Command>,
    _events: mpsc::Receiver<Event>,
}

impl Turner {
    /// A body on a free port.
    pub(crate) fn new() -> Self {
        let clock = Clock::start();
        let poll = Poll::new().expect("a poll");
        let waker = Waker::new(poll.registry(), body::WAKER).expect("a waker");
        let mut sockets = ShardSockets::bind(0, None).expect("a port");
        poll.registry().register(&mut sockets.udp.socket, body::UDP, Interest::READABLE).expect("registered");
        let (commands, receiver) = mpsc::channel(1);
        let (sender, events) = mpsc::channel(1);
        let (board, heartbeat, port) = (Board::default(), Heartbeat::new(clock.now()), sockets.port());
        let orders = orders::Orders::default();
        let relay = relay::RelayPort::connect(1).pop().expect("a port");
        let (shown, load) = (board.clone(), Load::default());
        let body = body::Body::new(poll, sockets, true, clock, receiver, sender, relay, shown, heartbeat, load, orders);
        Self { body, board, port, _waker: waker, _commands: commands, _events: events }
    }

    /// Where datagrams are to be sent.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Waits until something has come, and does everything that a tick does.
    pub(crate) fn turn(&mut self, engine: &mut impl Engine) {
        self.body.turn(engine).expect("a poll that works");
    }

    /// What the body last hung out.
    pub(crate) fn readings(&self) -> Readings {
        self.board.read()
    }
}
