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
/// What is tried at least, as a multiple of the estimate, where more than the next step is wanted.
const FURTHER: f64 = 1.5;
/// The most that is tried, as a multiple of all that is wanted.
const ROOM: f64 = 1.5;
/// The most that is tried, as a multiple of the estimate; while application-limited the path has room to be tried more.
const STEP: f64 = 2.0;
const LIMITED_STEP: f64 = 3.0;
/// Where packets arrive this unevenly a cluster shows little for sure, so less is tried.
const UNEVEN_US: i64 = 15_000;
const UNEVEN_STEP: f64 = 1.5;
/// A cluster that shows this share of what was tried is followed by the next; but on a slow path not at once.
const FOLLOWED: f64 = 0.7;
/// A cluster that raises the estimate by this has succeeded.
const SUCCESS: f64 = 1.05;
/// A cluster's length: so much as the path's jitter, within these, since jitter may press a shorter one together.
const JITTERS: i64 = 4;
const MIN_DURATION_US: i64 = 25_000;
const MAX_DURATION_US: i64 = 100_000;
/// The same on a slow path, where a frame's own length is most of the jitter.
const MAX_SLOW_DURATION_US: i64 = 40_000;
const MIN_PACKETS: usize = 5;
/// The time between attempts, which doubles with each that fails.
const MIN_INTERVAL_US: i64 = 1_500_000;
const MAX_INTERVAL_US: i64 = 4_000_000;
/// So many times as long on a path so slow that each attempt makes the sound wait for a while.
const SELDOM: i64 = 2;
const SLOW_BPS: f64 = 200_000.0;
/// The same for those that were found to lie: a stream that follows them loses.
const MAX_LIE_INTERVAL_US: i64 = 5_000_000;
/// The same after one that showed nothing, by loss or by bad luck, for so many in a row.
const RETRY_INTERVAL_US: i64 = 1_000_000;
const RETRIES: u32 = 3;
/// How long a result is waited for, beside the round trip.
const PATIENCE_US: i64 = 500_000;
/// A fall below this share of the rate before it is worth a probe when the queue has been quiet for so long.
const FALL: f64 = 0.75;
const QUIET_US: i64 = 1_000_000;
/// What is tried of the rate before a fall; the fall may have had its reasons.
const REGAIN: f64 = 0.9;
/// A fall so soon after a success shows that the cluster was let through where a stream is not: by a policer's tokens, or
/// pressed together by jitter.
const LIE_US: i64 = 3_000_000;
/// A fall longer ago is how things are.
const FALL_AGE_US: i64 = 10_000_000;

/// Names a cluster; packets that are sent for it carry it. Numbers come again, long after the former's packets are forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProbeId(NonZeroU8);

impl ProbeId {
    pub(crate) fn after(former: Option<Self>) -> Self {
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
    /// How unevenly packets arrive.
    pub(super) jitter_us: i64,
    /// Whether packets wait on the path.
    pub(super) has_queue: bool,
}

impl Situation {
    /// What the next better picture needs, where the estimate does not allow all that is wanted: a picture that may not become better
    /// yet, since that has failed, may as soon as there is more room than then.
    fn need_bps(&self) -> Option<f64> {
        let is_wanted = self.demand.next_bps > self.demand.sending_bps;
        let is_lacking = self.demand.wanted_bps as f64 > self.estimate_bps;
        Some(self.demand.next_bps as f64).filter(|_| is_wanted && is_lacking)
    }

    /// The most that is tried, as a multiple of what is known.
    const fn step(&self) -> f64 {
        if self.jitter_us > UNEVEN_US {
            UNEVEN_STEP
        } else if self.is_limited {
            LIMITED_STEP
        } else {
            STEP
        }
    }

    /// What is tried, where so much is needed. More than that as far as it may be of use: a result that holds the next steps too
    /// saves their probes.
    fn target_bps(&self, need_bps: f64) -> f64 {
        let wanted_bps = (need_bps * MARGIN).max(self.estimate_bps * FURTHER);
        wanted_bps.min(self.estimate_bps * self.step()).min(self.ceiling_bps())
    }

