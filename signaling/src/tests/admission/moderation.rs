//! Mute, kick, ban, promote.

use super::super::house::{House, Member};
use super::super::negotiation::published;
use super::{arrive, inside, refusal, secret};
use parlor_media::command::Command;
use serde_json::{Value, json};

const KEY: &str = "0123456789abcdef";

/// A room with a host and Ana, who are told nothing more, and the host's `Authorization`.
async fn room(house: &mut House) -> (Member, Member, String) {
    let authorization = house.create(json!({"roomId": "abc"})).await;
    let (mut host, _) = inside(house, "abc", json!({"hostSecret": secret(&authorization)})).await;
    let (ana, _) = inside(house, "abc", json!({"guestKey": KEY, "displayName": "Ana"})).await;
    host.all();
    house.take_commands();
    (host, ana, authorization)
}

async fn act(house: &House, who: &str, on: &str, what: &str, body: Value) -> (u16, Value) {
    let path = format!("/api/rooms/abc/users/{on}/{what}");
    let body = (!body.is_null()).then_some(body);
    let (status, body) = house.request_as(who, "POST", &path, body).await;
    (status.as_u16(), body)
}

#[tokio::test]
async fn a_muted_track_is_silent_until_its_owner_unmutes_it() {
    let mut house = House::new();
    let (mut host, mut ana, authorization) = room(&mut house).await;
    house.event(published(ana.participant(), 7, "0"));
    house.event(published(ana.participant(), 8, "1"));
    host.all();
    let tracks: Vec<_> = ana.all().iter().map(|told| told["track"]["trackId"].clone()).collect();
    assert_eq!(act(&house, &authorization, &ana.id, "mute", json!({"trackId": tracks[0]})).await.0, 200);
    let told =
        json!({"type": "track-state", "participantId": ana.id, "trackId": tracks[0], "muted": true, "by": "host"});
    assert_eq!((host.next(), ana.next()), (told.clone(), told));
    assert!(matches!(house.take_commands()[..], [Command::Silence { track: Some(_), .. }]));
    assert_eq!(act(&house, &authorization, &ana.id, "mute", Value::Null).await.0, 200);
    assert_eq!((host.all().len(), ana.all().len()), (2, 2));
    assert!(matches!(house.take_commands()[..], [Command::Silence { track: None, .. }]));
    ana.send(json!({"type": "track-state", "roomId": "abc", "trackId": tracks[0], "muted": false})).await;
    assert!(matches!(house.take_commands()[..], [Command::SetMuted { muted: false, .. }]));
    assert_eq!(
        host.next(),
        json!({"type": "track-state", "participantId": ana.id, "trackId": tracks[0], "muted": false})
    );
    let (status, problem) = act(&house, &authorization, &ana.id, "mute", json!({"trackId": "t0000000000001"})).await;
    assert_eq!((status, &problem["code"]), (400, &json!("unknown-track")));
    let (status, problem) = act(&house, &authorization, &host.id, "mute", json!({"trackId": tracks[0]})).await;
    assert_eq!((status, &problem["code"]), (400, &json!("unknown-track")), "a track of somebody else's");
}

#[tokio::test]
async fn who_is_kicked_is_told_and_may_come_back() {
    let mut house = House::new();
    let (mut host, mut ana, authorization) = room(&mut house).await;
    assert_eq!(act(&house, &authorization, &ana.id, "kick", Value::Null).await.0, 200);
    assert_eq!(ana.next(), json!({"type": "room-left", "roomId": "abc", "reason": "kicked"}));
    assert_eq!(host.next()["reason"], "kicked");
    assert_eq!(house.command_names(), ["Leave"]);
    let (status, problem) = act(&house, &authorization, &ana.id, "kick", Value::Null).await;
    assert_eq!((status, &problem["code"]), (404, &json!("user-not-found")));
    let mut again = house.client();
    let error = again.refused(json!({"type": "resume", "resumeToken": ana.token})).await;
    assert_eq!(error["code"], "resume-failed");
    inside(&house, "abc", json!({"guestKey": KEY})).await;
}

#[tokio::test]
async fn a_ban_is_of_a_person_with_all_devices_and_under_every_name() {
    let mut house = House::new();
    let (mut host, mut ana, authorization) = room(&mut house).await;
    let (mut phone, joined) = inside(&house, "abc", json!({"guestKey": KEY, "displayName": "Ana's phone"})).await;
    host.all();
    ana.all();
    house.take_commands();
    let (status, body) = act(&house, &authorization, &ana.id, "ban", Value::Null).await;
    assert_eq!((status, &body["identity"]), (200, &joined["identity"]));
    assert_eq!(ana.all().last().unwrap()["reason"], "banned");
    assert_eq!(phone.all().last().unwrap()["reason"], "banned");
    assert_eq!(house.command_names(), ["Leave", "Leave"]);
    let fields = json!({"guestKey": KEY, "displayName": "Somebody else"});
    assert_eq!(refusal(&house, "abc", fields.clone()).await, "banned");
    // The name is nobody's.
    inside(&house, "abc", json!({"displayName": "Ana"})).await;
    let (_, bans) = house.request_as(&authorization, "GET", "/api/rooms/abc/bans", None).await;
    assert_eq!(bans["bans"], json!([joined["identity"]]));
    let code = crate::protocol::RoomCode::parse("abc").unwrap();
    let stored = house.board().store.room(&code, house.board().wall_clock()).await;
    assert_eq!(stored.unwrap().unwrap().banned[0].as_str(), joined["identity"].as_str().unwrap());

    let path = format!("/api/rooms/abc/bans/{}", joined["identity"].as_str().unwrap());
    assert_eq!(house.request_as(&authorization, "DELETE", &path, None).await.0.as_u16(), 200);
    let (status, problem) = house.request_as(&authorization, "DELETE", &path, None).await;
    assert_eq!((status.as_u16(), &problem["code"]), (404, &json!("user-not-found")));
    inside(&house, "abc", fields).await;
}

