//! A queue that stands: long, but not growing.
//!
//! The trend sees how the delay changes, and a full queue's does not: after a sudden fall of the path's rate, or a start above
//! it, packets would wait for seconds while all looks normal. So the delay is also compared with the least of the latest
//! ten to twenty seconds, which is the path's own; what is beyond it waits in a queue. While that is long the rate is held
//! below what arrives, so that the queue drains within some seconds. No part of libwebrtc's algorithm; the idea is BBR's
//! (Cardwell et al. 2016), that less than what arrives, for a moment, shows the path without its queue.
//!
//! A detour on the way, a jump of the receiver's clock, or a neighbour who fills the queue again looks the same but does not
//! drain. Then the delay is taken for the path's own.

/// Of such spans two are kept: of the path's own delay, and of the present, whose least is free of jitter.
const BASE_SPAN_US: i64 = 10_000_000;
const PRESENT_SPAN_US: i64 = 150_000;
/// Waiting times at which draining begins and ends.
const BEGIN_US: i64 = 120_000;
const END_US: i64 = 40_000;
/// A queue that is shorter than this is none, whatever the trend says.
const NONE_US: i64 = 30_000;
/// A packet that arrived later than the earliest by this has waited.
const WAITED_US: i64 = 15_000;
/// What waits shall have drained after so long, within these shares of what arrives.
const DRAIN_US: f64 = 3_000_000.0;
const MIN_SHARE: f64 = 0.5;
const MAX_SHARE: f64 = 0.85;
/// When a queue has not shrunk to this share of itself in such a time, it is none of ours.
const TRIAL_US: i64 = 3_000_000;
const SHRUNK: f64 = 0.8;
/// A queue that is longer by this than a second before, twice in a row, grows, though too slowly for a trend.
const STEP_US: i64 = 1_000_000;
const CREPT_US: i64 = 7_000;

/// The least of two spans of so many µs.
#[derive(Debug)]
struct Least<const SPAN_US: i64> {
    began_us: i64,
    /// [`UNKNOWN`] without a value.
    present_us: i64,
    former_us: i64,
}

/// Longer than anything takes.
const UNKNOWN: i64 = i64::MAX;

impl<const SPAN_US: i64> Least<SPAN_US> {
    const NEW: Self = Self { began_us: 0, present_us: UNKNOWN, former_us: UNKNOWN };

    fn add(&mut self, at_us: i64, value_us: i64) {
        if at_us - self.began_us >= SPAN_US {
            self.began_us = at_us;
            self.former_us = std::mem::replace(&mut self.present_us, UNKNOWN);
        }
        self.present_us = self.present_us.min(value_us);
    }

    fn get(&self) -> Option<i64> {
        (self.present_us != UNKNOWN).then_some(self.present_us.min(self.former_us))
    }
}

#[derive(Debug)]
pub(super) struct Standing {
    base: Least<BASE_SPAN_US>,
    present: Least<PRESENT_SPAN_US>,
    /// What waited when the present trial began, or at most since then, and when that was.
    draining: Option<(i64, i64)>,
    creep: Creep,
}

/// How a queue has grown, second by second.
#[derive(Debug)]
struct Creep {
    looked_us: i64,
    /// The least that waited in the second before, and in this one.
    former_us: i64,
    present_us: i64,
    /// In so many seconds in a row it has grown.
    steps: u32,
}

impl Standing {
    pub(super) const fn new() -> Self {
        Self {
            base: Least::NEW,
            present: Least::NEW,
            draining: None,
            creep: Creep { looked_us: 0, former_us: 0, present_us: 0, steps: 0 },
        }
    }

    /// Packets were heard of that arrived: `delay_us` is the shortest of their ways, on two clocks.
    pub(super) fn on_heard(&mut self, heard_us: i64, delay_us: i64) {
        self.base.add(heard_us, delay_us);
        self.present.add(heard_us, delay_us);
    }

    /// A packet that was longer on its way has waited.
    pub(super) fn longest_without_waiting_us(&self) -> i64 {
        self.base.get().map_or(i64::MAX, |base_us| base_us.saturating_add(WAITED_US))
    }

    /// How long a packet that was so long on its way has waited, in µs.
    pub(super) fn waited_us(&self, delay_us: i64) -> i64 {
        self.base.get().map_or(0, |base_us| delay_us.saturating_sub(base_us))
    }

    /// How long a packet waits, in µs.
    pub(super) fn waiting_us(&self) -> i64 {
        self.present.get().zip(self.base.get()).map_or(0, |(present_us, base_us)| present_us.saturating_sub(base_us))
    }

    /// Whether anything waits. Where packets pass without waiting now and then, what looked like growth was jitter.
    pub(super) fn is_there(&self) -> bool {
        self.waiting_us() > NONE_US
    }

