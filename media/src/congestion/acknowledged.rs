//! The rate at which packets arrive, by what the receiver says of them.
//!
//! libwebrtc's `modules/congestion_controller/goog_cc/bitrate_estimator.cc`: rates of short windows of the receiver's time,
//! each trusted the less the further it lies from the estimate. While the sender has too little to send, a lower rate says
//! nothing of the path and is trusted less; when it has more again, a change is expected.

/// Windows, the first of which is longer.
const WINDOW_US: i64 = 150_000;
const INITIAL_WINDOW_US: i64 = 500_000;
/// How much a sample's distance from the estimate adds to its uncertainty.
const UNCERTAINTY: f64 = 10.0;
/// The same for a lower rate while application-limited.
const LIMITED_UNCERTAINTY: f64 = 20.0;
/// Variance, in kbit/s squared: at first, added by each window, and added when a change is expected.
const INITIAL_VARIANCE: f64 = 50.0;
const DRIFT_VARIANCE: f64 = 5.0;
const CHANGE_VARIANCE: f64 = 200.0;

#[derive(Debug, Default)]
pub(super) struct Acknowledged {
    bytes: u64,
    /// The time in the present window, and the latest arrival.
    elapsed_us: i64,
    latest_us: Option<i64>,
    /// Kilobits per second and their variance.
    estimate: Option<(f64, f64)>,
}

impl Acknowledged {
    /// Bits per second; `None` until half a second has been seen.
    pub(super) fn rate_bps(&self) -> Option<f64> {
        self.estimate.map(|(rate_kbps, _)| rate_kbps * 1e3)
    }

    /// Packets that arrived together. Of those that arrived before a known one the bytes count, the time does not run back.
    #[inline]
    pub(super) fn on_packets(&mut self, arrival_us: i64, bytes: u32, is_limited: bool) {
        let pause_us = self.latest_us.map_or(0, |latest_us| (arrival_us - latest_us).max(0));
        self.latest_us = self.latest_us.max(Some(arrival_us));
        self.elapsed_us += pause_us;
        if self.elapsed_us >= WINDOW_US {
            self.end_window(pause_us, is_limited);
        }
        self.bytes += u64::from(bytes);
    }

    /// A window may have ended: that is at least [`WINDOW_US`] long.
    #[cold]
    fn end_window(&mut self, pause_us: i64, is_limited: bool) {
        let window_us = if self.estimate.is_some() { WINDOW_US } else { INITIAL_WINDOW_US };
        // Nothing is known of a silence that is longer than a window, so it lowers no rate.
        if pause_us > window_us {
            self.bytes = 0;
            self.elapsed_us %= window_us;
        }
        if self.elapsed_us >= window_us {
            let sample_kbps = self.bytes as f64 * 8e3 / window_us as f64;
            self.bytes = 0;
            self.elapsed_us -= window_us;
            self.on_sample(sample_kbps, is_limited);
        }
    }

    /// The sender has more to send again.
    pub(super) fn expect_change(&mut self) {
        if let Some((_, variance)) = &mut self.estimate {
            *variance += CHANGE_VARIANCE;
        }
    }

    fn on_sample(&mut self, sample_kbps: f64, is_limited: bool) {
        let Some((rate_kbps, variance)) = self.estimate else {
            self.estimate = Some((sample_kbps, INITIAL_VARIANCE));
            return;
        };
        let scale = if is_limited && sample_kbps < rate_kbps { LIMITED_UNCERTAINTY } else { UNCERTAINTY };
        let uncertainty = scale * (rate_kbps - sample_kbps).abs() / rate_kbps.max(1.0);
        let (sample_variance, variance) = (uncertainty * uncertainty, variance + DRIFT_VARIANCE);
        let both = sample_variance + variance;
        let estimate_kbps = (sample_variance * rate_kbps + variance * sample_kbps) / both;
        self.estimate = Some((estimate_kbps, sample_variance * variance / both));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds packets of 500 bytes every 4 ms, 1 Mbit/s, or in other steps.
    fn feed(acknowledged: &mut Acknowledged, from_us: i64, count: i64, step_us: i64, is_limited: bool) -> i64 {
        (0..count).for_each(|i| acknowledged.on_packets(from_us + i * step_us, 500, is_limited));
        from_us + count * step_us
    }

    fn kbps(acknowledged: &Acknowledged) -> f64 {
        acknowledged.rate_bps().unwrap_or_default() / 1e3
    }

    #[test]
    fn a_steady_rate_is_found_and_a_change_is_followed() {
        let mut acknowledged = Acknowledged::default();
        let now = feed(&mut acknowledged, 0, 100, 4_000, false);
        assert_eq!(acknowledged.rate_bps(), None);
        let now = feed(&mut acknowledged, now, 200, 4_000, false);
        assert!((kbps(&acknowledged) - 1_000.0).abs() < 30.0, "{}", kbps(&acknowledged));
        feed(&mut acknowledged, now, 300, 8_000, false);
        assert!((kbps(&acknowledged) - 500.0).abs() < 50.0, "{}", kbps(&acknowledged));
    }

    #[test]
    fn less_to_send_lowers_it_slowly() {
        let (mut limited, mut free) = (Acknowledged::default(), Acknowledged::default());
        let now = feed(&mut limited, 0, 300, 4_000, false);
        feed(&mut free, 0, 300, 4_000, false);
        feed(&mut limited, now, 50, 20_000, true);
        feed(&mut free, now, 50, 20_000, false);
        assert!(kbps(&limited) > kbps(&free) + 100.0, "{} {}", kbps(&limited), kbps(&free));
    }

    #[test]
    fn silence_and_reordering_are_no_low_rate() {
        let mut acknowledged = Acknowledged::default();
        let now = feed(&mut acknowledged, 0, 300, 4_000, false);
        let now = feed(&mut acknowledged, now + 3_000_000, 300, 4_000, false);
        assert!((kbps(&acknowledged) - 1_000.0).abs() < 60.0, "{}", kbps(&acknowledged));
        (0..300).for_each(|i| acknowledged.on_packets(now + i * 4_000 - (i % 3) * 9_000, 500, false));
        assert!((kbps(&acknowledged) - 1_000.0).abs() < 120.0, "{}", kbps(&acknowledged));
    }
}
