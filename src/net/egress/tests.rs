use super::batch::MESSAGES;
use super::*;
use parlor_media::path::Path;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

const V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn receiver(ip: IpAddr) -> UdpSocket {
    let socket = UdpSocket::bind((ip, 0)).unwrap();
    // Only a failing test waits that long.
    socket.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    socket
}

fn path(to: &UdpSocket, local: IpAddr) -> Path {
    Path { protocol: Protocol::Udp, remote: to.local_addr().unwrap(), local }
}

fn receive(socket: &UdpSocket, count: usize) -> (Vec<Vec<u8>>, Vec<SocketAddr>) {
    let mut buffer = [0; 2048];
    (0..count)
        .map(|i| {
            let (len, from) = socket.recv_from(&mut buffer).unwrap_or_else(|e| panic!("datagram {i} of {count}: {e}"));
            (buffer[..len].to_vec(), from)
        })
        .unzip()
}

/// Sizes that make and break stretches: equal, shorter at the end, longer after shorter, more than a message holds, empty.
fn sizes() -> Vec<usize> {
    let mut sizes = vec![1200, 1200, 1200, 700, 1200, 1300, 1300, 5, 5, 0, 0, 1452];
    // Small, so that all fit a receive buffer of the usual default.
    sizes.extend([100; 100]);
    sizes.extend([60, 61, 62]);
    sizes
}

fn datagram(destination: u8, index: usize, len: usize) -> Vec<u8> {
    let mut bytes = vec![destination; len];
    for (byte, mark) in bytes.iter_mut().zip((index as u16).to_be_bytes()) {
        *byte = mark;
    }
    bytes
}

/// Sends the same interleaved datagrams to five receivers on each address; what each got, in order.
fn exchange(egress: &mut Egress, endpoint: &UdpEndpoint, local: IpAddr) -> Vec<Vec<Vec<u8>>> {
    let receivers: Vec<UdpSocket> = (0..5).map(|_| receiver(local)).collect();
    let mut outbox = Outbox::new();
    for (index, &len) in sizes().iter().enumerate() {
        for (slot, receiver) in receivers.iter().enumerate() {
            assert!(outbox.push(slot as u32, &path(receiver, local), &datagram(slot as u8, index, len)));
        }
    }
    egress.flush(Instant::now(), endpoint, &outbox);
    receivers
        .iter()
        .map(|receiver| {
            let (datagrams, sources) = receive(receiver, sizes().len());
            assert!(sources.iter().all(|source| *source == SocketAddr::new(local, endpoint.port())), "{sources:?}");
            datagrams
        })
        .collect()
}

/// Messages that carried one datagram.
fn alone(stats: &EgressStats) -> u64 {
    stats.messages.cumulative().next().unwrap().1
}

fn expected() -> Vec<Vec<Vec<u8>>> {
    (0..5).map(|slot| sizes().iter().enumerate().map(|(index, &len)| datagram(slot, index, len)).collect()).collect()
}

#[test]
fn gso_and_plain_sends_deliver_the_same_datagrams_in_order() {
    let endpoint = UdpEndpoint::bind(0).unwrap();
    let mut plain = Egress::new(&endpoint, false);
    let mut gso = Egress::new(&endpoint, true);
    let mut locals = vec![V4, Ipv4Addr::new(127, 0, 0, 3).into()];
    if endpoint.dual_stack {
        locals.push(Ipv6Addr::LOCALHOST.into());
    }
    for &local in &locals {
        assert_eq!(exchange(&mut plain, &endpoint, local), expected());
        assert_eq!(exchange(&mut gso, &endpoint, local), expected());
    }
    let (plain, gso) = (plain.stats(), gso.stats());
    let datagrams = (locals.len() * 5 * sizes().len()) as u64;
    assert_eq!((plain.datagrams, plain.messages.count(), alone(&plain)), (datagrams, datagrams, datagrams));
    assert_eq!((gso.datagrams, gso.bytes), (datagrams, plain.bytes));
    assert!(plain.calls <= datagrams / MESSAGES as u64 + 2 * locals.len() as u64);
    // Per destination: 3+1, 1, 2+1, 1, empty, empty, 1+1, 64, 35+1, 1, 1.
    if gso.gso {
        assert_eq!(gso.messages.count(), (locals.len() * 5 * 11) as u64);
        assert_eq!((alone(&gso), gso.messages.sum()), ((locals.len() * 5 * 6) as u64, datagrams));
    }
}

