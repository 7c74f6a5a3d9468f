//! The rate that losses allow.
//!
//! The rules are those of draft-ietf-rmcat-gcc-02 section 6: below 2 % of loss the bound rises, above 10 % it falls by half
//! the loss. They take every loss for a full queue's; a radio path that loses 10 % whatever is sent would be driven to the
//! floor. So two things are added.
//!
//! - While the delay shows no queue the bound falls to a little less than what arrives, at once and no further. That is a
//!   trial: where a policer drops what is too much, nothing is lost then. Where as much is lost as before, that share is the
//!   path's own and is *tolerated*: the rules then go by what is lost beyond it. So is what is lost while far less is sent than was
//!   carried lately, which is a trial that costs nothing.
//! - Windows are short, so what the rules go by is smoothed over some of them: losses come in bursts. Without a queue over more.

use super::MIN_BPS;

/// Packets whose fate makes a window, in a queue's presence and without, and the least time for it. Without a queue there is
/// no haste, and of few packets many may be lost by chance.
const MIN_PACKETS_QUEUED: u32 = 20;
const MIN_PACKETS: u32 = 50;
const MIN_WINDOW_US: i64 = 500_000;
/// Below and above these shares the bound rises and falls.
const LOW: f64 = 0.02;
const HIGH: f64 = 0.10;
/// A rise, a window.
const RISE: f64 = 1.025;
/// While the delay shows no queue the bound falls to so much of the greatest rate that arrived lately.
const CARRIED: f64 = 0.9;
/// But no lower than this where less than this share of what may be sent is: what arrives of a small picture is next to nothing, and says
/// nothing of what could. With less, other pictures would be paused for the trial's sake.
const LEAST_OF_LIMITED_BPS: f64 = 150_000.0;
const FILLED: f64 = 0.7;
/// The greatest loss from which is reckoned what was sent.
const MOST_LOST: f64 = 0.9;
/// The weight of a window in the slow and the fast running average of the loss.
const WEIGHT: f64 = 0.25;
const FAST_WEIGHT: f64 = 0.5;
/// What fades of the greatest rate in a window.
const FADING: f64 = 0.02;
/// What is forgotten, in a window, of what is tolerated and not lost any more.
const FORGETTING: f64 = 0.1;
/// A trial's length, in windows.
const TRIAL_WINDOWS: u32 = 3;
/// The most that is tolerated.
const MAX_TOLERATED: f64 = 0.25;
/// A bound so far above the delay's rate bounds nothing.
const RELEASE: f64 = 1.5;

/// A fall that is watched.
#[derive(Debug)]
struct Trial {
    /// The loss before, as it was smoothed.
    before: f64,
    arrived: u32,
    missing: u32,
    windows: u32,
}

/// What is known of the path beside its losses.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// What the delay allows.
    pub(super) rate_bps: f64,
    /// What arrives.
    pub(super) acknowledged_bps: Option<f64>,
    /// Whether the path's queue grows or is long.
    pub(super) has_queue: bool,
    /// What is allocated, of what there is to send.
    pub(super) sending_bps: f64,
}

#[derive(Debug, Default)]
pub(super) struct Loss {
    arrived: u32,
    missing: u32,
    window_began_us: i64,
    /// Running averages of the share that is lost.
    average: f64,
    fast: f64,
    tolerated: f64,
    carried_bps: f64,
    bound_bps: Option<f64>,
    trial: Option<Trial>,
}

impl Loss {
    /// The bound, where there is one.
    pub(super) const fn bound_bps(&self) -> Option<f64> {
        self.bound_bps
    }

    /// The running average of the share that is lost.
    #[cfg(test)]
    pub(super) const fn fraction(&self) -> f64 {
        self.average
    }

    /// Whether of late more was lost than any path loses now and then.
    pub(super) fn is_noticeable(&self) -> bool {
        self.average >= LOW
    }

    /// The path is another now.
    pub(super) fn release(&mut self) {
        self.bound_bps = None;
        self.trial = None;
    }

    /// The path was shown to carry so much. A trial of less is of no use any more.
    pub(super) fn raise(&mut self, rate_bps: f64) {
        if self.bound_bps.is_some_and(|bound_bps| bound_bps < rate_bps) {
            self.bound_bps = Some(rate_bps);
            self.trial = None;
        }
    }

    /// Counts anew.
    pub(super) fn restart(&mut self) {
        (self.arrived, self.missing) = (0, 0);
    }

