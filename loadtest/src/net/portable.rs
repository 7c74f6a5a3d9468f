//! Receiving and sending a datagram at a time, for systems other than Linux: enough to try the tester out, not to measure
//! a large server.

use bytes::BytesMut;
use mio::net::UdpSocket;
use std::io;
use std::net::SocketAddr;

/// Datagrams in one batch.
const BATCH: usize = 64;
/// No WebRTC datagram is larger than an Ethernet frame.
const DATAGRAM: usize = 2048;

/// The receive buffers of one thread, for all its sockets.
pub struct Receiver {
    buffers: Vec<[u8; DATAGRAM]>,
    received: Vec<(usize, SocketAddr)>,
}

/// A datagram.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    remote: SocketAddr,
    /// Such a system does not tell when something arrived.
    pub stamp: Option<i128>,
}

impl<'a> Message<'a> {
    /// The datagram alone.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        std::iter::once(self.bytes)
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

impl Receiver {
    /// Buffers for one batch.
    #[must_use]
    pub fn new() -> Self {
        Self { buffers: vec![[0; DATAGRAM]; BATCH], received: Vec::with_capacity(BATCH) }
    }

    /// Receives what waits, at most a batch. Returns whether more may wait.
    ///
    /// # Errors
    /// Those of the system, but for the ones that say that nothing waits.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        self.received.clear();
        for buffer in &mut self.buffers {
            match socket.recv_from(buffer) {
                Ok(received) => self.received.push(received),
                Err(error) => {
                    return match error.kind() {
                        io::ErrorKind::WouldBlock => Ok(false),
                        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused => Ok(true),
                        _ => Err(error),
                    };
                }
            }
        }
        Ok(true)
    }

    /// What the last [`Self::receive`] brought.
    pub fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        self.received.iter().zip(&self.buffers).map(|((length, remote), buffer)| Message {
            bytes: buffer.get(..*length).unwrap_or_default(),
            remote: *remote,
            stamp: None,
        })
    }

    /// Where a message came from.
    #[must_use]
    pub fn remote(&self, message: &Message<'_>) -> Option<SocketAddr> {
        Some(message.remote)
    }
}

/// The sending side of one thread.
#[derive(Default)]
pub struct Sender(());

impl Sender {
    /// Sends all datagrams, in their order, and empties the list. `lost` gets those that the system did not take.
    pub fn flush(
        &mut self,
        socket: &UdpSocket,
        datagrams: &mut Vec<(SocketAddr, BytesMut)>,
        mut lost: impl FnMut(&[u8]),
    ) {
        for (to, bytes) in datagrams.drain(..) {
            if socket.send_to(&bytes, to).is_err() {
                lost(&bytes);
            }
        }
    }
}

impl Sender {
    /// Sends datagrams of `segment` bytes each, which lie one behind the other; the last may be shorter.
    ///
    /// # Errors
    /// Those of the system.
    pub fn send_frame(&mut self, socket: &UdpSocket, to: SocketAddr, frame: &[u8], segment: usize) -> io::Result<()> {
        frame.chunks(segment.max(1)).try_for_each(|datagram| socket.send_to(datagram, to).map(drop))
    }
}

/// Such a system does not tell.
pub fn kernel_drops(_socket: &UdpSocket) -> Option<u32> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    #[test]
    fn datagrams_arrive_with_their_sender() {
        let mut socket = super::super::open(Ipv4Addr::LOCALHOST.into()).unwrap();
        let sender = super::super::open(Ipv4Addr::LOCALHOST.into()).unwrap();
        let to = (Ipv4Addr::LOCALHOST, socket.local_addr().unwrap().port()).into();
        let mut datagrams: Vec<_> = [3, 1, 1_200].map(|size| (to, BytesMut::zeroed(size))).into();
        Sender::default().flush(&sender, &mut datagrams, |_| panic!("loopback takes all"));
        let mut poll = mio::Poll::new().unwrap();
        poll.registry().register(&mut socket, mio::Token(0), mio::Interest::READABLE).unwrap();
        poll.poll(&mut mio::Events::with_capacity(1), Some(Duration::from_secs(5))).unwrap();
        let mut receiver = Receiver::new();
        assert!(!receiver.receive(&socket).unwrap());
        let from = (Ipv4Addr::LOCALHOST, sender.local_addr().unwrap().port()).into();
        assert!(receiver.messages().all(|message| receiver.remote(&message) == Some(from)));
        let sizes: Vec<_> = receiver.messages().flat_map(|message| message.datagrams()).map(<[u8]>::len).collect();
        assert_eq!(sizes, [3, 1, 1_200]);
    }
}
