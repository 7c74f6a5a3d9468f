//! How rooms and the server do, as REST tells it, and who is told.

use super::admission::{admin, create_keyed, grant, inside, keyed, sign};
use super::house::House;
use crate::Settings;
use crate::access::{Grant, Role};
use parlor_media::command::{Command, Event, MediaKind, Rid, Source};
use parlor_media::formats::FormatId;
use parlor_media::ids::{ParticipantId, TrackId};
use parlor_media::path::Protocol;
use parlor_media::quality::{Level, Quality};
use parlor_media::room_stats::{
    EncodingStats, ParticipantStats, PublicationStats, ReceptionQuality, RoomStats, SubscriptionState,
    SubscriptionStats, TrafficStats, TransportStats,
};
use serde_json::{Value, json};
use std::time::Duration;

/// Answers the next question for a room with these stats.
async fn answer_with(house: &mut House, stats: RoomStats) {
    loop {
        let command = house.commands.recv().await.unwrap();
        if let Command::ReadRoom { request, .. } = command {
            return house.event(Event::RoomRead { request, stats: Box::new(stats) });
        }
    }
}

/// Asks for a room's stats while its shard answers.
async fn stats(house: &mut House, authorization: &str, stats: RoomStats) -> (u16, Value) {
    let (router, authorization) = (house.signaling.router(), authorization.to_owned());
    let request = axum::http::Request::get("/api/rooms/abc/stats").header("authorization", authorization);
    let request = request.body(axum::body::Body::empty()).unwrap();
    let asking = tokio::spawn(super::house::answer(router, request));
    answer_with(house, stats).await;
    let (status, _, body) = asking.await.unwrap();
    (status.as_u16(), body)
}

fn traffic() -> TrafficStats {
    TrafficStats { packets: 10, bytes: 9_000, bitrate_bps: 72_000, frames_per_second: 25 }
}

fn person(participant: ParticipantId, publisher: ParticipantId) -> ParticipantStats {
    let reception = Some(ReceptionQuality { loss_fraction: 0.25, jitter: Duration::from_micros(12_340) });
    ParticipantStats {
        participant,
        transport: TransportStats {
            connected_for: Some(Duration::from_secs(61)),
            protocol: Some(Protocol::Tcp),
            rtt: Some(Duration::from_micros(45_678)),
            estimate_bps: Some(2_500_000),
        },
        quality: Quality { level: Level::Good, up: Some(4.41), down: Some(3.27) },
        publications: vec![PublicationStats {
            track: TrackId(7),
            kind: MediaKind::Video,
            source: Source::Camera,
            muted: false,
            subscribers: 1,
            encodings: vec![EncodingStats {
                rid: Rid::new("h"),
                format: Some(FormatId::VP8),
                is_alive: true,
                traffic: traffic(),
                reception,
                nacked_packets: 3,
                keyframe_requests: 2,
            }],
        }],
        subscriptions: vec![SubscriptionStats {
            track: TrackId(9),
            publisher,
            state: SubscriptionState::Forwarding,
            format: Some(FormatId::OPUS),
            rid: None,
            traffic: traffic(),
            reception: None,
            nacked_packets: 1,
            resent_packets: 1,
        }],
        subscriptions_left_out: 5,
    }
}

