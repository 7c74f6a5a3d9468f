//! A signalling with one fake shard, and clients that speak to it without a socket.

use crate::access::Role;
use crate::protocol::{ClientFrame, ClientMessage, ErrorCode, ParticipantRef, RoomCode, Timestamp};
use crate::room_settings::{Allowed, History, PublishPolicy, RoomSettings};
use crate::session::{Attachment, Outgoing, Session};
use crate::store::{RoomRecord, RoomUid};
use crate::switchboard::Switchboard;
use crate::visitor::Whence;
use crate::{Announce, Policy, Settings, ShardHandle, Signaling, Storage};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use parlor_media::command::{Command, Event};
use parlor_media::ids::ParticipantId;
use serde_json::{Value, json};
use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tower::ServiceExt;

pub(super) struct House {
    pub(super) signaling: Signaling,
    pub(super) commands: mpsc::Receiver<Command>,
}

/// Settings of this policy.
pub(super) fn with_policy(policy: Policy) -> Settings {
    Settings { first_policy: policy, ..Settings::default() }
}

impl House {
    pub(super) fn new() -> Self {
        Self::with(Settings::default(), 256)
    }

    /// A house whose shard's channel holds `depth` commands.
    pub(super) fn with(settings: Settings, depth: usize) -> Self {
        Self::over(settings, depth, Storage::memory())
    }

    /// The same over a storage that outlives it.
    pub(super) fn over(settings: Settings, depth: usize, storage: Storage) -> Self {
        let (sender, commands) = mpsc::channel(depth);
        let announce =
            Announce { addresses: vec!["192.0.2.1".parse().unwrap()], loopback: vec!["127.0.0.1".parse().unwrap()] };
        let shard = ShardHandle::new(sender, Arc::new(|| {}), 7900);
        let settings = Settings { wall_clock, ..settings };
        Self { signaling: Signaling::new(settings, announce, storage, vec![shard]), commands }
    }

    pub(super) fn board(&self) -> &Arc<Switchboard> {
        &self.signaling.board
    }

    /// Runs the timers in the background, on the test's virtual time.
    pub(super) fn run_timers(&self) {
        let signaling = self.signaling.clone();
        tokio::spawn(async move { signaling.run_timers().await });
    }

    /// Runs the journal in the background.
    pub(super) fn run_journal(&self) -> tokio::task::JoinHandle<()> {
        let signaling = self.signaling.clone();
        tokio::spawn(async move { signaling.run_journal().await })
    }

    pub(super) async fn request(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, HeaderMap, Value) {
        self.request_with(method, path, &[], body).await
    }

    /// The same with headers.
    pub(super) async fn request_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> (StatusCode, HeaderMap, Value) {
        answer(self.signaling.router(), build(method, path, headers, body)).await
    }

    /// A request by who administers an open server from its host.
    pub(super) async fn request_on_loopback(
        &self,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, HeaderMap, Value) {
        let mut request = build(method, path, &[("authorization", "Bearer loopback")], body);
        request.extensions_mut().insert(ConnectInfo(SocketAddr::from(([127, 0, 0, 1], 50_000))));
        answer(self.signaling.router(), request).await
    }

    /// Creates a room; returns the `Authorization` of its host.
    pub(super) async fn create(&self, body: Value) -> String {
        let (status, _, body) = self.request("POST", "/api/rooms", Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{body}");
        format!("Bearer {}", body["hostSecret"].as_str().unwrap())
    }

    /// A request with an `Authorization`.
    pub(super) async fn request_as(
        &self,
        authorization: &str,
        method: &str,
        path: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let (status, _, body) = self.request_with(method, path, &[("authorization", authorization)], body).await;
        (status, body)
    }

    pub(super) fn client(&self) -> Client {
        let session = Session::new(self.board().settings.messages, Instant::now(), &self.board().counters);
        let attachment = session.attach();
        Client { board: Arc::clone(self.board()), session, attachment }
    }

    /// A client that has joined `room`, with everything read that it and the others were told.
    pub(super) async fn joined(&self, room: &str, name: &str) -> Member {
        self.joined_with(json!({"type": "join-room", "roomId": room, "displayName": name})).await
    }

    /// The same by another `join-room`.
    pub(super) async fn joined_with(&self, join: Value) -> Member {
        let mut client = self.client();
        client.send(join).await;
        let joined = client.next();
        assert_eq!(joined["type"], "room-joined", "{joined}");
        let token = joined["resumeToken"].as_str().unwrap().to_owned();
        let id = joined["participantId"].as_str().unwrap().to_owned();
        Member { client, id, token }
    }

    /// The errors told so far, by code.
    pub(super) fn errors(&self) -> Vec<(ErrorCode, u64)> {
        self.signaling.stats().errors.occurred().collect()
    }

    pub(super) fn event(&self, event: Event) {
        self.board().handle_event(event);
    }

    /// The commands since the last call.
    pub(super) fn take_commands(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.commands.try_recv().ok()).collect()
    }

