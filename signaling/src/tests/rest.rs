//! The REST interface.

use super::house::{House, answer, with_policy};
use crate::{Policy, Settings};
use axum::body::Body;
use axum::http::{Request, StatusCode};
use serde_json::{Value, json};

#[tokio::test]
async fn a_room_is_created_shown_and_deleted() {
    let mut house = House::new();
    let body = json!({"roomId": "Monday", "name": " Team <b> ", "maxParticipants": 3, "expiresInSeconds": 60});
    let (status, headers, created) = house.request("POST", "/api/rooms", Some(body)).await;
    assert_eq!(status, StatusCode::CREATED);
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["cache-control"], "no-store");
    let room = &created["room"];
    assert_eq!(created["success"], true);
    assert_eq!((&room["roomId"], &room["name"]), (&json!("monday"), &json!("Team <b>")));
    assert_eq!((&room["maxParticipants"], &room["participantCount"]), (&json!(3), &json!(0)));
    assert!(room["createdAt"].as_str() < room["expiresAt"].as_str());

    assert_eq!(
        (&headers["etag"], &headers["location"]),
        (&"\"1\"".parse().unwrap(), &"/api/rooms/monday".parse().unwrap())
    );

    let host = format!("Bearer {}", created["hostSecret"].as_str().unwrap());
    let (status, shown) = house.request_as(&host, "GET", "/api/rooms/MONDAY", None).await;
    assert_eq!((status, &shown["room"]), (StatusCode::OK, &created["room"]));
    assert_eq!(house.request("POST", "/api/rooms", Some(json!({"roomId": "monday"}))).await.0, StatusCode::CONFLICT);
    let (status, _, problem) = house.request("DELETE", "/api/rooms/monday", None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!("unauthorized")));
    assert_eq!(house.request_as(&host, "DELETE", "/api/rooms/monday", None).await.1, json!({"success": true}));
    let (status, headers, problem) = house.request("GET", "/api/rooms/monday", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(headers["content-type"], "application/problem+json");
    assert_eq!(
        problem,
        json!({"type": "about:blank", "title": "Not Found", "status": 404, "detail": "there is no room \"monday\"",
            "success": false, "error": "there is no room \"monday\"", "code": "room-not-found"})
    );
    assert_eq!(house.command_names(), ["OpenRoom", "CloseRoom"]);
}

#[tokio::test]
async fn an_empty_body_gets_an_unguessable_room() {
    let house = House::new();
    let (_, _, first) = house.request("POST", "/api/rooms", None).await;
    let (_, _, second) = house.request("POST", "/api/rooms", Some(json!({}))).await;
    let id = |body: &Value| body["room"]["roomId"].as_str().unwrap().to_owned();
    assert_eq!(id(&first).len(), 19);
    assert_ne!(id(&first), id(&second));
    assert_eq!(first["room"]["expiresAt"], Value::Null);
}

#[tokio::test]
async fn users_are_listed_without_their_mids() {
    let house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    let ana = house.joined("abc", "Ana").await;
    let (status, _, users) = house.request("GET", "/api/rooms/abc/users", None).await;
    assert_eq!((status, &users["participantCount"]), (StatusCode::OK, &json!(1)));
    assert_eq!(users["participants"][0]["participantId"], ana.id);
    assert_eq!(users["participants"][0]["displayName"], "Ana");
}

#[tokio::test]
async fn wrong_bodies_name_the_field_and_what_is_allowed() {
    let house = House::new();
    for (body, field, code) in [
        (json!({"roomId": "a b"}), "roomId", "bad-room-id"),
        (json!({"roomId": 5}), "roomId", "bad-room-id"),
        (json!({"roomId": {"$gt": ""}}), "roomId", "bad-room-id"),
        (json!({"maxParticipants": 0}), "maxParticipants", "bad-message"),
        (json!({"maxParticipants": 501}), "maxParticipants", "bad-message"),
        (json!({"maxParticipants": -1}), "maxParticipants", "bad-message"),
        (json!({"expiresInSeconds": 1e99}), "expiresInSeconds", "bad-message"),
        (json!({"expiresInSeconds": u64::MAX}), "expiresInSeconds", "bad-message"),
        (json!({"name": "x".repeat(65)}), "name", "name-invalid"),
        (json!({"name": "a\u{202e}b"}), "name", "name-invalid"),
    ] {
        let (status, _, problem) = house.request("POST", "/api/rooms", Some(body.clone())).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!((&problem["code"], &problem["field"]), (&json!(code), &json!(field)), "{body}: {problem}");
    }
    let (_, _, problem) = house.request("POST", "/api/rooms", Some(json!({"roomid": "abc"}))).await;
    assert!(
        problem["detail"].as_str().unwrap().starts_with("unknown field `roomid`, expected one of `roomId`, `name`,")
    );
}

