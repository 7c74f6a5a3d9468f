//! A session: what outlives a client's socket.
//!
//! Every socket starts with a session of its own. Joining a room makes the session worth resuming: it gets a token, and when
//! the socket is lost it is kept, with its messages queued, until the grace period ends. At most one socket is attached; one
//! that attaches later displaces the earlier one.
//!
//! Locks: a room may be locked when a session is, never the other way round.

use crate::outbox::{Outbox, Overflow};
use crate::protocol::SecretText;
use crate::rate::{Allowance, Rate, Verdict};
use crate::room::{Encoded, Room};
use crate::stats::{Counters, ResumeOutcome};
use crate::store::Secret;
use parlor_media::ids::ParticipantId;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

/// How long messages that [may wait](crate::protocol::ServerType::may_wait) are gathered, to be written together. When hundreds
/// join within seconds, each of them is told of all others: written one by one, those are most of a server's work.
pub(crate) const GATHERING: Duration = Duration::from_millis(50);

/// Locks a mutex whose data is valid after every statement, so that a panic elsewhere does not spread.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 256 random bits that stand for a session.
///
/// It is looked up in a hash table that is keyed at random, so that timing tells nothing of how much of a guess was right.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token([u8; 32]);

impl Token {
    pub(crate) fn from_entropy(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.len() != 64 {
            return None;
        }
        let digit = |b: u8| match b {
            b'0'..=b'9' => Some(b - b'0'),
            b'a'..=b'f' => Some(b - b'a' + 10),
            _ => None,
        };
        let mut token = [0; 32];
        for (byte, pair) in token.iter_mut().zip(bytes.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Some(Self(token))
    }

    /// What is stored of it.
    pub(crate) fn digest(self) -> Secret {
        let digest = ring::digest::digest(&ring::digest::SHA256, &self.0);
        Secret(digest.as_ref().try_into().unwrap_or_default())
    }

    /// What is given out: 64 hexadecimal digits after a prefix that says what it is.
    pub(crate) fn written(self, prefix: &str) -> SecretText {
        let digits: String = self.0.iter().map(|byte| format!("{byte:02x}")).collect();
        SecretText::new(format!("{prefix}{digits}"))
    }
}

/// A room that a session takes part in, and as whom.
#[derive(Clone)]
pub(crate) struct Place {
    pub(crate) room: Arc<Room>,
    pub(crate) participant: ParticipantId,
}

/// A socket's hold on a session.
#[derive(Clone, Debug)]
pub(crate) struct Attachment {
    number: u64,
    wake: Arc<Notify>,
}

/// What a socket has to write.
#[derive(Debug)]
pub(crate) enum Outgoing {
    /// A message.
    Message(Encoded),
    /// Everything is written: close.
    Close(CloseCode, &'static str),
    /// Another socket took over.
    Displaced,
    /// The client reads too slowly; it may resume on another socket unless its messages are lost already.
    Overflowed,
}

/// Why a session does not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotResumed {
    /// The token is void, or the session is over.
    Void,
    /// The client missed messages that are no longer held.
    Missed,
}

impl NotResumed {
    pub(crate) fn outcome(self) -> ResumeOutcome {
        match self {
            Self::Void => ResumeOutcome::Unknown,
            Self::Missed => ResumeOutcome::Missed,
        }
    }
}

/// See the module.
pub(crate) struct Session {
    state: Mutex<State>,
    counters: Arc<Counters>,
}

struct State {
    outbox: Outbox,
    place: Option<Place>,
    /// The room that it waits to be let into.
    waiting: Option<Place>,
    /// The latest token, and the one before it until the client was heard of on the socket that it resumed with.
    token: Option<Token>,
    earlier_token: Option<Token>,
    attachments: u64,
    attached: Option<Attachment>,
    lost_at: Option<Instant>,
    /// All that is to be written may wait until then for more.
    gathers_until: Option<Instant>,
    overflowed: bool,
    close: Option<(CloseCode, &'static str)>,
    allowance: Allowance,
}

impl Session {
    pub(crate) fn new(messages: Rate, now: Instant, counters: &Arc<Counters>) -> Arc<Self> {
        Arc::new(Self {
            counters: Arc::clone(counters),
            state: Mutex::new(State {
                outbox: Outbox::new(),
                place: None,
                waiting: None,
                token: None,
                earlier_token: None,
                attachments: 0,
                attached: None,
                lost_at: None,
                gathers_until: None,
                overflowed: false,
                close: None,
                allowance: Allowance::new(messages, now),
            }),
        })
    }

