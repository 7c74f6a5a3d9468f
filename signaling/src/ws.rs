//! The WebSocket `/ws`: one task per socket reads, writes, pings and watches the deadlines.
//!
//! Reading stops while a write or a command waits, so that a client which does not read, or a shard which is busy, slows down
//! the client's own requests and nobody else's. Every wait is bounded.

use crate::chat::rate_limited;
use crate::gate::{Closed, Pass};
use crate::problem::Problem;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::{ClientFrame, ClientMessage, ClientType};
use crate::rate::Verdict;
use crate::rest::origin_refused;
use crate::room::{Encoded, encode};
use crate::session::{Attachment, Outgoing, Session};
use crate::stats::{Carrier, Limit, SocketEnd, Turned};
use crate::switchboard::Switchboard;
use crate::visitor::{Visitor, Whence};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_tungstenite::tungstenite::error::CapacityError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::protocol::{Message, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Utf8Bytes};
use upgrade::{NoUpgrade, Upgrade, WebSocket};

mod upgrade;

/// How long a client may take to read what was written.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// What is read from a socket at once, and held for it: a message of usual size. Larger ones are put together in memory of
/// their own.
const READ_BUFFER: usize = 4 * 1_024;
/// What is written of several messages together.
const WRITE_BUFFER: usize = 2 * 1_024;
/// What is written of one message at once: a longer one goes out in fragments, since the buffer of a socket, which grows to hold
/// the longest frame written, is never given back.
const FRAGMENT: usize = 4 * 1_024;
/// The most messages that are written before the socket is read again.
const WRITTEN_TOGETHER: usize = 64;
/// After this many messages a ping asks early whether they arrived; a fraction of what an outbox holds.
const PING_AFTER_MESSAGES: u64 = 64;
/// The same after this many bytes: lists of who is there and session descriptions make them, and are held until they have arrived.
const PING_AFTER_BYTES: usize = 8 * 1_024;
const _: () = assert!(PING_AFTER_BYTES * 4 <= crate::outbox::MAX_BYTES);
const _: () = assert!(PING_AFTER_MESSAGES as usize * 4 <= crate::outbox::MAX_MESSAGES);

/// `GET /ws`
pub(crate) async fn upgrade(
    State(board): State<Arc<Switchboard>>,
    visitor: Visitor,
    upgrade: Result<Upgrade, NoUpgrade>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let pass = match admit(&board, &visitor) {
        Ok(pass) => pass,
        Err((turned, refusal)) => {
            board.counters.sockets_refused.count(turned);
            board.counters.count_refusal(refusal.code, refusal.cause);
            board.lines.socket_refused(refusal.code);
            return Problem(refusal).into_response();
        }
    };
    let limit = board.settings.max_frame_bytes;
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_frame_size(Some(limit))
        .max_message_size(Some(limit));
    upgrade.serve(config, move |socket| Connection::new(board, socket, visitor.whence(), pass).run())
}

fn admit(board: &Switchboard, visitor: &Visitor) -> Result<Pass, (Turned, Refusal)> {
    let policy = board.policy();
    if !visitor.is_welcome(&policy.allowed_origins) {
        return Err((Turned::Origin, origin_refused()));
    }
    if board.is_stopping() {
        return Err((Turned::Stopping, Refusal::busy()));
    }
    board.gate.admit(visitor.address, &policy).map_err(|closed| match closed {
        Closed::Full => (Turned::Limit, Refusal::busy().by(Limit::Connections)),
        Closed::TooManyHere => {
            let refusal = Refusal::new(ErrorCode::RateLimited, "too many connections from this address");
            (Turned::Address, refusal.by(Limit::ConnectionsPerAddress))
        }
    })
}