    /// The same by their names.
    pub(super) fn command_names(&mut self) -> Vec<String> {
        let name = |command| format!("{command:?}").split([' ', '{']).next().unwrap().to_owned();
        self.take_commands().into_iter().map(name).collect()
    }
}

fn build(method: &str, path: &str, headers: &[(&str, &str)], body: Option<Value>) -> Request<Body> {
    let mut builder = Request::builder().method(method).uri(path).header("host", "localhost:8080");
    for (name, value) in headers {
        builder = builder.header(*name, *value);
    }
    let request = match body {
        Some(body) => builder.header("content-type", "application/json").body(Body::from(body.to_string())),
        None => builder.body(Body::empty()),
    };
    request.unwrap()
}

pub(super) async fn answer(router: Router, request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
    let response = router.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
}

/// A socket without a socket.
pub(super) struct Client {
    pub(super) board: Arc<Switchboard>,
    pub(super) session: Arc<Session>,
    pub(super) attachment: Attachment,
}

impl Client {
    pub(super) async fn send(&mut self, message: Value) {
        let result = match ClientFrame::parse(&message.to_string()) {
            Ok(ClientFrame { id, message: ClientMessage::Resume(resume) }) => match self.board.resume(id, &resume) {
                Ok(resumed) => {
                    self.session = resumed.session;
                    self.attachment = resumed.attachment;
                    Ok(())
                }
                Err(refusal) => Err(refusal),
            },
            Ok(frame) => self.board.handle(&self.session, Whence::default(), frame).await,
            Err(refusal) => Err(refusal),
        };
        if let Err(refusal) = result {
            self.board.refuse(&self.session, refusal);
        }
    }

    /// What is to be written next, `null` for nothing.
    pub(super) fn next(&mut self) -> Value {
        match self.session.poll(&self.attachment) {
            Some(Outgoing::Message(message)) => serde_json::from_str(&message.text).unwrap(),
            Some(other) => json!({"end": format!("{other:?}")}),
            None => Value::Null,
        }
    }

    /// All that is to be written.
    pub(super) fn all(&mut self) -> Vec<Value> {
        std::iter::from_fn(|| Some(self.next()).filter(|next| !next.is_null() && next.get("end").is_none())).collect()
    }

    /// The types of all that is to be written.
    pub(super) fn types(&mut self) -> Vec<String> {
        self.all().iter().map(|message| message["type"].as_str().unwrap().to_owned()).collect()
    }

    /// Sends, and expects an error as the reply.
    pub(super) async fn refused(&mut self, message: Value) -> Value {
        self.send(message).await;
        let error = self.next();
        assert_eq!(error["type"], "error", "{error}");
        error
    }

    pub(super) fn lose_socket(&self) {
        assert!(self.session.detach(&self.attachment, Instant::now()));
    }
}

pub(super) struct Member {
    pub(super) client: Client,
    pub(super) id: String,
    pub(super) token: String,
}

impl Member {
    pub(super) fn participant(&self) -> ParticipantId {
        ParticipantRef::parse(&self.id).unwrap().0
    }
}

impl std::ops::Deref for Member {
    type Target = Client;
    fn deref(&self) -> &Client {
        &self.client
    }
}

impl std::ops::DerefMut for Member {
    fn deref_mut(&mut self) -> &mut Client {
        &mut self.client
    }
}

/// Lets virtual time pass; whatever is due in it happens.
pub(super) async fn pass(seconds: f64) {
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
}

/// A switchboard with one shard that takes some commands, for tests of what is inside.
pub(crate) fn board_with(files: crate::FileSettings) -> Arc<Switchboard> {
    let House { signaling, commands } = House::with(Settings { files, ..Settings::default() }, 256);
    // Kept open.
    std::mem::forget(commands);
    signaling.board
}

/// A time of day that goes with the test's virtual time.
pub(crate) fn wall_clock() -> Timestamp {
    thread_local!(static START: Instant = Instant::now());
    START.with(|start| Timestamp::parse("2026-11-22T18:44:22.000Z").unwrap() + start.elapsed())
}

/// A room's record with the defaults.
pub(crate) fn record(code: &str) -> RoomRecord {
    let code = RoomCode::parse(code).unwrap();
    let mut uid = std::hash::DefaultHasher::new();
    code.as_str().hash(&mut uid);
    RoomRecord {
        uid: RoomUid(uid.finish() >> 1),
        code,
        version: 1,
        created_at: wall_clock(),
        expires_at: None,
        settings: RoomSettings {
            name: None,
            max_participants: 50,
            not_before: None,
            empty_timeout_seconds: Some(300),
            history: History::WhileOpen,
            locked: false,
            lobby: false,
            join_as: Role::Speaker,
            publish: PublishPolicy::default(),
            chat: Allowed::Everyone,
            metadata: serde_json::Map::new(),
        },
        host_secret: None,
        password: None,
        banned: Vec::new(),
    }
}
