//! Janus's API over a WebSocket: sessions, handles, transactions (<https://janus.conf.meetecho.com/docs/rest.html#WS>).
//!
//! One [`Session`] is one WebSocket and what hangs on it. [`Session::message`] asks and waits for the answer; what Janus says meanwhile
//! of its own accord waits in order and is fetched with [`Session::next_event`]. [`Session::post`] asks without waiting: its answer is
//! an event like any other, so that somebody who waits for events can be interrupted at any time and nothing is lost.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// For each answer. Under many joins at once Janus takes seconds; who has waited for this long counts as failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Janus ends a session after 60 seconds of silence.
const KEEPALIVE: Duration = Duration::from_secs(25);

/// A subscriber's offer with a hundred m-lines is some 100 kB.
const MAX_MESSAGE_BYTES: usize = 1024 * 1024;

/// What waits to be sent: who posts waits for an answer before it posts again, and says that it is alive now and then.
const MAX_OUTGOING: usize = 16;

/// What waits to be fetched. A room of a few hundred publishers says as much before a newcomer has done its first request.
const MAX_EVENTS: usize = 4096;

/// The tester's offers list simulcast layers from the lowest to the highest; Janus takes the first one for the highest otherwise.
const RID_ORDER: &str = "lmh";

/// Why a request to Janus came to nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// The URL is none of a WebSocket, or nobody answers there, or not as Janus does.
    #[error("cannot reach Janus at {url}: {error}")]
    Unreachable {
        /// What was tried.
        url: String,
        /// Why it failed.
        error: Box<tungstenite::Error>,
    },
    /// The connection broke.
    #[error("the connection to Janus broke: {0}")]
    Broken(Box<tungstenite::Error>),
    /// Janus closed the connection, or ended the session.
    #[error("Janus ended the session")]
    Ended,
    /// No answer came in time.
    #[error("Janus did not answer \"{0}\" within 20 seconds")]
    Silent(String),
    /// Janus says no.
    #[error("Janus refused \"{request}\": {reason} ({code})")]
    Refused {
        /// What was asked for.
        request: String,
        /// Its error code; those of plugins are above 400 as well.
        code: i64,
        /// Its words.
        reason: String,
    },
    /// An answer lacks what it has to have.
    #[error("Janus's answer to \"{request}\" has no {missing}")]
    Malformed {
        /// What was asked for.
        request: String,
        /// What is not in it.
        missing: &'static str,
    },
    /// More was said than this client keeps, or Janus takes nothing any more.
    #[error("more waits on the connection to Janus than is kept")]
    TooMany,
}

/// What Janus said about a handle, as an answer or of its own accord.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// `event` or `hangup`; answers may be `success`, refusals `error`.
    pub kind: String,
    /// The handle that it is about; 0 where it is about none.
    pub handle: u64,
    /// What the plugin says.
    pub data: Value,
    /// The SDP that comes with it.
    pub sdp: Option<String>,
    /// Why, of a `hangup` and of an `error`.
    reason: String,
}

impl Event {
    /// The code and the words, when it says that a request was refused.
    pub(super) fn refusal(&self) -> Option<(i64, String)> {
        if self.kind == "error" {
            return Some((0, self.reason.clone()));
        }
        self.data["error_code"].as_i64().map(|code| (code, text(&self.data["error"])))
    }

    /// Why the connection of its handle ended, when it says that it did.
    pub(super) fn hangup(&self) -> Option<&str> {
        (self.kind == "hangup").then_some(self.reason.as_str())
    }
}

