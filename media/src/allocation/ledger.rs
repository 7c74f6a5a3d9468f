//! What has been spent of the budget, and what still fits.

use super::ladder::Step;
use super::{Budget, Rise};

/// What is sent already is kept while all of it stays within this share of the budget: estimates waver by more than the
/// few percent that this may cost a queue on the way.
pub(super) const KEEP_PERCENT: u64 = 108;
/// The lowest layer of the most important video is not given up before it exceeds this share of the budget: an estimate that
/// is a little too low is more usual than a connection that carries nothing.
pub(super) const LAST_PERCENT: u64 = 130;
/// The same where it is the only video.
pub(super) const ONLY_PERCENT: u64 = 140;
/// The same where it is the base layer alone, and has temporal layers above: nothing less can be sent, and on a path so slow a key frame
/// of its own makes the estimate fall to half of what the path carries.
pub(super) const BASE_PERCENT: u64 = 160;
/// Budget over need, in percent, that noise cannot explain: ±15 % are a factor of 1.35.
pub(super) const CLEAR_PERCENT: u64 = 150;

/// See the module's text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ledger {
    budget: Budget,
    /// Whether a single video is to be served.
    is_only: bool,
    charged_bps: u64,
    /// The least budget at which a step would have been taken that was not.
    missed_bps: Option<u64>,
}

impl Ledger {
    pub(super) fn new(budget: Budget, is_only: bool) -> Self {
        Self { budget, is_only, charged_bps: 0, missed_bps: None }
    }

    /// Spends what a step is charged with, if it fits.
    pub(super) fn spend(&mut self, step: Step) -> bool {
        let percent = if step.is_sent { KEEP_PERCENT } else { 100 };
        self.spend_within(step, self.budget.free_bps, percent)
    }

    /// The same for the first rung of the most important video. What waits and what is sent again is its own, as a rule, and does not count.
    pub(super) fn spend_on_first(&mut self, step: Step) -> bool {
        let percent = match (self.is_only, step.is_base) {
            (true, true) => BASE_PERCENT,
            (true, false) => ONLY_PERCENT,
            (false, _) => LAST_PERCENT,
        };
        self.spend_within(step, self.budget.path_bps, percent)
    }

    fn spend_within(&mut self, step: Step, budget_bps: Option<u64>, percent: u64) -> bool {
        let total_bps = self.charged_bps.saturating_add(step.charge_bps);
        let Some(budget_bps) = budget_bps else {
            self.charged_bps = total_bps;
            return true;
        };
        let fits = match step.rise {
            Rise::Free => total_bps <= share(budget_bps, percent),
            Rise::Clear => share(total_bps, CLEAR_PERCENT) <= budget_bps,
            Rise::Held => false,
        };
        if fits {
            self.charged_bps = total_bps;
        } else {
            let needed_bps = self.missed_bps.map_or(total_bps, |missed_bps| missed_bps.min(total_bps));
            self.missed_bps = Some(needed_bps);
        }
        fits
    }

    /// See [`super::Outcome::next_bps`].
    pub(super) fn next_bps(&self, sending_bps: u64) -> u64 {
        self.missed_bps.map_or(sending_bps, |missed_bps| missed_bps.max(sending_bps.saturating_add(1)))
    }
}

/// `percent` of a bitrate, without overflow.
fn share(bitrate_bps: u64, percent: u64) -> u64 {
    (bitrate_bps / 100).saturating_mul(percent).saturating_add(bitrate_bps % 100 * percent / 100)
}
