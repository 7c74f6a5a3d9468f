//! Every knob that a running server takes takes effect: what clients see before and after.

use super::*;
use crate::drain::Ending;
use crate::logging;
use crate::server::Server;
use crate::signals::Request;
use crate::tls::tests::{Issued, ask, connect};
use futures_util::{SinkExt, StreamExt};
use parlor_config::{ConfigFile, KNOBS, LogConfig, LogFormat, LogLevel, Sources, load};
use parlor_signaling::TokenRequest;
use parlor_signaling::protocol::Timestamp;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};
use tracing_subscriber::layer::SubscriberExt;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Bounds a failing run.
const PATIENCE: Duration = Duration::from_secs(30);

/// A proxy that is trusted, so that clients do not count as this host's owner.
const PROXY: &str = "[http]\ntrusted_proxies = [\"127.0.0.1\"]\n";
const FROM: &str = "X-Forwarded-For: 203.0.113.9\r\n";
const SECRETS: [&str; 2] = ["a:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "b:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"];

/// The configuration of a file, with ports that are free and nothing that is kept.
fn config(file: &str) -> Config {
    let flags = [
        ("http.listen", "127.0.0.1:0"),
        ("media.udp_port", "0"),
        ("media.shards", "1"),
        ("media.announce", "127.0.0.1"),
        ("store.url", "memory:"),
        ("files.url", "memory:"),
    ];
    let knob = |key: &str| KNOBS.iter().find(|knob| knob.key == key).unwrap();
    let file = Some(ConfigFile { path: "parlor.toml".to_owned(), text: file.to_owned() });
    let flags = flags.iter().map(|(key, text)| (knob(key), (*text).to_owned())).collect();
    load(&Sources { file, flags, ..Sources::default() }).unwrap()
}

/// A server that serves until it is dropped.
struct Running {
    address: SocketAddr,
    reloader: Reloader,
    lines: tracing::Dispatch,
    serving: JoinHandle<Ending>,
    _stop: mpsc::Sender<Request>,
}

impl Running {
    async fn start(config: &Config) -> Self {
        let (lines, level) = logging::lines(&LogConfig { level: LogLevel::Info, format: LogFormat::Json });
        let server = Server::start(config).await.unwrap();
        let (address, reloader) = (server.address(), server.reloader(level));
        let (stop, requests) = mpsc::channel(1);
        let serving = tokio::spawn(async move { server.run(requests).await.unwrap() });
        let lines = tracing::Dispatch::new(tracing_subscriber::registry().with(lines));
        Self { address, reloader, lines, serving, _stop: stop }
    }

    /// Status and body of a request with a JSON body.
    async fn request(&self, method: &str, path: &str, headers: &str, body: &Value) -> (u16, Value) {
        let body = body.to_string();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let response = ask(&mut stream, &request).await;
        let status = response.split(' ').nth(1).unwrap().parse().unwrap();
        let body = response.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        (status, serde_json::from_str(body).unwrap_or_default())
    }

    async fn create(&self, headers: &str, room: Value) -> (u16, Value) {
        self.request("POST", "/api/rooms", headers, &room).await
    }

    /// The statuses of two attempts to create a room.
    async fn create_two(&self, headers: &str) -> String {
        let statuses = [self.create(headers, json!({})).await.0, self.create(headers, json!({})).await.0];
        statuses.map(|status| status.to_string()).join(" ")
    }

    /// The id of a new room, by the owner of this host.
    async fn room(&self, room: Value) -> (String, String) {
        let (status, created) = self.create("", room).await;
        assert_eq!(status, 201, "{created}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        (text(&created["room"]["roomId"]), text(&created["hostSecret"]))
    }

    /// A socket, or the status of its refusal.
    async fn socket(&self) -> Result<Socket, u16> {
        let mut request = format!("ws://{}/ws", self.address).into_client_request().unwrap();
        request.headers_mut().insert("x-forwarded-for", "203.0.113.9".parse().unwrap());
        match connect_async(request).await {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    async fn lacks_memory(&self) -> bool {
        tokio::time::sleep(Duration::from_millis(50)).await;
        self.create("", json!({})).await.0 == 507
    }

    /// Opens two sockets, which stay open together.
    async fn open_two(&self) -> String {
        let sockets = [self.socket().await, self.socket().await];
        sockets.map(|socket| socket.map_or_else(|status| status.to_string(), |_| "open".to_owned())).join(" ")
    }

    /// A socket on which somebody asked to join, and what came of it.
    async fn join(&self, room: &str, password: Option<&str>) -> (Socket, String) {
        let mut socket = self.socket().await.unwrap();
        let join = json!({"type": "join-room", "roomId": room, "displayName": "Ana", "password": password});
        let told = say(&mut socket, &join, &["room-joined"]).await;
        (socket, told)
    }

    async fn join_twice(&self, room: &str, password: Option<&str>) -> String {
        let (first, second) = (self.join(room, password).await, self.join(room, password).await);
        [first.1, second.1].join(" ")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Says something and returns which of `answers` came, or an error's code.
async fn say(socket: &mut Socket, message: &Value, answers: &[&str]) -> String {
    socket.send(Message::text(message.to_string())).await.unwrap();
    loop {
        let frame = timeout(PATIENCE, socket.next()).await.expect("an answer").unwrap().unwrap();
        let told: Value = serde_json::from_str(frame.to_text().unwrap()).unwrap();
        match told["type"].as_str().unwrap() {
            "error" => return told["code"].as_str().unwrap().to_owned(),
            answer if answers.contains(&answer) => return answer.to_owned(),
            _ => {}
        }
    }
}

/// A bearer's header with a token of the second secret, made so long ago and good for so long, in seconds.
fn bearer(ago: u64, lifetime: u64) -> String {
    let keys = settings::keys(&config(&format!("[auth]\nkeys = [\"{}\"]", SECRETS[1]))).unwrap();
    let lifetime = Some(Duration::from_secs(lifetime));
    let request = TokenRequest { identity: "ana".into(), create_rooms: true, lifetime, ..TokenRequest::default() };
    let made = Timestamp::from_ms(Timestamp::now().as_ms() - ago * 1000);
    format!("Authorization: Bearer {}\r\n", keys.make_token(&request, made).unwrap())
}

/// A knob that changes, and what is seen of it.
struct Case {
    /// The file's other sections.
    rest: &'static str,
    /// Before and after; further lines are other keys of the section.
    values: [String; 2],
    /// What [`see`] sees.
    seen: [String; 2],
}

fn case(rest: &'static str, values: [&str; 2], seen: [&str; 2]) -> Case {
    Case { rest, values: values.map(str::to_owned), seen: seen.map(str::to_owned) }
}

fn case_of(key: &str, before: &Issued, after: &Issued) -> Case {
    let with_keys = |value: &str| format!("{value}\nkeys = [\"{}\"]", SECRETS[1]);
    match key {
        "http.tls_certificate" | "http.tls_key" => {
            let file = |issued: &Issued| if key.ends_with("key") { issued.key() } else { issued.certificate() };
            let other = |issued: &Issued| if key.ends_with("key") { issued.certificate() } else { issued.key() };
            let name = if key.ends_with("key") { "tls_certificate" } else { "tls_key" };
            let of = |issued| format!("{:?}\n{name} = {:?}\ntls = \"files\"", file(issued), other(issued));
            let shown = |issued: &Issued| issued.tls().certificate().fingerprint();
            Case { rest: "", values: [of(before), of(after)], seen: [shown(before), shown(after)] }
        }
        "http.trusted_proxies" => {
            case("[limits]\nroom_creations_per_minute = 1\n", ["[]", "[\"127.0.0.1\"]"], ["201 201", "201 429"])
        }
        "http.allowed_origins" => case("", ["[]", "[\"https://friend.example\"]"], ["403", "201"]),
        "auth.keys" => {
            let [a, b] = SECRETS.map(|secret| format!("[\"{secret}\"]"));
            case("", [&a, &b], ["401", "201"])
        }
        "auth.jwks" => {
            let set = concat!(env!("CARGO_MANIFEST_DIR"), "/src/server/reload/jwks.json");
            case("", ["\"\"", &format!("{set:?}")], ["201", "401"])
        }
        "auth.leeway_seconds" => case("", [&with_keys("30"), &with_keys("300")], ["401", "201"]),
        "auth.max_token_seconds" => case("", [&with_keys("3600"), &with_keys("86400")], ["401", "201"]),
        "limits.max_rooms" => case("", ["1", "3"], ["201 507", "201 201"]),
        "limits.max_participants_per_room" => case("", ["4", "5"], ["400", "201"]),
        "limits.max_participants" => case("", ["1", "3"], ["room-joined server-full", "room-joined room-joined"]),
        "limits.max_memory_mib" => case("", ["0", "1"], ["201", "507"]),
        "limits.max_connections" => case("", ["1", "9"], ["open 503", "open open"]),
        "limits.max_connections_per_address" => case(PROXY, ["1", "9"], ["open 429", "open open"]),
        "limits.room_creations_per_minute" => case(PROXY, ["1", "5"], ["201 429", "201 201"]),
        "limits.joins_per_minute" => case(PROXY, ["1", "5"], ["room-joined rate-limited", "room-joined room-joined"]),
        "limits.messages_per_minute" => {
            case("", ["1", "5"], ["message-received rate-limited", "message-received message-received"])
        }
        "limits.uploads_per_minute" => case(PROXY, ["1", "5"], ["201 429", "201 201"]),
        "limits.failed_passwords_per_minute" => {
            case(PROXY, ["1", "5"], ["password-wrong rate-limited", "password-wrong password-wrong"])
        }
        "log.level" => case("", ["\"info\"", "\"debug\""], ["false", "true"]),
        key => panic!("what is seen of {key}?"),
    }
}

/// What clients see of a knob.
async fn see(key: &str, server: &Running, room: &str, host: &str) -> String {
    match key {
        "http.tls_certificate" | "http.tls_key" => {
            let tls = server.reloader.tls.as_ref().unwrap();
            // Whoever trusts this one alone gets through.
            let mut stream = connect(server.address, &tls.certificate()).await.unwrap();
            let answer =
                ask(&mut stream, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await;
            assert!(answer.contains("200 OK"), "{answer}");
            tls.certificate().fingerprint()
        }
        "http.trusted_proxies" | "limits.room_creations_per_minute" => server.create_two(FROM).await,
        "limits.max_rooms" => server.create_two("").await,
        "http.allowed_origins" => server.create("Origin: https://friend.example\r\n", json!({})).await.0.to_string(),
        "auth.keys" => server.create(&bearer(0, 60), json!({})).await.0.to_string(),
        "auth.jwks" => server.create("", json!({})).await.0.to_string(),
        "auth.leeway_seconds" => server.create(&bearer(120, 60), json!({})).await.0.to_string(),
        "auth.max_token_seconds" => server.create(&bearer(0, 7200), json!({})).await.0.to_string(),
        "limits.max_participants_per_room" => server.create("", json!({"maxParticipants": 5})).await.0.to_string(),
        "limits.max_memory_mib" => server.create("", json!({})).await.0.to_string(),
        "limits.max_connections" | "limits.max_connections_per_address" => server.open_two().await,
        "limits.max_participants" | "limits.joins_per_minute" => server.join_twice(room, None).await,
        "limits.failed_passwords_per_minute" => {
            let (room, _) = server.room(json!({"password": "open sesame"})).await;
            server.join_twice(&room, Some("abracadabra")).await
        }
        "limits.messages_per_minute" => {
            let (mut socket, _) = server.join(room, None).await;
            let message = json!({"type": "send-message", "roomId": room, "text": "Hello"});
            let told = [say(&mut socket, &message, &["message-received"]).await, {
                say(&mut socket, &message, &["message-received"]).await
            }];
            told.join(" ")
        }
        "limits.uploads_per_minute" => {
            let headers = format!("{FROM}Authorization: Bearer {host}\r\n");
            let path = |name| format!("/api/rooms/{room}/files?name={name}");
            let statuses = [
                server.request("POST", &path("a"), &headers, &json!("a")).await.0,
                server.request("POST", &path("b"), &headers, &json!("b")).await.0,
            ];
            statuses.map(|status| status.to_string()).join(" ")
        }
        "log.level" => {
            let is_written = || tracing::enabled!(target: "parlor", tracing::Level::DEBUG);
            tracing::dispatcher::with_default(&server.lines, is_written).to_string()
        }
        key => panic!("how is {key} seen?"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_knob_that_can_be_reloaded_takes_effect() {
    let (before, after) = (Issued::new(), Issued::new());
    for key in KNOBS.iter().filter(|knob| knob.reload).map(|knob| knob.key) {
        let Case { rest, values, seen } = case_of(key, &before, &after);
        let (section, name) = key.split_once('.').unwrap();
        let [old, new] = values.map(|value| config(&format!("{rest}[{section}]\n{name} = {value}\n")));
        let mut server = Running::start(&old).await;
        let needs_room = key.starts_with("limits.") && !["limits.max_rooms", "limits.max_memory_mib"].contains(&key);
        let (room, host) = if needs_room { server.room(json!({})).await } else { Default::default() };
        assert_eq!(see(key, &server, &room, &host).await, seen[0], "{key} before");

        let reloaded = server.reloader.reload(new).unwrap();
        let expected: &[&str] = if section == "http" && name.starts_with("tls") {
            &["http.tls_certificate", "http.tls_key"]
        } else {
            &[key]
        };
        assert_eq!((&reloaded.applied[..], &reloaded.left[..]), (expected, &[][..]), "{key}");
        // A room of its own: what was counted for the first is as before.
        let (room, host) = if needs_room { server.room(json!({})).await } else { Default::default() };
        // Memory is looked at once a second.
        let begun = Instant::now();
        while key == "limits.max_memory_mib" && begun.elapsed() < PATIENCE && !server.lacks_memory().await {}
        assert_eq!(see(key, &server, &room, &host).await, seen[1], "{key} after");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_needs_a_restart_is_named_until_there_was_one() {
    let old = config("");
    let mut server = Running::start(&old).await;
    let mut fresh = config("[limits]\nmax_rooms = 7\n[room]\nempty_timeout_seconds = 7\n");
    fresh.http.listen = "127.0.0.1:1".parse().unwrap();
    let left = vec!["http.listen", "room.empty_timeout_seconds"];
    let reloaded = server.reloader.reload(fresh.clone()).unwrap();
    assert_eq!(reloaded, Reloaded { applied: vec!["limits.max_rooms"], left: left.clone() });
    assert_eq!(server.reloader.reload(fresh).unwrap(), Reloaded { applied: vec![], left });
    let reloaded = server.reloader.reload(old).unwrap();
    assert_eq!(reloaded, Reloaded { applied: vec!["limits.max_rooms"], left: vec![] });
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_used_changes_nothing() {
    let issued = Issued::new();
    let files =
        format!("tls = \"files\"\ntls_certificate = {:?}\ntls_key = {:?}\n", issued.certificate(), issued.key());
    let mut server = Running::start(&config(&format!("[http]\n{files}"))).await;
    let shown = server.reloader.tls.as_ref().unwrap().certificate().fingerprint();
    let is_as_before = |server: &Running| {
        let now = server.reloader.tls.as_ref().unwrap().certificate().fingerprint();
        now == shown
            && server.reloader.running.limits.max_rooms == 10_000
            && server.reloader.limits.borrow().max_rooms == 10_000
    };

    let no_keys =
        config(&format!("[http]\n{files}[limits]\nmax_rooms = 1\n[auth]\njwks = \"/nonexistent/jwks.json\"\n"));
    issued.renew(300);
    let error = server.reloader.reload(no_keys).unwrap_err().to_string();
    assert!(error.starts_with("auth.jwks: cannot read /nonexistent/jwks.json: "), "{error}");
    assert!(is_as_before(&server));

    std::fs::write(issued.key(), "nonsense").unwrap();
    let error =
        server.reloader.reload(config(&format!("[http]\n{files}[limits]\nmax_rooms = 1\n"))).unwrap_err().to_string();
    assert!(error.contains("(http.tls_key) has no private key"), "{error}");
    assert!(is_as_before(&server));
}
