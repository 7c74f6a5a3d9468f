//! A session's messages on their way to the client, over as many sockets as it takes.
//!
//! Messages are numbered from 1. They stay held after they were written, until a pong proves that they arrived, so that a
//! client which resumes after its socket broke gets exactly what was lost. What is held is bounded in messages and bytes:
//! arrived messages go first, then written ones; when even the unwritten exceed the bound, the outbox has overflowed.

use crate::room::Encoded;
use std::collections::VecDeque;

/// The most messages held: some seconds of a chat of a thousand messages a second, a grace period's in any other room. It
/// bounds the bookkeeping; the memory is bounded by [`MAX_BYTES`].
pub(crate) const MAX_MESSAGES: usize = 4096;
/// The most bytes held: four of the largest messages, several hundred ordinary ones.
pub(crate) const MAX_BYTES: usize = 1 << 20;
/// What an outbox keeps the place of when it is empty; a room that fills makes it hold hundreds.
const USUALLY_HELD: usize = 16;
/// Above this many unwritten messages, ephemeral ones are left out.
const EPHEMERAL_ROOM: usize = MAX_MESSAGES / 32;

/// The messages were not read in time; the session cannot go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Overflow;

/// See the module.
#[derive(Debug)]
pub(crate) struct Outbox {
    held: VecDeque<Encoded>,
    bytes: usize,
    /// The number of the first message held.
    first: u64,
    /// The number of the first message not yet written to the present socket.
    unwritten: u64,
    /// The number of the first message that the client counts.
    counted_from: u64,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self { held: VecDeque::new(), bytes: 0, first: 1, unwritten: 1, counted_from: 1 }
    }

    /// Starts the count of [`Self::rewind`] with the message that is pushed next.
    pub(crate) fn begin_count(&mut self) {
        self.counted_from = self.end();
    }

    /// Appends a message.
    pub(crate) fn push(&mut self, message: Encoded) -> Result<(), Overflow> {
        self.bytes += message.text.len();
        self.held.push_back(message);
        while self.held.len() > MAX_MESSAGES || self.bytes > MAX_BYTES {
            if self.first == self.unwritten {
                return Err(Overflow);
            }
            self.drop_first();
        }
        Ok(())
    }

    /// Whether a message that is soon outdated may be appended.
    pub(crate) fn has_room_for_ephemeral(&self) -> bool {
        self.end() - self.unwritten < EPHEMERAL_ROOM as u64
    }

    /// Whether there is a next message to write.
    pub(crate) fn has_unwritten(&self) -> bool {
        self.unwritten < self.end()
    }

    /// The next message to write.
    pub(crate) fn next(&mut self) -> Option<Encoded> {
        let index = usize::try_from(self.unwritten - self.first).ok()?;
        let message = self.held.get(index)?.clone();
        self.unwritten += 1;
        Some(message)
    }

    /// How many messages were written so far: what a pong to a ping sent now will acknowledge.
    pub(crate) fn written(&self) -> u64 {
        self.unwritten - 1
    }

    /// The first `received` messages arrived.
    pub(crate) fn acknowledge(&mut self, received: u64) {
        while self.first <= received && self.first < self.unwritten {
            self.drop_first();
        }
        if self.held.is_empty() {
            self.held.shrink_to(USUALLY_HELD);
        }
    }

    /// Makes ready for another socket, of whose client `received` messages arrived. `None` is a client that does not count:
    /// it is taken to have received all that was written.
    ///
    /// # Errors
    /// When it misses messages that are no longer held, or counts more than there were.
    pub(crate) fn rewind(&mut self, received: Option<u64>) -> Result<(), Overflow> {
        let next = match received {
            Some(received) => self.counted_from.checked_add(received).ok_or(Overflow)?,
            None => self.unwritten,
        };
        if !(self.first..=self.unwritten).contains(&next) {
            return Err(Overflow);
        }
        self.acknowledge(next - 1);
        self.unwritten = next;
        Ok(())
    }

    /// The number that the next message gets.
    fn end(&self) -> u64 {
        self.first + self.held.len() as u64
    }

    fn drop_first(&mut self) {
        if let Some(message) = self.held.pop_front() {
            self.bytes -= message.text.len();
            self.first += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::ServerType;
    use proptest::prelude::*;

    fn message(text: String) -> Encoded {
        Encoded { kind: ServerType::Pong, text: text.into() }
    }

    fn text(number: u64) -> Encoded {
        message(number.to_string())
    }

    fn filled(messages: u64) -> Outbox {
        let mut outbox = Outbox::new();
        for number in 1..=messages {
            outbox.push(text(number)).unwrap();
        }
        outbox
    }

    #[test]
    fn unwritten_messages_beyond_the_bound_overflow() {
        let mut outbox = filled(MAX_MESSAGES as u64);
        assert_eq!(outbox.push(text(0)), Err(Overflow));

        let mut outbox = Outbox::new();
        let large = message("x".repeat(MAX_BYTES / 4));
        for _ in 0..4 {
            outbox.push(large.clone()).unwrap();
        }
        assert_eq!(outbox.push(text(0)), Err(Overflow));
    }

    #[test]
    fn written_messages_make_way() {
        let mut outbox = Outbox::new();
        for number in 1..=10 * MAX_MESSAGES as u64 {
            outbox.push(text(number)).unwrap();
            assert_eq!(outbox.next(), Some(text(number)));
        }
        assert_eq!(outbox.held.len(), MAX_MESSAGES);
        // The first were forgotten: who misses them cannot go on.
        assert_eq!(outbox.rewind(Some(3)), Err(Overflow));
        assert_eq!(outbox.rewind(Some(10 * MAX_MESSAGES as u64 - 5)), Ok(()));
        assert_eq!(outbox.next(), Some(text(10 * MAX_MESSAGES as u64 - 4)));
    }

    #[test]
    fn what_has_arrived_leaves_no_memory_behind() {
        let mut outbox = filled(1_000);
        while outbox.next().is_some() {}
        outbox.acknowledge(999);
        outbox.acknowledge(1_000);
        assert!(outbox.held.capacity() <= USUALLY_HELD, "{}", outbox.held.capacity());
    }

    #[test]
    fn ephemeral_messages_stop_early() {
        assert!(filled(EPHEMERAL_ROOM as u64 - 1).has_room_for_ephemeral());
        assert!(!filled(EPHEMERAL_ROOM as u64).has_room_for_ephemeral());
    }

    #[test]
    fn a_client_that_does_not_count_gets_what_was_not_written() {
        let mut outbox = filled(3);
        outbox.next();
        outbox.rewind(None).unwrap();
        assert_eq!(outbox.next(), Some(text(2)));
    }

    #[test]
    fn the_count_starts_where_it_is_told_to() {
        let mut outbox = filled(2);
        outbox.begin_count();
        for number in 3..=5 {
            outbox.push(text(number)).unwrap();
        }
        while outbox.next().is_some() {}
        outbox.rewind(Some(1)).unwrap();
        assert_eq!(outbox.next(), Some(text(4)));
    }

    #[test]
    fn a_count_beyond_what_was_written_is_refused() {
        let mut outbox = filled(3);
        outbox.next();
        for wrong in [2, 3, 4, u64::MAX] {
            assert_eq!(outbox.rewind(Some(wrong)), Err(Overflow), "{wrong}");
        }
    }

    proptest! {
        /// Whatever is written, acknowledged and lost: the client that counts gets every message exactly once.
        #[test]
        fn nothing_is_lost_or_doubled(steps in prop::collection::vec((0..4_u8, 0..8_u64), 0..200)) {
            let (mut outbox, mut pushed, mut received, mut in_flight) = (Outbox::new(), 0, 0, 0);
            for (kind, amount) in steps {
                match kind {
                    0 => for _ in 0..amount {
                        pushed += 1;
                        outbox.push(text(pushed)).unwrap();
                    },
                    1 => for _ in 0..amount {
                        if let Some(message) = outbox.next() {
                            in_flight += 1;
                            prop_assert_eq!(message, text(received + in_flight));
                        }
                    },
                    2 => {
                        let arrived = amount.min(in_flight);
                        received += arrived;
                        in_flight -= arrived;
                        outbox.acknowledge(received);
                    }
                    _ => {
                        outbox.rewind(Some(received)).unwrap();
                        in_flight = 0;
                    }
                }
            }
        }
    }
}