/// How a socket ends.
enum End {
    /// It is gone, or was closed with everything said.
    Gone(SocketEnd),
    /// The client said goodbye for good.
    Goodbye,
    /// The server closes it.
    Close(SocketEnd, CloseCode, &'static str),
}

impl End {
    fn reason(&self) -> SocketEnd {
        match self {
            Self::Goodbye => SocketEnd::Client,
            Self::Gone(reason) | Self::Close(reason, ..) => *reason,
        }
    }
}

struct Connection {
    board: Arc<Switchboard>,
    socket: WebSocket,
    session: Arc<Session>,
    attachment: Attachment,
    whence: Whence,
    heard_at: Instant,
    /// Since when the session is in no room and waits for none.
    idle_since: Option<Instant>,
    /// What the latest ping asked for.
    pinged: u64,
    /// Bytes of messages written since then.
    unasked_bytes: usize,
    // Held for its drop.
    _pass: Pass,
}

impl Connection {
    fn new(board: Arc<Switchboard>, socket: WebSocket, whence: Whence, pass: Pass) -> Self {
        let now = Instant::now();
        let session = Session::new(board.settings.messages, now, &board.counters);
        let attachment = session.attach();
        board.counters.sockets_opened.count();
        Self {
            board,
            socket,
            session,
            attachment,
            whence,
            heard_at: now,
            idle_since: Some(now),
            pinged: 0,
            unasked_bytes: 0,
            _pass: pass,
        }
    }

    async fn run(mut self) {
        let end = match self.serve().await {
            Ok(never) => match never {},
            Err(end) => end,
        };
        let place = self.session.place();
        let was_attached = self.session.detach(&self.attachment, Instant::now());
        self.board.counters.sockets_closed.count(end.reason());
        if let Some(place) = place.as_ref().filter(|_| was_attached) {
            self.board.lines.socket_lost(place.room.key, place.participant);
        }
        match end {
            End::Goodbye => {
                if let Some(place) = place.filter(|_| was_attached) {
                    // When the shard is busy the grace period removes the participant.
                    let _ = self.board.leave(&place, None).await;
                }
            }
            End::Close(_, code, reason) => {
                let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
                let _ = timeout(WRITE_TIMEOUT, self.socket.send(Message::Close(Some(frame)))).await;
            }
            End::Gone(_) => {}
        }
    }

    async fn serve(&mut self) -> Result<std::convert::Infallible, End> {
        let mut stopping = self.board.stopping.subscribe();
        let mut pings = pings(self.board.settings.ping_interval);
        let hello = self.board.hello();
        self.say(hello).await?;
        self.flush().await?;
        loop {
            let deadline = self.deadline();
            tokio::select! {
                outgoing = self.session.next(&self.attachment) => self.send_waiting(outgoing).await?,
                frame = self.socket.next() => self.receive(frame).await?,
                _ = pings.tick() => self.ping().await?,
                () = sleep_until(deadline) => return Err(self.late()),
                () = async { drop(stopping.wait_for(|&stopping| stopping).await) } => {
                    // Members were told why; what they were told is still written.
                    self.session.close(CloseCode::Restart, "the server stops");
                    self.drain().await?;
                }
            }
        }
    }

    /// When the socket ends unless something happens.
    fn deadline(&mut self) -> Instant {
        let settings = &self.board.settings;
        if self.session.is_engaged() {
            self.idle_since = None;
        } else {
            self.idle_since.get_or_insert_with(Instant::now);
        }
        let silent = self.heard_at + settings.idle_timeout;
        self.idle_since.map_or(silent, |since| silent.min(since + settings.join_deadline))
    }

    fn late(&self) -> End {
        match self.idle_since {
            Some(since) if Instant::now() >= since + self.board.settings.join_deadline => {
                End::Close(SocketEnd::NoJoin, CloseCode::Policy, "no room was joined in time")
            }
            _ => End::Close(SocketEnd::Silent, CloseCode::Policy, "nothing was heard for too long"),
        }
    }

    /// Has a frame written with the next [`Self::flush`], or when the buffer is full.
    async fn feed(&mut self, frame: Message) -> Result<(), End> {
        in_time(self.socket.feed(frame)).await
    }

    async fn flush(&mut self) -> Result<(), End> {
        in_time(self.socket.flush()).await
    }

    async fn say(&mut self, message: Encoded) -> Result<(), End> {
        self.board.counters.messages_sent.count((Carrier::Socket, message.kind));
        self.unasked_bytes += message.text.len();
        in_time(async {
            for frame in fragments(message.text.into()) {
                self.socket.feed(Message::Frame(frame)).await?;
            }
            Ok(())
        })
        .await
    }

