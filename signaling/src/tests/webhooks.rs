//! Where events come from: a room's life, told to a receiver on loopback.

use super::house::House;
use crate::{Settings, WebhookSettings};
use axum::Router;
use axum::body::Bytes;
use axum::routing::post;
use serde_json::{Value, json};
use tokio::sync::mpsc;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A house whose events arrive at the channel.
async fn observed(include_text: bool) -> (House, mpsc::Receiver<Value>) {
    let (sender, events) = mpsc::channel(64);
    let take = move |body: Bytes| async move {
        sender.send(serde_json::from_slice(&body).unwrap()).await.unwrap();
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/", post(take))).await });
    let webhooks = WebhookSettings::new(&[url], SECRET, include_text).unwrap();
    let house = House::with(Settings { webhooks, ..Settings::default() }, 256);
    let signaling = house.signaling.clone();
    tokio::spawn(async move { signaling.run_webhooks().await });
    (house, events)
}

#[tokio::test]
async fn a_rooms_life_is_told() {
    let (house, mut events) = observed(false).await;
    house.create(json!({"roomId": "abc", "name": "Team"})).await;
    let started = events.recv().await.unwrap();
    assert_eq!((&started["type"], &started["data"]["roomId"]), (&json!("room.started"), &json!("abc")));
    assert_eq!(started["data"]["name"], "Team");

    let mut ana = house.joined("abc", "Ana").await;
    let joined = events.recv().await.unwrap();
    assert_eq!(joined["type"], "participant.joined");
    let data = &joined["data"];
    assert_eq!((&data["participantId"], &data["displayName"]), (&json!(ana.id), &json!("Ana")));
    assert_eq!(data["role"], "speaker");

    ana.send(json!({"type": "send-message", "roomId": "abc", "text": "psst"})).await;
    let sent = events.recv().await.unwrap();
    assert_eq!((&sent["type"], &sent["data"]["seq"]), (&json!("message.sent"), &json!(1)));
    assert_eq!(sent["data"]["identity"], data["identity"]);
    assert!(!sent.to_string().contains("psst"));

    ana.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    let gone = events.recv().await.unwrap();
    assert_eq!((&gone["type"], &gone["data"]["reason"]), (&json!("participant.left"), &json!("left")));
    assert_eq!(gone["data"]["joinedAt"], data["joinedAt"]);

    let room = house.board().directory.rooms().remove(0);
    house.board().delete_room(&room, crate::protocol::server::Departure::RoomClosed).await.unwrap();
    let ended = events.recv().await.unwrap();
    assert_eq!((&ended["type"], &ended["data"]["reason"]), (&json!("room.ended"), &json!("room-closed")));
}

#[tokio::test]
async fn what_was_said_is_told_when_that_is_wanted() {
    let (house, mut events) = observed(true).await;
    house.create(json!({"roomId": "abc"})).await;
    let mut ana = house.joined("abc", "Ana").await;
    ana.send(json!({"type": "send-message", "roomId": "abc", "text": "psst"})).await;
    let mut next = events.recv().await.unwrap();
    while next["type"] != "message.sent" {
        next = events.recv().await.unwrap();
    }
    assert_eq!(next["data"]["text"], "psst");
}

#[tokio::test]
async fn a_stop_of_the_server_is_no_end_of_its_rooms() {
    let (house, mut events) = observed(false).await;
    house.create(json!({"roomId": "abc"})).await;
    let _ana = house.joined("abc", "Ana").await;
    house.signaling.shutdown().await;
    let mut types = Vec::new();
    for _ in 0..3 {
        types.push(events.recv().await.unwrap()["type"].as_str().unwrap().to_owned());
    }
    types.sort();
    assert_eq!(types, ["participant.joined", "participant.left", "room.started"]);
    assert_eq!(house.signaling.stats().webhooks.delivered + house.signaling.stats().webhooks.queued, 3);
}
