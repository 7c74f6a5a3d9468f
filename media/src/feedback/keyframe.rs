//! Asks a publisher's encoding for keyframes (PLI, FIR): as often as needed, and no more, however many subscribers ask.

use std::time::{Duration, Instant};

/// The least time between two requests. A keyframe costs several times an ordinary frame: asked for more often, the
/// encoding would consist of little else.
pub const MIN_INTERVAL: Duration = Duration::from_millis(500);
/// The time after which a request without an answer is repeated.
pub const REPEAT_INTERVAL: Duration = Duration::from_millis(1_000);
/// The least time between requests for different encodings of one track, except those of one moment. libwebrtc makes no second key frame
/// within 300 ms of a request for any of them (`min_keyframe_send_interval` of `EncoderRtcpFeedback`), and says nothing.
pub const SIBLING_INTERVAL: Duration = Duration::from_millis(350);
/// Requests without an answer before one gives up, until somebody asks again.
pub const MAX_REQUESTS: u8 = 10;

/// The keyframe requests of one encoding.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeyframeRequests {
    is_wanted: bool,
    /// Requests sent since a keyframe has been wanted.
    sent: u8,
    last_sent: Option<Instant>,
}

impl KeyframeRequests {
    /// Somebody needs a keyframe. A no-op while one is already wanted.
    pub fn request(&mut self) {
        if !self.is_wanted {
            self.is_wanted = true;
            self.sent = 0;
        }
    }

    /// A keyframe began: nobody needs one any more.
    pub fn on_keyframe(&mut self) {
        self.is_wanted = false;
    }

    /// Whether a keyframe is wanted.
    #[must_use]
    pub const fn is_wanted(&self) -> bool {
        self.is_wanted
    }

    /// When a request was last sent.
    #[must_use]
    pub const fn last_sent(&self) -> Option<Instant> {
        self.last_sent
    }

    /// Whether to send a request now, which then counts as sent. `rtt` is that to the publisher.
    pub fn poll(&mut self, now: Instant, rtt: Duration) -> bool {
        if !self.is_wanted || self.due(rtt).is_some_and(|due| due > now) {
            return false;
        }
        if self.sent == MAX_REQUESTS {
            self.is_wanted = false;
            return false;
        }
        self.sent += 1;
        self.last_sent = Some(now);
        true
    }

    /// When [`Self::poll`] has something to do next; `None` while no keyframe is wanted. A time in the past means at once.
    #[must_use]
    pub fn deadline(&self, now: Instant, rtt: Duration) -> Option<Instant> {
        self.is_wanted.then(|| self.due(rtt).unwrap_or(now))
    }

    /// The earliest time of the next request; `None` before the first. On long paths an answer needs more than a round
    /// trip, since the encoder answers with its next frame.
    fn due(&self, rtt: Duration) -> Option<Instant> {
        let interval = if self.sent == 0 { MIN_INTERVAL } else { REPEAT_INTERVAL };
        Some(self.last_sent? + interval.max(rtt + rtt / 2))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;

    const RTT: Duration = Duration::from_millis(50);

    /// The milliseconds at which requests were sent within a time.
    fn sent(requests: &mut KeyframeRequests, start: Instant, range: std::ops::Range<u64>, rtt: Duration) -> Vec<u64> {
        range.filter(|ms| requests.poll(start + Duration::from_millis(*ms), rtt)).collect()
    }

    #[test]
    fn the_first_request_goes_at_once_and_is_repeated_until_answered() {
        let start = test_start();
        let mut requests = KeyframeRequests::default();
        assert!(!requests.poll(start, RTT));
        assert_eq!((requests.deadline(start, RTT), requests.last_sent()), (None, None));
        requests.request();
        assert_eq!(requests.deadline(start, RTT), Some(start));
        assert_eq!(sent(&mut requests, start, 0..2_500, RTT), [0, 1_000, 2_000]);
        assert_eq!(requests.deadline(start, RTT), Some(start + Duration::from_millis(3_000)));
        assert_eq!(requests.last_sent(), Some(start + Duration::from_millis(2_000)));
        requests.on_keyframe();
        assert!(sent(&mut requests, start, 2_500..9_000, RTT).is_empty());
    }

    #[test]
    fn a_storm_of_requests_is_throttled() {
        let start = test_start();
        let mut requests = KeyframeRequests::default();
        let mut times = Vec::new();
        for ms in 0..2_000 {
            requests.request();
            if requests.poll(start + Duration::from_millis(ms), RTT) {
                times.push(ms);
                requests.on_keyframe();
            }
        }
        assert_eq!(times, [0, 500, 1_000, 1_500]);
    }

    #[test]
    fn a_long_path_is_given_time() {
        let start = test_start();
        let mut requests = KeyframeRequests::default();
        requests.request();
        assert_eq!(sent(&mut requests, start, 0..4_000, Duration::from_millis(1_000)), [0, 1_500, 3_000]);
    }

    #[test]
    fn repetition_ends_until_somebody_asks_again() {
        let start = test_start();
        let mut requests = KeyframeRequests::default();
        requests.request();
        assert_eq!(sent(&mut requests, start, 0..60_000, RTT).len(), usize::from(MAX_REQUESTS));
        assert!(!requests.is_wanted());
        requests.request();
        assert_eq!(sent(&mut requests, start, 60_000..60_500, RTT), [60_000]);
    }
}
