use super::*;
use std::collections::HashMap;
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
    egress.flush(endpoint, &outbox);
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
    egress.flush(&endpoint, &outbox);
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
        egress.flush(&endpoint, &outbox);
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

#[test]
fn a_refused_gso_message_goes_out_plainly() {
    let endpoint = UdpEndpoint::bind(0).unwrap();
    let mut egress = Egress::new(&endpoint, true);
    let to = receiver(V4);
    let mut outbox = Outbox::new();
    let sent: Vec<Vec<u8>> = (0..4).map(|i| vec![i; 300]).collect();
    for datagram in &sent {
        assert!(outbox.push(0, &path(&to, V4), datagram));
    }
    egress.stats.gso = true;
    for (path, datagrams) in outbox.runs() {
        let mut open = false;
        for datagram in datagrams {
            open = egress.append(&endpoint, &path, datagram, open);
        }
    }
    egress.prepare(&endpoint);
    let done = egress.on_error(&endpoint, 0, &io::Error::from_raw_os_error(libc::EINVAL));
    assert_eq!((done, egress.stats().gso_refused, egress.stats().datagrams), (1, 1, 4));
    assert_eq!(receive(&to, 4).0, sent);
}

#[test]
fn a_full_socket_drops_the_rest_and_no_memory_drops_one() {
    let endpoint = UdpEndpoint::bind(0).unwrap();
    let mut egress = Egress::new(&endpoint, false);
    let to = receiver(V4);
    let datagram = [0; 10];
    for _ in 0..4 {
        egress.append(&endpoint, &path(&to, V4), &datagram, false);
    }
    let dropped: HashMap<i32, usize> = [libc::EAGAIN, libc::ENOBUFS, libc::ENETUNREACH, libc::EINTR]
        .into_iter()
        .map(|code| (code, egress.on_error(&endpoint, 1, &io::Error::from_raw_os_error(code))))
        .collect();
    assert_eq!(
        dropped,
        HashMap::from([(libc::EAGAIN, 3), (libc::ENOBUFS, 1), (libc::ENETUNREACH, 1), (libc::EINTR, 0)])
    );
    let stats = egress.stats();
    assert_eq!(stats.dropped, [3, 1, 1, 0, 0, 0]);
}
