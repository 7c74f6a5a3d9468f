//! How many copies of earlier packets sound leaves with (RED, RFC 2198), by what a participant's path loses.
//!
//! The rule. Losses of all sound towards the participant are counted together, in windows of at least [`WINDOW`] packets.
//! - A window that loses 2 % asks for one copy, one that loses 8 % for two. More copies come at once.
//! - A copy goes when every window of ten seconds has lost less than half of what asks for it.
//! - Losses of a window in which the path's queue grew or was long, or just before, may be of its own fullness, which copies would make
//!   worse: they ask for nothing.
//! - There is one copy at most while that is so, or a picture is paused for want of bandwidth, or was within the last five seconds.
//!
//! What copies take is taken from pictures: see [`Redundancy::charge_bps`].

use crate::feedback::losses::PathLoss;
use std::time::{Duration, Instant};

/// Packets that are judged together: of one voice in two seconds.
const WINDOW: u32 = 100;

/// Losses that ask for one copy and for two, in percent.
const ASKING: [u64; 2] = [2, 8];

/// Losses with which they stay: half as much.
const KEEPING: [u64; 2] = [1, 4];

/// After so long without any such a copy goes.
const CALM: Duration = Duration::from_secs(10);

/// How long before a window the path's queue may have been long, so that what it dropped is reported in the window: a report's way.
const REPORTED_AFTER: Duration = Duration::from_secs(1);

/// How long the path counts as too narrow after it was.
const TIGHT: Duration = Duration::from_secs(5);

/// After so long an estimate of what is left for pictures has been made with the copies on the path.
const ACCOUNTED_AFTER: Duration = Duration::from_secs(10);

