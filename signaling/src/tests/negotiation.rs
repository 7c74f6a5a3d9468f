//! Offers, answers, tracks and subscriptions between clients and the shard.

use super::house::{House, Member};
use crate::room::MAX_OFFERS;
use parlor_media::command::{
    Command, Event, MediaKind, NegotiationError, PauseReason, Rid, Source, SubscriptionError, TrackInfo, View,
};
use parlor_media::ids::{ParticipantId, TrackId};
use parlor_media::path::Protocol;
use parlor_media::quality::{Level, Quality};
use serde_json::{Value, json};

/// What Chromium offers for a data channel alone.
const SDP: &str = "v=0\r\n\
    o=- 8888013253090983205 2 IN IP4 127.0.0.1\r\n\
    s=-\r\n\
    t=0 0\r\n\
    a=group:BUNDLE 0\r\n\
    a=extmap-allow-mixed\r\n\
    a=msid-semantic: WMS\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
    c=IN IP4 0.0.0.0\r\n\
    a=ice-ufrag:r7EI\r\n\
    a=ice-pwd:alFJATLn5F1A6rjxJJ4qCVsh\r\n\
    a=ice-options:trickle\r\n\
    a=fingerprint:sha-256 BA:07:9D:AC:68:D8:6E:76:AC:6E:67:B1:8F:F6:C0:17:1D:CE:A6:A5:CC:46:78:EE:A8:05:B2:A5:C5:DF:D1:C4\r\n\
    a=setup:actpass\r\n\
    a=mid:0\r\n\
    a=sctp-port:5000\r\n\
    a=max-message-size:262144\r\n";

pub(crate) fn published(participant: ParticipantId, track: u64, mid: &str) -> Event {
    let info = TrackInfo {
        track: TrackId(track),
        mid: mid.to_owned(),
        kind: MediaKind::Video,
        source: Source::Camera,
        muted: false,
        rids: ["q", "h"].into_iter().filter_map(Rid::new).collect(),
    };
    Event::Published { participant, info }
}

fn text(track: u64) -> String {
    crate::protocol::TrackRef(TrackId(track)).to_string()
}

async fn pair(house: &mut House) -> (Member, Member) {
    house.create(json!({"roomId": "abc"})).await;
    let mut ana = house.joined("abc", "Ana").await;
    let bo = house.joined("abc", "Bo").await;
    ana.all();
    house.take_commands();
    (ana, bo)
}

pub(super) fn offer(id: &str) -> Value {
    json!({"type": "offer", "id": id, "roomId": "abc", "offer": {"type": "offer", "sdp": SDP},
        "tracks": [{"mid": "0", "source": "screen-audio", "muted": true}]})
}

#[tokio::test]
async fn an_offer_is_answered_and_candidates_follow_once() {
    let mut house = House::new();
    let (mut ana, _bo) = pair(&mut house).await;
    for round in 0..2_u64 {
        ana.send(offer("o")).await;
        let Some(Command::Offer { participant, request, tracks, .. }) = house.take_commands().pop() else { panic!() };
        assert_eq!((participant, request), (ana.participant(), round));
        assert_eq!((tracks[0].mid.as_str(), tracks[0].source, tracks[0].muted), ("0", Source::ScreenAudio, true));
        house.event(Event::Answered { participant, request, result: Ok("v=0 answer".into()) });
        let answer = json!({"type": "answer", "sdp": "v=0 answer"});
        assert_eq!(ana.next(), json!({"type": "answer-received", "answer": answer, "from": "server", "id": "o"}));
        let candidates = ana.all();
        assert_eq!(candidates.len(), if round == 0 { 2 } else { 0 });
        if let Some(first) = candidates.first() {
            assert_eq!(first["candidate"]["candidate"], "candidate:1 1 udp 2130706431 192.0.2.1 7900 typ host");
        }
    }
}

#[tokio::test]
async fn refused_offers_say_why() {
    let mut house = House::new();
    let (mut ana, _bo) = pair(&mut house).await;
    let errors = [
        (NegotiationError::Glare, "glare"),
        (NegotiationError::NoOffer, "no-offer"),
        (NegotiationError::Invalid("`a=mid` is missing".into()), "bad-sdp"),
    ];
    for (request, (error, code)) in (0..).zip(errors) {
        ana.send(offer(code)).await;
        let message = error.to_string();
        house.event(Event::Answered { participant: ana.participant(), request, result: Err(error) });
        assert_eq!(ana.next(), json!({"type": "error", "code": code, "message": message, "id": code}));
    }
    assert_eq!(house.errors().len(), 3);
}

