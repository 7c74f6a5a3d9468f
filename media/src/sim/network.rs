//! A seeded network: links that lose, delay and reorder datagrams on virtual time, and that have room for so much.

pub(crate) mod bottleneck;
pub(crate) mod bursts;
pub(crate) mod record;

use crate::path::Path;
use bottleneck::{Bottleneck, Queue};
use bursts::Bursts;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use record::{Passage, Record};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// What a datagram is carried in: IPv4 and UDP headers.
const HEADERS_LEN: usize = 28;
/// The content type of a record of DTLS (RFC 5246 section 6.2.1).
const DTLS_HANDSHAKE: u8 = 22;

/// How one direction of a link behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quality {
    /// Share of datagrams lost, 0 to 1.
    pub(crate) loss: f64,
    pub(crate) delay: Duration,
    /// Added to each datagram's delay, uniformly from zero: datagrams overtake one another by as much.
    pub(crate) jitter: Duration,
    /// A datagram waits for those before it, so that jitter reorders nothing.
    pub(crate) keeps_order: bool,
    /// Loss in bursts, beside `loss`.
    pub(crate) bursts: Option<Bursts>,
    /// What the link has room for; without one, everything.
    pub(crate) bottleneck: Option<Bottleneck>,
}

impl Quality {
    /// 10 ms, and nothing lost or reordered.
    pub(crate) const GOOD: Self = Self {
        loss: 0.0,
        delay: Duration::from_millis(10),
        jitter: Duration::ZERO,
        keeps_order: false,
        bursts: None,
        bottleneck: None,
    };

    /// A loss, with 20 ms of delay and 30 ms of reordering.
    pub(crate) const fn lossy(loss: f64) -> Self {
        Self { loss, delay: Duration::from_millis(20), jitter: Duration::from_millis(30), ..Self::GOOD }
    }

    /// 20 ms, and so many bits a second behind the usual queue.
    pub(crate) const fn limited(rate_bps: u64) -> Self {
        Self { delay: Duration::from_millis(20), bottleneck: Some(Bottleneck::usual(rate_bps)), ..Self::GOOD }
    }

    /// Nothing gets through.
    pub(crate) const fn broken(self) -> Self {
        Self { loss: 1.0, ..self }
    }
}

/// A datagram on its way.
pub(crate) struct Flight {
    pub(crate) sent: Instant,
    pub(crate) path: Path,
    pub(crate) datagram: Vec<u8>,
}

/// A datagram before the bottleneck: what will become of it behind it is drawn already.
struct Waiting {
    flight: Flight,
    lost: bool,
    jitter: Duration,
}

/// One direction between a client and the server.
pub(crate) struct Link {
    quality: Quality,
    /// What it will be like from when on, in order.
    schedule: VecDeque<(Instant, Quality)>,
    rng: SmallRng,
    in_burst: bool,
    queue: Queue<Waiting>,
    in_flight: BTreeMap<(Instant, u64), Flight>,
    count: u64,
    newest_arrival: Option<Instant>,
    /// Bits a second of the bottleneck since when.
    rates: Vec<(Instant, Option<u64>)>,
    pub(crate) record: Record,
}

/// What a datagram takes of a link. Handshakes have signatures of 70 to 72 bytes, and keys that no seed decides: by the byte a slow link
/// would be another one with each run.
fn len_of(datagram: &[u8]) -> usize {
    let is_handshake = matches!(datagram, [DTLS_HANDSHAKE, ..]);
    HEADERS_LEN + if is_handshake { datagram.len().next_multiple_of(128) } else { datagram.len() }
}

impl Link {
    pub(crate) fn new(quality: Quality, seed: u64) -> Self {
        Self {
            quality,
            schedule: VecDeque::new(),
            rng: SmallRng::seed_from_u64(seed),
            in_burst: false,
            queue: Queue::default(),
            in_flight: BTreeMap::new(),
            count: 0,
            newest_arrival: None,
            rates: Vec::new(),
            record: Record::default(),
        }
    }

    /// Changes it now. What waits at the bottleneck goes on at the new rate.
    pub(crate) fn set_quality(&mut self, now: Instant, quality: Quality) {
        self.advance(now);
        self.change(now, quality);
    }

