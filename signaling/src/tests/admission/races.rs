//! What changes while somebody is between two judgements.

use super::super::house::{self, Client, House, pass};
use super::{arrive, inside, join, refusal, secret};
use crate::Settings;
use crate::access::{Identity, Role};
use crate::admission::guest_of_key;
use crate::protocol::{RoomCode, SecretText};
use crate::room::Room;
use axum::body::Body;
use axum::http::Request;
use parlor_media::command::Command;
use parlor_media::ids::ParticipantId;
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinHandle;

const KEY: &str = "0123456789abcdef";

/// A house whose shard takes few commands at a time.
fn narrow() -> House {
    House::with(Settings::default(), 2)
}

fn room(house: &House) -> Arc<Room> {
    house.board().room(&RoomCode::parse("abc").unwrap()).unwrap()
}

/// Fills the shard's channel: whoever wants a command waits from now on.
async fn block(house: &mut House) {
    house.take_commands();
    let mut permits = house.board().shards[0].reserve(2).await.ok().unwrap();
    (0..2).for_each(|_| permits.send(Command::Leave { participant: ParticipantId(0) }));
}

/// A join that waits for the shard.
async fn joining(house: &House, fields: Value) -> JoinHandle<Client> {
    let mut client = house.client();
    let message = join("abc", fields);
    let task = tokio::spawn(async move {
        client.send(message).await;
        client
    });
    pass(0.1).await;
    assert!(!task.is_finished());
    task
}

/// What a join was answered once the shard goes on.
async fn answer(house: &mut House, task: JoinHandle<Client>) -> Value {
    house.take_commands();
    task.await.unwrap().next()
}

#[tokio::test(start_paused = true)]
async fn who_is_banned_while_joining_does_not_get_in() {
    let mut house = narrow();
    house.create(json!({"roomId": "abc"})).await;
    block(&mut house).await;
    let task = joining(&house, json!({ "guestKey": KEY })).await;
    room(&house).lock().record.banned.push(guest_of_key(KEY));
    assert_eq!(answer(&mut house, task).await["code"], "banned");
    assert!(house.take_commands().is_empty());
    assert_eq!(house.signaling.stats().participants, 0);
}

