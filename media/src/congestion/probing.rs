//! When to try a higher rate for a moment, and which.
//!
//! After libwebrtc's `modules/congestion_controller/goog_cc/probe_controller.cc`. A probe is for somebody: it begins only
//! while more is wanted than the estimate allows, and tries what the next better picture needs. Never while the queue grows.
//!
//! - At the start two clusters, then twice what was shown for as long as it is shown.
//! - After a fall, and after an outage, the rate of before.
//! - From time to time, the less often the less comes of it.

use super::{Demand, MAX_BPS};
use std::num::NonZeroU8;

/// The first clusters, as multiples of the start rate.
const FIRST: [f64; 2] = [3.0, 6.0];
/// What is needed is tried with this to spare, since what is found is a little less than what was tried.
const MARGIN: f64 = 1.1;
/// The most that is tried, as a multiple of the estimate; while application-limited the path has room to be tried more.
const STEP: f64 = 2.0;
const LIMITED_STEP: f64 = 3.0;
/// A cluster that shows this share of what was tried is followed by the next.
const FOLLOWED: f64 = 0.7;
/// A cluster that raises the estimate by this has succeeded.
const SUCCESS: f64 = 1.05;
/// A cluster's length.
const DURATION_US: f64 = 20_000.0;
const MIN_PACKETS: usize = 5;
/// The time between attempts, which doubles with each that fails.
const MIN_INTERVAL_US: i64 = 3_000_000;
const MAX_INTERVAL_US: i64 = 30_000_000;
/// How long a result is waited for, beside the round trip.
const PATIENCE_US: i64 = 500_000;
/// A fall below this share of the rate before it is worth a probe when the queue has been quiet for so long.
const FALL: f64 = 0.75;
const QUIET_US: i64 = 1_000_000;
/// What is tried of the rate before a fall; the fall may have had its reasons.
const REGAIN: f64 = 0.9;
/// A fall longer ago is how things are.
const FALL_AGE_US: i64 = 10_000_000;

/// Names a cluster; packets that are sent for it carry it. Numbers come again, long after the former's packets are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProbeId(NonZeroU8);

impl ProbeId {
    pub(super) fn after(former: Option<Self>) -> Self {
        Self(former.and_then(|former| former.0.checked_add(1)).unwrap_or(NonZeroU8::MIN))
    }

    pub(super) const fn get(self) -> u8 {
        self.0.get()
    }
}

/// A cluster to be sent now: at least so many bytes and packets, media or padding, at this rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Probe {
    /// Marks its packets.
    pub(crate) id: ProbeId,
    /// All that is sent while it lasts, in bits per second.
    pub(crate) bitrate_bps: u64,
    /// Bytes that make it whole.
    pub(crate) min_bytes: usize,
    /// Packets that make it whole.
    pub(crate) min_packets: usize,
}

/// What is known when a probe is considered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Situation {
    pub(super) now_us: i64,
    pub(super) estimate_bps: f64,
    pub(super) demand: Demand,
    pub(super) is_limited: bool,
    pub(super) is_overused: bool,
    pub(super) rtt_us: i64,
}

impl Situation {
    /// What the next better picture needs, where the estimate does not allow it.
    fn need_bps(&self) -> Option<f64> {
        let is_wanted = self.demand.next_bps > self.demand.sending_bps;
        Some(self.demand.next_bps as f64).filter(|next_bps| is_wanted && *next_bps > self.estimate_bps)
    }

    /// Beyond this nothing is wanted.
    fn ceiling_bps(&self) -> f64 {
        (self.demand.wanted_bps.max(self.demand.next_bps) as f64 * MARGIN).min(MAX_BPS as f64)
    }
}

/// A cluster whose result is awaited.
#[derive(Clone, Copy, Debug)]
struct Awaited {
    id: ProbeId,
    bitrate_bps: f64,
    since_us: i64,
}

/// A fall of the estimate.
#[derive(Clone, Copy, Debug)]
struct Fall {
    from_bps: f64,
    /// When the rate last fell.
    at_us: i64,
}