#[test]
fn an_ipv4_socket_sends_from_the_asked_address_too() {
    let endpoint = UdpEndpoint::bind_ipv4(0).unwrap();
    for gso in [false, true] {
        let mut egress = Egress::new(&endpoint, gso);
        assert_eq!(exchange(&mut egress, &endpoint, Ipv4Addr::new(127, 0, 0, 2).into()), expected());
    }
}

#[test]
fn without_a_local_address_the_routing_table_decides() {
    let endpoint = UdpEndpoint::bind(0).unwrap();
    let mut egress = Egress::new(&endpoint, true);
    let to = receiver(V4);
    let mut outbox = Outbox::new();
    assert!(outbox.push(0, &path(&to, Ipv6Addr::UNSPECIFIED.into()), b"hello"));
    egress.flush(Instant::now(), &endpoint, &outbox);
    assert_eq!(receive(&to, 1).0, [b"hello"]);
}

#[test]
fn an_unsendable_run_is_counted_and_spoils_no_other() {
    let endpoint = UdpEndpoint::bind(0).unwrap();
    let mut egress = Egress::new(&endpoint, true);
    let to = receiver(V4);
    // An address of documentation, which is none of this host's: the kernel refuses it as a source.
    let foreign: IpAddr = Ipv4Addr::new(192, 0, 2, 1).into();
    let mut outbox = Outbox::new();
    for i in 0..10 {
        assert!(outbox.push(0, &path(&to, foreign), &[i; 100]));
        assert!(outbox.push(1, &path(&to, V4), &[i; 100]));
    }
    for _ in 0..2 * MAX_REFUSALS {
        egress.flush(Instant::now(), &endpoint, &outbox);
        assert_eq!(receive(&to, 10).0, (0..10).map(|i| vec![i; 100]).collect::<Vec<_>>());
    }
    let stats = egress.stats();
    assert_eq!(stats.dropped.iter().sum::<u64>(), u64::from(2 * MAX_REFUSALS * 10));
    assert_eq!(stats.datagrams, u64::from(2 * MAX_REFUSALS * 10));
    assert_eq!(stats.gso, Egress::new(&endpoint, true).stats().gso, "a bad source address is not GSO's fault");
}

#[test]
fn gso_is_given_up_when_the_device_cannot_or_refusals_persist() {
    let endpoint = UdpEndpoint::bind(0).unwrap();
    let mut egress = Egress::new(&endpoint, true);
    egress.stats.gso = true;
    egress.on_refusal(&io::Error::from_raw_os_error(libc::EINVAL));
    assert!(egress.stats().gso);
    egress.on_refusal(&io::Error::from_raw_os_error(libc::EIO));
    assert!(!egress.stats().gso);

    let mut egress = Egress::new(&endpoint, true);
    egress.stats.gso = true;
    for _ in 0..MAX_REFUSALS {
        assert!(egress.stats().gso);
        egress.on_refusal(&io::Error::from_raw_os_error(libc::EINVAL));
    }
    assert!(!egress.stats().gso);
}

/// A kernel that does as it is told, and keeps what it took.
struct Script {
    /// The errors that the next calls meet, one each; `None` for a call that goes well.
    errors: VecDeque<Option<i32>>,
    /// Refuses messages of several datagrams with this.
    gso_error: Option<i32>,
    /// First bytes of the datagrams of each message that was taken.
    taken: Vec<Vec<u8>>,
    /// In how many pieces each lay.
    vectors: Vec<usize>,
}

/// All that a message carries, piece after piece.
unsafe fn bytes_of(header: &libc::msghdr) -> Vec<u8> {
    // SAFETY: the caller vouches for the header.
    let vectors = unsafe { std::slice::from_raw_parts(header.msg_iov, header.msg_iovlen) };
    // SAFETY: and for what it points at.
    let piece = |vector: &libc::iovec| unsafe { std::slice::from_raw_parts(vector.iov_base.cast(), vector.iov_len) };
    vectors.iter().flat_map(piece).copied().collect()
}

/// The size of the datagrams that a message is to be cut into; `None` if it is one itself.
unsafe fn segment_size_of(header: &libc::msghdr) -> Option<usize> {
    // SAFETY: the caller vouches for the header, and so for its chain of control messages.
    unsafe {
        let mut message = libc::CMSG_FIRSTHDR(header);
        while let Some(control) = message.as_ref() {
            if (control.cmsg_level, control.cmsg_type) == (libc::SOL_UDP, libc::UDP_SEGMENT) {
                return Some(std::ptr::read_unaligned(libc::CMSG_DATA(message).cast::<u16>()).into());
            }
            message = libc::CMSG_NXTHDR(header, message);
        }
    }
    None
}

