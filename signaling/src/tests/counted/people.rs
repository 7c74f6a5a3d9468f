//! Joins, lobbies, resumes, limits, credentials.

use super::super::access::{for_room, keyed, token};
use super::super::admission::{arrive, inside, refusal, secret};
use super::super::house::{House, pass, with_policy};
use super::counted;
use crate::access::Role;
use crate::limits::Rates;
use crate::rate::Rate;
use crate::stats::{CredentialFault, JoinOutcome, Limit, ResumeOutcome};
use crate::{Policy, Settings, Storage};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

#[tokio::test]
async fn joins_are_counted_by_what_became_of_them() {
    let house = House::new();
    house.create(json!({"roomId": "abc", "password": "correct horse", "maxParticipants": 1})).await;
    assert_eq!(refusal(&house, "xyz", json!({})).await, "room-not-found");
    assert_eq!(refusal(&house, "abc", json!({})).await, "password-required");
    let (mut ana, _) = inside(&house, "abc", json!({"password": "correct horse"})).await;
    assert_eq!(refusal(&house, "abc", json!({"password": "correct horse"})).await, "room-full");
    ana.refused(json!({"type": "join-room", "roomId": "abc"})).await;
    let expected = [
        (JoinOutcome::Joined, 1),
        (JoinOutcome::NotAllowed, 1),
        (JoinOutcome::NoRoom, 1),
        (JoinOutcome::Limited, 1),
        (JoinOutcome::Invalid, 1),
    ];
    let stats = house.signaling.stats();
    assert_eq!(counted(&stats.joins), expected);
    assert_eq!(stats.join_latency.count(), 1, "who does not get in has no latency");
}

#[tokio::test]
async fn a_server_that_stops_fails_joins() {
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    house.board().stopping.send_replace(true);
    assert_eq!(refusal(&house, "abc", json!({})).await, "server-busy");
    assert_eq!(counted(&house.signaling.stats().joins), [(JoinOutcome::Failed, 1)]);
}

