//! Whether the sender has enough to send for the estimate to show anything, and how much it sends at all.
//!
//! libwebrtc's `modules/congestion_controller/goog_cc/alr_detector.cc`: a budget of 65 % of the estimate fills by the time
//! and is used by what is sent. What is left over of it says that the application, not the path, limits the rate.

/// The share of the estimate that fills the budget.
const USAGE: f64 = 0.65;
/// The budget's depth either way.
const DEPTH_US: f64 = 500_000.0;
/// Shares of the depth at which the state begins and ends.
const START: f64 = 0.8;
const STOP: f64 = 0.5;
/// The windows of which the greatest rate is kept: the latest two.
const WINDOW_US: i64 = 500_000;

#[derive(Debug)]
pub(super) struct Sending {
    /// All that was sent until the last update, modulo 2^32.
    seen_bytes: u32,
    updated_us: i64,
    /// In bytes; what is left or, below zero, overdrawn.
    budget: f64,
    is_limited: bool,
    window_began_us: i64,
    window_bytes: u64,
    /// Of the windows before: the last, and the one before it.
    rates_bps: [f64; 2],
}

impl Sending {
    pub(super) const fn new() -> Self {
        Self {
            seen_bytes: 0,
            updated_us: 0,
            budget: 0.0,
            is_limited: false,
            window_began_us: 0,
            window_bytes: 0,
            rates_bps: [0.0; 2],
        }
    }

    /// Whether the sender is application-limited.
    pub(super) const fn is_limited(&self) -> bool {
        self.is_limited
    }

    /// The greatest rate of half a second within the latest.
    pub(super) fn peak_bps(&self) -> f64 {
        self.rates_bps[0].max(self.rates_bps[1])
    }

    /// The rate over the latest second of whole windows.
    pub(super) fn mean_bps(&self) -> f64 {
        (self.rates_bps[0] + self.rates_bps[1]) / 2.0
    }

    /// Takes what was sent until now, in bytes altogether, modulo 2^32.
    pub(super) fn update(&mut self, now_us: i64, sent_bytes: u32, estimate_bps: f64) {
        let elapsed_us = (now_us - self.updated_us).max(0) as f64;
        self.updated_us = now_us;
        let bytes = u64::from(sent_bytes.wrapping_sub(std::mem::replace(&mut self.seen_bytes, sent_bytes)));
        let fills = USAGE / 8e6 * estimate_bps;
        let depth = (fills * DEPTH_US).max(1.0);
        self.budget = (self.budget - bytes as f64).max(-depth);
        self.budget = (self.budget + fills * elapsed_us).min(depth);
        self.is_limited = if self.is_limited { self.budget >= STOP * depth } else { self.budget > START * depth };

        self.window_bytes += bytes;
        let window_us = now_us - self.window_began_us;
        if window_us >= WINDOW_US {
            self.rates_bps = [self.window_bytes as f64 * 8e6 / window_us as f64, self.rates_bps[0]];
            self.window_began_us = now_us;
            self.window_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(sending: &mut Sending, from_ms: i64, to_ms: i64, rate_bps: usize) {
        for now_ms in (from_ms..to_ms).step_by(20) {
            let sent_bytes = sending.seen_bytes + rate_bps as u32 / 8 / 50;
            sending.update(now_ms * 1_000, sent_bytes, 1e6);
        }
    }

    #[test]
    fn the_limit_shows_within_a_second_and_ends_as_soon() {
        let mut sending = Sending::new();
        run(&mut sending, 0, 3_000, 900_000);
        assert!(!sending.is_limited());
        assert!((sending.peak_bps() - 9e5).abs() < 5e4);
        run(&mut sending, 3_000, 6_000, 200_000);
        assert!(sending.is_limited());
        run(&mut sending, 6_000, 7_000, 900_000);
        assert!(!sending.is_limited());
    }
}
