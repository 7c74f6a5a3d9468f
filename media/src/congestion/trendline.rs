//! Whether the path's queue grows: the slope of the delay, against a threshold that follows the path's own noise.
//!
//! libwebrtc's `modules/congestion_controller/goog_cc/trendline_estimator.cc`, with its parameters; the threshold is that of
//! Carlucci et al. 2016, section 4.2, and draft-ietf-rmcat-gcc-02 section 5.4. A fixed threshold would starve beside flows
//! that fill queues, and would call a jittering path congested.

use super::groups::Spacing;

/// Groups in the regression.
const WINDOW: usize = 20;
/// Sums that are added up side by side.
const LANES: usize = 4;

const _: () = assert!(WINDOW.is_multiple_of(LANES));

/// The share of the former value in the smoothed delay.
const SMOOTHING: f64 = 0.9;
/// What brings the slope to the threshold's scale.
const GAIN: f64 = 4.0;
/// The slope counts in proportion to the groups seen, up to so many.
const MAX_DELTAS: u32 = 60;
/// How long the slope must lie above the threshold.
const OVERUSE_MS: f64 = 10.0;
const INITIAL_THRESHOLD_MS: f64 = 12.5;
const MIN_THRESHOLD_MS: f64 = 6.0;
const MAX_THRESHOLD_MS: f64 = 600.0;
/// The threshold's gains, per ms: it rises slowly towards a higher slope, and falls faster.
const K_UP: f64 = 0.008_7;
const K_DOWN: f64 = 0.039;
/// A slope so far above the threshold is a sudden change of the path, which is no noise to get used to.
const MAX_ADAPT_OFFSET_MS: f64 = 15.0;
/// Longest time that the threshold moves by at once.
const MAX_STEP_MS: f64 = 100.0;
/// No spacing counts for more: a path that stood still does not fill a minute's arithmetic.
const MAX_DELTA_MS: f64 = 10_000.0;

/// What the path's queue does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Stays as it is.
    #[default]
    Normal,
    /// Grows.
    Over,
    /// Drains.
    Under,
}

#[derive(Debug)]
pub(super) struct Trendline {
    /// Arrival since the first in ms, and smoothed delay in ms; in a circle, `at` is the oldest once it is full.
    arrivals_ms: [f64; WINDOW],
    delays_ms: [f64; WINDOW],
    at: usize,
    deltas: u32,
    first_arrival_us: i64,
    delay_ms: f64,
    smoothed_ms: f64,
    trend: f64,
    threshold_ms: f64,
    last_update_ms: Option<f64>,
    /// How long the slope has been above the threshold, and in how many groups.
    over: Option<(f64, u32)>,
    usage: Usage,
}

impl Trendline {
    pub(super) const fn new() -> Self {
        Self {
            arrivals_ms: [0.0; WINDOW],
            delays_ms: [0.0; WINDOW],
            at: 0,
            deltas: 0,
            first_arrival_us: 0,
            delay_ms: 0.0,
            smoothed_ms: 0.0,
            trend: 0.0,
            threshold_ms: INITIAL_THRESHOLD_MS,
            last_update_ms: None,
            over: None,
            usage: Usage::Normal,
        }
    }

    pub(super) const fn usage(&self) -> Usage {
        self.usage
    }

    /// Milliseconds by which the delay grows in a millisecond.
    #[cfg(test)]
    pub(super) const fn trend(&self) -> f64 {
        self.trend
    }

    /// Forgets the delays, but not what the threshold has learnt of the path's noise.
    pub(super) fn reset(&mut self) {
        *self = Self { threshold_ms: self.threshold_ms, ..Self::new() };
    }

    pub(super) fn on_spacing(&mut self, spacing: Spacing) {
        if self.deltas == 0 {
            self.first_arrival_us = spacing.arrival_us;
        }
        self.deltas = (self.deltas + 1).min(1_000);
        let delta_ms = (spacing.arrived_us - spacing.sent_us) as f64 / 1e3;
        self.delay_ms += delta_ms.clamp(-MAX_DELTA_MS, MAX_DELTA_MS);
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.delay_ms;
        let arrival_ms = (spacing.arrival_us - self.first_arrival_us) as f64 / 1e3;
        if let (Some(arrival), Some(delay)) = (self.arrivals_ms.get_mut(self.at), self.delays_ms.get_mut(self.at)) {
            (*arrival, *delay) = (arrival_ms, self.smoothed_ms);
        }
        self.at = if self.at + 1 == WINDOW { 0 } else { self.at + 1 };
        let former = self.trend;
        if self.deltas >= WINDOW as u32 {
            self.trend = slope(&self.arrivals_ms, &self.delays_ms).unwrap_or(self.trend);
        }
        self.detect(former, spacing.sent_us as f64 / 1e3, arrival_ms);
    }