#[derive(Debug, Default)]
pub(super) struct Probing {
    last_id: Option<ProbeId>,
    has_begun: bool,
    /// Rates to be tried, in this order.
    queue: [Option<f64>; 2],
    /// The two begun last.
    awaited: [Option<Awaited>; 2],
    /// A cluster is being sent until then.
    busy_until_us: i64,
    began_us: i64,
    interval_us: i64,
    fall: Option<Fall>,
}

impl Probing {
    /// Considers what to try.
    pub(super) fn plan(&mut self, situation: Situation) {
        self.give_up(situation);
        if situation.is_overused {
            self.queue = [None; 2];
            return;
        }
        if self.is_busy() {
            return;
        }
        self.regain(situation);
        let Some(need_bps) = situation.need_bps() else { return };
        if !self.has_begun {
            self.has_begun = true;
            self.queue = FIRST.map(|multiple| Some((situation.estimate_bps * multiple).min(situation.ceiling_bps())));
            if self.queue[0] == self.queue[1] {
                self.queue[1] = None;
            }
        } else if !self.is_busy() && situation.now_us - self.began_us >= self.interval_us {
            let step = if situation.is_limited { LIMITED_STEP } else { STEP };
            self.queue[0] = Some((need_bps * MARGIN).min(situation.estimate_bps * step));
        }
    }

    /// The cluster that shall begin now.
    pub(super) fn poll(&mut self, now_us: i64) -> Option<Probe> {
        if now_us < self.busy_until_us {
            return None;
        }
        let bitrate_bps = self.queue[0].take()?;
        self.queue.swap(0, 1);
        let id = ProbeId::after(self.last_id);
        self.last_id = Some(id);
        self.began_us = now_us;
        self.busy_until_us = now_us + DURATION_US as i64;
        self.awaited = [Some(Awaited { id, bitrate_bps, since_us: now_us }), self.awaited[0]];
        let min_bytes = (bitrate_bps / 8e6 * DURATION_US) as usize;
        Some(Probe { id, bitrate_bps: bitrate_bps as u64, min_bytes, min_packets: MIN_PACKETS })
    }

    /// A cluster has shown a rate. `situation` has the estimate of before.
    pub(super) fn on_result(&mut self, situation: Situation, id: ProbeId, rate_bps: f64) {
        let is_it = |awaited: &Option<Awaited>| awaited.is_some_and(|awaited| awaited.id == id);
        let Some(place) = self.awaited.iter_mut().find(|awaited| is_it(awaited)) else { return };
        let Some(awaited) = place.take() else { return };
        if rate_bps < situation.estimate_bps * SUCCESS {
            self.fail();
            return;
        }
        self.interval_us = MIN_INTERVAL_US;
        let next_bps = (rate_bps * STEP).min(situation.ceiling_bps());
        let is_followed = rate_bps > awaited.bitrate_bps * FOLLOWED && next_bps > rate_bps * MARGIN;
        if is_followed && situation.need_bps().is_some() && self.queue == [None; 2] {
            self.queue[0] = Some(next_bps);
        }
    }

    /// The rate falls from this one.
    pub(super) fn on_fall(&mut self, now_us: i64, from_bps: f64) {
        let from_bps = self.fall.map_or(from_bps, |fall| fall.from_bps.max(from_bps));
        self.fall = Some(Fall { from_bps, at_us: now_us });
    }

    /// Tries this rate as soon as may be.
    pub(super) fn restore(&mut self, rate_bps: f64) {
        self.fall = None;
        self.awaited = [None; 2];
        self.queue = [Some(rate_bps), None];
    }

    /// The path has changed for the better: old failures say nothing.
    pub(super) fn hasten(&mut self) {
        self.interval_us = 0;
    }

    /// Whether a cluster is waiting to be sent or answered.
    fn is_busy(&self) -> bool {
        self.queue != [None; 2] || self.awaited.iter().any(Option::is_some)
    }

