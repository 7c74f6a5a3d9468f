//! Deliveries on virtual time, with receivers that answer as they are told; and one real request.

use super::post::Request;
use super::queue::{CONCURRENCY, DEPTH, MAX_ATTEMPTS};
use super::*;
use crate::protocol::RoomCode;
use crate::protocol::server::Departure;
use crate::session::lock;
use crate::tests::wall_clock;
use async_trait::async_trait;
use reqwest::StatusCode;
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A receiver that answers `answers` in turn, then always the last of them; 0 for no answer at all.
struct Receiver {
    answers: Vec<u16>,
    got: Mutex<Vec<(Instant, Request)>>,
}

impl Receiver {
    fn new(answers: &[u16]) -> Arc<Self> {
        Arc::new(Self { answers: answers.to_vec(), got: Mutex::default() })
    }

    fn count(&self) -> usize {
        lock(&self.got).len()
    }
}

#[async_trait]
impl Post for Receiver {
    async fn post(&self, request: Request) -> Result<StatusCode, String> {
        let number = {
            let mut got = lock(&self.got);
            got.push((Instant::now(), request));
            got.len() - 1
        };
        match self.answers.get(number).or(self.answers.last()) {
            Some(0) => std::future::pending().await,
            Some(&status) => Ok(StatusCode::from_u16(status).unwrap()),
            None => Err("nobody there".to_owned()),
        }
    }
}

fn webhooks(url: &str) -> Arc<Webhooks> {
    let settings = WebhookSettings::new(&[url.to_owned()], SECRET, false).unwrap();
    Arc::new(Webhooks::new(&settings, wall_clock))
}

fn start(receiver: &Arc<Receiver>) -> Arc<Webhooks> {
    let webhooks = webhooks("https://app.example/hook/token");
    let (running, receiver) = (Arc::clone(&webhooks), Arc::clone(receiver));
    tokio::spawn(async move { running.run_with(receiver.as_ref()).await });
    webhooks
}

fn emit(webhooks: &Webhooks) {
    let room_id = RoomCode::parse("monday").unwrap();
    webhooks.emit(&Event::RoomEnded { room_id: &room_id, name: Some("Team"), reason: Departure::RoomExpired });
}

#[tokio::test(start_paused = true)]
async fn an_event_is_delivered_signed() {
    let receiver = Receiver::new(&[204]);
    let webhooks = start(&receiver);
    emit(&webhooks);
    sleep(Duration::from_millis(1)).await;
    let got = lock(&receiver.got);
    let (_, request) = &got[0];
    let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(body["type"], "room.ended");
    assert_eq!(body["data"], serde_json::json!({"roomId": "monday", "name": "Team", "reason": "room-expired"}));
    assert!(crate::protocol::Timestamp::parse(body["timestamp"].as_str().unwrap()).is_some());
    let key = SigningKey::parse(SECRET).unwrap();
    assert_eq!(request.signature, key.sign(&request.id, request.timestamp, &request.body));
    assert_eq!(webhooks.stats(), WebhookStats { delivered: 1, ..WebhookStats::default() });
}

#[tokio::test(start_paused = true)]
async fn what_is_not_taken_is_sent_again_under_its_id() {
    let receiver = Receiver::new(&[500, 302, 0, 200]);
    let webhooks = start(&receiver);
    emit(&webhooks);
    sleep(Duration::from_secs(60)).await;
    let got = lock(&receiver.got);
    assert_eq!(got.len(), 4);
    assert_eq!(got.iter().map(|(_, request)| &request.id).collect::<HashSet<_>>().len(), 1);
    // Each attempt is signed for its own time: a receiver refuses old ones.
    assert!(got[3].1.timestamp > got[0].1.timestamp);
    let pauses: Vec<_> = got.windows(2).map(|pair| (pair[1].0 - pair[0].0).as_secs_f64()).collect();
    assert!((0.75..=1.25).contains(&pauses[0]) && (1.5..=2.5).contains(&pauses[1]), "{pauses:?}");
    assert!((13.0..=15.0).contains(&pauses[2]), "ten seconds without an answer, then the pause: {pauses:?}");
    drop(got);
    assert_eq!(webhooks.stats(), WebhookStats { delivered: 1, attempts_failed: 3, ..WebhookStats::default() });
}

