//! What the process is asked for by signals.
//!
//! | signal | request |
//! |---|---|
//! | SIGTERM | [`Request::Drain`]: let calls end, then end |
//! | SIGINT | [`Request::Stop`]: end at once |
//! | SIGHUP | [`Request::Reload`]: read again what can be read again |
//!
//! What a second request means is the business of who answers them.

use std::io;
use tokio::sync::mpsc;

/// Requests that wait to be answered; whoever asks more often is answered for those.
const REQUESTS: usize = 8;

/// What somebody asks of the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// To take no new calls, and to end when those that are on have ended.
    Drain,
    /// To end now.
    Stop,
    /// To read again what can be read again.
    Reload,
}

/// The signals of this process. They are caught from [`Signals::catch`] on, and do nothing else from then on.
#[derive(Debug)]
pub struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    /// The requests to end from here on, one after the other; those to reload are answered by `reload`. To be called on a
    /// runtime.
    #[must_use]
    pub fn into_requests(mut self, mut reload: impl FnMut() + Send + 'static) -> mpsc::Receiver<Request> {
        let (sender, requests) = mpsc::channel(REQUESTS);
        tokio::spawn(async move {
            loop {
                match self.next().await {
                    Request::Reload => reload(),
                    request if sender.send(request).await.is_err() => return,
                    _ => {}
                }
            }
        });
        requests
    }
}

#[cfg(unix)]
impl Signals {
    /// Catches them.
    ///
    /// # Errors
    /// The system's.
    pub fn catch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next request. May be cancelled without loss; several signals of one kind in a moment may be one request.
    pub async fn next(&mut self) -> Request {
        tokio::select! {
            _ = self.interrupt.recv() => Request::Stop,
            _ = self.terminate.recv() => Request::Drain,
            _ = self.hangup.recv() => Request::Reload,
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    /// Nothing is to be done beforehand.
    ///
    /// # Errors
    /// None.
    pub fn catch() -> io::Result<Self> {
        Ok(Self {})
    }

    /// The next request: Ctrl-C ends the process.
    pub async fn next(&mut self) -> Request {
        match tokio::signal::ctrl_c().await {
            Ok(()) => Request::Stop,
            // It cannot be caught: the system's own way is left.
            Err(_) => std::future::pending().await,
        }
    }
}
