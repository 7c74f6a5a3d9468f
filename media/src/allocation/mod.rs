//! Which layer of each video a subscriber is sent, from what its connection carries: a pure function.
//!
//! The budget is video's alone; audio is outside it and never waits for it. What every subscription could be sent is a
//! [`Ladder`], from the least that shows anything to the best that is of use at its size. The budget is spent on one rung
//! after another: first the lowest of every video that can be seen ([`floor`]), then better ones ([`rise`]), the more
//! important video first ([`rank`]). What a rung is charged with ([`ledger`]) keeps a small change of the budget from
//! changing the picture; [`dwell`] does the same for time.
//!
//! What always holds: all that is sent fits the budget, but for [`ledger::KEEP_PERCENT`] and the one picture that is not
//! given up lightly ([`ledger::LAST_PERCENT`], [`ledger::ONLY_PERCENT`], [`ledger::BASE_PERCENT`]); the order in which the wishes come does not matter;
//! the same in gives the same out; nothing is allocated once the scratch has grown.

mod contentment;
pub(crate) mod dwell;
mod floor;
mod ladder;
mod ledger;
mod rank;
mod rise;
#[cfg(test)]
mod tests;
mod wish;

use ladder::Ladder;
use ledger::Ledger;
use rank::Rank;
pub(crate) use wish::{Layer, MAX_SPATIAL, MAX_TEMPORAL, Offer, Rise, Wish};

/// What a subscription is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// This layer of it.
    Forward(Layer),
    /// Nothing: the subscriber does not see it.
    Hidden,
    /// Nothing: not even its lowest layer fits beside what is more important. To be told to the subscriber.
    Paused,
    /// Nothing: no encoding of it is there.
    Nothing,
}

impl Decision {
    /// The layer that is sent, if any.
    pub(crate) fn layer(self) -> Option<Layer> {
        match self {
            Self::Forward(layer) => Some(layer),
            Self::Hidden | Self::Paused | Self::Nothing => None,
        }
    }
}

/// What may be spent, in bits per second for video; `None` is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Budget {
    /// What the path carries.
    pub(crate) path_bps: Option<u64>,
    /// The same without what is sent again, or waits to be sent already.
    pub(crate) free_bps: Option<u64>,
}

impl From<Option<u64>> for Budget {
    /// Where there is nothing of that.
    fn from(bitrate_bps: Option<u64>) -> Self {
        Self { path_bps: bitrate_bps, free_bps: bitrate_bps }
    }
}

/// What an allocation comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// What is sent, in bits per second.
    pub(crate) sending_bps: u64,
    /// The budget at which the next better picture would fit: what a probe should look for. Equal to `sending_bps` when nothing
    /// better is of use; not above the budget when only time is lacking ([`Rise::Held`], [`Rise::Clear`]).
    pub(crate) next_bps: u64,
    /// What all wishes would come to at their best useful layers.
    pub(crate) wanted_bps: u64,
}

/// Memory that is kept from one allocation to the next, so that none is asked for; it has no meaning in between.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    ladders: Vec<Ladder>,
    order: Vec<Place>,
}

/// A ladder's place in the order of importance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    rank: Rank,
    /// Among `Scratch::ladders`; decides between wishes of the same rank and number.
    ladder: usize,
}

/// Spends the budget on the wishes. `decisions` is overwritten with one for each
/// wish, in their order.
pub(crate) fn allocate(
    budget: Budget,
    wishes: &[Wish],
    scratch: &mut Scratch,
    decisions: &mut Vec<Decision>,
) -> Outcome {
    contentment::keep(budget, wishes, decisions).unwrap_or_else(|| choose(budget, wishes, scratch, decisions))
}

fn choose(budget: Budget, wishes: &[Wish], scratch: &mut Scratch, decisions: &mut Vec<Decision>) -> Outcome {
    let Scratch { ladders, order } = scratch;
    survey(wishes, ladders, order, decisions);
    let mut ledger = Ledger::new(budget, order.len() == 1);
    floor::lay(&mut ledger, ladders, order);
    rise::climb(&mut ledger, ladders, order);
    let (mut sending_bps, mut wanted_bps) = (0u64, 0u64);
    for ladder in ladders.iter() {
        wanted_bps = wanted_bps.saturating_add(ladder.best_bps());
        sending_bps = sending_bps.saturating_add(ladder.taken_bps());
        let wish = wishes.get(ladder.wish).zip(decisions.get_mut(ladder.wish));
        if let (Some((offer, temporal)), Some((wish, decision))) = (ladder.taken(), wish) {
            *decision = Decision::Forward(wish.layer(offer, temporal));
        }
    }
    Outcome { sending_bps, next_bps: ledger.next_bps(sending_bps), wanted_bps }
}

/// Sets up a ladder for every wish that can be served at all, and the order in which they are.
fn survey(wishes: &[Wish], ladders: &mut Vec<Ladder>, order: &mut Vec<Place>, decisions: &mut Vec<Decision>) {
    ladders.clear();
    order.clear();
    decisions.clear();
    for (index, wish) in wishes.iter().enumerate() {
        let decision = if !wish.view.visible {
            Decision::Hidden
        } else if let Some(ladder) = Ladder::of(wish, index) {
            order.push(Place { rank: Rank::of(wish), ladder: ladders.len() });
            ladders.push(ladder);
            Decision::Paused
        } else {
            Decision::Nothing
        };
        decisions.push(decision);
    }
    order.sort_unstable();
}