    /// Attaches a socket, displacing an earlier one.
    pub(crate) fn attach(&self) -> Attachment {
        lock(&self.state).attach()
    }

    /// The socket is gone. `false` when another one had displaced it.
    pub(crate) fn detach(&self, attachment: &Attachment, now: Instant) -> bool {
        let mut state = lock(&self.state);
        let current = state.is_current(attachment);
        if current {
            state.attached = None;
            state.lost_at = Some(now);
        }
        current
    }

    /// Whether the session must end: its socket was lost `grace` ago, or its messages could not be kept.
    pub(crate) fn is_lost(&self, grace: Duration, now: Instant) -> bool {
        let state = lock(&self.state);
        let detached = state.attached.is_none();
        detached && (state.overflowed || state.lost_at.is_some_and(|at| now.saturating_duration_since(at) >= grace))
    }

    /// Whether a socket is attached.
    pub(crate) fn is_attached(&self) -> bool {
        lock(&self.state).attached.is_some()
    }

    pub(crate) fn place(&self) -> Option<Place> {
        lock(&self.state).place.clone()
    }

    /// Where it waits to be let in.
    pub(crate) fn waiting(&self) -> Option<Place> {
        lock(&self.state).waiting.clone()
    }

    /// Whether it is in a room or waits to be.
    pub(crate) fn is_engaged(&self) -> bool {
        let state = lock(&self.state);
        state.place.is_some() || state.waiting.is_some()
    }

    /// Waits to be let in. `false` when the session is in a room or waits already.
    pub(crate) fn wait(&self, place: Place) -> bool {
        let mut state = lock(&self.state);
        let free = state.place.is_none() && state.waiting.is_none();
        if free {
            state.waiting = Some(place);
        }
        free
    }

    /// Enters a room, with a first token. The next message posted is the first that the client counts. `false` when the session
    /// is in a room already, or waits for another.
    pub(crate) fn enter(&self, place: Place, token: Token) -> bool {
        let mut state = lock(&self.state);
        let waits_for_it = state.waiting.as_ref().is_none_or(|waiting| waiting.participant == place.participant);
        let free = state.place.is_none() && waits_for_it;
        if free {
            state.place = Some(place);
            state.waiting = None;
            state.token = Some(token);
            state.outbox.begin_count();
        }
        free
    }

    /// Leaves the room, or waits for it no more; returns the tokens that are void now.
    pub(crate) fn leave(&self) -> [Option<Token>; 2] {
        let mut state = lock(&self.state);
        state.place = None;
        state.waiting = None;
        [state.token.take(), state.earlier_token.take()]
    }

    /// Resumes with the token that the client `presented`: attaches a socket and gives a fresh token. Returns them and the token that is void now.
    ///
    /// # Errors
    /// When the token is void, or the client missed messages that are no longer held.
    pub(crate) fn resume(
        &self,
        presented: Token,
        received: Option<u64>,
        fresh: Token,
    ) -> Result<(Attachment, Option<Token>), NotResumed> {
        let mut state = lock(&self.state);
        let is_latest = state.token == Some(presented);
        if state.place.is_none() || !(is_latest || state.earlier_token == Some(presented)) {
            return Err(NotResumed::Void);
        }
        if state.overflowed || state.outbox.rewind(received).is_err() {
            return Err(NotResumed::Missed);
        }
        let void = if is_latest { state.earlier_token } else { state.token };
        state.earlier_token = Some(presented);
        state.token = Some(fresh);
        Ok((state.attach(), void))
    }

    /// The client was heard of on its socket, so it has the latest token. Returns the one that is void now.
    pub(crate) fn confirm(&self) -> Option<Token> {
        lock(&self.state).earlier_token.take()
    }

