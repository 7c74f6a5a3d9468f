//! What people in a room may do, and how they are shown.

use super::super::house::House;
use super::super::negotiation::published;
use super::{create_keyed, grant, inside, keyed, sign};
use crate::access::{Grant, PublishGrant, Role};
use parlor_media::command::{Command, Rights};
use serde_json::json;

#[tokio::test]
async fn the_shard_is_told_what_each_may_publish() {
    let mut house = keyed();
    create_keyed(&house, json!({"roomId": "abc", "publish": {"screen": "hosts"}})).await;
    let mute = Grant { publish: PublishGrant::parse(["video"]).unwrap(), ..grant("abc", "mute", Role::Speaker) };
    for grant in
        [grant("abc", "h", Role::Host), grant("abc", "s", Role::Speaker), grant("abc", "l", Role::Listener), mute]
    {
        inside(&house, "abc", json!({"token": sign(&house, &grant)})).await;
    }
    let rights = house.take_commands().into_iter().filter_map(|command| match command {
        Command::Join { settings, .. } => Some(settings.rights),
        _ => None,
    });
    let only_video = Rights { audio: false, video: true, screen: false };
    let expected = [Rights::ALL, Rights { screen: false, ..Rights::ALL }, Rights::NONE, only_video];
    assert_eq!(rights.collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_change_of_settings_reaches_those_it_concerns() {
    let mut house = House::new();
    let authorization = house.create(json!({"roomId": "abc"})).await;
    let (mut host, _) = inside(&house, "abc", json!({"hostSecret": super::secret(&authorization)})).await;
    let (mut ana, _) = inside(&house, "abc", json!({})).await;
    house.event(published(ana.participant(), 7, "0"));
    host.all();
    let track = ana.all()[0]["track"]["trackId"].clone();
    house.take_commands();
    let settings = json!({"publish": {"audio": "hosts", "video": "hosts", "screen": "hosts"}, "chat": "nobody"});
    house.request_as(&authorization, "PATCH", "/api/rooms/abc", Some(settings)).await;
    assert_eq!(host.types(), ["room-updated", "rights-changed"]);
    let told = ana.all();
    assert_eq!(told[1]["rights"], json!({"audio": false, "video": false, "screen": false, "chat": false}));
    let commands = house.take_commands();
    let of_ana = commands.iter().any(|command| matches!(command, Command::SetRights { participant, rights } if *participant == ana.participant() && *rights == Rights::NONE));
    assert!(of_ana, "{commands:?}");
    let unmute = json!({"type": "track-state", "roomId": "abc", "trackId": track, "muted": false});
    assert_eq!(ana.refused(unmute).await["code"], "forbidden");
}

#[tokio::test]
async fn who_is_hidden_is_not_shown_and_does_nothing() {
    let mut house = keyed();
    create_keyed(&house, json!({"roomId": "abc", "maxParticipants": 1})).await;
    let ana = sign(&house, &grant("abc", "ana", Role::Speaker));
    let (mut ana, _) = inside(&house, "abc", json!({ "token": ana })).await;
    let hidden = sign(&house, &Grant { hidden: true, ..grant("abc", "recorder", Role::Speaker) });
    // It takes no place of the others.
    let (mut recorder, joined) = inside(&house, "abc", json!({ "token": hidden })).await;
    assert_eq!(joined["participantCount"], 1);
    assert_eq!(joined["participants"].as_array().unwrap().len(), 2, "it sees itself");
    assert_eq!(joined["rights"], json!({"audio": false, "video": false, "screen": false, "chat": false}));
    assert!(ana.next().is_null());
    let admin = super::admin(&house);
    let (_, users) = house.request_as(&admin, "GET", "/api/rooms/abc/users", None).await;
    assert_eq!((&users["participantCount"], users["participants"].as_array().unwrap().len()), (&json!(1), 1));
    let (_, room) = house.request_as(&admin, "GET", "/api/rooms/abc", None).await;
    assert_eq!(room["room"]["participantCount"], 1);
    recorder.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    assert_eq!(recorder.next()["type"], "room-left");
    assert!(ana.next().is_null());
    assert_eq!(house.command_names(), ["OpenRoom", "Join", "Join", "Leave"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_hidden_does_not_keep_a_room_open() {
    let house = keyed();
    house.run_timers();
    create_keyed(&house, json!({"roomId": "abc", "emptyTimeoutSeconds": 60})).await;
    let hidden = sign(&house, &Grant { hidden: true, ..grant("abc", "recorder", Role::Speaker) });
    let (mut recorder, _) = inside(&house, "abc", json!({ "token": hidden })).await;
    super::super::house::pass(62.0).await;
    assert_eq!(recorder.types(), ["room-closed", "room-left"]);
}

#[tokio::test]
async fn strangers_see_who_is_in_only_where_they_may_walk_in() {
    let house = House::new();
    let authorization = house.create(json!({"roomId": "abc"})).await;
    assert_eq!(house.request("GET", "/api/rooms/abc/users", None).await.0.as_u16(), 200);
    for door in
        [json!({"lobby": true}), json!({"lobby": false, "locked": true}), json!({"locked": false, "password": "x"})]
    {
        house.request_as(&authorization, "PATCH", "/api/rooms/abc", Some(door.clone())).await;
        let (status, _, problem) = house.request("GET", "/api/rooms/abc/users", None).await;
        assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("unauthorized")), "{door}");
    }
}
