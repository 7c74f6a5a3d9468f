//! Lost sockets, resumed sessions, and what ends them.

use super::house::{House, Member, pass};
use crate::Settings;
use crate::outbox::MAX_MESSAGES;
use crate::protocol::SecretText;
use parlor_media::command::Event;
use parlor_media::path::Protocol;
use serde_json::{Value, json};

async fn pair(house: &House) -> (Member, Member) {
    house.create(json!({"roomId": "abc"})).await;
    let mut ana = house.joined("abc", "Ana").await;
    let bo = house.joined("abc", "Bo").await;
    ana.all();
    (ana, bo)
}

fn say(text: &str) -> Value {
    json!({"type": "send-message", "roomId": "abc", "text": text})
}

fn resume(token: &str, received: Option<u64>) -> Value {
    json!({"type": "resume", "resumeToken": token, "received": received})
}

#[tokio::test(start_paused = true)]
async fn a_session_resumes_with_its_media_untouched() {
    let mut house = House::new();
    house.run_timers();
    let (ana, mut bo) = pair(&house).await;
    house.take_commands();
    ana.lose_socket();
    pass(20.0).await;
    bo.send(say("one")).await;
    bo.send(say("two")).await;
    assert_eq!(house.signaling.stats().detached, 1);

    let mut back = house.client();
    back.send(resume(&ana.token, None)).await;
    let texts: Vec<_> = back.all().iter().map(|message| message["text"].clone()).collect();
    assert_eq!(texts, ["one", "two"]);
    pass(60.0).await;
    assert!(house.take_commands().is_empty(), "the shard was told of nothing");
    assert_eq!(bo.types(), ["message-received", "message-received"]);
    back.send(say("three")).await;
    assert_eq!(bo.next()["sender"], ana.id);
}

#[tokio::test]
async fn a_client_that_counts_gets_exactly_what_was_lost() {
    let house = House::new();
    let (mut ana, mut bo) = pair(&house).await;
    for text in ["one", "two", "three"] {
        bo.send(say(text)).await;
    }
    assert_eq!(ana.all().len(), 3);
    // room-joined, user-joined and "one" arrived; the rest was on its way.
    ana.lose_socket();
    let mut back = house.client();
    back.send(resume(&ana.token, Some(3))).await;
    let texts: Vec<_> = back.all().iter().map(|message| message["text"].clone()).collect();
    assert_eq!(texts, ["two", "three"]);
    // One that claims more than there was has another session in mind.
    back.lose_socket();
    let latest = house.client().refused(resume(&ana.token, Some(99))).await;
    assert_eq!(latest["code"], "resume-failed");
}

#[tokio::test]
async fn tokens_rotate_once_the_client_is_heard_of() {
    let house = House::new();
    let (ana, _bo) = pair(&house).await;
    ana.lose_socket();
    // `resumed` is lost with its socket: the first token still holds, the one in it does not.
    let lost = house.client().board.resume(None, &parse(&ana.token)).ok().unwrap();
    let Value::String(unseen) = serde_json::to_value(&lost.message).unwrap()["resumeToken"].take() else { panic!() };
    let second = house.client().board.resume(None, &parse(&ana.token)).ok().unwrap();
    assert!(house.board().resume(None, &parse(&unseen)).is_err());
    house.board().confirm(&second.session);
    assert!(house.board().resume(None, &parse(&ana.token)).is_err());
    let Value::String(latest) = serde_json::to_value(&second.message).unwrap()["resumeToken"].take() else { panic!() };
    assert!(house.board().resume(None, &parse(&latest)).is_ok());
    // Two for Ana at the most, one for Bo.
    assert_eq!(house.board().directory.token_count(), 3);
}

fn parse(token: &str) -> crate::protocol::client::Resume {
    crate::protocol::client::Resume { resume_token: SecretText::new(token), received: None }
}

#[tokio::test]
async fn the_resumed_view_shows_ones_own_mids() {
    let house = House::new();
    let (ana, _bo) = pair(&house).await;
    house.event(super::negotiation::published(ana.participant(), 7, "0"));
    let resumed = house.board().resume(Some("r".into()), &parse(&ana.token)).ok().unwrap();
    let view = serde_json::to_value(&resumed.message).unwrap();
    assert_eq!((&view["type"], &view["id"]), (&json!("resumed"), &json!("r")));
    assert_eq!(view["participants"][0]["tracks"][0]["mid"], "0");
    assert_eq!(view["participantId"], ana.id);
}

