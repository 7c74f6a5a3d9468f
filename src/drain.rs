//! How the server ends: what each request and each moment mean, without the doing.
//!
//! A request to drain lets calls end by themselves, for a bounded time; any further request to end cuts them short.

use crate::signals::Request;
use parlor_signaling::Calls;
use std::fmt;
use std::time::Duration;
use tokio::time::Instant;

/// Why the server ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was to drain, and no call is on.
    Drained,
    /// It was to drain, and the time for that is over.
    Bound,
    /// It was to stop at once.
    Stopped,
}

/// How the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Why then.
    pub cause: Cause,
    /// What was on until then.
    pub cut: Calls,
}

impl Ending {
    /// The process's exit code: 0 when no call was cut, 3 when the bound cut some, 4 when somebody's word did.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self.cause {
            _ if self.cut == Calls::default() => 0,
            Cause::Drained => 0,
            Cause::Bound => 3,
            Cause::Stopped => 4,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cause {
            _ if self.cut == Calls::default() => "no call is on: stopping",
            Cause::Drained => "stopping",
            Cause::Bound => "calls had their time (shutdown.drain_seconds) and are cut: stopping",
            Cause::Stopped => "calls are cut, as asked: stopping",
        })
    }
}

/// What is to be done after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Begin no new calls, and wait for the end of those that are on.
    Drain,
    /// End.
    End(Cause),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Drain {
    bound: Duration,
    deadline: Option<Instant>,
}

impl Drain {
    /// One that lets calls go on for `bound`.
    pub(crate) fn new(bound: Duration) -> Self {
        Self { bound, deadline: None }
    }

    /// Somebody asks for something.
    pub(crate) fn on_request(&mut self, request: Request, now: Instant) -> Option<Step> {
        match request {
            Request::Reload => None,
            Request::Stop => Some(Step::End(Cause::Stopped)),
            Request::Drain if self.deadline.is_some() => Some(Step::End(Cause::Stopped)),
            Request::Drain if self.bound.is_zero() => Some(Step::End(Cause::Bound)),
            Request::Drain => {
                self.deadline = Some(now + self.bound);
                Some(Step::Drain)
            }
        }
    }

    /// When calls have had their time; `None` unless it drains.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: Duration = Duration::from_secs(25);

    fn ending(cause: Cause, rooms: usize, participants: usize) -> Ending {
        Ending { cause, cut: Calls { rooms, participants } }
    }

    #[test]
    fn a_second_request_to_end_is_obeyed_at_once() {
        for second in [Request::Drain, Request::Stop] {
            let (mut drain, now) = (Drain::new(BOUND), Instant::now());
            assert_eq!((drain.on_request(Request::Reload, now), drain.deadline()), (None, None));
            assert_eq!(drain.on_request(Request::Drain, now), Some(Step::Drain));
            assert_eq!(drain.deadline(), Some(now + BOUND));
            let later = now + Duration::from_secs(1);
            assert_eq!((drain.on_request(Request::Reload, later), drain.deadline()), (None, Some(now + BOUND)));
            assert_eq!(drain.on_request(second, later), Some(Step::End(Cause::Stopped)));
        }
    }

    #[test]
    fn who_stops_does_not_wait_and_neither_does_a_bound_of_nothing() {
        let now = Instant::now();
        assert_eq!(Drain::new(BOUND).on_request(Request::Stop, now), Some(Step::End(Cause::Stopped)));
        assert_eq!(Drain::new(Duration::ZERO).on_request(Request::Drain, now), Some(Step::End(Cause::Bound)));
    }

    #[test]
    fn exit_codes_tell_what_was_cut() {
        for cause in [Cause::Drained, Cause::Bound, Cause::Stopped] {
            assert_eq!(ending(cause, 0, 0).exit_code(), 0);
        }
        assert_eq!(ending(Cause::Bound, 1, 2).exit_code(), 3);
        assert_eq!(ending(Cause::Stopped, 1, 2).exit_code(), 4);
        assert_eq!(ending(Cause::Bound, 0, 0).to_string(), "no call is on: stopping");
        assert!(ending(Cause::Bound, 1, 2).to_string().contains("shutdown.drain_seconds"));
    }
}
