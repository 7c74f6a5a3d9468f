//! A server in this process, and many people in its rooms.

use futures_util::{SinkExt, StreamExt};
use parlor::server::Server;
use parlor_config::{Config, ConfigFile, Sources, load};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;

/// See the module. Everything ends with it.
pub(crate) struct Crowd {
    address: SocketAddr,
    _runtime: Runtime,
}

impl Crowd {
    /// Starts a server, and has `per_room` people join each of `rooms` rooms.
    pub(crate) fn gather(rooms: usize, per_room: usize) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let address = runtime.block_on(async {
            let server = Server::start(&config()).await.expect("a server");
            let address = server.address();
            let (requester, requests) = mpsc::channel(1);
            tokio::spawn(async move {
                let _nobody_asks = requester;
                server.run(requests).await
            });
            address
        });
        for room in 0..rooms {
            let body = json!({ "roomId": format!("room-{room}") }).to_string();
            let answer = request(address, "POST", "/api/rooms", &body);
            assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
        }
        runtime.block_on(async {
            for person in 0..rooms * per_room {
                join(address, &format!("room-{}", person / per_room), &format!("Person {person}")).await;
            }
        });
        Self { address, _runtime: runtime }
    }

    /// The text of a scrape.
    pub(crate) fn scrape(&self) -> String {
        let answer = request(self.address, "GET", "/metrics", "");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        answer
    }

    /// How long the shards' threads have worked, all together.
    pub(crate) fn busy_seconds(&self) -> f64 {
        let text = self.scrape();
        let lines = text.lines().filter(|line| line.starts_with("parlor_shard_busy_seconds_total{"));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }
}

/// Everything in memory, on ports that are free.
const CONFIG: &str = r#"
http.listen = "127.0.0.1:0"
media = { udp_port = 0, shards = 2 }
store.url = "memory:"
files.url = "off"
limits = { room_creations_per_minute = 1000000, joins_per_minute = 1000000 }
"#;

fn config() -> Config {
    let file = ConfigFile { path: "the benchmark's".to_owned(), text: CONFIG.to_owned() };
    load(&Sources { file: Some(file), ..Sources::default() }).expect("a configuration")
}

/// Joins, and listens until the end.
async fn join(address: SocketAddr, room: &str, name: &str) {
    let (mut socket, _) = connect_async(format!("ws://{address}/ws")).await.expect("a WebSocket");
    let join = json!({ "type": "join-room", "id": "1", "roomId": room, "displayName": name });
    socket.send(Message::text(join.to_string())).await.expect("sent");
    loop {
        let message = socket.next().await.expect("an answer").expect("an answer");
        let message: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
        match message["type"].as_str() {
            Some("room-joined") => break,
            Some("error") => panic!("{name} was not let in: {message}"),
            _ => {}
        }
    }
    tokio::spawn(async move { while let Some(Ok(_)) = socket.next().await {} });
}

/// The whole answer to a request on a connection of its own.
fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
