//! The log's lines about rooms and people, and how many of them there may be.
//!
//! Whoever comes, goes or fails has one line, in fields of the same names everywhere: `docs/logs.md` lists them. Rooms are named
//! by their numbers, people by their participant ids; names, texts, addresses and credentials are in no line. What strangers
//! can bring about is paced: beyond a [`Pace`] lines are counted, and the next line, or the sweep, says how many are missing.

use crate::access::Role;
use crate::protocol::media::{MediaFailure, MediaProtocol};
use crate::protocol::server::Departure;
use crate::protocol::{ErrorCode, ParticipantRef};
use crate::rate::{Rate, TokenBucket};
use crate::session::lock;
use parlor_media::ids::{ParticipantId, RoomId};
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;
use tracing::field::display;

/// Lines of one kind: so many at once, and so many a second. Beyond that they are counted, and the next one tells how many.
#[derive(Debug)]
pub struct Pace {
    /// What the lines are about.
    about: &'static str,
    rate: Rate,
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    bucket: TokenBucket,
    suppressed: u64,
}

/// A line may be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// How many were not written before it; `None` rather than none.
    pub suppressed: Option<u64>,
}

impl Pace {
    /// The pace of lines about something: `burst` at once, and then `per_second`.
    #[must_use]
    pub const fn new(about: &'static str, per_second: f64, burst: f64) -> Self {
        Self { about, rate: Rate { per_second, burst }, state: Mutex::new(None) }
    }

    /// Asks for a line's turn. Without one the line is counted as suppressed.
    pub fn turn(&self, now: Instant) -> Option<Turn> {
        let mut state = lock(&self.state);
        let fresh = || State { bucket: TokenBucket::new(self.rate, now), suppressed: 0 };
        let state = state.get_or_insert_with(fresh);
        if !state.bucket.take(now) {
            state.suppressed += 1;
            return None;
        }
        let suppressed = std::mem::take(&mut state.suppressed);
        Some(Turn { suppressed: Some(suppressed).filter(|&count| count > 0) })
    }

    /// Says how many lines are missing once they have come to an end.
    fn flush(&self, now: Instant) {
        let mut state = lock(&self.state);
        if let Some(state) = state.as_mut().filter(|state| state.suppressed > 0)
            && state.bucket.is_full(now)
        {
            let suppressed = std::mem::take(&mut state.suppressed);
            tracing::info!(suppressed, about = self.about, "more lines were suppressed");
        }
    }
}

/// Writes a line when it is its turn: `paced!(pace, info, field = value, "message")`.
macro_rules! paced {
    ($pace:expr, $level:ident, $($line:tt)+) => {
        if let Some($crate::lines::Turn { suppressed }) = $pace.turn(tokio::time::Instant::now()) {
            tracing::$level!(suppressed, $($line)+);
        }
    };
}
pub(crate) use paced;

/// The store did not do what a request needed.
pub(crate) static STORE_FAILURES: Pace = Pace::new("failures of the store", 1.0, 20.0);
/// The same of the file storage.
pub(crate) static FILE_FAILURES: Pace = Pace::new("failures of the file storage", 1.0, 20.0);
/// A receiver of webhooks does not take them.
pub(crate) static WEBHOOK_FAILURES: Pace = Pace::new("failures of webhooks", 1.0, 20.0);

/// How somebody came into a room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry {
    pub(crate) role: Role,
    /// By which credential: see [`crate::admission::Arrival::how`].
    pub(crate) how: &'static str,
    /// A host was asked.
    pub(crate) waited: bool,
    /// Its client follows bindings, as Parlor's own does.
    pub(crate) sdk: bool,
}

/// The paces of a server.
#[derive(Debug)]
pub(crate) struct Lines {
    /// People come, go, lose their sockets, resume. As many as a busy server has; a flood of strangers has more.
    pub(crate) people: Pace,
    /// Rooms begin and end.
    pub(crate) rooms: Pace,
    /// People and sockets that are not let in.
    pub(crate) refusals: Pace,
    /// Negotiation and media fail.
    pub(crate) failures: Pace,
    /// Tokens and invites are made.
    pub(crate) credentials: Pace,
}

impl Default for Lines {
    fn default() -> Self {
        Self {
            people: Pace::new("people", 100.0, 2000.0),
            rooms: Pace::new("rooms", 20.0, 1000.0),
            refusals: Pace::new("refusals", 5.0, 50.0),
            failures: Pace::new("failures of negotiation and media", 5.0, 50.0),
            credentials: Pace::new("credentials", 5.0, 50.0),
        }
    }
}

impl Lines {
    /// Says what is missing of kinds of lines that have come to an end.
    pub(crate) fn flush(&self, now: Instant) {
        let of_this_server = [&self.people, &self.rooms, &self.refusals, &self.failures, &self.credentials];
        of_this_server
            .into_iter()
            .chain([&STORE_FAILURES, &FILE_FAILURES, &WEBHOOK_FAILURES])
            .for_each(|pace| pace.flush(now));
    }

