//! Joining a server that has keys.

use super::super::house::{House, pass, wall_clock};
use super::{create_keyed, grant, inside, keyed, refusal, sign};
use crate::access::{Grant, Role};
use crate::protocol::RoomCode;
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn a_token_says_who_somebody_is() {
    let house = keyed();
    create_keyed(&house, json!({"roomId": "abc"})).await;
    let named = Grant { name: Some("Ana Maria".to_owned()), ..grant("abc", "ana@example.org", Role::Host) };
    let fields = json!({"token": sign(&house, &named), "displayName": "Boss", "guestKey": "0123456789abcdef"});
    let (_, joined) = inside(&house, "abc", fields).await;
    let me = &joined["participants"][0];
    assert_eq!((&me["identity"], &me["role"]), (&json!("ana@example.org"), &json!("host")));
    assert_eq!(me["displayName"], "Ana Maria");
    let nameless = sign(&house, &grant("abc", "bo", Role::Listener));
    let (_, joined) = inside(&house, "abc", json!({"token": nameless, "displayName": "Bo"})).await;
    assert_eq!((&joined["participants"][1]["displayName"], &joined["role"]), (&json!("Bo"), &json!("listener")));
}

#[tokio::test]
async fn without_a_good_token_for_the_room_nobody_enters_or_learns_anything() {
    let house = keyed();
    create_keyed(&house, json!({"roomId": "abc"})).await;
    create_keyed(&house, json!({"roomId": "other"})).await;
    for room in ["abc", "nowhere"] {
        assert_eq!(refusal(&house, room, json!({})).await, "unauthorized");
        assert_eq!(
            refusal(&house, room, json!({"password": "x", "guestKey": "0123456789abcdef"})).await,
            "unauthorized"
        );
        assert_eq!(refusal(&house, room, json!({"token": "e30.e30.e30"})).await, "token-invalid");
        let secret = format!("host_{}", "0".repeat(64));
        assert_eq!(refusal(&house, room, json!({ "hostSecret": secret })).await, "token-invalid");
        let other = sign(&house, &grant("other", "ana", Role::Host));
        assert_eq!(refusal(&house, room, json!({ "token": other })).await, "forbidden");
        let of_no_room = Grant { room: None, admin: true, ..grant("abc", "root", Role::Host) };
        assert_eq!(refusal(&house, room, json!({"token": sign(&house, &of_no_room)})).await, "forbidden");
    }
    let there = sign(&house, &Grant { room: RoomCode::parse("nowhere"), ..grant("abc", "ana", Role::Speaker) });
    assert_eq!(refusal(&house, "nowhere", json!({ "token": there })).await, "room-not-found");
}

#[tokio::test]
async fn a_server_without_keys_takes_no_tokens() {
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    let token = sign(&keyed(), &grant("abc", "ana", Role::Host));
    assert_eq!(refusal(&house, "abc", json!({ "token": token })).await, "token-invalid");
}

#[tokio::test]
async fn a_speakers_token_passes_no_door_and_a_hosts_all() {
    let house = keyed();
    create_keyed(&house, json!({"roomId": "abc", "locked": true})).await;
    let token = |role| json!({"token": sign(&house, &grant("abc", "ana", role))});
    assert_eq!(refusal(&house, "abc", token(Role::Speaker)).await, "room-locked");
    inside(&house, "abc", token(Role::Host)).await;
}

#[tokio::test(start_paused = true)]
async fn a_stay_ends_with_its_token() {
    let mut house = keyed();
    house.run_timers();
    create_keyed(&house, json!({"roomId": "abc"})).await;
    let short = |seconds| Grant {
        expires_at: wall_clock() + Duration::from_secs(seconds),
        ..grant("abc", "ana", Role::Speaker)
    };
    let (mut ana, _) = inside(&house, "abc", json!({"token": sign(&house, &short(60))})).await;
    let other = Grant { expires_at: short(60).expires_at, ..grant("abc", "bo", Role::Speaker) };
    let (mut bo, _) = inside(&house, "abc", json!({"token": sign(&house, &other)})).await;
    ana.all();
    house.take_commands();
    pass(50.0).await;
    let renew =
        |grant: &Grant| json!({"type": "renew-token", "roomId": "abc", "token": sign(&house, grant), "id": "r"});
    let mine = renew(&Grant { chat: false, role: Role::Host, ..short(120) });
    let theirs = renew(&Grant { expires_at: short(120).expires_at, ..grant("abc", "bo", Role::Speaker) });
    let elsewhere = renew(&Grant { room: RoomCode::parse("other"), ..short(120) });
    assert_eq!(ana.refused(theirs).await["code"], "forbidden");
    assert_eq!(ana.refused(elsewhere).await["code"], "forbidden");
    ana.send(mine).await;
    let renewed = ana.next();
    assert_eq!((&renewed["type"], &renewed["id"]), (&json!("token-renewed"), &json!("r")));
    assert_eq!(renewed["expiresAt"], json!(short(120).expires_at));
    assert_eq!(ana.next()["rights"]["chat"], false);
    house.take_commands();
    // With the leeway for clocks, Bo's is over.
    pass(21.0).await;
    assert_eq!(bo.next(), json!({"type": "room-left", "roomId": "abc", "reason": "token-expired"}));
    let left = ana.next();
    assert_eq!((&left["type"], &left["reason"]), (&json!("user-left"), &json!("token-expired")));
    assert_eq!(house.command_names(), ["Leave"]);
    pass(115.0).await;
    assert_eq!(ana.next()["reason"], "token-expired");
}

#[tokio::test(start_paused = true)]
async fn waiting_ends_with_the_token_too() {
    let house = keyed();
    house.run_timers();
    create_keyed(&house, json!({"roomId": "abc", "lobby": true})).await;
    let short = Grant { expires_at: wall_clock() + Duration::from_secs(60), ..grant("abc", "ana", Role::Speaker) };
    let (mut ana, waiting) = super::arrive(&house, "abc", json!({"token": sign(&house, &short)})).await;
    assert_eq!(waiting["type"], "lobby-waiting");
    pass(71.0).await;
    assert_eq!(ana.next(), json!({"type": "room-left", "roomId": "abc", "reason": "token-expired"}));
}
