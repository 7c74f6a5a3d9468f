//! Receiving in batches: `recvmmsg`.

use super::control::{Control, kernel_drops, local_address};
use super::udp::{UdpEndpoint, udp_path};
use super::{BATCH, Drained, IngressStats, MAX_RECEIVED};
use parlor_media::path::Path;
use socket2::{SockAddr, SockAddrStorage};
use std::io;
use std::os::fd::AsRawFd;

/// The receive buffers of one shard. Lives in the shard's thread.
pub(crate) struct Ingress {
    buffers: Box<[[u8; MAX_RECEIVED]]>,
    addresses: Box<[SockAddrStorage]>,
    controls: Box<[Control]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    stats: IngressStats,
}

impl Ingress {
    pub(crate) fn new() -> Self {
        // SAFETY: both are plain C structures, for which zeros are a valid value (null pointers, no lengths).
        let (vector, header) = unsafe { (std::mem::zeroed::<libc::iovec>(), std::mem::zeroed::<libc::mmsghdr>()) };
        Self {
            buffers: vec![[0; MAX_RECEIVED]; BATCH].into_boxed_slice(),
            addresses: (0..BATCH).map(|_| SockAddrStorage::zeroed()).collect(),
            controls: vec![Control::new(); BATCH].into_boxed_slice(),
            vectors: vec![vector; BATCH].into_boxed_slice(),
            headers: vec![header; BATCH].into_boxed_slice(),
            stats: IngressStats::default(),
        }
    }

    pub(crate) fn stats(&self) -> IngressStats {
        self.stats
    }

    /// Looks how many datagrams the kernel has dropped for want of room.
    pub(crate) fn note_kernel_drops(&mut self, endpoint: &UdpEndpoint) {
        if let Some(drops) = kernel_drops(&endpoint.socket) {
            // The kernel's counter has 32 bits and wraps.
            self.stats.kernel_drops += u64::from(drops.wrapping_sub(self.stats.kernel_drops as u32));
        }
    }