#[tokio::test(start_paused = true)]
async fn a_joins_latency_leaves_the_lobby_out() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc", "lobby": true})).await;
    inside(&house, "abc", json!({"hostSecret": secret(&host)})).await;
    let (mut ana, waiting) = arrive(&house, "abc", json!({})).await;
    assert_eq!(house.signaling.stats().waiting, 1);
    pass(100.0).await;
    let path = format!("/api/rooms/abc/lobby/{}/admit", waiting["participantId"].as_str().unwrap());
    assert_eq!(house.request_as(&host, "POST", &path, None).await.0, 200);
    assert_eq!(ana.next()["type"], "room-joined");
    let stats = house.signaling.stats();
    assert_eq!(counted(&stats.joins), [(JoinOutcome::Joined, 2), (JoinOutcome::Waiting, 1)]);
    assert_eq!((stats.waiting, stats.join_latency.count(), stats.join_latency.sum()), (0, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_joins_latency_has_the_wait_for_the_shard() {
    let mut house = House::with(Settings::default(), 1);
    // The room itself fills the shard's channel.
    house.create(json!({"roomId": "abc"})).await;
    let mut ana = house.client();
    let joining = tokio::spawn(async move {
        ana.send(json!({"type": "join-room", "roomId": "abc"})).await;
        ana.next()
    });
    pass(0.5).await;
    assert_eq!(house.command_names(), ["OpenRoom"]);
    assert_eq!(joining.await.unwrap()["type"], "room-joined");
    assert_eq!(house.signaling.stats().join_latency.sum(), 500_000, "microseconds");
}

#[tokio::test]
async fn resumes_are_counted_by_what_became_of_them() {
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    let ana = house.joined("abc", "Ana").await;
    let resume = |token: &str, received| json!({"type": "resume", "resumeToken": token, "received": received});
    house.client().refused(resume(&"0".repeat(64), None)).await;
    house.client().refused(resume("no token", None)).await;
    // More than there were.
    house.client().refused(resume(&ana.token, Some(99))).await;
    let mut back = house.client();
    back.send(resume(&ana.token, None)).await;
    let expected = [(ResumeOutcome::Resumed, 1), (ResumeOutcome::Unknown, 2), (ResumeOutcome::Missed, 1)];
    assert_eq!(counted(&house.signaling.stats().resumes), expected);
}

#[tokio::test]
async fn limits_are_counted_where_they_refuse() {
    let once = Rate { per_second: 0.001, burst: 1.0 };
    let pressure = Arc::new(AtomicBool::new(false));
    let policy = Policy {
        max_rooms: 1,
        max_total_participants: 2,
        rates: Rates { joins: Rate { burst: 2.0, ..once }, messages: once, ..Rates::default() },
        ..Policy::default()
    };
    let settings = Settings { memory_pressure: Some(Arc::clone(&pressure)), ..with_policy(policy) };
    let house = House::with(settings, 256);
    house.create(json!({"roomId": "abc"})).await;
    let (status, _, _) = house.request("POST", "/api/rooms", Some(json!({"roomId": "def"}))).await;
    assert_eq!(status, 507);

    let key = json!({"guestKey": "0123456789abcdef"});
    let (mut ana, _) = inside(&house, "abc", key.clone()).await;
    inside(&house, "abc", key.clone()).await;
    assert_eq!(refusal(&house, "abc", json!({})).await, "server-full");
    assert_eq!(refusal(&house, "abc", key).await, "rate-limited");
    ana.all();
    let say = json!({"type": "send-message", "roomId": "abc", "text": "x"});
    ana.send(say.clone()).await;
    assert_eq!(ana.next()["type"], "message-received");
    assert_eq!(ana.refused(say).await["code"], "rate-limited");
    pressure.store(true, Ordering::Relaxed);
    let (status, _, _) = house.request("POST", "/api/rooms", Some(json!({"roomId": "def"}))).await;
    assert_eq!(status, 507);

    let expected =
        [(Limit::Rooms, 1), (Limit::Participants, 1), (Limit::Memory, 1), (Limit::Joins, 1), (Limit::Messages, 1)];
    assert_eq!(counted(&house.signaling.stats().limits), expected);
}

#[tokio::test]
async fn a_rooms_own_limits_and_guesses_at_its_password_are_counted() {
    let rate = Rate { per_second: 0.001, burst: 0.1 };
    let rates = Rates { failed_passwords: rate, ..Rates::default() };
    let house = House::with(with_policy(Policy { rates, ..Policy::default() }), 256);
    let host = house.create(json!({"roomId": "abc", "password": "correct horse", "maxParticipants": 1})).await;
    // A room has ten times the burst: one.
    assert_eq!(refusal(&house, "abc", json!({"password": "battery staple"})).await, "password-wrong");
    assert_eq!(refusal(&house, "abc", json!({"password": "correct horse"})).await, "rate-limited");
    inside(&house, "abc", json!({"hostSecret": secret(&host)})).await;
    assert_eq!(refusal(&house, "abc", json!({"hostSecret": secret(&host)})).await, "room-full");
    let expected = [(Limit::ParticipantsPerRoom, 1), (Limit::FailedPasswords, 1)];
    assert_eq!(counted(&house.signaling.stats().limits), expected);
}

#[tokio::test(start_paused = true)]
async fn credentials_are_counted_by_what_is_wrong_with_them() {
    let house = House::over(keyed(), 256, Storage::memory());
    let good = token(&house, for_room("abc", Role::Host));
    let get = async |authorization: &str| {
        let (status, _) = house.request_as(authorization, "GET", "/api/rooms", None).await;
        assert_eq!(status, 401, "{authorization}");
    };
    get("Basic YTpi").await;
    get("Bearer not-a-token").await;
    get(&format!("Bearer {}x", good.trim_end_matches('x'))).await;
    get(&format!("Bearer access_{}", "0".repeat(64))).await;
    get(&format!("Bearer host_{}", "0".repeat(64))).await;
    tokio::time::sleep(Duration::from_secs(7 * 3600)).await;
    assert_eq!(refusal(&house, "abc", json!({"token": good})).await, "token-invalid");
    let expected = [
        (CredentialFault::Malformed, 2),
        (CredentialFault::Signature, 1),
        (CredentialFault::Expired, 1),
        (CredentialFault::HostSecret, 1),
        (CredentialFault::AccessToken, 1),
    ];
    assert_eq!(counted(&house.signaling.stats().credentials_refused), expected);
    assert_eq!(house.errors(), [(crate::protocol::ErrorCode::TokenInvalid, 6)], "each is an error as well");
}