    /// Beyond this nothing is of use: what is wanted, and as much again by half, so that key frames need not be spread thin.
    fn ceiling_bps(&self) -> f64 {
        (self.demand.wanted_bps.max(self.demand.next_bps) as f64 * ROOM).min(MAX_BPS as f64)
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
    /// Attempts in a row that showed nothing.
    blanks: u32,
    /// Of the next cluster.
    duration_us: i64,
    fall: Option<Fall>,
    /// When clusters last raised the estimate, and the interval before the first of them.
    raise: Option<(i64, i64)>,
}

impl Probing {
    /// Considers what to try.
    pub(super) fn plan(&mut self, situation: Situation) {
        self.give_up(situation);
        let is_slow = situation.estimate_bps < SLOW_BPS;
        let (most_us, times) = if is_slow { (MAX_SLOW_DURATION_US, SELDOM) } else { (MAX_DURATION_US, 1) };
        self.duration_us = (JITTERS * situation.jitter_us).clamp(MIN_DURATION_US, most_us);
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
            return;
        }
        // A slow path where packets wait is full: a packet or two more make them wait for as long again.
        let is_full = is_slow && situation.has_queue;
        let is_due = situation.now_us - self.began_us >= times * self.interval_us;
        if is_due && !self.is_busy() && !is_full {
            self.queue[0] = Some(situation.target_bps(need_bps));
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
        self.busy_until_us = now_us + self.duration_us;
        self.awaited = [Some(Awaited { id, bitrate_bps, since_us: now_us }), self.awaited[0]];
        let min_bytes = (bitrate_bps / 8e6 * self.duration_us as f64) as usize;
        Some(Probe { id, bitrate_bps: bitrate_bps as u64, min_bytes, min_packets: MIN_PACKETS })
    }

    /// A cluster has shown a rate. `situation` has the estimate of before.
    pub(super) fn on_result(&mut self, situation: Situation, id: ProbeId, rate_bps: f64) {
        let is_it = |awaited: &Option<Awaited>| awaited.is_some_and(|awaited| awaited.id == id);
        let Some(place) = self.awaited.iter_mut().find(|awaited| is_it(awaited)) else { return };
        let Some(awaited) = place.take() else { return };
        if rate_bps < situation.estimate_bps * SUCCESS {
            // Where nothing waits the path was not full: the packets were only late.
            if situation.has_queue {
                self.fail(MAX_INTERVAL_US);
            } else {
                self.on_blank();
            }
            return;
        }
        self.blanks = 0;
        let before_us = self.recent_raise(situation.now_us).unwrap_or(self.interval_us);
        self.raise = Some((situation.now_us, before_us));
        self.interval_us = MIN_INTERVAL_US;
        let next_bps = (rate_bps * situation.step().min(STEP)).min(situation.ceiling_bps());
        let is_shown = rate_bps > awaited.bitrate_bps * FOLLOWED && rate_bps >= SLOW_BPS;
        let is_followed = is_shown && next_bps > rate_bps * MARGIN;
        if is_followed && situation.need_bps().is_some() && self.queue == [None; 2] {
            self.queue[0] = Some(next_bps);
        }
    }

    /// The rate falls from this one.
    pub(super) fn on_fall(&mut self, now_us: i64, from_bps: f64) {
        if let Some(before_us) = self.recent_raise(now_us) {
            self.raise = None;
            self.interval_us = before_us;
            self.fail(MAX_LIE_INTERVAL_US);
            return;
        }
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
    pub(super) fn is_busy(&self) -> bool {
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
            self.queue[0] = Some(rate_bps.min(situation.estimate_bps * situation.step().max(STEP)));
            self.fall = None;
        }
    }

    fn give_up(&mut self, situation: Situation) {
        let since_us = situation.now_us - PATIENCE_US - situation.rtt_us;
        let mut is_blank = false;
        for awaited in &mut self.awaited {
            if awaited.take_if(|awaited| awaited.since_us < since_us).is_some() {
                is_blank = true;
            }
        }
        if is_blank {
            self.on_blank();
        }
    }

    fn on_blank(&mut self) {
        if self.blanks >= RETRIES {
            self.fail(MAX_INTERVAL_US);
            return;
        }
        self.blanks += 1;
        // As if it had begun so much earlier that the next is due soon.
        self.began_us -= (self.interval_us - RETRY_INTERVAL_US).max(0);
    }

    /// The interval before the latest successes, when they were just now.
    fn recent_raise(&self, now_us: i64) -> Option<i64> {
        self.raise.filter(|(at_us, _)| now_us - at_us < LIE_US).map(|(_, before_us)| before_us)
    }