#[tokio::test]
async fn a_second_socket_displaces_the_first() {
    let house = House::new();
    let (mut ana, mut bo) = pair(&house).await;
    let mut second = house.client();
    second.send(resume(&ana.token, None)).await;
    assert_eq!(ana.next()["end"], "Displaced");
    bo.send(say("x")).await;
    assert_eq!(second.next()["text"], "x");
    // The first socket's end is not the session's.
    assert!(!ana.session.detach(&ana.attachment, tokio::time::Instant::now()));
    assert_eq!(house.signaling.stats().detached, 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_does_not_resume_ends() {
    let mut house = House::new();
    house.run_timers();
    let (ana, mut bo) = pair(&house).await;
    house.take_commands();
    ana.lose_socket();
    pass(29.0).await;
    assert!(bo.next().is_null());
    pass(2.0).await;
    let left = bo.next();
    assert_eq!((&left["type"], &left["reason"]), (&json!("user-left"), &json!("disconnected")));
    assert_eq!(house.command_names(), ["Leave"]);
    assert_eq!(house.client().refused(resume(&ana.token, None)).await["code"], "resume-failed");
    assert_eq!(house.board().directory.token_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_resumes_at_the_last_moment_stays() {
    let mut house = House::new();
    let (ana, _bo) = pair(&house).await;
    house.take_commands();
    ana.lose_socket();
    pass(31.0).await;
    // The timers have seen it lost, and it resumes before they act.
    house.client().send(resume(&ana.token, None)).await;
    let permits = house.board().shards[0].reserve(1).await.ok().unwrap();
    let place = ana.session.place().unwrap();
    house.board().remove_lost(&place, permits, tokio::time::Instant::now());
    assert!(house.take_commands().is_empty());
    assert_eq!(house.signaling.stats().participants, 2);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_session_waits_for_a_busy_shard() {
    let mut house = House::with(Settings::default(), 4);
    house.run_timers();
    let (ana, _bo) = pair(&house).await;
    // OpenRoom and both Joins are there; one more fills the channel.
    let mut permits = house.board().shards[0].reserve(1).await.ok().unwrap();
    permits.send(parlor_media::command::Command::Leave { participant: parlor_media::ids::ParticipantId(0) });
    drop(permits);
    ana.lose_socket();
    pass(60.0).await;
    assert_eq!(house.signaling.stats().participants, 2);
    house.take_commands();
    pass(1.0).await;
    assert_eq!(house.command_names(), ["Leave"]);
    assert_eq!(house.signaling.stats().participants, 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_misses_too_much_ends_early() {
    let mut house = House::new();
    house.run_timers();
    let (ana, bo) = pair(&house).await;
    house.take_commands();
    ana.lose_socket();
    for _ in 0..=MAX_MESSAGES {
        house.event(Event::Connected { participant: ana.participant(), protocol: Protocol::Udp });
    }
    assert_eq!(house.client().refused(resume(&ana.token, None)).await["code"], "resume-failed");
    pass(1.0).await;
    assert_eq!(house.command_names(), ["Leave"]);
    assert!(bo.session.is_attached());
    assert_eq!(house.signaling.stats().participants, 1);
}

#[tokio::test]
async fn a_session_that_left_cannot_be_resumed() {
    let house = House::new();
    let (mut ana, _bo) = pair(&house).await;
    ana.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    assert_eq!(house.client().refused(resume(&ana.token, None)).await["code"], "resume-failed");
    // Counting begins anew with the next room-joined.
    ana.send(json!({"type": "join-room", "roomId": "abc"})).await;
    let token = ana.all().last().unwrap()["resumeToken"].as_str().unwrap().to_owned();
    ana.lose_socket();
    let mut back = house.client();
    back.send(resume(&token, Some(0))).await;
    assert_eq!(back.types(), ["room-joined"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_tells_everyone_and_lets_nobody_in() {
    let mut house = House::new();
    let (mut ana, _bo) = pair(&house).await;
    house.take_commands();
    house.signaling.shutdown().await;
    assert_eq!(ana.next(), json!({"type": "room-left", "roomId": "abc", "reason": "server-shutdown"}));
    assert!(ana.next()["end"].as_str().unwrap().contains("Restart"));
    assert_eq!(house.command_names(), ["CloseRoom"]);
    assert_eq!(house.request("POST", "/api/rooms", None).await.0.as_u16(), 503);
}
