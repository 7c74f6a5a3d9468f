//! The binary from outside: how it starts, what it serves, how it ends.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed expectation is a failed test")]

use futures_util::StreamExt;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;
use tokio_tungstenite::connect_async;

/// A command that sees nothing of this host's configuration. Nothing is stored, unless the arguments say otherwise.
fn parlor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_parlor"));
    command.env_clear().env("PARLOR_STORE__URL", "memory:");
    command.current_dir(env!("CARGO_TARGET_TMPDIR")).args(arguments);
    command
}

/// Exit code and standard error of a start that fails.
fn failure(mut command: Command) -> (Option<i32>, String) {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.stdout.is_empty(), "a failed start says nothing on standard output");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// A server on ports of its own, killed when the test ends.
struct Running {
    child: Child,
    /// `127.0.0.1:port`
    address: String,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let fixed = ["--http-listen", "127.0.0.1:0", "--media-udp-port", "0", "--media-shards", "2"];
        let mut child = parlor(&[&fixed, arguments].concat()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().strip_prefix("Parlor is ready: open http://localhost:").expect(&line);
        let address = format!("127.0.0.1:{port}");
        Self { child, address }
    }

    /// Status line, headers and body of a GET.
    fn get(&self, path: &str) -> String {
        get(&self.address, path)
    }

