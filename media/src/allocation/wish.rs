//! What the allocator is told: what could be sent of a video, and how its subscriber shows it.

use crate::command::{Source, View};
use crate::subscription::MAX_ENCODINGS;

/// Temporal layers of one encoding at most: browsers send up to three.
pub(crate) const MAX_TEMPORAL: usize = 4;

/// Spatial layers of one encoding at most: browsers send up to three. As many as a wish has offers.
pub(crate) const MAX_SPATIAL: usize = MAX_ENCODINGS;

/// An encoding covers a view that is up to this much higher than its picture: such an enlargement is hardly seen, and the next
/// encoding costs three times as much.
const COVER_PERCENT: u32 = 120;

/// One encoding that could be forwarded, or one spatial layer with those below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offer {
    /// What it costs with all its temporal layers, in bits per second: measured, or nominal while it is suspended.
    pub(crate) bitrate_bps: u64,
    /// Height of its picture in pixels, where known.
    pub(crate) height: Option<u16>,
    /// Whether it is sent, or suspended and can be woken.
    pub(crate) is_available: bool,
    /// Its temporal layers, lowest first: the share of the bitrate, in percent, that each takes together with those below it. 0 ends
    /// the list. Empty when they are unknown or cannot be dropped; the last one is the whole encoding, whatever it says.
    pub(crate) temporal: [u8; MAX_TEMPORAL],
}

/// What is sent of a video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    /// The encoding, 0 the lowest.
    pub(crate) encoding: usize,
    /// The highest spatial layer of it, 0 the base; `None` for all.
    pub(crate) spatial: Option<u8>,
    /// The highest temporal layer, 0 the base; `None` for all.
    pub(crate) temporal: Option<u8>,
}

/// Whether a subscription may be sent more than it is sent now; from [`super::dwell::Dwell::rise`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Rise {
    /// As soon as it fits.
    #[default]
    Free,
    /// Only where the budget is so much larger that noise cannot be the reason.
    Clear,
    /// Not now.
    Held,
}

/// What a subscriber wants of one video.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wish {
    /// The video's encodings, the lowest first; or of its only one the spatial layers, each with those below it.
    pub(crate) offers: [Offer; MAX_ENCODINGS],
    /// How many of `offers` there are.
    pub(crate) count: usize,
    /// The offers are spatial layers.
    pub(crate) is_layered: bool,
    /// The highest encoding that the subscriber asked for.
    pub(crate) limit: Option<usize>,
    /// How it is shown.
    pub(crate) view: View,
    /// Where the video comes from.
    pub(crate) source: Source,
    /// Whether its publisher is the active speaker: the slow choice, not everybody who makes a sound.
    pub(crate) speaks: bool,
    /// What it was allocated the last time; `None` when nothing.
    pub(crate) current: Option<Layer>,
    /// Whether the last time it was [`super::Decision::Paused`].
    pub(crate) was_paused: bool,
    /// Whether it may be sent more than `current`.
    pub(crate) rise: Rise,
    /// Who comes first among equals: the lower. Distinct numbers make the result independent of the order of the wishes.
    pub(crate) order: u32,
}

impl Wish {
    /// The offers worth considering, from the lowest to the best that is of use; empty when none is available.
    ///
    /// Those within the limit; when none of them is available, the lowest above it is better than black. Of those, none above
    /// the first that covers the view.
    pub(crate) fn useful(&self) -> impl Iterator<Item = (usize, &Offer)> {
        let (count, within) = (self.count.min(MAX_ENCODINGS), self.within());
        let available = |index: &usize| self.offers[*index].is_available;
        let (start, end) = if (0..within).any(|index| available(&index)) {
            (0, within)
        } else {
            let lowest = (within..count).find(available).unwrap_or(count);
            (lowest, (lowest + 1).min(count))
        };
        let covering = (start..end).filter(available).find(|index| self.covers(*index));
        let end = covering.map_or(end, |index| index + 1);
        (start..end).filter(available).map(|index| (index, &self.offers[index]))
    }

    /// The last of [`Self::useful`]: nothing above it is of use.
    pub(crate) fn best(&self) -> Option<(usize, &Offer)> {
        let (within, above) = self.offers.get(..self.count.min(MAX_ENCODINGS))?.split_at_checked(self.within())?;
        let mut best = None;
        for (index, offer) in within.iter().enumerate().filter(|(_, offer)| offer.is_available) {
            best = Some((index, offer));
            if self.covers(index) {
                break;
            }
        }
        best.or_else(|| above.iter().position(|offer| offer.is_available).map(|at| (within.len() + at, &above[at])))
    }

    /// How many of the offers are within the limit.
    fn within(&self) -> usize {
        let count = self.count.min(MAX_ENCODINGS);
        let limit = self.limit.filter(|_| !self.is_layered);
        limit.map_or(count, |limit| limit.saturating_add(1).min(count))
    }