#[tokio::test]
async fn unanswered_offers_are_bounded() {
    let mut house = House::new();
    let (mut ana, _bo) = pair(&mut house).await;
    for _ in 0..MAX_OFFERS {
        ana.send(offer("o")).await;
    }
    assert_eq!(ana.refused(offer("late")).await["code"], "rate-limited");
    assert_eq!(house.take_commands().len(), MAX_OFFERS);
    // An answer out of turn frees the earlier ones too; one that nobody waits for is ignored.
    house.event(Event::Answered { participant: ana.participant(), request: 99, result: Ok(String::new()) });
    assert!(ana.next().is_null());
    house.event(Event::Answered { participant: ana.participant(), request: 6, result: Ok(String::new()) });
    assert_eq!(ana.all()[0]["type"], "answer-received");
    for _ in 0..MAX_OFFERS - 1 {
        ana.send(offer("o")).await;
    }
    assert!(ana.next().is_null());
}

#[tokio::test]
async fn the_servers_offers_are_answered() {
    let mut house = House::new();
    let (mut ana, _bo) = pair(&mut house).await;
    let participant = ana.participant();
    house.event(Event::Offered { participant, negotiation: 3, sdp: "v=0 offer".into() });
    let description = json!({"type": "offer", "sdp": "v=0 offer"});
    assert_eq!(
        ana.next(),
        json!({"type": "offer-received", "offer": description, "from": "server", "negotiationId": 3})
    );
    let answer = json!({"type": "answer", "sdp": SDP.replace("actpass", "active")});
    ana.send(json!({"type": "answer", "roomId": "abc", "answer": answer, "negotiationId": 3, "id": "a"})).await;
    let Some(Command::Answer { negotiation, .. }) = house.take_commands().pop() else { panic!() };
    assert_eq!(negotiation, Some(3));
    house.event(Event::AnswerRefused { participant, error: NegotiationError::NoOffer });
    let error = ana.next();
    assert_eq!((&error["code"], &error["id"]), (&json!("no-offer"), &json!("a")));
}

#[tokio::test]
async fn tracks_are_shown_to_everyone_and_their_mids_to_their_publisher() {
    let mut house = House::new();
    let (mut ana, mut bo) = pair(&mut house).await;
    house.event(published(ana.participant(), 7, "0"));
    let (own, seen) = (ana.next(), bo.next());
    assert_eq!(own["track"]["mid"], "0");
    assert_eq!(seen["participantId"], ana.id);
    assert_eq!(
        seen["track"],
        json!({"trackId": text(7), "kind": "video", "source": "camera", "muted": false, "rids": ["q", "h"]})
    );
    let mut cy = house.client();
    cy.send(json!({"type": "join-room", "roomId": "abc"})).await;
    assert_eq!(cy.next()["participants"][0]["tracks"], json!([seen["track"]]));
    bo.all();

    let state = json!({"type": "track-state", "roomId": "abc", "trackId": text(7), "muted": true});
    ana.all();
    ana.send(state.clone()).await;
    assert_eq!(bo.next(), json!({"type": "track-state", "participantId": ana.id, "trackId": text(7), "muted": true}));
    assert!(ana.next().is_null());
    assert_eq!(bo.refused(state).await["code"], "unknown-track");
    let (_, _, users) = house.request("GET", "/api/rooms/abc/users", None).await;
    assert_eq!(users["participants"][0]["tracks"][0]["muted"], true);
    assert_eq!(house.command_names(), ["Join", "SetMuted"]);

    house.event(Event::Unpublished { participant: ana.participant(), track: TrackId(7) });
    let gone = json!({"type": "track-unpublished", "participantId": ana.id, "trackId": text(7)});
    assert_eq!((ana.next(), bo.next()), (gone.clone(), gone));
}

