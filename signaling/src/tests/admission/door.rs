//! The rules of the door, and their order.

use super::super::house::{House, pass};
use super::{arrive, inside, refusal, secret};
use crate::visitor::Whence;
use serde_json::{Value, json};

#[tokio::test]
async fn a_host_secret_makes_a_host_and_a_wrong_one_is_never_none() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc"})).await;
    let other = house.create(json!({"roomId": "other"})).await;
    let (_, joined) = inside(&house, "abc", json!({"hostSecret": secret(&host)})).await;
    assert_eq!((&joined["role"], &joined["participants"][0]["role"]), (&json!("host"), &json!("host")));
    for wrong in [secret(&other), "host_", "", &"0".repeat(64), &format!("host_{}", "0".repeat(64))] {
        assert_eq!(refusal(&house, "abc", json!({"hostSecret": wrong})).await, "token-invalid", "{wrong}");
    }
    let (_, joined) = inside(&house, "abc", json!({})).await;
    assert_eq!(joined["role"], "speaker");
}

#[tokio::test]
async fn newcomers_are_what_the_room_makes_of_them() {
    let house = House::new();
    house.create(json!({"roomId": "abc", "joinAs": "listener"})).await;
    let (_, joined) = inside(&house, "abc", json!({})).await;
    assert_eq!(joined["role"], "listener");
    assert_eq!(joined["rights"], json!({"audio": false, "video": false, "screen": false, "chat": true}));
    assert_eq!(joined["room"]["joinAs"], "listener");
    assert_eq!(joined["lastSeq"], 0);
    assert!(joined["accessToken"].as_str().unwrap().starts_with("access_"));
}

#[tokio::test(start_paused = true)]
async fn a_room_opens_at_its_time_and_for_hosts_before() {
    let house = House::new();
    let opening = super::super::house::wall_clock() + std::time::Duration::from_secs(60);
    let host = house.create(json!({"roomId": "abc", "notBefore": opening})).await;
    assert_eq!(refusal(&house, "abc", json!({})).await, "room-not-open");
    inside(&house, "abc", json!({"hostSecret": secret(&host)})).await;
    pass(60.0).await;
    inside(&house, "abc", json!({})).await;
}

#[tokio::test]
async fn a_locked_room_is_for_hosts() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc", "locked": true})).await;
    assert_eq!(refusal(&house, "abc", json!({"displayName": "The host"})).await, "room-locked");
    inside(&house, "abc", json!({"hostSecret": secret(&host)})).await;
}

#[tokio::test]
async fn a_password_is_asked_for_and_compared() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc", "password": "open sesame"})).await;
    assert_eq!(refusal(&house, "abc", json!({})).await, "password-required");
    for wrong in ["", "open", "Open sesame", "open sesame ", &"x".repeat(8000)] {
        assert_eq!(refusal(&house, "abc", json!({"password": wrong})).await, "password-wrong", "{wrong}");
    }
    inside(&house, "abc", json!({"password": "open sesame"})).await;
    inside(&house, "abc", json!({"hostSecret": secret(&host)})).await;
}

#[tokio::test]
async fn after_too_many_wrong_passwords_the_right_one_is_refused_for_a_while() {
    let house = House::new();
    house.create(json!({"roomId": "abc", "password": "open sesame"})).await;
    let attempt = async |address: &str, password: &str| {
        let mut client = house.client();
        let whence = Whence { address: Some(address.parse().unwrap()), on_loopback: false };
        let text = super::join("abc", json!({"password": password})).to_string();
        let frame = crate::protocol::ClientFrame::parse(&text).unwrap();
        match house.board().handle(&client.session, whence, frame).await {
            Ok(()) => client.next()["type"].clone(),
            Err(refusal) => json!(refusal.code),
        }
    };
    let allowed = house.board().policy().rates.failed_passwords.burst as usize;
    // Right ones are not counted.
    for _ in 0..allowed + 2 {
        assert_eq!(attempt("192.0.2.1", "open sesame").await, "room-joined");
    }
    for _ in 0..allowed {
        assert_eq!(attempt("192.0.2.1", "x").await, "password-wrong");
    }
    assert_eq!(attempt("192.0.2.1", "x").await, "rate-limited");
    assert_eq!(attempt("192.0.2.1", "open sesame").await, "rate-limited");
    assert_eq!(attempt("192.0.2.2", "open sesame").await, "room-joined");
}

