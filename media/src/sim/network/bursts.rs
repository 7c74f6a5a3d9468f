//! Loss in bursts, after Gilbert (1960) and Elliott (1963): a link that is good or bad, and loses in its bad state.

use rand::RngExt;
use rand::rngs::SmallRng;

/// How a link turns bad and good again, a chance for each datagram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bursts {
    /// Chance to turn bad, 0 to 1.
    pub(crate) enter: f64,
    /// Chance to turn good: a burst lasts 1 / `leave` datagrams.
    pub(crate) leave: f64,
    /// Share of datagrams lost in the bad state.
    pub(crate) loss: f64,
}

impl Bursts {
    /// Bursts of some five datagrams, of which four fifths get lost, with this share of all.
    pub(crate) fn of(share: f64) -> Self {
        let (leave, loss) = (0.2, 0.8);
        let bad = share / loss;
        Self { enter: leave * bad / (1.0 - bad), leave, loss }
    }

    /// Moves on by one datagram; whether it is lost.
    pub(super) fn draw(&self, is_bad: &mut bool, rng: &mut SmallRng) -> bool {
        let changes = rng.random_bool(if *is_bad { self.leave } else { self.enter });
        *is_bad ^= changes;
        *is_bad && rng.random_bool(self.loss)
    }
}
