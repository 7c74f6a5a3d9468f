//! Waiting to be let in.

use super::super::house::{House, Member, pass};
use super::{arrive, inside, refusal, secret};
use serde_json::{Value, json};

/// A room with a lobby, its host, and the host's `Authorization`.
async fn room(house: &House) -> (Member, String) {
    let authorization = house.create(json!({"roomId": "abc", "lobby": true, "maxParticipants": 2})).await;
    let (host, _) = inside(house, "abc", json!({"hostSecret": secret(&authorization)})).await;
    (host, authorization)
}

async fn word(house: &House, host: &str, participant: &Value, word: &str) -> (u16, Value) {
    let path = format!("/api/rooms/abc/lobby/{}/{word}", participant.as_str().unwrap());
    let (status, body) = house.request_as(host, "POST", &path, None).await;
    (status.as_u16(), body)
}

#[tokio::test]
async fn who_is_admitted_joins_as_anybody_does() {
    let mut house = House::new();
    let (mut host, authorization) = room(&house).await;
    house.take_commands();
    let (mut ana, waiting) = arrive(&house, "abc", json!({"displayName": "Ana", "followsBindings": true})).await;
    assert_eq!((&waiting["type"], &waiting["roomId"]), (&json!("lobby-waiting"), &json!("abc")));
    assert_eq!(waiting["id"], "j");
    let told = host.next();
    assert_eq!((&told["type"], &told["displayName"]), (&json!("lobby-joined"), &json!("Ana")));
    assert_eq!(told["participantId"], waiting["participantId"]);
    assert!(house.take_commands().is_empty(), "the shard knows nothing of who waits");
    let (_, listed) = house.request_as(&authorization, "GET", "/api/rooms/abc/lobby", None).await;
    assert_eq!(listed["waiting"][0]["identity"], told["identity"]);
    let (_, users) = house.request_as(&authorization, "GET", "/api/rooms/abc/users", None).await;
    assert_eq!(users["participantCount"], 1);

    assert_eq!(word(&house, &authorization, &waiting["participantId"], "admit").await.0, 200);
    let joined = ana.next();
    assert_eq!((&joined["type"], &joined["participantId"]), (&json!("room-joined"), &waiting["participantId"]));
    assert_eq!((&joined["identity"], &joined["role"]), (&told["identity"], &json!("speaker")));
    assert_eq!(host.types(), ["lobby-left", "user-joined"]);
    assert_eq!(house.command_names(), ["Join"]);
    // The session is one to resume now.
    ana.lose_socket();
    let mut back = house.client();
    back.send(json!({"type": "resume", "resumeToken": joined["resumeToken"]})).await;
    back.send(json!({"type": "send-message", "roomId": "abc", "text": "Hello"})).await;
    assert_eq!(host.next()["text"], "Hello");
    // Nobody is admitted twice.
    let (status, problem) = word(&house, &authorization, &waiting["participantId"], "admit").await;
    assert_eq!((status, &problem["code"]), (404, &json!("user-not-found")));
}

#[tokio::test(start_paused = true)]
async fn who_is_denied_is_told_and_asks_no_more_for_a_minute() {
    let house = House::new();
    let (mut host, authorization) = room(&house).await;
    let key = json!({"guestKey": "0123456789abcdef"});
    let (mut ana, waiting) = arrive(&house, "abc", key.clone()).await;
    assert_eq!(word(&house, &authorization, &waiting["participantId"], "deny").await.0, 200);
    assert_eq!(ana.next(), json!({"type": "room-left", "roomId": "abc", "reason": "denied"}));
    assert_eq!(host.types(), ["lobby-joined", "lobby-left"]);
    assert_eq!(refusal(&house, "abc", key.clone()).await, "lobby-denied");
    assert_eq!(arrive(&house, "abc", json!({})).await.1["type"], "lobby-waiting");
    pass(60.0).await;
    assert_eq!(arrive(&house, "abc", key).await.1["type"], "lobby-waiting");
}

/// Whatever a client may send: while it waits it does nothing and learns nothing.
#[tokio::test]
async fn who_waits_can_only_leave_and_ping() {
    let mut house = House::new();
    let (mut host, _) = room(&house).await;
    let (mut ana, _) = arrive(&house, "abc", json!({})).await;
    host.all();
    house.take_commands();
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/protocol/client");
    for file in std::fs::read_dir(directory).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let mut message: Value = serde_json::from_str(&text).unwrap();
        if message.get("roomId").is_some() {
            message["roomId"] = json!("abc");
        }
        let expected = match message["type"].as_str().unwrap() {
            "leave-room" | "ping" => continue,
            "join-room" => "already-joined",
            // Of the house's client; `ws.rs` treats it alike.
            "resume" => "resume-failed",
            // What speaks of a data channel is not for sockets at all.
            "chat-received" => "not-allowed-here",
            _ => "not-joined",
        };
        assert_eq!(ana.refused(message.clone()).await["code"], expected, "{message}");
    }
    host.send(json!({"type": "send-message", "roomId": "abc", "text": "among us"})).await;
    host.send(json!({"type": "typing", "roomId": "abc", "typing": true})).await;
    assert!(ana.next().is_null(), "nothing of the room reaches who waits");
    assert!(house.take_commands().is_empty());
    ana.send(json!({"type": "ping", "id": "p"})).await;
    assert_eq!(ana.next()["type"], "pong");
    assert_eq!(ana.refused(json!({"type": "leave-room", "roomId": "other"})).await["code"], "wrong-room");
    ana.send(json!({"type": "leave-room", "roomId": "abc", "id": "l"})).await;
    assert_eq!(ana.next(), json!({"type": "room-left", "roomId": "abc", "reason": "left", "id": "l"}));
    assert_eq!(host.types().last().unwrap(), "lobby-left");
    // The socket may try again.
    ana.send(super::join("abc", json!({}))).await;
    assert_eq!(ana.next()["type"], "lobby-waiting");
}

