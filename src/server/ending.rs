//! Waits for the end of a serving server, and lets calls end before it where there is time for that.

use crate::drain::{Cause, Drain, Ending, Step};
use crate::signals::Request;
use parlor_signaling::{Calls, Signaling};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// Answers `requests` until the server is to end. A drain takes `bound` at most.
pub(super) async fn until_end(
    signaling: &Signaling,
    bound: Duration,
    requests: &mut mpsc::Receiver<Request>,
) -> Ending {
    let mut drain = Drain::new(bound);
    let cause = loop {
        let deadline = drain.deadline();
        let step = tokio::select! {
            // Who can ask no more has let go of the server.
            request = requests.recv() => drain.on_request(request.unwrap_or(Request::Stop), Instant::now()),
            () = signaling.until_no_calls(), if deadline.is_some() => Some(Step::End(Cause::Drained)),
            () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => Some(Step::End(Cause::Bound)),
        };
        match step {
            None => {}
            Some(Step::Drain) => {
                signaling.drain(bound);
                let Calls { rooms, participants } = signaling.calls();
                let seconds = bound.as_secs();
                tracing::info!(rooms, participants, seconds, "draining: calls may end, no new ones begin");
            }
            Some(Step::End(cause)) => break cause,
        }
    };
    Ending { cause, cut: signaling.calls() }
}
