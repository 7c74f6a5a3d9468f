//! What an encoding and its layers cost those who receive it, in bits per second, for the choice among them.

use crate::allocation::{MAX_SPATIAL, MAX_TEMPORAL};
use crate::flow::DATAGRAM_OVERHEAD;
use std::time::{Duration, Instant};

/// What sealing adds to a packet: the tag of AES-GCM (RFC 7714 section 5.2), the longer of the two.
const SEAL: u64 = 16;

/// What a packet costs beyond its RTP bytes.
const PACKET_OVERHEAD: u64 = DATAGRAM_OVERHEAD as u64 + SEAL;

/// Bits per second of encodings that have not been measured, the lowest of several first: those that browsers are asked for.
const USUAL_BPS: [u64; 4] = [170_000, 550_000, 1_800_000, 3_500_000];

/// Of the only encoding of a track.
const USUAL_SINGLE_BPS: u64 = 1_500_000;

/// An encoder that begins, or begins again, takes some seconds to reach its rate. Until then the encoding counts as what it was, or
/// as what is usual: else it would be chosen for looking cheap.
const WARMING: Duration = Duration::from_secs(5);

/// The rate of an encoding as its subscribers pay for it, headers of the network included.
///
/// It follows a rise over a second or two, so that a key frame does not count, and a fall over some more, so that nothing is chosen
/// for a moment's rest.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    bitrate_bps: Option<u64>,
    mark: Option<(Instant, u64, u64)>,
    /// When it last began to be sent; `None` while it rests.
    began: Option<Instant>,
}

impl Cost {
    /// Ends an interval of about a second, at whose end so many packets and bytes have come altogether of the encoding `index` of
    /// `count`.
    pub(crate) fn measure(&mut self, now: Instant, (packets, bytes): (u64, u64), index: usize, count: usize) {
        let Some((at, packets_then, bytes_then)) = self.mark.replace((now, packets, bytes)) else { return };
        let elapsed_ms = now.saturating_duration_since(at).as_millis() as u64;
        let packets = packets.saturating_sub(packets_then);
        if packets == 0 || elapsed_ms == 0 {
            // It rests, or is put off: what it costs when it goes on is what it did.
            self.began = None;
            return;
        }
        let began = *self.began.get_or_insert(at);
        let bytes = bytes.saturating_sub(bytes_then) + packets * PACKET_OVERHEAD;
        let latest = bytes * 8_000 / elapsed_ms;
        let is_warming = count > 1 && now.saturating_duration_since(began) < WARMING;
        self.bitrate_bps = Some(match self.bitrate_bps {
            _ if is_warming => latest.max(self.bitrate_bps(index, count)),
            Some(known) if latest > known => (known + latest) / 2,
            Some(known) => (3 * known + latest) / 4,
            None => latest,
        });
    }

    /// Takes the word of the shard where it is published.
    pub(crate) fn set(&mut self, bitrate_bps: u64) {
        self.bitrate_bps = Some(bitrate_bps);
    }

    /// As measured, once it was.
    pub(crate) fn measured_bps(&self) -> Option<u64> {
        self.bitrate_bps
    }

    /// As measured, or what is usual of the encoding `index` of `count`.
    pub(crate) fn bitrate_bps(&self, index: usize, count: usize) -> u64 {
        let usual = if count <= 1 { USUAL_SINGLE_BPS } else { USUAL_BPS[index.min(USUAL_BPS.len() - 1)] };
        self.bitrate_bps.unwrap_or(usual)
    }
}

/// Layers of one kind that are told apart: browsers send up to three.
const LAYERS: usize = MAX_TEMPORAL;

const _: () = assert!(MAX_SPATIAL == LAYERS);

/// A spatial layer that was not measured yet costs so many times what those below it do: it has four times the pixels, and browsers'
/// rates for simulcast of such sizes are as far apart.
const USUAL_STEP: u64 = 3;

