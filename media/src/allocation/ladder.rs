//! What one video could be sent as, from the least to the best, each with its price.
//!
//! Spatial layers of one encoding are here as encodings are: each with those below it, an offer of its own.
//!
//! A camera prefers to move: the lowest encoding's frame rates, then the other encodings at their full rate. A screen prefers to
//! be sharp: the lowest frame rate of each encoding, then the other frame rates of the best. A rung that costs no less than a
//! better one is left out.

use super::wish::MAX_TEMPORAL;
use super::{Rise, Wish};
use crate::command::Source;
use crate::subscription::MAX_ENCODINGS;

/// Frame rates are varied in one encoding only.
const MAX_RUNGS: usize = MAX_ENCODINGS + MAX_TEMPORAL - 1;

/// A bitrate above this counts as this, in bits per second: far above any video, and sums of thousands do not overflow.
pub(super) const MAX_BITRATE_BPS: u64 = 1 << 48;

/// What is not sent yet is charged with this much on top: there must be some room before the picture changes for the better.
pub(super) const RISE_MARGIN_PERCENT: u64 = 12;

/// Stands for all temporal layers in [`Rung::temporal`].
const ALL: u8 = u8::MAX;

#[derive(Clone, Copy, Debug, Default)]
struct Rung {
    bitrate_bps: u64,
    offer: u8,
    temporal: u8,
}

/// The rungs of a wish, and how far up it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ladder {
    /// Prices rise strictly.
    rungs: [Rung; MAX_RUNGS],
    /// Of `rungs`; at least one.
    count: usize,
    /// Rungs that belong to the floor: the lowest encoding at its full frame rate.
    floor: usize,
    /// Rungs that are sent already.
    sent: usize,
    /// Rungs taken in this allocation.
    taken: usize,
    /// Whether the first rung would end a pause.
    was_paused: bool,
    rise: Rise,
    /// Its index among the wishes.
    pub(super) wish: usize,
}

/// The next rung of a ladder, as it is charged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Step {
    /// What it adds to what is charged, in bits per second.
    pub(super) charge_bps: u64,
    /// Whether it is sent already.
    pub(super) is_sent: bool,
    /// Whether it may be taken, if not.
    pub(super) rise: Rise,
    /// Whether it is the lowest of several frame rates.
    pub(super) is_base: bool,
}

impl Ladder {
    /// `None` when no encoding is available.
    pub(super) fn of(wish: &Wish, index: usize) -> Option<Self> {
        let mut ladder = Self {
            rungs: [Rung::default(); MAX_RUNGS],
            count: 0,
            floor: 1,
            sent: 0,
            taken: 0,
            was_paused: wish.was_paused && wish.current.is_none(),
            rise: wish.rise,
            wish: index,
        };
        ladder.raise(wish);
        ladder.prune();
        let lowest = ladder.rungs().first()?.offer;
        // One encoding alone may be of any size: its frame rates wait until everybody has something.
        if wish.source != Source::Screen && wish.count > 1 {
            ladder.floor = ladder.rungs().iter().take_while(|rung| rung.offer == lowest).count();
        }
        if let Some(current) = wish.current {
            let current = wish.quality(current);
            let below = |rung: &&Rung| (usize::from(rung.offer), rung.temporal) <= current;
            ladder.sent = ladder.rungs().iter().take_while(below).count();
        }
        Some(ladder)
    }

    /// Sets up the rungs by preference.
    fn raise(&mut self, wish: &Wish) {
        let varied = if wish.source == Source::Screen { wish.best() } else { wish.useful().next() };
        let Some((varied, _)) = varied else { return };
        for (encoding, offer) in wish.useful() {
            let layers = offer.temporal.iter().take_while(|share| **share != 0).count();
            let partial = match wish.source {
                _ if encoding == varied => layers.saturating_sub(1),
                // Of a screen's lower encodings only the lowest frame rate, where there are several.
                Source::Screen if layers > 1 => {
                    self.push(encoding, offer.bitrate_bps, Some((0, offer.temporal[0])));
                    continue;
                }
                _ => 0,
            };
            for (layer, share) in offer.temporal[..partial].iter().enumerate() {
                self.push(encoding, offer.bitrate_bps, Some((layer as u8, *share)));
            }
            self.push(encoding, offer.bitrate_bps, None);
        }
    }

    fn push(&mut self, offer: usize, bitrate_bps: u64, part: Option<(u8, u8)>) {
        let whole_bps = bitrate_bps.min(MAX_BITRATE_BPS);
        let (temporal, share) = part.map_or((ALL, 100), |(layer, share)| (layer, share.min(100)));
        if let Some(rung) = self.rungs.get_mut(self.count) {
            *rung = Rung { bitrate_bps: whole_bps * u64::from(share) / 100, offer: offer as u8, temporal };
            self.count += 1;
        }
    }

    /// Leaves out what costs no less than something better.
    fn prune(&mut self) {
        let (mut kept, mut price_bps) = (MAX_RUNGS, u64::MAX);
        for index in (0..self.count).rev() {
            let rung = self.rungs[index];
            if rung.bitrate_bps < price_bps {
                kept -= 1;
                price_bps = rung.bitrate_bps;
                self.rungs[kept] = rung;
            }
        }
        self.rungs.copy_within(kept.., 0);
        self.count = MAX_RUNGS - kept;
    }

    fn rungs(&self) -> &[Rung] {
        &self.rungs[..self.count]
    }

    /// The next rung up; `None` at the top.
    pub(super) fn next(&self) -> Option<Step> {
        let rung = self.rungs().get(self.taken)?;
        let is_first = self.taken == 0;
        let below_bps = self.taken_bps();
        let price_bps = rung.bitrate_bps.saturating_sub(below_bps);
        let is_sent = self.taken < self.sent;
        // A picture where there was none yet is not delayed by a margin, unless there was no room for it a moment ago.
        let is_rise = if is_first { self.was_paused } else { !is_sent };
        let margin_bps = if is_rise { price_bps * RISE_MARGIN_PERCENT / 100 } else { 0 };
        let rise = if is_rise { self.rise } else { Rise::Free };
        let is_base = rung.temporal == 0;
        Some(Step { charge_bps: price_bps + margin_bps, is_sent, rise, is_base })
    }

    /// Takes the next rung.
    pub(super) fn take(&mut self) {
        self.taken = (self.taken + 1).min(self.count);
    }

    /// Whether something of it is sent.
    pub(super) fn is_served(&self) -> bool {
        self.taken > 0
    }

    /// Whether the next rung belongs to the floor.
    pub(super) fn is_below_floor(&self) -> bool {
        self.taken < self.floor
    }

    /// What the rung that was taken costs; 0 before the first.
    pub(super) fn taken_bps(&self) -> u64 {
        self.taken_rung().map_or(0, |rung| rung.bitrate_bps)
    }

    /// The offer that was taken, and up to which temporal layer, or all of it; `None` before the first.
    pub(super) fn taken(&self) -> Option<(usize, Option<u8>)> {
        let rung = self.taken_rung()?;
        Some((usize::from(rung.offer), (rung.temporal != ALL).then_some(rung.temporal)))
    }

    /// What the best rung costs.
    pub(super) fn best_bps(&self) -> u64 {
        self.rungs().last().map_or(0, |rung| rung.bitrate_bps)
    }

    fn taken_rung(&self) -> Option<&Rung> {
        self.rungs.get(self.taken.checked_sub(1)?)
    }
}
