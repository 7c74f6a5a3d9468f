//! A member's data channel `chat`, as the way of messages to it.
//!
//! A data channel tells its sender nothing of what arrived. So what was handed to it stays held until the client has counted
//! it, and goes by the socket, whose outbox is acknowledged, once the channel closes or refuses. Either way may then have
//! carried a message: a client drops the id that it has seen.
//!
//! An opening that refused is not used again: what it delivered is a first part of what it was handed, without gaps, so that
//! a count says which messages those were.

use crate::protocol::MessageId;
use crate::room::Encoded;
use crate::session::Session;
use std::collections::VecDeque;

/// The most messages held, some seconds of a busy room's. Who does not count gets the rest by the socket.
pub(crate) const MAX_HELD: usize = 256;
/// The most bytes held: a fraction of what a socket's outbox can take over at once.
pub(crate) const MAX_HELD_BYTES: usize = 256 << 10;
const _: () = assert!(MAX_HELD * 2 <= crate::outbox::MAX_MESSAGES && MAX_HELD_BYTES * 2 <= crate::outbox::MAX_BYTES);

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The number of the present opening, while it is of use.
    opening: Option<u32>,
    /// Messages that the client has counted on it.
    counted: u64,
    held: VecDeque<Held>,
    bytes: usize,
}

#[derive(Debug)]
struct Held {
    message: MessageId,
    encoded: Encoded,
    /// It went by the socket as well.
    repeated: bool,
}

impl Line {
    /// The channel opened. What an earlier opening did not deliver goes by the socket.
    pub(crate) fn open(&mut self, opening: u32, session: &Session) {
        self.close(session);
        self.opening = Some(opening);
    }

    /// The channel closed: the same.
    pub(crate) fn close(&mut self, session: &Session) {
        self.repeat_all(session);
        *self = Self::default();
    }

    /// An opening takes no more.
    pub(crate) fn refuse(&mut self, opening: u32, session: &Session) {
        if self.opening == Some(opening) {
            self.close(session);
        }
    }

    /// The opening that takes a message of so many bytes now, if the channel does.
    pub(crate) fn takes(&self, bytes: usize) -> Option<u32> {
        self.opening.filter(|_| self.held.len() < MAX_HELD && self.bytes + bytes <= MAX_HELD_BYTES)
    }

    /// The channel was handed a message.
    pub(crate) fn hold(&mut self, message: MessageId, encoded: Encoded) {
        self.bytes += encoded.text.len();
        self.held.push_back(Held { message, encoded, repeated: false });
    }

    /// The client got `count` messages on this opening so far. `false` when that is more than there were.
    #[must_use]
    pub(crate) fn acknowledge(&mut self, count: u64) -> bool {
        if self.opening.is_none() {
            // Said before the client learned that the channel is of no use any more.
            return true;
        }
        if count > self.counted + self.held.len() as u64 {
            return false;
        }
        while self.counted < count
            && let Some(held) = self.held.pop_front()
        {
            self.bytes -= held.encoded.text.len();
            self.counted += 1;
        }
        true
    }

    /// Sends a message by the socket too if it may not have arrived: what is said of it next goes that way.
    pub(crate) fn repeat(&mut self, message: MessageId, session: &Session) {
        let held = self.held.iter_mut().find(|held| held.message == message);
        if let Some(held) = held.filter(|held| !held.repeated) {
            held.repeated = true;
            session.post(held.encoded.clone());
        }
    }

    /// The same with all that may not have arrived.
    pub(crate) fn repeat_all(&mut self, session: &Session) {
        self.give_up(session);
        self.held.iter_mut().for_each(|held| held.repeated = true);
    }

    /// The same when it is the last word on the channel.
    pub(crate) fn give_up(&self, session: &Session) {
        self.held.iter().filter(|held| !held.repeated).for_each(|held| session.post(held.encoded.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ServerType;
    use crate::rate::Rate;
    use crate::session::Outgoing;
    use std::sync::Arc;
    use tokio::time::Instant;

    fn session() -> Arc<Session> {
        Session::new(Rate { per_second: 1.0, burst: 1.0 }, Instant::now(), &Arc::default())
    }

    /// What came by the socket instead, attached anew.
    fn by_socket(session: &Session) -> Vec<String> {
        let attachment = session.attach();
        let next = || match session.poll(&attachment) {
            Some(Outgoing::Message(message)) => Some(message.text.to_string()),
            _ => None,
        };
        std::iter::from_fn(next).collect()
    }

    fn hand(line: &mut Line, number: u64) -> bool {
        let encoded = Encoded { kind: ServerType::MessageReceived, text: number.to_string().into() };
        let takes = line.takes(encoded.text.len()).is_some();
        if takes {
            line.hold(MessageId(number), encoded);
        }
        takes
    }

    #[test]
    fn what_is_not_counted_is_bounded_in_messages_and_bytes() {
        let (mut line, session) = (Line::default(), session());
        assert!(!hand(&mut line, 0), "it is not open");
        line.open(1, &session);
        let taken = (0..1000).filter(|&number| hand(&mut line, number)).count();
        assert_eq!(taken, MAX_HELD);
        assert!(line.acknowledge(10));
        assert_eq!((1000..2000).filter(|&number| hand(&mut line, number)).count(), 10);
        line.open(2, &session);
        assert_eq!(by_socket(&session).len(), MAX_HELD);
        assert_eq!(line.takes(MAX_HELD_BYTES), Some(2));
        assert_eq!(line.takes(MAX_HELD_BYTES + 1), None);
    }

    #[test]
    fn what_is_counted_does_not_come_again() {
        let (mut line, session) = (Line::default(), session());
        line.open(1, &session);
        (1..=5).for_each(|number| assert!(hand(&mut line, number)));
        assert!(line.acknowledge(2) && line.acknowledge(1), "a count that came late says nothing new");
        assert!(!line.acknowledge(6) && !line.acknowledge(u64::MAX));
        line.repeat(MessageId(4), &session);
        line.repeat(MessageId(4), &session);
        line.repeat(MessageId(1), &session);
        line.close(&session);
        assert_eq!(by_socket(&session), ["4", "3", "5"]);
        assert!(line.acknowledge(6) && line.takes(1).is_none());
    }

    #[test]
    fn an_earlier_opening_refuses_nothing() {
        let (mut line, session) = (Line::default(), session());
        line.open(2, &session);
        line.refuse(1, &session);
        assert!(hand(&mut line, 1));
        line.refuse(2, &session);
        assert!(!hand(&mut line, 2));
        assert_eq!(by_socket(&session), ["1"]);
    }
}
