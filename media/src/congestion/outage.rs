//! Packets leave and nothing is heard of them: the path has broken, or its queue is seconds long.
//!
//! Sending on at the former rate would fill what is left of the path for nobody. So the rate halves by the second, until
//! something is heard. draft-ietf-rmcat-gcc-02 knows no such rule; libwebrtc's is in `send_side_bandwidth_estimation.cc`
//! (feedback timeout) and, with a window of bytes in flight, in `congestion_window_pushback_controller.cc`.

use super::departures::Departures;

/// Silence beyond a round trip that makes an outage, and the same before anything was ever heard.
const SILENCE_US: i64 = 500_000;
const FIRST_SILENCE_US: i64 = 2_000_000;
/// A few packets that were the last before a pause may be lost without anything being wrong.
const MIN_PACKETS: u32 = 8;
/// Who has stopped sending has nothing to hear.
const RECENT_US: i64 = 1_000_000;

#[derive(Debug, Default)]
pub(super) struct Outage {
    has_heard: bool,
    /// The rate before, and when the rate was last lowered.
    state: Option<(f64, i64)>,
}

impl Outage {
    /// Something arrived. The rate of before, when this ends an outage.
    pub(super) fn on_heard(&mut self) -> Option<f64> {
        self.has_heard = true;
        self.state.take().map(|(rate_bps, _)| rate_bps)
    }

    /// The factor by which the rate falls now, if it does. So many packets have left since something was heard of.
    pub(super) fn update(
        &mut self,
        now_us: i64,
        rtt_us: i64,
        departures: Departures,
        unanswered: u32,
        rate_bps: impl FnOnce() -> f64,
    ) -> Option<f64> {
        let silence_us = rtt_us + if self.has_heard { SILENCE_US } else { FIRST_SILENCE_US };
        let is_silent = unanswered >= MIN_PACKETS && now_us - departures.first_us > silence_us;
        if !is_silent || now_us - departures.last_us > RECENT_US {
            if let Some((_, lowered_us)) = &mut self.state {
                *lowered_us = now_us;
            }
            return None;
        }
        let (before_bps, lowered_us) = self.state.unwrap_or_else(|| (rate_bps(), now_us));
        self.state = Some((before_bps, now_us));
        Some(0.5f64.powf((now_us - lowered_us).clamp(0, 1_000_000) as f64 / 1e6))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_halves_by_the_second_until_something_is_heard() {
        let (mut outage, mut departures) = (Outage::default(), Departures::default());
        outage.on_heard();
        let mut rate_bps = 1e6;
        for (number, now_ms) in (0..2_620).step_by(20).enumerate() {
            departures.add(now_ms * 1_000, number as u32, 1_000);
            let unanswered = departures.unanswered(number as u32 + 1);
            rate_bps *= outage.update(now_ms * 1_000, 100_000, departures, unanswered, || rate_bps).unwrap_or(1.0);
        }
        assert!((0.24e6..0.26e6).contains(&rate_bps), "{rate_bps}");
        assert_eq!(outage.on_heard(), Some(1e6));
        assert_eq!(outage.on_heard(), None);
    }

    #[test]
    fn a_pause_is_no_outage() {
        let (mut outage, mut departures) = (Outage::default(), Departures::default());
        outage.on_heard();
        (0..8).for_each(|number| departures.add(0, number, 1_000));
        for now_ms in (1_001..10_000).step_by(20) {
            assert_eq!(outage.update(now_ms * 1_000, 100_000, departures, 8, || 1e6), None);
        }
    }
}
