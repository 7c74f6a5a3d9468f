//! A member's data channel `chat`, as the way of messages to it.
//!
//! A data channel tells its sender nothing of what arrived. So what was handed to it stays held until the client has counted
//! it, and goes by the socket, whose outbox is acknowledged, once the channel closes or refuses. Either way may then have
//! carried a message: a client drops the id that it has seen.
//!
//! An opening that refused is not used again: what it delivered is a first part of what it was handed, without gaps, so that
//! a count says which messages those were.

use crate::protocol::MessageId;
use crate::session::Session;
use axum::extract::ws::Utf8Bytes;
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
    text: Utf8Bytes,
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
    pub(crate) fn hold(&mut self, message: MessageId, text: Utf8Bytes) {
        self.bytes += text.len();
        self.held.push_back(Held { message, text, repeated: false });
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
            self.bytes -= held.text.len();
            self.counted += 1;
        }
        true
    }

    /// Sends a message by the socket too if it may not have arrived: what is said of it next goes that way.
    pub(crate) fn repeat(&mut self, message: MessageId, session: &Session) {
        let held = self.held.iter_mut().find(|held| held.message == message);
        if let Some(held) = held.filter(|held| !held.repeated) {
            held.repeated = true;
            session.post(held.text.clone());
        }
    }

    /// The same with all that may not have arrived.
    pub(crate) fn repeat_all(&mut self, session: &Session) {
        self.give_up(session);
        self.held.iter_mut().for_each(|held| held.repeated = true);
    }

    /// The same when it is the last word on the channel.
    pub(crate) fn give_up(&self, session: &Session) {
        self.held.iter().filter(|held| !held.repeated).for_each(|held| session.post(held.text.clone()));
    }
}
