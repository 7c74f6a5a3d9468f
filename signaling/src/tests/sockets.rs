//! Real sockets on loopback: frames, floods, deadlines and closes.

use super::house::{House, with_policy};
use crate::rate::Rate;
use crate::{Policy, Settings};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// A house that is listening.
pub(super) async fn open(settings: Settings) -> (House, SocketAddr) {
    let house = House::with(settings, 4096);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = house.signaling.router().into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    (house, address)
}

pub(super) struct Socket(pub(super) WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(super) async fn connect(address: SocketAddr) -> Self {
        let (stream, _) = connect_async(format!("ws://{address}/ws")).await.unwrap();
        let mut socket = Self(stream);
        let hello = socket.next().await;
        assert_eq!((&hello["type"], &hello["protocol"]), (&json!("hello"), &json!(1)));
        socket
    }

    pub(super) async fn joined(address: SocketAddr, room: &str) -> (Self, Value) {
        let mut socket = Self::connect(address).await;
        socket.send(json!({"type": "join-room", "roomId": room})).await;
        let joined = socket.until("room-joined").await;
        (socket, joined)
    }

    pub(super) async fn send(&mut self, message: Value) {
        self.raw(Message::Text(message.to_string().into())).await;
    }

    /// The same where the socket may be closed already.
    pub(super) async fn try_send(&mut self, message: Value) -> Result<(), Error> {
        self.0.send(Message::Text(message.to_string().into())).await
    }

    pub(super) async fn raw(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    /// The next message; a close as `{closed: code}`.
    async fn next(&mut self) -> Value {
        loop {
            match self.0.next().await {
                Some(Ok(Message::Text(text))) => return serde_json::from_str(&text).unwrap(),
                Some(Ok(Message::Close(frame))) => return json!({"closed": frame.map(|frame| u16::from(frame.code))}),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return json!({"closed": null}),
            }
        }
    }

    /// The next message of that type, others left out.
    pub(super) async fn until(&mut self, kind: &str) -> Value {
        loop {
            let message = self.next().await;
            assert!(message.get("closed").is_none(), "{message} instead of {kind}");
            if message["type"] == kind {
                return message;
            }
        }
    }

    /// The code that the server closes with.
    pub(super) async fn closed(&mut self) -> Value {
        loop {
            if let Some(code) = self.next().await.get("closed") {
                return code.clone();
            }
        }
    }
}

#[tokio::test]
async fn frames_that_are_no_messages_get_errors_and_the_socket_goes_on() {
    let (_house, address) = open(Settings::default()).await;
    let mut socket = Socket::connect(address).await;
    for (frame, code) in [
        (Message::Binary(vec![1, 2, 3].into()), "bad-frame"),
        (Message::Text("not JSON".into()), "bad-frame"),
        (Message::Text(r#"{"type":"send-message","roomId":"abc","text":"\udc00"}"#.into()), "bad-frame"),
        (Message::Text(r#"{"type":"dance"}"#.into()), "unknown-type"),
        (Message::Text(r#"{"type":"ping","loud":true}"#.into()), "bad-message"),
        (Message::Text(r#"{"type":"typing","roomId":"abc","typing":true}"#.into()), "not-joined"),
    ] {
        socket.raw(frame).await;
        assert_eq!(socket.until("error").await["code"], code);
    }
    socket.send(json!({"type": "ping", "id": "p"})).await;
    assert_eq!(socket.next().await, json!({"type": "pong", "id": "p"}));
}

#[tokio::test]
async fn frames_that_are_too_large_close_the_socket() {
    let (house, address) = open(Settings::default()).await;
    house.create(json!({"roomId": "abc"})).await;
    let (mut witness, _) = Socket::joined(address, "abc").await;
    for bytes in [Settings::default().max_frame_bytes + 1, 10 << 20] {
        let (mut socket, _) = Socket::joined(address, "abc").await;
        witness.until("user-joined").await;
        // The server may hang up before all of it is sent; what it said comes first, the close may be lost to the reset.
        let _ = socket.0.send(Message::Text("x".repeat(bytes).into())).await;
        assert_eq!(socket.until("error").await["code"], "frame-too-large");
        let closed = socket.closed().await;
        assert!(closed.is_null() || closed == 1009, "{closed}");
    }
    witness.send(json!({"type": "ping"})).await;
    assert_eq!(witness.next().await["type"], "pong");
    assert_eq!(house.errors(), [(crate::protocol::ErrorCode::FrameTooLarge, 2)]);
}

#[tokio::test]
async fn text_that_is_not_utf8_closes_the_socket() {
    let (_house, address) = open(Settings::default()).await;
    let mut socket = Socket::connect(address).await;
    use tokio_tungstenite::tungstenite::protocol::frame::Frame;
    use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
    socket.raw(Message::Frame(Frame::message(vec![0xff, 0xfe], OpCode::Data(Data::Text), true))).await;
    socket.closed().await;
}

#[tokio::test]
async fn a_flood_is_closed_and_others_notice_nothing() {
    let (house, address) = open(Settings::default()).await;
    house.create(json!({"roomId": "abc"})).await;
    let (mut ana, _) = Socket::joined(address, "abc").await;
    let (mut bo, _) = Socket::joined(address, "abc").await;
    let (flooder, joined) = Socket::joined(address, "abc").await;
    let (mut sink, stream) = flooder.0.split();
    let flood = tokio::spawn(async move {
        let frame = json!({"type": "typing", "roomId": "abc", "typing": true}).to_string();
        for _ in 0..10_000 {
            if sink.feed(Message::Text(frame.clone().into())).await.is_err() {
                break;
            }
        }
        let _ = sink.flush().await;
        sink
    });
    // Meanwhile the others talk; each message comes, in order.
    for number in 1..=50_u64 {
        ana.send(json!({"type": "send-message", "roomId": "abc", "text": number.to_string()})).await;
        let heard = bo.until("message-received").await;
        assert_eq!((&heard["seq"], &heard["text"]), (&json!(number), &json!(number.to_string())));
    }
    let mut flooder = Socket(flood.await.unwrap().reunite(stream).unwrap());
    let (mut warned, mut received) = (0, 1);
    let closed = loop {
        let message = flooder.next().await;
        if let Some(code) = message.get("closed") {
            break code.clone();
        }
        warned += usize::from(message["code"] == "rate-limited");
        received += 1;
    };
    assert!(warned >= 1 || closed.is_null(), "{warned} {closed}");
    assert!(closed == 1008 || closed.is_null(), "{closed}");
    // Its participant stays for the grace period.
    assert_eq!(house.signaling.stats().participants, 3);
    let dropped = house.signaling.stats().messages.dropped.sum();
    assert!(dropped >= 900, "{dropped}");
    // The error that closed the socket was counted on both sides: the session goes on where it was.
    if closed == 1008 {
        let mut again = Socket::connect(address).await;
        again.send(json!({"type": "resume", "resumeToken": joined["resumeToken"], "received": received})).await;
        assert_eq!(again.until("resumed").await["participantId"], joined["participantId"]);
    }
}

#[tokio::test]
async fn a_steady_trickle_beyond_the_rate_is_warned_and_survives() {
    let slow = Rate { per_second: 0.001, burst: 5.0 };
    let (_house, address) = open(Settings { messages: slow, ..Settings::default() }).await;
    let mut socket = Socket::connect(address).await;
    for _ in 0..20 {
        socket.send(json!({"type": "ping"})).await;
    }
    for _ in 0..5 {
        assert_eq!(socket.next().await["type"], "pong");
    }
    assert_eq!(socket.next().await["code"], "rate-limited");
    for _ in 0..100 {
        // The server closes in the middle of these.
        let _ = socket.0.send(Message::Ping(vec![].into())).await;
    }
    assert!([json!(1008), Value::Null].contains(&socket.closed().await));
}

#[tokio::test]
async fn a_socket_that_joins_nothing_is_closed() {
    let (house, address) = open(Settings::default()).await;
    house.create(json!({"roomId": "abc"})).await;
    let (mut member, _) = Socket::joined(address, "abc").await;
    let mut idler = Socket::connect(address).await;
    // From here on time passes when nobody has anything to do.
    tokio::time::pause();
    assert_eq!(idler.closed().await, 1008);
    // The deadline is for those in no room: a member is closed only once it left.
    member.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    member.until("room-left").await;
    assert_eq!(member.closed().await, 1008);
}

#[tokio::test]
async fn a_silent_socket_is_closed_and_may_resume() {
    // Without pings the client has nothing to answer.
    let settings = Settings { ping_interval: Duration::from_secs(3600), ..Settings::default() };
    let (house, address) = open(settings).await;
    house.create(json!({"roomId": "abc"})).await;
    let (mut socket, joined) = Socket::joined(address, "abc").await;
    tokio::time::pause();
    assert_eq!(socket.closed().await, 1008);
    tokio::time::resume();
    let mut again = Socket::connect(address).await;
    again.send(json!({"type": "resume", "resumeToken": joined["resumeToken"], "received": 1})).await;
    assert_eq!(again.until("resumed").await["participantId"], joined["participantId"]);
}

#[tokio::test]
async fn pongs_keep_a_socket_and_acknowledge_what_came() {
    let settings = Settings { ping_interval: Duration::from_millis(5), ..Settings::default() };
    let (house, address) = open(settings).await;
    house.create(json!({"roomId": "abc"})).await;
    let (mut socket, joined) = Socket::joined(address, "abc").await;
    // Reading answers the pings; any that comes after `room-joined` acknowledges it.
    let mut pings = 0;
    while pings < 3 {
        if let Some(Ok(Message::Ping(_))) = socket.0.next().await {
            pings += 1;
        }
    }
    socket.send(json!({"type": "ping"})).await;
    socket.until("pong").await;
    // What was acknowledged is not held any more: the count 0 cannot be served.
    drop(socket);
    let mut again = Socket::connect(address).await;
    again.send(json!({"type": "resume", "resumeToken": joined["resumeToken"], "received": 0})).await;
    assert_eq!(again.until("error").await["code"], "resume-failed");
    again.send(json!({"type": "resume", "resumeToken": joined["resumeToken"], "received": 1})).await;
    again.until("resumed").await;
}

#[tokio::test]
async fn what_is_long_comes_in_fragments_and_is_acknowledged_soon() {
    let settings = Settings { ping_interval: Duration::from_secs(3600), ..Settings::default() };
    let (house, address) = open(settings).await;
    house.create(json!({"roomId": "abc"})).await;
    let (mut ana, _) = Socket::joined(address, "abc").await;
    let (mut bo, _) = Socket::joined(address, "abc").await;
    // Characters of three bytes, so that fragments end within them.
    let said = "\u{4f60}\u{597d}".repeat(800);
    for _ in 0..2 {
        ana.send(json!({"type": "send-message", "roomId": "abc", "text": said})).await;
        for socket in [&mut ana, &mut bo] {
            assert_eq!(socket.until("message-received").await["text"], said);
        }
    }
    // Nothing is pinged for an hour but what is long.
    for socket in [&mut ana, &mut bo] {
        assert!(matches!(socket.0.next().await, Some(Ok(Message::Ping(_)))));
    }
}

#[tokio::test]
async fn requests_that_ask_for_no_websocket_are_told_how_to() {
    let (_house, address) = open(Settings::default()).await;
    let handshake = "GET /ws HTTP/1.1\r\nHost: parlor\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                     Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (from, to, status) in [
        ("", "", "101 Switching Protocols"),
        ("Upgrade: websocket\r\n", "", "426 Upgrade Required"),
        ("Connection: keep-alive, Upgrade\r\n", "", "426 Upgrade Required"),
        ("Version: 13", "Version: 8", "426 Upgrade Required"),
        ("Sec-WebSocket-Key", "X-Key", "400 Bad Request"),
        ("GET", "POST", "405 Method Not Allowed"),
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = handshake.replacen(from, to, 1) + "\r\n";
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let mut lines = BufReader::new(stream).lines();
        while let Some(line) = lines.next_line().await.unwrap().filter(|line| !line.is_empty()) {
            answer += &format!("{line}\n").to_lowercase();
        }
        assert!(answer.starts_with(&format!("http/1.1 {status}\n").to_lowercase()), "{request}{answer}");
        // RFC 6455, section 1.3.
        let accepts = answer.contains("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\n");
        assert_eq!(accepts, status.starts_with("101"), "{answer}");
        let says_what_to = answer.contains("upgrade: websocket\n") && answer.contains("sec-websocket-version: 13\n");
        assert_eq!(says_what_to, status.starts_with("426"), "{answer}");
    }
}

#[tokio::test]
async fn a_displaced_socket_is_told_and_closed() {
    let (house, address) = open(Settings::default()).await;
    house.create(json!({"roomId": "abc"})).await;
    let (mut first, joined) = Socket::joined(address, "abc").await;
    let mut second = Socket::connect(address).await;
    second.send(json!({"type": "resume", "resumeToken": joined["resumeToken"], "id": "r"})).await;
    let resumed = second.until("resumed").await;
    assert_eq!(resumed["id"], "r");
    assert_ne!(resumed["resumeToken"], joined["resumeToken"]);
    assert_eq!(first.until("error").await["code"], "displaced");
    assert_eq!(first.closed().await, 1008);
    second.send(json!({"type": "send-message", "roomId": "abc", "text": "x"})).await;
    assert_eq!(second.until("message-received").await["text"], "x");
}

#[tokio::test]
async fn a_page_that_goes_away_leaves_and_a_broken_socket_does_not() {
    let (house, address) = open(Settings::default()).await;
    house.create(json!({"roomId": "abc"})).await;
    let (mut witness, _) = Socket::joined(address, "abc").await;
    let (broken, _) = Socket::joined(address, "abc").await;
    drop(broken);
    let (mut closer, _) = Socket::joined(address, "abc").await;
    closer.0.close(None).await.unwrap();
    let (mut page, joined) = Socket::joined(address, "abc").await;
    page.0.close(Some(CloseFrame { code: 1001.into(), reason: "".into() })).await.unwrap();
    let left = witness.until("user-left").await;
    assert_eq!((&left["participantId"], &left["reason"]), (&joined["participantId"], &json!("left")));
    assert_eq!(left["participantCount"], 3);
}

#[tokio::test]
async fn sockets_are_bounded_and_foreign_pages_refused() {
    let (house, address) = open(with_policy(Policy { max_sockets: 1, ..Policy::default() })).await;
    let socket = Socket::connect(address).await;
    let status = |error: Error| match error {
        Error::Http(response) => response.status().as_u16(),
        other => panic!("{other}"),
    };
    let url = format!("ws://{address}/ws");
    assert_eq!(status(connect_async(&url).await.unwrap_err()), 503);
    let mut request = url.as_str().into_client_request().unwrap();
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert_eq!(status(connect_async(request).await.unwrap_err()), 403);
    assert_eq!(house.signaling.stats().sockets.refused.sum(), 2);
    drop(socket);
    house.board().gate.until_empty().await;
    let mut request = url.as_str().into_client_request().unwrap();
    request.headers_mut().insert("origin", format!("http://{address}").parse().unwrap());
    connect_async(request).await.unwrap();
}

#[tokio::test]
async fn a_stop_is_told_to_every_socket() {
    let (house, address) = open(Settings::default()).await;
    house.create(json!({"roomId": "abc"})).await;
    let (mut member, _) = Socket::joined(address, "abc").await;
    let mut stranger = Socket::connect(address).await;
    let told = tokio::spawn(async move {
        assert_eq!(member.until("room-left").await["reason"], "server-shutdown");
        assert_eq!(member.closed().await, 1012);
        assert_eq!(stranger.closed().await, 1012);
    });
    house.signaling.shutdown().await;
    told.await.unwrap();
    assert_eq!(house.signaling.stats().sockets.open, 0);
    assert!(connect_async(format!("ws://{address}/ws")).await.is_err());
}
