//! Passive ICE-TCP (RFC 6544): clients connect to the media port's number, and speak RFC 4571 frames.
//!
//! One [`TcpPaths`] owns a shard's listener and its connections. Everything a stranger can make it hold is bounded: the
//! number of connections in all and from one address, one decoder's buffer and one write buffer for each. A connection
//! on which the engine never answered (it answers nothing whose STUN integrity fails) is closed after a short time, and
//! one that has fallen silent after a longer one. Writes never block: a frame that does not fit the buffer is dropped
//! and counted, as a congested network would have done.

use super::Drained;

use super::udp::{canonical, no_ipv6};
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};
use parlor_media::outbox::{Datagrams, Outbox};
use parlor_media::path::{Path, Protocol};
use parlor_media::transport::framing::{FrameDecoder, frame_header};
use slab::Slab;
use socket2::{Domain, Socket, Type};
use std::collections::{HashMap, VecDeque};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

/// Connections that the kernel completes before they are accepted.
const BACKLOG: i32 = 256;

/// Connections accepted in one tick, so that a flood of them does not keep media waiting.
const MAX_ACCEPTS: usize = 32;

/// Bytes read in one go, from one connection or several: fanned out to a hundred they still fit the outbox.
const MAX_READ_BYTES: usize = 16 << 10;

/// Bytes waiting to be written to one connection: a second at 2 Mbit/s. More would be delay, not reliability.
const MAX_WRITE_BYTES: usize = 256 << 10;

/// How long a connection may live without an answer of the engine's.
const UNANSWERED_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a connection may be silent. Clients check consent every few seconds (RFC 7675).
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);

/// How often deadlines are looked at. Every connection's is at least ten times as long.
const SCAN_INTERVAL: Duration = Duration::from_secs(1);

/// How many connections are taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TcpLimits {
    pub(crate) connections: usize,
    pub(crate) connections_per_address: usize,
}

/// What has happened on a shard's connections since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct TcpStats {
    /// Connections now.
    pub(crate) connections: u64,
    /// Connections taken.
    pub(crate) accepted: u64,
    /// Connections refused for a limit.
    pub(crate) refused: u64,
    /// Connections closed for a deadline.
    pub(crate) timed_out: u64,
    /// Connections closed, because what came was not framed.
    pub(crate) malformed: u64,
    /// Frames received.
    pub(crate) frames_in: u64,
    /// Their payload bytes.
    pub(crate) bytes_in: u64,
    /// Frames written or waiting to be.
    pub(crate) frames_out: u64,
    /// Their payload bytes.
    pub(crate) bytes_out: u64,
    /// Frames dropped for a full write buffer or a connection that is gone.
    pub(crate) dropped: u64,
}

struct Connection {
    stream: TcpStream,
    path: Path,
    decoder: FrameDecoder,
    unwritten: VecDeque<u8>,
    /// Queued in `TcpPaths::readable`.
    queued: bool,
    answered: bool,
    heard: Instant,
}

/// What a read came to.
enum ReadEnd {
    Empty,
    Budget,
    Closed,
    Malformed,
}

/// The listener and the connections of one shard.
pub(crate) struct TcpPaths {
    listener: TcpListener,
    /// The token of the connection with key 0. The listener has the token before it.
    first_token: usize,
    registry: Option<Registry>,
    limits: TcpLimits,
    connections: Slab<Connection>,
    by_path: HashMap<Path, usize>,
    by_address: HashMap<IpAddr, usize>,
    /// Keys of connections that may have bytes to read.
    readable: VecDeque<usize>,
    /// Whether connections may wait to be accepted.
    acceptable: bool,
    next_scan: Option<Instant>,
    ended: VecDeque<Path>,
    stats: TcpStats,
}

