//! WebSockets, and what is said on them and on data channels.

use super::super::house::{House, with_policy};
use super::super::sockets::{Socket, open};
use super::counted;
use crate::protocol::{ClientType, ServerType};
use crate::rate::Rate;
use crate::stats::{Carrier, Limit, SocketEnd, Turned};
use crate::{Policy, Settings};
use bytes::Bytes;
use parlor_media::command::{Channel, Event};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

/// Waits until so many sockets have ended, and returns how.
async fn ends(house: &House, sockets: u64) -> Vec<(SocketEnd, u64)> {
    let all = async {
        while house.signaling.stats().sockets.closed.sum() < sockets {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), all).await.unwrap();
    counted(&house.signaling.stats().sockets.closed)
}

#[tokio::test]
async fn sockets_are_counted_from_their_opening_to_their_end() {
    let (house, address) = open(Settings { max_frame_bytes: 1024, ..Settings::default() }).await;
    house.create(json!({"roomId": "abc"})).await;
    let mut closing = Socket::connect(address).await;
    let lost = Socket::connect(address).await;
    let (mut displaced, joined) = Socket::joined(address, "abc").await;
    let mut large = Socket::connect(address).await;
    let sockets = house.signaling.stats().sockets;
    assert_eq!((sockets.open, sockets.opened, sockets.closed.sum()), (4, 4, 0));

    closing.0.close(None).await.unwrap();
    drop(lost);
    let mut second = Socket::connect(address).await;
    second.send(json!({"type": "resume", "resumeToken": joined["resumeToken"]})).await;
    second.until("resumed").await;
    displaced.closed().await;
    large.raw(Message::Text("x".repeat(1025).into())).await;
    large.closed().await;
    let expected = [(SocketEnd::Client, 1), (SocketEnd::Lost, 1), (SocketEnd::Displaced, 1), (SocketEnd::TooLarge, 1)];
    assert_eq!(ends(&house, 4).await, expected);

    let told = tokio::spawn(async move { second.closed().await });
    house.signaling.shutdown().await;
    told.await.unwrap();
    assert_eq!(ends(&house, 5).await.last(), Some(&(SocketEnd::Stopping, 1)));
    let sockets = house.signaling.stats().sockets;
    assert_eq!((sockets.open, sockets.opened), (0, 5));
}

#[tokio::test]
async fn sockets_that_the_server_closes_are_counted_by_its_reason() {
    let settings = Settings { messages: Rate { per_second: 0.001, burst: 1.0 }, ..Settings::default() };
    let (house, address) = open(settings).await;
    house.create(json!({"roomId": "abc"})).await;
    let (mut flood, _) = Socket::joined(address, "abc").await;
    for _ in 0..20 {
        // It may be closed by then.
        let _ = flood.try_send(json!({"type": "ping"})).await;
    }
    flood.closed().await;
    assert_eq!(ends(&house, 1).await, [(SocketEnd::Flood, 1)]);
    // Ten times the burst was put up with, and one closed it.
    assert_eq!(counted(&house.signaling.stats().messages.dropped), [(Carrier::Socket, 11)]);

    let (house, address) = open(Settings { join_deadline: Duration::from_millis(50), ..Settings::default() }).await;
    Socket::connect(address).await.closed().await;
    assert_eq!(ends(&house, 1).await, [(SocketEnd::NoJoin, 1)]);
}

#[tokio::test]
async fn sockets_that_are_not_let_in_are_counted_by_cause() {
    let policy = Policy {
        max_sockets: 2,
        max_sockets_per_address: 1,
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..Policy::default()
    };
    let (house, address) = open(with_policy(policy)).await;
    let knock = async |header: &'static str, value: &str| {
        let mut request = format!("ws://{address}/ws").into_client_request().unwrap();
        request.headers_mut().insert(header, value.parse().unwrap());
        connect_async(request).await.map(|(socket, _)| socket)
    };
    let _one = knock("x-forwarded-for", "192.0.2.1").await.unwrap();
    knock("x-forwarded-for", "192.0.2.1").await.unwrap_err();
    let _other = knock("x-forwarded-for", "192.0.2.2").await.unwrap();
    knock("x-forwarded-for", "192.0.2.3").await.unwrap_err();
    knock("origin", "https://evil.example").await.unwrap_err();
    house.board().stopping.send_replace(true);
    knock("x-forwarded-for", "192.0.2.3").await.unwrap_err();
    let stats = house.signaling.stats();
    let expected = [(Turned::Limit, 1), (Turned::Address, 1), (Turned::Origin, 1), (Turned::Stopping, 1)];
    assert_eq!(counted(&stats.sockets.refused), expected);
    assert_eq!(counted(&stats.limits), [(Limit::Connections, 1), (Limit::ConnectionsPerAddress, 1)]);
}

#[tokio::test]
async fn messages_are_counted_by_type_and_by_no_word_of_the_clients() {
    let (house, address) = open(Settings::default()).await;
    let mut socket = Socket::connect(address).await;
    socket.send(json!({"type": "ping"})).await;
    socket.until("pong").await;
    for number in 0..20 {
        let made_up = [
            Message::Text(json!({"type": format!("dance-{number}")}).to_string().into()),
            Message::Text(format!("{{\"type\":\"ping\",\"loud\":{number}}}").into()),
            Message::Binary(vec![number].into()),
        ];
        for frame in made_up {
            socket.raw(frame).await;
            socket.until("error").await;
        }
    }
    let messages = house.signaling.stats().messages;
    let socket = |kind| (Carrier::Socket, kind);
    assert_eq!(counted(&messages.received), [(socket(ClientType::Ping), 1), (socket(ClientType::Invalid), 60)]);
    let sent = |kind| (Carrier::Socket, kind);
    let expected = [(sent(ServerType::Hello), 1), (sent(ServerType::Pong), 1), (sent(ServerType::Error), 60)];
    assert_eq!(counted(&messages.sent), expected);
}

#[tokio::test]
async fn messages_of_data_channels_are_counted_as_such() {
    let settings = Settings { messages: Rate { per_second: 0.001, burst: 3.0 }, ..Settings::default() };
    let house = House::with(settings, 256);
    house.create(json!({"roomId": "abc"})).await;
    let ana = house.joined("abc", "Ana").await;
    let (participant, channel) = (ana.participant(), Channel::Chat);
    house.event(Event::ChannelOpened { participant, channel, opening: 1 });
    let data = |message: Value| {
        let text = Bytes::from(message.to_string());
        house.event(Event::Data { participant, channel, text });
    };
    data(json!({"type": "send-message", "roomId": "abc", "text": "x"}));
    data(json!({"type": "leave-room", "roomId": "abc"}));
    data(json!({"type": "dance"}));
    data(json!({"type": "send-message", "roomId": "abc", "text": "too much"}));
    let messages = house.signaling.stats().messages;
    let received = |kind| (Carrier::DataChannel, kind);
    let expected = [
        (received(ClientType::LeaveRoom), 1),
        (received(ClientType::SendMessage), 1),
        (received(ClientType::Invalid), 1),
    ];
    assert_eq!(counted(&messages.received), expected);
    assert_eq!(counted(&messages.sent), [((Carrier::DataChannel, ServerType::MessageReceived), 1)]);
    assert_eq!(counted(&messages.dropped), [(Carrier::DataChannel, 1)]);
    assert_eq!(messages.chat, 1);
}