#[tokio::test]
async fn subscriptions_become_commands_and_their_outcome_messages() {
    let mut house = House::new();
    let (ana, mut bo) = pair(&mut house).await;
    for track in 0..20 {
        house.event(published(ana.participant(), track, "0"));
    }
    bo.all();
    let tracks: Vec<_> = (0..20).map(text).collect();
    let list = |kind: &str, tracks: &[String]| json!({"type": kind, "roomId": "abc", "trackIds": tracks});
    bo.send(list("subscribe", &tracks)).await;
    let subscribed: Vec<_> = house
        .take_commands()
        .into_iter()
        .map(|command| match command {
            Command::Subscribe { participant, track } if participant == bo.participant() => track.0,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(subscribed, (0..20).collect::<Vec<_>>());
    assert_eq!(bo.refused(list("subscribe", &[text(1), text(99)])).await["code"], "unknown-track");
    assert!(house.take_commands().is_empty());
    bo.send(list("unsubscribe", &[text(1), text(99)])).await;
    assert_eq!(house.command_names(), ["Unsubscribe", "Unsubscribe"]);

    let layer = |rid: Value| json!({"type": "set-layer", "roomId": "abc", "trackId": text(1), "rid": rid});
    bo.send(layer(json!("h"))).await;
    bo.send(layer(Value::Null)).await;
    let rids: Vec<_> = house
        .take_commands()
        .into_iter()
        .map(|command| match command {
            Command::SetLayer { rid, .. } => rid,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(rids, [Rid::new("h"), None]);
    assert_eq!(bo.refused(layer(json!("a b"))).await["field"], "rid");
    let unknown = json!({"type": "set-layer", "roomId": "abc", "trackId": text(99), "rid": null});
    assert_eq!(bo.refused(unknown).await["code"], "unknown-track");

    let (participant, track, publisher) = (bo.participant(), TrackId(1), ana.participant());
    house.event(Event::Bound { participant, mid: "4".into(), track, publisher });
    house.event(Event::LayerChanged { participant, track, rid: Rid::new("q").unwrap() });
    house.event(Event::Unbound { participant, mid: "4".into(), track });
    house.event(Event::SubscriptionFailed { participant, track, reason: SubscriptionError::TooMany });
    let id = text(1);
    assert_eq!(
        bo.all(),
        [
            json!({"type": "subscription-bound", "mid": "4", "trackId": id, "participantId": ana.id}),
            json!({"type": "layer-changed", "trackId": id, "rid": "q"}),
            json!({"type": "subscription-unbound", "mid": "4", "trackId": id}),
            json!({"type": "subscription-failed", "trackId": id, "reason": "too-many"}),
        ]
    );
}

#[tokio::test]
async fn views_become_commands() {
    let mut house = House::new();
    let (ana, mut bo) = pair(&mut house).await;
    for track in 0..20 {
        house.event(published(ana.participant(), track, "0"));
    }
    bo.all();
    let set = |views: Vec<Value>| json!({"type": "set-view", "roomId": "abc", "views": views});
    let hidden = |track| json!({"trackId": text(track), "visible": false});
    let viewer = bo.participant();
    let taken = |house: &mut House| {
        let commands = house.take_commands().into_iter();
        let views = commands.map(|command| match command {
            Command::SetView { participant, track, view } if participant == viewer => (track.0, view),
            other => panic!("{other:?}"),
        });
        views.collect::<Vec<_>>()
    };
    // One that is gone takes nothing from the others.
    bo.send(set([99].into_iter().chain(0..20).map(hidden).collect())).await;
    let nothing = View { visible: false, size: None, pinned: false };
    assert_eq!(taken(&mut house), (0..20).map(|track| (track, nothing)).collect::<Vec<_>>());

    let large = json!({"trackId": text(1), "visible": true, "width": 1280, "height": 720, "pinned": true});
    bo.send(set(vec![large])).await;
    assert_eq!(taken(&mut house), [(1, View { visible: true, size: Some((1280, 720)), pinned: true })]);

    let mut sound = published(ana.participant(), 20, "1");
    if let Event::Published { info, .. } = &mut sound {
        info.kind = MediaKind::Audio;
    }
    house.event(sound);
    bo.all();
    let refusal = bo.refused(set(vec![hidden(1), hidden(20)])).await;
    assert_eq!((&refusal["code"], &refusal["field"]), (&json!("bad-message"), &json!("views")));
    assert!(house.take_commands().is_empty());
}

#[tokio::test]
async fn pauses_are_told_to_the_viewer_and_wanted_encodings_to_the_publisher() {
    let mut house = House::new();
    let (mut ana, mut bo) = pair(&mut house).await;
    house.event(published(ana.participant(), 1, "0"));
    ana.all();
    bo.all();
    let (participant, track) = (bo.participant(), TrackId(1));
    house.event(Event::SubscriptionPaused { participant, track, reason: PauseReason::Bandwidth });
    house.event(Event::SubscriptionResumed { participant, track });
    let id = text(1);
    assert_eq!(
        bo.all(),
        [
            json!({"type": "subscription-paused", "trackId": id, "reason": "bandwidth"}),
            json!({"type": "subscription-resumed", "trackId": id}),
        ]
    );

    let participant = ana.participant();
    let wanted = |encodings| Event::EncodingsWanted { participant, mid: "0".into(), track, encodings };
    house.event(wanted(vec![(Rid::new("q"), true), (Rid::new("h"), false)]));
    house.event(wanted(vec![(None, false)]));
    let told =
        |encodings: Value| json!({"type": "encodings-wanted", "trackId": id, "mid": "0", "encodings": encodings});
    assert_eq!(
        ana.all(),
        [told(json!([{"rid": "q", "active": true}, {"rid": "h", "active": false}])), told(json!([{"active": false}])),]
    );
    assert!(bo.next().is_null());
}

#[tokio::test]
async fn candidates_are_checked() {
    let mut house = House::new();
    let (mut ana, _bo) = pair(&mut house).await;
    let candidate = |candidate: Value| json!({"type": "ice-candidate", "roomId": "abc", "candidate": candidate});
    for fine in [
        Value::Null,
        json!({"candidate": ""}),
        json!({"candidate": "candidate:1 1 udp 1 192.0.2.1 9 typ host", "sdpMid": "0", "sdpMLineIndex": 0, "usernameFragment": "x"}),
    ] {
        ana.send(candidate(fine)).await;
    }
    assert!(ana.next().is_null());
    for wrong in [
        json!("x"),
        json!({"candidate": "x"}),
        json!({"candidate": 5}),
        json!({"candidate": format!("candidate:{}", "1".repeat(2000))}),
        json!({"candidate": "", "sdpMLineIndex": -1}),
    ] {
        assert_eq!(ana.refused(candidate(wrong)).await["field"], "candidate");
    }
    assert!(house.take_commands().is_empty());
}

#[tokio::test]
async fn speakers_and_connections_are_told() {
    let mut house = House::new();
    let (mut ana, mut bo) = pair(&mut house).await;
    house.event(Event::Connected { participant: ana.participant(), protocol: Protocol::Tcp });
    assert_eq!(ana.next(), json!({"type": "media-state", "state": "connected", "protocol": "tcp"}));
    let room = house.board().directory.rooms()[0].key;
    house.event(Event::Speakers { room, speakers: vec![(ana.participant(), 23)] });
    let told = json!({"type": "active-speakers", "speakers": [{"participantId": ana.id, "level": 23}]});
    assert_eq!((ana.next(), bo.next()), (told.clone(), told));
}

#[tokio::test]
async fn quality_is_told_to_everybody_and_to_who_comes_later() {
    let mut house = House::new();
    let (mut ana, mut bo) = pair(&mut house).await;
    let room = house.board().directory.rooms()[0].key;
    let (of_ana, of_bo) = (ana.participant(), bo.participant());
    let poor = Quality { level: Level::Poor, up: Some(4.38), down: Some(2.54) };
    house.event(Event::Quality { room, participants: vec![(of_ana, poor), (ParticipantId(u64::MAX), poor)] });
    let told = json!({"type": "quality", "participants": [
        {"participantId": ana.id, "level": "poor", "score": 2.5, "up": 4.4, "down": 2.5}]});
    assert_eq!((ana.next(), bo.next()), (told.clone(), told.clone()), "of nobody who is not there");
    let mut cleo = house.joined("abc", "Cleo").await;
    assert_eq!(cleo.next(), told, "what is known");
    assert_eq!((ana.next()["type"].clone(), bo.next()["type"].clone()), (json!("user-joined"), json!("user-joined")));
    house.event(Event::Quality { room, participants: vec![(of_ana, Quality::UNKNOWN), (of_bo, poor)] });
    let told = ana.next();
    assert_eq!(
        told["participants"][0],
        json!({"participantId": ana.id, "level": "unknown", "score": null, "up": null, "down": null})
    );
    assert_eq!((bo.next(), cleo.next()), (told.clone(), told));
}
