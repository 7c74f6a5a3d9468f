//! Rooms over restarts and outages: what the store has, what memory has, and what is left in the end.

use super::FlakyStore;
use super::house::{House, pass, wall_clock, with_policy};
use crate::store::{RoomUid, Store};
use crate::{Announce, Policy, Reason, Settings, ShardHandle, Signaling, Storage};
use parlor_media::command::Command;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::mpsc;

/// A server on that store; what an earlier one had entered there is loaded.
async fn house_on(store: &Arc<FlakyStore>, settings: Settings) -> House {
    let (sender, commands): (_, mpsc::Receiver<Command>) = mpsc::channel(256);
    let shard = ShardHandle::new(sender, Arc::new(|| {}), 7900);
    let settings = Settings { wall_clock, ..settings };
    let storage = Storage(Arc::clone(store) as Arc<dyn Store>);
    let house = House { signaling: Signaling::new(settings, Announce::default(), storage, vec![shard]), commands };
    house.signaling.load().await.unwrap();
    let (purges, timers, journal) = (house.signaling.clone(), house.signaling.clone(), house.signaling.clone());
    tokio::spawn(async move { purges.run_purges().await });
    tokio::spawn(async move { timers.run_timers().await });
    tokio::spawn(async move { journal.run_journal().await });
    house
}

fn reasons(house: &House) -> Vec<Reason> {
    house.signaling.ailments().into_iter().map(|ailment| ailment.reason).collect()
}

fn uid(house: &House, room: &str) -> RoomUid {
    house.board().directory.rooms().into_iter().find(|there| there.code.as_str() == room).unwrap().uid
}

/// How many rooms the store still has something of.
async fn left(store: &FlakyStore) -> usize {
    let now = wall_clock();
    store.rooms(now, 100).await.unwrap().len() + store.due(now, 100).await.unwrap().len()
}

