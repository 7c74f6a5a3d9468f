//! A thread that owns connections: their sockets, their PeerConnections, what they send and what they count.
//!
//! Nothing is shared between threads but orders, which come by a channel, and gauges, which are read while the run goes
//! on. Everything a thread counts it keeps for itself until the end.

mod connection;
mod feedback;
mod gauges;
mod orders;
mod timers;

pub use gauges::Gauges;
pub use orders::{Failure, Key, Order, Setup, Worker};

use crate::client::peer::Identity;
use crate::clock::Nanos;
use crate::net::{Receiver, Sender};
use crate::tally::{Measures, Saturation, Tally, Window, Windows};
use bytes::BytesMut;
use connection::Connection;
use mio::{Events, Poll, Token};
use rand::rngs::StdRng;
use slab::Slab;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::mpsc::Receiver as OrderQueue;
use std::time::Duration;
use timers::Timers;

/// Wakes the thread for orders; connections have the tokens below.
const WAKER: Token = Token(usize::MAX);
/// Sockets that are served before the clock is looked at again: few enough for publishers to be in time.
const EVENTS: usize = 128;
/// Between two updates of the gauges, in nanoseconds.
const GAUGE: u64 = 100_000_000;
/// The stretch over which the thread's busiest second is looked for.
const SECOND: u64 = 1_000_000_000;
/// Sockets are looked at so far apart, in nanoseconds. A thread that waited for the next datagram all the time would be woken
/// by nearly each one, and a server on the same machine would have to pay for that.
const APART: u64 = 1_000_000;
/// Batches of one socket before the next one gets its turn.
const TURNS: usize = 4;

/// What all connections of a thread use.
pub(crate) struct Shared {
    pub(crate) local: IpAddr,
    pub(crate) identity: Identity,
    pub(crate) random: StdRng,
    pub(crate) sample_every: u32,
    pub(crate) sender: Sender,
    /// Datagrams that are about to be sent.
    pub(crate) outgoing: Vec<(SocketAddr, BytesMut)>,
    pub(crate) scenarios: Vec<Measures>,
    pub(crate) windows: Windows,
    /// The window that goes on; it joins `windows` when its time is over.
    pub(crate) window: Window,
    pub(crate) saturation: Saturation,
    pub(crate) start: u64,
    pub(crate) connected: i64,
}

/// The thread's state.
pub(crate) struct Body {
    poll: Poll,
    orders: OrderQueue<Order>,
    gauges: Arc<Gauges>,
    connections: Slab<Box<Connection>>,
    timers: Timers,
    shared: Shared,
    busy: Busy,
    window_end: u64,
    lost_before: u64,
    gauge_due: u64,
}

/// How much of its time the thread does not sleep.
#[derive(Default)]
struct Busy {
    /// Since the steady part began.
    worked: u64,
    since: u64,
    measuring: bool,
    second_worked: u64,
    second_end: u64,
    recent_worked: u64,
    recent_since: u64,
}

impl Busy {
    fn note(&mut self, from: u64, until: u64, saturation: &mut Saturation) {
        let worked = until.saturating_sub(from);
        self.recent_worked += worked;
        if !self.measuring {
            return;
        }
        self.worked += worked;
        self.second_worked += worked;
        if until >= self.second_end {
            let length = SECOND + (until - self.second_end);
            saturation.busiest_second = saturation.busiest_second.max(self.second_worked as f64 / length as f64);
            (self.second_worked, self.second_end) = (0, until + SECOND);
        }
    }

    fn begin(&mut self, now: u64) {
        *self = Self { since: now, measuring: true, second_end: now + SECOND, ..Self::default() };
        self.recent_since = now;
    }

    fn share(&self, now: u64) -> f64 {
        self.worked as f64 / now.saturating_sub(self.since).max(1) as f64
    }

    fn recent(&mut self, now: u64) -> f64 {
        let share = self.recent_worked as f64 / now.saturating_sub(self.recent_since).max(1) as f64;
        (self.recent_worked, self.recent_since) = (0, now);
        share.min(1.0)
    }
}

