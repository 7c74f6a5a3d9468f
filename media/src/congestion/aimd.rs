//! The rate that the delay allows: more while the path's queue is empty, less as soon as it grows.
//!
//! libwebrtc's `modules/remote_bitrate_estimator/aimd_rate_control.cc`, draft-ietf-rmcat-gcc-02 section 5.5. A decrease goes
//! by what arrives, not by what was estimated. An increase goes a little beyond what arrives at most, so that who sends
//! little learns nothing; for that there are probes.
//!
//! Three departures. What a full path carries is known at once ([`super::bottleneck`]): a decrease goes by that where it can, and leaves
//! room for the queue to drain. While application-limited, what arrives is what was sent, so the first decreases go by the estimate, and
//! only a queue that goes on growing leads to what arrives. And a probe's result only raises: what is too high the delay shows.

use super::bottleneck::Full;
use super::capacity::Capacity;
use super::trendline::Usage;
use super::{MAX_BPS, MIN_BPS};

/// What is left of the arriving rate by a decrease.
const BETA: f64 = 0.9;
/// Of what a full path carries so much is left, less what lets the queue drain in such a time, but this at least.
const FULL_BETA: f64 = 0.95;
const FULL_DRAIN_US: f64 = 650_000.0;
pub(super) const MIN_FULL_BETA: f64 = 0.5;
/// A decrease's further step, in bit/s and as a share, so that small rates drain a queue too.
const BACKOFF_BPS: f64 = 5_000.0;
const BACKOFF: f64 = 0.01;
/// Growth far from the path's limit, a second.
const GROWTH: f64 = 1.08;
/// The least growth, in bit/s at once and in bit/s a second.
const MIN_GROWTH_BPS: f64 = 1_000.0;
const MIN_ADDITIVE_BPS: f64 = 4_000.0;
/// An increase ends at so much of what arrives, and this more. libwebrtc allows half again; but layers come in steps, and between two of
/// them the estimate would rise by that to a step that it has never carried. What is beyond is for probes to find.
const HEADROOM: f64 = 1.1;
const HEADROOM_BPS: f64 = 10_000.0;
/// The loop's delay beyond the round trip.
const RESPONSE_US: i64 = 100_000;
/// Bounds of the time between decreases; a round trip in between.
const MIN_INTERVAL_US: i64 = 50_000;
const MAX_INTERVAL_US: i64 = 200_000;
/// Who has sent less than this share of the estimate over the last second counts as application-limited, too, when the rate
/// is decreased: it may have just begun to send more, with a key frame, and what is known to arrive is what it sent before.
const FILLED: f64 = 0.7;
/// Decreases by the estimate alone while application-limited, without the queue's ceasing to grow in between.
const LIMITED_DECREASES: u32 = 2;

/// What an update goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Observation {
    pub(super) now_us: i64,
    pub(super) usage: Usage,
    /// What arrives.
    pub(super) acknowledged_bps: Option<f64>,
    /// What the path carries, while it is full.
    pub(super) full: Option<Full>,
    /// How long packets wait in its queue.
    pub(super) waiting_us: i64,
    /// The most that was sent lately, beyond which nothing can have arrived.
    pub(super) sent_bps: f64,
    /// What was sent over the latest second.
    pub(super) mean_sent_bps: f64,
    /// Whether the sender has too little to send.
    pub(super) is_limited: bool,
    pub(super) rtt_us: i64,
}

#[derive(Debug)]
pub(super) struct Aimd {
    rate_bps: f64,
    capacity: Capacity,
    /// When the rate last rose, or a rise began.
    rising_since_us: Option<i64>,
    decreased_us: Option<i64>,
    /// Decreases since the queue last ceased to grow.
    decreases: u32,
    /// The rate went beyond where the path's limit was last met.
    has_outgrown: bool,
}

impl Aimd {
    pub(super) fn new(rate_bps: f64) -> Self {
        Self {
            rate_bps,
            capacity: Capacity::default(),
            rising_since_us: None,
            decreased_us: None,
            decreases: 0,
            has_outgrown: false,
        }
    }

    pub(super) const fn rate_bps(&self) -> f64 {
        self.rate_bps
    }

    /// Whether more arrived than the path's known limit, since this was last asked: there may be much more now.
    pub(super) fn take_outgrown(&mut self) -> bool {
        std::mem::take(&mut self.has_outgrown)
    }

    /// The rate is known from elsewhere.
    pub(super) fn set(&mut self, now_us: i64, rate_bps: f64) {
        self.rate_bps = rate_bps.clamp(MIN_BPS as f64, MAX_BPS as f64);
        self.rising_since_us = Some(now_us);
        if self.capacity.is_above(self.rate_bps) {
            self.capacity.forget();
        }
    }