    /// Receives what waits, at most [`BATCH`] datagrams, and hands each to `sink`.
    pub(crate) fn receive(&mut self, endpoint: &UdpEndpoint, mut sink: impl FnMut(&Path, &mut [u8])) -> Drained {
        self.point();
        // SAFETY: every header points at buffers of `self` with their true lengths (see `point`), none of which moves or
        // is touched during the call; the descriptor is open as long as `endpoint` lives.
        let received = unsafe {
            libc::recvmmsg(
                endpoint.socket.as_raw_fd(),
                self.headers.as_mut_ptr(),
                BATCH as libc::c_uint,
                libc::MSG_DONTWAIT as _,
                std::ptr::null_mut(),
            )
        };
        if received < 0 {
            return self.on_error(&io::Error::last_os_error());
        }
        let count = (received as usize).min(BATCH);
        self.stats.batches.observe(count as u64);
        for index in 0..count {
            let header = self.headers[index];
            let len = header.msg_len as usize;
            let address = std::mem::replace(&mut self.addresses[index], SockAddrStorage::zeroed());
            // SAFETY: the kernel has written `msg_namelen` bytes of address into this storage.
            let remote = unsafe { SockAddr::new(address, header.msg_hdr.msg_namelen) };
            // SAFETY: the header is as recvmmsg left it, and `self.controls` is alive and unmoved.
            let local = unsafe { local_address(&header.msg_hdr) };
            if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                self.stats.oversize += 1;
                continue;
            }
            let (Some(remote), Some(datagram)) = (remote.as_socket(), self.buffers[index].get_mut(..len)) else {
                continue;
            };
            self.stats.datagrams += 1;
            self.stats.bytes += len as u64;
            sink(&udp_path(remote, local), datagram);
        }
        if count == BATCH { Drained::More } else { Drained::Empty }
    }

    /// Prepares every header: the kernel overwrites the lengths, and a move of `self` would not move the boxes.
    fn point(&mut self) {
        for index in 0..BATCH {
            self.vectors[index] =
                libc::iovec { iov_base: self.buffers[index].as_mut_ptr().cast(), iov_len: MAX_RECEIVED };
            let header = &mut self.headers[index].msg_hdr;
            header.msg_name = (&raw mut self.addresses[index]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = &raw mut self.vectors[index];
            header.msg_iovlen = 1;
            header.msg_flags = 0;
            self.controls[index].attach_empty(header);
        }
    }

    fn on_error(&mut self, error: &io::Error) -> Drained {
        match error.kind() {
            io::ErrorKind::WouldBlock => Drained::Empty,
            // A signal, or an ICMP error of some earlier send: the socket itself is well, and may hold more.
            io::ErrorKind::Interrupted => Drained::More,
            _ => {
                self.stats.errors += 1;
                Drained::More
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
    use std::time::Duration;

    /// Waits until something is readable, then receives one batch.
    fn receive_all(ingress: &mut Ingress, endpoint: &mut UdpEndpoint, expected: usize) -> Vec<(Path, Vec<u8>)> {
        let mut poll = mio::Poll::new().unwrap();
        poll.registry().register(&mut endpoint.socket, mio::Token(0), mio::Interest::READABLE).unwrap();
        let mut events = mio::Events::with_capacity(4);
        let mut received = Vec::new();
        while received.len() < expected {
            poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
            assert!(!events.is_empty(), "only {} of {expected} datagrams came", received.len());
            while ingress.receive(endpoint, |path, datagram| received.push((*path, datagram.to_vec()))) == Drained::More
            {
            }
        }
        received
    }

    fn check(local: IpAddr) {
        let mut endpoint = UdpEndpoint::bind(0).unwrap();
        let client = UdpSocket::bind((local, 0)).unwrap();
        for i in 0..100u8 {
            client.send_to(&[i; 5], (local, endpoint.port())).unwrap();
        }
        let received = receive_all(&mut Ingress::new(), &mut endpoint, 100);
        for (i, (path, datagram)) in received.iter().enumerate() {
            assert_eq!(*path, udp_path(client.local_addr().unwrap(), local));
            assert_eq!((path.remote, path.local), (client.local_addr().unwrap(), local));
            assert_eq!(datagram, &[i as u8; 5]);
        }
    }

    #[test]
    fn a_batch_tells_its_local_address_on_ipv4() {
        check(Ipv4Addr::LOCALHOST.into());
        check(Ipv4Addr::new(127, 0, 0, 2).into());
    }

    #[test]
    fn a_batch_tells_its_local_address_on_ipv6() {
        if UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok() {
            check(Ipv6Addr::LOCALHOST.into());
        }
    }

    #[test]
    fn oversize_datagrams_are_dropped_and_counted_and_empty_ones_arrive() {
        let mut endpoint = UdpEndpoint::bind(0).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let server = SocketAddr::from((Ipv4Addr::LOCALHOST, endpoint.port()));
        client.send_to(&vec![1; MAX_RECEIVED + 1], server).unwrap();
        client.send_to(&[], server).unwrap();
        client.send_to(&vec![2; MAX_RECEIVED], server).unwrap();
        let mut ingress = Ingress::new();
        let received = receive_all(&mut ingress, &mut endpoint, 2);
        assert_eq!(received.iter().map(|(_, d)| d.len()).collect::<Vec<_>>(), [0, MAX_RECEIVED]);
        let stats = ingress.stats();
        assert_eq!((stats.datagrams, stats.bytes, stats.oversize), (2, MAX_RECEIVED as u64, 1));
        assert_eq!((stats.batches.sum(), stats.errors), (3, 0), "{:?}", stats.batches);
    }

    #[test]
    fn what_the_kernel_drops_for_want_of_room_is_counted() {
        let mut endpoint = UdpEndpoint::bind(0).unwrap();
        socket2::SockRef::from(&endpoint.socket).set_recv_buffer_size(4_096).unwrap();
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        const SENT: usize = 100;
        for _ in 0..SENT {
            client.send_to(&[0; 1_000], (Ipv4Addr::LOCALHOST, endpoint.port())).unwrap();
        }
        let mut ingress = Ingress::new();
        ingress.note_kernel_drops(&endpoint);
        let dropped = ingress.stats().kernel_drops as usize;
        assert!((1..SENT).contains(&dropped), "{dropped} of {SENT}");
        assert_eq!(receive_all(&mut ingress, &mut endpoint, SENT - dropped).len(), SENT - dropped);
        ingress.note_kernel_drops(&endpoint);
        assert_eq!(ingress.stats().kernel_drops as usize, dropped, "none is counted twice");
    }
}
