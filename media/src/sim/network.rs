//! A seeded network: links that lose, delay and reorder datagrams on virtual time.

use crate::path::Path;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How one direction of a link behaves.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quality {
    /// Share of datagrams lost, 0 to 1.
    pub(crate) loss: f64,
    pub(crate) delay: Duration,
    /// Added to each datagram's delay, uniformly from zero: datagrams overtake one another by as much.
    pub(crate) jitter: Duration,
}

impl Quality {
    /// 10 ms, and nothing lost or reordered.
    pub(crate) const GOOD: Self = Self { loss: 0.0, delay: Duration::from_millis(10), jitter: Duration::ZERO };

    /// A loss, with 20 ms of delay and 30 ms of reordering.
    pub(crate) const fn lossy(loss: f64) -> Self {
        Self { loss, delay: Duration::from_millis(20), jitter: Duration::from_millis(30) }
    }
}

/// A datagram on its way.
pub(crate) struct Flight {
    pub(crate) sent: Instant,
    pub(crate) path: Path,
    pub(crate) datagram: Vec<u8>,
}

/// One direction between a client and the server.
pub(crate) struct Link {
    pub(crate) quality: Quality,
    rng: SmallRng,
    in_flight: BTreeMap<(Instant, u64), Flight>,
    count: u64,
}

impl Link {
    pub(crate) fn new(quality: Quality, seed: u64) -> Self {
        Self { quality, rng: SmallRng::seed_from_u64(seed), in_flight: BTreeMap::new(), count: 0 }
    }

    pub(crate) fn send(&mut self, now: Instant, path: Path, datagram: Vec<u8>) {
        let lost = self.rng.random_bool(self.quality.loss);
        let jitter = self.quality.jitter.mul_f64(self.rng.random());
        if !lost {
            self.count += 1;
            let at = now + self.quality.delay + jitter;
            self.in_flight.insert((at, self.count), Flight { sent: now, path, datagram });
        }
    }

    /// When the next datagram arrives.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.in_flight.first_key_value().map(|((at, _), _)| *at)
    }

    /// A datagram that has arrived.
    pub(crate) fn receive(&mut self, now: Instant) -> Option<Flight> {
        let (at, _) = *self.in_flight.first_key_value()?.0;
        (at <= now).then(|| self.in_flight.pop_first().expect("just seen").1)
    }
}