/// What the layers of an encoding take of it, those of time or those of size, as they come.
///
/// A layer's share falls soon and rises slowly, so that key frames, which are of the base layer, do not count: neither do they in what
/// the whole encoding costs.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Shares {
    /// Bytes of each layer since the latest measure.
    latest: [u64; LAYERS],
    /// What each takes together with those below it, in thousandths; 0 above the highest.
    thousandths: [u64; LAYERS],
}

impl Shares {
    /// Counts a packet of a layer; one that names none is needed by all.
    #[inline]
    pub(super) fn on_packet(&mut self, layer: Option<u8>, len: usize) {
        if let Some(bytes) = self.latest.get_mut(usize::from(layer.unwrap_or(0))) {
            *bytes += len as u64 + PACKET_OVERHEAD;
        }
    }

    /// Ends an interval of about a second. While the encoding rests nothing changes.
    pub(super) fn measure(&mut self) {
        let latest = std::mem::take(&mut self.latest);
        let total: u64 = latest.iter().sum();
        if total == 0 {
            return;
        }
        let layers = latest.iter().rposition(|bytes| *bytes > 0).map_or(0, |highest| highest + 1);
        let mut below = 0;
        for (index, bytes) in latest.into_iter().enumerate() {
            below += bytes;
            let now = if index < layers { (below * 1_000 / total).max(1) } else { 0 };
            let known = &mut self.thousandths[index];
            *known = match *known {
                _ if now == 0 => 0,
                0 => now,
                known if now > known => known + (now - known).div_ceil(8),
                known => known.midpoint(now),
            };
        }
    }

    /// Takes the word of the shard where it is published.
    pub(crate) fn set(&mut self, percent: [u8; LAYERS]) {
        self.thousandths = percent.map(|share| u64::from(share) * 10);
    }

    /// The share of the bitrate that each layer takes together with those below it, in percent, as [`Offer::temporal`](crate::allocation::Offer)
    /// has it.
    pub(crate) fn get(&self) -> [u8; LAYERS] {
        self.thousandths.map(|share| share.div_ceil(10) as u8)
    }

    /// How many layers came of late; 0 before they were measured.
    pub(crate) fn count(&self) -> usize {
        self.thousandths.iter().take_while(|share| **share != 0).count()
    }