/// How many of these limits, in percent, are reached.
fn reached(loss: PathLoss, limits: [u64; 2]) -> u8 {
    let is_reached = |limit: &u64| 100 * u64::from(loss.lost) >= limit * u64::from(loss.sent);
    limits.into_iter().filter(is_reached).count() as u8
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Redundancy {
    /// What losses have asked for.
    wanted: u8,
    window: PathLoss,
    /// When the window began: with the end of the one before.
    began: Option<Instant>,
    /// For each copy: since when no window was one with which it stays.
    calm: [Option<Instant>; 2],
    /// When the path's queue last grew or was long, and when the path last carried too little.
    congested_at: Option<Instant>,
    tight_at: Option<Instant>,
    is_tight: bool,
    /// Bytes of copies since the last turn.
    bytes: u64,
    turned: Option<Instant>,
    bitrate_bps: f64,
    /// As much of it as an estimate of the path knows of.
    accounted_bps: f64,
}

impl Redundancy {
    /// Copies that a packet may leave with at present.
    #[inline]
    pub(crate) fn copies(&self) -> u8 {
        if self.is_tight { self.wanted.min(1) } else { self.wanted }
    }

    /// Takes what a report says of a stream of sound.
    pub(crate) fn on_report(&mut self, now: Instant, loss: PathLoss) {
        let began = *self.began.get_or_insert(now);
        self.window.sent = self.window.sent.saturating_add(loss.sent);
        self.window.lost = self.window.lost.saturating_add(loss.lost);
        if self.window.sent >= WINDOW {
            let window = std::mem::take(&mut self.window);
            self.began = Some(now);
            self.judge(now, began, window);
        }
    }

    fn judge(&mut self, now: Instant, began: Instant, window: PathLoss) {
        let is_own = self.congested_at.is_some_and(|at| at + REPORTED_AFTER >= began);
        if !is_own {
            self.wanted = self.wanted.max(reached(window, ASKING));
        }
        let kept = reached(window, KEEPING);
        let mut stay = 0;
        for (copy, calm) in (1..).zip(&mut self.calm) {
            let since = if copy <= kept { None } else { Some(calm.unwrap_or(began)) };
            if since.is_none_or(|since| now.saturating_duration_since(since) < CALM) {
                stay = copy;
            }
            *calm = since;
        }
        self.wanted = self.wanted.min(stay);
    }

    /// Takes note of whether the path's queue grows or is long at present, and of whether a picture is paused for want of bandwidth.
    pub(crate) fn note_path(&mut self, now: Instant, is_congested: bool, is_short: bool) {
        if is_congested {
            self.congested_at = Some(now);
        }
        if is_congested || is_short {
            self.tight_at = Some(now);
        }
        self.is_tight = self.tight_at.is_some_and(|at| now.saturating_duration_since(at) < TIGHT);
    }

    /// Counts the bytes that copies have added to a packet.
    #[inline]
    pub(crate) fn on_sent(&mut self, extra: usize) {
        self.bytes += extra as u64;
    }

    /// One turn of the room's clock.
    pub(crate) fn turn(&mut self, now: Instant) {
        let elapsed = self.turned.map_or(Duration::ZERO, |at| now.saturating_duration_since(at)).as_secs_f64();
        self.turned = Some(now);
        let bytes = std::mem::take(&mut self.bytes);
        if elapsed > 0.0 {
            let rate = bytes as f64 * 8.0 / elapsed;
            self.bitrate_bps += (rate - self.bitrate_bps) * elapsed.min(1.0);
            let weight = (elapsed / ACCOUNTED_AFTER.as_secs_f64()).min(1.0);
            let accounted = self.accounted_bps + (self.bitrate_bps - self.accounted_bps) * weight;
            self.accounted_bps = accounted.min(self.bitrate_bps);
        }
    }

    /// What is to be left for copies of an estimate that was made without them, in bits per second. Estimates are of what sound leaves for
    /// pictures, so that each new one knows more of the copies: what is charged fades by a factor of e in [`ACCOUNTED_AFTER`].
    pub(crate) fn charge_bps(&self) -> u64 {
        (self.bitrate_bps - self.accounted_bps) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;
    use proptest::prelude::*;

    /// Reports as libwebrtc sends them of sound: every five seconds, of 250 packets.
    struct Path {
        redundancy: Redundancy,
        now: Instant,
    }

    impl Path {
        fn new() -> Self {
            let (mut redundancy, now) = (Redundancy::default(), test_start());
            redundancy.on_report(now, PathLoss::default());
            Self { redundancy, now }
        }

        /// So many packets get lost of each 1,000, for so long. Returns the copies.
        fn loses(&mut self, per_mille: u32, seconds: u64) -> u8 {
            for _ in 0..seconds / 5 {
                self.now += Duration::from_secs(5);
                self.redundancy.on_report(self.now, PathLoss { sent: 1_000, lost: per_mille });
            }
            self.redundancy.copies()
        }
    }

    #[test]
    fn copies_come_at_once_and_go_after_ten_calm_seconds() {
        let mut path = Path::new();
        assert_eq!((path.loses(19, 60), path.loses(20, 5)), (0, 1));
        assert_eq!(path.loses(10, 60), 1, "half of what asks for it keeps it");
        assert_eq!((path.loses(9, 5), path.loses(9, 5)), (1, 0));
        assert_eq!((path.loses(80, 5), path.loses(40, 60)), (2, 2));
        assert_eq!((path.loses(39, 5), path.loses(12, 5)), (2, 1), "not all of them");
        assert_eq!((path.loses(80, 5), path.loses(0, 10)), (2, 0));
    }

    #[test]
    fn calm_is_ten_seconds_at_a_stretch() {
        let mut path = Path::new();
        path.loses(30, 5);
        for _ in 0..10 {
            assert_eq!((path.loses(0, 5), path.loses(15, 5)), (1, 1));
        }
    }

    #[test]
    fn few_packets_say_nothing_by_themselves() {
        let (mut redundancy, now) = (Redundancy::default(), test_start());
        let one = PathLoss { sent: 33, lost: 1 };
        (0..3).for_each(|_| redundancy.on_report(now, one));
        assert_eq!(redundancy.copies(), 0, "99 packets");
        redundancy.on_report(now, PathLoss { sent: 1, lost: 0 });
        assert_eq!(redundancy.copies(), 1);
    }

    #[test]
    fn a_path_that_carries_too_little_has_one_copy_at_most() {
        for (is_congested, is_short) in [(true, false), (false, true)] {
            let mut path = Path::new();
            assert_eq!(path.loses(300, 5), 2);
            let tight = path.now;
            path.redundancy.note_path(tight, is_congested, is_short);
            path.redundancy.note_path(tight + TIGHT - Duration::from_millis(1), false, false);
            assert_eq!(path.redundancy.copies(), 1);
            path.redundancy.note_path(tight + TIGHT, false, false);
            assert_eq!(path.redundancy.copies(), 2);
        }
    }

    #[test]
    fn what_a_full_queue_may_have_dropped_asks_for_nothing() {
        let mut path = Path::new();
        for _ in 0..10 {
            path.redundancy.note_path(path.now - REPORTED_AFTER, true, false);
            assert_eq!(path.loses(300, 5), 0);
        }
        path.redundancy.note_path(path.now, false, true);
        assert_eq!(path.loses(20, 5), 1, "a pause alone says nothing of losses");
        path.redundancy.note_path(path.now, true, false);
        assert_eq!((path.loses(300, 5), path.loses(10, 60)), (1, 1), "but they keep what there is");
    }

    #[test]
    fn new_copies_are_charged_until_the_estimate_knows_of_them() {
        let (mut redundancy, start) = (Redundancy::default(), test_start());
        let mut charged = Vec::new();
        for turn in 0..=3_000_u64 {
            redundancy.turn(start + Duration::from_millis(20 * turn));
            // 40 kbit/s, for half of the time.
            redundancy.on_sent(if turn < 1_500 { 100 } else { 0 });
            charged.push(redundancy.charge_bps());
        }
        assert!((30_000..=40_000).contains(&charged[150]), "after three seconds: {}", charged[150]);
        assert!(charged[1_500] < 4_000, "after thirty: {}", charged[1_500]);
        assert!(charged[1_550..].iter().all(|charge| *charge == 0), "nothing is given back");
    }

    proptest! {
        /// Whatever was lost: a clean path has no copies left after ten seconds, and the windows around their beginning and end.
        #[test]
        fn a_clean_path_has_no_copies(
            reports in prop::collection::vec((0u32..500, 0u32..500, 0u64..10_000), 0..40),
        ) {
            let (mut redundancy, mut now) = (Redundancy::default(), test_start());
            for (sent, lost, after_ms) in reports {
                now += Duration::from_millis(after_ms);
                redundancy.on_report(now, PathLoss { sent, lost: lost.min(sent) });
                prop_assert!(redundancy.copies() <= 2);
            }
            for _ in 0..14 {
                now += Duration::from_secs(1);
                redundancy.on_report(now, PathLoss { sent: 50, lost: 0 });
            }
            prop_assert_eq!(redundancy.copies(), 0);
        }
    }
}
