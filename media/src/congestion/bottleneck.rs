//! What the path carries while it is full: the rate at which packets leave the queue in front of its bottleneck.
//!
//! While every packet waits there, they arrive as fast as the bottleneck serves them, however little was sent before and however
//! much is sent now: a tenth of a second of that is the path's rate, where an average over what arrives would need a second to
//! get there. It is the delivery rate of BBR (Cardwell et al., draft-cardwell-iccrg-bbr-congestion-control), taken only where it is
//! sure to be the path's and not the sender's.

/// Of such spans two are kept, so that what is told is of one to two of them.
const SPAN_US: i64 = 150_000;
/// Less is not enough to tell anything.
const MIN_SPAN_US: i64 = 60_000;
const MIN_PACKETS: u32 = 4;
/// Where less than this share of what was sent arrives, the path carries less, and it is no detour or jitter.
const SURE: f64 = 0.75;
/// Where less than this share of what arrives was sent, the queue shrinks.
const DRAINS: f64 = 0.95;

/// The rates of one span, all of whose packets waited.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Full {
    /// What arrived, in bits per second: what the path carries.
    pub(super) arriving_bps: f64,
    /// What had been sent of it, in bits per second.
    pub(super) sent_bps: f64,
}

impl Full {
    /// Whether less was sent than arrived: the queue becomes shorter.
    pub(super) fn drains(&self) -> bool {
        self.sent_bps < DRAINS * self.arriving_bps
    }

    /// Whether the path carries so much less than was sent that nothing else explains it.
    pub(super) fn is_sure(&self) -> bool {
        self.arriving_bps < SURE * self.sent_bps
    }
}

/// Packets in the order of their arrival.
#[derive(Clone, Copy, Debug)]
struct Span {
    first_arrival_us: i64,
    last_arrival_us: i64,
    first_sent_us: i64,
    last_sent_us: i64,
    /// Without those of the first arrival, with which the span began.
    bytes: u64,
    packets: u32,
}

impl Span {
    const fn new(sent_us: i64, arrival_us: i64) -> Self {
        Self {
            first_arrival_us: arrival_us,
            last_arrival_us: arrival_us,
            first_sent_us: sent_us,
            last_sent_us: sent_us,
            bytes: 0,
            packets: 0,
        }
    }
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Bottleneck {
    /// Only where there is a present one.
    former: Option<Span>,
    present: Option<Span>,
}

impl Bottleneck {
    /// Packets that left at once and arrived together, after those that they are told of with; whether they had to wait on their way.
    #[inline]
    pub(super) fn on_packets(&mut self, sent_us: i64, arrival_us: i64, packets: u32, bytes: u32, has_waited: bool) {
        if !has_waited {
            if self.present.is_some() {
                *self = Self::default();
            }
            return;
        }
        let span = self.present.get_or_insert(Span::new(sent_us, arrival_us));
        span.bytes += if span.packets == 0 && self.former.is_none() { 0 } else { u64::from(bytes) };
        span.packets += packets;
        span.last_arrival_us = span.last_arrival_us.max(arrival_us);
        span.last_sent_us = span.last_sent_us.max(sent_us);
        if span.last_arrival_us - span.first_arrival_us >= SPAN_US {
            // The next span begins where this one ends.
            let (sent_us, arrival_us) = (span.last_sent_us, span.last_arrival_us);
            self.former = self.present.replace(Span::new(sent_us, arrival_us));
        }
    }

    /// What the path carries, while it is full.
    #[inline]
    pub(super) fn rate(&self) -> Option<Full> {
        self.present.and_then(|present| self.rate_up_to(present))
    }

    fn rate_up_to(&self, present: Span) -> Option<Full> {
        let first = self.former.unwrap_or(present);
        let packets = present.packets + self.former.map_or(0, |former| former.packets);
        let bits = 8e6 * (present.bytes + self.former.map_or(0, |former| former.bytes)) as f64;
        let arrival_us = present.last_arrival_us - first.first_arrival_us;
        let sent_us = (present.last_sent_us - first.first_sent_us).max(1);
        (packets >= MIN_PACKETS && arrival_us >= MIN_SPAN_US)
            .then(|| Full { arriving_bps: bits / arrival_us as f64, sent_bps: bits / sent_us as f64 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 500 bytes that left and arrived so far apart.
    fn feed(bottleneck: &mut Bottleneck, from_us: i64, count: i64, sent_us: i64, arrival_us: i64) {
        (0..count).for_each(|i| bottleneck.on_packets(from_us + i * sent_us, from_us + i * arrival_us, 1, 500, true));
    }

    #[test]
    fn a_full_path_shows_its_rate_in_a_tenth_of_a_second() {
        let mut bottleneck = Bottleneck::default();
        feed(&mut bottleneck, 0, 6, 1_000, 10_000);
        assert_eq!(bottleneck.rate(), None, "50 ms are too little");
        bottleneck = Bottleneck::default();
        feed(&mut bottleneck, 0, 3, 1_000, 100_000);
        assert_eq!(bottleneck.rate(), None, "and so are three packets");
        bottleneck = Bottleneck::default();
        feed(&mut bottleneck, 0, 12, 1_000, 10_000);
        let full = bottleneck.rate().expect("110 ms");
        assert!((full.arriving_bps - 400_000.0).abs() < 1_000.0, "{full:?}");
        assert!(full.is_sure());
    }

    #[test]
    fn it_forgets_what_was() {
        let mut bottleneck = Bottleneck::default();
        feed(&mut bottleneck, 0, 500, 2_000, 2_000);
        assert!(bottleneck.rate().is_some_and(|full| !full.is_sure() && (full.arriving_bps - 2e6).abs() < 1e3));
        feed(&mut bottleneck, 1_000_000, 40, 2_000, 10_000);
        assert!(bottleneck.rate().is_some_and(|full| full.is_sure() && (full.arriving_bps - 4e5).abs() < 1e3));
        bottleneck.on_packets(2_000_000, 2_000_000, 1, 500, false);
        assert_eq!(bottleneck.rate(), None, "what does not wait tells nothing");
    }

    #[test]
    fn times_that_run_back_do_no_harm() {
        let mut bottleneck = Bottleneck::default();
        feed(&mut bottleneck, 1_000_000, 30, -10_000, 10_000);
        feed(&mut bottleneck, 1_000_000, 30, 10_000, -10_000);
        assert!(bottleneck.rate().is_some_and(|full| full.arriving_bps.is_finite() && full.sent_bps.is_finite()));
    }
}