    /// What each of `count` layers costs together with those below it, where all that comes costs `whole_bps`. Layers that do not come,
    /// or are not measured yet, have what is usual.
    pub(crate) fn costs_bps(&self, whole_bps: u64, count: usize) -> [u64; LAYERS] {
        let count = count.min(LAYERS);
        let measured = self.count().min(count);
        // Of an encoding of which nothing is measured the usual cost is that of all its layers.
        let known = if measured == 0 { count } else { measured };
        let mut costs_bps = [0; LAYERS];
        for (layer, cost_bps) in (0..count).zip(&mut costs_bps) {
            *cost_bps = match layer {
                _ if layer + 1 > known => whole_bps.saturating_mul(USUAL_STEP.pow((layer + 1 - known) as u32)),
                _ if layer + 1 == known => whole_bps,
                _ if measured == 0 => whole_bps / USUAL_STEP.pow((known - 1 - layer) as u32),
                _ => whole_bps.saturating_mul(self.thousandths[layer]).div_ceil(1_000),
            };
        }
        costs_bps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;

    #[test]
    fn a_cost_rises_soon_and_falls_slowly_and_outlives_silence() {
        let (mut cost, start) = (Cost::default(), test_start());
        let at = |s| start + Duration::from_secs(s);
        let usual = [(0, 3), (2, 3), (0, 1)].map(|(index, count)| cost.bitrate_bps(index, count));
        assert_eq!(usual, [170_000, 1_800_000, 1_500_000]);
        let mut measure = |second, thousands| {
            cost.measure(at(second), (thousands, thousands * 1_000), 0, 1);
            cost.bitrate_bps(0, 1) / ((1_000 + 44) * 8)
        };
        measure(0, 0);
        assert_eq!(measure(1, 100), 100);
        assert_eq!(measure(2, 300), 150, "a rise counts by half");
        assert_eq!(measure(3, 350), 125, "a fall by a quarter");
        assert_eq!(measure(4, 350), 125, "and silence not");
    }

    #[test]
    fn an_encoder_that_begins_does_not_look_cheap() {
        let (mut cost, start) = (Cost::default(), test_start());
        let at = |s| start + Duration::from_secs(s);
        let mut total = 0;
        let mut measure = |second, packets| {
            total += packets;
            cost.measure(at(second), (total, total * 1_000), 2, 3);
            cost.bitrate_bps(2, 3)
        };
        measure(0, 0);
        (1..=4).for_each(|second| assert_eq!(measure(second, 50), 1_800_000, "what is usual"));
        let known = (5..=20).map(|second| measure(second, 250)).last().expect("measured");
        assert!(known.abs_diff(250 * (1_000 + 44) * 8) <= 8, "{known}");
        measure(21, 0);
        (22..=25).for_each(|second| assert_eq!(measure(second, 50), known, "what it was"));
        assert!(measure(27, 50) < known, "it has become cheaper");
    }

    #[test]
    fn the_shares_of_temporal_layers_follow_what_comes() {
        let mut shares = Shares::default();
        let second = |shares: &mut Shares, layers: &[Option<u8>]| {
            layers.iter().cycle().take(20).for_each(|layer| shares.on_packet(*layer, 1_000));
            shares.measure();
            shares.get()
        };
        assert_eq!(shares.get(), [0; 4]);
        assert_eq!(second(&mut shares, &[None]), [100, 0, 0, 0]);
        let pattern = [Some(0), Some(2), Some(1), Some(2)];
        let settled = (0..20).map(|_| second(&mut shares, &pattern)).last();
        let three = [25, 50, 100, 0];
        assert_eq!(settled, Some(three));
        shares.measure();
        assert_eq!(shares.get(), three, "a rest tells nothing");
        assert_eq!(
            second(&mut shares, &[Some(0), Some(0), Some(0), Some(1), Some(2)]),
            [30, 54, 100, 0],
            "a key frame"
        );
        assert_eq!(second(&mut shares, &pattern), [28, 52, 100, 0]);
        assert_eq!(second(&mut shares, &[Some(0)])[1..], [0, 0, 0], "there is one layer");
        let alone = (0..60).map(|_| second(&mut shares, &[Some(0)])).last();
        assert_eq!(alone, Some([100, 0, 0, 0]));
        assert_eq!(second(&mut shares, &[Some(200)]), [100, 0, 0, 0], "no such layer");
        shares.set(three);
        assert_eq!(shares.get(), three);
        assert_eq!(second(&mut shares, &[Some(0)])[0], 35, "a key frame is what comes first");
    }

    #[test]
    fn layers_cost_what_they_take_or_what_is_usual() {
        let mut shares = Shares::default();
        assert_eq!((shares.count(), shares.costs_bps(900, 3)), (0, [100, 300, 900, 0]));
        for layer in [0, 1, 1, 2, 2, 2, 2, 2, 2, 2] {
            shares.on_packet(Some(layer), 1_000);
        }
        shares.measure();
        assert_eq!((shares.count(), shares.costs_bps(2_000_000, 3)), (3, [200_000, 600_000, 2_000_000, 0]));
        assert_eq!(shares.costs_bps(2_000_000, 2)[..2], [200_000, 2_000_000], "what comes is all of it");
        assert_eq!(shares.costs_bps(2_000_000, 9)[3], 6_000_000);
        shares.on_packet(Some(0), 1_000);
        shares.measure();
        assert_eq!(shares.costs_bps(200_000, 3), [200_000, 600_000, 1_800_000, 0], "the others rest");
        assert_eq!(shares.costs_bps(u64::MAX, 4)[3], u64::MAX);
    }
}
