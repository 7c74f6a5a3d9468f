//! No secret reaches a log, at any level, nor an error's text: everything that is logged is read here.

use super::access::{SECRET, ask, for_room, keyed, token};
use super::house::House;
use crate::access::Role;
use crate::protocol::server::IceServer;
use crate::protocol::{ClientFrame, SecretText, ServerMessage};
use crate::session::Token;
use crate::{StoreUrl, WebhookSettings};
use serde_json::{Value, json};
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Writes down all that is logged by the thread that it is set for.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        writeln!(self.0.lock().unwrap(), "{}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("parlor") || metadata.target() == crate::TRACES
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        span.record(&mut self.clone());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

const PASSWORD: &str = "open sesame, said the fox";
const NONSENSE: &str = "neither-a-token-nor-a-secret";

fn secrets_of(joined: &Value, secrets: &mut Vec<String>) {
    for field in ["resumeToken", "accessToken"] {
        secrets.extend(joined[field].as_str().map(str::to_owned));
    }
}

/// Does with the credentials of a house whatever can be done, right and wrong; returns what clients were answered when
/// they were refused, and all that was secret.
async fn use_credentials(house: &House, room: &str, host: &str, mut secrets: Vec<String>) -> (String, Vec<String>) {
    let mut refusals = String::new();
    let path = format!("/api/rooms/{room}");
    let spoiled = format!("{}x", &host[..host.len() - 1]);
    secrets.extend([host, &spoiled, PASSWORD, NONSENSE, SECRET].map(str::to_owned));
    let tokens = json!({"identity": "bo"});
    for credential in [host, &spoiled, NONSENSE, &format!("access_{}", "0f".repeat(32)), &format!("host_{NONSENSE}")] {
        for (method, path, body) in [
            ("GET", path.clone(), None),
            ("GET", format!("{path}/users"), None),
            ("PATCH", path.clone(), Some(json!({"password": PASSWORD}))),
            ("PATCH", path.clone(), Some(json!({"password": [PASSWORD]}))),
            ("POST", format!("{path}/tokens"), Some(tokens.clone())),
            ("POST", format!("{path}/invites"), Some(json!({"count": 1}))),
            ("POST", "/api/rooms".to_owned(), Some(json!({"password": {"is": PASSWORD}}))),
        ] {
            let (status, _, answer) = ask(house, method, &path, credential, body).await;
            if status.is_success() {
                secrets.extend(answer["token"].as_str().map(str::to_owned));
                secrets.extend(answer["hostSecret"].as_str().map(str::to_owned));
                secrets.extend(answer["invites"][0]["invite"].as_str().map(str::to_owned));
            } else {
                refusals += &answer.to_string();
            }
        }
    }
    for credentials in [
        json!({"token": host}),
        json!({"token": spoiled}),
        json!({"token": [NONSENSE]}),
        json!({"hostSecret": host}),
        json!({"hostSecret": NONSENSE}),
        json!({"invite": format!("invite_{}", "0f".repeat(32))}),
        json!({"invite": NONSENSE}),
        json!({"password": PASSWORD}),
        json!({"guestKey": "a key of the browser's own, which nobody else has"}),
    ] {
        let mut client = house.client();
        let mut join = json!({"type": "join-room", "roomId": room});
        join.as_object_mut().unwrap().extend(credentials.as_object().unwrap().clone());
        client.send(join).await;
        for answer in client.all() {
            match answer["type"].as_str() {
                Some("error") => refusals += &answer.to_string(),
                _ => secrets_of(&answer, &mut secrets),
            }
        }
        client.send(json!({"type": "resume", "resumeToken": NONSENSE})).await;
        refusals += &client.next().to_string();
    }
    (refusals, secrets)
}

fn check(log: &Log, refusals: &str, secrets: &[String]) {
    let logged = log.0.lock().unwrap();
    assert!(logged.contains("room created"), "the log is read: {logged}");
    assert!(refusals.contains("token-invalid"), "refusals are read: {refusals}");
    for secret in secrets {
        let bare = secret.split_once('_').map_or(secret.as_str(), |(_, bare)| bare);
        // Of a token the claims are secret too: who has seen two parts needs only the third.
        let parts = bare.split('.').filter(|part| part.len() > 24).chain([bare]);
        for part in parts {
            assert!(!logged.contains(part), "{part} is in the log: {logged}");
            assert!(!refusals.contains(part), "{part} is in a refusal: {refusals}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_with_keys_keeps_its_secrets() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let house = House::with(keyed(), 1024);
    house.board().create_room(super::record("abc")).await.unwrap();
    let host = token(&house, for_room("abc", Role::Host));
    let (refusals, secrets) = use_credentials(&house, "abc", &host, Vec::new()).await;
    check(&log, &refusals, &secrets);
}

#[tokio::test(start_paused = true)]
async fn an_open_server_keeps_its_secrets() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(log.clone());
    let house = House::with(crate::Settings::default(), 1024);
    let (_, _, made) = ask(&house, "POST", "/api/rooms", "", Some(json!({"roomId": "abc"}))).await;
    let host = made["hostSecret"].as_str().expect("the creator gets a host secret").to_owned();
    let (refusals, secrets) = use_credentials(&house, "abc", &host, Vec::new()).await;
    check(&log, &refusals, &secrets);
}

/// What a value looks like in a log line or a failed assertion: none shows what it keeps.
#[tokio::test(start_paused = true)]
async fn values_that_keep_secrets_do_not_show_them() {
    const TOKEN: [u8; 32] = [0xab; 32];
    let text = Token::from_entropy(TOKEN).written("host_");
    let mut shown = format!("{text:?} {:?}", Some(Token::from_entropy(TOKEN).digest()));
    for said in [
        json!({"type": "join-room", "roomId": "abc", "token": NONSENSE, "hostSecret": NONSENSE, "invite": NONSENSE,
            "password": PASSWORD, "guestKey": NONSENSE}),
        json!({"type": "renew-token", "roomId": "abc", "token": NONSENSE}),
        json!({"type": "resume", "resumeToken": NONSENSE}),
    ] {
        write!(shown, "{:?}", ClientFrame::parse(&said.to_string()).unwrap()).unwrap();
    }
    let house = House::new();
    let mut record = super::record("abc");
    record.password = Some(crate::password::hash(PASSWORD).await.unwrap());
    let hash = record.password.as_ref().unwrap().expose().to_owned();
    record.host_secret = Some(Token::from_entropy(TOKEN).digest());
    write!(shown, "{record:?}").unwrap();
    let room = house.board().create_room(record).await.unwrap();
    let mut client = house.client();
    client.send(json!({"type": "join-room", "roomId": "abc", "password": PASSWORD})).await;
    let joined = client.next();
    let mut secrets = vec![PASSWORD.to_owned(), NONSENSE.to_owned(), text.expose().to_owned(), hash];
    secrets_of(&joined, &mut secrets);
    assert_eq!(secrets.len(), 6, "{joined}");
    let message: ServerMessage = serde_json::from_value(joined).unwrap();
    write!(shown, "{message:?} {room:?}").unwrap();
    let store = StoreUrl::parse(&format!("mongodb://parlor:{NONSENSE}@db.example/calls?replicaSet=rs0")).unwrap();
    let hook = format!("https://app.example/{NONSENSE}");
    let webhooks = WebhookSettings::new(&[hook], SECRET, true).unwrap();
    let turn =
        IceServer { urls: vec!["turn:t".to_owned()], username: None, credential: Some(SecretText::new(NONSENSE)) };
    write!(shown, "{store} {store:?} {webhooks:?} {:?} {turn:?}", keyed()).unwrap();
    secrets.push(SECRET.to_owned());
    for secret in secrets {
        let bare = secret.split_once('_').map_or(secret.as_str(), |(_, bare)| bare);
        assert!(!shown.contains(bare), "{bare} is shown: {shown}");
    }
}