    fn fail(&mut self, most_us: i64) {
        let most_us = most_us.max(self.interval_us);
        self.interval_us = (self.interval_us * 2).clamp(MIN_INTERVAL_US, most_us);
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
            jitter_us: 0,
            has_queue: false,
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
        let satisfied = Demand { sending_bps: 400_000, next_bps: 400_000, wanted_bps: 400_000 };
        let mut probing = Probing::default();
        for now_ms in (0..60_000).step_by(20) {
            probing.plan(Situation { demand: satisfied, ..situation(now_ms, 500e3, 0) });
            assert_eq!(probing.poll(now_ms * 1_000), None);
        }
    }

    #[test]
    fn what_has_room_and_waits_is_no_end() {
        assert!(run(&mut Probing::default(), 0, 60_000, 400_000).len() > 10, "more than that is wanted");
    }

    #[test]
    fn failures_make_it_rarer() {
        let begun = run(&mut Probing::default(), 0, 120_000, 800_000);
        assert_eq!(begun.get(..2), Some(&[(0, 1_500_000), (40, 3_000_000)][..]));
        assert!(begun.iter().skip(2).all(|(_, rate_bps)| *rate_bps == 880_000));
        let pauses: Vec<_> = begun.windows(2).map(|pair| (pair[1].0 - pair[0].0) / 1_000).collect();
        assert_eq!(pauses.get(..4), Some(&[0, 0, 0, 1][..]), "nothing was shown; {begun:?}");
        assert_eq!(pauses.get(4..8), Some(&[3, 4, 4, 4][..]), "{begun:?}");
    }

    #[test]
    fn a_slow_path_is_not_tried_while_it_is_full() {
        let begins = |estimate_bps: f64, has_queue: bool| {
            let mut probing = Probing { has_begun: true, interval_us: MAX_INTERVAL_US, ..Probing::default() };
            let mut begins = |now_ms: i64| {
                probing.plan(Situation { has_queue, ..situation(now_ms, estimate_bps, 800_000) });
                probing.poll(now_ms * 1_000).is_some()
            };
            (0..30_000).step_by(20).any(&mut begins)
        };
        assert!(!begins(100e3, true) && begins(100e3, false));
        assert!(begins(500e3, true), "where it is not, the next layer is found in no other way");
    }

    #[test]
    fn a_slow_path_is_tried_seldom_and_for_a_moment() {
        let last_pause_ms = |estimate_bps: f64, next_bps: u64| {
            let (mut probing, mut begun_ms) = (Probing::default(), Vec::new());
            for now_ms in (0..60_000).step_by(20) {
                probing.plan(Situation { jitter_us: 20_000, ..situation(now_ms, estimate_bps, next_bps) });
                begun_ms.extend(probing.poll(now_ms * 1_000).map(|_| now_ms));
            }
            let pauses: Vec<_> = begun_ms.windows(2).map(|pair| pair[1] - pair[0]).collect();
            pauses.last().copied().expect("several")
        };
        let usual_ms = last_pause_ms(500e3, 800_000);
        assert_eq!(usual_ms, MAX_INTERVAL_US / 1_000);
        assert_eq!(last_pause_ms(100e3, 150_000), SELDOM * usual_ms);

        let mut probing = Probing::default();
        let slow = Situation { jitter_us: 20_000, ..situation(0, 100e3, 150_000) };
        probing.plan(slow);
        let first = probing.poll(0).expect("a probe");
        assert_eq!(first.min_bytes, 300_000 / 8 * 40 / 1_000);
        probing.queue = [None; 2];
        probing.on_result(slow, first.id, 190_000.0);
        assert_eq!(probing.poll(100_000), None, "all that it has shown is a slow path");
    }

    #[test]
    fn what_is_shown_is_followed() {
        let mut probing = Probing::default();
        probing.plan(situation(0, 500e3, 800_000));
        let first = probing.poll(0).expect("a probe");
        assert_eq!((first.min_bytes, first.min_packets), (4_687, 5));
        assert!(probing.poll(10_000).is_none(), "the first is being sent");
        let second = probing.poll(25_000).expect("another");
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
        assert_eq!(run(&mut probing, 40, 2_500, 800_000).first(), Some(&(1_020, 900_000)));
    }
}