    /// Takes the fates of packets. Returns whether the bound fell.
    pub(super) fn update(&mut self, now_us: i64, (arrived, missing): (u32, u32), seen: Seen) -> bool {
        let Seen { rate_bps, acknowledged_bps, has_queue, .. } = seen;
        self.arrived += arrived;
        self.missing += missing;
        let min_packets = if has_queue { MIN_PACKETS_QUEUED } else { MIN_PACKETS };
        if self.arrived + self.missing < min_packets || now_us - self.window_began_us < MIN_WINDOW_US {
            return false;
        }
        self.window_began_us = now_us;
        let (arrived, missing) = (std::mem::take(&mut self.arrived), std::mem::take(&mut self.missing));
        let fraction = f64::from(missing) / f64::from(arrived + missing);
        self.average += WEIGHT * (fraction - self.average);
        self.fast += FAST_WEIGHT * (fraction - self.fast);
        self.carried_bps = acknowledged_bps.unwrap_or_default().max(self.carried_bps * (1.0 - FADING));
        // What was tolerated and is not lost any more is the path's own no longer.
        self.tolerated += FORGETTING * (self.average.max(self.fast) - self.tolerated).min(0.0);
        if !has_queue && seen.sending_bps < FILLED * self.carried_bps {
            // What is lost of less than was carried lately is the path's own.
            self.tolerated = self.tolerated.max(self.average.min(MAX_TOLERATED));
        }
        self.go_on_with_trial(arrived, missing);

        // In a queue's presence no loss is the path's own.
        let (lost, tolerated) = if has_queue { (self.fast, 0.0) } else { (self.average, self.tolerated) };
        let excess = ((lost - tolerated) / (1.0 - tolerated)).max(0.0);
        let former_bps = self.bound_bps;
        if excess > HIGH {
            self.fall(excess, seen);
        } else if excess < LOW {
            self.bound_bps = self.bound_bps.map(|bound_bps| bound_bps.max(self.carried_bps * CARRIED) * RISE);
        }
        self.bound_bps = self.bound_bps.filter(|bound_bps| *bound_bps < rate_bps * RELEASE);
        let is_lower = |bound_bps| former_bps.is_none_or(|former_bps| bound_bps < former_bps) && bound_bps < rate_bps;
        self.bound_bps.is_some_and(is_lower)
    }

    fn fall(&mut self, excess: f64, seen: Seen) {
        let present_bps = self.bound_bps.map_or(seen.rate_bps, |bound_bps| bound_bps.min(seen.rate_bps));
        if seen.has_queue {
            self.bound_bps = Some((present_bps * (1.0 - 0.5 * excess)).max(MIN_BPS as f64));
        } else if self.trial.is_none() && self.carried_bps > 0.0 {
            // What is allocated may have just become more; what was sent tells from what arrived.
            let sent_bps = self.carried_bps / (1.0 - self.average.min(MOST_LOST));
            let is_limited = seen.sending_bps.min(sent_bps) < FILLED * present_bps;
            let least_bps = if is_limited { LEAST_OF_LIMITED_BPS } else { 0.0 };
            self.bound_bps = Some(present_bps.min((CARRIED * self.carried_bps).max(least_bps)));
            self.trial = Some(Trial { before: self.fast, arrived: 0, missing: 0, windows: 0 });
        }
    }