#[tokio::test]
async fn hosts_learn_who_waits_when_they_come_and_others_never() {
    let house = House::new();
    let authorization = house.create(json!({"roomId": "abc", "lobby": true})).await;
    let (_bo, _) = arrive(&house, "abc", json!({"displayName": "Bo"})).await;
    let (_cy, _) = arrive(&house, "abc", json!({"displayName": "Cy"})).await;
    let (mut host, _) = inside(&house, "abc", json!({"hostSecret": secret(&authorization)})).await;
    let names: Vec<_> = host.all().iter().map(|told| told["displayName"].clone()).collect();
    assert_eq!(names, ["Bo", "Cy"]);
    let (_ana, waiting) = arrive(&house, "abc", json!({})).await;
    word(&house, &authorization, &waiting["participantId"], "admit").await;
    let (mut ana, joined) = (_ana, waiting);
    assert_eq!(ana.types(), ["room-joined"], "a speaker is not told who waits");
    // Unless it becomes a host.
    let path = format!("/api/rooms/abc/users/{}/promote", joined["participantId"].as_str().unwrap());
    house.request_as(&authorization, "POST", &path, Some(json!({"role": "host"}))).await;
    assert_eq!(ana.types(), ["role-changed", "lobby-joined", "lobby-joined"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_socket() {
    let house = House::new();
    house.run_timers();
    let (mut host, authorization) = room(&house).await;
    let (ana, waiting) = arrive(&house, "abc", json!({})).await;
    ana.lose_socket();
    // Before the sweep has seen it, a host's word comes too late already.
    assert_eq!(word(&house, &authorization, &waiting["participantId"], "admit").await.0, 404);
    assert_eq!(host.types(), ["lobby-joined", "lobby-left"]);
    let (bo, _) = arrive(&house, "abc", json!({})).await;
    bo.lose_socket();
    pass(1.0).await;
    assert_eq!(host.types(), ["lobby-joined", "lobby-left"]);
    assert_eq!(house.signaling.stats().participants, 1);
}

#[tokio::test]
async fn the_lobby_is_bounded() {
    let house = House::new();
    house.create(json!({"roomId": "abc", "lobby": true, "maxParticipants": 2})).await;
    let mut there = Vec::new();
    for _ in 0..2 {
        there.push(arrive(&house, "abc", json!({})).await);
    }
    assert!(there.iter().all(|(_, answer)| answer["type"] == "lobby-waiting"));
    assert_eq!(refusal(&house, "abc", json!({})).await, "room-full");
}

#[tokio::test(start_paused = true)]
async fn without_a_lobby_all_come_in_while_there_is_room() {
    let mut house = House::new();
    house.run_timers();
    let (host, authorization) = room(&house).await;
    let (mut ana, _) = arrive(&house, "abc", json!({})).await;
    let (mut bo, _) = arrive(&house, "abc", json!({})).await;
    house.take_commands();
    house.request_as(&authorization, "PATCH", "/api/rooms/abc", Some(json!({"lobby": false}))).await;
    assert_eq!(ana.next()["type"], "room-joined");
    assert!(bo.next().is_null(), "there is no room for another");
    assert_eq!(house.command_names(), ["Join"]);
    let path = format!("/api/rooms/abc/users/{}/kick", host.id);
    house.request_as(&authorization, "POST", &path, None).await;
    pass(1.0).await;
    assert_eq!(bo.next()["type"], "room-joined");
}

#[tokio::test]
async fn the_rooms_end_ends_the_waiting() {
    let house = House::new();
    let (_host, authorization) = room(&house).await;
    let (mut ana, _) = arrive(&house, "abc", json!({})).await;
    house.request_as(&authorization, "DELETE", "/api/rooms/abc", None).await;
    assert_eq!(ana.next(), json!({"type": "room-left", "roomId": "abc", "reason": "room-closed"}));
    house.create(json!({"roomId": "abc"})).await;
    ana.send(super::join("abc", json!({}))).await;
    assert_eq!(ana.next()["type"], "room-joined");
}

#[tokio::test]
async fn a_full_room_admits_nobody_and_the_waiting_goes_on() {
    let house = House::new();
    let (_host, authorization) = room(&house).await;
    let (mut ana, first) = arrive(&house, "abc", json!({})).await;
    let (mut bo, second) = arrive(&house, "abc", json!({})).await;
    assert_eq!(word(&house, &authorization, &first["participantId"], "admit").await.0, 200);
    let (status, problem) = word(&house, &authorization, &second["participantId"], "admit").await;
    assert_eq!((status, &problem["code"]), (409, &json!("room-full")));
    assert!(bo.next().is_null());
    assert_eq!(ana.next()["type"], "room-joined");
    ana.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    assert_eq!(word(&house, &authorization, &second["participantId"], "admit").await.0, 200);
    assert_eq!(bo.next()["type"], "room-joined");
}
