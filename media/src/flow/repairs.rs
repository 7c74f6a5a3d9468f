//! What is sent again: within a share of the estimate, and not twice within a round trip. What is beyond the share waits for it: a client asks
//! ten times only, which on a short path is a fifth of a second, and whose picture has no key frame after that stands still for three seconds.

use crate::drop_reason::DropReason;
use std::collections::VecDeque;
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

/// Packets that wait to be sent again, and for how long: a picture that has waited for longer is given up.
const MAX_POSTPONED: usize = 64;
const MAX_WAIT: Duration = Duration::from_secs(1);

/// A packet that a client misses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) line: u16,
    pub(crate) sequence: u16,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Repairs {
    /// The latest first come round again; empty until something is sent again.
    recent: Vec<(Wanted, Instant)>,
    next: usize,
    /// What was asked for when there was no budget for it, and when.
    postponed: VecDeque<(Wanted, Instant)>,
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
    pub(crate) fn is_crossing(&self, now: Instant, rtt: Duration, wanted: Wanted) -> bool {
        let since = rtt * CROSSING.0 / CROSSING.1;
        let latest = self.recent.iter().filter(|(resent, _)| *resent == wanted).map(|(_, at)| *at).max();
        latest.is_some_and(|at| now.saturating_duration_since(at) < since)
    }

    /// Lets a packet wait until there is budget for it; whether there is room for it to wait.
    pub(crate) fn postpone(&mut self, now: Instant, wanted: Wanted) -> bool {
        if self.postponed.iter().any(|(postponed, _)| *postponed == wanted) {
            return true;
        }
        let has_room = self.postponed.len() < MAX_POSTPONED;
        if has_room {
            self.postponed.push_back((wanted, now));
        }
        has_room
    }

    /// The next of those that wait, if a packet of `len` bytes may be sent again now, or why it is not to wait any longer.
    pub(crate) fn poll(&mut self, now: Instant, len: usize) -> Option<Result<Wanted, DropReason>> {
        let (wanted, since) = *self.postponed.front()?;
        let is_late = now.saturating_duration_since(since) >= MAX_WAIT;
        if !is_late && !self.allows(len) {
            return None;
        }
        self.postponed.pop_front();
        Some(if is_late { Err(DropReason::RepairBudget) } else { Ok(wanted) })
    }

    /// Whether nothing waits, and nothing was sent again since the last turn.
    pub(crate) fn are_idle(&self) -> bool {
        self.bytes == 0 && self.postponed.is_empty()
    }

    /// Counts a packet that was sent again.
    pub(crate) fn on_resent(&mut self, now: Instant, wanted: Wanted, len: usize) {
        match self.recent.get_mut(self.next) {
            Some(place) => *place = (wanted, now),
            None => self.recent.push((wanted, now)),
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

    const fn wanted(line: u16, sequence: u16) -> Wanted {
        Wanted { line, sequence }
    }

    #[test]
    fn a_request_that_crossed_its_answer_is_no_new_one() {
        let (mut repairs, start) = (Repairs::default(), test_start());
        repairs.on_resent(start, wanted(3, 7), 1_000);
        assert!(repairs.is_crossing(start + ms(70), ms(100), wanted(3, 7)));
        assert!(!repairs.is_crossing(start + ms(80), ms(100), wanted(3, 7)), "it was lost, too");
        assert!(
            !repairs.is_crossing(start, ms(100), wanted(3, 8)) && !repairs.is_crossing(start, ms(100), wanted(4, 7))
        );
        (0..REMEMBERED as u16).for_each(|sequence| repairs.on_resent(start, wanted(9, sequence), 1));
        assert!(!repairs.is_crossing(start, ms(100), wanted(3, 7)), "the memory is bounded");
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
                repairs.on_resent(start, wanted(0, 0), 1_000);
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
                    repairs.on_resent(start, wanted(0, 0), 1_000);
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
            repairs.on_resent(start, wanted(0, 0), 1_000);
        }
        repairs.restart();
        assert!(repairs.allows(1_000));
    }

    #[test]
    fn what_has_no_budget_waits_for_it_in_order() {
        let (mut repairs, start) = (Repairs::default(), test_start());
        repairs.turn(start, Some(300_000), true);
        while repairs.allows(1_000) {
            repairs.on_resent(start, wanted(0, 0), 1_000);
        }
        assert_eq!(repairs.poll(start, 1_000), None);
        assert!((1..=3).all(|sequence| repairs.postpone(start, wanted(5, sequence))));
        assert!(repairs.postpone(start + ms(20), wanted(5, 2)), "it is asked for again");
        assert_eq!((repairs.poll(start, 1_000), repairs.postponed.len()), (None, 3));
        // 10 % are 3,750 bytes a second.
        let mut resent = Vec::new();
        for turn in 1..=35 {
            let now = start + ms(20 * turn);
            repairs.turn(now, Some(300_000), true);
            while let Some(Ok(wanted)) = repairs.poll(now, 1_000) {
                repairs.on_resent(now, wanted, 1_000);
                resent.push((wanted.sequence, turn));
            }
        }
        assert!(matches!(resent[..], [(1, first), (2, second)] if first < 15 && second < 30), "{resent:?}");
        assert_eq!(repairs.poll(start + ms(1_000), 1_000), Some(Err(DropReason::RepairBudget)), "too late");
        assert_eq!(repairs.poll(start + ms(1_000), 1_000), None);
    }

    #[test]
    fn so_many_wait_and_no_more() {
        let (mut repairs, start) = (Repairs::default(), test_start());
        let postponed = (0..1_000).filter(|sequence| repairs.postpone(start, wanted(5, *sequence))).count();
        assert_eq!((postponed, repairs.postponed.len()), (MAX_POSTPONED, MAX_POSTPONED));
        assert!(repairs.postpone(start, wanted(5, 0)), "it waits already");
    }
}