/// Each door in the order of the rules, with every later one shut too: only the first is told of.
#[tokio::test]
async fn nobody_learns_of_a_later_rule_before_the_earlier_ones_are_passed() {
    let house = House::new();
    let key = json!({"guestKey": "0123456789abcdef"});
    let host = house.create(json!({"roomId": "abc", "maxParticipants": 1, "lobby": true})).await;
    let (_host, _) = inside(&house, "abc", json!({"hostSecret": secret(&host)})).await;
    let patch = async |body: Value| {
        let (status, body) = house.request_as(&host, "PATCH", "/api/rooms/abc", Some(body)).await;
        assert_eq!(status.as_u16(), 200, "{body}");
    };
    assert_eq!(refusal(&house, "abc", key.clone()).await, "room-full");
    patch(json!({"password": "open sesame"})).await;
    assert_eq!(refusal(&house, "abc", key.clone()).await, "password-required");
    patch(json!({"locked": true})).await;
    assert_eq!(refusal(&house, "abc", json!({"guestKey": "0123456789abcdef", "password": "x"})).await, "room-locked");
    patch(json!({"notBefore": "2026-12-01T00:00:00.000Z"})).await;
    assert_eq!(refusal(&house, "abc", key.clone()).await, "room-not-open");
    let banned = crate::admission::guest_of_key("0123456789abcdef");
    house.board().room(&crate::protocol::RoomCode::parse("abc").unwrap()).unwrap().lock().record.banned.push(banned);
    assert_eq!(refusal(&house, "abc", key).await, "banned");
    assert_eq!(refusal(&house, "abc", json!({"guestKey": "another key of 16"})).await, "room-not-open");
}

#[tokio::test]
async fn guests_are_known_by_their_key_and_never_by_their_name() {
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    let identity = async |fields: Value| inside(&house, "abc", fields).await.1["identity"].clone();
    let ana = identity(json!({"guestKey": "0123456789abcdef", "displayName": "Ana"})).await;
    assert_eq!(ana.as_str().unwrap().len(), "guest-".len() + 13);
    assert_eq!(identity(json!({"guestKey": "0123456789abcdef", "displayName": "Somebody"})).await, ana);
    assert_ne!(identity(json!({"guestKey": "0123456789abcdeg", "displayName": "Ana"})).await, ana);
    let (_, joined) = inside(&house, "abc", json!({"displayName": "Ana"})).await;
    let digits = &joined["participantId"].as_str().unwrap()[1..];
    assert_eq!(joined["identity"], format!("guest-{digits}"));
    for wrong in ["0123456789abcde", &"x".repeat(129)] {
        let (_, error) = arrive(&house, "abc", json!({ "guestKey": wrong })).await;
        assert_eq!((&error["code"], &error["field"]), (&json!("bad-message"), &json!("guestKey")));
        assert!(!error["message"].as_str().unwrap().contains("0123456789"));
    }
}

#[tokio::test]
async fn credentials_reach_neither_debug_output_nor_errors() {
    let fields = json!({"token": "s3cret", "hostSecret": "s3cret", "invite": "s3cret", "password": "s3cret",
        "guestKey": "s3cret0123456789"});
    let message = super::join("abc", fields);
    let frame = crate::protocol::ClientFrame::parse(&message.to_string()).unwrap();
    assert!(!format!("{frame:?}").contains("s3cret"));
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    for name in ["token", "hostSecret", "invite"] {
        let (_, error) = arrive(&house, "abc", json!({ name: "s3cret" })).await;
        assert_eq!(error["type"], "error");
        assert!(!error.to_string().contains("s3cret"), "{error}");
    }
}
