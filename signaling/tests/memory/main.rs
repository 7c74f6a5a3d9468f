//! What a participant's session costs in memory, and that it leaves nothing behind: the process's bytes on the heap, counted
//! exactly. Figures are printed with `--nocapture`; `PARLOR_JOINS` sets how many come and go.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed expectation is a failed test")]
#![allow(clippy::print_stdout, reason = "the figures for the document")]

mod heap;
mod socket;

use heap::live;
use parlor_signaling::{Announce, Policy, Settings, ShardHandle, Signaling, Storage, StoreUrl};
use serde_json::{Value, json};
use socket::Socket;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

const KIB: f64 = 1_024.0;

/// People at a time.
const CROWD: usize = 50;

/// A server whose store is on disk: it keeps the log of who was there, which in memory would count.
async fn serve(directory: &Path) -> SocketAddr {
    let (sender, mut commands) = mpsc::channel(256);
    tokio::spawn(async move { while commands.recv().await.is_some() {} });
    let everybody_is_here = Policy { max_sockets_per_address: 1_000, ..Policy::default() };
    let settings = Settings { first_policy: everybody_is_here, ..Settings::default() };
    let shard = ShardHandle::new(sender, Arc::new(|| {}), 7900);
    let url = format!("sqlite:{}/parlor.db", directory.display());
    let storage = Storage::open(&StoreUrl::parse(&url).unwrap()).await.unwrap();
    let signaling = Signaling::new(settings, Announce::default(), storage, vec![shard]);
    let (journal, timers) = (signaling.clone(), signaling.clone());
    tokio::spawn(async move { journal.run_journal().await });
    tokio::spawn(async move { timers.run_timers().await });
    let service = signaling.router().into_make_service_with_connect_info::<SocketAddr>();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

async fn create(address: SocketAddr) -> String {
    let body = json!({"history": "none"}).to_string();
    let request = format!(
        "POST /api/rooms HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    let body: Value = serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"));
    body["room"]["roomId"].as_str().unwrap().to_owned()
}

/// Somebody in each room of four, until there are so many.
async fn join_all(address: SocketAddr, rooms: &[String], count: usize) -> Vec<Socket> {
    let mut sockets = Vec::with_capacity(count);
    for room in rooms.iter().cycle().take(count) {
        let mut socket = Socket::open(address).await;
        socket.say(&json!({"type": "join-room", "roomId": room, "displayName": "Somebody"}).to_string()).await;
        socket.await_text("\"room-joined\"").await;
        sockets.push(socket);
    }
    sockets
}

async fn rooms(address: SocketAddr) -> Vec<String> {
    let mut rooms = Vec::new();
    for _ in 0..CROWD / 4 {
        rooms.push(create(address).await);
    }
    rooms
}

/// Lets the server finish what it still has to do for those who came or left, such as writing the log and forgetting how
/// often they came: until nothing changes any more.
async fn settle() {
    let mut before = 0;
    while before != live() {
        before = live();
        tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    }
}

async fn come_and_go(address: SocketAddr, rooms: &[String], joins: usize) {
    for _ in 0..joins / CROWD {
        for socket in join_all(address, rooms, CROWD).await {
            socket.leave().await;
        }
    }
    settle().await;
}

#[tokio::test]
async fn sessions_are_small_and_leave_nothing_behind() {
    let joins: usize = std::env::var("PARLOR_JOINS").map_or(1_000, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let address = serve(directory.path()).await;
    let rooms = rooms(address).await;
    // What is made once, and the capacity that a crowd of this size needs.
    come_and_go(address, &rooms, joins / 10).await;

    let before = live();
    let crowd = join_all(address, &rooms, CROWD).await;
    settle().await;
    let each = (live() - before) / CROWD as isize;
    println!("a session with its socket: {:.1} KiB", each as f64 / KIB);
    assert!(each < 24 * 1_024, "{each} bytes");
    for socket in crowd {
        socket.leave().await;
    }
    settle().await;

    let before = live();
    come_and_go(address, &rooms, joins).await;
    let after = live();
    println!("the heap after {} joins: {before} bytes; after {} more: {after}", joins / 10 + CROWD, joins);
    assert!(after <= before + before / 20, "{before} bytes became {after}");
}
