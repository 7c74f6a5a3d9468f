//! Somebody in a room: a webrtc-rs connection on a real UDP socket, with its WebSocket.

use crate::client::Client;
use futures_util::{FutureExt, SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Instant;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Of a receiver's socket: a few hundred packets.
const RECEIVE_BUFFER: usize = 1 << 20;

/// See the module.
pub(crate) struct Guest {
    pub(crate) client: Client,
    pub(crate) socket: UdpSocket,
    room: String,
    server: SocketAddr,
    signalling: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// A WebSocket on which somebody has joined a room.
pub(crate) async fn enter(address: SocketAddr, room: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
    let (mut socket, _) = connect_async(format!("ws://{address}/ws")).await.expect("a WebSocket");
    let join = json!({ "type": "join-room", "id": "1", "roomId": room, "followsBindings": false });
    socket.send(Message::text(join.to_string())).await.expect("sent");
    loop {
        let message = socket.next().await.expect("an answer").expect("an answer");
        let message: Value = serde_json::from_str(message.to_text().expect("text")).expect("JSON");
        match message["type"].as_str() {
            Some("room-joined") => return socket,
            Some("error") => panic!("nobody was let in: {message}"),
            _ => {}
        }
    }
}

impl Guest {
    /// Somebody who has joined by `signalling`, on the shard with this port.
    pub(crate) fn new(room: &str, signalling: WebSocketStream<MaybeTlsStream<TcpStream>>, port: u16) -> Self {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.set_nonblocking(true).expect("a socket that does not block");
        socket2::SockRef::from(&socket).set_recv_buffer_size(RECEIVE_BUFFER).expect("a buffer");
        let server = (Ipv4Addr::LOCALHOST, port).into();
        let client = Client::new(Instant::now(), socket.local_addr().expect("bound"), server);
        Self { client, socket, room: room.to_owned(), server, signalling }
    }

    /// Offers what it has.
    pub(crate) async fn offer(&mut self) {
        let sdp = self.client.offer(Instant::now());
        let offer = json!({ "type": "offer", "roomId": self.room, "offer": { "type": "offer", "sdp": sdp } });
        self.signalling.send(Message::text(offer.to_string())).await.expect("sent");
    }

    /// Does what is to be done now. Media is handed to the connection where `media` says so, and else left out.
    pub(crate) async fn turn(&mut self, media: bool) {
        while let Some(Some(message)) = self.signalling.next().now_or_never() {
            let message = message.expect("a message");
            assert!(!message.is_close(), "the server hung up: {message:?}");
            let Ok(text) = message.to_text() else { continue };
            let Ok(message) = serde_json::from_str::<Value>(text) else { continue };
            self.on_message(&message).await;
        }
        let mut buffer = [0; 2_048];
        while let Ok(len) = self.socket.recv(&mut buffer) {
            if media || !is_media(&buffer[..len]) {
                self.client.handle_datagram(Instant::now(), &buffer[..len]);
            }
        }
        if self.client.poll_timeout().is_some_and(|due| due <= Instant::now()) {
            self.client.handle_timeout(Instant::now());
        }
        self.flush();
    }

    /// Sends what waits.
    pub(crate) fn flush(&mut self) {
        while let Some(datagram) = self.client.poll_datagram() {
            // A full buffer is a lost packet.
            let _ = self.socket.send_to(&datagram, self.server);
        }
    }

    async fn on_message(&mut self, message: &Value) {
        let now = Instant::now();
        let sdp = |of: &str| message[of]["sdp"].as_str().expect("a description").to_owned();
        match message["type"].as_str() {
            Some("answer-received") => self.client.handle_answer(now, sdp("answer")),
            Some("offer-received") => {
                let sdp = self.client.answer(now, sdp("offer"));
                let answer = json!({ "type": "answer", "sdp": sdp });
                let negotiation = &message["negotiationId"];
                let answer =
                    json!({ "type": "answer", "roomId": self.room, "answer": answer, "negotiationId": negotiation });
                self.signalling.send(Message::text(answer.to_string())).await.expect("sent");
            }
            Some("error") => panic!("{message}"),
            _ => {}
        }
    }
}

/// RTP and not RTCP, STUN or DTLS (RFC 7983, RFC 5761).
pub(crate) fn is_media(datagram: &[u8]) -> bool {
    matches!(datagram, [first, second, ..] if first >> 6 == 2 && !(192..=223).contains(second))
}