async fn say(house: &House, room: &str, text: &str) {
    let mut ana = house.joined(room, "Ana").await;
    ana.send(json!({"type": "send-message", "roomId": room, "text": text})).await;
    ana.send(json!({"type": "leave-room", "roomId": room})).await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_finds_rooms_settings_and_hosts_again_but_nobody_in_them() {
    let store = Arc::new(FlakyStore::default());
    let mut first = house_on(&store, Settings::default()).await;
    let body =
        json!({"roomId": "abc", "name": "Call", "password": "geheim", "history": "keep", "metadata": {"a": [1]}});
    let host = first.create(body).await;
    let (_, before) = first.request_as(&host, "GET", "/api/rooms/abc", None).await;
    let mut ana = first.client();
    ana.send(json!({"type": "join-room", "roomId": "abc", "hostSecret": &host[7..]})).await;
    first.signaling.shutdown().await;
    assert!(first.take_commands().iter().any(|command| matches!(command, Command::CloseRoom { .. })));
    drop(first);

    let mut second = house_on(&store, Settings::default()).await;
    assert_eq!(second.command_names(), ["OpenRoom"]);
    let (status, after) = second.request_as(&host, "GET", "/api/rooms/abc", None).await;
    assert_eq!((status.as_u16(), &after["room"]), (200, &before["room"]));
    assert_eq!((&after["room"]["passwordRequired"], &after["room"]["participantCount"]), (&json!(true), &json!(0)));
    assert_eq!(second.request_as(&host, "DELETE", "/api/rooms/abc", None).await.0.as_u16(), 200);
    pass(1.0).await;
    assert_eq!(left(&store).await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_was_said_goes_on_counting_after_a_restart_and_sessions_are_closed() {
    let store = Arc::new(FlakyStore::default());
    let first = house_on(&store, Settings::default()).await;
    let host = first.create(json!({"roomId": "abc"})).await;
    say(&first, "abc", "one").await;
    let _lost = first.joined("abc", "Bo").await;
    pass(1.0).await;
    drop(first);
    let second = house_on(&store, Settings::default()).await;
    let mut ana = second.joined("abc", "Ana").await;
    ana.send(json!({"type": "send-message", "roomId": "abc", "text": "two"})).await;
    assert_eq!(ana.next()["seq"], 2);
    let (_, sessions) = second.request_as(&host, "GET", "/api/rooms/abc/sessions", None).await;
    let reasons: Vec<_> = sessions["sessions"].as_array().unwrap().iter().map(|session| &session["reason"]).collect();
    assert_eq!(reasons, [&json!("left"), &json!("server-lost"), &Value::Null]);
    let (_, page) = second.request_as(&host, "GET", "/api/rooms/abc/sessions?skip=1&limit=1", None).await;
    assert_eq!(page["sessions"][0]["displayName"], "Bo");
}

#[tokio::test(start_paused = true)]
async fn an_empty_room_leaves_nothing_within_a_minute_though_the_store_is_away_for_a_while() {
    let store = Arc::new(FlakyStore::default());
    let house = house_on(&store, Settings::default()).await;
    house.create(json!({"roomId": "abc", "emptyTimeoutSeconds": 5})).await;
    let kept = house.create(json!({"roomId": "kept", "history": "keep"})).await;
    say(&house, "abc", "secret").await;
    let room = uid(&house, "abc");
    pass(1.0).await;
    assert_eq!(store.last_seq(room).await.unwrap(), 1);
    store.set_down(true);
    pass(60.0).await;
    assert_eq!(house.signaling.stats().rooms, 1, "memory ends it by the clock, the store is not asked");
    assert_eq!(house.board().purges.len(), 1);
    store.set_down(false);
    pass(31.0).await;
    assert_eq!((left(&store).await, store.last_seq(room).await.unwrap()), (1, 0));
    // What keeps its history does not end by being empty, nor by the end of a call.
    pass(3600.0).await;
    assert_eq!(house.request_as(&kept, "POST", "/api/rooms/kept/end", None).await.0.as_u16(), 200);
    pass(60.0).await;
    assert_eq!(house.signaling.stats().rooms, 1);
}

#[tokio::test(start_paused = true)]
async fn what_expired_while_the_server_was_off_is_found_and_removed() {
    let store = Arc::new(FlakyStore::default());
    let first = house_on(&store, Settings::default()).await;
    for number in 0..60 {
        first.create(json!({"roomId": format!("room-{number}"), "expiresInSeconds": 60})).await;
    }
    first.create(json!({"roomId": "later"})).await;
    // From here on its timers see no expiry.
    first.signaling.shutdown().await;
    assert_eq!(first.signaling.stats().rooms, 0);
    pass(120.0).await;
    let second = house_on(&store, Settings::default()).await;
    assert_eq!(second.signaling.stats().rooms, 1);
    pass(60.0).await;
    assert_eq!(left(&store).await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_ended_room_keeps_its_place_until_nothing_is_left() {
    let store = Arc::new(FlakyStore::default());
    let house = house_on(&store, with_policy(Policy { max_rooms: 1, ..Policy::default() })).await;
    house.create(json!({"roomId": "abc", "emptyTimeoutSeconds": 1})).await;
    store.set_down(true);
    pass(5.0).await;
    assert_eq!(house.signaling.stats().rooms, 0);
    let (status, _, problem) = house.request("POST", "/api/rooms", None).await;
    assert_eq!((status.as_u16(), &problem["code"]), (507, &json!("server-full")));
    store.set_down(false);
    pass(11.0).await;
    house.create(json!({"roomId": "abc"})).await;
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_refuses_changes_and_nothing_changes() {
    let store = Arc::new(FlakyStore::default());
    let house = house_on(&store, Settings::default()).await;
    let host = house.create(json!({"roomId": "abc"})).await;
    let mut ana = house.joined("abc", "Ana").await;
    store.set_down(true);
    for (method, path, body) in [
        ("POST", "/api/rooms", Some(json!({"roomId": "def"}))),
        ("PATCH", "/api/rooms/abc", Some(json!({"locked": true}))),
        ("DELETE", "/api/rooms/abc", None),
        ("POST", "/api/rooms/abc/end", None),
    ] {
        let (status, headers, problem) = house.request_with(method, path, &[("authorization", &host)], body).await;
        assert_eq!((status.as_u16(), &problem["code"]), (503, &json!("store-unavailable")), "{method} {path}");
        assert_eq!(headers["retry-after"], "5");
    }
    let (_, shown) = house.request_as(&host, "GET", "/api/rooms/abc", None).await;
    assert_eq!((&shown["room"]["locked"], &shown["room"]["version"]), (&json!(false), &json!(1)));
    assert!(ana.next().is_null(), "nobody is told of what did not happen");
    store.set_down(false);
    pass(31.0).await;
    house.create(json!({"roomId": "def"})).await;
    assert_eq!(house.request_as(&host, "PATCH", "/api/rooms/abc", Some(json!({"locked": true}))).await.0.as_u16(), 200);
    assert_eq!(ana.next()["room"]["locked"], true);
}

#[tokio::test(start_paused = true)]
async fn readiness_tells_what_is_wrong() {
    let store = Arc::new(FlakyStore::default());
    let pressure = Arc::new(AtomicBool::new(false));
    let settings = Settings { memory_pressure: Some(Arc::clone(&pressure)), ..Settings::default() };
    let house = house_on(&store, settings).await;
    let watch = house.signaling.clone();
    tokio::spawn(async move { watch.watch_store().await });
    pass(1.0).await;
    assert!(house.signaling.ailments().is_empty());
    store.set_down(true);
    pass(6.0).await;
    assert_eq!(reasons(&house), [Reason::Store]);
    assert!(!house.signaling.stats().store.available, "also when there is nothing to write");
    store.set_down(false);
    pass(6.0).await;
    assert!(house.signaling.ailments().is_empty());
    pressure.store(true, Ordering::Relaxed);
    assert_eq!(reasons(&house), [Reason::Memory]);
    let (status, _, problem) = house.request("POST", "/api/rooms", None).await;
    assert_eq!((status.as_u16(), &problem["code"]), (507, &json!("server-full")));
}

#[tokio::test]
async fn participants_and_memory_are_bounded() {
    let pressure = Arc::new(AtomicBool::new(false));
    let memory_pressure = Some(Arc::clone(&pressure));
    let house = House::with(
        Settings { memory_pressure, ..with_policy(Policy { max_total_participants: 2, ..Policy::default() }) },
        64,
    );
    for room in ["one", "two", "three"] {
        house.create(json!({ "roomId": room })).await;
    }
    let _ana = house.joined("one", "").await;
    let mut bo = house.joined("two", "").await;
    let join = json!({"type": "join-room", "roomId": "three"});
    assert_eq!(house.client().refused(join.clone()).await["code"], "server-full");
    bo.send(json!({"type": "leave-room", "roomId": "two"})).await;
    pressure.store(true, Ordering::Relaxed);
    assert_eq!(house.client().refused(join.clone()).await["code"], "server-full");
    pressure.store(false, Ordering::Relaxed);
    house.joined("three", "").await;
}
