//! Receiving in batches: `recvmmsg`, each message as many datagrams as the kernel could join.

use super::control::{Control, Notes, notes};
use mio::net::UdpSocket;
use socket2::{SockAddr, SockAddrStorage};
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd;

/// Messages in one call. With joined datagrams a batch holds up to 8 × 64 of them, and few sockets have more waiting.
const BATCH: usize = 8;
/// The kernel joins no more than an IP packet could hold.
const MESSAGE: usize = 65_536;

/// The receive buffers of one thread, for all its sockets.
pub struct Receiver {
    buffers: Vec<[u8; MESSAGE]>,
    addresses: Box<[SockAddrStorage]>,
    controls: Box<[Control]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    received: usize,
}

/// Datagrams of one sender that came together.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    bytes: &'a [u8],
    segment: usize,
    /// When they arrived, in nanoseconds of the wall clock, where the socket asks for that.
    pub stamp: Option<i128>,
    place: usize,
}

impl<'a> Message<'a> {
    /// One datagram after the other.
    pub fn datagrams(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.bytes.chunks(self.segment)
    }
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

impl Receiver {
    /// Buffers for one batch: half a megabyte, of which only what arrives is touched.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: both are plain C structures, for which zeros are a valid value (null pointers, no lengths).
        let (vector, header) = unsafe { (std::mem::zeroed::<libc::iovec>(), std::mem::zeroed::<libc::mmsghdr>()) };
        let mut receiver = Self {
            buffers: vec![[0; MESSAGE]; BATCH],
            addresses: (0..BATCH).map(|_| SockAddrStorage::zeroed()).collect(),
            controls: vec![Control::new(); BATCH].into_boxed_slice(),
            vectors: vec![vector; BATCH].into_boxed_slice(),
            headers: vec![header; BATCH].into_boxed_slice(),
            received: BATCH,
        };
        receiver.point();
        receiver
    }

    /// Receives what waits, at most a batch. Returns whether more may wait.
    ///
    /// # Errors
    /// Those of `recvmmsg`, but for the ones that say that nothing waits.
    pub fn receive(&mut self, socket: &UdpSocket) -> io::Result<bool> {
        self.point();
        // SAFETY: every header points at buffers of `self` with their true lengths (see `point`), none of which moves or
        // is touched during the call; the descriptor is open as long as `socket` lives.
        let received = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        if received < 0 {
            let error = io::Error::last_os_error();
            return match error.kind() {
                io::ErrorKind::WouldBlock => Ok(false),
                // A signal, or an ICMP error of some earlier send: the socket itself is well, and may hold more.
                io::ErrorKind::Interrupted | io::ErrorKind::ConnectionRefused => Ok(true),
                _ => Err(error),
            };
        }
        self.received = (received as usize).min(BATCH);
        Ok(self.received == BATCH)
    }

    /// What the last [`Self::receive`] brought.
    pub fn messages(&self) -> impl Iterator<Item = Message<'_>> {
        self.headers.iter().zip(&self.buffers).take(self.received).enumerate().map(|(place, (header, buffer))| {
            let bytes = buffer.get(..header.msg_len as usize).unwrap_or_default();
            // SAFETY: the header is as recvmmsg left it, and `self.controls` is alive and unmoved.
            let Notes { segment, stamp } = unsafe { notes(&header.msg_hdr) };
            Message { bytes, segment: segment.unwrap_or(bytes.len()).max(1), stamp, place }
        })
    }

    /// Where a message came from.
    #[must_use]
    pub fn remote(&self, message: &Message<'_>) -> Option<SocketAddr> {
        let (header, address) = (self.headers.get(message.place)?, self.addresses.get(message.place)?);
        let mut copy = SockAddrStorage::zeroed();
        // SAFETY: both are storage for any address, and plain bytes.
        unsafe { std::ptr::copy_nonoverlapping(address, &raw mut copy, 1) };
        // SAFETY: the kernel has written `msg_namelen` bytes of address into the storage that was copied.
        unsafe { SockAddr::new(copy, header.msg_hdr.msg_namelen) }.as_socket()
    }

    /// Prepares the headers that were used: the kernel overwrites the lengths.
    fn point(&mut self) {
        for index in 0..std::mem::take(&mut self.received) {
            self.vectors[index] = libc::iovec { iov_base: self.buffers[index].as_mut_ptr().cast(), iov_len: MESSAGE };
            let header = &mut self.headers[index].msg_hdr;
            header.msg_name = (&raw mut self.addresses[index]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = &raw mut self.vectors[index];
            header.msg_iovlen = 1;
            header.msg_flags = 0;
            self.controls[index].attach(header);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Sender, open};
    use super::*;
    use bytes::BytesMut;
    use std::net::Ipv4Addr;
    use std::time::Duration;

    #[test]
    fn joined_and_single_datagrams_arrive_with_their_time_and_sender() {
        let loopback = Ipv4Addr::LOCALHOST.into();
        let mut socket = open(loopback).unwrap();
        let sender = open(loopback).unwrap();
        let to = (Ipv4Addr::LOCALHOST, socket.local_addr().unwrap().port()).into();
        let sizes = [500, 500, 500, 200, 700, 1, 30];
        let mut datagrams: Vec<_> =
            sizes.iter().map(|size| (to, BytesMut::from(&vec![*size as u8; *size][..]))).collect();
        assert_eq!(Sender::default().flush(&sender, &mut datagrams, |_| panic!("loopback takes all")), ());
        assert!(datagrams.is_empty());

        let mut poll = mio::Poll::new().unwrap();
        poll.registry().register(&mut socket, mio::Token(0), mio::Interest::READABLE).unwrap();
        let mut receiver = Receiver::new();
        let mut received = Vec::new();
        while received.len() < sizes.len() {
            poll.poll(&mut mio::Events::with_capacity(1), Some(Duration::from_secs(5))).unwrap();
            while receiver.receive(&socket).unwrap() {}
            for message in receiver.messages() {
                let from = (Ipv4Addr::LOCALHOST, sender.local_addr().unwrap().port()).into();
                assert_eq!(receiver.remote(&message), Some(from));
                assert!(message.stamp.is_some());
                received.extend(message.datagrams().map(<[u8]>::len));
            }
        }
        assert_eq!(received, sizes);
        assert_eq!(super::super::kernel_drops(&socket), Some(0));
        assert!(!receiver.receive(&socket).unwrap(), "nothing waits");
        assert_eq!(receiver.messages().count(), 0);
    }
}