    /// Asks whether everything written so far arrived.
    async fn ping(&mut self) -> Result<(), End> {
        self.pinged = self.session.written();
        self.unasked_bytes = 0;
        let number = self.pinged.to_be_bytes();
        self.feed(Message::Ping(number.to_vec().into())).await?;
        self.flush().await
    }

    /// Writes what is due, and what else there is.
    async fn send_waiting(&mut self, due: Outgoing) -> Result<(), End> {
        self.send(due).await?;
        for _ in 1..WRITTEN_TOGETHER {
            let Some(outgoing) = self.session.poll(&self.attachment) else { break };
            self.send(outgoing).await?;
        }
        self.flush().await
    }

    async fn send(&mut self, outgoing: Outgoing) -> Result<(), End> {
        match outgoing {
            Outgoing::Message(message) => {
                self.say(message).await?;
                let many = self.session.written() >= self.pinged + PING_AFTER_MESSAGES;
                if many || self.unasked_bytes >= PING_AFTER_BYTES {
                    self.ping().await?;
                }
                Ok(())
            }
            Outgoing::Displaced => {
                let refusal = Refusal::new(ErrorCode::Displaced, "the session was resumed on another socket");
                let error = self.board.error(refusal);
                self.say(error).await?;
                Err(End::Close(SocketEnd::Displaced, CloseCode::Policy, "displaced"))
            }
            Outgoing::Overflowed => {
                Err(End::Close(SocketEnd::SlowReader, CloseCode::Policy, "messages were not read in time"))
            }
            // Sessions are closed when the server stops, and then only.
            Outgoing::Close(code, reason) => Err(End::Close(SocketEnd::Stopping, code, reason)),
        }
    }

    /// Writes until there is nothing to write at once.
    async fn drain(&mut self) -> Result<(), End> {
        while let Some(outgoing) = self.session.poll(&self.attachment) {
            self.send(outgoing).await?;
        }
        self.flush().await
    }

    async fn receive(&mut self, frame: Option<Result<Message, Error>>) -> Result<(), End> {
        let frame = match frame {
            None => return Err(End::Gone(SocketEnd::Lost)),
            Some(Ok(frame)) => frame,
            Some(Err(error)) => return Err(self.unreadable(&error).await),
        };
        self.heard_at = Instant::now();
        self.board.confirm(&self.session);
        match frame {
            Message::Pong(number) => {
                // A pong that nobody asked for acknowledges nothing.
                if let Ok(number) = <[u8; 8]>::try_from(number.as_ref()) {
                    self.session.acknowledge(u64::from_be_bytes(number));
                }
                Ok(())
            }
            Message::Close(frame) => {
                let away = frame.is_some_and(|frame| frame.code == CloseCode::Away);
                Err(if away { End::Goodbye } else { End::Gone(SocketEnd::Client) })
            }
            Message::Text(text) => self.judged(Some(text)).await,
            Message::Binary(_) => {
                let refusal =
                    Refusal::new(ErrorCode::BadFrame, "binary frames are not taken: send JSON in a text frame");
                if self.session.judge(self.heard_at) != Verdict::Pass {
                    let reason = "binary frames are not taken";
                    return Err(End::Close(SocketEnd::Binary, CloseCode::Unsupported, reason));
                }
                self.board.counters.messages_received.count((Carrier::Socket, ClientType::Invalid));
                self.board.refuse(&self.session, refusal);
                Ok(())
            }
            Message::Ping(_) => self.judged(None).await,
            // Frames are only written, and what is read is put together from them.
            Message::Frame(_) => Ok(()),
        }
    }

