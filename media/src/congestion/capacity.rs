//! Where the path's limit was met: mean and deviation of what arrived when its queue grew.
//!
//! libwebrtc's `modules/congestion_controller/goog_cc/link_capacity_estimator.cc`. Near that limit the rate rises by little,
//! so as to meet it softly; far from it there is no such limit any more.

/// The weight of a new value.
const WEIGHT: f64 = 0.05;
/// Bounds of the variance, divided by the mean, in kbit/s.
const MIN_DEVIATION: f64 = 0.4;
const MAX_DEVIATION: f64 = 2.5;

#[derive(Debug, Default)]
pub(super) struct Capacity {
    /// Mean in kbit/s, and variance divided by the mean.
    known: Option<(f64, f64)>,
}

impl Capacity {
    pub(super) const fn is_known(&self) -> bool {
        self.known.is_some()
    }

    pub(super) fn mean_bps(&self) -> Option<f64> {
        self.known.map(|(mean_kbps, _)| mean_kbps * 1e3)
    }

    pub(super) fn forget(&mut self) {
        self.known = None;
    }

    /// The queue grew while this arrived.
    pub(super) fn on_overuse(&mut self, rate_bps: f64) {
        let sample_kbps = rate_bps / 1e3;
        let Some((mean_kbps, deviation)) = self.known else {
            self.known = Some((sample_kbps, MIN_DEVIATION));
            return;
        };
        let mean = (1.0 - WEIGHT) * mean_kbps + WEIGHT * sample_kbps;
        let error = mean - sample_kbps;
        let deviation = (1.0 - WEIGHT) * deviation + WEIGHT * error * error / mean.max(1.0);
        self.known = Some((mean, deviation.clamp(MIN_DEVIATION, MAX_DEVIATION)));
    }

    /// Whether a rate is more, or less, than the limit's deviation explains.
    pub(super) fn is_above(&self, rate_bps: f64) -> bool {
        self.known.is_some_and(|(mean, deviation)| rate_bps / 1e3 > mean + 3.0 * (deviation * mean).sqrt())
    }

    pub(super) fn is_below(&self, rate_bps: f64) -> bool {
        self.known.is_some_and(|(mean, deviation)| rate_bps / 1e3 < mean - 3.0 * (deviation * mean).sqrt())
    }
}
