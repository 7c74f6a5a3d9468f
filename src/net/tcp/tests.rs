use super::*;
use std::net::{Shutdown, TcpStream as Client};

const LISTENER: usize = 2;

struct Fixture {
    poll: mio::Poll,
    paths: TcpPaths,
    port: u16,
    now: Instant,
}

impl Fixture {
    fn new(connections: usize, connections_per_address: usize) -> Self {
        let poll = mio::Poll::new().unwrap();
        let mut paths = TcpPaths::bind(0, TcpLimits { connections, connections_per_address }, LISTENER).unwrap();
        paths.register(poll.registry()).unwrap();
        let port = paths.listener.local_addr().unwrap().port();
        Self { poll, paths, port, now: Instant::now() }
    }

    fn connect(&self) -> Client {
        let client = Client::connect((Ipv4Addr::LOCALHOST, self.port)).unwrap();
        client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        client
    }

    /// Waits for the poll and receives, until `done` or nothing has happened for long.
    fn run(&mut self, mut done: impl FnMut(&mut TcpPaths, &mut Vec<(Path, Vec<u8>)>) -> bool) {
        let mut received = Vec::new();
        let mut events = mio::Events::with_capacity(16);
        loop {
            while self.paths.receive(self.now, |path, frame| received.push((*path, frame.to_vec()))) == Drained::More {}
            if done(&mut self.paths, &mut received) {
                return;
            }
            self.poll.poll(&mut events, Some(Duration::from_secs(5))).unwrap();
            assert!(!events.is_empty(), "nothing happens any more: {:?}", self.paths.stats());
            for event in &events {
                self.paths.on_event(event);
            }
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.paths.handle_timeout(self.now);
    }
}

fn frame(datagram: &[u8]) -> Vec<u8> {
    [&frame_header(datagram.len())[..], datagram].concat()
}

fn read_frame(client: &mut Client) -> Vec<u8> {
    let mut header = [0; 2];
    client.read_exact(&mut header).unwrap();
    let mut datagram = vec![0; u16::from_be_bytes(header).into()];
    client.read_exact(&mut datagram).unwrap();
    datagram
}

#[test]
fn frames_travel_both_ways() {
    let mut fixture = Fixture::new(10, 10);
    let mut client = fixture.connect();
    let bytes: Vec<u8> = (1..=200u8).flat_map(|i| frame(&vec![i; usize::from(i) * 7])).collect();
    for piece in bytes.chunks(999) {
        client.write_all(piece).unwrap();
    }
    let mut outbox = Outbox::new();
    fixture.run(|_, received| {
        for (path, datagram) in received.drain(..) {
            assert_eq!(path.remote, client.local_addr().unwrap());
            assert_eq!((path.protocol, path.local), (Protocol::Tcp, Ipv4Addr::LOCALHOST.into()));
            assert!(outbox.push(0, &path, &datagram));
        }
        outbox.runs().map(|(_, run)| run.len()).sum::<usize>() == 200
    });
    fixture.paths.flush(&outbox);
    for i in 1..=200u8 {
        assert_eq!(read_frame(&mut client), vec![i; usize::from(i) * 7]);
    }
    let stats = fixture.paths.stats();
    assert_eq!((stats.frames_in, stats.frames_out, stats.bytes_in, stats.dropped), (200, 200, stats.bytes_out, 0));
}

#[test]
fn a_slow_reader_loses_frames_and_never_blocks() {
    let mut fixture = Fixture::new(10, 10);
    let mut client = fixture.connect();
    client.write_all(&frame(b"hello")).unwrap();
    let mut path = None;
    fixture.run(|_, received| {
        path = received.first().map(|(path, _)| *path);
        path.is_some()
    });
    let path = path.unwrap();
    let mut sent = 0u32;
    while fixture.paths.stats().dropped == 0 {
        let mut outbox = Outbox::new();
        for _ in 0..64 {
            let mut datagram = [0; 1200];
            datagram[..4].copy_from_slice(&sent.to_be_bytes());
            assert!(outbox.push(0, &path, &datagram));
            sent += 1;
        }
        fixture.paths.flush(&outbox);
        assert!(fixture.paths.connections[0].unwritten.len() <= MAX_WRITE_BYTES);
        assert!(sent < 1_000_000, "the kernel buffers without end");
    }
    // Every frame that was not dropped arrives whole and in order.
    let kept = fixture.paths.stats().frames_out as usize;
    let reader = std::thread::spawn(move || (0..kept).map(|_| read_frame(&mut client)).collect::<Vec<_>>());
    fixture.run(|paths, _| paths.connections[0].unwritten.is_empty());
    let frames = reader.join().unwrap();
    assert!(frames.iter().all(|frame| frame.len() == 1200));
    assert!(frames.windows(2).all(|pair| pair[0][..4] < pair[1][..4]));
}

#[test]
fn a_closed_connection_ends_its_path() {
    let mut fixture = Fixture::new(10, 10);
    let client = fixture.connect();
    client.shutdown(Shutdown::Both).unwrap();
    let mut ended = None;
    fixture.run(|paths, _| {
        ended = ended.or(paths.poll_ended());
        ended.is_some()
    });
    assert_eq!(ended.unwrap().protocol, Protocol::Tcp);
    assert_eq!(fixture.paths.stats().connections, 0);
    assert!(fixture.paths.by_path.is_empty() && fixture.paths.by_address.is_empty());
}

#[test]
fn what_is_not_framed_closes_the_connection() {
    let mut fixture = Fixture::new(10, 10);
    let mut client = fixture.connect();
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    fixture.run(|paths, _| paths.stats().malformed == 1);
    assert!(fixture.paths.poll_ended().is_some());
    assert!(matches!(client.read(&mut [0; 8]), Ok(0) | Err(_)));
}

#[test]
fn connections_beyond_a_limit_are_refused_and_a_freed_place_is_taken() {
    for (connections, per_address) in [(3, 10), (10, 3)] {
        let mut fixture = Fixture::new(connections, per_address);
        let mut clients: Vec<Client> = (0..5).map(|_| fixture.connect()).collect();
        fixture.run(|paths, _| paths.stats().accepted + paths.stats().refused == 5);
        let stats = fixture.paths.stats();
        assert_eq!((stats.connections, stats.refused), (3, 2));
        clients.clear();
        fixture.run(|paths, _| paths.stats().connections == 0);
        let _again = fixture.connect();
        fixture.run(|paths, _| paths.stats().connections == 1);
    }
}

#[test]
fn a_stranger_is_closed_after_a_short_time_even_if_it_trickles() {
    let mut fixture = Fixture::new(10, 10);
    let mut client = fixture.connect();
    fixture.run(|paths, _| paths.stats().connections == 1);
    fixture.pass(UNANSWERED_TIMEOUT - SCAN_INTERVAL);
    client.write_all(&frame(b"still here")).unwrap();
    fixture.run(|_, received| received.len() == 1);
    assert_eq!(fixture.paths.stats().connections, 1);
    fixture.pass(SCAN_INTERVAL);
    assert_eq!((fixture.paths.stats().connections, fixture.paths.stats().timed_out), (0, 1));
    assert!(fixture.paths.poll_ended().is_some());
    assert_eq!(fixture.paths.poll_timeout(), None);
}

#[test]
fn an_answered_connection_lives_while_it_speaks() {
    let mut fixture = Fixture::new(10, 10);
    let mut client = fixture.connect();
    let mut outbox = Outbox::new();
    for _ in 0..3 {
        client.write_all(&frame(b"check")).unwrap();
        fixture.run(|_, received| {
            received.iter().for_each(|(path, _)| assert!(outbox.push(0, path, b"ok")));
            !received.is_empty()
        });
        fixture.paths.flush(&outbox);
        outbox.clear();
        assert_eq!(read_frame(&mut client), b"ok");
        fixture.pass(SILENCE_TIMEOUT - SCAN_INTERVAL);
        assert_eq!(fixture.paths.stats().connections, 1);
    }
    fixture.pass(SILENCE_TIMEOUT);
    assert_eq!(fixture.paths.stats().timed_out, 1);
}

#[test]
fn the_engine_can_close_a_path_and_frames_to_it_are_then_drops() {
    let mut fixture = Fixture::new(10, 10);
    let mut client = fixture.connect();
    client.write_all(&frame(b"x")).unwrap();
    let mut path = None;
    fixture.run(|_, received| {
        path = received.first().map(|(path, _)| *path);
        path.is_some()
    });
    let path = path.unwrap();
    fixture.paths.close(&path);
    fixture.paths.close(&path);
    assert_eq!(fixture.paths.poll_ended(), None);
    let mut outbox = Outbox::new();
    assert!(outbox.push(0, &path, b"late"));
    fixture.paths.flush(&outbox);
    assert_eq!(fixture.paths.stats().dropped, 1);
    assert!(matches!(client.read(&mut [0; 8]), Ok(0) | Err(_)));
}

#[test]
fn one_ipv6_subscriber_is_one_address() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    assert_eq!(network(ip("2001:db8:1:2:3::4")), network(ip("2001:db8:1:2::1")));
    assert_ne!(network(ip("2001:db8:1:2::1")), network(ip("2001:db8:1:3::1")));
    assert_ne!(network(ip("192.0.2.1")), network(ip("192.0.2.2")));
}