    /// The least that shows anything.
    pub(crate) fn lowest(&self) -> Option<Layer> {
        let (index, offer) = self.useful().next()?;
        Some(self.layer(index, (offer.temporal[1] != 0).then_some(0)))
    }

    /// The layer that is an offer up to a temporal layer, or all of it.
    ///
    /// The highest spatial layer is all there are: one that is added above it is sent at once, and measured.
    pub(crate) fn layer(&self, offer: usize, temporal: Option<u8>) -> Layer {
        if self.is_layered {
            let spatial = (offer < self.top()).then_some(offer as u8);
            return Layer { encoding: 0, spatial, temporal };
        }
        Layer { encoding: offer, spatial: None, temporal }
    }

    /// The offer that a layer is of.
    pub(crate) fn offer_of(&self, layer: Layer) -> usize {
        if self.is_layered {
            return layer.spatial.map_or(self.top(), |spatial| usize::from(spatial).min(self.top()));
        }
        layer.encoding
    }

    /// The highest offer.
    fn top(&self) -> usize {
        self.count.min(MAX_ENCODINGS).saturating_sub(1)
    }

    /// A layer's place among those of the video: size before frame rate.
    pub(crate) fn quality(&self, layer: Layer) -> (usize, u8) {
        (self.offer_of(layer), layer.temporal.unwrap_or(u8::MAX))
    }

    /// Whether a layer is still among what could be sent.
    pub(crate) fn is_useful(&self, layer: Layer) -> bool {
        self.view.visible && self.useful().any(|(index, _)| index == self.offer_of(layer))
    }

    /// Whether an encoding's picture is large enough for the view. Unknown sizes are not.
    fn covers(&self, encoding: usize) -> bool {
        let (Some((_, needed)), Some(height)) = (self.view.size, self.height(encoding)) else {
            return false;
        };
        height.saturating_mul(COVER_PERCENT) >= u32::from(needed) * 100
    }

    /// The height of an offer in pixels. One that does not say is taken to be half or twice as high as its neighbours, as
    /// browsers' simulcast and spatial layers are by default.
    pub(crate) fn height(&self, encoding: usize) -> Option<u32> {
        let known = |index: usize| self.offers[index].height.map(u32::from);
        known(encoding).or_else(|| {
            let above = (encoding + 1..self.count.min(MAX_ENCODINGS)).find_map(|i| Some(known(i)? >> (i - encoding)));
            above.or_else(|| (0..encoding).rev().find_map(|i| Some(known(i)? << (encoding - i))))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocation::tests::{any_wishes, camera, decide};
    use crate::allocation::{Decision, Wish};
    use proptest::prelude::*;

    fn layered() -> Wish {
        let mut wish = Wish { is_layered: true, ..camera(0) };
        wish.offers.iter_mut().for_each(|offer| offer.temporal = [40, 60, 100, 0]);
        wish
    }

    fn forwarded(budget_kbps: u64, wish: Wish) -> Option<(Option<u8>, Option<u8>)> {
        match decide(budget_kbps, &[wish]).0[..] {
            [Decision::Forward(Layer { encoding: 0, spatial, temporal })] => Some((spatial, temporal)),
            _ => None,
        }
    }

    #[test]
    fn spatial_layers_of_one_encoding_have_rungs_as_encodings_do() {
        assert_eq!(forwarded(30, layered()), None);
        assert_eq!(forwarded(80, layered()), Some((Some(0), Some(0))));
        assert_eq!(forwarded(110, layered()), Some((Some(0), Some(1))));
        assert_eq!(forwarded(400, layered()), Some((Some(0), None)));
        assert_eq!(forwarded(700, layered()), Some((Some(1), None)));
        assert_eq!(forwarded(2_500, layered()), Some((None, None)), "the highest is all there is");
    }

    proptest! {
        #[test]
        fn the_best_is_the_last_that_is_useful(wishes in any_wishes()) {
            for wish in wishes {
                prop_assert_eq!(wish.best(), wish.useful().last());
            }
        }
    }

    #[test]
    fn a_view_needs_no_spatial_layer_above_the_one_that_covers_it() {
        let shown = |height| {
            let mut wish = Wish { limit: Some(0), ..layered() };
            wish.view.size = Some((100, height));
            forwarded(9_000, wish)
        };
        assert_eq!(
            [180, 300, 360, 720].map(shown),
            [Some((Some(0), None)), Some((Some(1), None)), Some((Some(1), None)), Some((None, None)),]
        );
    }

    #[test]
    fn a_layer_is_the_same_whether_or_not_there_are_others_above_it() {
        let mut wish = layered();
        let middle = Layer { encoding: 0, spatial: Some(1), temporal: None };
        assert_eq!((wish.offer_of(middle), wish.layer(1, None)), (1, middle));
        wish.count = 2;
        let all = Layer { encoding: 0, spatial: None, temporal: None };
        assert_eq!((wish.offer_of(middle), wish.layer(1, None)), (1, all));
        assert_eq!(wish.quality(middle), wish.quality(all));
        assert!(wish.is_useful(middle));
    }
}
