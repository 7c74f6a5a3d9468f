//! The web server's connections: how many there may be, and how slow.
//!
//! A connection that does not finish a request's head, or a handler that does not finish its answer, is given up; so a
//! client that says nothing, or reads nothing, holds its place for seconds only. Uploads set their own pace. WebSockets leave this module with their upgrade and have
//! limits of their own.

mod stall;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use parlor_signaling::{Pace, Turn, sets_its_own_pace};
use stall::Stall;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep, timeout};
use tower::{ServiceExt, service_fn};

/// From a connection's beginning, or its last answer, to the end of the next request's head.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// From a request's head to its answer; bodies are small.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// How long a client may take nothing of what is sent to it: longer than a short break of its network.
const READER_PATIENCE: Duration = Duration::from_secs(60);

/// Before accepting again after the process ran out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Strangers who open connections can use up the process's descriptors.
static ACCEPT_FAILURES: Pace = Pace::new("connections that are not accepted", 0.1, 5.0);

/// Serves `app` until `stop` is done, then lets running requests end. At most `limit` connections wait for requests at a
/// time; further ones wait in the system's queue.
pub(crate) async fn serve(listener: TcpListener, app: Router, limit: usize, stop: impl Future<Output = ()>) {
    let places = Arc::new(Semaphore::new(limit.min(Semaphore::MAX_PERMITS)));
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &places) => accepted,
        };
        if let Some((stream, address, place)) = accepted {
            spawn(stream, address, place, app.clone(), &graceful);
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, address)) => {
            // Frames are sent when they are written: waiting for more would be delay.
            let _ = stream.set_nodelay(true);
            Some((stream, address, place))
        }
        Err(error) => {
            if let Some(Turn { suppressed }) = ACCEPT_FAILURES.turn(Instant::now()) {
                tracing::warn!(suppressed, %error, "cannot accept a connection");
            }
            sleep(ACCEPT_PAUSE).await;
            None
        }
    }
}

fn spawn(
    stream: TcpStream,
    address: SocketAddr,
    place: OwnedSemaphorePermit,
    app: Router,
    graceful: &GracefulShutdown,
) {
    let service = service_fn(move |request: Request<hyper::body::Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(address));
        answer(app.clone(), request)
    });
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
    let stream = TokioIo::new(Stall::new(stream, READER_PATIENCE));
    let connection = builder.serve_connection_with_upgrades(stream, TowerToHyperService::new(service)).into_owned();
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        // Errors are the client's: it hung up, was too slow, or did not speak HTTP.
        let _ = connection.await;
        drop(place);
    });
}

async fn answer(app: Router, request: Request<Body>) -> Result<Response, Infallible> {
    if sets_its_own_pace(request.method(), request.uri().path()) {
        return app.oneshot(request).await;
    }
    timeout(ANSWER_PATIENCE, app.oneshot(request))
        .await
        .unwrap_or_else(|_| Ok(StatusCode::REQUEST_TIMEOUT.into_response()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::get;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    async fn open(limit: usize) -> (SocketAddr, oneshot::Sender<()>, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = Router::new()
            .route("/", get(|ConnectInfo(from): ConnectInfo<SocketAddr>| async move { from.ip().to_string() }));
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listener, app, limit, async { drop(stopped.await) }));
        (address, stop, server)
    }

    async fn ask(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn requests_are_answered_with_the_address_they_came_from() {
        let (address, stop, server) = open(8).await;
        assert!(ask(address).await.ends_with("127.0.0.1"));
        stop.send(()).unwrap();
        server.await.unwrap();
    }

    #[tokio::test]
    async fn connections_beyond_the_limit_wait_for_a_place() {
        let (address, _stop, _server) = open(1).await;
        let mut first = TcpStream::connect(address).await.unwrap();
        first.write_all(b"GET / HTTP/1.1\r\n").await.unwrap();
        let mut second = tokio::spawn(ask(address));
        assert!(timeout(Duration::from_millis(50), &mut second).await.is_err(), "the only place is taken");
        drop(first);
        assert!(second.await.unwrap().contains("200 OK"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_does_not_finish_its_request_is_given_up() {
        let (address, _stop, _server) = open(1).await;
        let mut slow = TcpStream::connect(address).await.unwrap();
        slow.write_all(b"GET / HTTP/1.1\r\nHost").await.unwrap();
        let mut rest = Vec::new();
        // Ends only because the server hangs up; it may say why first.
        let _ = slow.read_to_end(&mut rest).await;
        assert!(!rest.starts_with(b"HTTP/1.1 200"));
    }
}
