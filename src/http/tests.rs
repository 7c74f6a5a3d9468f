use super::*;
use crate::tls::tests::{Issued, ask as ask_on, connect};
use axum::http::HeaderMap;
use axum::routing::get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const GET: &str = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";

struct Open {
    address: SocketAddr,
    limits: watch::Sender<LimitsConfig>,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Open {
    fn allow(&self, max_connections: u32) {
        self.limits.send_modify(|limits| limits.max_connections = max_connections);
    }
}

async fn open(max_connections: u32, tls: Option<Tls>) -> Open {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let hello = |ConnectInfo(from): ConnectInfo<SocketAddr>, headers: HeaderMap| async move {
        assert!(headers.contains_key("host"));
        from.ip().to_string()
    };
    let app = Router::new().route("/", get(hello)).route("/never", get(std::future::pending::<()>));
    let (stop, stopped) = oneshot::channel();
    let (limits, receiver) = watch::channel(LimitsConfig { max_connections, ..LimitsConfig::default() });
    let server = tokio::spawn(serve(listener, Web { app, tls }, receiver, async { drop(stopped.await) }));
    Open { address, limits, stop, server }
}

async fn ask(address: SocketAddr, request: &str) -> String {
    ask_on(&mut TcpStream::connect(address).await.unwrap(), request).await
}

#[tokio::test]
async fn requests_are_answered_with_the_address_they_came_from() {
    let Open { address, stop, server, .. } = open(8, None).await;
    assert!(ask(address, GET).await.ends_with("127.0.0.1"));
    stop.send(()).unwrap();
    server.await.unwrap();
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_for_a_place() {
    let open = open(1, None).await;
    let address = open.address;
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
    let mut second = tokio::spawn(async move { ask(address, GET).await });
    assert!(timeout(Duration::from_millis(50), &mut second).await.is_err(), "the only place is taken");
    drop(first);
    assert!(second.await.unwrap().contains("200 OK"));
}

#[tokio::test]
async fn a_limit_that_rises_lets_in_who_waits() {
    let open = open(1, None).await;
    let address = open.address;
    let _first = TcpStream::connect(address).await.unwrap();
    let mut second = tokio::spawn(async move { ask(address, GET).await });
    assert!(timeout(Duration::from_millis(50), &mut second).await.is_err(), "the only place is taken");
    open.allow(2);
    assert!(second.await.unwrap().contains("200 OK"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_finish_its_request_is_given_up() {
    let open = open(1, None).await;
    let mut slow = TcpStream::connect(open.address).await.unwrap();
    slow.write_all(b"GET / HTTP/1.1\r\nHost").await.unwrap();
    let mut rest = Vec::new();
    // Ends only because the server hangs up; it may say why first.
    let _ = slow.read_to_end(&mut rest).await;
    assert!(!rest.starts_with(b"HTTP/1.1 200"));
}

#[tokio::test(start_paused = true)]
async fn every_answer_has_the_security_headers_also_one_that_comes_too_late() {
    let open = open(8, None).await;
    for (path, status) in [("/", "200"), ("/nothing", "404"), ("/never", "408")] {
        let answer = ask(open.address, &GET.replace("GET /", &format!("GET {path}"))).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
        for (name, value) in headers::DEFAULTS {
            assert!(answer.contains(&format!("{name}: {value}\r\n")), "{name} in {answer}");
        }
        assert!(!answer.contains("strict-transport-security"), "{answer}");
    }
}

#[tokio::test]
async fn tls_serves_http_1_and_tells_browsers_to_stay_with_it() {
    let tls = Issued::new().tls();
    let open = open(8, Some(tls.clone())).await;
    let mut stream = connect(open.address, &tls.certificate()).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    let answer = ask_on(&mut stream, GET).await;
    assert!(answer.contains("200 OK") && answer.ends_with("127.0.0.1"), "{answer}");
    assert!(answer.contains("strict-transport-security: max-age="), "{answer}");
}

#[tokio::test]
async fn connections_that_begin_later_are_shown_the_later_certificate() {
    let issued = Issued::new();
    let tls = issued.tls();
    let open = open(8, Some(tls.clone())).await;
    let first = tls.certificate();
    let mut early = connect(open.address, &first).await.unwrap();
    issued.renew(200);
    tls.reload(&issued.http_config()).unwrap();
    assert!(connect(open.address, &first).await.is_err());
    assert!(ask_on(&mut connect(open.address, &tls.certificate()).await.unwrap(), GET).await.contains("200 OK"));
    assert!(ask_on(&mut early, GET).await.contains("200 OK"), "who is connected stays");
}

#[tokio::test]
async fn plain_requests_to_a_port_of_https_are_sent_on() {
    let open = open(8, Some(Issued::new().tls())).await;
    let answer = ask(open.address, &GET.replace("GET /", "GET /r/x")).await;
    assert!(answer.starts_with("HTTP/1.1 308 "), "{answer}");
    assert!(answer.contains("location: https://localhost/r/x\r\n"), "{answer}");
    let answer = ask(open.address, &GET.replace("GET", "POST")).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("https://"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_handshake_has_a_place_and_a_deadline() {
    let open = open(1, Some(Issued::new().tls())).await;
    for beginning in [&[][..], &[HANDSHAKE_RECORD], &[HANDSHAKE_RECORD, 3, 1, 2, 0, 1], b"G"] {
        let mut slow = TcpStream::connect(open.address).await.unwrap();
        slow.write_all(beginning).await.unwrap();
        let mut rest = Vec::new();
        // The only place is free again for the next one.
        let _ = slow.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
}
