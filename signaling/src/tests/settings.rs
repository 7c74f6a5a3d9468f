//! What a room can be set to, by whom, and how it is told.

use super::house::{House, pass};
use crate::Settings;
use axum::http::StatusCode;
use parlor_media::command::{Command, Rights};
use serde_json::{Value, json};

#[tokio::test]
async fn a_room_is_created_with_every_setting() {
    let house = House::new();
    let body = json!({
        "roomId": "all", "name": "Call", "maxParticipants": 7, "expiresInSeconds": 3600, "notBefore": "2026-11-22T19:00:00.000Z",
        "emptyTimeoutSeconds": null, "history": "keep", "locked": true, "password": "geheim", "lobby": true,
        "joinAs": "listener", "publish": {"screen": "hosts"}, "chat": "nobody", "metadata": {"a": {"b": [1]}}
    });
    let host = house.create(body).await;
    let (_, shown) = house.request_as(&host, "GET", "/api/rooms/all", None).await;
    let expected = json!({
        "roomId": "all", "name": "Call", "createdAt": shown["room"]["createdAt"], "expiresAt": shown["room"]["expiresAt"],
        "notBefore": "2026-11-22T19:00:00.000Z", "participantCount": 0, "maxParticipants": 7, "history": "keep",
        "locked": true, "lobby": true, "passwordRequired": true, "joinAs": "listener",
        "publish": {"audio": "everyone", "video": "everyone", "screen": "hosts"}, "chat": "nobody",
        "emptyTimeoutSeconds": null, "metadata": {"a": {"b": [1]}}, "version": 1
    });
    assert_eq!(shown["room"], expected);
    let (_, _, strange) = house.request("GET", "/api/rooms/all", None).await;
    assert!(strange["room"].get("metadata").is_none());
    assert!(!shown.to_string().contains("geheim") && !shown.to_string().contains("argon2"));
    // What keeps its history has an end, by default the latest there is.
    let host = house.create(json!({"roomId": "kept", "history": "keep"})).await;
    let (_, kept) = house.request_as(&host, "GET", "/api/rooms/kept", None).await;
    assert_eq!(&kept["room"]["expiresAt"].as_str().unwrap()[..10], "2026-12-22");
    assert_eq!(kept["room"]["emptyTimeoutSeconds"], Value::Null);
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused_by_name_and_secrets_are_not_quoted() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc"})).await;
    let deep = (0..9).fold(json!(1), |inner, _| json!({ "a": inner }));
    let operator = json!({"$ne": null});
    for (field, value) in [
        ("emptyTimeoutSeconds", json!(0)),
        ("emptyTimeoutSeconds", json!(2_592_001)),
        ("notBefore", json!("tomorrow")),
        ("notBefore", json!("2099-01-01T00:00:00.000Z")),
        ("history", json!("forever")),
        ("history", operator.clone()),
        ("locked", json!("yes")),
        ("lobby", json!(1)),
        ("password", json!("")),
        ("password", json!("ä".repeat(129))),
        ("password", json!(987_654_321)),
        ("password", json!({"$gt": "swordfish"})),
        ("joinAs", json!("host")),
        ("publish", json!({"audio": "all"})),
        ("publish", json!({"smell": "everyone"})),
        ("chat", operator.clone()),
        ("metadata", json!([])),
        ("metadata", json!({"a": "x".repeat(4096)})),
        ("metadata", deep),
        ("name", operator.clone()),
        ("maxParticipants", json!("7")),
        ("expiresInSeconds", json!(1.5)),
    ] {
        for (method, path) in [("POST", "/api/rooms"), ("PATCH", "/api/rooms/abc")] {
            let (status, problem) = house.request_as(&host, method, path, Some(json!({ field: value }))).await;
            assert_eq!((status.as_u16(), &problem["field"]), (400, &json!(field)), "{method} {value}: {problem}");
            let text = problem.to_string();
            assert!(!text.contains("987654321") && !text.contains("swordfish"), "{text}");
        }
    }
    for (body, field) in [
        (json!({"roomId": "other"}), "roomId"),
        (json!({"locked": null}), "locked"),
        (json!({"metadata": null}), "metadata"),
        (json!({"notBefore": "2026-11-22T20:00:00.000Z", "expiresInSeconds": 60}), "notBefore"),
    ] {
        let (status, problem) = house.request_as(&host, "PATCH", "/api/rooms/abc", Some(body.clone())).await;
        assert_eq!((status.as_u16(), &problem["field"]), (400, &json!(field)), "{body}: {problem}");
    }
}

