//! Everybody is sent the best that is of use, and it fits: there is nothing to choose. That is so most of the time on most paths.

use super::ladder::MAX_BITRATE_BPS;
use super::{Budget, Decision, Outcome, Wish};

/// Keeps what is sent, where it is the best of every wish and within the budget. `None` where there is something to choose;
/// `decisions` means nothing then.
pub(super) fn keep(budget: Budget, wishes: &[Wish], decisions: &mut Vec<Decision>) -> Option<Outcome> {
    let least_bps = budget.path_bps.into_iter().chain(budget.free_bps).min();
    let mut sending_bps = 0u64;
    decisions.clear();
    for wish in wishes {
        let best = if wish.view.visible { wish.best() } else { None };
        let Some((index, offer)) = best else {
            decisions.push(if wish.view.visible { Decision::Nothing } else { Decision::Hidden });
            continue;
        };
        let best = wish.layer(index, None);
        let is_less = |current| current != best && wish.quality(current) < wish.quality(best);
        if wish.current.is_none_or(is_less) {
            return None;
        }
        sending_bps = sending_bps.saturating_add(offer.bitrate_bps.min(MAX_BITRATE_BPS));
        if least_bps.is_some_and(|least_bps| sending_bps > least_bps) {
            return None;
        }
        decisions.push(Decision::Forward(best));
    }
    Some(Outcome { sending_bps, next_bps: sending_bps, wanted_bps: sending_bps })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocation::tests::{any_wishes, camera, sent, shown};
    use crate::allocation::{Scratch, choose};
    use proptest::prelude::*;

    /// Wishes of whom most are sent all that they may be.
    fn contented_wishes() -> impl Strategy<Value = Vec<Wish>> {
        (any_wishes(), prop::collection::vec(0u8..20, 12)).prop_map(|(mut wishes, dice)| {
            for (wish, dice) in wishes.iter_mut().zip(dice) {
                let best = wish.useful().last().map(|(offer, _)| wish.layer(offer, None));
                wish.current = best.filter(|_| dice > 0).or(wish.current);
            }
            wishes
        })
    }

    #[test]
    fn who_is_content_needs_no_choice() {
        let wishes = [sent(camera(0), 2), sent(shown(camera(1), 320, 180), 0)];
        let keeps = |bps: u64, wishes: &[Wish]| keep(Some(bps).into(), wishes, &mut Vec::new()).is_some();
        assert!(keeps(1_850_000, &wishes) && keep(Budget::default(), &wishes, &mut Vec::new()).is_some());
        assert!(!keeps(1_849_999, &wishes), "it does not fit");
        assert!(!keeps(9_000_000, &[sent(camera(0), 1)]), "there is something better");
    }

    proptest! {
        #[test]
        fn the_content_are_given_what_they_would_be_chosen(wishes in contented_wishes(), path_bps in prop::option::of(0u64..90_000_000), free_bps in prop::option::of(0u64..90_000_000)) {
            let budget = Budget { path_bps, free_bps };
            let (mut kept, mut chosen) = (Vec::new(), Vec::new());
            if let Some(outcome) = keep(budget, &wishes, &mut kept) {
                prop_assert_eq!(outcome, choose(budget, &wishes, &mut Scratch::default(), &mut chosen));
                prop_assert_eq!(kept, chosen);
            }
        }
    }
}