    /// Judges an incoming message.
    pub(crate) fn judge(&self, now: Instant) -> Verdict {
        lock(&self.state).allowance.judge(now)
    }

    /// Queues a message.
    pub(crate) fn post(&self, message: Encoded) {
        let mut state = lock(&self.state);
        if state.overflowed {
            return;
        }
        let (may_wait, is_first) = (message.kind.may_wait(), !state.outbox.has_unwritten());
        if state.outbox.push(message) == Err(Overflow) {
            state.overflowed = true;
            self.counters.outbox_overflows.count();
            state.outbox = Outbox::new();
            state.wake();
        } else if !may_wait {
            state.wake();
        } else if is_first {
            state.gather(Instant::now() + GATHERING);
        }
    }

    /// Queues a message that is soon outdated: dropped when no socket is attached or much is queued.
    pub(crate) fn post_ephemeral(&self, message: Encoded) {
        let wanted = {
            let state = lock(&self.state);
            state.attached.is_some() && state.outbox.has_room_for_ephemeral()
        };
        if wanted {
            self.post(message);
        }
    }

    /// Closes the socket once everything is written.
    pub(crate) fn close(&self, code: CloseCode, reason: &'static str) {
        let mut state = lock(&self.state);
        state.close.get_or_insert((code, reason));
        state.wake();
    }

    /// How many messages were written: what a pong to a ping sent now acknowledges.
    pub(crate) fn written(&self) -> u64 {
        lock(&self.state).outbox.written()
    }

    /// The first `count` messages arrived.
    pub(crate) fn acknowledge(&self, count: u64) {
        lock(&self.state).outbox.acknowledge(count);
    }

    /// Waits for what the socket has to write next; more may be there to [`Self::poll`]. May be cancelled without loss.
    pub(crate) async fn next(&self, attachment: &Attachment) -> Outgoing {
        loop {
            let gathers_until = lock(&self.state).gathers_until;
            if let Some(until) = gathers_until {
                if timeout_at(until, attachment.wake.notified()).await.is_err() {
                    lock(&self.state).gathers_until = None;
                }
            } else if let Some(outgoing) = self.poll(attachment) {
                return outgoing;
            } else {
                attachment.wake.notified().await;
            }
        }
    }

    /// What the socket may write at once.
    pub(crate) fn poll(&self, attachment: &Attachment) -> Option<Outgoing> {
        let mut state = lock(&self.state);
        if !state.is_current(attachment) {
            return Some(Outgoing::Displaced);
        }
        if state.overflowed {
            return Some(Outgoing::Overflowed);
        }
        let message = state.outbox.next().map(Outgoing::Message);
        message.or_else(|| state.close.map(|(code, reason)| Outgoing::Close(code, reason)))
    }
}

impl State {
    fn attach(&mut self) -> Attachment {
        self.wake();
        self.attachments += 1;
        let attachment = Attachment { number: self.attachments, wake: Arc::new(Notify::new()) };
        self.attached = Some(attachment.clone());
        self.lost_at = None;
        attachment
    }

    fn is_current(&self, attachment: &Attachment) -> bool {
        self.attached.as_ref().is_some_and(|attached| attached.number == attachment.number)
    }

    /// There is something for the socket that does not wait.
    fn wake(&mut self) {
        self.gathers_until = None;
        self.notify();
    }

    /// There is something for the socket that may wait until then.
    fn gather(&mut self, until: Instant) {
        self.gathers_until = Some(until);
        self.notify();
    }

