//! The first things the budget is spent on: something of every video, then a full frame rate of the lowest encodings.
//!
//! So a budget that is too small first lowers frame rates, the least important ones first, and then pauses. A video that does
//! not fit does not keep a smaller, less important one from being shown.

use super::Place;
use super::ladder::Ladder;
use super::ledger::Ledger;

/// Takes every ladder's first rung and then its floor, the most important first.
pub(super) fn lay(ledger: &mut Ledger, ladders: &mut [Ladder], order: &[Place]) {
    for (index, place) in order.iter().enumerate() {
        let ladder = &mut ladders[place.ladder];
        let Some(step) = ladder.next() else { continue };
        if if index == 0 { ledger.spend_on_first(step) } else { ledger.spend(step) } {
            ladder.take();
        }
    }
    for place in order {
        let ladder = &mut ladders[place.ladder];
        while ladder.is_served() && ladder.is_below_floor() {
            match ladder.next() {
                Some(step) if ledger.spend(step) => ladder.take(),
                _ => break,
            }
        }
    }
}
