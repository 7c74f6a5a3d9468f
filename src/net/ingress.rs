//! Receiving in batches: `recvmmsg`, of messages that the kernel may have joined from datagrams of one sender (GRO).
//!
//! A joined message is cut into its datagrams in place. The buffers are as large as messages can be, of which the system
//! provides what is used: as long as nothing is joined, that is a page each.

use super::control::{Control, Told, told};
use super::udp::{UdpEndpoint, udp_path};
use super::{BATCH, Drained, IngressStats, MAX_RECEIVED, Sink};
use parlor_media::path::Path;
use socket2::{SockAddr, SockAddrStorage};
use std::io;
use std::os::fd::AsRawFd;

/// The largest message: what an IP packet can hold.
const MAX_MESSAGE: usize = 1 << 16;

/// Of how many messages the paths are told ahead: what is known of so many senders has room in the nearest cache.
const AHEAD: usize = 8;

/// The receive buffers of one shard. Lives in the shard's thread.
pub(crate) struct Ingress {
    buffers: Box<[[u8; MAX_MESSAGE]]>,
    addresses: Box<[SockAddrStorage]>,
    controls: Box<[Control]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    /// Of the latest batch: where each message came from, and what it is.
    paths: Vec<Path>,
    messages: Vec<Message>,
    stats: IngressStats,
}

/// A received message.
struct Message {
    /// In which of the buffers.
    index: usize,
    len: usize,
    /// Bytes of each of its datagrams but the last, if the kernel has joined them.
    segment: Option<usize>,
}

impl Ingress {
    pub(crate) fn new() -> Self {
        // SAFETY: both are plain C structures, for which zeros are a valid value (null pointers, no lengths).
        let (vector, header) = unsafe { (std::mem::zeroed::<libc::iovec>(), std::mem::zeroed::<libc::mmsghdr>()) };
        Self {
            buffers: vec![[0; MAX_MESSAGE]; BATCH].into_boxed_slice(),
            addresses: (0..BATCH).map(|_| SockAddrStorage::zeroed()).collect(),
            controls: vec![Control::new(); BATCH].into_boxed_slice(),
            vectors: vec![vector; BATCH].into_boxed_slice(),
            headers: vec![header; BATCH].into_boxed_slice(),
            paths: Vec::with_capacity(BATCH),
            messages: Vec::with_capacity(BATCH),
            stats: IngressStats::default(),
        }
    }

    pub(crate) fn stats(&self) -> IngressStats {
        self.stats
    }

    /// Looks how many datagrams the kernel has dropped for want of room.
    pub(crate) fn note_kernel_drops(&mut self, endpoint: &mut UdpEndpoint) {
        self.stats.kernel_drops += u64::from(endpoint.take_kernel_drops());
    }

    /// Receives what waits, at most [`BATCH`] messages, and hands each datagram to `sink`.
    pub(crate) fn receive(&mut self, endpoint: &UdpEndpoint, mut sink: impl Sink) -> Drained {
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
        self.look(count);
        let before = self.stats.datagrams + self.stats.oversize;
        for (paths, messages) in self.paths.chunks(AHEAD).zip(self.messages.chunks(AHEAD)) {
            sink.expect(paths);
            for (path, Message { index, len, segment }) in paths.iter().zip(messages) {
                let Some(message) = self.buffers[*index].get_mut(..*len) else { continue };
                cut(&mut self.stats, message, *segment, |datagram| sink.take(path, datagram));
            }
        }
        self.stats.batches.observe(self.stats.datagrams + self.stats.oversize - before);
        if count == BATCH { Drained::More } else { Drained::Empty }
    }

    /// Looks where each of so many messages came from.
    fn look(&mut self, count: usize) {
        self.paths.clear();
        self.messages.clear();
        for index in 0..count {
            let header = self.headers[index];
            let address = std::mem::replace(&mut self.addresses[index], SockAddrStorage::zeroed());
            // SAFETY: the kernel has written `msg_namelen` bytes of address into this storage.
            let remote = unsafe { SockAddr::new(address, header.msg_hdr.msg_namelen) };
            // SAFETY: the header is as recvmmsg left it, and `self.controls` is alive and unmoved.
            let Told { local, segment } = unsafe { told(&header.msg_hdr) };
            if let Some(remote) = remote.as_socket() {
                self.paths.push(udp_path(remote, local));
                self.messages.push(Message { index, len: header.msg_len as usize, segment });
            }
        }
    }