impl Script {
    fn new(errors: impl IntoIterator<Item = i32>) -> Self {
        Self { errors: errors.into_iter().map(Some).collect(), gso_error: None, taken: Vec::new(), vectors: Vec::new() }
    }
}

impl Kernel for Script {
    unsafe fn send(&mut self, _endpoint: &UdpEndpoint, headers: &mut [libc::mmsghdr]) -> io::Result<usize> {
        if let Some(error) = self.errors.pop_front().flatten() {
            return Err(io::Error::from_raw_os_error(error));
        }
        for (index, header) in headers.iter().enumerate() {
            let header = &header.msg_hdr;
            // SAFETY: the caller vouches for the header and what it points at.
            let (bytes, size) = unsafe { (bytes_of(header), segment_size_of(header)) };
            if let Some(error) = self.gso_error.filter(|_| size.is_some()) {
                return if index > 0 { Ok(index) } else { Err(io::Error::from_raw_os_error(error)) };
            }
            // None of the datagrams of these tests is empty.
            self.taken.push(bytes.chunks(size.unwrap_or(bytes.len())).map(|datagram| datagram[0]).collect());
            self.vectors.push(header.msg_iovlen);
        }
        Ok(headers.len())
    }
}

fn scripted(script: Script) -> (UdpEndpoint, Egress<Script>) {
    (UdpEndpoint::bind(0).unwrap(), Egress::with_kernel(script, true, Sources::default()))
}

fn to(port: u16) -> Path {
    Path { protocol: Protocol::Udp, remote: (Ipv4Addr::LOCALHOST, port).into(), local: V4 }
}

/// One datagram of each class to each of `people`: their first bytes are ten times the person's number plus the class.
fn one_of_each(people: u8) -> Outbox {
    let mut outbox = Outbox::new();
    for class in Class::ALL {
        for person in 0..people {
            let datagram = vec![10 * person + class as u8; 100 - 10 * class as usize];
            assert!(outbox.push_as(person.into(), &to(1_000 + u16::from(person)), &datagram, class));
        }
    }
    outbox
}

#[test]
fn a_refused_gso_message_goes_out_plainly() {
    let (endpoint, mut egress) = scripted(Script { gso_error: Some(libc::EINVAL), ..Script::new([]) });
    let mut outbox = Outbox::new();
    for mark in 0..4 {
        assert!(outbox.push(0, &to(1), &[mark; 300]));
    }
    assert!(outbox.push(1, &to(2), &[9; 5]));
    egress.flush(Instant::now(), &endpoint, &outbox);
    assert_eq!(egress.kernel.taken, [[0], [1], [2], [3], [9]]);
    assert_eq!((egress.stats().gso_refused, egress.stats().datagrams, egress.stats().gso), (1, 5, true));
}

#[test]
fn what_lies_together_is_one_piece() {
    let (endpoint, mut egress) = scripted(Script::new([]));
    let mut outbox = Outbox::new();
    for (person, mark) in [(0, 1), (0, 2), (0, 3), (1, 4), (1, 5), (0, 6)] {
        assert!(outbox.push(person, &to(1 + person as u16), &[mark; 100]));
    }
    egress.flush(Instant::now(), &endpoint, &outbox);
    assert_eq!(egress.kernel.taken, [vec![1, 2, 3, 6], vec![4, 5]]);
    assert_eq!(egress.kernel.vectors, [2, 1]);
}

#[test]
fn audio_rides_behind_the_video_of_its_destination() {
    let (endpoint, mut egress) = scripted(Script::new([]));
    let mut outbox = Outbox::new();
    let datagrams = [(Class::Audio, 80), (Class::Video, 500), (Class::Audio, 90), (Class::Video, 500)];
    for (mark, (class, len)) in datagrams.into_iter().enumerate() {
        assert!(outbox.push_as(0, &to(1), &vec![mark as u8; len], class));
    }
    egress.flush(Instant::now(), &endpoint, &outbox);
    assert_eq!(egress.kernel.taken, [vec![1, 3, 0], vec![2]]);
    assert_eq!(egress.kernel.vectors, [3, 1]);
}

