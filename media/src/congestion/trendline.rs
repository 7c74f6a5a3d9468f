//! Whether the path's queue grows: the slope of the delay, against a threshold that follows the path's own noise.
//!
//! libwebrtc's `modules/congestion_controller/goog_cc/trendline_estimator.cc`, with its parameters; the threshold is that of
//! Carlucci et al. 2016, section 4.2, and draft-ietf-rmcat-gcc-02 section 5.4. A fixed threshold would starve beside flows
//! that fill queues, and would call a jittering path congested.
//!
//! While nothing waits on the path the slope is of no use: what looks like a queue then is jitter. So spacings are only kept until
//! something does wait ([`Trendline::look`]), and the latest of them then tell what they would have told. Of calls that go well, as most
//! do, the slope was a quarter of what a report of arrivals costs.

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
    kept: Kept,
    /// In a circle, `at` is the oldest once it is full.
    points: [Point; WINDOW],
    at: usize,
    /// Of all points, once there are so many.
    sums: Sums,
    /// Points that were taken, up to [`WINDOW`].
    taken: usize,
    delay_ms: f64,
    smoothed_ms: f64,
    trend: f64,
    threshold_ms: f64,
    updated_us: Option<u32>,
    /// How long the slope has been above the threshold, and in how many groups.
    over: Option<(f64, u32)>,
    usage: Usage,
}