    fn go_on_with_trial(&mut self, arrived: u32, missing: u32) {
        let Some(mut trial) = self.trial.take() else { return };
        trial.windows += 1;
        // Of the first window most was sent before the fall.
        if trial.windows > 1 {
            trial.arrived += arrived;
            trial.missing += missing;
        }
        if trial.windows <= TRIAL_WINDOWS {
            self.trial = Some(trial);
            return;
        }
        let after = f64::from(trial.missing) / f64::from((trial.arrived + trial.missing).max(1));
        if after > LOW {
            self.tolerated = self.tolerated.max(after.min(MAX_TOLERATED));
        }
        // The fall was of no use.
        if after > trial.before / 2.0 {
            self.bound_bps = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(rate_bps: f64, acknowledged_bps: f64) -> Seen {
        Seen { rate_bps, acknowledged_bps: Some(acknowledged_bps), has_queue: false, sending_bps: rate_bps }
    }

    /// Runs windows of 100 packets; `carries` says what arrives of a rate. Returns the rate after each.
    fn run(loss: &mut Loss, windows: i64, rate_bps: f64, carries: impl Fn(f64, i64) -> f64) -> Vec<f64> {
        let mut rates = Vec::new();
        for window in 0..windows {
            let sent_bps = loss.bound_bps().unwrap_or(rate_bps).min(rate_bps);
            let arrives_bps = carries(sent_bps, window).min(sent_bps);
            let missing = ((1.0 - arrives_bps / sent_bps) * 100.0).round() as u32;
            let now_us = loss.window_began_us + MIN_WINDOW_US;
            loss.update(now_us, (100 - missing, missing), seen(rate_bps, arrives_bps));
            rates.push(sent_bps);
        }
        rates
    }

    #[test]
    fn a_policer_is_found() {
        let mut loss = Loss::default();
        let rates = run(&mut loss, 60, 2e6, |_, _| 1e6);
        assert!(rates.iter().skip(20).all(|rate| (0.85e6..1.2e6).contains(rate)), "{rates:?}");
    }

    #[test]
    fn a_share_that_is_always_lost_is_tolerated() {
        for share in [0.05, 0.12, 0.2] {
            let mut loss = Loss::default();
            let rates = run(&mut loss, 60, 1e6, |rate, _| rate * (1.0 - share));
            assert!(rates.iter().all(|rate| *rate > 0.65e6), "{share}: {rates:?}");
            assert!(rates.iter().skip(40).all(|rate| *rate > 0.95e6), "{share}: {rates:?}");
        }
    }

    #[test]
    fn bursts_cost_little() {
        let (mut loss, mut random) = (Loss::default(), 1u64);
        let mut sum_bps = 0.0;
        for window in 1..=400 {
            // Of sixty packets a tenth is lost, in bursts of five: none to four of those.
            let bursts = (0..12).filter(|_| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                random >> 33 < (1 << 31) / 10
            });
            let missing = 5 * bursts.count() as u32;
            let sent_bps = loss.bound_bps().unwrap_or(1e6).min(1e6);
            loss.update(window * MIN_WINDOW_US, (60 - missing, missing), seen(1e6, 0.9 * sent_bps));
            sum_bps += sent_bps;
        }
        assert!(sum_bps / 400.0 > 0.94e6, "{} on the mean", sum_bps / 400.0);
    }

    #[test]
    fn what_is_lost_of_less_than_was_carried_is_tolerated() {
        let falls = |sending_bps: f64| {
            let mut loss = Loss::default();
            loss.update(MIN_WINDOW_US, (100, 0), seen(1e6, 1e6));
            let lossy = Seen { sending_bps, ..seen(1e6, 0.8 * sending_bps) };
            (2..8).any(|window| loss.update(window * MIN_WINDOW_US, (80, 20), lossy))
        };
        assert!(!falls(0.3e6), "a lower picture alone is sent, and loses a fifth");
        assert!(falls(0.9e6));
    }

    #[test]
    fn who_sends_next_to_nothing_is_not_bound_to_that() {
        let mut loss = Loss::default();
        let limited = Seen { sending_bps: 25e3, ..seen(2e6, 20e3) };
        assert!(loss.update(MIN_WINDOW_US, (50, 50), limited));
        assert_eq!(loss.bound_bps(), Some(LEAST_OF_LIMITED_BPS));
        let mut loss = Loss::default();
        assert!(loss.update(MIN_WINDOW_US, (50, 50), Seen { sending_bps: 2e6, ..limited }));
        assert_eq!(loss.bound_bps(), Some(LEAST_OF_LIMITED_BPS), "nor who has just been allowed more");
        let mut loss = Loss::default();
        assert!(loss.update(MIN_WINDOW_US, (50, 50), seen(2e6, 1e6)));
        assert_eq!(loss.bound_bps(), Some(CARRIED * 1e6), "who sends all that it may is");
    }

    #[test]
    fn what_was_shown_lifts_the_bound_by_so_much() {
        let mut loss = Loss::default();
        loss.update(MIN_WINDOW_US, (50, 50), seen(2e6, 0.5e6));
        loss.raise(0.3e6);
        assert_eq!(loss.bound_bps(), Some(0.45e6));
        loss.raise(0.9e6);
        assert_eq!(loss.bound_bps(), Some(0.9e6));
    }

    #[test]
    fn with_a_queue_it_falls_by_half_the_loss() {
        let mut loss = Loss::default();
        let queued = Seen { has_queue: true, ..seen(1e6, 1e6) };
        loss.update(MIN_WINDOW_US, (60, 40), queued);
        assert!(loss.bound_bps().is_some_and(|bound| (bound - 0.9e6).abs() < 1.0));
        loss.update(2 * MIN_WINDOW_US, (5, 5), queued);
        assert!(loss.bound_bps().is_some_and(|bound| (bound - 0.9e6).abs() < 1.0), "too few packets");
    }
}
