//! The binary and a collector of traces: what it is told, what it is not told, and that nobody needs it.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed expectation is a failed test")]

use futures_util::{SinkExt, StreamExt};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message as Frame;

const PATIENCE: Duration = Duration::from_secs(30);
const ROOM: &str = "under-the-oaks-9173";
const NAME: &str = "Marmaduke Zephyrine";
const QUERY: &str = "said-by-nobody-4411";
/// A trace that a client claims to be a part of.
const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const CREDENTIAL: &str = "Bearer collector-bearer-84x";

/// A collector on a port of its own: it takes whatever it is sent.
struct Collector {
    address: String,
    told: Arc<Mutex<Vec<ExportTraceServiceRequest>>>,
    heads: Arc<Mutex<String>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let collector = Self { address, told: Arc::default(), heads: Arc::default() };
        let (told, heads) = (Arc::clone(&collector.told), Arc::clone(&collector.heads));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (told, heads) = (Arc::clone(&told), Arc::clone(&heads));
                std::thread::spawn(move || take(BufReader::new(stream.unwrap()), &told, &heads));
            }
        });
        collector
    }

    fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    fn spans(&self) -> Vec<Span> {
        let told = self.told.lock().unwrap();
        let scopes = told.iter().flat_map(|request| &request.resource_spans).flat_map(|of| &of.scope_spans);
        scopes.flat_map(|scope| scope.spans.clone()).collect()
    }

    /// The one span of that name.
    fn span(&self, name: &str) -> Span {
        let mut spans: Vec<_> = self.spans().into_iter().filter(|span| span.name == name).collect();
        assert_eq!(spans.len(), 1, "{name} is there once among {:?}", self.spans());
        spans.remove(0)
    }
}

/// Reads requests until the connection ends.
fn take(mut stream: BufReader<TcpStream>, told: &Mutex<Vec<ExportTraceServiceRequest>>, heads: &Mutex<String>) {
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
            head += &line;
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).unwrap();
        heads.lock().unwrap().push_str(&head);
        told.lock().unwrap().push(ExportTraceServiceRequest::decode(&body[..]).unwrap());
        stream.get_mut().write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    }
}

/// A server whose lines are read as they come.
struct Server {
    child: Child,
    address: String,
    lines: mpsc::Receiver<String>,
}

