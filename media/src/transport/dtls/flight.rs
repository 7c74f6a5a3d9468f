//! The last handshake flight, kept so that it can be sent again verbatim.

use bytes::BytesMut;
use std::time::{Duration, Instant};

/// First repetition after this long; a round trip across continents is not disturbed by more than one.
const FIRST_REPEAT: Duration = Duration::from_millis(150);

/// Repetitions double up to this distance: several must fit a handshake on a network that loses a quarter.
const SLOWEST_REPEAT: Duration = Duration::from_millis(600);

/// Answers to a client that repeats itself are at least this far apart, so that nobody makes this side a source of floods.
const REPLY_GAP: Duration = Duration::from_millis(20);

/// Repetitions of the flight that completes the handshake: nothing but data proves that it arrived.
const LAST_FLIGHT_REPEATS: u32 = 5;

/// Datagrams that are kept. A flight with one certificate has one or two.
const MAX_DATAGRAMS: usize = 16;

/// See the module's text.
#[derive(Default)]
pub(super) struct Flight {
    datagrams: Vec<BytesMut>,
    next: Option<Instant>,
    interval: Duration,
    last_reply: Option<Instant>,
    repeats_left: Option<u32>,
}

impl Flight {
    /// The endpoint has just sent a new flight. `is_last` means the handshake is complete on this side.
    pub(super) fn replace(&mut self, now: Instant, datagrams: impl Iterator<Item = BytesMut>, is_last: bool) {
        self.datagrams.clear();
        self.datagrams.extend(datagrams.take(MAX_DATAGRAMS));
        self.interval = FIRST_REPEAT;
        self.next = Some(now + self.interval);
        self.last_reply = Some(now);
        self.repeats_left = is_last.then_some(LAST_FLIGHT_REPEATS);
    }

    /// The other side has it: nothing is left to repair.
    pub(super) fn settle(&mut self) {
        if self.next.is_some() {
            *self = Self::default();
        }
    }

    pub(super) fn datagrams(&self) -> &[BytesMut] {
        &self.datagrams
    }

    /// Whether to answer a repeated flight of the client's with this one.
    pub(super) fn repeat(&mut self, now: Instant) -> bool {
        let due = !self.datagrams.is_empty() && self.last_reply.is_none_or(|last| now >= last + REPLY_GAP);
        if due {
            self.last_reply = Some(now);
        }
        due
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.next
    }

    /// Whether to send the flight once more, now.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        if self.next.is_none_or(|next| now < next) {
            return false;
        }
        match &mut self.repeats_left {
            Some(0) => {
                self.settle();
                return false;
            }
            Some(left) => *left -= 1,
            None => {}
        }
        self.interval = (self.interval * 2).min(SLOWEST_REPEAT);
        self.next = Some(now + self.interval);
        self.last_reply = Some(now);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flight_is_repeated_ever_more_slowly_and_the_last_one_a_few_times() {
        #[allow(clippy::disallowed_methods, reason = "the origin of virtual time")]
        let start = Instant::now();
        let datagrams = || std::iter::repeat_n(BytesMut::from(&b"x"[..]), 100);
        let mut flight = Flight::default();
        flight.replace(start, datagrams(), false);
        assert_eq!(flight.datagrams().len(), MAX_DATAGRAMS);
        assert!(!flight.repeat(start + Duration::from_millis(19)) && flight.repeat(start + Duration::from_millis(20)));
        let mut repeats = Vec::new();
        while let Some(at) = flight.poll_timeout().filter(|at| *at < start + Duration::from_secs(3)) {
            assert!(!flight.handle_timeout(at - Duration::from_nanos(1)) && flight.handle_timeout(at));
            repeats.push((at - start).as_millis());
        }
        assert_eq!(repeats, [150, 450, 1050, 1650, 2250, 2850]);
        flight.replace(start, datagrams(), true);
        let mut left = 0;
        while let Some(at) = flight.poll_timeout() {
            left += u32::from(flight.handle_timeout(at));
        }
        assert_eq!((left, flight.datagrams().len()), (LAST_FLIGHT_REPEATS, 0));
    }
}
