//! Orders to a thread, and the handle by which they are given.

use super::connection::Connection;
use super::timers::Timers;
use super::{Body, Busy, Gauges, SECOND, Shared, WAKER};
use crate::client::peer::Identity;
use crate::clock::Nanos;
use crate::net::Sender;
use crate::plan::Media;
use crate::tally::{Measures, Saturation, Tally, Window, Windows};
use mio::{Poll, Waker};
use rand::SeedableRng;
use rand::rngs::StdRng;
use slab::Slab;
use std::net::IpAddr;
use std::sync::{Arc, mpsc};
use tokio::sync::oneshot;

/// Names a connection of a thread.
pub type Key = usize;

/// Why a connection does not work, in a few words to count by.
pub type Failure = String;

/// What a connection is for.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which scenario counts what happens.
    pub scenario: usize,
    /// What it sends, and as which publisher of the run.
    pub sends: Option<(u32, Media)>,
    /// Whether it offers first.
    pub offers: bool,
    /// Whether it offers a data channel, too.
    pub data_channel: bool,
    /// Whether it decrypts and checks what it receives.
    pub witness: bool,
    /// When its participant began to join.
    pub begin: Nanos,
}

/// What a connection's owner can ask for.
pub enum Order {
    /// Opens a connection; the reply has the offer if it offers first.
    Open(Box<Setup>, oneshot::Sender<Result<(Key, Option<String>), Failure>>),
    /// Takes the server's answer.
    Answered(Key, String, oneshot::Sender<Result<(), Failure>>),
    /// Takes the server's offer; the reply is the answer.
    Offered(Key, String, oneshot::Sender<Result<String, Failure>>),
    /// Tells when the connection is up.
    Await(Key, oneshot::Sender<Result<(), Failure>>),
    /// Tells when the connection is lost, and why. Being closed is not being lost.
    Watch(Key, oneshot::Sender<Failure>),
    /// Closes the connection.
    Close(Key),
    /// From now on the thread's work counts, and how late packets are.
    Measure,
    /// No longer.
    Rest,
    /// Ends the thread; the reply is what it counted.
    Finish(oneshot::Sender<Tally>),
}

/// A running thread.
pub struct Worker {
    orders: mpsc::Sender<Order>,
    waker: Arc<Waker>,
    gauges: Arc<Gauges>,
}

impl Worker {
    /// Starts a thread whose clients are reached at `local`. `start` is the start of the run, by which windows are told.
    ///
    /// # Errors
    /// When there are no descriptors, threads or randomness left.
    pub fn start(
        index: usize,
        local: IpAddr,
        seed: u64,
        sample_every: u32,
        scenarios: usize,
        start: Nanos,
    ) -> anyhow::Result<Self> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (sender, orders) = mpsc::channel();
        let gauges = Arc::new(Gauges::default());
        let shared = Shared {
            local,
            identity: Identity::generate()?,
            random: StdRng::seed_from_u64(seed ^ (index as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            sample_every: sample_every.max(1),
            sender: Sender::default(),
            outgoing: Vec::new(),
            scenarios: vec![Measures::default(); scenarios],
            windows: Windows::default(),
            window: Window::default(),
            saturation: Saturation::default(),
            start: start.0,
            connected: 0,
        };
        let body = Body {
            poll,
            orders,
            gauges: gauges.clone(),
            connections: Slab::new(),
            timers: Timers::default(),
            shared,
            busy: Busy::default(),
            window_end: start.0 + SECOND,
            lost_before: 0,
            gauge_due: 0,
        };
        std::thread::Builder::new().name(format!("clients-{index}")).spawn(move || body.run())?;
        Ok(Self { orders: sender, waker, gauges })
    }

    /// What the thread shows while it runs.
    #[must_use]
    pub fn gauges(&self) -> &Gauges {
        &self.gauges
    }

    /// Gives an order. If the thread is gone, its reply never comes.
    pub fn order(&self, order: Order) {
        if self.orders.send(order).is_ok()
            && let Err(error) = self.waker.wake()
        {
            tracing::error!(%error, "a thread cannot be woken");
        }
    }
}

impl Body {
    /// Does what was ordered. Returns whether to go on.
    pub(super) fn follow_orders(&mut self) -> bool {
        loop {
            let order = match self.orders.try_recv() {
                Ok(order) => order,
                Err(mpsc::TryRecvError::Empty) => return true,
                Err(mpsc::TryRecvError::Disconnected) => return false,
            };
            let now = Nanos::now();
            match order {
                Order::Open(setup, reply) => {
                    // Who asked may have given up; then nobody will close the connection.
                    if let Err(Ok((key, _))) = reply.send(self.open(now, &setup)) {
                        self.close(now, key);
                    }
                }
                Order::Answered(key, sdp, reply) => {
                    let result = self.with(key, |connection, shared| connection.handle_answer(now.0, sdp, shared));
                    let _ = reply.send(result);
                }
                Order::Offered(key, sdp, reply) => {
                    let result = self.with(key, |connection, shared| connection.handle_offer(now.0, sdp, shared));
                    let _ = reply.send(result);
                }
                Order::Await(key, reply) => match self.connections.get_mut(key) {
                    Some(connection) => connection.tell_when_connected(reply),
                    None => drop(reply.send(Err("the connection is closed".to_owned()))),
                },
                Order::Watch(key, reply) => match self.connections.get_mut(key) {
                    Some(connection) => connection.tell_when_lost(reply),
                    None => drop(reply.send("the connection is closed".to_owned())),
                },
                Order::Close(key) => self.close(now, key),
                Order::Measure => {
                    self.busy.begin(now.0);
                    self.shared.scenarios.iter_mut().for_each(|measures| measures.witnesses.forget_times());
                }
                Order::Rest => self.rest(now.0),
                Order::Finish(reply) => {
                    let _ = reply.send(self.tally());
                    return false;
                }
            }
        }
    }

    fn open(&mut self, now: Nanos, setup: &Setup) -> Result<(Key, Option<String>), Failure> {
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        let (mut connection, offer) = Connection::open(now, setup, &mut self.shared)?;
        let interest = mio::Interest::READABLE;
        let registered = self.poll.registry().register(&mut connection.socket, mio::Token(key), interest);
        registered.map_err(|error| format!("socket: {}", error.kind()))?;
        self.timers.set(key, connection.due());
        entry.insert(Box::new(connection));
        Ok((key, offer))
    }

    fn with<T>(
        &mut self,
        key: Key,
        action: impl FnOnce(&mut Connection, &mut Shared) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let connection = self.connections.get_mut(key).ok_or_else(|| "the connection is closed".to_owned())?;
        let result = action(connection, &mut self.shared);
        self.timers.set(key, connection.due());
        result
    }

    fn close(&mut self, now: Nanos, key: Key) {
        if let Some(mut connection) = self.connections.try_remove(key) {
            self.timers.set(key, u64::MAX);
            connection.close(now.0, &mut self.shared);
            // Closing the descriptor would do it, too.
            let _ = self.poll.registry().deregister(&mut connection.socket);
        }
    }
}
