//! A server in this process, and a room full of people in it.

use crate::client::Sender;
use crate::guest::{Guest, enter, is_media};
use bytes::Bytes;
use parlor::server::Server;
use parlor_config::{Config, ConfigFile, Sources, load};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

const ROOM: &str = "hall";

/// Packets on their way: some receive batches of a shard, so that none waits for the slowest.
const WINDOW: u64 = 256;
/// The most packets sent together.
const BURST: u64 = 64;
/// Between looks at what has arrived. A shard forwards about eight packets to a hundred in that time.
const PACE: Duration = Duration::from_millis(1);
/// Bytes of a payload; with headers this makes a common size of video packets.
const PAYLOAD: usize = 1_150;

/// How long packets may be on their way before they are taken for lost.
const PATIENCE: Duration = Duration::from_millis(50);

/// See the module. The publisher is the first of the people.
pub(crate) struct Hall {
    runtime: Runtime,
    address: SocketAddr,
    people: Vec<Guest>,
    /// One receiver on each shard.
    witnesses: Vec<usize>,
    sender: Sender,
    sent: u64,
    lost: u64,
}

impl Hall {
    /// Starts a server with so many shards, and has a publisher and receivers join one room on all of them. `meanwhile` is called
    /// after each join.
    pub(crate) fn open(shards: usize, receivers: usize, meanwhile: &mut dyn FnMut()) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let address = runtime.block_on(async {
            let server = Server::start(&config(shards, receivers)).await.expect("a server");
            let address = server.address();
            let (requester, requests) = mpsc::channel(1);
            tokio::spawn(async move {
                let _nobody_asks = requester;
                server.run(requests).await
            });
            address
        });
        let answer = request(address, "POST", "/api/rooms", &format!("{{\"roomId\":\"{ROOM}\"}}"));
        assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        let (mut publisher, _) = runtime.block_on(join(address));
        let sender = publisher.client.add_video(1_000);
        runtime.block_on(publisher.offer());
        let mut hall =
            Self { runtime, address, people: vec![publisher], witnesses: Vec::new(), sender, sent: 0, lost: 0 };
        hall.until("the publisher is connected", |people| people[0].client.connected);
        let mut on_shard = vec![1; 1];
        on_shard.resize(shards, 0);
        for _ in 0..receivers {
            let (mut guest, shard) = hall.runtime.block_on(join(address));
            hall.runtime.block_on(guest.offer());
            on_shard[shard] += 1;
            let first = on_shard[shard] == 1 + usize::from(shard == 0);
            hall.people.push(guest);
            let number = hall.people.len() - 1;
            hall.until("a receiver gets packets", |people| !people[number].client.packets.is_empty());
            if first {
                hall.witnesses.push(number);
            }
            // Filling takes a minute, in which the others would be taken for gone.
            hall.rest();
            meanwhile();
        }
        println!("{shards} shard(s): {on_shard:?} people");
        hall
    }

    /// Lets time pass, with a packet now and then, until `done`.
    fn until(&mut self, what: &str, done: impl Fn(&[Guest]) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !done(&self.people) {
            assert!(Instant::now() < deadline, "not so in time: {what}");
            if self.people[0].client.connected {
                // A key frame each time: whoever waits for one gets it.
                self.send(true);
            }
            let last = self.people.len() - 1;
            for number in [0, last] {
                self.runtime.block_on(self.people[number].turn(true));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        self.people.last_mut().expect("somebody").client.packets.clear();
    }

    /// Keeps everybody connected, and empties their sockets.
    pub(crate) fn rest(&mut self) {
        let people = &mut self.people;
        self.runtime.block_on(async {
            for guest in people {
                guest.turn(false).await;
            }
        });
    }

    fn send(&mut self, key: bool) {
        let now = Instant::now();
        let mut payload = vec![7; PAYLOAD];
        // A VP8 descriptor with a picture id, then a frame's first byte.
        payload[..5].copy_from_slice(&[
            0x90,
            0x80,
            0x80 | (self.sent >> 8) as u8 & 0x7f,
            self.sent as u8,
            u8::from(!key),
        ]);
        let timestamp = (self.sent as u32).wrapping_mul(3_000);
        self.people[0].client.send(now, self.sender, self.sent as u16, timestamp, Bytes::from(payload));
        self.sent += 1;
        self.people[0].flush();
    }

    /// Pushes packets for so long. Returns how many a second every shard has forwarded.
    pub(crate) fn push(&mut self, duration: Duration) -> f64 {
        let begin = Instant::now();
        let mut received = vec![0_u64; self.witnesses.len()];
        let (mut pushed, mut gone, mut heard) = (0_u64, 0, begin);
        while begin.elapsed() < duration {
            let slowest = received.iter().copied().min().unwrap_or(0) + gone;
            // What was taken for lost may come after all.
            let burst = WINDOW.saturating_sub(pushed.saturating_sub(slowest)).min(BURST);
            (0..burst).for_each(|_| self.send(false));
            pushed += burst;
            let before: u64 = received.iter().sum();
            for (count, witness) in received.iter_mut().zip(&self.witnesses) {
                *count += drain(&self.people[*witness]);
            }
            if received.iter().sum::<u64>() > before {
                heard = Instant::now();
            } else if heard.elapsed() > PATIENCE {
                // Lost on the way: a shard's or a witness's socket was full.
                gone = pushed - received.iter().copied().min().unwrap_or(0);
                heard = Instant::now();
            }
            // What this thread takes of a processor, both shards wait for: that of its own, and by the window the other.
            std::thread::sleep(PACE);
        }
        self.lost += gone;
        received.into_iter().min().unwrap_or(0) as f64 / begin.elapsed().as_secs_f64()
    }

    /// Says how packets went. Returns how many were relayed, and how many could not be.
    pub(crate) fn check(&mut self) -> (f64, f64) {
        // Readings are hung out once a second.
        std::thread::sleep(Duration::from_millis(1_100));
        let text = request(self.address, "GET", "/metrics", "");
        let sum = |name: &str| {
            let lines = text.lines().filter(|line| line.starts_with(name));
            lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum::<f64>()
        };
        let relayed = sum("parlor_relayed_packets_total{");
        let dropped = sum("parlor_relay_dropped_packets_total{");
        println!(
            "{} shard(s): {} packets sent, {} taken for lost, {relayed} relayed, {dropped} not relayed",
            self.witnesses.len(),
            self.sent,
            self.lost
        );
        (relayed, dropped)
    }
}

/// Media packets that wait in a guest's socket.
fn drain(guest: &Guest) -> u64 {
    let mut buffer = [0; 2_048];
    std::iter::from_fn(|| guest.socket.recv_from(&mut buffer).ok().map(|(len, _)| is_media(&buffer[..len])))
        .map(u64::from)
        .sum()
}

/// Somebody new in the room, and the shard that it is on.
async fn join(address: SocketAddr) -> (Guest, usize) {
    let before = shards(address);
    let signalling = enter(address, ROOM).await;
    let after = shards(address);
    let shard = (0..after.len()).find(|shard| after[*shard].1 > before[*shard].1).expect("it is on some shard");
    (Guest::new(ROOM, signalling, after[shard].0), shard)
}

/// Port and participants of each shard.
fn shards(address: SocketAddr) -> Vec<(u16, u64)> {
    let answer = request(address, "GET", "/api/server", "");
    let body = answer.split_once("\r\n\r\n").expect("a body").1;
    let server: Value = serde_json::from_str(body).expect("JSON");
    let shards = server["shards"].as_array().expect("shards").iter();
    let number = |shard: &Value, of: &str| shard[of].as_u64().expect("a number");
    shards.map(|shard| (number(shard, "port") as u16, number(shard, "participantCount"))).collect()
}

/// Everything in memory, on ports that are free; the room spreads evenly.
fn config(shards: usize, receivers: usize) -> Config {
    let per_shard = (receivers + 1).div_ceil(shards);
    let text = format!(
        r#"
http.listen = "127.0.0.1:0"
media = {{ udp_port = 0, shards = {shards}, spread_participants = {per_shard}, spread_busy_percent = 100, announce = ["127.0.0.1"] }}
store.url = "memory:"
files.url = "off"
limits = {{ joins_per_minute = 1000000, max_participants_per_room = 1000 }}
"#
    );
    let file = ConfigFile { path: "the benchmark's".to_owned(), text };
    load(&Sources { file: Some(file), ..Sources::default() }).expect("a configuration")
}

/// The whole answer to a request on a connection of its own.
fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer loopback\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
