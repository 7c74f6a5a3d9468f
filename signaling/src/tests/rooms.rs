//! Joining, leaving, and the ways a room ends.

use super::house::{House, pass};
use crate::protocol::media::MediaFailure;
use crate::visitor::Whence;
use crate::{Announce, Settings, ShardHandle, Signaling, Storage};
use parlor_media::command::{CloseReason, Command, Event};
use parlor_media::path::Protocol;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::mpsc;

#[tokio::test]
async fn people_come_and_go() {
    let mut house = House::new();
    house.create(json!({"roomId": "abc", "name": "Call"})).await;
    let mut ana = house.client();
    ana.send(json!({"type": "join-room", "roomId": "ABC", "displayName": " Ana ", "id": "j"})).await;
    let joined = ana.next();
    assert_eq!((&joined["id"], &joined["name"], &joined["roomId"]), (&json!("j"), &json!("Call"), &json!("abc")));
    assert_eq!(joined["participants"][0]["participantId"], joined["participantId"]);
    assert_eq!(joined["participants"][0]["displayName"], "Ana");

    let mut bo = house.joined("abc", "").await;
    let told = ana.next();
    assert_eq!((&told["type"], &told["participantCount"]), (&json!("user-joined"), &json!(2)));
    assert_eq!(told["participant"]["displayName"], Value::Null);
    assert_eq!(told["participant"]["participantId"], bo.id);

    ana.send(json!({"type": "leave-room", "roomId": "abc", "id": "l"})).await;
    assert_eq!(ana.next(), json!({"type": "room-left", "roomId": "abc", "reason": "left", "id": "l"}));
    assert_eq!(
        bo.next(),
        json!({"type": "user-left", "participantCount": 1, "participantId": joined["participantId"], "reason": "left"})
    );
    assert_eq!(house.command_names(), ["OpenRoom", "Join", "Join", "Leave"]);
    assert_eq!(house.board().directory.token_count(), 1);
    // The socket stays, and may join again as someone new.
    ana.send(json!({"type": "join-room", "roomId": "abc"})).await;
    assert_ne!(ana.next()["participantId"], joined["participantId"]);
}