#[tokio::test]
async fn a_change_is_told_and_null_takes_away() {
    let house = House::new();
    let host =
        house.create(json!({"roomId": "abc", "name": "Call", "expiresInSeconds": 60, "password": "geheim"})).await;
    let foreign = house.create(json!({"roomId": "foreign"})).await;
    let path = "/api/rooms/abc";
    for (headers, status) in [(vec![], 401), (vec![("authorization", foreign.as_str())], 401)] {
        let (got, ..) = house.request_with("PATCH", path, &headers, Some(json!({"locked": true}))).await;
        assert_eq!(got.as_u16(), status, "the host of another room is a stranger here");
        assert_eq!(house.request_with("DELETE", path, &headers, None).await.0.as_u16(), status);
    }
    let body = json!({"name": null, "expiresInSeconds": null, "password": null, "emptyTimeoutSeconds": null});
    let headers = [("authorization", host.as_str()), ("if-match", "\"1\"")];
    let (status, answer, changed) = house.request_with("PATCH", path, &headers, Some(body.clone())).await;
    assert_eq!((status, &answer["etag"]), (StatusCode::OK, &"\"2\"".parse().unwrap()));
    let room = &changed["room"];
    for field in ["name", "expiresAt", "emptyTimeoutSeconds"] {
        assert_eq!(room[field], Value::Null, "{field}");
    }
    assert_eq!(room["passwordRequired"], false);
    let (status, _, problem) = house.request_with("PATCH", path, &headers, Some(body.clone())).await;
    assert_eq!((status.as_u16(), &problem["code"]), (412, &json!("version-conflict")));
    // What changes nothing makes no version and tells nobody.
    let mut ana = house.joined("abc", "Ana").await;
    assert_eq!(house.request_as(&host, "PATCH", path, Some(body)).await.1["room"]["version"], 2);
    assert!(ana.next().is_null());
    house.request_as(&host, "PATCH", path, Some(json!({"metadata": {"n": 1}, "maxParticipants": 1}))).await;
    let told = ana.next();
    assert_eq!((&told["type"], &told["room"]["metadata"]), (&json!("room-updated"), &json!({"n": 1})));
    // Who is inside stays, whatever the number is now.
    house.request_as(&host, "PATCH", path, Some(json!({"maxParticipants": 1, "locked": true}))).await;
    assert_eq!(ana.next()["room"]["participantCount"], 1);
}

#[tokio::test]
async fn a_known_version_is_not_sent_again() {
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    for (tag, status) in
        [("\"1\"", 304), ("W/\"1\"", 304), ("\"7\", \"1\"", 304), ("*", 304), ("\"2\"", 200), ("1", 200)]
    {
        let (got, headers, _) = house.request_with("GET", "/api/rooms/abc", &[("if-none-match", tag)], None).await;
        assert_eq!(got.as_u16(), status, "{tag}");
        assert_eq!(headers["etag"], "\"1\"");
    }
}

#[tokio::test]
async fn who_may_publish_counts_at_once_for_those_present() {
    let mut house = House::new();
    let host = house.create(json!({"roomId": "abc"})).await;
    let ana = house.joined("abc", "Ana").await;
    house.take_commands();
    let body = json!({"publish": {"video": "hosts", "screen": "nobody"}});
    house.request_as(&host, "PATCH", "/api/rooms/abc", Some(body)).await;
    let commands = house.take_commands();
    let [Command::SetRights { participant, rights }] = commands.as_slice() else { panic!("{commands:?}") };
    assert_eq!((*participant, *rights), (ana.participant(), Rights { audio: true, video: false, screen: false }));
}

#[tokio::test]
async fn concurrent_changes_are_all_made() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc"})).await;
    let patch = |body: Value| house.request_as(&host, "PATCH", "/api/rooms/abc", Some(body));
    let (one, two, three) =
        tokio::join!(patch(json!({"locked": true})), patch(json!({"chat": "hosts"})), patch(json!({"lobby": true})));
    assert!([&one, &two, &three].iter().all(|(status, _)| *status == StatusCode::OK));
    let (_, shown) = house.request_as(&host, "GET", "/api/rooms/abc", None).await;
    let room = &shown["room"];
    assert_eq!((&room["locked"], &room["chat"], &room["lobby"]), (&json!(true), &json!("hosts"), &json!(true)));
    assert_eq!(room["version"], 4);
}