#[tokio::test]
async fn a_host_is_told_how_everybody_does() {
    let mut house = House::new();
    let host = house.create(json!({"roomId": "abc"})).await;
    let (ana, bo) = (house.joined("abc", "Ana").await, house.joined("abc", "Bo").await);
    let participants = vec![person(ana.participant(), bo.participant())];
    let (status, body) = stats(&mut house, &host, RoomStats { participants, mirrors: Vec::new() }).await;
    assert_eq!((status, &body["success"], &body["roomId"]), (200, &json!(true), &json!("abc")), "{body}");
    let [first, second] = body["participants"].as_array().unwrap().as_slice() else { panic!("{body}") };
    assert_eq!((&first["displayName"], &first["participantId"]), (&json!("Ana"), &json!(ana.id)));
    assert_eq!(
        first["connection"],
        json!({"connectedSeconds": 61, "protocol": "tcp", "rttMs": 45.7, "estimateBps": 2_500_000})
    );
    assert_eq!(first["quality"], json!({"level": "good", "score": 3.3, "up": 4.4, "down": 3.3}));
    assert_eq!(
        first["publications"],
        json!([{"trackId": "t0000000000007", "kind": "video", "source": "camera", "muted": false, "subscriberCount": 1, "encodings": [{
            "rid": "h", "codec": "VP8", "alive": true, "packets": 10, "bytes": 9000, "bitrateBps": 72000, "framesPerSecond": 25,
            "lossFraction": 0.25, "jitterMs": 12.3, "nackedPackets": 3, "keyframeRequests": 2,
        }]}])
    );
    assert_eq!(
        first["subscriptions"],
        json!([{"trackId": "t0000000000009", "participantId": bo.id, "state": "forwarding", "codec": "opus", "rid": null,
            "packets": 10, "bytes": 9000, "bitrateBps": 72000, "framesPerSecond": null, "lossFraction": null, "jitterMs": null,
            "nackedPackets": 1, "resentPackets": 1}])
    );
    assert_eq!(first["subscriptionsLeftOut"], 5);
    // The shard knows nothing of her yet.
    assert_eq!((&second["displayName"], &second["publications"]), (&json!("Bo"), &json!([])));
    assert_eq!(second["quality"], json!({"level": "unknown", "score": null, "up": null, "down": null}));
    assert_eq!(
        second["connection"],
        json!({"connectedSeconds": null, "protocol": null, "rttMs": null, "estimateBps": null})
    );
}

#[tokio::test]
async fn who_is_hidden_is_not_in_it() {
    let mut house = keyed();
    create_keyed(&house, json!({"roomId": "abc"})).await;
    let token = |house: &House, identity, hidden| json!({"token": sign(house, &Grant { hidden, ..grant("abc", identity, Role::Host) })});
    let (shown, _) = inside(&house, "abc", token(&house, "ana", false)).await;
    let (hidden, _) = inside(&house, "abc", token(&house, "eve", true)).await;
    let (shown, hidden) = (shown.participant(), hidden.participant());
    let participants = vec![person(shown, hidden), person(hidden, shown)];
    let admin = admin(&house);
    let (status, body) = stats(&mut house, &admin, RoomStats { participants, mirrors: Vec::new() }).await;
    let listed = body["participants"].as_array().unwrap();
    assert_eq!((status, listed.len(), &listed[0]["identity"]), (200, 1, &json!("ana")));
    assert_eq!(listed[0]["subscriptions"], json!([]), "nor is what comes of them");
}

#[tokio::test(start_paused = true)]
async fn a_shard_that_does_not_answer_is_not_waited_for_and_leaves_nothing() {
    let house = House::new();
    let host = house.create(json!({"roomId": "abc"})).await;
    let (status, body) = house.request_as(&host, "GET", "/api/rooms/abc/stats", None).await;
    assert_eq!((status.as_u16(), &body["code"]), (503, &json!("server-busy")));
    assert_eq!(body["detail"], "the room's shard has not answered within 2 seconds");
    assert_eq!(house.board().readings.asked(), 0);
    // A late answer concerns nobody.
    house.event(Event::RoomRead { request: 1, stats: Box::default() });
}

#[tokio::test(start_paused = true)]
async fn a_room_is_read_at_a_bounded_pace_however_many_ask() {
    let mut house = House::new();
    let host = house.create(json!({"roomId": "abc"})).await;
    let asking: Vec<_> = (0..100)
        .map(|_| {
            let request = axum::http::Request::get("/api/rooms/abc/stats").header("authorization", &host);
            let request = request.body(axum::body::Body::empty()).unwrap();
            tokio::spawn(super::house::answer(house.signaling.router(), request))
        })
        .collect();
    let board = std::sync::Arc::clone(house.board());
    let answering = async {
        let mut answered = 0;
        while let Ok(Some(command)) = tokio::time::timeout(Duration::from_secs(3), house.commands.recv()).await {
            if let Command::ReadRoom { request, .. } = command {
                assert!(board.readings.asked() <= 1);
                board.handle_event(Event::RoomRead { request, stats: Box::default() });
                answered += 1;
            }
        }
        answered
    };
    let answered: usize = answering.await;
    assert!((4..=9).contains(&answered), "{answered} in two seconds");
    let mut statuses = Vec::new();
    for asking in asking {
        statuses.push(asking.await.unwrap().0.as_u16());
    }
    let told = statuses.iter().filter(|&&status| status == 200).count();
    // The last one may have lost its patience in the moment in which it was answered.
    assert!((answered - 1..=answered).contains(&told), "{told} of {answered}");
    assert_eq!(statuses.iter().filter(|&&status| status == 503).count(), 100 - told);
}

