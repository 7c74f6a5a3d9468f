//! A seeded path: one bottleneck with a queue, a delay, jitter and losses, and perhaps somebody else's packets.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Which packets are lost behind the bottleneck.
#[derive(Clone, Copy, Debug)]
pub(super) enum Losses {
    None,
    /// Each with this chance.
    Random(f64),
    /// Gilbert and Elliott's: everything in bursts of a mean length, a share of all.
    Bursts {
        share: f64,
        mean_len: f64,
    },
}

/// How a path behaves. Times are in µs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quality {
    pub(super) rate_bps: Option<f64>,
    /// The bottleneck drops what would wait behind so many bytes.
    pub(super) queue_bytes: f64,
    /// Drops what exceeds this rate, without a queue.
    pub(super) policed_bps: Option<f64>,
    pub(super) delay_us: i64,
    /// Added to each packet's delay, up to this.
    pub(super) jitter_us: i64,
    pub(super) reorders: bool,
    pub(super) losses: Losses,
    /// Share of feedback that is lost.
    pub(super) feedback_loss: f64,
    /// Packets of 1200 bytes that somebody else sends.
    pub(super) cross_bps: f64,
    pub(super) is_down: bool,
    /// The receiver looks at its socket after random pauses up to this.
    pub(super) receiver_pause_us: i64,
    /// So does the sender at its clock, in 1 ms and up to this.
    pub(super) sender_pause_us: i64,
}

impl Quality {
    /// 30 ms each way and no limit.
    pub(super) const FREE: Self = Self {
        rate_bps: None,
        queue_bytes: 64_000.0,
        policed_bps: None,
        delay_us: 30_000,
        jitter_us: 0,
        reorders: false,
        losses: Losses::None,
        feedback_loss: 0.0,
        cross_bps: 0.0,
        is_down: false,
        receiver_pause_us: 0,
        sender_pause_us: 3_000,
    };

    /// A bottleneck whose queue holds 400 ms.
    pub(super) const fn narrow(rate_bps: f64) -> Self {
        Self { rate_bps: Some(rate_bps), queue_bytes: rate_bps / 8.0 * 0.4, ..Self::FREE }
    }
}

pub(super) struct Bottleneck {
    pub(super) quality: Quality,
    pub(super) rng: SmallRng,
    /// When it has sent all that waits.
    free_us: f64,
    /// The next of somebody else's packets.
    cross_us: f64,
    /// Bytes that the policer lets through, and when that was so.
    tokens: (f64, i64),
    latest_arrival_us: i64,
    in_burst: bool,
}

impl Bottleneck {
    pub(super) fn new(quality: Quality, seed: u64) -> Self {
        let rng = SmallRng::seed_from_u64(seed);
        Self { quality, rng, free_us: 0.0, cross_us: 0.0, tokens: (0.0, 0), latest_arrival_us: 0, in_burst: false }
    }

    /// Changes the path; what waits in the queue is still to be sent.
    pub(super) fn change(&mut self, now_us: i64, quality: Quality) {
        if let (Some(before), Some(after)) = (self.quality.rate_bps, quality.rate_bps) {
            self.free_us = now_us as f64 + self.waiting_us(now_us) * before / after;
        }
        self.quality = quality;
    }

    /// How long a packet would wait now.
    pub(super) fn waiting_us(&self, now_us: i64) -> f64 {
        (self.free_us - now_us as f64).max(0.0)
    }

    /// When a packet arrives; `None` when it is lost.
    pub(super) fn send(&mut self, now_us: i64, bytes: usize) -> Option<i64> {
        while self.quality.cross_bps > 0.0 && self.cross_us < now_us as f64 {
            let cross_us = self.cross_us.max(now_us as f64 - 100_000.0);
            self.enqueue(cross_us, 1_200);
            self.cross_us = cross_us + 1_200.0 * 8e6 / self.quality.cross_bps;
        }
        let is_lost = self.is_lost();
        if self.quality.is_down || !self.passes_policer(now_us, bytes) {
            return None;
        }
        let left_us = self.enqueue(now_us as f64, bytes)?;
        let jitter_us = (self.quality.jitter_us as f64 * self.rng.random::<f64>()) as i64;
        let mut arrival_us = left_us as i64 + self.quality.delay_us + jitter_us;
        if !self.quality.reorders {
            arrival_us = arrival_us.max(self.latest_arrival_us);
        }
        if is_lost {
            return None;
        }
        self.latest_arrival_us = self.latest_arrival_us.max(arrival_us);
        Some(arrival_us)
    }

    fn enqueue(&mut self, now_us: f64, bytes: usize) -> Option<f64> {
        let Some(rate_bps) = self.quality.rate_bps else { return Some(now_us) };
        let waiting_us = (self.free_us - now_us).max(0.0);
        if waiting_us / 8e6 * rate_bps > self.quality.queue_bytes {
            return None;
        }
        self.free_us = now_us + waiting_us + bytes as f64 * 8e6 / rate_bps;
        Some(self.free_us)
    }

    fn passes_policer(&mut self, now_us: i64, bytes: usize) -> bool {
        let Some(policed_bps) = self.quality.policed_bps else { return true };
        let (tokens, since_us) = self.tokens;
        let tokens = (tokens + (now_us - since_us) as f64 * policed_bps / 8e6).min(policed_bps / 8.0 * 0.1);
        let passes = tokens >= bytes as f64;
        self.tokens = (if passes { tokens - bytes as f64 } else { tokens }, now_us);
        passes
    }

    fn is_lost(&mut self) -> bool {
        match self.quality.losses {
            Losses::None => false,
            Losses::Random(share) => self.rng.random_bool(share),
            Losses::Bursts { share, mean_len } => {
                let leave = 1.0 / mean_len;
                let chance = if self.in_burst { leave } else { leave * share / (1.0 - share) };
                self.in_burst ^= self.rng.random_bool(chance);
                self.in_burst
            }
        }
    }
}
