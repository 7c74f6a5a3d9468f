//! What is sent again: within a share of the estimate, and not twice within a round trip.

use std::time::{Duration, Instant};

/// The share of the estimate that repairs may take, in percent. Beyond it the path is losing what it is sent, and more of the
/// same does not help.
const SHARE_PERCENT: u64 = 40;

/// The same while the path's queue grows or is long: then it is what is sent that makes the losses.
const CONGESTED_PERCENT: u64 = 10;

/// At least so much, in bits per second: a packet now and then gets through on any path.
const LEAST_BPS: u64 = 50_000;
const CONGESTED_LEAST_BPS: u64 = 10_000;

/// Unused budget is kept for so long, and two packets at least: losses come in bursts. Those that come when the path has become narrow
/// ask for more than that before anything else shows it, and what answers them fills the path's queue.
const KEPT: Duration = Duration::from_millis(80);
const KEPT_BYTES: f64 = 3_000.0;

/// Packets remembered as sent again lately.
const REMEMBERED: usize = 64;

/// A request this share of a round trip after the packet was sent again crossed it, and is no new one.
const CROSSING: (u32, u32) = (3, 4);

#[derive(Clone, Copy)]
struct Resent {
    line: u16,
    sequence: u16,
    at: Instant,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Repairs {
    /// The latest first come round again; empty until something is sent again.
    recent: Vec<Resent>,
    next: usize,
    /// Bytes that may be sent again now; `None` while nothing is known of the path.
    budget: Option<u64>,
    turned: Option<Instant>,
    /// Since the last turn.
    bytes: u64,
    bitrate_bps: f64,
}

impl Repairs {
    /// Whether a packet of `len` bytes may be sent again now.
    pub(crate) fn allows(&self, len: usize) -> bool {
        self.budget.is_none_or(|budget| budget >= len as u64)
    }

    /// Whether a request for a packet crossed the packet that was sent for an earlier one.
    pub(crate) fn is_crossing(&self, now: Instant, rtt: Duration, line: usize, sequence: u16) -> bool {
        let since = rtt * CROSSING.0 / CROSSING.1;
        let is_it = |resent: &&Resent| (usize::from(resent.line), resent.sequence) == (line, sequence);
        let latest = self.recent.iter().filter(is_it).map(|resent| resent.at).max();
        latest.is_some_and(|at| now.saturating_duration_since(at) < since)
    }

    /// Counts a packet that was sent again.
    pub(crate) fn on_resent(&mut self, now: Instant, line: usize, sequence: u16, len: usize) {
        let resent = Resent { line: line as u16, sequence, at: now };
        match self.recent.get_mut(self.next) {
            Some(place) => *place = resent,
            None => self.recent.push(resent),
        }
        self.next = (self.next + 1) % REMEMBERED;
        self.bytes += len as u64;
        if let Some(budget) = &mut self.budget {
            *budget = budget.saturating_sub(len as u64);
        }
    }

    /// What has used up the budget is not sent any more: what is sent instead may be repaired.
    pub(crate) fn restart(&mut self) {
        self.budget = self.budget.map(|budget| budget.max(KEPT_BYTES as u64));
    }

    /// What is sent again lately, in bits per second.
    pub(crate) fn bitrate_bps(&self) -> u64 {
        self.bitrate_bps as u64
    }

    /// Fills the budget for the time since the last turn.
    pub(crate) fn turn(&mut self, now: Instant, estimate_bps: Option<u64>, is_congested: bool) {
        let (percent, least_bps) =
            if is_congested { (CONGESTED_PERCENT, CONGESTED_LEAST_BPS) } else { (SHARE_PERCENT, LEAST_BPS) };
        let elapsed = self.turned.map_or(Duration::ZERO, |at| now.saturating_duration_since(at)).as_secs_f64();
        self.turned = Some(now);
        let rate = estimate_bps.map(|bps| (bps / 100).saturating_mul(percent).max(least_bps) as f64 / 8.0);
        self.budget = rate.map(|rate| {
            let most = (rate * KEPT.as_secs_f64()).max(KEPT_BYTES);
            let kept = self.budget.map_or(most, |budget| budget as f64);
            (kept + rate * elapsed).min(most) as u64
        });
        if elapsed > 0.0 {
            // Over about a second.
            let weight = elapsed.min(1.0);
            self.bitrate_bps += (self.bytes as f64 * 8.0 / elapsed - self.bitrate_bps) * weight;
            self.bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_request_that_crossed_its_answer_is_no_new_one() {
        let (mut repairs, start) = (Repairs::default(), test_start());
        repairs.on_resent(start, 3, 7, 1_000);
        assert!(repairs.is_crossing(start + ms(70), ms(100), 3, 7));
        assert!(!repairs.is_crossing(start + ms(80), ms(100), 3, 7), "it was lost, too");
        assert!(!repairs.is_crossing(start, ms(100), 3, 8) && !repairs.is_crossing(start, ms(100), 4, 7));
        (0..REMEMBERED as u16).for_each(|sequence| repairs.on_resent(start, 9, sequence, 1));
        assert!(!repairs.is_crossing(start, ms(100), 3, 7), "the memory is bounded");
        assert_eq!(repairs.recent.len(), REMEMBERED);
    }

    #[test]
    fn repairs_take_a_share_of_the_estimate_and_are_measured() {
        let (mut repairs, start) = (Repairs::default(), test_start());
        assert!(repairs.allows(1 << 30), "nothing is known of the path");
        repairs.turn(start, Some(1_000_000), false);
        let mut sent = 0;
        for turn in 1..=300_u64 {
            while repairs.allows(1_000) {
                repairs.on_resent(start, 0, 0, 1_000);
                sent += 1_000;
            }
            repairs.turn(start + ms(20 * turn), Some(1_000_000), false);
        }
        // Six seconds of 50 kB, and what was kept.
        assert!((300_000..=305_000).contains(&sent), "{sent}");
        assert!((390_000..410_000).contains(&repairs.bitrate_bps()), "{}", repairs.bitrate_bps());
    }

    #[test]
    fn repairs_do_not_keep_a_slow_path_full() {
        for (is_congested, expected) in [(false, 50_000..58_000), (true, 10_000..15_000)] {
            let (mut repairs, start) = (Repairs::default(), test_start());
            let mut sent = 0;
            for turn in 0..500_u64 {
                repairs.turn(start + ms(20 * turn), Some(80_000), is_congested);
                while repairs.allows(1_000) {
                    repairs.on_resent(start, 0, 0, 1_000);
                    sent += 1_000;
                }
            }
            let bps = sent * 8 / 10;
            assert!(expected.contains(&bps), "{bps} bit/s while congested: {is_congested}");
        }
    }

    #[test]
    fn on_the_worst_path_a_packet_now_and_then_is_repaired() {
        let (mut repairs, start) = (Repairs::default(), test_start());
        repairs.turn(start, Some(0), false);
        assert!(repairs.allows(1_200));
    }

    #[test]
    fn what_follows_a_fall_may_be_repaired() {
        let (mut repairs, start) = (Repairs::default(), test_start());
        repairs.turn(start, Some(300_000), true);
        while repairs.allows(1_000) {
            repairs.on_resent(start, 0, 0, 1_000);
        }
        repairs.restart();
        assert!(repairs.allows(1_000));
    }
}
