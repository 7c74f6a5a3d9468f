//! One shard's thread: it owns the shard's sockets for good, and an engine that may be replaced.
//!
//! A panic of the engine is caught here. The rooms of the shard are then lost: the control plane is told so, and a fresh
//! engine starts on the same sockets. Nothing else in the process notices.

mod allowance;
mod body;
mod exit;
mod orders;
mod outlet;
mod relay;
mod sockets;
mod window;

use crate::clock::Clock;
use crate::engine::Engine;
use crate::heartbeat::Heartbeat;
use crate::load::Load;
use crate::readings::Board;
use body::Body;
use mio::Waker;
use orders::Orders;
use parlor_media::ShardStats;
use parlor_media::command::{Command, Event};
pub(crate) use relay::RelayPort;
pub(crate) use sockets::ShardSockets;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// Commands on their way to a shard. A full room's worth of joins and subscriptions; the control plane waits beyond that.
pub(crate) const COMMANDS: usize = 4096;

/// Events on their way to the control plane. More than a tick can cause; what exceeds them waits in the engine.
pub(crate) const EVENTS: usize = 8192;

/// Pause before a fresh engine starts, so that a panic that repeats at once does not become a busy loop.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// What a shard's thread is started with.
pub(crate) struct ShardSetup {
    pub(crate) index: u16,
    pub(crate) sockets: ShardSockets,
    /// Whether UDP GSO may be used.
    pub(crate) gso: bool,
    pub(crate) clock: Clock,
    pub(crate) events: mpsc::Sender<Event>,
    /// Its way to the other shards.
    pub(crate) relay: RelayPort,
    /// Told after a panic, when all rooms of the shard are lost. Called on the shard's thread: must not block.
    pub(crate) on_lost: Box<dyn Fn() + Send>,
}

/// A running shard, from outside.
pub(crate) struct ShardThread {
    port: u16,
    commands: mpsc::Sender<Command>,
    waker: Arc<Waker>,
    board: Board,
    heartbeat: Heartbeat,
    orders: Orders,
    load: Load,
    thread: Option<JoinHandle<()>>,
}

impl ShardThread {
    /// Starts the thread. `start` makes an engine, now and after each panic; it is given what
    /// earlier ones have counted.
    ///
    /// # Errors
    /// When the system has no thread or poll to give.
    pub(crate) fn spawn<E: Engine>(
        setup: ShardSetup,
        start: impl FnMut(Instant, ShardStats) -> E + Send + 'static,
    ) -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), body::WAKER)?);
        let (commands, receiver) = mpsc::channel(COMMANDS);
        setup.relay.wake_by(&waker);
        let (board, heartbeat, orders) = (Board::default(), Heartbeat::new(setup.clock.now()), Orders::default());
        let load = Load::default();
        let mut shard = Self {
            port: setup.sockets.port(),
            commands,
            waker,
            board: board.clone(),
            heartbeat: heartbeat.clone(),
            orders: orders.clone(),
            load: load.clone(),
            thread: None,
        };
        let mut sockets = setup.sockets;
        poll.registry().register(&mut sockets.udp.socket, body::UDP, mio::Interest::READABLE)?;
        if let Some(tcp) = &mut sockets.tcp {
            tcp.register(poll.registry())?;
        }
        let (index, gso, clock, events, on_lost) = (setup.index, setup.gso, setup.clock, setup.events, setup.on_lost);
        let relay = setup.relay;
        shard.thread = Some(std::thread::Builder::new().name(format!("shard-{index}")).spawn(move || {
            let body = Body::new(poll, sockets, gso, clock, receiver, events, relay, board, heartbeat, load, orders);
            run(index, body, &*on_lost, start);
        })?);
        Ok(shard)
    }

    /// The port of its sockets.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where its commands go; [`Self::wake`] it after sending.
    pub(crate) fn commands(&self) -> mpsc::Sender<Command> {
        self.commands.clone()
    }

    /// Makes it look at its commands.
    pub(crate) fn wake(&self) -> Arc<dyn Fn() + Send + Sync> {
        let waker = Arc::clone(&self.waker);
        // A poll that cannot be woken is gone, and the shard with it.
        Arc::new(move || drop(waker.wake()))
    }

    /// Its signs of life.
    pub(crate) fn heartbeat(&self) -> Heartbeat {
        self.heartbeat.clone()
    }

    /// How busy it has been lately.
    pub(crate) fn load(&self) -> Load {
        self.load.clone()
    }

    /// Makes its engine panic, as a bug would.
    pub(crate) fn panic(&self) -> impl Fn() + Send + use<> {
        let (orders, wake) = (self.orders.clone(), self.wake());
        move || {
            orders.panic();
            wake();
        }
    }

    /// Where its readings hang.
    pub(crate) fn board(&self) -> Board {
        self.board.clone()
    }
}

impl Drop for ShardThread {
    /// Ends the thread after its current tick, and waits for that.
    fn drop(&mut self) {
        self.orders.stop();
        drop(self.waker.wake());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!(port = self.port, "a shard's thread ended with a panic");
        }
    }
}

/// The thread's whole life.
fn run<E: Engine>(index: u16, mut body: Body, on_lost: &dyn Fn(), mut start: impl FnMut(Instant, ShardStats) -> E) {
    loop {
        // Unwind safety: the engine is dropped, and `Body::recover` puts all else into its first state.
        let result = catch_unwind(AssertUnwindSafe(|| {
            let mut engine = start(body.now(), body.past());
            body.run(&mut engine)
        }));
        match result {
            Ok(Ok(())) => return,
            Ok(Err(error)) => tracing::error!(shard = index, %error, "the shard's poll failed: starting anew"),
            Err(_) => tracing::error!(shard = index, "the shard's engine panicked: its rooms are lost, starting anew"),
        }
        body.recover();
        on_lost();
        if body.stopped() {
            return;
        }
        std::thread::sleep(RESTART_PAUSE);
    }
}

#[cfg(test)]
mod tests;