    fn regain(&mut self, situation: Situation) {
        let Some(fall) = self.fall else { return };
        let quiet_us = situation.now_us - fall.at_us;
        if quiet_us < QUIET_US {
            return;
        }
        if quiet_us > FALL_AGE_US || situation.estimate_bps > fall.from_bps * FALL {
            self.fall = None;
        } else if situation.need_bps().is_some() {
            let rate_bps = (fall.from_bps * REGAIN).min(situation.ceiling_bps());
            self.queue[0] = Some(rate_bps.min(situation.estimate_bps * LIMITED_STEP));
            self.fall = None;
        }
    }

    fn give_up(&mut self, situation: Situation) {
        let since_us = situation.now_us - PATIENCE_US - situation.rtt_us;
        let mut has_failed = false;
        for awaited in &mut self.awaited {
            if awaited.take_if(|awaited| awaited.since_us < since_us).is_some() {
                has_failed = true;
            }
        }
        if has_failed {
            self.fail();
        }
    }

    fn fail(&mut self) {
        self.interval_us = (self.interval_us * 2).clamp(MIN_INTERVAL_US, MAX_INTERVAL_US);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn situation(now_ms: i64, estimate_bps: f64, next_bps: u64) -> Situation {
        Situation {
            now_us: now_ms * 1_000,
            estimate_bps,
            demand: Demand { sending_bps: 100_000, next_bps, wanted_bps: 10_000_000 },
            is_limited: false,
            is_overused: false,
            rtt_us: 50_000,
        }
    }

    /// Plans every 20 ms; when probes begin, in ms, and their rates. None is answered.
    fn run(probing: &mut Probing, from_ms: i64, to_ms: i64, next_bps: u64) -> Vec<(i64, u64)> {
        let mut begun = Vec::new();
        for now_ms in (from_ms..to_ms).step_by(20) {
            probing.plan(situation(now_ms, 500e3, next_bps));
            begun.extend(probing.poll(now_ms * 1_000).map(|probe| (now_ms, probe.bitrate_bps)));
        }
        begun
    }

    #[test]
    fn nothing_is_tried_that_nobody_wants() {
        assert!(run(&mut Probing::default(), 0, 60_000, 400_000).is_empty());
    }

    #[test]
    fn failures_make_it_rare() {
        let begun = run(&mut Probing::default(), 0, 120_000, 800_000);
        assert_eq!(begun.get(..2), Some(&[(0, 1_500_000), (20, 3_000_000)][..]));
        assert!(begun.iter().skip(2).all(|(_, rate_bps)| *rate_bps == 880_000));
        let pauses: Vec<_> = begun.windows(2).map(|pair| (pair[1].0 - pair[0].0) / 1_000).collect();
        assert_eq!(pauses.get(1..), Some(&[6, 12, 24, 30, 30][..]), "the first two failed; {begun:?}");
    }

    #[test]
    fn what_is_shown_is_followed() {
        let mut probing = Probing::default();
        probing.plan(situation(0, 500e3, 800_000));
        let first = probing.poll(0).expect("a probe");
        assert_eq!((first.min_bytes, first.min_packets), (3_750, 5));
        assert!(probing.poll(10_000).is_none(), "the first is being sent");
        let second = probing.poll(20_000).expect("another");
        probing.on_result(situation(100, 500e3, 5_000_000), second.id, 2_900_000.0);
        assert_eq!(probing.poll(100_000).map(|probe| probe.bitrate_bps), Some(5_800_000));
    }

    #[test]
    fn overuse_ends_all_plans_and_a_fall_is_made_good() {
        let mut probing = Probing { has_begun: true, interval_us: MAX_INTERVAL_US, ..Probing::default() };
        probing.restore(2e6);
        probing.plan(Situation { is_overused: true, ..situation(20, 500e3, 800_000) });
        assert!(probing.poll(20_000).is_none());
        probing.on_fall(20_000, 1e6);
        assert_eq!(run(&mut probing, 40, 2_500, 800_000), [(1_020, 900_000)]);
    }
}
