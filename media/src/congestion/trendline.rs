//! Whether the path's queue grows: the slope of the delay, against a threshold that follows the path's own noise.
//!
//! libwebrtc's `modules/congestion_controller/goog_cc/trendline_estimator.cc`, with its parameters; the threshold is that of
//! Carlucci et al. 2016, section 4.2, and draft-ietf-rmcat-gcc-02 section 5.4. A fixed threshold would starve beside flows
//! that fill queues, and would call a jittering path congested.

use super::groups::Spacing;

/// Groups in the regression.
const WINDOW: usize = 20;
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
/// Arrivals that vary by less, squared and as often as there are groups, are at one place: the rest is rounding.
const LEAST_VARIANCE: f64 = 1.0;
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
    /// In a circle, `at` is the oldest once it is full.
    points: [Point; WINDOW],
    at: usize,
    /// Of all points, once there are so many.
    sums: Sums,
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
            points: [Point::ZERO; WINDOW],
            at: 0,
            sums: Sums::ZERO,
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
        let arrival_us = (spacing.arrival_us - self.first_arrival_us) as u32;
        self.add(Point { arrival_us, delay_ms: self.smoothed_ms as f32 });
        let former = self.trend;
        if self.deltas >= WINDOW as u32 {
            self.trend = self.sums.slope().unwrap_or(self.trend);
        }
        self.detect(former, spacing.sent_us as f64 / 1e3, arrival_ms);
    }

    /// Takes a point in place of the oldest.
    fn add(&mut self, point: Point) {
        let Some(place) = self.points.get_mut(self.at) else { return };
        let oldest = std::mem::replace(place, point);
        self.at += 1;
        if self.at == WINDOW {
            self.at = 0;
            self.sums = Sums::of(&self.points);
        } else {
            self.sums.exchange(oldest, point);
        }
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

/// A group of packets. It is small, since participants' trends are not in the cache when they are asked for.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// In µs since the first group, modulo 2^32.
    arrival_us: u32,
    /// Smoothed.
    delay_ms: f32,
}

impl Point {
    const ZERO: Self = Self { arrival_us: 0, delay_ms: 0.0 };

    /// How much later it arrived than another one, in ms, and how much longer it was on its way.
    fn since(self, origin: Self) -> (f64, f64) {
        let arrival_us = self.arrival_us.wrapping_sub(origin.arrival_us) as i32;
        (f64::from(arrival_us) / 1e3, f64::from(self.delay_ms) - f64::from(origin.delay_ms))
    }
}

/// What the least-squares slope of [`WINDOW`] points is made of. It is asked for with every group of packets, so points come and go one by
/// one; with each round of the circle all is added up anew, around another origin, lest rounding add up.
#[derive(Clone, Copy, Debug)]
struct Sums {
    origin: Point,
    x: f64,
    y: f64,
    xx: f64,
    xy: f64,
}

impl Sums {
    const ZERO: Self = Self { origin: Point::ZERO, x: 0.0, y: 0.0, xx: 0.0, xy: 0.0 };

    fn of(points: &[Point; WINDOW]) -> Self {
        let mut sums = Self { origin: points[0], ..Self::ZERO };
        points.iter().for_each(|point| sums.add(*point, 1.0));
        sums
    }

    fn exchange(&mut self, former: Point, point: Point) {
        self.add(former, -1.0);
        self.add(point, 1.0);
    }

    fn add(&mut self, point: Point, sign: f64) {
        let (x, y) = point.since(self.origin);
        self.x += sign * x;
        self.y += sign * y;
        self.xx += sign * x * x;
        self.xy += sign * x * y;
    }

    /// `None` where all points are at one place.
    fn slope(&self) -> Option<f64> {
        let count = WINDOW as f64;
        let (covariance, variance) = (count * self.xy - self.x * self.y, count * self.xx - self.x * self.x);
        (variance > LEAST_VARIANCE).then(|| covariance / variance)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn the_slope_is_that_of_the_latest_points(spacings in prop::collection::vec((1_000i64..200_000, -50_000i64..50_000), 20..400)) {
            let mut trendline = Trendline::new();
            let mut arrival_us = 0;
            for (sent_us, more_us) in spacings {
                arrival_us += (sent_us + more_us).max(0);
                trendline.on_spacing(Spacing { sent_us, arrived_us: sent_us + more_us, arrival_us });
            }
            let points = trendline.points;
            let mean = |of: fn(&Point) -> f64| points.iter().map(of).sum::<f64>() / WINDOW as f64;
            let (mean_x, mean_y) = (mean(|point| point.since(Point::ZERO).0), mean(|point| point.since(Point::ZERO).1));
            let [covariance, variance] = points.iter().fold([0.0, 0.0], |[covariance, variance], point| {
                let (x, y) = point.since(Point::ZERO);
                let dx = x - mean_x;
                [covariance + dx * (y - mean_y), variance + dx * dx]
            });
            prop_assert!((trendline.trend() * variance - covariance).abs() <= 1e-6 * (variance + covariance.abs()));
        }
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