    /// Changes it some time from now on, after all changes that are planned already.
    pub(crate) fn plan(&mut self, at: Instant, quality: Quality) {
        assert!(self.schedule.back().is_none_or(|(last, _)| *last <= at), "changes are planned in order");
        self.schedule.push_back((at, quality));
    }

    fn change(&mut self, now: Instant, quality: Quality) {
        let rate = |quality: &Quality| quality.bottleneck.map(|bottleneck| bottleneck.rate_bps);
        let (old, new) = (rate(&self.quality), rate(&quality));
        match (old, new) {
            (Some(old), Some(new)) => self.queue.change_rate(now, old, new),
            (Some(_), None) => {
                while let Some((passage, waiting)) = self.queue.drain(now) {
                    self.pass(now, passage, waiting);
                }
            }
            _ => {}
        }
        self.quality = quality;
        self.rates.push((now, new));
    }

    /// What its rate was changed to, and when; `None` for as much as comes.
    pub(crate) fn rates(&self) -> &[(Instant, Option<u64>)] {
        &self.rates
    }

    pub(crate) fn send(&mut self, now: Instant, path: Path, datagram: Vec<u8>) {
        self.advance(now);
        let mut lost = self.rng.random_bool(self.quality.loss);
        let jitter = self.quality.jitter.mul_f64(self.rng.random());
        if let Some(bursts) = &self.quality.bursts {
            lost |= bursts.draw(&mut self.in_burst, &mut self.rng);
        }
        let len = len_of(&datagram);
        let waiting = Waiting { flight: Flight { sent: now, path, datagram }, lost, jitter };
        match self.quality.bottleneck {
            None => self.pass(now, Passage { sent: now, left: Some(now), queued: Duration::ZERO, len }, waiting),
            Some(bottleneck) => {
                if !self.queue.push(now, &bottleneck, len, waiting) {
                    self.record.add(Passage { sent: now, left: None, queued: Duration::ZERO, len });
                }
            }
        }
    }

    /// A datagram has left the bottleneck.
    fn pass(&mut self, left: Instant, passage: Passage, waiting: Waiting) {
        self.record.add(passage);
        if waiting.lost {
            return;
        }
        self.count += 1;
        let mut at = left + self.quality.delay + waiting.jitter;
        if self.quality.keeps_order {
            at = self.newest_arrival.map_or(at, |newest| newest.max(at));
        }
        self.newest_arrival = Some(at);
        self.in_flight.insert((at, self.count), waiting.flight);
    }

    /// Does what is due at the bottleneck, and the changes of quality in between, each at its own time.
    fn advance(&mut self, now: Instant) {
        loop {
            let change = self.schedule.front().map(|(at, _)| *at).filter(|at| *at <= now);
            let done = self.queue.done_at().filter(|at| *at <= now && change.is_none_or(|change| *at < change));
            if let (Some(at), Some(bottleneck)) = (done, self.quality.bottleneck) {
                let (passage, waiting) = self.queue.pop(bottleneck.rate_bps).expect("something is done");
                self.pass(at, passage, waiting);
            } else if let Some((at, quality)) = change.and_then(|_| self.schedule.pop_front()) {
                self.change(at, quality);
            } else {
                return;
            }
        }
    }

    /// When there is something to do next: no datagram arrives before.
    pub(crate) fn next(&self) -> Option<Instant> {
        let arrival = self.in_flight.first_key_value().map(|((at, _), _)| *at);
        let leaving = self.queue.done_at().map(|at| at + self.quality.delay);
        // A faster link is done earlier with what waits.
        let change = self.schedule.front().map(|(at, _)| *at).filter(|_| leaving.is_some());
        [arrival, leaving, change].into_iter().flatten().min()
    }

    /// A datagram that has arrived.
    pub(crate) fn receive(&mut self, now: Instant) -> Option<Flight> {
        self.advance(now);
        let (at, _) = *self.in_flight.first_key_value()?.0;
        (at <= now).then(|| self.in_flight.pop_first().expect("just seen").1)
    }
}

#[cfg(test)]
mod tests;