#[tokio::test(start_paused = true)]
async fn a_delivery_is_given_up_after_its_last_attempt() {
    let receiver = Receiver::new(&[]);
    let webhooks = start(&receiver);
    emit(&webhooks);
    sleep(Duration::from_secs(2 * 3600)).await;
    assert_eq!(receiver.count(), MAX_ATTEMPTS as usize);
    let stats = webhooks.stats();
    assert_eq!((stats.given_up, stats.queued, stats.attempts_failed), (1, 0, MAX_ATTEMPTS.into()));
}

#[tokio::test(start_paused = true)]
async fn one_that_fails_does_not_hold_up_others() {
    let receiver = Receiver::new(&[500, 200]);
    let webhooks = start(&receiver);
    emit(&webhooks);
    sleep(Duration::from_millis(1)).await;
    emit(&webhooks);
    sleep(Duration::from_millis(1)).await;
    let ids: Vec<_> = lock(&receiver.got).iter().map(|(_, request)| request.id.clone()).collect();
    assert_eq!(ids.len(), 2);
    assert_ne!(ids[0], ids[1]);
}

#[tokio::test(start_paused = true)]
async fn the_queue_is_bounded_and_so_is_what_is_under_way() {
    let receiver = Receiver::new(&[0]);
    let webhooks = start(&receiver);
    (0..DEPTH + 5).for_each(|_| emit(&webhooks));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(receiver.count(), CONCURRENCY);
    // What is under way counts.
    emit(&webhooks);
    let stats = webhooks.stats();
    assert_eq!((stats.queued, stats.dropped), (DEPTH as u64, 6));
}

#[test]
fn wrong_settings_are_refused_without_their_values() {
    let url = |text: &str| vec![text.to_owned()];
    let good = "https://app.example/token-1";
    assert!(WebhookSettings::new(&url(good), SECRET, true).is_ok());
    assert!(WebhookSettings::new(&[], "", true).is_ok());
    for (urls, secret) in [
        (url("ftp://app.example/token-1"), SECRET),
        (url("token-1"), SECRET),
        (url("file:///token-1"), SECRET),
        (url(good), ""),
        (url(good), "token-1"),
        (vec![good.to_owned(); MAX_URLS + 1], SECRET),
    ] {
        let error = WebhookSettings::new(&urls, secret, false).unwrap_err();
        assert!(!error.contains("token-1") && !error.contains('\n'), "{error}");
    }
    let settings = WebhookSettings::new(&url(good), SECRET, true).unwrap();
    assert!(!format!("{settings:?}").contains("token-1"));
}

#[tokio::test]
async fn a_real_receiver_gets_a_real_request_and_redirects_lead_nowhere() {
    use axum::extract::Request;
    use axum::response::Redirect;
    use axum::routing::post;
    let (sender, mut requests) = tokio::sync::mpsc::channel(4);
    let take = move |request: Request| async move {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 65_536).await.unwrap();
        sender.send((parts, body)).await.unwrap();
    };
    let app = axum::Router::new()
        .route("/hook", post(take.clone()))
        .route("/away", post(|| async { Redirect::temporary("/hook") }));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });

    let hooks = webhooks(&format!("http://{address}/hook"));
    let running = Arc::clone(&hooks);
    tokio::spawn(async move { running.run().await });
    emit(&hooks);
    let (parts, body) = requests.recv().await.unwrap();
    let header = |name: &str| parts.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "application/json");
    let timestamp = header("webhook-timestamp").parse().unwrap();
    let expected = SigningKey::parse(SECRET).unwrap().sign(&header("webhook-id"), timestamp, &body);
    assert_eq!(header("webhook-signature"), expected);

    let away = super::post::Request {
        url: format!("http://{address}/away").parse().unwrap(),
        id: "msg_1".to_owned(),
        timestamp,
        signature: expected,
        body,
    };
    assert_eq!(Client::new().unwrap().post(away).await, Ok(StatusCode::TEMPORARY_REDIRECT));
    assert!(requests.try_recv().is_err());
}
