//! The trace of a join: its stages in their order, and what it says of how it ended.

use super::house::{House, Member, pass};
use super::negotiation::offer;
use crate::Settings;
use parlor_media::command::{CloseReason, Command, Event};
use parlor_media::path::Protocol;
use serde_json::json;
use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event as Line, Metadata, Subscriber};

/// A span of a trace.
#[derive(Clone, Debug, Default)]
struct Seen {
    parent: Option<u64>,
    fields: HashMap<&'static str, String>,
    handles: usize,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}").trim_matches('"').to_owned());
    }
}

/// Keeps the spans that an exporter would get, of the thread that it is set for.
#[derive(Clone, Default)]
struct Spans {
    next: Arc<AtomicU64>,
    seen: Arc<Mutex<HashMap<u64, Seen>>>,
}

impl Subscriber for Spans {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == crate::TRACES
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let number = self.next.fetch_add(1, Ordering::Relaxed) + 1;
        let mut seen = Seen { parent: attributes.parent().map(Id::into_u64), handles: 1, ..Seen::default() };
        attributes.record(&mut seen);
        self.seen.lock().unwrap().insert(number, seen);
        Id::from_u64(number)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        values.record(self.seen.lock().unwrap().get_mut(&span.into_u64()).unwrap());
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.seen.lock().unwrap().get_mut(&span.into_u64()).unwrap().handles += 1;
        span.clone()
    }

    fn try_close(&self, span: Id) -> bool {
        let mut seen = self.seen.lock().unwrap();
        let span = seen.get_mut(&span.into_u64()).unwrap();
        span.handles -= 1;
        span.handles == 0
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Line<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Spans {
    /// The latest join: its fields, and the stages under it in their order.
    fn latest(&self) -> (HashMap<&'static str, String>, Vec<String>, bool) {
        let seen = self.seen.lock().unwrap();
        let (&number, root) =
            seen.iter().filter(|(_, span)| span.parent.is_none()).max_by_key(|(number, _)| **number).unwrap();
        let mut stages: Vec<_> = seen.iter().filter(|(_, span)| span.parent == Some(number)).collect();
        stages.sort_by_key(|(number, _)| **number);
        let names = stages.iter().map(|(_, stage)| stage.fields["otel.name"].clone()).collect();
        let is_over = root.handles == 0 && stages.iter().all(|(_, stage)| stage.handles == 0);
        (root.fields.clone(), names, is_over)
    }

    #[track_caller]
    fn expect(&self, outcome: &str, stages: &[&str]) -> HashMap<&'static str, String> {
        let (fields, names, is_over) = self.latest();
        assert_eq!((fields.get("outcome").map(String::as_str), is_over), (Some(outcome), true), "{fields:?}");
        let names: Vec<_> = names.iter().map(|name| name.strip_prefix("join.").unwrap()).collect();
        assert_eq!(names, stages);
        fields
    }
}

async fn negotiate(house: &mut House, member: &mut Member) {
    member.send(offer("o")).await;
    let Some(Command::Offer { participant, request, .. }) = house.take_commands().pop() else { panic!() };
    house.event(Event::Answered { participant, request, result: Ok("v=0 answer".into()) });
}

#[tokio::test(start_paused = true)]
async fn a_join_is_traced_until_media_flows() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let mut house = House::new();
    house.create(json!({"roomId": "abc"})).await;
    let mut ana = house.joined("abc", "Ana").await;
    assert!(!spans.latest().2, "it goes on");
    for _ in 0..2 {
        negotiate(&mut house, &mut ana).await;
    }
    let participant = ana.participant();
    house.event(Event::Connected { participant, protocol: Protocol::Tcp });
    let fields = spans.expect("connected", &["admission", "shard", "offer", "answer", "transport"]);
    for (field, value) in [("room", "1"), ("role", "speaker"), ("how", "open"), ("protocol", "tcp")] {
        assert_eq!(fields[field], value, "{field}");
    }
    // What happens after that is no part of the join.
    ana.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    spans.expect("connected", &["admission", "shard", "offer", "answer", "transport"]);
}

#[tokio::test(start_paused = true)]
async fn a_join_that_comes_to_nothing_says_why() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let mut house = House::with(Settings::default(), 256);
    house.run_timers();
    house.create(json!({"roomId": "abc", "password": "open sesame"})).await;
    let join = |password: &str| json!({"type": "join-room", "roomId": "abc", "password": password});
    house.client().send(join("open barley")).await;
    spans.expect("password-wrong", &["admission", "password"]);

    let mut silent = house.client();
    silent.send(join("open sesame")).await;
    pass(31.0).await;
    spans.expect("no-media", &["admission", "password", "shard", "offer"]);

    let mut failing = house.joined_with(join("open sesame")).await;
    negotiate(&mut house, &mut failing).await;
    house.event(Event::Closed { participant: failing.participant(), reason: CloseReason::ConsentExpired });
    let fields = spans.expect("consent-expired", &["admission", "password", "shard", "offer", "answer", "transport"]);
    assert_eq!(fields["otel.status_code"], "ERROR");

    let mut leaving = house.joined_with(join("open sesame")).await;
    leaving.send(json!({"type": "leave-room", "roomId": "abc"})).await;
    spans.expect("left", &["admission", "password", "shard", "offer"]);
}

#[tokio::test(start_paused = true)]
async fn waiting_in_the_lobby_is_a_stage() {
    let spans = Spans::default();
    let _guard = tracing::subscriber::set_default(spans.clone());
    let house = House::new();
    let host = house.create(json!({"roomId": "abc", "lobby": true})).await;
    let mut client = house.client();
    client.send(json!({"type": "join-room", "roomId": "abc"})).await;
    let waiting = client.next();
    assert_eq!(waiting["type"], "lobby-waiting");
    let participant = waiting["participantId"].as_str().unwrap();
    let (status, _) = house.request_as(&host, "POST", &format!("/api/rooms/abc/lobby/{participant}/deny"), None).await;
    assert!(status.is_success(), "{status}");
    spans.expect("denied", &["admission", "lobby"]);
}
