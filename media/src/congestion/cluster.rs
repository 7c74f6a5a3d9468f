//! What a probe cluster has shown: the rate at which its packets left, and at which they arrived.
//!
//! libwebrtc's `modules/congestion_controller/goog_cc/probe_bitrate_estimator.cc`. Of both rates the lower counts, so no
//! receiver can show more than was sent. Where they differ the path was full, and a little less than what arrived is taken.

use super::history::Sent;
use super::probing::{Probe, ProbeId};

/// Clusters that are measured at once.
const CLUSTERS: usize = 4;
/// The share of the packets and bytes that must have arrived.
const MIN_RECEIVED: f64 = 0.8;
/// A longer span, sent or arriving, is no cluster.
const MAX_SPAN_US: i64 = 1_000_000;
/// Packets cannot arrive so much faster than they left, unless something held them back.
const MAX_RATIO: f64 = 2.0;
/// Below this share of the sent rate the path was full; then this share of what arrived is taken.
const FULL_RATIO: f64 = 0.9;
const FULL_SHARE: f64 = 0.95;

#[derive(Clone, Copy, Debug)]
struct Cluster {
    id: ProbeId,
    bitrate_bps: f64,
    min_bytes: f64,
    min_packets: f64,
    packets: u32,
    bytes: u32,
    /// Time and size of the first and the last, in the order of sending, then of arrival.
    sent: Ends,
    arrived: Ends,
    is_changed: bool,
}

/// The outermost packets of a span.
#[derive(Clone, Copy, Debug, Default)]
struct Ends {
    first: Option<(i64, u16)>,
    last: Option<(i64, u16)>,
}

impl Ends {
    fn add(&mut self, at_us: i64, bytes: u16) {
        if self.first.is_none_or(|(first_us, _)| at_us < first_us) {
            self.first = Some((at_us, bytes));
        }
        if self.last.is_none_or(|(last_us, _)| at_us >= last_us) {
            self.last = Some((at_us, bytes));
        }
    }

    /// The span in µs.
    fn span_us(&self) -> Option<i64> {
        Some(self.last?.0 - self.first?.0).filter(|span_us| (1..=MAX_SPAN_US).contains(span_us))
    }
}

/// The clusters that were begun last.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Clusters {
    /// Some cluster has changed since it was last measured. Most of the time none is under way.
    has_news: bool,
    next: usize,
    /// Apart, so that what is asked for with each message is small.
    slots: Box<[Option<Cluster>; CLUSTERS]>,
}

/// What a cluster came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Measured {
    pub(super) id: ProbeId,
    pub(super) rate_bps: f64,
}

impl Clusters {
    /// A cluster begins.
    pub(super) fn begin(&mut self, probe: &Probe) {
        if let Some(slot) = self.slots.get_mut(self.next) {
            *slot = Some(Cluster {
                id: probe.id,
                bitrate_bps: probe.bitrate_bps as f64,
                min_bytes: probe.min_bytes as f64 * MIN_RECEIVED,
                min_packets: probe.min_packets as f64 * MIN_RECEIVED,
                packets: 0,
                bytes: 0,
                sent: Ends::default(),
                arrived: Ends::default(),
                is_changed: false,
            });
        }
        self.next = (self.next + 1) % CLUSTERS;
    }

    /// A packet of some cluster arrived.
    pub(super) fn on_packet(&mut self, sent: Sent, sent_us: i64, arrival_us: i64) {
        let is_of = |cluster: &&mut Cluster| cluster.id.get() == sent.cluster;
        let Some(cluster) = self.slots.iter_mut().flatten().find(is_of) else { return };
        cluster.packets = cluster.packets.saturating_add(1);
        cluster.bytes = cluster.bytes.saturating_add(u32::from(sent.bytes));
        cluster.sent.add(sent_us, sent.bytes);
        cluster.arrived.add(arrival_us, sent.bytes);
        cluster.is_changed = true;
        self.has_news = true;
    }

    /// The greatest rate that was shown since this was last asked.
    #[inline]
    pub(super) fn take_measured(&mut self) -> Option<Measured> {
        if std::mem::take(&mut self.has_news) { self.measure() } else { None }
    }

    #[cold]
    fn measure(&mut self) -> Option<Measured> {
        let mut best: Option<Measured> = None;
        let changed = self.slots.iter_mut().flatten().filter(|cluster| cluster.is_changed);
        for cluster in changed {
            cluster.is_changed = false;
            let Some(rate_bps) = cluster.measure() else { continue };
            if best.is_none_or(|best| rate_bps > best.rate_bps) {
                best = Some(Measured { id: cluster.id, rate_bps });
            }
        }
        best
    }
}

impl Cluster {
    fn measure(&self) -> Option<f64> {
        if f64::from(self.packets) < self.min_packets || f64::from(self.bytes) < self.min_bytes {
            return None;
        }
        // A span ends with the last departure, and begins with the first arrival, so each leaves one packet out.
        let rate = |ends: &Ends, left_out: Option<(i64, u16)>| {
            let bits = 8.0 * (f64::from(self.bytes) - f64::from(left_out?.1));
            Some(bits * 1e6 / ends.span_us()? as f64)
        };
        let sent_bps = rate(&self.sent, self.sent.last)?;
        let arrived_bps = rate(&self.arrived, self.arrived.first)?;
        if arrived_bps > sent_bps * MAX_RATIO {
            return None;
        }
        let is_full = arrived_bps < sent_bps * FULL_RATIO;
        let rate_bps = if is_full { arrived_bps * FULL_SHARE } else { sent_bps.min(arrived_bps) };
        Some(rate_bps.min(self.bitrate_bps))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::history::History;

    /// Ten packets of 1,000 bytes at 4 Mbit/s; `arrive` says when, in µs, or that it was lost.
    fn measure(arrive: impl Fn(i64) -> Option<i64>) -> Option<f64> {
        let id = ProbeId::after(None);
        let mut clusters = Clusters::default();
        clusters.begin(&Probe { id, bitrate_bps: 4_000_000, min_bytes: 9_000, min_packets: 5 });
        let mut history = History::new();
        (0..10u16).for_each(|i| history.push(u32::from(i) * 2_000, 1_000, id.get()));
        for i in 0..10u16 {
            let Some(arrival_us) = arrive(i64::from(i)) else { continue };
            let sent = history.arrive(i).expect("sent");
            clusters.on_packet(sent, i64::from(i) * 2_000, arrival_us);
        }
        clusters.take_measured().map(|measured| measured.rate_bps)
    }

    #[test]
    fn the_lower_rate_counts() {
        assert_eq!(measure(|i| Some(50_000 + i * 2_000)), Some(4e6));
        assert_eq!(measure(|i| Some(50_000 + i * 1_500)), Some(4e6));
        assert_eq!(measure(|i| Some(50_000 + i * 4_000)), Some(0.95 * 2e6), "the path was full");
    }

    #[test]
    fn what_is_no_measurement_shows_nothing() {
        assert_eq!(measure(|i| (i % 2 == 0).then_some(i * 2_000)), None, "half is lost");
        assert_eq!(measure(|_| Some(50_000)), None, "at once");
        assert_eq!(measure(|i| Some(i * 200)), None, "held back");
        assert_eq!(measure(|i| Some(i * 200_000)), None, "too long");
    }
}