    fn notify(&self) {
        if let Some(attached) = &self.attached {
            attached.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::MAX_MESSAGES;
    use crate::protocol::{ServerMessage, ServerType};
    use crate::room::encode;

    fn session() -> Arc<Session> {
        Session::new(Rate { per_second: 1.0, burst: 1.0 }, Instant::now(), &Arc::default())
    }

    fn message() -> Encoded {
        encode(&ServerMessage::Pong { id: None })
    }

    #[test]
    fn tokens_survive_their_text() {
        let token = Token::from_entropy(std::array::from_fn(|i| i as u8 * 7));
        assert!(Token::parse(token.written("").expose()) == Some(token));
        for wrong in ["", "zz", &"g".repeat(64), &"é".repeat(32), &"A".repeat(64), &"0".repeat(66)] {
            assert!(Token::parse(wrong).is_none(), "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_second_socket_displaces_the_first() {
        let session = session();
        let first = session.attach();
        let waiting = tokio::spawn({
            let (session, first) = (Arc::clone(&session), first.clone());
            async move { session.next(&first).await }
        });
        tokio::task::yield_now().await;
        let second = session.attach();
        assert!(matches!(waiting.await.unwrap(), Outgoing::Displaced));
        assert!(!session.detach(&first, Instant::now()));
        assert!(session.is_attached());
        assert!(session.detach(&second, Instant::now()));
    }

    #[test]
    fn a_reader_that_is_too_slow_overflows_and_ends_when_it_is_gone() {
        let session = session();
        let socket = session.attach();
        for _ in 0..=MAX_MESSAGES {
            assert_eq!(session.counters.outbox_overflows.read(), 0);
            session.post(message());
        }
        session.post(message());
        assert_eq!(session.counters.outbox_overflows.read(), 1);
        assert!(matches!(session.poll(&socket), Some(Outgoing::Overflowed)));
        assert!(!session.is_lost(Duration::from_secs(30), Instant::now()));
        session.detach(&socket, Instant::now());
        assert!(session.is_lost(Duration::from_secs(30), Instant::now()));
    }

    fn joined() -> Encoded {
        Encoded { kind: ServerType::UserJoined, text: "joined".into() }
    }

    fn texts(session: &Session, socket: &Attachment, first: Outgoing) -> Vec<String> {
        let others = std::iter::from_fn(|| session.poll(socket));
        std::iter::once(first)
            .chain(others)
            .map(|outgoing| match outgoing {
                Outgoing::Message(message) => message.text.to_string(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[tokio::test(start_paused = true)]
    async fn arrivals_are_gathered_and_what_is_urgent_takes_them_along() {
        let session = session();
        let socket = session.attach();
        let begin = Instant::now();
        session.post(joined());
        assert!(timeout_at(begin + GATHERING / 2, session.next(&socket)).await.is_err());
        session.post(joined());
        let first = session.next(&socket).await;
        assert_eq!(begin.elapsed().as_millis(), GATHERING.as_millis(), "the first does not wait for the second");
        assert_eq!(texts(&session, &socket, first), ["joined", "joined"]);

        let begin = Instant::now();
        session.post(joined());
        session.post(message());
        let first = session.next(&socket).await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
        assert_eq!(texts(&session, &socket, first), ["joined", &message().text]);

        session.post(joined());
        session.close(CloseCode::Restart, "bye");
        assert!(matches!(session.next(&socket).await, Outgoing::Message(_)));
        assert!(matches!(session.next(&socket).await, Outgoing::Close(CloseCode::Restart, "bye")));
        assert_eq!(begin.elapsed(), Duration::ZERO, "nobody waits when the socket is to close");
    }

    #[tokio::test(start_paused = true)]
    async fn what_waited_when_a_socket_was_lost_is_written_to_the_next() {
        let session = session();
        let lost = session.attach();
        session.post(joined());
        session.detach(&lost, Instant::now());
        session.post(joined());
        let begin = Instant::now();
        let socket = session.attach();
        let first = session.next(&socket).await;
        assert_eq!(texts(&session, &socket, first), ["joined", "joined"]);
        assert_eq!(begin.elapsed(), Duration::ZERO);
    }

    #[test]
    fn ephemeral_messages_are_not_queued_for_nobody() {
        let session = session();
        session.post_ephemeral(message());
        let socket = session.attach();
        assert!(session.poll(&socket).is_none());
        session.post_ephemeral(message());
        assert!(matches!(session.poll(&socket), Some(Outgoing::Message(_))));
    }

    #[test]
    fn a_close_waits_for_what_is_queued() {
        let session = session();
        let socket = session.attach();
        session.post(message());
        session.close(CloseCode::Restart, "bye");
        assert!(matches!(session.poll(&socket), Some(Outgoing::Message(_))));
        assert!(matches!(session.poll(&socket), Some(Outgoing::Close(CloseCode::Restart, "bye"))));
    }
}