#[tokio::test]
async fn bans_reach_into_the_lobby() {
    let house = House::new();
    let authorization = house.create(json!({"roomId": "abc", "lobby": true})).await;
    let (mut ana, waiting) = arrive(&house, "abc", json!({"guestKey": KEY})).await;
    let participant = waiting["participantId"].as_str().unwrap();
    assert_eq!(act(&house, &authorization, participant, "ban", Value::Null).await.0, 200);
    assert_eq!(ana.next(), json!({"type": "room-left", "roomId": "abc", "reason": "banned"}));
    assert_eq!(refusal(&house, "abc", json!({"guestKey": KEY})).await, "banned");
}

#[tokio::test]
async fn a_role_changes_while_one_is_there() {
    let mut house = House::new();
    let (mut host, mut ana, authorization) = room(&mut house).await;
    assert_eq!(act(&house, &authorization, &ana.id, "promote", json!({"role": "listener"})).await.0, 200);
    assert_eq!(host.next(), json!({"type": "role-changed", "participantId": ana.id, "role": "listener"}));
    let told = ana.all();
    assert_eq!(told[0]["type"], "role-changed");
    assert_eq!(told[1]["rights"], json!({"audio": false, "video": false, "screen": false, "chat": true}));
    assert!(
        matches!(house.take_commands()[..], [Command::SetRights { rights, .. }] if rights == parlor_media::command::Rights::NONE)
    );
    // The same again is no change.
    act(&house, &authorization, &ana.id, "promote", json!({"role": "listener"})).await;
    assert!(ana.all().is_empty() && house.take_commands().is_empty());
    // The last host steps down, and can do nothing more by its place in the room.
    act(&house, &authorization, &host.id, "promote", json!({"role": "speaker"})).await;
    let (_, users) = house.request_as(&authorization, "GET", "/api/rooms/abc/users", None).await;
    let roles: Vec<_> = users["participants"].as_array().unwrap().iter().map(|p| p["role"].clone()).collect();
    assert_eq!(roles, ["speaker", "listener"]);
    let (status, problem) = act(&house, &authorization, &ana.id, "promote", json!({"role": "king"})).await;
    assert_eq!((status, &problem["field"]), (400, &json!("role")));
}

#[tokio::test]
async fn hosts_moderate_by_their_place_in_the_room_and_nobody_by_a_name() {
    let mut house = House::new();
    let authorization = house.create(json!({"roomId": "abc"})).await;
    let (_host, joined) =
        inside(&house, "abc", json!({"hostSecret": secret(&authorization), "displayName": "Boss"})).await;
    let (ana, _) = inside(&house, "abc", json!({})).await;
    let (_boss, spoofed) = inside(&house, "abc", json!({"displayName": "Boss"})).await;
    house.take_commands();
    let bearer = |joined: &Value| format!("Bearer {}", joined["accessToken"].as_str().unwrap());
    for what in ["mute", "kick", "ban", "promote"] {
        let body = if what == "promote" { json!({"role": "host"}) } else { Value::Null };
        let (status, problem) = act(&house, &bearer(&spoofed), &ana.id, what, body).await;
        assert_eq!((status, &problem["code"]), (403, &json!("forbidden")), "{what}");
    }
    assert!(house.take_commands().is_empty());
    assert_eq!(act(&house, &bearer(&joined), &ana.id, "kick", Value::Null).await.0, 200);
    // A credential of another room's host is none of this room's.
    let other = house.create(json!({"roomId": "other"})).await;
    let (status, problem) = act(&house, &other, joined["participantId"].as_str().unwrap(), "kick", Value::Null).await;
    assert_eq!((status, &problem["code"]), (401, &json!("unauthorized")));
}

#[tokio::test]
async fn malformed_ids_name_nobody() {
    let mut house = House::new();
    let (_host, _ana, authorization) = room(&mut house).await;
    for id in ["x", "p0000000000000", "%2e%2e", "t0000000000001", "%ff"] {
        let (status, problem) = act(&house, &authorization, id, "kick", Value::Null).await;
        assert!(matches!(status, 400 | 404), "{id}: {status} {problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_shard_keeps_nobody_who_is_banned() {
    let mut house = House::with(crate::Settings::default(), 3);
    let (_host, mut ana, authorization) = room(&mut house).await;
    let mut permits = house.board().shards[0].reserve(3).await.ok().unwrap();
    for _ in 0..3 {
        permits.send(Command::Leave { participant: parlor_media::ids::ParticipantId(0) });
    }
    drop(permits);
    assert_eq!(act(&house, &authorization, &ana.id, "ban", Value::Null).await.0, 200);
    assert_eq!(ana.types(), ["room-updated"]);
    house.take_commands();
    house.run_timers();
    super::super::house::pass(1.0).await;
    assert_eq!(ana.types(), ["room-left"]);
    assert_eq!(house.command_names(), ["Leave"]);
}