    /// Whether the queue is to drain.
    pub(super) const fn is_long(&self) -> bool {
        self.draining.is_some()
    }

    /// The share of what arrives that may be sent now, where the queue is long.
    pub(super) fn share(&self) -> Option<f64> {
        self.draining.map(|_| (1.0 - self.waiting_us() as f64 / DRAIN_US).clamp(MIN_SHARE, MAX_SHARE))
    }

    /// Whether a queue that is no longer than it may be has grown for two seconds now, slowly and steadily: a little more is sent than
    /// the path carries. A detour makes one step. It is told once a second.
    pub(super) fn creeps(&mut self, now_us: i64) -> bool {
        let waiting_us = self.waiting_us();
        let creep = &mut self.creep;
        creep.present_us = creep.present_us.min(waiting_us);
        if now_us - creep.looked_us < STEP_US {
            return false;
        }
        let has_grown = creep.present_us.saturating_sub(creep.former_us) >= CREPT_US;
        creep.steps = if has_grown { creep.steps + 1 } else { 0 };
        (creep.looked_us, creep.former_us, creep.present_us) = (now_us, creep.present_us, waiting_us);
        creep.steps >= 2 && self.is_there()
    }

    /// Nothing waits any more.
    pub(super) fn forget_present(&mut self) {
        self.present = Least::NEW;
        self.draining = None;
    }

    pub(super) fn update(&mut self, now_us: i64) {
        let waiting_us = self.waiting_us();
        match self.draining {
            None if waiting_us > BEGIN_US => self.draining = Some((waiting_us, now_us)),
            Some(_) if waiting_us < END_US => self.draining = None,
            Some((before_us, _)) if waiting_us > before_us => self.draining = Some((waiting_us, now_us)),
            Some((before_us, since_us)) if now_us - since_us > TRIAL_US => {
                if waiting_us as f64 > before_us as f64 * SHRUNK {
                    *self = Self::new();
                } else {
                    self.draining = Some((waiting_us, now_us));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets every 20 ms; whether the queue was long after each.
    fn run(standing: &mut Standing, from_ms: i64, to_ms: i64, delay_ms: impl Fn(i64) -> i64) -> Vec<bool> {
        let mut long = Vec::new();
        for now_ms in (from_ms..to_ms).step_by(20) {
            standing.on_heard(now_ms * 1_000, delay_ms(now_ms) * 1_000);
            standing.update(now_ms * 1_000);
            long.push(standing.is_long());
        }
        long
    }

    #[test]
    fn a_long_queue_is_seen_until_it_has_drained() {
        let mut standing = Standing::new();
        assert!(!run(&mut standing, 0, 2_000, |now| 30 + now / 40 % 2 * 150).contains(&true), "jitter");
        assert!(run(&mut standing, 2_000, 3_000, |_| 530).ends_with(&[true; 20]));
        assert!(standing.share().is_some_and(|share| (share - (1.0 - 0.5 / 3.0)).abs() < 0.01));
        assert!(run(&mut standing, 3_000, 4_000, |_| 50).ends_with(&[false; 20]));
        assert_eq!(standing.share(), None);
    }

    #[test]
    fn a_detour_is_soon_taken_for_the_path() {
        let mut standing = Standing::new();
        run(&mut standing, 0, 2_000, |_| 30);
        let long = run(&mut standing, 2_000, 20_000, |_| 330);
        let count = long.iter().filter(|is_long| **is_long).count() as i64;
        assert!(count * 20 < 4_000, "{count}");
    }

    /// Whether it was told that a queue creeps, with packets every 20 ms for so many seconds.
    fn creeps(seconds: i64, delay_ms: impl Fn(i64) -> i64) -> bool {
        let mut standing = Standing::new();
        let mut told = (0..seconds * 1_000).step_by(20).map(|now_ms| {
            standing.on_heard(now_ms * 1_000, delay_ms(now_ms) * 1_000);
            standing.creeps(now_ms * 1_000)
        });
        told.any(|creeps| creeps)
    }

    #[test]
    fn a_queue_that_grows_by_a_hundredth_is_seen_within_some_seconds() {
        assert!(creeps(8, |now| 30 + (now - 2_000).max(0) / 100));
        assert!(creeps(8, |now| 30 + (now - 2_000).max(0) / 100 + now / 40 % 2 * 20), "nor does jitter hide it");
        assert!(!creeps(60, |now| 30 + now / 1_000), "a clock that drifts does not creep");
    }

    #[test]
    fn neither_a_detour_nor_jitter_creeps() {
        assert!(!creeps(60, |now| if now < 30_000 { 30 } else { 70 }));
        assert!(!creeps(60, |now| 30 + now * 7_919 % 101), "jitter of 100 ms");
    }
}
