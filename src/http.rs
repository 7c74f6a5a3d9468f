//! The web server's connections: how they are encrypted, how many there may be, and how slow.
//!
//! A connection that does not finish its handshake or a request's head, or a handler that does not finish its answer, is given
//! up; so a client that says nothing, or reads nothing, holds its place for seconds only. Uploads set their own pace.
//! WebSockets leave this module with their upgrade and have limits of their own.

pub(crate) mod headers;
mod places;
mod plain;
pub(crate) mod requests;
mod stall;

use crate::tls::Tls;
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use parlor_config::LimitsConfig;
use parlor_signaling::{OverTls, Pace, Turn, sets_its_own_pace};
use places::{Place, Places};
use stall::Stall;
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tower::{ServiceExt, service_fn};

/// From a connection's beginning to the end of its handshake, and from there, or its last answer, to the end of the next
/// request's head.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);

/// From a request's head to its answer; bodies are small.
const ANSWER_PATIENCE: Duration = Duration::from_secs(30);

/// How long a client may take nothing of what is sent to it: longer than a short break of its network.
const READER_PATIENCE: Duration = Duration::from_secs(60);

/// Before accepting again after the process ran out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Strangers who open connections can use up the process's descriptors.
static ACCEPT_FAILURES: Pace = Pace::new("connections that are not accepted", 0.1, 5.0);

/// What a TLS connection begins with: a record of the handshake (RFC 8446 section 5.1). No request of HTTP does.
const HANDSHAKE_RECORD: u8 = 22;

/// What connections are served with.
#[derive(Clone)]
pub(crate) struct Web {
    pub(crate) app: Router,
    /// Without it by plain HTTP.
    pub(crate) tls: Option<Tls>,
}

/// Serves until `stop` is done, then lets running requests end. At most `max_connections` wait for requests, or shake hands,
/// at a time; further ones wait in the system's queue.
pub(crate) async fn serve(
    listener: TcpListener,
    web: Web,
    limits: watch::Receiver<LimitsConfig>,
    stop: impl Future<Output = ()>,
) {
    let mut places = Places::new(limits);
    let graceful = GracefulShutdown::new();
    let mut stop = pin!(stop);
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            accepted = accept(&listener, &mut places) => accepted,
        };
        if let Some((stream, address, place)) = accepted {
            let (web, watcher) = (web.clone(), graceful.watcher());
            tokio::spawn(async move {
                web.converse(stream, address, watcher).await;
                drop(place);
            });
        }
    }
    drop(listener);
    graceful.shutdown().await;
}

async fn accept(listener: &TcpListener, places: &mut Places) -> Option<(TcpStream, SocketAddr, Place)> {
    let place = places.take().await;
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

impl Web {
    async fn converse(self, stream: TcpStream, address: SocketAddr, watcher: Watcher) {
        let Some(tls) = self.tls.clone() else {
            let app = self.app;
            return speak(stream, watcher, move |request| answer(app.clone(), request, address, None)).await;
        };
        let deadline = Instant::now() + HEAD_PATIENCE;
        // Errors are the client's: it was too slow, or does not like the certificate.
        match timeout_at(deadline, begins_with_handshake(&stream)).await {
            Ok(Ok(true)) => {
                let handshake = tls.acceptor().accept(stream);
                let Ok(Ok(stream)) = timeout_at(deadline, handshake).await else { return };
                speak(stream, watcher, move |request| answer(self.app.clone(), request, address, Some(tls.clone())))
                    .await;
            }
            Ok(Ok(false)) => speak(stream, watcher, |request| async move { plain::answer(&request) }).await,
            _ => {}
        }
    }
}

async fn begins_with_handshake(stream: &TcpStream) -> std::io::Result<bool> {
    let mut first = [0];
    let read = stream.peek(&mut first).await?;
    Ok(read == 1 && first[0] == HANDSHAKE_RECORD)
}

/// Speaks HTTP on a connection until it ends or is upgraded.
async fn speak<S, F>(
    stream: S,
    watcher: Watcher,
    answer: impl Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Response> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = answer(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = Builder::new(TokioExecutor::new()).http1_only();
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_PATIENCE);
    let stream = TokioIo::new(Stall::new(stream, READER_PATIENCE));
    let connection = builder.serve_connection_with_upgrades(stream, TowerToHyperService::new(service)).into_owned();
    // Errors are the client's: it hung up, was too slow, or did not speak HTTP.
    let _ = watcher.watch(connection).await;
}

async fn answer(app: Router, request: Request<Incoming>, address: SocketAddr, tls: Option<Tls>) -> Response {
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(ConnectInfo(address));
    if tls.is_some() {
        request.extensions_mut().insert(OverTls);
    }
    let mut response = answer_in_time(app, request).await;
    headers::complete(response.headers_mut(), tls.is_some_and(|tls| tls.is_of_files()));
    response
}

async fn answer_in_time(app: Router, request: Request<Body>) -> Response {
    let sets_its_own_pace = sets_its_own_pace(request.method(), request.uri().path());
    let Ok(response) = (if sets_its_own_pace {
        Ok(app.oneshot(request).await)
    } else {
        timeout(ANSWER_PATIENCE, app.oneshot(request)).await
    }) else {
        return StatusCode::REQUEST_TIMEOUT.into_response();
    };
    match response {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

#[cfg(test)]
mod tests;