impl Server {
    fn start(endpoint: &str, more: &[(&str, &str)]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_parlor"))
            .env_clear()
            .envs([("PARLOR_STORE__URL", "memory:"), ("PARLOR_FILES__URL", "memory:")])
            .envs([("PARLOR_TRACES__ENDPOINT", endpoint), ("PARLOR_TRACES__SERVICE_NAME", "parlor-test")])
            .envs(more.iter().copied())
            .args(["--http-listen", "127.0.0.1:0", "--media-udp-port", "0", "--media-shards", "1"])
            .current_dir(env!("CARGO_TARGET_TMPDIR"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (line, lines) = mpsc::channel();
        let log = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|text| line.send(text)));
        let mut ready = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut ready).unwrap();
        let port = ready.trim().strip_prefix("Parlor is ready: open http://localhost:").expect(&ready);
        let address = format!("127.0.0.1:{port}");
        Self { child, address, lines }
    }

    fn request(&self, method: &str, target: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let length = body.len();
        write!(
            stream,
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        response
    }

    /// Reads lines until one has that text.
    fn logs(&self, text: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect(text);
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Stops it as a container is stopped; returns the lines that were not read.
    fn stop(mut self) -> Vec<String> {
        let status = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
        assert!(self.child.wait().unwrap().success());
        std::mem::replace(&mut self.lines, mpsc::channel().1).iter().collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An attribute, as text.
fn attribute(span: &Span, key: &str) -> Option<String> {
    let value = span.attributes.iter().find(|attribute| attribute.key == key)?.value.as_ref()?.value.as_ref()?;
    Some(match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        other => format!("{other:?}"),
    })
}

fn traceparent() -> String {
    format!("traceparent: 00-{TRACE_ID}-b7ad6b7169203331-01\r\n")
}

/// Joins, leaves, and returns when the server has answered both.
async fn join_and_leave(address: &str) {
    let (mut socket, _) = connect_async(format!("ws://{address}/ws")).await.unwrap();
    let join = format!(r#"{{"type":"join-room","roomId":"{ROOM}","displayName":"{NAME}"}}"#);
    for (said, answer) in [
        (join, "room-joined"),
        (format!(r#"{{"type":"join-room","roomId":"{ROOM}"}}"#), "already-joined"),
        (format!(r#"{{"type":"leave-room","roomId":"{ROOM}"}}"#), "room-left"),
    ] {
        socket.send(Frame::text(said)).await.unwrap();
        loop {
            let heard = socket.next().await.unwrap().unwrap();
            if heard.to_text().unwrap().contains(answer) {
                break;
            }
        }
    }
    socket.close(None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn joins_and_requests_are_told_without_what_people_wrote() {
    let collector = Collector::start();
    let server = Server::start(
        &collector.endpoint(),
        &[("PARLOR_TRACES__HEADERS", &format!("authorization={CREDENTIAL}")), ("PARLOR_LOG__LEVEL", "trace")],
    );
    server.request("POST", "/api/rooms", "", &format!(r#"{{"roomId":"{ROOM}","name":"{NAME}"}}"#));
    server.request("GET", &format!("/api/rooms/{ROOM}?about={QUERY}"), &traceparent(), "");
    server.request("BREW", "/coffee/for/nobody", "", "");
    join_and_leave(&server.address).await;
    // The last spans are sent when it stops.
    let log = server.stop().join("\n");
    assert!(!log.contains("otel.name"), "spans are no part of the log: {log}");

    let created = collector.span("POST /api/rooms");
    assert_eq!(attribute(&created, "http.response.status_code").as_deref(), Some("201"));
    let seen = collector.span("GET /api/rooms/{room_id}");
    assert_eq!(attribute(&seen, "http.request.method").as_deref(), Some("GET"));
    assert_eq!(attribute(&seen, "http.route").as_deref(), Some("/api/rooms/{room_id}"));
    assert_eq!(attribute(&seen, "http.response.status_code").as_deref(), Some("200"));
    assert_eq!(hex(&seen.trace_id).len(), 32);
    assert_ne!(hex(&seen.trace_id), TRACE_ID, "what strangers write in traceparent is not believed");
    assert!(seen.parent_span_id.is_empty());
    assert_eq!(attribute(&collector.span("_OTHER"), "http.response.status_code").as_deref(), Some("405"));
    assert_eq!(attribute(&collector.span("GET /ws"), "http.response.status_code").as_deref(), Some("101"));

    let joins: Vec<_> = collector.spans().into_iter().filter(|span| span.name == "join").collect();
    let outcomes: Vec<_> = joins.iter().map(|join| attribute(join, "outcome").unwrap()).collect();
    assert_eq!(outcomes.len(), 2, "{outcomes:?}");
    let join = &joins[outcomes.iter().position(|outcome| outcome == "left").expect("one was in the room")];
    assert!(outcomes.iter().any(|outcome| outcome == "already-joined"), "{outcomes:?}");
    for (key, value) in [("room", "1"), ("role", "speaker"), ("how", "open")] {
        assert_eq!(attribute(join, key).as_deref(), Some(value));
    }
    let stages: Vec<_> = collector.spans().into_iter().filter(|span| span.parent_span_id == join.span_id).collect();
    let mut names: Vec<_> = stages.iter().map(|stage| stage.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["join.admission", "join.offer", "join.shard"]);
    assert!(stages.iter().all(|stage| stage.trace_id == join.trace_id));

    let told = format!("{:?}", collector.told.lock().unwrap());
    assert!(told.contains("parlor-test") && told.contains("service.version"), "{told}");
    for secret in [ROOM, NAME, QUERY, "coffee", "resumeToken", CREDENTIAL] {
        assert!(!told.contains(secret), "{secret} was told: {told}");
    }
    let heads = collector.heads.lock().unwrap().to_ascii_lowercase();
    assert!(heads.starts_with("post /v1/traces ") && heads.contains("content-type: application/x-protobuf"), "{heads}");
    assert!(heads.contains(&format!("authorization: {CREDENTIAL}").to_ascii_lowercase()), "{heads}");
}

#[test]
fn the_traces_of_a_trusted_proxy_go_on() {
    let collector = Collector::start();
    let more = [("PARLOR_TRACES__ACCEPT_TRACEPARENT", "true"), ("PARLOR_HTTP__TRUSTED_PROXIES", "127.0.0.1")];
    let server = Server::start(&collector.endpoint(), &more);
    server.request("GET", "/healthz", &traceparent(), "");
    server.stop();
    let span = collector.span("GET /healthz");
    assert_eq!((hex(&span.trace_id).as_str(), hex(&span.parent_span_id).as_str()), (TRACE_ID, "b7ad6b7169203331"));
}

#[test]
fn a_sample_of_none_tells_nothing() {
    let collector = Collector::start();
    let server = Server::start(&collector.endpoint(), &[("PARLOR_TRACES__SAMPLE_RATIO", "0")]);
    server.request("GET", "/healthz", "", "");
    server.stop();
    assert_eq!(collector.spans(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_is_away_is_told_once_and_missed_by_nobody() {
    // A port that was free a moment ago.
    let endpoint = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let server = Server::start(&endpoint, &[]);
    server.request("POST", "/api/rooms", "", &format!(r#"{{"roomId":"{ROOM}"}}"#));
    let line = server.logs("traces do not reach the collector");
    assert!(line.contains("WARN"), "{line}");
    join_and_leave(&server.address).await;
    let rest = server.stop();
    assert!(rest.iter().any(|line| line.contains("participant left")), "{rest:?}");
    assert!(!rest.iter().any(|line| line.contains("traces do not reach")), "it is said once: {rest:?}");
}

#[test]
fn a_collector_that_does_not_answer_does_not_keep_a_server_from_ending() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = Server::start(&format!("http://{}", silent.local_addr().unwrap()), &[]);
    server.request("GET", "/healthz", "", "");
    server.stop();
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