#[tokio::test]
async fn a_repeated_creation_gets_the_same_answer() {
    let house = House::new();
    let key = [("idempotency-key", "order-4711")];
    let body = json!({"name": "Call"});
    let (first, second) = tokio::join!(
        house.request_with("POST", "/api/rooms", &key, Some(body.clone())),
        house.request_with("POST", "/api/rooms", &key, Some(body.clone()))
    );
    assert_eq!((first.0, &first.2), (StatusCode::CREATED, &second.2));
    assert_eq!((second.0, &first.1["location"]), (StatusCode::CREATED, &second.1["location"]));
    assert_eq!(house.signaling.stats().rooms, 1);
    let (status, _, problem) = house.request_with("POST", "/api/rooms", &key, Some(json!({"name": "Other"}))).await;
    assert_eq!((status.as_u16(), &problem["code"]), (422, &json!("idempotency-mismatch")));
    let (status, _, problem) =
        house.request_with("POST", "/api/rooms", &[("idempotency-key", "a b")], Some(body)).await;
    assert_eq!((status.as_u16(), &problem["field"]), (400, &json!("Idempotency-Key")));
}

#[tokio::test]
async fn rooms_are_listed_for_administrators_only() {
    let house = House::new();
    let host = house.create(json!({})).await;
    assert_eq!(house.request("GET", "/api/rooms", None).await.0.as_u16(), 401);
    assert_eq!(house.request_as(&host, "GET", "/api/rooms", None).await.0.as_u16(), 403);
}

#[tokio::test]
async fn strangers_see_who_is_in_only_where_anybody_may_enter() {
    let house = House::new();
    for (room, settings, status) in [
        ("open", json!({}), 200),
        ("locked", json!({"locked": true}), 401),
        ("lobby", json!({"lobby": true}), 401),
        ("secret", json!({"password": "x"}), 401),
    ] {
        let mut body = settings;
        body["roomId"] = json!(room);
        let host = house.create(body).await;
        let path = format!("/api/rooms/{room}/users");
        assert_eq!(house.request("GET", &path, None).await.0.as_u16(), status, "{room}");
        assert_eq!(house.request_as(&host, "GET", &path, None).await.0.as_u16(), 200, "{room}");
        let path = format!("/api/rooms/{room}/sessions");
        assert_eq!(house.request("GET", &path, None).await.0.as_u16(), 401, "{room}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_that_opens_later_waits_for_its_time_and_a_longer_life_counts() {
    let house = House::with(Settings::default(), 64);
    house.run_timers();
    house.create(json!({"roomId": "abc", "notBefore": "2026-11-22T19:44:22.000Z"})).await;
    pass(3601.0).await;
    assert_eq!(
        house.request("GET", "/api/rooms/abc", None).await.0.as_u16(),
        200,
        "being empty counts from its opening"
    );
    pass(300.0).await;
    assert_eq!(house.request("GET", "/api/rooms/abc", None).await.0.as_u16(), 404);
    let host = house.create(json!({"roomId": "def", "expiresInSeconds": 10})).await;
    house.request_as(&host, "PATCH", "/api/rooms/def", Some(json!({"expiresInSeconds": 100}))).await;
    pass(50.0).await;
    assert_eq!(house.request("GET", "/api/rooms/def", None).await.0.as_u16(), 200);
    pass(51.0).await;
    assert_eq!(house.request("GET", "/api/rooms/def", None).await.0.as_u16(), 410);
}

#[tokio::test]
async fn ending_a_call_puts_everyone_out() {
    let mut house = House::new();
    for (room, history, stays) in [("kept", "keep", true), ("open", "while-open", false)] {
        let host = house.create(json!({"roomId": room, "history": history})).await;
        let mut ana = house.joined(room, "Ana").await;
        house.take_commands();
        let path = format!("/api/rooms/{room}/end");
        assert_eq!(house.request("POST", &path, None).await.0.as_u16(), 401);
        assert_eq!(house.request_as(&host, "POST", &path, None).await, (StatusCode::OK, json!({"success": true})));
        let types = ana.all();
        assert_eq!(types.last().unwrap()["reason"], "ended");
        assert_eq!(types.len(), if stays { 1 } else { 2 });
        assert_eq!(house.request("GET", &format!("/api/rooms/{room}"), None).await.0.is_success(), stays);
        assert_eq!(house.command_names()[0], "CloseRoom");
    }
}
