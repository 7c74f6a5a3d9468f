//! Against a Janus that is played: what is asked of it, in which order, and what its answers and events lead to. The real one is in
//! `tests/janus.rs`.

use super::*;
use crate::target::{Line, SeatEvent};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

const SESSION: u64 = 7;
const PUBLISHER: u64 = 70;
const SUBSCRIBER: u64 = 71;

/// The other end of the WebSocket.
struct Played {
    socket: WebSocketStream<TcpStream>,
}

impl Played {
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    async fn accept(listener: &TcpListener) -> Self {
        let protocol = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
            let protocol = request.headers().get("Sec-WebSocket-Protocol").unwrap().clone();
            assert_eq!(protocol, "janus-protocol");
            response.headers_mut().insert("Sec-WebSocket-Protocol", protocol);
            Ok(response)
        };
        let (stream, _) = listener.accept().await.unwrap();
        Self { socket: accept_hdr_async(stream, protocol).await.unwrap() }
    }

    async fn read(&mut self) -> Value {
        let message = self.socket.next().await.unwrap().unwrap();
        serde_json::from_str(message.to_text().unwrap()).unwrap()
    }

    async fn say(&mut self, value: Value) {
        self.socket.send(Message::text(value.to_string())).await.unwrap();
    }

    /// Reads a request of the core and answers with a number.
    async fn grant(&mut self, janus: &str, id: u64) {
        let request = self.read().await;
        assert_eq!(request["janus"], janus);
        self.say(json!({ "janus": "success", "transaction": request["transaction"], "data": { "id": id } })).await;
    }

    /// Reads a request to the plugin; the answer takes an acknowledgement and an event, as Janus does it.
    async fn request(&mut self, handle: u64, name: &str) -> Value {
        let request = self.read().await;
        assert_eq!((&request["handle_id"], &request["body"]["request"]), (&json!(handle), &json!(name)), "{request}");
        self.say(json!({ "janus": "ack", "transaction": request["transaction"] })).await;
        request
    }

    async fn event(&mut self, handle: u64, transaction: &Value, data: Value, sdp: Option<&str>) {
        let mut event = json!({ "janus": "event", "sender": handle, "plugindata": { "plugin": "janus.plugin.videoroom", "data": data } });
        if transaction.is_string() {
            event["transaction"] = transaction.clone();
        }
        if let Some(sdp) = sdp {
            event["jsep"] = json!({ "type": "offer", "sdp": sdp });
        }
        self.say(event).await;
    }

    /// Answers a request to the plugin.
    async fn answer(&mut self, request: &Value, data: Value, sdp: Option<&str>) {
        self.event(request["handle_id"].as_u64().unwrap(), &request["transaction"], data, sdp).await;
    }

    /// Lets somebody in whom these feeds await.
    async fn let_in(&mut self, feeds: &[u64]) {
        self.grant("create", SESSION).await;
        self.grant("attach", PUBLISHER).await;
        let join = self.request(PUBLISHER, "join").await;
        assert_eq!((&join["body"]["room"], &join["session_id"]), (&json!(5), &json!(SESSION)));
        let data =
            json!({ "videoroom": "joined", "room": 5, "id": 1, "private_id": 99, "publishers": publishers(feeds) });
        self.answer(&join, data, None).await;
    }
}

fn publishers(feeds: &[u64]) -> Vec<Value> {
    feeds.iter().map(|feed| json!({ "id": feed, "streams": [] })).collect()
}

fn asked(request: &Value) -> Vec<u64> {
    request["body"]["streams"].as_array().unwrap().iter().map(|stream| stream["feed"].as_u64().unwrap()).collect()
}

async fn played() -> (TcpListener, Janus) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let janus = Janus::new(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
    (listener, janus)
}

