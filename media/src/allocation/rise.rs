//! What is left of the budget once everybody is served: better pictures, one rung at a time.
//!
//! The more important rise as far as is of use before the less important rise at all; equals rise in turns. A rung that does
//! not fit ends that ladder's rise, since those above cost more, but not that of others.

use super::Place;
use super::ladder::Ladder;
use super::ledger::Ledger;

/// Takes rungs above the floor.
pub(super) fn climb(ledger: &mut Ledger, ladders: &mut [Ladder], order: &mut [Place]) {
    let mut rest = order;
    while let Some(first) = rest.first().copied() {
        let count = rest.iter().take_while(|place| place.rank.is_equal(first.rank)).count();
        let (equals, others) = rest.split_at_mut(count);
        climb_in_turns(ledger, ladders, equals);
        rest = others;
    }
}

/// Goes round the equals until nobody takes a rung any more; who did not is not asked again.
fn climb_in_turns(ledger: &mut Ledger, ladders: &mut [Ladder], equals: &mut [Place]) {
    let mut rising = equals.len();
    while rising > 0 {
        let mut still = 0;
        for index in 0..rising {
            let ladder = &mut ladders[equals[index].ladder];
            match ladder.next() {
                Some(step) if ladder.is_served() && !ladder.is_below_floor() && ledger.spend(step) => {
                    ladder.take();
                    // Those that go on are kept in front, in their order.
                    equals.swap(still, index);
                    still += 1;
                }
                _ => {}
            }
        }
        rising = still;
    }
}