#[tokio::test]
async fn what_is_no_request_of_ours_gets_a_problem_too() {
    let house = House::new();
    let post = |body: Body, kind: &str| Request::post("/api/rooms").header("content-type", kind).body(body).unwrap();
    let large = format!("{{\"name\":\"{}\"}}", "x".repeat(20_000));
    for (request, status, code) in [
        (post(Body::from("{"), "application/json"), 400, "bad-json"),
        (post(Body::from("[]"), "application/json"), 400, "bad-json"),
        (post(Body::from(vec![0xff, 0xfe]), "application/json"), 400, "bad-json"),
        (post(Body::from(r#"{"name":"\ud800"}"#), "application/json"), 400, "bad-json"),
        (post(Body::from("{}"), "text/plain"), 415, "unsupported-media-type"),
        (post(Body::from(large), "application/json; charset=utf-8"), 413, "body-too-large"),
        (Request::get("/api/nothing").body(Body::empty()).unwrap(), 404, "not-found"),
        (Request::get("/api/rooms/abc/users/x").body(Body::empty()).unwrap(), 404, "not-found"),
        (Request::get("/api/rooms/%ff%fe").body(Body::empty()).unwrap(), 400, "bad-room-id"),
        (Request::get("/api/rooms/..%2f..%2fetc").body(Body::empty()).unwrap(), 400, "bad-room-id"),
        (Request::put("/api/rooms/abc").body(Body::empty()).unwrap(), 405, "method-not-allowed"),
    ] {
        let what = format!("{} {}", request.method(), request.uri());
        let (got, headers, problem) = answer(house.signaling.router(), request).await;
        assert_eq!((got.as_u16(), &problem["code"]), (status, &json!(code)), "{what}");
        assert_eq!(headers["content-type"], "application/problem+json", "{what}");
        assert_eq!(headers["cache-control"], "no-store", "{what}");
        if status == 405 {
            assert!(headers["allow"].to_str().unwrap().contains("DELETE"));
        }
    }
}

#[tokio::test]
async fn pages_of_other_origins_change_nothing() {
    let mut house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    house.take_commands();
    for request in [
        Request::post("/api/rooms").header("host", "a.example").header("origin", "https://b.example"),
        Request::delete("/api/rooms/abc").header("host", "a.example").header("origin", "null"),
    ] {
        let (status, _, problem) = answer(house.signaling.router(), request.body(Body::empty()).unwrap()).await;
        assert_eq!((status, &problem["code"]), (StatusCode::FORBIDDEN, &json!("origin-refused")));
    }
    assert!(house.take_commands().is_empty());
}

#[tokio::test(start_paused = true)]
async fn rooms_are_bounded() {
    let house = House::with(with_policy(Policy { max_rooms: 2, ..Policy::default() }), 8);
    house.create(json!({})).await;
    house.create(json!({})).await;
    let (status, _, problem) = house.request("POST", "/api/rooms", None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::INSUFFICIENT_STORAGE, &json!("server-full")));
    assert_eq!(house.signaling.stats().rooms, 2);
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_does_not_keep_up_is_told_and_leaves_nothing_behind() {
    let mut house = House::with(Settings::default(), 1);
    house.create(json!({"roomId": "abc"})).await;
    let (status, _, problem) = house.request("POST", "/api/rooms", Some(json!({"roomId": "def"}))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("server-busy")));
    assert_eq!(house.command_names(), ["OpenRoom"]);
    house.create(json!({"roomId": "def"})).await;
}