    /// A join was refused; `room` is the number of the room, if there is one.
    pub(crate) fn join_refused(&self, room: Option<RoomId>, code: ErrorCode) {
        let room = room.map(|RoomId(number)| number);
        paced!(self.refusals, info, room, code = code.as_str(), "join refused");
    }

    /// A socket was refused before it could say anything.
    pub(crate) fn socket_refused(&self, code: ErrorCode) {
        paced!(self.refusals, info, code = code.as_str(), "socket refused");
    }

    /// Somebody is in a room.
    pub(crate) fn joined(&self, RoomId(room): RoomId, participant: ParticipantId, entry: &Entry) {
        let &Entry { role, how, waited, sdk } = entry;
        let (role, client) = (role.as_str(), if sdk { "sdk" } else { "other" });
        let participant = display(ParticipantRef(participant));
        paced!(self.people, info, room, participant, role, how, waited, client, "participant joined");
    }

    /// Somebody is in a room no more.
    pub(crate) fn left(&self, RoomId(room): RoomId, participant: ParticipantId, reason: Departure, stay: Duration) {
        let (reason, seconds) = (reason.as_str(), stay.as_secs());
        paced!(self.people, info, room, participant = %ParticipantRef(participant), reason, seconds, "participant left");
    }

    /// Somebody waits in the lobby.
    pub(crate) fn waits(&self, RoomId(room): RoomId, participant: ParticipantId) {
        paced!(self.people, info, room, participant = %ParticipantRef(participant), "lobby entered");
    }

    /// Somebody was sent away from the lobby, or gave up.
    pub(crate) fn waits_no_more(&self, RoomId(room): RoomId, participant: ParticipantId, reason: Departure) {
        let reason = reason.as_str();
        paced!(self.people, info, room, participant = %ParticipantRef(participant), reason, "lobby left");
    }

    /// A participant's socket is gone; it may resume.
    pub(crate) fn socket_lost(&self, RoomId(room): RoomId, participant: ParticipantId) {
        paced!(self.people, debug, room, participant = %ParticipantRef(participant), "socket lost");
    }

    /// A participant is back on another socket.
    pub(crate) fn resumed(&self, RoomId(room): RoomId, participant: ParticipantId) {
        paced!(self.people, debug, room, participant = %ParticipantRef(participant), "session resumed");
    }

    /// ICE and DTLS are up, so long `after` the join.
    pub(crate) fn media_connected(
        &self,
        RoomId(room): RoomId,
        participant: ParticipantId,
        protocol: MediaProtocol,
        after: Duration,
    ) {
        let (protocol, after_ms) = (protocol.as_str(), u64::try_from(after.as_millis()).unwrap_or(u64::MAX));
        let participant = display(ParticipantRef(participant));
        paced!(self.people, info, room, participant, protocol, after_ms, "media connected");
    }

    /// A transport has ended. That its client closed it is no failure of anybody's.
    pub(crate) fn media_failed(
        &self,
        RoomId(room): RoomId,
        participant: ParticipantId,
        cause: MediaFailure,
        detail: &str,
    ) {
        let (participant, closed) = (display(ParticipantRef(participant)), cause == MediaFailure::ClosedByClient);
        let cause = cause.as_str();
        if closed {
            paced!(self.people, info, room, participant, cause, "media closed");
        } else {
            paced!(self.failures, warn, room, participant, cause, detail, "media failed");
        }
    }

    /// An offer or an answer could not be used.
    pub(crate) fn negotiation_failed(&self, RoomId(room): RoomId, participant: ParticipantId, code: ErrorCode) {
        let participant = display(ParticipantRef(participant));
        paced!(self.failures, warn, room, participant, code = code.as_str(), "negotiation failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_beyond_the_pace_are_counted_and_told() {
        let (pace, now) = (Pace::new("tests", 1.0, 3.0), Instant::now());
        let turns: Vec<_> = (0..5).filter_map(|_| pace.turn(now)).collect();
        assert_eq!(turns, [Turn { suppressed: None }; 3]);
        assert_eq!(pace.turn(now + Duration::from_secs(1)), Some(Turn { suppressed: Some(2) }));
        assert_eq!(pace.turn(now + Duration::from_secs(2)), Some(Turn { suppressed: None }), "they are told once");
    }

    #[test]
    fn what_was_suppressed_is_told_once_the_flood_is_over() {
        let (pace, now) = (Pace::new("tests", 1.0, 1.0), Instant::now());
        let turns = (0..3).filter_map(|_| pace.turn(now)).count();
        assert_eq!(turns, 1);
        let suppressed = |pace: &Pace| lock(&pace.state).as_ref().unwrap().suppressed;
        pace.flush(now);
        assert_eq!(suppressed(&pace), 2, "it still goes on");
        pace.flush(now + Duration::from_secs(1));
        assert_eq!(suppressed(&pace), 0);
    }
}
