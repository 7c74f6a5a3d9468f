//! One-time invites.

use super::super::house::{House, pass};
use super::{admin, arrive, create_keyed, grant, inside, join, keyed, refusal, secret, sign};
use crate::access::Role;
use crate::invites::MAX_INVITES;
use serde_json::{Value, json};

async fn invites(house: &House, host: &str, room: &str, body: Value) -> Vec<Value> {
    let (status, body) = house.request_as(host, "POST", &format!("/api/rooms/{room}/invites"), Some(body)).await;
    assert_eq!(status.as_u16(), 201, "{body}");
    body["invites"].as_array().unwrap().clone()
}

#[tokio::test]
async fn an_invite_passes_every_door_once() {
    let house = House::new();
    let host = house
        .create(
            json!({"roomId": "abc", "locked": true, "lobby": true, "password": "open sesame", "joinAs": "listener"}),
        )
        .await;
    let made = invites(&house, &host, "abc", json!({"count": 2})).await;
    assert_eq!(made.len(), 2);
    let (_, joined) = inside(&house, "abc", json!({"invite": made[0]["invite"]})).await;
    assert_eq!(joined["role"], "listener", "as the room makes of newcomers");
    assert_eq!(refusal(&house, "abc", json!({"invite": made[0]["invite"]})).await, "invite-invalid");
    let host_invite = &invites(&house, &host, "abc", json!({"role": "host"})).await[0];
    let (_, joined) = inside(&house, "abc", json!({"invite": host_invite["invite"]})).await;
    assert_eq!(joined["role"], "host");
    // The last one is for another room than this.
    house.create(json!({"roomId": "other"})).await;
    assert_eq!(refusal(&house, "other", json!({"invite": made[1]["invite"]})).await, "invite-invalid");
    inside(&house, "abc", json!({"invite": made[1]["invite"]})).await;
}

#[tokio::test]
async fn what_is_no_invite_is_refused_also_where_none_is_needed() {
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    for wrong in ["", "invite_", &"0".repeat(64), &format!("invite_{}", "0".repeat(64)), "invite_<script>"] {
        assert_eq!(refusal(&house, "abc", json!({ "invite": wrong })).await, "invite-invalid", "{wrong}");
    }
}

#[tokio::test]
async fn an_invite_is_not_used_up_by_a_join_that_fails() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc", "maxParticipants": 1})).await;
    let invite = json!({"invite": invites(&house, &host, "abc", json!({})).await[0]["invite"]});
    let (mut ana, _) = inside(&house, "abc", json!({})).await;
    assert_eq!(refusal(&house, "abc", invite.clone()).await, "room-full");
    ana.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    inside(&house, "abc", invite).await;
}

#[tokio::test(start_paused = true)]
async fn an_invite_is_put_back_when_the_shard_does_not_listen() {
    let mut house = House::with(crate::Settings::default(), 1);
    let host = house.create(json!({"roomId": "abc"})).await;
    house.take_commands();
    let invite = json!({"invite": invites(&house, &host, "abc", json!({})).await[0]["invite"]});
    let mut permits = house.board().shards[0].reserve(1).await.ok().unwrap();
    permits.send(parlor_media::command::Command::Leave { participant: parlor_media::ids::ParticipantId(0) });
    drop(permits);
    assert_eq!(refusal(&house, "abc", invite.clone()).await, "server-busy");
    house.take_commands();
    inside(&house, "abc", invite).await;
}

#[tokio::test]
async fn a_host_does_not_spend_an_invite() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc"})).await;
    let invite = invites(&house, &host, "abc", json!({})).await[0]["invite"].clone();
    inside(&house, "abc", json!({"hostSecret": secret(&host), "invite": invite})).await;
    inside(&house, "abc", json!({"invite": invite})).await;
}