#[tokio::test]
async fn candidates_begin_with_loopback_for_clients_on_this_host() {
    let mut house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    let client = house.client();
    for on_loopback in [true, false] {
        let frame = crate::protocol::ClientFrame::parse(r#"{"type":"join-room","roomId":"abc","autoSubscribe":false}"#);
        let session = if on_loopback { Arc::clone(&client.session) } else { house.client().session };
        house.board().handle(&session, Whence { address: None, on_loopback }, frame.unwrap()).await.unwrap();
    }
    let candidates: Vec<Vec<_>> = house
        .take_commands()
        .into_iter()
        .filter_map(|command| match command {
            Command::Join { settings, .. } => {
                assert!(!settings.auto_subscribe && !settings.follows_bindings);
                Some(settings.candidates.iter().map(|c| (c.protocol, c.address.to_string())).collect())
            }
            _ => None,
        })
        .collect();
    let at = |protocol, address: &str| (protocol, address.to_owned());
    let public = [at(Protocol::Udp, "192.0.2.1:7900"), at(Protocol::Tcp, "192.0.2.1:7900")];
    assert_eq!(candidates[0][..2], [at(Protocol::Udp, "127.0.0.1:7900"), public[0].clone()]);
    assert_eq!(candidates[1], public);
}

#[tokio::test]
async fn joins_that_cannot_be_are_refused() {
    let house = House::new();
    house.create(json!({"roomId": "two", "maxParticipants": 2})).await;
    let mut ana = house.joined("two", "Ana").await;
    let _bo = house.joined("two", "Bo").await;
    ana.all();
    let mut client = house.client();
    let join = |room: &str| json!({"type": "join-room", "roomId": room, "id": "1"});
    let mut code = async |message: Value| {
        let error = client.refused(message).await;
        assert!(error.get("id").is_none_or(|id| id == "1"));
        error["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code(join("two")).await, "room-full");
    assert_eq!(code(join("nowhere")).await, "room-not-found");
    assert_eq!(code(join("a/b")).await, "bad-room-id");
    assert_eq!(
        code(json!({"type": "join-room", "roomId": "two", "displayName": "x".repeat(65)})).await,
        "name-invalid"
    );
    assert_eq!(code(json!({"type": "join-room", "roomId": "two", "displayName": "a\u{202e}"})).await, "name-invalid");
    assert_eq!(code(json!({"type": "leave-room", "roomId": "two"})).await, "not-joined");
    assert_eq!(code(json!({"type": "resume", "resumeToken": "0".repeat(64)})).await, "resume-failed");
    assert_eq!(ana.refused(join("two")).await["code"], "already-joined");
}

#[tokio::test]
async fn messages_out_of_order_are_refused() {
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    // The place is looked at first: this is no SDP.
    let sdp = |kind: &str| json!({"type": kind, "sdp": "x"});
    let track = "t0000000000001";
    let messages = [
        json!({"type": "send-message", "roomId": "abc", "text": "x"}),
        json!({"type": "typing", "roomId": "abc", "typing": true}),
        json!({"type": "offer", "roomId": "abc", "offer": sdp("offer")}),
        json!({"type": "answer", "roomId": "abc", "answer": sdp("answer")}),
        json!({"type": "ice-candidate", "roomId": "abc", "candidate": null}),
        json!({"type": "track-state", "roomId": "abc", "trackId": track, "muted": true}),
        json!({"type": "subscribe", "roomId": "abc", "trackIds": [track]}),
        json!({"type": "unsubscribe", "roomId": "abc", "trackIds": [track]}),
        json!({"type": "set-layer", "roomId": "abc", "trackId": track, "rid": null}),
        json!({"type": "set-view", "roomId": "abc", "views": []}),
    ];
    let mut stranger = house.client();
    for message in &messages {
        assert_eq!(stranger.refused(message.clone()).await["code"], "not-joined", "{message}");
    }
    house.create(json!({"roomId": "other"})).await;
    let mut member = house.joined("other", "").await;
    for message in messages {
        assert_eq!(member.refused(message.clone()).await["code"], "wrong-room", "{message}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_expires_with_everyone_in_it() {
    let mut house = House::new();
    house.run_timers();
    house.create(json!({"roomId": "abc", "expiresInSeconds": 60})).await;
    let mut ana = house.joined("abc", "Ana").await;
    pass(59.0).await;
    assert!(ana.next().is_null());
    pass(2.0).await;
    assert_eq!(ana.next(), json!({"type": "room-closed", "roomId": "abc", "reason": "room-expired"}));
    assert_eq!(ana.next(), json!({"type": "room-left", "roomId": "abc", "reason": "room-expired"}));
    assert_eq!(house.command_names(), ["OpenRoom", "Join", "CloseRoom"]);
    assert_eq!(ana.refused(json!({"type": "join-room", "roomId": "abc"})).await["code"], "room-expired");
    assert_eq!(house.request("GET", "/api/rooms/abc", None).await.0.as_u16(), 410);
    pass(3601.0).await;
    assert_eq!(ana.refused(json!({"type": "join-room", "roomId": "abc"})).await["code"], "room-not-found");
    assert_eq!(house.signaling.stats().participants, 0);
}

#[tokio::test(start_paused = true)]
async fn an_expired_room_is_closed_before_the_timers_see_it() {
    let house = House::new();
    house.create(json!({"roomId": "abc", "expiresInSeconds": 1})).await;
    pass(1.0).await;
    assert_eq!(house.client().refused(json!({"type": "join-room", "roomId": "abc"})).await["code"], "room-expired");
}

#[tokio::test]
async fn a_deleted_room_puts_everyone_out() {
    let mut house = House::new();
    let host = house.create(json!({"roomId": "abc"})).await;
    let mut ana = house.joined("abc", "Ana").await;
    house.request_as(&host, "DELETE", "/api/rooms/abc", None).await;
    assert_eq!(ana.next(), json!({"type": "room-closed", "roomId": "abc", "reason": "room-closed"}));
    assert_eq!(ana.next(), json!({"type": "room-left", "roomId": "abc", "reason": "room-closed"}));
    assert_eq!(ana.refused(json!({"type": "join-room", "roomId": "abc"})).await["code"], "room-not-found");
    assert_eq!(house.command_names(), ["OpenRoom", "Join", "CloseRoom"]);
    assert_eq!(house.board().directory.token_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_empty_room_ends_and_an_inhabited_one_does_not() {
    let mut house = House::new();
    house.run_timers();
    house.create(json!({"roomId": "abc"})).await;
    pass(299.0).await;
    let mut ana = house.joined("abc", "Ana").await;
    pass(900.0).await;
    ana.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    pass(299.0).await;
    assert_eq!(house.signaling.stats().rooms, 1);
    pass(2.0).await;
    assert_eq!(house.signaling.stats().rooms, 0);
    assert_eq!(house.command_names(), ["OpenRoom", "Join", "Leave", "CloseRoom"]);
}

#[tokio::test]
async fn a_transport_that_ends_takes_its_participant_along() {
    let mut house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    let mut ana = house.joined("abc", "Ana").await;
    let mut bo = house.joined("abc", "Bo").await;
    house.take_commands();
    ana.all();
    house
        .event(Event::Closed { participant: ana.participant(), reason: CloseReason::HandshakeTimeout { seconds: 30 } });
    let failed = ana.next();
    assert_eq!((&failed["state"], &failed["reason"]), (&json!("failed"), &json!(MediaFailure::HandshakeTimeout)));
    assert_eq!(failed["message"], "the DTLS handshake did not complete within 30 seconds");
    assert_eq!(ana.next()["reason"], "media-failed");
    assert_eq!(bo.next()["reason"], "media-failed");
    // The shard knows; its later events for the participant are ignored.
    assert!(house.take_commands().is_empty());
    house.event(Event::Connected { participant: ana.participant(), protocol: Protocol::Udp });
    assert!(ana.next().is_null());
    assert_eq!(house.signaling.stats().participants, 1);
}

#[tokio::test]
async fn a_lost_shard_keeps_its_rooms_and_sends_people_back_in() {
    let mut house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    let mut ana = house.joined("abc", "Ana").await;
    house.take_commands();
    house.signaling.shard_lost(0).await;
    assert_eq!(house.command_names(), ["CloseRoom", "OpenRoom"]);
    assert_eq!(ana.next()["reason"], "server-restarted");
    assert_eq!(ana.next()["reason"], "media-failed");
    ana.send(json!({"type": "join-room", "roomId": "abc"})).await;
    assert_eq!(ana.next()["type"], "room-joined");
}

#[tokio::test(start_paused = true)]
async fn rooms_of_a_shard_that_stays_away_end() {
    let mut house = House::with(Settings::default(), 4);
    for room in ["one", "two", "three"] {
        house.create(json!({ "roomId": room })).await;
    }
    let mut ana = house.joined("one", "Ana").await;
    let started = tokio::time::Instant::now();
    house.signaling.shard_lost(0).await;
    assert_eq!(ana.types(), ["room-closed", "room-left"]);
    assert_eq!(house.signaling.stats().rooms, 0);
    assert!(started.elapsed().as_secs() < 10, "one wait, not one for each room");
    assert_eq!(house.take_commands().len(), 4);
}

#[tokio::test]
async fn rooms_spread_over_the_shards() {
    let channels: Vec<_> = (0..3).map(|_| mpsc::channel(16)).collect();
    let handles = channels.iter().map(|(sender, _)| ShardHandle::new(sender.clone(), Arc::new(|| {}), 7900));
    let signaling = Signaling::new(Settings::default(), Announce::default(), Storage::memory(), handles.collect());
    let house = House { signaling, commands: mpsc::channel(1).1 };
    for room in ["one", "two", "three"] {
        house.create(json!({ "roomId": room })).await;
        house.joined(room, "").await;
    }
    for (_, mut commands) in channels {
        assert!(matches!(commands.try_recv(), Ok(Command::OpenRoom { .. })));
        assert!(matches!(commands.try_recv(), Ok(Command::Join { .. })));
        assert!(commands.try_recv().is_err());
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_shard_refuses_the_join_and_keeps_no_trace_of_it() {
    let mut house = House::with(Settings::default(), 1);
    house.create(json!({"roomId": "abc"})).await;
    let mut ana = house.client();
    assert_eq!(ana.refused(json!({"type": "join-room", "roomId": "abc"})).await["code"], "server-busy");
    assert_eq!(house.signaling.stats().participants, 0);
    assert_eq!(house.command_names(), ["OpenRoom"]);
    ana.send(json!({"type": "join-room", "roomId": "abc"})).await;
    assert_eq!(ana.next()["type"], "room-joined");
}

#[tokio::test]
async fn errors_are_counted_by_code() {
    let house = House::new();
    house.client().refused(json!({"type": "join-room", "roomId": "nowhere"})).await;
    house.request("GET", "/api/rooms/nowhere", None).await;
    assert_eq!(house.errors(), [(crate::protocol::ErrorCode::RoomNotFound, 2)]);
}
