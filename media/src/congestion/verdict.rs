//! What follows from all that is known of a path.

use super::Congestion;
use super::trendline::Usage;

/// What follows from all that is known. It is asked for with every turn of the clock and every packet that has to wait, and changes with
/// what is heard.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Verdict {
    pub(super) rate_bps: f64,
    /// See [`Groups::jitter_us`](super::groups::Groups::jitter_us).
    pub(super) jitter_us: i64,
    pub(super) usage: Usage,
    /// See [`Standing::is_long`](super::standing::Standing::is_long).
    pub(super) is_long: bool,
    /// See [`Standing::is_there`](super::standing::Standing::is_there).
    pub(super) has_queue: bool,
}

impl Congestion {
    /// Whether the queue grows, or is long.
    pub(crate) fn is_congested(&self) -> bool {
        self.verdict.usage == Usage::Over || self.verdict.is_long
    }

    /// Whether packets get lost that no full queue drops, and more than any path loses now and then.
    pub(crate) fn is_lossy(&self) -> bool {
        self.loss.is_noticeable() && !self.is_congested()
    }

    /// Whether nothing is about to change but by what is heard: nothing waits on the path, it carries all that is wanted, and it is not being
    /// tried.
    pub(crate) fn is_calm(&self) -> bool {
        let is_quiet = !self.is_congested() && !self.verdict.has_queue && !self.probing.is_busy();
        is_quiet && !self.is_told() && self.demand.wanted_bps as f64 <= self.rate_bps()
    }

    /// What the path carries of video while its queue is long, which the estimate is below so that the queue drains.
    pub(crate) fn draining_bps(&self) -> Option<u64> {
        if self.verdict.is_long { self.carried_bps().map(|bps| bps as u64) } else { None }
    }
}