impl Trendline {
    pub(super) const fn new() -> Self {
        Self {
            kept: Kept::NONE,
            points: [Point::ZERO; WINDOW],
            at: 0,
            sums: Sums::ZERO,
            taken: 0,
            delay_ms: 0.0,
            smoothed_ms: 0.0,
            trend: 0.0,
            threshold_ms: INITIAL_THRESHOLD_MS,
            updated_us: None,
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

    /// Takes how a group followed the one before it. It is looked at with [`Self::look`].
    #[inline]
    pub(super) fn on_spacing(&mut self, spacing: Spacing) {
        if self.kept.is_full() {
            self.look(true);
        }
        self.kept.push(Step::new(spacing));
    }

    /// All that one message tells of was taken. The slope follows if any packet of it had to wait on the path, and until it is gone.
    #[inline]
    pub(super) fn look(&mut self, has_waited: bool) {
        if !has_waited && self.usage == Usage::Normal {
            self.kept.pass();
            return;
        }
        while let Some(step) = self.kept.take() {
            self.take(step);
        }
    }

    fn take(&mut self, step: Step) {
        self.delay_ms += (f64::from(step.delta_us) / 1e3).clamp(-MAX_DELTA_MS, MAX_DELTA_MS);
        self.smoothed_ms = SMOOTHING * self.smoothed_ms + (1.0 - SMOOTHING) * self.delay_ms;
        self.add(Point { arrival_us: step.arrival_us, delay_ms: self.smoothed_ms as f32 });
        let former = self.trend;
        self.taken = (self.taken + 1).min(WINDOW);
        if self.taken == WINDOW {
            self.trend = self.sums.slope().unwrap_or(self.trend);
        }
        self.detect(former, step);
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

    fn detect(&mut self, former: f64, step: Step) {
        if self.taken < 2 {
            return;
        }
        let sent_apart_ms = f64::from(step.sent_us) / 1e3;
        let level_ms = f64::from(self.kept.pushed.min(MAX_DELTAS)) * self.trend * GAIN;
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
        self.adapt(level_ms.abs(), step.arrival_us);
    }

    fn adapt(&mut self, level_ms: f64, now_us: u32) {
        let elapsed_us = now_us.wrapping_sub(self.updated_us.replace(now_us).unwrap_or(now_us)) as i32;
        let elapsed_ms = (f64::from(elapsed_us) / 1e3).clamp(0.0, MAX_STEP_MS);
        if level_ms > self.threshold_ms + MAX_ADAPT_OFFSET_MS {
            return;
        }
        let k = if level_ms < self.threshold_ms { K_DOWN } else { K_UP };
        let threshold_ms = self.threshold_ms + k * (level_ms - self.threshold_ms) * elapsed_ms;
        self.threshold_ms = threshold_ms.clamp(MIN_THRESHOLD_MS, MAX_THRESHOLD_MS);
    }
}

/// How a group followed the one before it.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// When it arrived, in µs since whenever, modulo 2^32.
    arrival_us: u32,
    sent_us: u32,
    /// How much longer it was on its way.
    delta_us: i32,
}

impl Step {
    const ZERO: Self = Self { arrival_us: 0, sent_us: 0, delta_us: 0 };

    #[inline]
    fn new(spacing: Spacing) -> Self {
        let delta_us = spacing.arrived_us.saturating_sub(spacing.sent_us);
        Self {
            arrival_us: spacing.arrival_us as u32,
            sent_us: spacing.sent_us.clamp(0, i64::from(u32::MAX)) as u32,
            delta_us: delta_us.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32,
        }
    }
}

/// The latest steps, which may be needed still.
#[derive(Debug)]
struct Kept {
    /// In a circle: a step's place is its number modulo [`WINDOW`].
    steps: [Step; WINDOW],
    /// How many there were so far; at a hundred a second the number lasts for more than a year.
    pushed: u32,
    /// Those before this number were looked at, and those before this one were taken.
    looked: u32,
    taken: u32,
}

impl Kept {
    const NONE: Self = Self { steps: [Step::ZERO; WINDOW], pushed: 0, looked: 0, taken: 0 };

    /// Whether the next would take the place of one that was not looked at.
    const fn is_full(&self) -> bool {
        self.pushed.wrapping_sub(self.looked) as usize >= WINDOW
    }

    #[inline]
    fn push(&mut self, step: Step) {
        if let Some(place) = self.steps.get_mut(self.pushed as usize % WINDOW) {
            *place = step;
        }
        self.pushed = self.pushed.wrapping_add(1);
    }

    /// What there is was of no use so far.
    const fn pass(&mut self) {
        self.looked = self.pushed;
    }

    /// How many there are.
    fn count(&self) -> u32 {
        self.pushed.wrapping_sub(self.taken).min(WINDOW as u32)
    }

    /// Takes the oldest out.
    fn take(&mut self) -> Option<Step> {
        let number = self.pushed.wrapping_sub(self.count());
        if number == self.pushed {
            self.pass();
            return None;
        }
        self.taken = number.wrapping_add(1);
        self.steps.get(number as usize % WINDOW).copied()
    }
}

/// A group of packets. It is small, since participants' trends are not in the cache when they are asked for.
#[derive(Clone, Copy, Debug)]
struct Point {
    /// In µs since whenever, modulo 2^32.
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
            trendline.look(true);
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
                trendline.look(true);
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
    fn what_was_kept_while_nothing_waited_is_made_up_for() {
        let (mut kept, mut taken) = (Trendline::new(), Trendline::new());
        let mut arrival_us = 0;
        for group in 0..200i64 {
            // A path that is quiet, and then fills.
            let arrived_us = 20_000 + (group - 190).max(0) * 3_000;
            arrival_us += arrived_us;
            let spacing = Spacing { sent_us: 20_000, arrived_us, arrival_us };
            for (trendline, has_waited) in [(&mut kept, group > 195), (&mut taken, true)] {
                trendline.on_spacing(spacing);
                trendline.look(has_waited);
            }
            assert!(group > 195 || kept.trend() == 0.0, "it costs nothing until then");
        }
        assert_eq!((kept.usage(), taken.usage()), (Usage::Over, Usage::Over));
        assert!((kept.trend() - taken.trend()).abs() < 1e-6, "{} and {}", kept.trend(), taken.trend());
    }

    #[test]
    fn steps_of_a_long_message_are_not_lost() {
        let mut trendline = Trendline::new();
        for group in 1..=3 * WINDOW as i64 {
            trendline.on_spacing(Spacing { sent_us: 20_000, arrived_us: 20_000, arrival_us: group * 20_000 });
        }
        let taken = 3 * WINDOW - trendline.kept.count() as usize;
        assert!(taken >= 2 * WINDOW && trendline.taken == WINDOW, "{taken}");
        trendline.look(false);
        assert!(trendline.kept.count() > 0, "the last of them may not be needed");
    }

    #[test]
    fn absurd_times_leave_numbers_finite() {
        let mut trendline = Trendline::new();
        for (arrived_us, arrival_us) in
            [(i64::MAX / 4, i64::MAX / 4), (0, -(i64::MAX / 4)), (-(i64::MAX / 4), 0)].repeat(40)
        {
            trendline.on_spacing(Spacing { sent_us: 0, arrived_us, arrival_us });
            trendline.look(true);
            assert!(trendline.trend().is_finite() && trendline.threshold_ms.is_finite());
        }
    }
}