    fn detect(&mut self, former: f64, sent_apart_ms: f64, now_ms: f64) {
        if self.deltas < 2 {
            return;
        }
        let level_ms = f64::from(self.deltas.min(MAX_DELTAS)) * self.trend * GAIN;
        if level_ms > self.threshold_ms {
            let (over_ms, groups) = self.over.map_or((sent_apart_ms / 2.0, 1), |(ms, n)| (ms + sent_apart_ms, n + 1));
            self.over = Some((over_ms, groups));
            if over_ms > OVERUSE_MS && groups > 1 && self.trend >= former {
                self.over = Some((0.0, 0));
                self.usage = Usage::Over;
            }
        } else {
            self.over = None;
            self.usage = if level_ms < -self.threshold_ms { Usage::Under } else { Usage::Normal };
        }
        self.adapt(level_ms.abs(), now_ms);
    }

    fn adapt(&mut self, level_ms: f64, now_ms: f64) {
        let elapsed_ms = (now_ms - self.last_update_ms.replace(now_ms).unwrap_or(now_ms)).clamp(0.0, MAX_STEP_MS);
        if level_ms > self.threshold_ms + MAX_ADAPT_OFFSET_MS {
            return;
        }
        let k = if level_ms < self.threshold_ms { K_DOWN } else { K_UP };
        let threshold_ms = self.threshold_ms + k * (level_ms - self.threshold_ms) * elapsed_ms;
        self.threshold_ms = threshold_ms.clamp(MIN_THRESHOLD_MS, MAX_THRESHOLD_MS);
    }
}

/// The least-squares slope of points; `None` where all are at one place. It is made for every group of packets, so sums have
/// [`LANES`] parts: an addition does not wait for the one before.
fn slope(xs: &[f64; WINDOW], ys: &[f64; WINDOW]) -> Option<f64> {
    let (mean_x, mean_y) = (mean(xs), mean(ys));
    let (mut covariance, mut variance) = ([0.0; LANES], [0.0; LANES]);
    for (x, y) in xs.chunks_exact(LANES).zip(ys.chunks_exact(LANES)) {
        let sums = covariance.iter_mut().zip(&mut variance);
        for ((covariance, variance), (x, y)) in sums.zip(x.iter().zip(y)) {
            let dx = x - mean_x;
            *covariance += dx * (y - mean_y);
            *variance += dx * dx;
        }
    }
    let (covariance, variance) = (total(covariance), total(variance));
    (variance > 0.0).then(|| covariance / variance)
}

fn mean(values: &[f64; WINDOW]) -> f64 {
    let mut sums = [0.0; LANES];
    for values in values.chunks_exact(LANES) {
        sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
    }
    total(sums) / WINDOW as f64
}

const fn total([a, b, c, d]: [f64; LANES]) -> f64 {
    (a + b) + (c + d)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups 20 ms apart, each delayed `delay_us` more than the one before.
    fn feed(trendline: &mut Trendline, from: i64, count: i64, mut delta_us: impl FnMut(i64) -> i64) -> Vec<Usage> {
        let mut arrival_us = from * 20_000;
        let mut usages = Vec::new();
        for i in 0..count {
            let arrived_us = 20_000 + delta_us(i);
            arrival_us += arrived_us;
            trendline.on_spacing(Spacing { sent_us: 20_000, arrived_us, arrival_us });
            usages.push(trendline.usage());
        }
        usages
    }

    #[test]
    fn a_steady_path_is_normal_and_a_growing_queue_is_not() {
        let mut trendline = Trendline::new();
        assert!(feed(&mut trendline, 0, 100, |_| 0).iter().all(|usage| *usage == Usage::Normal));
        let usages = feed(&mut trendline, 100, 30, |_| 2_000);
        assert!(usages.iter().take(15).any(|usage| *usage == Usage::Over), "{usages:?}");
        assert!(trendline.trend() > 0.05);
        let usages = feed(&mut trendline, 130, 40, |_| -2_000);
        assert!(usages.contains(&Usage::Under));
        feed(&mut trendline, 170, 60, |_| 0);
        assert_eq!(trendline.usage(), Usage::Normal);
    }

    #[test]
    fn the_threshold_gets_used_to_noise() {
        let mut trendline = Trendline::new();
        feed(&mut trendline, 0, 400, |_| 0);
        assert!(trendline.threshold_ms < 6.1);
        // Delays of 0 to 64 ms, without order.
        let mut state = 1u32;
        let mut former_us = 0;
        let usages = feed(&mut trendline, 400, 2_000, |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let delay_us = i64::from(state >> 16);
            delay_us - std::mem::replace(&mut former_us, delay_us)
        });
        let over = |usages: &[Usage]| usages.iter().filter(|usage| **usage == Usage::Over).count();
        let (early, late) = usages.split_at(200);
        assert!(
            over(late) * 4 < late.len(),
            "{} of {}, then {} of {}",
            over(early),
            early.len(),
            over(late),
            late.len()
        );
    }

    #[test]
    fn absurd_times_leave_numbers_finite() {
        let mut trendline = Trendline::new();
        for (arrived_us, arrival_us) in
            [(i64::MAX / 4, i64::MAX / 4), (0, -(i64::MAX / 4)), (-(i64::MAX / 4), 0)].repeat(40)
        {
            trendline.on_spacing(Spacing { sent_us: 0, arrived_us, arrival_us });
            assert!(trendline.trend().is_finite() && trendline.threshold_ms.is_finite());
        }
    }
}