#[tokio::test(start_paused = true)]
async fn invites_are_listed_without_their_secrets_withdrawn_and_over() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc"})).await;
    let made = invites(&house, &host, "abc", json!({"count": 3, "expiresInSeconds": 60})).await;
    let (_, listed) = house.request_as(&host, "GET", "/api/rooms/abc/invites", None).await;
    assert_eq!(listed["invites"].as_array().unwrap().len(), 3);
    assert!(!listed.to_string().contains("invite_"), "{listed}");
    let path = format!("/api/rooms/abc/invites/{}", made[0]["inviteId"].as_str().unwrap());
    assert_eq!(house.request_as(&host, "DELETE", &path, None).await.0.as_u16(), 200);
    assert_eq!(house.request_as(&host, "DELETE", &path, None).await.0.as_u16(), 404);
    assert_eq!(refusal(&house, "abc", json!({"invite": made[0]["invite"]})).await, "invite-invalid");
    inside(&house, "abc", json!({"invite": made[1]["invite"]})).await;
    pass(61.0).await;
    assert_eq!(refusal(&house, "abc", json!({"invite": made[2]["invite"]})).await, "invite-invalid");
    let (_, listed) = house.request_as(&host, "GET", "/api/rooms/abc/invites", None).await;
    assert_eq!(listed["invites"], json!([]));
}

#[tokio::test]
async fn invites_are_bounded() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc"})).await;
    for body in [json!({"count": 0}), json!({"count": 101}), json!({"role": "king"}), json!({"expiresInSeconds": 0})] {
        let (status, problem) = house.request_as(&host, "POST", "/api/rooms/abc/invites", Some(body.clone())).await;
        assert_eq!((status.as_u16(), &problem["code"]), (400, &json!("bad-message")), "{body}");
    }
    for _ in 0..MAX_INVITES / 100 {
        invites(&house, &host, "abc", json!({"count": 100})).await;
    }
    let (status, problem) = house.request_as(&host, "POST", "/api/rooms/abc/invites", None).await;
    assert_eq!((status.as_u16(), &problem["field"]), (400, &json!("count")));
}

#[tokio::test]
async fn on_a_server_with_keys_an_invite_stands_for_a_token() {
    let house = keyed();
    create_keyed(&house, json!({"roomId": "abc", "maxParticipants": 1})).await;
    let host = format!("Bearer {}", sign(&house, &grant("abc", "boss", Role::Host)));
    let made = invites(&house, &host, "abc", json!({"count": 2})).await;
    let (_ana, joined) = inside(&house, "abc", json!({"invite": made[0]["invite"]})).await;
    assert!(joined["identity"].as_str().unwrap().starts_with("guest-"));
    // What the room is like is told to those who are invited only; whoever guesses learns not even that it is there.
    assert_eq!(refusal(&house, "abc", json!({"invite": made[1]["invite"]})).await, "room-full");
    let guess = json!({"invite": format!("invite_{}", "1".repeat(64))});
    assert_eq!(refusal(&house, "abc", guess.clone()).await, "invite-invalid");
    assert_eq!(refusal(&house, "nowhere", guess).await, "invite-invalid");
    assert_eq!(refusal(&house, "abc", json!({"invite": made[0]["invite"]})).await, "invite-invalid");
}

#[tokio::test]
async fn two_with_one_invite_are_one() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc", "locked": true})).await;
    for _ in 0..20 {
        let invite = json!({"invite": invites(&house, &host, "abc", json!({})).await[0]["invite"]});
        let (mut one, mut other) = (house.client(), house.client());
        tokio::join!(one.send(join("abc", invite.clone())), other.send(join("abc", invite)));
        let mut answers = [one.next()["type"].clone(), other.next()["type"].clone()];
        answers.sort_by_key(Value::to_string);
        assert_eq!(answers, ["error", "room-joined"]);
        drop((one, other));
    }
    let (_, answer) = arrive(&house, "abc", json!({})).await;
    assert_eq!(answer["code"], "room-locked");
}

#[tokio::test]
async fn administrators_make_invites_too() {
    let house = keyed();
    create_keyed(&house, json!({"roomId": "abc"})).await;
    assert_eq!(invites(&house, &admin(&house), "abc", json!({})).await.len(), 1);
}