/// A description that goes with a request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Description<'a> {
    /// The client offers.
    Offer(&'a str),
    /// The client answers.
    Answer(&'a str),
}

/// A session of Janus, and the WebSocket that carries it.
pub(super) struct Session {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    id: u64,
    transactions: u64,
    events: VecDeque<Event>,
    outgoing: VecDeque<Message>,
    next_keepalive: Instant,
}

impl Session {
    /// Connects to Janus at `url` (`ws://host:8188`) and creates a session.
    ///
    /// # Errors
    /// When there is no Janus, or it refuses.
    pub(super) async fn create(url: &str) -> Result<Self, ApiError> {
        let unreachable = |error| ApiError::Unreachable { url: url.to_owned(), error: Box::new(error) };
        let mut request = url.into_client_request().map_err(unreachable)?;
        request.headers_mut().insert("Sec-WebSocket-Protocol", HeaderValue::from_static("janus-protocol"));
        let config = WebSocketConfig::default()
            .max_message_size(Some(MAX_MESSAGE_BYTES))
            .max_frame_size(Some(MAX_MESSAGE_BYTES));
        let connecting = connect_async_with_config(request, Some(config), true);
        let (socket, _) = timeout_at(Instant::now() + PATIENCE, connecting)
            .await
            .map_err(|_| ApiError::Silent("the WebSocket".to_owned()))?
            .map_err(unreachable)?;
        let next_keepalive = Instant::now() + KEEPALIVE;
        let mut session =
            Self { socket, id: 0, transactions: 0, events: VecDeque::new(), outgoing: VecDeque::new(), next_keepalive };
        session.id = session.number(json!({ "janus": "create" })).await?;
        Ok(session)
    }

    /// Attaches a handle to the VideoRoom plugin, and gives its number.
    ///
    /// # Errors
    /// When Janus refuses or is gone.
    pub(super) async fn attach(&mut self) -> Result<u64, ApiError> {
        self.number(json!({ "janus": "attach", "session_id": self.id, "plugin": "janus.plugin.videoroom" })).await
    }

    /// Asks the plugin behind `handle`, and waits for what it answers, however it does: some requests are answered at once,
    /// others by an event.
    ///
    /// # Errors
    /// When Janus or the plugin refuses, or is gone.
    pub(super) async fn message(
        &mut self,
        handle: u64,
        body: Value,
        description: Option<Description<'_>>,
    ) -> Result<Event, ApiError> {
        let request = text(&body["request"]);
        let message = self.plugin_message(handle, body, description);
        let event = event(self.exchange(message, &request).await?);
        match event.refusal() {
            Some((code, reason)) => Err(ApiError::Refused { request, code, reason }),
            None => Ok(event),
        }
    }

    /// Asks the plugin behind `handle`. The answer comes as an event, also when it is a refusal ([`Event::refusal`]). It leaves when
    /// this or anything else is waited for the next time.
    ///
    /// # Errors
    /// When Janus has not taken what was posted before.
    pub(super) fn post(&mut self, handle: u64, body: Value) -> Result<(), ApiError> {
        let mut message = self.plugin_message(handle, body, None);
        message["transaction"] = json!(self.next_transaction());
        self.queue(&message)
    }

    /// Waits for what Janus says next of its own accord, and keeps the session alive meanwhile. It can be dropped at any time.
    ///
    /// # Errors
    /// When Janus is gone.
    pub(super) async fn next_event(&mut self) -> Result<Event, ApiError> {
        loop {
            self.drain().await?;
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            match timeout_at(self.next_keepalive, self.read()).await {
                Ok(value) => self.keep(value?)?,
                Err(_) => self.keep_alive()?,
            }
        }
    }

    /// Whether [`Self::next_event`] has something at once.
    pub(super) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    /// Ends the session with all its handles.
    ///
    /// # Errors
    /// When Janus is gone already.
    pub(super) async fn destroy(&mut self) -> Result<(), ApiError> {
        self.exchange(json!({ "janus": "destroy", "session_id": self.id }), "destroy").await?;
        // It is over, whether the goodbye is heard or not.
        let _ = self.socket.close(None).await;
        Ok(())
    }

    fn keep_alive(&mut self) -> Result<(), ApiError> {
        self.next_keepalive = Instant::now() + KEEPALIVE;
        let transaction = self.next_transaction();
        self.queue(&json!({ "janus": "keepalive", "session_id": self.id, "transaction": transaction }))
    }

    fn plugin_message(&self, handle: u64, body: Value, description: Option<Description<'_>>) -> Value {
        let mut message = json!({ "janus": "message", "session_id": self.id, "handle_id": handle, "body": body });
        match description {
            Some(Description::Offer(sdp)) => {
                message["jsep"] = json!({ "type": "offer", "sdp": sdp, "rid_order": RID_ORDER });
            }
            Some(Description::Answer(sdp)) => message["jsep"] = json!({ "type": "answer", "sdp": sdp }),
            None => {}
        }
        message
    }

    /// A request that is answered by the number of what it has made.
    async fn number(&mut self, message: Value) -> Result<u64, ApiError> {
        let request = text(&message["janus"]);
        let answer = self.exchange(message, &request).await?;
        answer["data"]["id"].as_u64().ok_or(ApiError::Malformed { request, missing: "id" })
    }

    async fn exchange(&mut self, mut message: Value, request: &str) -> Result<Value, ApiError> {
        let transaction = self.next_transaction();
        message["transaction"] = json!(transaction);
        let deadline = Instant::now() + PATIENCE;
        let answer = timeout_at(deadline, async {
            self.queue(&message)?;
            self.drain().await?;
            loop {
                let value = self.read().await?;
                match value["janus"].as_str() {
                    _ if value["transaction"] != transaction.as_str() => self.keep(value)?,
                    Some("ack") => {}
                    _ => return Ok(value),
                }
            }
        });
        let answer = answer.await.map_err(|_| ApiError::Silent(request.to_owned()))??;
        if answer["janus"] == "error" {
            let code = answer["error"]["code"].as_i64().unwrap_or(0);
            return Err(ApiError::Refused {
                request: request.to_owned(),
                code,
                reason: text(&answer["error"]["reason"]),
            });
        }
        Ok(answer)
    }

    fn next_transaction(&mut self) -> String {
        self.transactions += 1;
        self.transactions.to_string()
    }

    fn queue(&mut self, message: &Value) -> Result<(), ApiError> {
        if self.outgoing.len() == MAX_OUTGOING {
            return Err(ApiError::TooMany);
        }
        self.outgoing.push_back(Message::text(message.to_string()));
        Ok(())
    }

    /// Sends what waits. A message leaves the queue only once the socket has it, so whoever waits for this may give up.
    async fn drain(&mut self) -> Result<(), ApiError> {
        let broken = |error| ApiError::Broken(Box::new(error));
        while let Some(message) = self.outgoing.front() {
            self.socket.feed(message.clone()).await.map_err(broken)?;
            self.outgoing.pop_front();
        }
        self.socket.flush().await.map_err(broken)
    }

    /// The next object. What is no JSON is none.
    async fn read(&mut self) -> Result<Value, ApiError> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => {
                    if let Ok(value) = serde_json::from_str::<Value>(&text) {
                        return Ok(value);
                    }
                }
                Some(Ok(Message::Close(_))) | None => return Err(ApiError::Ended),
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(ApiError::Broken(Box::new(error))),
            }
        }
    }

    /// Keeps what was said of its own accord, unless it tells nobody anything.
    fn keep(&mut self, value: Value) -> Result<(), ApiError> {
        match value["janus"].as_str() {
            Some("timeout") => return Err(ApiError::Ended),
            Some("event" | "hangup" | "error") => {}
            Some(_) | None => return Ok(()),
        }
        if self.events.len() == MAX_EVENTS {
            return Err(ApiError::TooMany);
        }
        self.events.push_back(event(value));
        Ok(())
    }
}

fn event(mut value: Value) -> Event {
    Event {
        kind: text(&value["janus"]),
        handle: value["sender"].as_u64().unwrap_or(0),
        sdp: value["jsep"]["sdp"].as_str().map(str::to_owned),
        reason: value["reason"].as_str().or_else(|| value["error"]["reason"].as_str()).unwrap_or_default().to_owned(),
        data: value["plugindata"]["data"].take(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