    /// The rate is at least this one.
    pub(super) fn raise(&mut self, now_us: i64, rate_bps: f64) {
        if rate_bps > self.rate_bps {
            self.set(now_us, rate_bps);
        }
    }

    /// The rate is at most this one.
    pub(super) fn lower(&mut self, rate_bps: f64) {
        self.rate_bps = self.rate_bps.min(rate_bps).max(MIN_BPS as f64);
    }

    /// Returns whether the rate was decreased.
    pub(super) fn update(&mut self, observed: Observation) -> bool {
        match observed.usage {
            Usage::Normal => {
                self.decreases = 0;
                self.increase(observed);
                false
            }
            Usage::Under => {
                self.decreases = 0;
                self.rising_since_us = None;
                false
            }
            Usage::Over => {
                self.rising_since_us = None;
                let is_due = self.is_decrease_due(observed);
                if is_due {
                    self.decrease(observed);
                }
                is_due
            }
        }
    }

    fn increase(&mut self, observed: Observation) {
        let since_us = self.rising_since_us.replace(observed.now_us).unwrap_or(observed.now_us);
        let elapsed = ((observed.now_us - since_us) as f64 / 1e6).clamp(0.0, 1.0);
        let acknowledged_bps = observed.acknowledged_bps.unwrap_or(self.rate_bps).min(observed.sent_bps);
        if self.capacity.is_above(acknowledged_bps) {
            self.capacity.forget();
            self.has_outgrown = true;
        }
        if observed.is_limited {
            return;
        }
        let limit_bps = HEADROOM * acknowledged_bps.min(observed.mean_sent_bps) + HEADROOM_BPS;
        if self.rate_bps >= limit_bps {
            return;
        }
        let growth_bps = if self.capacity.is_known() {
            additive_bps(self.rate_bps, observed.rtt_us) * elapsed
        } else {
            (self.rate_bps * (GROWTH.powf(elapsed) - 1.0)).max(MIN_GROWTH_BPS * elapsed)
        };
        self.rate_bps = (self.rate_bps + growth_bps).min(limit_bps).min(MAX_BPS as f64);
    }

    /// Whether what arrives tells nothing of what could.
    fn is_limited(&self, observed: Observation) -> bool {
        observed.is_limited || observed.mean_sent_bps < FILLED * self.rate_bps
    }

    fn is_decrease_due(&self, observed: Observation) -> bool {
        let Some(decreased_us) = self.decreased_us else { return true };
        let interval_us = observed.rtt_us.clamp(MIN_INTERVAL_US, MAX_INTERVAL_US);
        let elapsed_us = observed.now_us - decreased_us;
        // Where far less arrives than is thought, there is no use in waiting; but for what a decrease has set going.
        let is_less = |arriving_bps: f64| arriving_bps < self.rate_bps / 2.0;
        let is_far_off = elapsed_us >= MIN_INTERVAL_US
            && match observed.full {
                Some(full) if full.is_sure() => is_less(full.arriving_bps),
                _ => !self.is_limited(observed) && observed.acknowledged_bps.is_some_and(is_less),
            };
        elapsed_us >= interval_us || is_far_off
    }

    fn decrease(&mut self, observed: Observation) {
        self.decreased_us = Some(observed.now_us);
        self.decreases += 1;
        let full = observed.full;
        let is_sure = full.is_some_and(|full| full.is_sure());
        let is_doubtful = self.decreases <= LIMITED_DECREASES && self.is_limited(observed) && !is_sure;
        let arriving_bps = match full.map(|full| full.arriving_bps).or(observed.acknowledged_bps) {
            Some(arriving_bps) if is_doubtful => arriving_bps.max(self.rate_bps),
            Some(arriving_bps) => arriving_bps,
            // Nothing is known of what arrives, so early.
            None => self.rate_bps / 2.0 / BETA,
        };
        let beta = match full {
            Some(_) => (FULL_BETA - observed.waiting_us as f64 / FULL_DRAIN_US).max(MIN_FULL_BETA),
            None => BETA,
        };
        let mut rate_bps = arriving_bps * beta - BACKOFF_BPS.min(arriving_bps * BACKOFF);
        if rate_bps > self.rate_bps {
            rate_bps = self.capacity.mean_bps().map_or(rate_bps, |mean_bps| mean_bps * BETA);
        }
        if !is_doubtful && observed.acknowledged_bps.is_some() {
            if self.capacity.is_below(arriving_bps) {
                self.capacity.forget();
            }
            self.capacity.on_overuse(arriving_bps);
        }
        self.rate_bps = rate_bps.min(self.rate_bps).max(MIN_BPS as f64);
    }
}