impl TcpPaths {
    /// Listens on `port` of all addresses. Tokens from `token` on are used: that one and one for each connection.
    pub(crate) fn bind(port: u16, limits: TcpLimits, token: usize) -> io::Result<Self> {
        let listener = match listen(Domain::IPV6, SocketAddr::from((Ipv6Addr::UNSPECIFIED, port))) {
            Err(error) if no_ipv6(&error) => listen(Domain::IPV4, SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)))?,
            result => result?,
        };
        Ok(Self {
            listener,
            first_token: token + 1,
            registry: None,
            limits,
            connections: Slab::new(),
            by_path: HashMap::new(),
            by_address: HashMap::new(),
            readable: VecDeque::new(),
            acceptable: true,
            next_scan: None,
            ended: VecDeque::new(),
            stats: TcpStats::default(),
        })
    }

    /// Has the poll of `registry` watch the listener and all connections to come.
    pub(crate) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut self.listener, Token(self.first_token - 1), Interest::READABLE)?;
        self.registry = Some(registry.try_clone()?);
        Ok(())
    }

    pub(crate) fn stats(&self) -> TcpStats {
        TcpStats { connections: self.connections.len() as u64, ..self.stats }
    }

    /// Takes note of an event with one of this object's tokens. A stale one does no harm.
    pub(crate) fn on_event(&mut self, event: &mio::event::Event) {
        let Some(key) = event.token().0.checked_sub(self.first_token) else {
            self.acceptable = true;
            return;
        };
        if event.is_readable() || event.is_read_closed() || event.is_error() {
            self.queue(key);
        }
        if event.is_writable() && self.connections.get_mut(key).is_some_and(|c| c.write().is_err()) {
            self.end(key);
        }
    }

    /// Accepts connections and hands some of the frames that came to `sink`: about [`MAX_READ_BYTES`].
    pub(crate) fn receive(&mut self, now: Instant, mut sink: impl FnMut(&Path, &mut [u8])) -> Drained {
        let accepted = self.accept(now);
        let mut budget = MAX_READ_BYTES;
        while budget > 0
            && let Some(key) = self.readable.pop_front()
        {
            let Some(connection) = self.connections.get_mut(key) else { continue };
            connection.queued = false;
            match connection.read(now, &mut budget, &mut self.stats, &mut sink) {
                ReadEnd::Empty => {}
                ReadEnd::Budget => self.queue(key),
                ReadEnd::Closed => self.end(key),
                ReadEnd::Malformed => {
                    self.stats.malformed += 1;
                    self.end(key);
                }
            }
        }
        if self.readable.is_empty() { accepted } else { Drained::More }
    }

    /// Writes every TCP run of `outbox`, or buffers it within bounds.
    pub(crate) fn flush(&mut self, outbox: &Outbox) {
        for (path, datagrams) in outbox.runs().filter(|(path, _)| path.protocol == Protocol::Tcp) {
            let Some(&key) = self.by_path.get(&path) else {
                self.stats.dropped += datagrams.len() as u64;
                continue;
            };
            let Some(connection) = self.connections.get_mut(key) else { continue };
            connection.answered = true;
            connection.buffer(datagrams, &mut self.stats);
            if connection.write().is_err() {
                self.end(key);
            }
        }
    }

    /// Closes a connection that the engine no longer wants.
    pub(crate) fn close(&mut self, path: &Path) {
        if let Some(&key) = self.by_path.get(path) {
            self.remove(key);
        }
    }

    /// Closes everything, for an engine that starts anew.
    pub(crate) fn close_all(&mut self) {
        let keys: Vec<usize> = self.connections.iter().map(|(key, _)| key).collect();
        for key in keys {
            self.remove(key);
        }
        self.ended.clear();
    }

    /// A connection that has ended, other than by [`Self::close`].
    pub(crate) fn poll_ended(&mut self) -> Option<Path> {
        self.ended.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next_scan
    }

    /// Closes the connections whose time has run out, and tries again to accept if that failed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.next_scan.is_none_or(|due| now < due) {
            return;
        }
        let late: Vec<usize> =
            self.connections.iter().filter(|(_, c)| c.deadline() <= now).map(|(key, _)| key).collect();
        self.stats.timed_out += late.len() as u64;
        for key in late {
            self.end(key);
        }
        self.acceptable = true;
        self.next_scan = (!self.connections.is_empty()).then_some(now + SCAN_INTERVAL);
    }

    fn accept(&mut self, now: Instant) -> Drained {
        if !self.acceptable {
            return Drained::Empty;
        }
        for _ in 0..MAX_ACCEPTS {
            match self.listener.accept() {
                Ok((stream, remote)) => self.admit(now, stream, canonical(remote)),
                Err(error) if matches!(error.kind(), io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted) => {
                }
                Err(error) => {
                    // Otherwise out of descriptors, most likely: the poll says nothing more of those that wait.
                    if error.kind() != io::ErrorKind::WouldBlock {
                        self.next_scan.get_or_insert(now + SCAN_INTERVAL);
                    }
                    self.acceptable = false;
                    return Drained::Empty;
                }
            }
        }
        Drained::More
    }

    /// Takes one connection in, or drops it for a limit.
    fn admit(&mut self, now: Instant, mut stream: TcpStream, remote: SocketAddr) {
        let from_there = self.by_address.get(&network(remote.ip())).copied().unwrap_or(0);
        let full = self.connections.len() >= self.limits.connections;
        let (Some(registry), Ok(local)) = (&self.registry, stream.local_addr()) else { return };
        let path = Path { protocol: Protocol::Tcp, remote, local: local.ip().to_canonical() };
        if full || from_there >= self.limits.connections_per_address || self.by_path.contains_key(&path) {
            self.stats.refused += 1;
            return;
        }
        // A frame is sent when it is written: waiting for more would be delay.
        let _ = stream.set_nodelay(true);
        let entry = self.connections.vacant_entry();
        let key = entry.key();
        let interest = Interest::READABLE | Interest::WRITABLE;
        if registry.register(&mut stream, Token(self.first_token + key), interest).is_err() {
            self.stats.refused += 1;
            return;
        }
        entry.insert(Connection {
            stream,
            path,
            decoder: FrameDecoder::default(),
            unwritten: VecDeque::new(),
            queued: false,
            answered: false,
            heard: now,
        });
        self.by_path.insert(path, key);
        *self.by_address.entry(network(remote.ip())).or_default() += 1;
        self.stats.accepted += 1;
        self.next_scan.get_or_insert(now + SCAN_INTERVAL);
        self.queue(key);
    }

    fn queue(&mut self, key: usize) {
        if let Some(connection) = self.connections.get_mut(key).filter(|connection| !connection.queued) {
            connection.queued = true;
            self.readable.push_back(key);
        }
    }

    fn end(&mut self, key: usize) {
        if let Some(path) = self.remove(key) {
            self.ended.push_back(path);
        }
    }

    /// Dropping the stream closes it, and takes it out of the poll.
    fn remove(&mut self, key: usize) -> Option<Path> {
        let connection = self.connections.try_remove(key)?;
        if connection.queued {
            self.readable.retain(|queued| *queued != key);
        }
        self.by_path.remove(&connection.path);
        let address = network(connection.path.remote.ip());
        if let Some(count) = self.by_address.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&address);
            }
        }
        Some(connection.path)
    }
}

