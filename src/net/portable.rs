//! Receiving and sending a datagram at a time, for systems without `recvmmsg`, `sendmmsg` and `UDP_SEGMENT`.
//!
//! The local address of a datagram is not known here, so that answers leave from wherever the routing table says: enough
//! for development on one address.

use super::udp::{UdpEndpoint, udp_path};
use super::{BATCH, Drained, EgressStats, IngressStats, MAX_RECEIVED, SendFailure, Sink};
use parlor_media::outbox::{Classes, Outbox};
use parlor_media::path::Protocol;
use std::io;
use std::net::Ipv6Addr;
use std::time::Instant;

/// The receiving side of one shard.
pub(crate) struct Ingress {
    /// One byte more than is accepted, to tell what was cut.
    buffer: Box<[u8]>,
    stats: IngressStats,
}

impl Ingress {
    pub(crate) fn new() -> Self {
        Self { buffer: vec![0; MAX_RECEIVED + 1].into_boxed_slice(), stats: IngressStats::default() }
    }

    pub(crate) fn stats(&self) -> IngressStats {
        self.stats
    }

    /// Such a system does not tell.
    pub(crate) fn note_kernel_drops(&mut self, _endpoint: &mut UdpEndpoint) {}

    /// Receives what waits, at most [`BATCH`] datagrams, and hands each to `sink`.
    pub(crate) fn receive(&mut self, endpoint: &UdpEndpoint, mut sink: impl Sink) -> Drained {
        for _ in 0..BATCH {
            match endpoint.socket.recv_from(&mut self.buffer) {
                Ok((len, _)) if len > MAX_RECEIVED => self.stats.oversize += 1,
                Ok((len, remote)) => {
                    self.stats.batches.observe(1);
                    self.stats.messages.observe(1);
                    self.stats.datagrams += 1;
                    self.stats.bytes += len as u64;
                    let path = udp_path(remote, Ipv6Addr::UNSPECIFIED.into());
                    sink.expect(std::slice::from_ref(&path));
                    sink.take(&path, &mut self.buffer[..len]);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Drained::Empty,
                Err(_) => self.stats.errors += 1,
            }
        }
        Drained::More
    }
}

/// The sending side of one shard.
pub(crate) struct Egress {
    stats: EgressStats,
}

impl Egress {
    /// GSO is not to be had here.
    pub(crate) fn new(_endpoint: &UdpEndpoint, _gso: bool) -> Self {
        Self { stats: EgressStats::default() }
    }

    pub(crate) fn stats(&self) -> EgressStats {
        self.stats
    }

    /// Routes are the system's business here.
    pub(crate) fn note_addresses(&mut self) {}

    /// Nothing ever waits here.
    pub(crate) fn is_blocked(&self) -> bool {
        false
    }

    /// Sends every UDP run of `outbox`. Leaves clearing it to the caller, who has the TCP runs to send too.
    pub(crate) fn flush(&mut self, _now: Instant, endpoint: &UdpEndpoint, outbox: &Outbox) {
        for (path, datagrams) in outbox.runs().filter(|(path, _)| path.protocol == Protocol::Udp) {
            for (class, datagram) in datagrams.of(Classes::ALL) {
                self.stats.calls += 1;
                match endpoint.socket.send_to(datagram, endpoint.wire(path.remote)) {
                    Ok(_) => self.stats.sent(1, datagram.len()),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.stats.failed(SendFailure::BufferFull, class);
                    }
                    Err(error) => self.stats.failed(SendFailure::of(&error), class),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlor_media::path::Path;
    use std::net::{Ipv4Addr, SocketAddr, UdpSocket};

    #[test]
    fn datagrams_come_and_go() {
        let mut endpoint = UdpEndpoint::bind(0).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        client.set_read_timeout(Some(std::time::Duration::from_secs(5))).unwrap();
        client.send_to(b"question", SocketAddr::from((Ipv4Addr::LOCALHOST, endpoint.port()))).unwrap();
        let mut poll = mio::Poll::new().unwrap();
        poll.registry().register(&mut endpoint.socket, mio::Token(0), mio::Interest::READABLE).unwrap();
        poll.poll(&mut mio::Events::with_capacity(1), Some(std::time::Duration::from_secs(5))).unwrap();

        let mut outbox = Outbox::new();
        let mut ingress = Ingress::new();
        let drained = ingress.receive(&endpoint, |path: &Path, datagram: &mut [u8]| {
            assert_eq!(datagram, b"question");
            assert_eq!(path.remote, client.local_addr().unwrap());
            assert!(outbox.push(0, path, b"answer"));
        });
        assert_eq!(drained, Drained::Empty);
        ingress.note_kernel_drops(&mut endpoint);
        assert_eq!((ingress.stats().datagrams, ingress.stats().bytes, ingress.stats().kernel_drops), (1, 8, 0));
        let mut egress = Egress::new(&endpoint, true);
        egress.note_addresses();
        egress.flush(Instant::now(), &endpoint, &outbox);
        assert!(!egress.is_blocked());
        let mut buffer = [0; 16];
        let len = client.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..len], b"answer");
        assert_eq!((egress.stats().datagrams, egress.stats().gso), (1, false));
    }
}