#[test]
fn a_full_socket_drops_what_is_least_valuable_and_the_rest_waits() {
    let (endpoint, mut egress) = scripted(Script::new([libc::EINTR, libc::EAGAIN]));
    let now = Instant::now();
    egress.flush(now, &endpoint, &one_of_each(2));
    assert_eq!((egress.stats().unsent, egress.stats().held), ([2, 2, 0, 0], 4));
    assert_eq!(egress.stats().dropped[SendFailure::BufferFull as usize], 4);
    assert!(egress.is_blocked() && egress.kernel.taken.is_empty());

    // Still full: what waits goes on waiting, and the precious are tried before all else.
    egress.kernel.errors.extend([Some(libc::EAGAIN), Some(libc::EAGAIN), None]);
    egress.flush(now, &endpoint, &one_of_each(1));
    assert_eq!(egress.kernel.taken, [[0, 1]], "video, for which there was room again");
    assert_eq!((egress.stats().unsent, egress.stats().held), ([2, 2, 0, 0], 6));

    egress.kernel.taken.clear();
    egress.flush(now, &endpoint, &Outbox::new());
    let mut taken = egress.kernel.taken.concat();
    taken.sort_unstable();
    assert_eq!(taken, [2, 2, 3, 3, 12, 13]);
    assert!(!egress.is_blocked());
    assert_eq!(egress.stats().unsent, [2, 2, 0, 0]);
}

#[test]
fn what_waits_leaves_before_what_is_newer() {
    let (endpoint, mut egress) = scripted(Script::new([libc::EAGAIN]));
    let now = Instant::now();
    let with = |mark| {
        let mut outbox = Outbox::new();
        assert!(outbox.push_as(0, &to(1), &[mark; 50], Class::Audio));
        outbox
    };
    egress.flush(now, &endpoint, &with(1));
    egress.flush(now + Duration::from_millis(5), &endpoint, &with(2));
    assert_eq!(egress.kernel.taken.concat(), [1, 2]);
}

#[test]
fn audio_waits_for_one_packet_interval_and_control_on() {
    let (endpoint, mut egress) = scripted(Script::new([libc::EAGAIN]));
    let now = Instant::now();
    egress.flush(now, &endpoint, &one_of_each(1));
    assert_eq!(egress.stats().unsent, [1, 1, 0, 0]);
    egress.flush(now + Duration::from_millis(25), &endpoint, &Outbox::new());
    assert_eq!(egress.kernel.taken, [[3]]);
    assert_eq!(egress.stats().unsent, [1, 1, 1, 0]);
    assert!(!egress.is_blocked());
}

#[test]
fn what_waits_is_bounded_and_audio_leaves_room_for_control() {
    let (endpoint, mut egress) = scripted(Script::new([]));
    let now = Instant::now();
    let fill = |egress: &mut Egress<Script>, class| {
        let mut outbox = Outbox::new();
        for number in 0..1_000 {
            assert!(outbox.push_as(number % 50, &to(1_000 + number as u16 % 50), &[0; 1_024], class));
        }
        egress.kernel.errors.extend([Some(libc::EAGAIN); 1_000]);
        let before = egress.stats().held;
        egress.flush(now, &endpoint, &outbox);
        egress.kernel.errors.clear();
        egress.stats().held - before
    };
    let audio = fill(&mut egress, Class::Audio);
    assert_eq!(audio, 192, "three quarters of 256 KiB");
    // What waited already is tried and kept again, and counts once.
    assert_eq!(fill(&mut egress, Class::Control), 256 - 192);
    assert_eq!(egress.stats().unsent, [0, 0, 1_000 - 192, 1_000 - (256 - 192)]);
}

#[test]
fn no_memory_for_one_message_does_not_hinder_the_next() {
    let (endpoint, mut egress) = scripted(Script::new([libc::ENOBUFS, libc::ENETUNREACH]));
    let mut outbox = Outbox::new();
    for (person, class) in [Class::Video, Class::Audio, Class::Video].into_iter().enumerate() {
        assert!(outbox.push_as(person as u32, &to(1_000 + person as u16), &[person as u8; 50], class));
    }
    egress.flush(Instant::now(), &endpoint, &outbox);
    assert_eq!(egress.kernel.taken, [[2]]);
    let stats = egress.stats();
    assert_eq!((stats.dropped, stats.unsent, stats.held), ([0, 1, 1, 0, 0, 0], [1, 0, 1, 0], 0));
    assert_eq!(stats.calls, 3, "an unreachable destination is nothing to wait for");
}