impl Connection {
    fn deadline(&self) -> Instant {
        // Before an answer `heard` stays at the time of the accept, so that trickling bytes do not keep a stranger.
        self.heard + if self.answered { SILENCE_TIMEOUT } else { UNANSWERED_TIMEOUT }
    }

    fn read(
        &mut self,
        now: Instant,
        budget: &mut usize,
        stats: &mut TcpStats,
        sink: &mut impl FnMut(&Path, &mut [u8]),
    ) -> ReadEnd {
        while *budget > 0 {
            match self.stream.read(self.decoder.space()) {
                Ok(0) => return ReadEnd::Closed,
                Ok(len) => {
                    self.decoder.filled(len);
                    *budget = budget.saturating_sub(len);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return ReadEnd::Empty,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return ReadEnd::Closed,
            }
            if self.answered {
                self.heard = now;
            }
            loop {
                match self.decoder.next_frame() {
                    Ok(None) => break,
                    Ok(Some(frame)) => {
                        stats.frames_in += 1;
                        stats.bytes_in += frame.len() as u64;
                        sink(&self.path, frame);
                    }
                    Err(_) => return ReadEnd::Malformed,
                }
            }
        }
        ReadEnd::Budget
    }

    fn buffer(&mut self, datagrams: Datagrams<'_>, stats: &mut TcpStats) {
        for datagram in datagrams {
            let header = frame_header(datagram.len());
            if self.unwritten.len() + header.len() + datagram.len() > MAX_WRITE_BYTES {
                stats.dropped += 1;
                continue;
            }
            self.unwritten.extend(header);
            self.unwritten.extend(datagram);
            stats.frames_out += 1;
            stats.bytes_out += datagram.len() as u64;
        }
    }

    /// Writes what the kernel takes. The poll says when it takes more.
    fn write(&mut self) -> io::Result<()> {
        while !self.unwritten.is_empty() {
            let (first, second) = self.unwritten.as_slices();
            match self.stream.write_vectored(&[io::IoSlice::new(first), io::IoSlice::new(second)]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(len) => drop(self.unwritten.drain(..len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// What counts as one address: with IPv6 a subscriber has a whole /64.
fn network(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(_) => ip,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
    }
}

fn listen(domain: Domain, address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(domain, Type::STREAM, None)?;
    if domain == Domain::IPV6 {
        socket.set_only_v6(false)?;
    }
    // Connections of an earlier run in TIME_WAIT must not keep the port.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(TcpListener::from_std(socket.into()))
}

#[cfg(test)]
mod tests;