/// Growth near the path's limit in bit/s a second: a packet of the average size in a response time. At small rates that would
/// be more than the growth far from the limit.
fn additive_bps(rate_bps: f64, rtt_us: i64) -> f64 {
    let frame_bits = rate_bps / 30.0;
    let packet_bits = frame_bits / (frame_bits / (1_200.0 * 8.0)).ceil().max(1.0);
    let growth_bps = packet_bits * 1e6 / (rtt_us + RESPONSE_US) as f64;
    growth_bps.min(rate_bps * (GROWTH - 1.0)).max(MIN_ADDITIVE_BPS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(now_ms: i64, usage: Usage, acknowledged_bps: f64, is_limited: bool) -> Observation {
        Observation {
            now_us: now_ms * 1_000,
            usage,
            acknowledged_bps: Some(acknowledged_bps),
            full: None,
            waiting_us: 0,
            sent_bps: acknowledged_bps,
            mean_sent_bps: acknowledged_bps,
            is_limited,
            rtt_us: 100_000,
        }
    }

    #[test]
    fn it_rises_by_eight_percent_a_second_up_to_what_arrives_and_a_tenth() {
        let mut aimd = Aimd::new(1e6);
        (0..=10).for_each(|i| _ = aimd.update(observed(i * 100, Usage::Normal, 1e6, false)));
        assert!((aimd.rate_bps() - 1.08e6).abs() < 1e3, "{}", aimd.rate_bps());
        (10..=200).for_each(|i| _ = aimd.update(observed(i * 100, Usage::Normal, 1e6, false)));
        assert!((aimd.rate_bps() - 1.11e6).abs() < 1.0);
    }

    #[test]
    fn it_falls_to_a_share_of_what_arrives_once_a_round_trip() {
        let mut aimd = Aimd::new(1e6);
        assert!(aimd.update(observed(0, Usage::Over, 8e5, false)));
        assert!((aimd.rate_bps() - 7.15e5).abs() < 1.0);
        assert!(!aimd.update(observed(50, Usage::Over, 6e5, false)));
        assert!(aimd.update(observed(100, Usage::Over, 6e5, false)));
        assert!((aimd.rate_bps() - 5.35e5).abs() < 1.0);
        let at = aimd.rate_bps();
        (2..=12).for_each(|i| _ = aimd.update(observed(i * 100, Usage::Normal, 5e5, false)));
        let risen_bps = aimd.rate_bps() - at;
        assert!((10_000.0..60_000.0).contains(&risen_bps), "little at a time near the limit: {risen_bps}");
        assert!(!aimd.take_outgrown());
        aimd.update(observed(1_300, Usage::Normal, 2e6, false));
        assert!(aimd.take_outgrown() && !aimd.take_outgrown());
    }

    #[test]
    fn it_falls_at_once_to_what_a_full_path_carries_less_what_lets_the_queue_drain() {
        let full = |sent_bps, waiting_us| Observation {
            full: Some(Full { arriving_bps: 4e5, sent_bps }),
            waiting_us,
            ..observed(0, Usage::Over, 1.2e6, true)
        };
        let falls_to = |observation| {
            let mut aimd = Aimd::new(2e6);
            assert!(aimd.update(observation));
            aimd.rate_bps()
        };
        assert!((falls_to(full(1.2e6, 65_000)) - (0.85 * 4e5 - 4e3)).abs() < 1.0, "far less arrives than was sent");
        assert!((falls_to(full(1.2e6, 900_000)) - (0.5 * 4e5 - 4e3)).abs() < 1.0, "something is left");
        assert!(falls_to(full(5e5, 65_000)) > 1.6e6, "that may be a detour, and little was sent");
    }

    #[test]
    fn it_goes_on_with_what_is_known_to_be_carried() {
        let mut aimd = Aimd::new(2e5);
        aimd.raise(0, 3.6e5);
        aimd.raise(0, 1e5);
        assert_eq!(aimd.rate_bps(), 3.6e5);
    }

    #[test]
    fn who_sends_little_neither_gains_nor_loses_much() {
        let mut aimd = Aimd::new(2e6);
        (0..=50).for_each(|i| _ = aimd.update(observed(i * 100, Usage::Normal, 3e5, true)));
        assert_eq!(aimd.rate_bps(), 2e6);
        aimd.update(observed(5_100, Usage::Over, 3e5, true));
        assert!(aimd.rate_bps() > 1.6e6, "one alarm");
        aimd.update(observed(5_300, Usage::Over, 2e5, true));
        aimd.update(observed(5_500, Usage::Over, 2e5, true));
        assert!(aimd.rate_bps() < 2e5, "a queue that goes on growing");
    }
}
