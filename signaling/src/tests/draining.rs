//! The last while of a server: calls go on, no new ones begin.

use super::house::{House, pass, with_policy};
use crate::{Calls, Policy, Reason};
use serde_json::json;
use std::time::Duration;

const BOUND: Duration = Duration::from_secs(25);

#[tokio::test(start_paused = true)]
async fn a_draining_server_keeps_calls_and_begins_none() {
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    let host = house.create(json!({"roomId": "empty"})).await;
    let mut ana = house.joined("abc", "Ana").await;
    ana.all();
    assert!(!house.signaling.stats().draining);
    house.signaling.drain(BOUND);
    assert_eq!(ana.all(), [json!({"type": "server-draining", "secondsLeft": 25})]);
    assert!(house.signaling.stats().draining);
    assert_eq!(house.signaling.ailments()[0].reason, Reason::Draining);

    pass(5.5).await;
    let (status, headers, problem) = house.request("POST", "/api/rooms", None).await;
    assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("draining")));
    assert_eq!(headers["retry-after"], "20");
    let refused = house.client().refused(json!({"type": "join-room", "roomId": "empty"})).await;
    assert_eq!((&refused["code"], &refused["retryAfterSeconds"]), (&json!("draining"), &json!(20)));
    // Everything else goes on.
    assert_eq!(house.request_as(&host, "GET", "/api/rooms/empty", None).await.0.as_u16(), 200);

    let mut bo = house.client();
    bo.send(json!({"type": "join-room", "roomId": "abc", "displayName": "Bo"})).await;
    assert_eq!(bo.types(), ["room-joined", "server-draining"], "who joins is told");
    ana.lose_socket();
    let mut back = house.client();
    back.send(json!({"type": "resume", "resumeToken": ana.token})).await;
    assert_eq!(back.types(), ["user-joined"], "who comes back goes on");
    assert_eq!(house.signaling.calls(), Calls { rooms: 1, participants: 2 });
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_with_the_last_call() {
    let house = House::new();
    house.run_timers();
    house.create(json!({"roomId": "abc"})).await;
    let (mut ana, bo) = (house.joined("abc", "Ana").await, house.joined("abc", "Bo").await);
    house.signaling.drain(BOUND);
    let signaling = house.signaling.clone();
    let over = tokio::spawn(async move { signaling.until_no_calls().await });
    ana.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    // Whose connection is lost may come back.
    bo.lose_socket();
    pass(20.0).await;
    assert!(!over.is_finished());
    pass(12.0).await;
    assert!(over.is_finished());
    assert_eq!(house.signaling.calls(), Calls::default());
    ana.all();
    assert_eq!(ana.refused(json!({"type": "join-room", "roomId": "abc"})).await["code"], "draining");
}

#[tokio::test(start_paused = true)]
async fn a_drain_without_calls_is_over_at_once() {
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    house.signaling.drain(BOUND);
    house.signaling.until_no_calls().await;
}

#[tokio::test(start_paused = true)]
async fn nobody_is_let_in_from_the_lobby_of_a_room_without_a_call() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc", "lobby": true})).await;
    let mut bo = house.client();
    bo.send(json!({"type": "join-room", "roomId": "abc"})).await;
    let waiting = bo.next();
    assert_eq!(waiting["type"], "lobby-waiting");
    house.signaling.drain(BOUND);
    let admit = format!("/api/rooms/abc/lobby/{}/admit", waiting["participantId"].as_str().unwrap());
    let (status, problem) = house.request_as(&host, "POST", &admit, None).await;
    assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("draining")));
    let knock = json!({"type": "join-room", "roomId": "abc"});
    assert_eq!(house.client().refused(knock).await["code"], "draining");
}

#[tokio::test]
async fn readiness_names_what_there_is_no_more_of() {
    let policy = Policy { max_rooms: 1, max_total_participants: 1, ..Policy::default() };
    let house = House::with(with_policy(policy), 64);
    assert!(house.signaling.ailments().is_empty());
    house.create(json!({"roomId": "abc"})).await;
    let _ana = house.joined("abc", "Ana").await;
    let ailments = house.signaling.ailments();
    assert_eq!(
        ailments.iter().map(|ailment| ailment.reason).collect::<Vec<_>>(),
        [Reason::Rooms, Reason::Participants]
    );
    assert_eq!(ailments[0].message, "there are as many rooms as there may be: 1 (limits.max_rooms)");
}