impl Body {
    /// Works until it is told to end, or nobody is left who could tell.
    fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let mut receiver = Receiver::new();
        loop {
            let asleep = Nanos::now().0;
            let wake = self.timers.next().min(self.gauge_due).min(self.window_end);
            let timeout = Duration::from_nanos(wake.saturating_sub(asleep));
            if let Err(error) = self.poll.poll(&mut events, Some(timeout))
                && error.kind() != std::io::ErrorKind::Interrupted
            {
                tracing::error!(%error, "a thread cannot wait for its sockets");
                return;
            }
            let awake = Nanos::now().0;
            for event in &events {
                if event.token() == WAKER {
                    continue;
                }
                self.receive(event.token().0, &mut receiver);
            }
            if !self.follow_orders() {
                return;
            }
            self.handle_timeouts(Nanos::now().0, &mut receiver);
            let now = Nanos::now().0;
            self.busy.note(awake, now, &mut self.shared.saturation);
            let until = self.timers.next().min(awake + APART);
            std::thread::sleep(Duration::from_nanos(until.saturating_sub(now)));
        }
    }

    fn receive(&mut self, key: usize, receiver: &mut Receiver) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        for _ in 0..TURNS {
            let more = receiver.receive(&connection.socket);
            let now = Nanos::now().0;
            connection.receive(now, receiver, &mut self.shared);
            match more {
                Ok(true) => {}
                Ok(false) => {
                    return self.timers.set(key, connection.due());
                }
                Err(error) => {
                    tracing::debug!(%error, "a socket failed");
                    return self.timers.set(key, connection.due());
                }
            }
        }
        // Others wait, too; sockets tell only once that they are readable.
        connection.readable = true;
        self.timers.set(key, 0);
    }

    fn handle_timeouts(&mut self, now: u64, receiver: &mut Receiver) {
        while let Some(key) = self.timers.pop(now) {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            if std::mem::take(&mut connection.readable) {
                self.receive(key, receiver);
                continue;
            }
            connection.handle_timeout(now, &mut self.shared);
            self.timers.set(key, connection.due());
        }
        if now >= self.window_end {
            self.turn_window();
        }
        if now >= self.gauge_due {
            self.gauge_due = now + GAUGE;
            self.tell(now);
        }
    }

    /// Puts the window that is over among the others.
    fn turn_window(&mut self) {
        let lost = self.shared.scenarios.iter().map(|measures| measures.video.lost + measures.audio.lost).sum::<u64>();
        let mut window = std::mem::take(&mut self.shared.window);
        window.lost = lost.saturating_sub(self.lost_before);
        self.lost_before = lost.max(self.lost_before);
        let begun = Duration::from_nanos(self.window_end.saturating_sub(self.shared.start + SECOND));
        self.shared.windows.at(begun).merge(&window);
        self.window_end += SECOND;
    }

    fn tell(&mut self, now: u64) {
        let busy = self.busy.recent(now);
        self.gauges.set(&self.shared, busy);
    }

    /// Stops to measure how busy the thread is.
    fn rest(&mut self, now: u64) {
        if std::mem::take(&mut self.busy.measuring) {
            self.shared.saturation.busy = vec![self.busy.share(now)];
        }
    }

    /// Everything that was counted, but for what run as a whole knows.
    fn tally(&mut self) -> Tally {
        let now = Nanos::now().0;
        for connection in self.connections.iter().map(|(_, connection)| connection) {
            self.shared.saturation.receive_drops += connection.kernel_drops();
        }
        self.turn_window();
        self.rest(now);
        let saturation = std::mem::take(&mut self.shared.saturation);
        Tally {
            scenarios: std::mem::take(&mut self.shared.scenarios),
            windows: std::mem::take(&mut self.shared.windows),
            saturation,
            ..Tally::default()
        }
    }
}