#[tokio::test(start_paused = true)]
async fn a_door_that_is_shut_meanwhile_is_shut() {
    let mut house = narrow();
    house.create(json!({"roomId": "abc"})).await;
    for (shut, code) in [("lock", "room-locked"), ("password", "password-required"), ("size", "room-full")] {
        block(&mut house).await;
        let task = joining(&house, json!({})).await;
        {
            let abc = room(&house);
            let record = &mut abc.lock().record;
            match shut {
                "lock" => record.settings.locked = true,
                "password" => record.password = Some(SecretText::new("none")),
                _ => record.settings.max_participants = 0,
            }
        }
        assert_eq!(answer(&mut house, task).await["code"], code);
        let abc = room(&house);
        let record = &mut abc.lock().record;
        record.settings.locked = false;
        record.password = None;
        record.settings.max_participants = 2;
    }
    block(&mut house).await;
    let task = joining(&house, json!({})).await;
    room(&house).lock().record.settings.lobby = true;
    assert_eq!(answer(&mut house, task).await["type"], "lobby-waiting");
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_right_before_is_asked_for_again() {
    let mut house = narrow();
    let host = house.create(json!({"roomId": "abc", "password": "open sesame"})).await;
    block(&mut house).await;
    let task = joining(&house, json!({"password": "open sesame"})).await;
    let changed = house.request_as(&host, "PATCH", "/api/rooms/abc", Some(json!({"password": "another"}))).await;
    assert_eq!(changed.0.as_u16(), 200, "{}", changed.1);
    assert_eq!(answer(&mut house, task).await["code"], "password-wrong");
}

#[tokio::test(start_paused = true)]
async fn a_room_that_ends_meanwhile_lets_nobody_in_and_gives_the_invite_back() {
    let mut house = narrow();
    let host = house.create(json!({"roomId": "abc"})).await;
    let (_, made) = house.request_as(&host, "POST", "/api/rooms/abc/invites", None).await;
    block(&mut house).await;
    let task = joining(&house, json!({"invite": made["invites"][0]["invite"]})).await;
    let (_, listed) = house.request_as(&host, "GET", "/api/rooms/abc/invites", None).await;
    assert_eq!(listed["invites"], json!([]), "it is used up while the shard is waited for");
    room(&house).lock().record.settings.max_participants = 0;
    assert_eq!(answer(&mut house, task).await["code"], "room-full");
    let (_, listed) = house.request_as(&host, "GET", "/api/rooms/abc/invites", None).await;
    assert_eq!(listed["invites"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn who_steps_down_while_acting_does_nothing_more() {
    let mut house = narrow();
    let authorization = house.create(json!({"roomId": "abc", "lobby": true})).await;
    let (host, joined) = inside(&house, "abc", json!({"hostSecret": secret(&authorization)})).await;
    let (mut ana, waiting) = arrive(&house, "abc", json!({})).await;
    block(&mut house).await;
    let bearer = format!("Bearer {}", joined["accessToken"].as_str().unwrap());
    let admit = format!("/api/rooms/abc/lobby/{}/admit", waiting["participantId"].as_str().unwrap());
    let request = {
        let (signaling, uri, bearer) = (house.signaling.clone(), admit.clone(), bearer.clone());
        let request = Request::post(uri).header("host", "localhost").header("authorization", bearer);
        tokio::spawn(async move { house::answer(signaling.router(), request.body(Body::empty()).unwrap()).await })
    };
    pass(0.1).await;
    assert!(!request.is_finished());
    room(&house).lock().member(host.participant()).unwrap().role = Role::Speaker;
    house.take_commands();
    let (status, _, problem) = request.await.unwrap();
    assert_eq!((status.as_u16(), &problem["code"]), (403, &json!("forbidden")));
    assert!(ana.next().is_null());
    assert!(house.take_commands().is_empty());
}

#[tokio::test]
async fn a_word_for_somebody_who_just_leaves_leaves_nothing_behind() {
    let mut house = House::new();
    let authorization = house.create(json!({"roomId": "abc", "lobby": true})).await;
    for turn in 0..40 {
        let (mut ana, waiting) = arrive(&house, "abc", json!({})).await;
        let path = format!("/api/rooms/abc/lobby/{}/admit", waiting["participantId"].as_str().unwrap());
        let leave = async {
            if turn % 2 == 0 {
                tokio::task::yield_now().await;
            }
            ana.send(json!({"type": "leave-room", "roomId": "abc"})).await;
        };
        let (admitted, ()) = tokio::join!(house.request_as(&authorization, "POST", &path, None), leave);
        assert!(matches!(admitted.0.as_u16(), 200 | 404), "{}", admitted.1);
        assert_eq!(ana.types().last().unwrap(), "room-left");
        assert!(!ana.session.is_engaged());
    }
    assert_eq!(house.signaling.stats().participants, 0);
    assert!(room(&house).lock().lobby.waiting().is_empty());
    assert_eq!(house.board().directory.token_count(), 0);
    let names = house.command_names();
    let count = |name: &str| names.iter().filter(|&command| command == name).count();
    assert_eq!(count("Join"), count("Leave"));
}

#[tokio::test]
async fn many_at_once_fill_a_room_and_no_more() {
    let house = House::new();
    house.create(json!({"roomId": "abc", "maxParticipants": 3})).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let mut client = house.client();
            tokio::spawn(async move {
                client.send(join("abc", json!({}))).await;
                client.next()["type"].clone()
            })
        })
        .collect();
    let mut inside = 0;
    for task in tasks {
        inside += usize::from(task.await.unwrap() == "room-joined");
    }
    assert_eq!(inside, 3);
}

#[tokio::test]
async fn bans_and_unbans_at_once_are_all_there() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc"})).await;
    let mut there = Vec::new();
    for _ in 0..5 {
        there.push(inside(&house, "abc", json!({})).await);
    }
    let ban = async |id: &str| {
        let path = format!("/api/rooms/abc/users/{id}/ban");
        house.request_as(&host, "POST", &path, None).await.0.as_u16()
    };
    let ids: Vec<_> = there.iter().map(|(member, _)| member.id.clone()).collect();
    let answers = tokio::join!(ban(&ids[0]), ban(&ids[1]), ban(&ids[2]), ban(&ids[3]), ban(&ids[4]));
    assert_eq!(answers, (200, 200, 200, 200, 200));
    let mut banned = room(&house).lock().record.banned.clone();
    banned.sort();
    let mut expected: Vec<_> =
        there.iter().map(|(_, joined)| Identity::parse(joined["identity"].as_str().unwrap()).unwrap()).collect();
    expected.sort();
    assert_eq!(banned, expected);
    assert_eq!(room(&house).lock().record.version, 6);
    assert_eq!(house.signaling.stats().participants, 0);
    assert_eq!(refusal(&house, "nowhere", json!({})).await, "room-not-found");
}