    /// Handles a message within the session's allowance; a ping, which the library has answered, only counts.
    async fn judged(&mut self, text: Option<Utf8Bytes>) -> Result<(), End> {
        let verdict = self.session.judge(self.heard_at);
        if verdict != Verdict::Pass {
            self.board.counters.messages_dropped.count(Carrier::Socket);
        }
        match (verdict, text) {
            (Verdict::Pass, Some(text)) => self.handle(&text).await,
            (Verdict::Pass, None) | (Verdict::Drop, _) => Ok(()),
            (Verdict::DropAndWarn, _) => {
                self.board.refuse(&self.session, rate_limited(self.board.settings.messages));
                Ok(())
            }
            (Verdict::Close, _) => {
                // By the outbox: the client counts this error as it counts every message.
                self.board.refuse(&self.session, rate_limited(self.board.settings.messages));
                self.drain().await?;
                Err(End::Close(SocketEnd::Flood, CloseCode::Policy, "too many messages"))
            }
        }
    }

    async fn handle(&mut self, text: &str) -> Result<(), End> {
        let frame = ClientFrame::parse(text);
        self.board.counters.count_received(Carrier::Socket, &frame);
        let result = match frame {
            Err(refusal) => Err(refusal),
            Ok(ClientFrame { id, message: ClientMessage::Resume(resume) }) if !self.session.is_engaged() => {
                match self.board.resume(id.clone(), &resume) {
                    Ok(resumed) => {
                        // What the socket's first session still had to say comes before.
                        self.drain().await?;
                        self.session = resumed.session;
                        self.attachment = resumed.attachment;
                        self.pinged = self.session.written();
                        self.say(encode(&resumed.message)).await?;
                        return self.flush().await;
                    }
                    Err(refusal) => Err(refusal.with_id(id)),
                }
            }
            Ok(frame) => Box::pin(self.board.handle(&self.session, self.whence, frame)).await,
        };
        if let Err(refusal) = result {
            self.board.refuse(&self.session, refusal);
        }
        Ok(())
    }

    /// What becomes of a socket whose bytes are no message.
    async fn unreadable(&mut self, error: &Error) -> End {
        if !matches!(error, Error::Capacity(CapacityError::MessageTooLong { .. })) {
            return End::Gone(SocketEnd::Lost);
        }
        let message = format!("a message may have {} bytes at most", self.board.settings.max_frame_bytes);
        self.board.refuse(&self.session, Refusal::new(ErrorCode::FrameTooLarge, message));
        match self.drain().await {
            Ok(()) => End::Close(SocketEnd::TooLarge, CloseCode::Size, "the message is too large"),
            Err(end) => end,
        }
    }
}

/// The frames of a text (RFC 6455, section 5.4).
fn fragments(mut text: Bytes) -> impl Iterator<Item = Frame> {
    let mut next = Some(Data::Text);
    std::iter::from_fn(move || {
        let opcode = next.take()?;
        let fragment = text.split_to(text.len().min(FRAGMENT));
        if !text.is_empty() {
            next = Some(Data::Continue);
        }
        Some(Frame::message(fragment, OpCode::Data(opcode), next.is_none()))
    })
}

/// The end of a write that takes no longer than it may.
async fn in_time(write: impl Future<Output = Result<(), Error>>) -> Result<(), End> {
    match timeout(WRITE_TIMEOUT, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone(SocketEnd::Lost)),
        Err(_) => Err(End::Gone(SocketEnd::SlowReader)),
    }
}

fn pings(every: Duration) -> Interval {
    let mut pings = interval(every);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pings.reset();
    pings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_into_fragments() {
        for (bytes, lengths) in [
            (0, vec![0]),
            (1, vec![1]),
            (FRAGMENT, vec![FRAGMENT]),
            (FRAGMENT + 1, vec![FRAGMENT, 1]),
            (3 * FRAGMENT, vec![FRAGMENT; 3]),
        ] {
            let text = Bytes::from_iter((0..bytes).map(|i| i as u8));
            let frames: Vec<Frame> = fragments(text.clone()).collect();
            let (last, kinds) = (frames.len() - 1, [OpCode::Data(Data::Text), OpCode::Data(Data::Continue)]);
            for (i, frame) in frames.iter().enumerate() {
                assert_eq!((frame.header().opcode, frame.header().is_final), (kinds[i.min(1)], i == last));
                assert_eq!(frame.payload().len(), lengths[i]);
            }
            assert_eq!(frames.len(), lengths.len());
            assert_eq!(frames.iter().map(Frame::payload).collect::<Vec<_>>().concat(), text);
        }
    }
}