    /// Asks it to end, as a terminal or a container does.
    fn signal(&self, name: &str) {
        let status = Command::new("kill").args([name, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    response
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_serves_the_page_health_and_metrics() {
    let server = Running::start(&[]);
    let page = server.get("/r/some-room");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'self';"), "{page}");
    assert!(server.get("/nothing").starts_with("HTTP/1.1 404 "));
    assert!(server.get("/api/rooms/no-such-room").starts_with("HTTP/1.1 404 "));
    let health = server.get("/healthz");
    let body: serde_json::Value = serde_json::from_str(health.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!((body["status"].as_str(), body["version"].as_str()), (Some("ok"), Some(env!("CARGO_PKG_VERSION"))));
    let metrics = server.get("/metrics");
    assert!(metrics.contains("content-type: text/plain; version=0.0.4"), "{metrics}");
    for line in [
        "parlor_rooms 0",
        "parlor_shards 2",
        "parlor_build_info{version=",
        "parlor_http_requests_total{method=\"GET\",route=\"pages\",status=\"200\"} 1",
        "parlor_http_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"} 1",
        "parlor_http_requests_total{method=\"GET\",route=\"/api/rooms/{room_id}\",status=\"404\"} 1",
        "parlor_http_requests_total{method=\"GET\",route=\"/healthz\",status=\"200\"} 1",
        "parlor_http_requests_in_flight 1",
        "process_resident_memory_bytes ",
    ] {
        assert!(metrics.contains(&format!("\n{line}")), "{line} is not in {metrics}");
    }
}

#[test]
fn metrics_may_have_a_listener_of_their_own() {
    // Free for the moment: nobody else binds ports of this address.
    let address = TcpListener::bind("127.0.0.117:0").unwrap().local_addr().unwrap().to_string();
    let server = Running::start(&["--metrics-listen", &address]);
    let metrics = get(&address, "/metrics");
    assert!(metrics.starts_with("HTTP/1.1 200 OK\r\n") && metrics.contains("\nparlor_shards 2"), "{metrics}");
    for (place, path) in [(&address, "/"), (&address, "/healthz"), (&server.address, "/metrics")] {
        let answer = get(place, path);
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path} of {place}: {answer}");
    }
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200 OK\r\n"));
}

#[tokio::test]
async fn a_websocket_is_greeted_and_told_when_the_server_stops() {
    for signal in ["-TERM", "-INT"] {
        let server = Running::start(&[]);
        let (mut socket, _) = connect_async(format!("ws://{}/ws", server.address)).await.unwrap();
        let hello: serde_json::Value =
            serde_json::from_str(socket.next().await.unwrap().unwrap().to_text().unwrap()).unwrap();
        assert_eq!(hello["type"], "hello");
        server.signal(signal);
        while let Some(Ok(_)) = socket.next().await {}
        assert_eq!(server.wait_in_background().await.code(), Some(0), "{signal}");
    }
}

impl Running {
    async fn wait_in_background(self) -> ExitStatus {
        tokio::task::spawn_blocking(move || self.wait()).await.unwrap()
    }
}

#[test]
fn a_bad_start_ends_with_one_clear_line() {
    let directory = env!("CARGO_TARGET_TMPDIR");
    let file = format!("{directory}/bad.toml");
    std::fs::write(&file, "[http]\nlisen = \"0.0.0.0:1\"\n").unwrap();
    let mut variable = parlor(&[]);
    variable.env("PARLOR_MEDIA__SHARDS", "many");
    for (command, expected) in [
        (parlor(&["--config", &file]), format!("unknown key http.lisen in {file}; did you mean http.listen?")),
        (parlor(&["--http-lisen", "x"]), "unknown flag --http-lisen; did you mean --http-listen?".to_owned()),
        (
            variable,
            "media.shards = \"many\" (from the environment variable PARLOR_MEDIA__SHARDS) is not valid: expected a \
             whole number from 0 to 256"
                .to_owned(),
        ),
        (
            parlor(&["--config", directory]),
            format!("cannot read the configuration file {directory}: Is a directory (os error 21)"),
        ),
        (
            parlor(&["--http-listen", "127.0.0.1:0", "--media-udp-port", "65535", "--media-shards", "2"]),
            "media.udp_port = 65535 leaves no port for shard 1 of 2: choose a lower port".to_owned(),
        ),
    ] {
        assert_eq!(failure(command), (Some(1), format!("parlor: {expected}\n")));
    }
}

#[test]
fn a_port_in_use_is_named() {
    let http = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = http.local_addr().unwrap();
    let (code, line) = failure(parlor(&["--http-listen", &address.to_string(), "--media-udp-port", "0"]));
    let expected = format!("parlor: cannot listen on {address} (http.listen): Address already in use (os error 98)\n");
    assert_eq!((code, line), (Some(1), expected));

    let arguments = ["--http-listen", "127.0.0.1:0", "--metrics-listen", &address.to_string()];
    let (code, line) = failure(parlor(&arguments));
    let expected =
        format!("parlor: cannot listen on {address} (metrics.listen): Address already in use (os error 98)\n");
    assert_eq!((code, line), (Some(1), expected));

    let udp = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = udp.local_addr().unwrap().port().to_string();
    let arguments = ["--http-listen", "127.0.0.1:0", "--media-udp-port", &port, "--media-shards", "1"];
    let (code, line) = failure(parlor(&arguments));
    let expected = format!(
        "parlor: cannot bind UDP port {port} for shard 0 (media.udp_port): Address already in use (os error 98)\n"
    );
    assert_eq!((code, line), (Some(1), expected));
}

#[test]
fn help_and_version_go_to_standard_output() {
    let output = parlor(&["--version"]).output().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), concat!("parlor ", env!("CARGO_PKG_VERSION")));
    let help = parlor(&["--help"]).output().unwrap();
    assert!(String::from_utf8(help.stdout).unwrap().contains("--media-announce"));
}

/// A directory of this test's own.
fn directory(name: &str) -> String {
    let directory = format!("{}/{name}", env!("CARGO_TARGET_TMPDIR"));
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir_all(&directory).unwrap();
    directory
}

#[test]
fn a_database_is_created_and_serves_one_server() {
    let directory = directory("one-server");
    let url = format!("sqlite:{directory}/data/parlor.db");
    let server = Running::start(&["--store-url", &url]);
    assert!(std::path::Path::new(&directory).join("data/parlor.db").exists());
    let second = parlor(&["--store-url", &url, "--http-listen", "127.0.0.1:0", "--media-udp-port", "0"]);
    let expected = format!(
        "parlor: the database {url} cannot be used (store.url): it is in use by another process: a database serves one Parlor\n"
    );
    assert_eq!(failure(second), (Some(1), expected));
    server.signal("-TERM");
    assert_eq!(server.wait().code(), Some(0));
    // It has let go of it.
    drop(Running::start(&["--store-url", &url]));
}

/// A port on which nothing listens, from below the range from which the system takes those of outgoing connections.
const CLOSED: &str = "mongodb://ada:geheim@127.0.0.1:9/x?serverSelectionTimeoutMS=200&connectTimeoutMS=200";

#[test]
fn a_start_without_its_database_fails_if_it_is_not_to_wait() {
    let arguments = ["--http-listen", "127.0.0.1:0", "--media-udp-port", "0", "--store-wait", "false"];
    let (code, line) = failure(parlor(&[&arguments[..], &["--store-url", CLOSED]].concat()));
    assert_eq!(code, Some(1));
    assert!(line.starts_with("parlor: the database mongodb://127.0.0.1:9/x cannot be reached (store.url): "), "{line}");
    assert!(line.lines().count() == 1 && !line.contains("geheim"), "{line}");
    let (code, line) = failure(parlor(&[&arguments[..], &["--store-url", "sqlite:///etc/passwd/x"]].concat()));
    assert_eq!(code, Some(1));
    assert!(line.starts_with("parlor: store.url is not valid: expected memory:, sqlite: and the path"), "{line}");
}

#[test]
fn a_start_waits_for_its_database_and_says_so_until_it_is_stopped() {
    let mut command = parlor(&["--http-listen", "127.0.0.1:0", "--media-udp-port", "0", "--store-url", CLOSED]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let waiting: Vec<String> = lines.filter(|line| line.contains("waiting for the database")).take(2).collect();
    assert_eq!(waiting.len(), 2);
    assert!(
        waiting.iter().all(|line| line.contains("mongodb://127.0.0.1:9/x") && !line.contains("geheim")),
        "{waiting:?}"
    );
    let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