#[tokio::test(start_paused = true)]
async fn there_are_only_so_many_questions_at_a_time() {
    let house = House::with(Settings::default(), 1024);
    let mut hosts = Vec::new();
    for room in 0..70 {
        hosts.push((room, house.create(json!({"roomId": format!("room-{room}")})).await));
    }
    let asking: Vec<_> = hosts
        .iter()
        .map(|(room, host)| {
            let path = format!("/api/rooms/room-{room}/stats");
            let request = axum::http::Request::get(path).header("authorization", host);
            let request = request.body(axum::body::Body::empty()).unwrap();
            tokio::spawn(super::house::answer(house.signaling.router(), request))
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(house.board().readings.asked(), 64);
    for asking in asking {
        assert_eq!(asking.await.unwrap().0.as_u16(), 503);
    }
    assert_eq!(house.board().readings.asked(), 0);
}

#[tokio::test]
async fn the_server_is_shown_to_administrators_alone() {
    let house = keyed();
    create_keyed(&house, json!({"roomId": "abc"})).await;
    let (ana, _) = inside(&house, "abc", json!({"token": sign(&house, &grant("abc", "ana", Role::Host))})).await;
    let (status, server) = house.request_as(&admin(&house), "GET", "/api/server", None).await;
    assert_eq!(status.as_u16(), 200, "{server}");
    assert_eq!((&server["version"], &server["access"]), (&json!(env!("CARGO_PKG_VERSION")), &json!("keys")));
    assert_eq!((&server["roomCount"], &server["participantCount"]), (&json!(1), &json!(1)));
    assert_eq!(server["shards"], json!([{"port": 7900, "roomCount": 1, "participantCount": 1, "load": 0.0}]));
    // Nobody writes in this test what ana's coming has put into the queue.
    assert_eq!(server["store"], json!({"name": "memory:", "awaySince": null, "queuedWrites": 1, "lostWrites": 0}));
    assert_eq!((&server["draining"], &server["reasons"]), (&json!(false), &json!([])));
    let host = format!("Bearer {}", sign(&house, &grant("abc", "ana", Role::Host)));
    assert_eq!(house.request_as(&host, "GET", "/api/server", None).await.0.as_u16(), 403);
    assert_eq!(house.request("GET", "/api/server", None).await.0.as_u16(), 401);
    assert_eq!(house.request_on_loopback("GET", "/api/server", None).await.0.as_u16(), 401, "it has keys");
    drop(ana);
}

#[tokio::test]
async fn an_open_server_is_shown_to_its_own_host_alone() {
    let house = House::new();
    house.create(json!({"roomId": "abc", "metadata": {"secret": "x"}})).await;
    house.create(json!({"roomId": "empty"})).await;
    let mut ana = house.joined("abc", "Ana").await;
    house.event(super::negotiation::published(ana.participant(), 7, "0"));
    let (status, _, server) = house.request_on_loopback("GET", "/api/server", None).await;
    assert_eq!((status.as_u16(), &server["access"]), (200, &json!("open")));
    let (_, _, rooms) = house.request_on_loopback("GET", "/api/rooms?live=true", None).await;
    let listed: Vec<_> = rooms["rooms"].as_array().unwrap().iter().map(|room| &room["roomId"]).collect();
    assert_eq!((listed, &rooms["trackCounts"]), (vec![&json!("abc")], &json!({"abc": 1})));
    assert!(rooms["rooms"][0].get("metadata").is_none(), "applications' words are not for it");
    let (status, _, problem) = house.request_on_loopback("DELETE", "/api/rooms/abc", None).await;
    assert_eq!((status.as_u16(), &problem["code"]), (403, &json!("forbidden")));
    let path = format!("/api/rooms/abc/users/{}/kick", ana.id);
    assert_eq!(house.request_on_loopback("POST", &path, None).await.0.as_u16(), 200);
    assert!(ana.types().contains(&"room-left".to_owned()));

    // Without the address of the connection, as from elsewhere.
    let (status, problem) = house.request_as("Bearer loopback", "GET", "/api/server", None).await;
    assert_eq!((status.as_u16(), &problem["code"]), (401, &json!("token-invalid")));
    assert!(problem["detail"].as_str().unwrap().ends_with("it comes from another host"), "{problem}");
    assert_eq!(house.request("GET", "/api/server", None).await.0.as_u16(), 401);
}