    /// Prepares every header: the kernel overwrites the lengths, and a move of `self` would not move the boxes.
    fn point(&mut self) {
        for index in 0..BATCH {
            self.vectors[index] =
                libc::iovec { iov_base: self.buffers[index].as_mut_ptr().cast(), iov_len: MAX_MESSAGE };
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

/// Hands on the datagrams of a message, each of `segment` bytes but for the last; without a segment it is one itself.
fn cut(stats: &mut IngressStats, message: &mut [u8], segment: Option<usize>, mut sink: impl FnMut(&mut [u8])) {
    let mut rest = message;
    let mut count = 0;
    loop {
        let len = segment.unwrap_or(rest.len()).min(rest.len());
        let (datagram, others) = rest.split_at_mut(len);
        rest = others;
        count += 1;
        if len > MAX_RECEIVED {
            stats.oversize += 1;
        } else {
            stats.datagrams += 1;
            stats.bytes += len as u64;
            sink(datagram);
        }
        if rest.is_empty() {
            break;
        }
    }
    stats.messages.observe(count);
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
            while ingress
                .receive(endpoint, |path: &Path, datagram: &mut [u8]| received.push((*path, datagram.to_vec())))
                == Drained::More
            {}
        }
        received
    }

    #[derive(Default)]
    struct Expecting {
        expected: Vec<Path>,
        /// Since then.
        came: Vec<Path>,
        total: usize,
    }

    impl Sink for &mut Expecting {
        fn expect(&mut self, paths: &[Path]) {
            assert_eq!(self.expected, self.came, "what was expected has come");
            assert!(paths.len() <= AHEAD);
            (self.expected, self.came) = (paths.to_vec(), Vec::new());
        }

        fn take(&mut self, path: &Path, _: &mut [u8]) {
            self.came.push(*path);
            self.total += 1;
        }
    }

    #[test]
    fn a_sink_is_told_where_the_next_few_datagrams_come_from() {
        let endpoint = UdpEndpoint::bind(0).unwrap();
        let clients = [(); 2].map(|()| UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        for number in 0..12 {
            clients[number % 2].send_to(b"x", (Ipv4Addr::LOCALHOST, endpoint.port())).unwrap();
        }
        let (mut ingress, mut sink) = (Ingress::new(), Expecting::default());
        // On a loopback interface what was sent is there.
        while ingress.receive(&endpoint, &mut sink) == Drained::More {}
        assert_eq!((sink.total, sink.expected.len()), (12, 4));
        assert_eq!(sink.expected, sink.came);
        let ports = clients.map(|client| client.local_addr().unwrap());
        assert_eq!(
            sink.came.iter().map(|path| path.remote).collect::<Vec<_>>(),
            [ports[0], ports[1], ports[0], ports[1]]
        );
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
        assert_eq!((stats.messages.count(), stats.messages.sum()), (3, 3));
    }

    #[test]
    fn joined_messages_are_cut_into_their_datagrams() {
        let cut_at = |len: usize, segment| {
            let mut message: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let (mut stats, mut lens, mut bytes) = (IngressStats::default(), Vec::new(), Vec::new());
            cut(&mut stats, &mut message, segment, |datagram| {
                lens.push(datagram.len());
                bytes.extend_from_slice(datagram);
            });
            assert_eq!((stats.messages.count(), stats.messages.sum()), (1, stats.datagrams + stats.oversize));
            assert!(stats.oversize > 0 || bytes == message);
            lens
        };
        assert_eq!(cut_at(0, None), [0]);
        assert_eq!(cut_at(7, None), [7]);
        assert_eq!(cut_at(7, Some(3)), [3, 3, 1]);
        assert_eq!(cut_at(6, Some(3)), [3, 3]);
        assert_eq!(cut_at(3, Some(9)), [3]);
        assert_eq!(cut_at(MAX_RECEIVED + 4, Some(MAX_RECEIVED + 1)), [3], "oversize ones are left out");
    }

    #[test]
    fn what_one_sender_sends_at_once_comes_joined() {
        let mut endpoint = UdpEndpoint::bind(0).unwrap();
        if !endpoint.has_gro() {
            return;
        }
        let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let size: libc::c_int = 1_200;
        // SAFETY: the descriptor is open, and the value outlives the call.
        let result = unsafe {
            libc::setsockopt(
                client.as_raw_fd(),
                libc::SOL_UDP,
                libc::UDP_SEGMENT,
                (&raw const size).cast(),
                size_of_val(&size) as libc::socklen_t,
            )
        };
        assert_eq!(result, 0);
        let sent: Vec<u8> = (0..2_500).map(|at| (at / 1_200) as u8).collect();
        client.send_to(&sent, (Ipv4Addr::LOCALHOST, endpoint.port())).unwrap();
        let mut ingress = Ingress::new();
        let received = receive_all(&mut ingress, &mut endpoint, 3);
        let path = udp_path(client.local_addr().unwrap(), Ipv4Addr::LOCALHOST.into());
        assert_eq!(received, [(path, vec![0; 1_200]), (path, vec![1; 1_200]), (path, vec![2; 100])]);
        let stats = ingress.stats();
        assert_eq!((stats.messages.count(), stats.batches.count(), stats.datagrams), (1, 1, 3));
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
        ingress.note_kernel_drops(&mut endpoint);
        let dropped = ingress.stats().kernel_drops as usize;
        assert!((1..SENT).contains(&dropped), "{dropped} of {SENT}");
        assert_eq!(receive_all(&mut ingress, &mut endpoint, SENT - dropped).len(), SENT - dropped);
        ingress.note_kernel_drops(&mut endpoint);
        assert_eq!(ingress.stats().kernel_drops as usize, dropped, "none is counted twice");
    }
}