fn offered(event: SeatEvent) -> (u64, String) {
    match event {
        SeatEvent::Offered { line: Line::Subscribe, negotiation, sdp } => (negotiation, sdp),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn subscriptions_grow_by_one_negotiation_at_a_time() {
    let (listener, janus) = played().await;
    let server = tokio::spawn(async move {
        let mut server = Played::accept(&listener).await;
        server.let_in(&[11, 12]).await;
        server.grant("attach", SUBSCRIBER).await;
        let join = server.request(SUBSCRIBER, "join").await;
        assert_eq!(
            (asked(&join), &join["body"]["ptype"], &join["body"]["private_id"]),
            (vec![11, 12], &json!("subscriber"), &json!(99))
        );
        server.answer(&join, json!({ "videoroom": "attached" }), Some("first offer")).await;
        // Two more come, one by one, before the offer is answered.
        for feed in [13, 14] {
            server
                .event(
                    PUBLISHER,
                    &Value::Null,
                    json!({ "videoroom": "event", "publishers": publishers(&[feed]) }),
                    None,
                )
                .await;
        }
        let start = server.request(SUBSCRIBER, "start").await;
        assert_eq!(start["jsep"], json!({ "type": "answer", "sdp": "first answer" }));
        server.answer(&start, json!({ "videoroom": "event", "started": "ok" }), None).await;
        let subscribe = server.request(SUBSCRIBER, "subscribe").await;
        assert_eq!(asked(&subscribe), [13, 14]);
        server.answer(&subscribe, json!({ "videoroom": "updated" }), Some("second offer")).await;
        let start = server.request(SUBSCRIBER, "start").await;
        server.answer(&start, json!({ "videoroom": "event", "started": "ok" }), None).await;
        server.event(PUBLISHER, &Value::Null, json!({ "videoroom": "destroyed", "room": 5 }), None).await;
    });
    let mut seat = janus.join("5", "Ana").await.unwrap();
    seat.subscribe().await.unwrap();
    assert_eq!(offered(seat.next_event().await), (1, "first offer".to_owned()));
    seat.answer(Line::Subscribe, 1, "first answer".to_owned()).await.unwrap();
    assert_eq!(offered(seat.next_event().await), (2, "second offer".to_owned()));
    seat.answer(Line::Subscribe, 2, "second answer".to_owned()).await.unwrap();
    assert_eq!(seat.next_event().await, SeatEvent::Removed { reason: "the room ended".to_owned() });
    server.await.unwrap();
}

#[tokio::test]
async fn who_publishes_gets_the_answer_and_what_came_meanwhile_is_kept() {
    let (listener, janus) = played().await;
    let server = tokio::spawn(async move {
        let mut server = Played::accept(&listener).await;
        server.let_in(&[]).await;
        let publish = server.request(PUBLISHER, "publish").await;
        assert_eq!(publish["jsep"], json!({ "type": "offer", "sdp": "an offer", "rid_order": "lmh" }));
        server
            .event(PUBLISHER, &Value::Null, json!({ "videoroom": "event", "publishers": publishers(&[11]) }), None)
            .await;
        server.answer(&publish, json!({ "videoroom": "event", "configured": "ok" }), Some("an answer")).await;
        server.grant("attach", SUBSCRIBER).await;
        let join = server.request(SUBSCRIBER, "join").await;
        assert_eq!(asked(&join), [11]);
        // It has gone again; the next one makes the first subscription.
        server
            .answer(&join, json!({ "videoroom": "event", "error_code": 428, "error": "No such feed (11)" }), None)
            .await;
        server
            .event(PUBLISHER, &Value::Null, json!({ "videoroom": "event", "publishers": publishers(&[12]) }), None)
            .await;
        let join = server.request(SUBSCRIBER, "join").await;
        assert_eq!(asked(&join), [12]);
        server.answer(&join, json!({ "videoroom": "attached" }), Some("an offer")).await;
        let leave = server.request(PUBLISHER, "leave").await;
        server.answer(&leave, json!({ "videoroom": "event", "leaving": "ok" }), None).await;
        server.grant("destroy", SESSION).await;
    });
    let mut seat = janus.join("5", "Ben").await.unwrap();
    assert_eq!(seat.publish("an offer".to_owned(), Vec::new()).await.unwrap(), "an answer");
    seat.subscribe().await.unwrap();
    assert_eq!(offered(seat.next_event().await), (1, "an offer".to_owned()));
    seat.leave().await.unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn waiting_for_events_can_be_given_up_at_any_time() {
    let (listener, janus) = played().await;
    let server = tokio::spawn(async move {
        let mut server = Played::accept(&listener).await;
        server.let_in(&[11]).await;
        server.grant("attach", SUBSCRIBER).await;
        let join = server.request(SUBSCRIBER, "join").await;
        server.answer(&join, json!({ "videoroom": "attached" }), Some("an offer")).await;
    });
    let mut seat = janus.join("5", "Cleo").await.unwrap();
    seat.subscribe().await.unwrap();
    let event = loop {
        // Polled once and dropped.
        tokio::select! {
            biased;
            event = seat.next_event() => break event,
            () = tokio::task::yield_now() => {}
        }
    };
    assert_eq!(offered(event).1, "an offer");
    server.await.unwrap();
}

#[tokio::test]
async fn what_goes_wrong_is_told_apart() {
    // Nobody there.
    let (listener, janus) = played().await;
    drop(listener);
    assert!(matches!(janus.join("5", "Dan").await.err(), Some(TargetError::Unreachable(_))));
    assert!(matches!(janus.join("five", "Dan").await.err(), Some(TargetError::Unexpected(_))));

    // The plugin refuses, and ends the connection later.
    let (listener, janus) = played().await;
    let server = tokio::spawn(async move {
        let mut server = Played::accept(&listener).await;
        server.grant("create", SESSION).await;
        server.grant("attach", PUBLISHER).await;
        let join = server.request(PUBLISHER, "join").await;
        server
            .answer(&join, json!({ "videoroom": "event", "error_code": 426, "error": "No such room (5)" }), None)
            .await;
        let mut server = Played::accept(&listener).await;
        server.let_in(&[]).await;
        server
            .say(json!({ "janus": "hangup", "session_id": SESSION, "sender": PUBLISHER, "reason": "ICE failed" }))
            .await;
        let mut server = Played::accept(&listener).await;
        server.let_in(&[]).await;
        server.say(json!({ "janus": "timeout", "session_id": SESSION })).await;
    });
    let error = janus.join("5", "Eve").await.err().unwrap();
    assert_eq!(error, TargetError::Refused(r#"Janus refused "join": No such room (5) (426)"#.to_owned()));
    for expected in ["Janus hung up: ICE failed", "Janus ended the session"] {
        let mut seat = janus.join("5", "Finn").await.unwrap();
        assert_eq!(seat.next_event().await, SeatEvent::Removed { reason: expected.to_owned() });
    }
    server.await.unwrap();
}

#[tokio::test]
async fn rooms_are_opened_with_place_for_their_publishers_and_ended() {
    let (listener, janus) = played().await;
    let server = tokio::spawn(async move {
        for name in ["create", "destroy"] {
            let mut server = Played::accept(&listener).await;
            server.grant("create", SESSION).await;
            server.grant("attach", PUBLISHER).await;
            let request = server.read().await;
            assert_eq!(request["body"]["request"], name);
            if name == "create" {
                assert_eq!((&request["body"]["publishers"], &request["body"]["permanent"]), (&json!(3), &json!(false)));
            } else {
                assert_eq!(request["body"]["room"], 4711);
            }
            // Answered at once, without an event.
            let data = json!({ "plugin": "janus.plugin.videoroom", "data": { "videoroom": "done", "room": 4711 } });
            server.say(json!({ "janus": "success", "transaction": request["transaction"], "plugindata": data })).await;
            server.grant("destroy", SESSION).await;
        }
    });
    let room = janus.open_room(RoomSize { participants: 10, publishers: 3 }).await.unwrap();
    assert_eq!(room, "4711");
    janus.close_room(&room).await.unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn what_nobody_fetches_is_bounded() {
    let (listener, janus) = played().await;
    let server = tokio::spawn(async move {
        let mut server = Played::accept(&listener).await;
        server.let_in(&[]).await;
        for feed in 0..5000 {
            let data = json!({ "videoroom": "event", "publishers": publishers(&[feed]) });
            let event = json!({ "janus": "event", "sender": PUBLISHER, "plugindata": { "data": data } });
            if server.socket.send(Message::text(event.to_string())).await.is_err() {
                break;
            }
        }
        server
    });
    let mut seat = janus.join("5", "Gil").await.unwrap();
    // It reads what comes before the answer, which does not come.
    assert!(matches!(seat.subscribe().await, Err(TargetError::Unexpected(_))));
    drop(seat);
    server.await.unwrap();
}

#[test]
fn only_web_sockets_lead_to_janus() {
    for server in ["http://localhost:8188", "localhost:8188", "wss://localhost", ""] {
        assert!(Janus::new(server).is_err(), "{server}");
    }
}
