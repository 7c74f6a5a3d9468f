//! Many people, one room, real sockets on loopback: everybody gets everything in one order.
//!
//! `PARLOR_CHAT_SECONDS` sets for how long a thousand messages a second are said, whatever becomes of them meanwhile. Without it
//! people say three thousand messages as fast as they read them, so that the speed of the machine does not matter.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed expectation is a failed test")]
#![allow(clippy::print_stdout, reason = "it tells whoever measures what it took")]

use axum::Router;
use futures_util::{SinkExt, StreamExt};
use parlor_signaling::{Announce, Policy, Rate, Settings, ShardHandle, Signaling, Storage};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

const PEOPLE: usize = 20;
const PER_SECOND: usize = 1000;
/// Messages of one's own that may be on their way: a few, or a second's and more, which is as good as any number.
const FEW: usize = 4;
const ANY: usize = 4 * PER_SECOND / PEOPLE;
/// Nobody waits for a message for longer than this: it bounds a failing run, it measures nothing.
const PATIENCE: Duration = Duration::from_secs(30);

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn serve() -> SocketAddr {
    let (sender, mut commands) = mpsc::channel(4096);
    tokio::spawn(async move { while commands.recv().await.is_some() {} });
    let settings = Settings {
        messages: Rate { per_second: 200.0, burst: 400.0 },
        first_policy: Policy { max_sockets_per_address: 64, ..Policy::default() },
        ..Settings::default()
    };
    let shard = ShardHandle::new(sender, Arc::new(|| {}), 7900);
    let signaling = Signaling::new(settings, Announce::default(), Storage::memory(), vec![shard]);
    let journal = signaling.clone();
    tokio::spawn(async move { journal.run_journal().await });
    let router: Router = signaling.router();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

async fn create(address: SocketAddr) -> String {
    let body = json!({"history": "while-open"}).to_string();
    let request = format!(
        "POST /api/rooms HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    body["room"]["roomId"].as_str().unwrap().to_owned()
}

async fn join(address: SocketAddr, room: &str) -> Socket {
    let (mut socket, _) = connect_async(format!("ws://{address}/ws")).await.unwrap();
    send(&mut socket, &json!({"type": "join-room", "roomId": room})).await;
    loop {
        if next(&mut socket).await["type"] == "room-joined" {
            return socket;
        }
    }
}

async fn send(socket: &mut (impl SinkExt<Message> + Unpin), message: &Value) {
    assert!(socket.send(Message::Text(message.to_string().into())).await.is_ok());
}

async fn next(
    socket: &mut (impl StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin),
) -> Value {
    loop {
        match timeout(PATIENCE, socket.next()).await.expect("something comes").expect("it is open").unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => {}
        }
    }
}

/// Reads `count` chat messages; returns their texts by place, and the longest time from a message's being said.
async fn read(
    mut socket: impl StreamExt<Item = Result<Message, tokio_tungstenite::tungstenite::Error>> + Unpin,
    person: usize,
    count: usize,
    start: Instant,
    window: Arc<Semaphore>,
) -> (Vec<String>, Duration) {
    let own = format!("{person} says");
    let (mut texts, mut longest) = (Vec::with_capacity(count), Duration::ZERO);
    while texts.len() < count {
        let message = next(&mut socket).await;
        assert_ne!(message["type"], "error", "{message}");
        if message["type"] == "message-received" {
            assert_eq!(message["seq"], texts.len() + 1, "in order, without gaps");
            let text = message["text"].as_str().unwrap();
            let said_at = Duration::from_micros(text.split(' ').next_back().unwrap().parse().unwrap());
            longest = longest.max(start.elapsed().saturating_sub(said_at));
            if text.starts_with(&own) {
                window.add_permits(1);
            }
            texts.push(text.to_owned());
        }
    }
    (texts, longest)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_reads_everything_in_one_order() {
    let seconds: Option<usize> = std::env::var("PARLOR_CHAT_SECONDS").ok().map(|text| text.parse().unwrap());
    let (address, count) = (serve().await, seconds.unwrap_or(3) * PER_SECOND);
    let room = create(address).await;
    let mut sockets = Vec::new();
    for _ in 0..PEOPLE {
        sockets.push(join(address, &room).await);
    }
    let start = Instant::now();
    let (mut readers, mut writers) = (Vec::new(), Vec::new());
    for (person, socket) in sockets.into_iter().enumerate() {
        let (mut sink, stream) = socket.split();
        let window = Arc::new(Semaphore::new(if seconds.is_some() { ANY } else { FEW }));
        readers.push(tokio::spawn(read(stream, person, count, start, Arc::clone(&window))));
        let room = room.clone();
        writers.push(tokio::spawn(async move {
            let mut ticks = interval(Duration::from_micros((1_000_000 * PEOPLE / PER_SECOND) as u64));
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            for number in 0..count / PEOPLE {
                ticks.tick().await;
                window.acquire().await.unwrap().forget();
                let text = format!("{person} says {number} at {}", start.elapsed().as_micros());
                send(&mut sink, &json!({"type": "send-message", "roomId": room, "text": text})).await;
            }
            // The socket stays open until everybody has read.
            sink
        }));
    }
    let mut sinks = Vec::new();
    for writer in writers {
        sinks.push(writer.await.unwrap());
    }
    let said_in = start.elapsed();
    let mut seen: Vec<(Vec<String>, Duration)> = Vec::new();
    for reader in readers {
        seen.push(reader.await.unwrap());
    }
    assert!(seen.iter().all(|(texts, _)| *texts == seen[0].0), "one order");
    let mut texts = seen[0].0.clone();
    texts.sort_unstable();
    texts.dedup();
    assert_eq!(texts.len(), count, "none twice");
    let longest = seen.iter().map(|(_, longest)| *longest).max().unwrap();
    println!(
        "{count} messages of {PEOPLE} people said in {:.2} s, read by all in {:.2} s; the longest way took {} ms",
        said_in.as_secs_f64(),
        start.elapsed().as_secs_f64(),
        longest.as_millis()
    );
}
