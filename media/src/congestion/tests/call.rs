//! A sender with a camera's frames, a path, and a receiver that answers, on virtual time.

use super::path::{Bottleneck, Quality};
use crate::congestion::{Congestion, Demand, Probe};
use crate::feedback::test_start;
use crate::feedback::twcc::TwccRecorder;
use rand::RngExt;
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

const FRAME_US: i64 = 33_333;
const MAX_PACKET: usize = 1_200;
const TIMEOUT_US: i64 = 20_000;
const PACING: f64 = 2.5;

/// What is sent and wanted, in bit/s.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wishes {
    /// The application sends no more than this.
    pub(super) cap_bps: f64,
    /// The next better picture; 0 stands for half as much again as the estimate.
    pub(super) next_bps: f64,
    pub(super) wanted_bps: f64,
}

impl Wishes {
    /// A sender that fills whatever there is, up to so much.
    pub(super) const fn all(wanted_bps: f64) -> Self {
        Self { cap_bps: wanted_bps, next_bps: 0.0, wanted_bps }
    }
}

/// What was seen at one time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) at_ms: i64,
    pub(super) estimate_bps: f64,
    /// How long a packet would have waited.
    pub(super) waiting_ms: f64,
}

pub(super) struct Call {
    start: Instant,
    now_us: i64,
    pub(super) congestion: Congestion,
    pub(super) path: Bottleneck,
    pub(super) wishes: Wishes,
    pub(super) samples: Vec<Sample>,
    pub(super) probes: Vec<(i64, Probe)>,
    next_frame_us: i64,
    next_timeout_us: i64,
    next_feedback_us: i64,
    next_receive_us: i64,
    paced_us: i64,
    budget_bytes: f64,
    queue: VecDeque<usize>,
    /// A cluster under way: bytes and packets sent, and the time it began.
    probe: Option<(Probe, usize, usize, i64)>,
    in_flight: BTreeMap<(i64, u64), u16>,
    count: u64,
    recorder: TwccRecorder,
    feedback: BTreeMap<(i64, u64), Vec<u8>>,
    /// Feedback is kept.
    is_deaf: bool,
}

impl Call {
    pub(super) fn new(quality: Quality, wishes: Wishes, seed: u64) -> Self {
        let start = test_start();
        Self {
            start,
            now_us: 0,
            congestion: Congestion::new(0),
            path: Bottleneck::new(quality, seed),
            wishes,
            samples: Vec::new(),
            probes: Vec::new(),
            next_frame_us: 0,
            next_timeout_us: 0,
            next_feedback_us: 50_000,
            next_receive_us: 0,
            paced_us: 0,
            budget_bytes: 0.0,
            queue: VecDeque::new(),
            probe: None,
            in_flight: BTreeMap::new(),
            count: 0,
            recorder: TwccRecorder::default(),
            feedback: BTreeMap::new(),
            is_deaf: false,
        }
    }

    pub(super) fn change(&mut self, change: impl FnOnce(&mut Quality)) {
        let mut quality = self.path.quality;
        change(&mut quality);
        self.path.change(self.now_us, quality);
    }

    pub(super) fn run_ms(&mut self, ms: i64) {
        let until_us = self.now_us + ms * 1_000;
        while self.now_us < until_us {
            self.receive();
            self.hear();
            self.make_frame();
            self.tick();
            self.send();
            let pause_us = self.path.rng.random_range(1_000..=self.path.quality.sender_pause_us.max(1_000));
            self.now_us += pause_us;
        }
    }

    /// Sends on, and gives the feedback of that time, of which the sender has not heard.
    pub(super) fn record_ms(&mut self, ms: i64) -> Vec<Vec<u8>> {
        self.is_deaf = true;
        self.run_ms(ms);
        self.is_deaf = false;
        std::mem::take(&mut self.feedback).into_values().collect()
    }

    /// What was seen from then on.
    pub(super) fn since(&self, at_ms: i64) -> Seen {
        Seen::new(self.samples.iter().filter(|sample| sample.at_ms >= at_ms))
    }

    /// When the estimate first reached this, in ms after `from_ms`.
    pub(super) fn reached_ms(&self, from_ms: i64, bps: f64) -> i64 {
        let later = self.samples.iter().filter(|sample| sample.at_ms >= from_ms);
        later.clone().find(|sample| sample.estimate_bps >= bps).map_or(i64::MAX, |sample| sample.at_ms - from_ms)
    }

    pub(super) fn now_us(&self) -> i64 {
        self.now_us
    }

    fn at(&self, us: i64) -> Instant {
        self.start + Duration::from_micros(us as u64)
    }

    fn sending_bps(&self) -> f64 {
        self.wishes.cap_bps.min(self.congestion.estimate_bps() as f64)
    }

    fn make_frame(&mut self) {
        if self.now_us < self.next_frame_us {
            return;
        }
        self.next_frame_us += FRAME_US;
        let size = self.sending_bps() / 8e6 * FRAME_US as f64 * self.path.rng.random_range(0.75..1.25);
        let packets = (size / MAX_PACKET as f64).ceil().max(1.0);
        self.queue.extend((0..packets as usize).map(|_| (size / packets) as usize));
        // An encoder skips frames rather than letting them wait for long.
        while self.queue.len() > 1 && self.queue.iter().sum::<usize>() as f64 > self.sending_bps() / 8.0 * 0.25 + size {
            self.queue.pop_front();
        }
    }

    fn tick(&mut self) {
        if self.now_us < self.next_timeout_us {
            return;
        }
        self.next_timeout_us = self.now_us + TIMEOUT_US;
        let estimate_bps = self.congestion.estimate_bps() as f64;
        let sending_bps = self.sending_bps();
        let next_bps = if self.wishes.next_bps > 0.0 { self.wishes.next_bps } else { estimate_bps * 1.5 };
        let next_bps = next_bps.min(self.wishes.wanted_bps).max(sending_bps);
        self.congestion.on_round_trip(Duration::from_micros(2 * self.path.quality.delay_us as u64));
        self.congestion.handle_timeout(
            self.now_us,
            Demand {
                sending_bps: sending_bps as u64,
                next_bps: next_bps as u64,
                wanted_bps: self.wishes.wanted_bps as u64,
            },
        );
        self.samples.push(Sample {
            at_ms: self.now_us / 1_000,
            estimate_bps: self.congestion.estimate_bps() as f64,
            waiting_ms: self.path.waiting_us(self.now_us) / 1e3,
        });
    }

    fn send(&mut self) {
        if self.probe.is_none() {
            let probe = self.congestion.poll_probe(self.now_us);
            self.probes.extend(probe.map(|probe| (self.now_us / 1_000, probe)));
            self.probe = probe.map(|probe| (probe, 0, 0, self.now_us));
        }
        if let Some((probe, mut bytes, mut packets, began_us)) = self.probe.take() {
            let due = (self.now_us - began_us) as f64 / 8e6 * probe.bitrate_bps as f64;
            while bytes as f64 <= due && (bytes < probe.min_bytes || packets < probe.min_packets) {
                let padding = (probe.min_bytes / probe.min_packets).clamp(100, MAX_PACKET);
                let len = self.queue.pop_front().unwrap_or(padding);
                self.transmit(len, Some(&probe));
                bytes += len;
                packets += 1;
            }
            if bytes < probe.min_bytes || packets < probe.min_packets {
                self.probe = Some((probe, bytes, packets, began_us));
            }
            self.paced_us = self.now_us;
            return;
        }
        let elapsed_us = (self.now_us - self.paced_us).min(5_000);
        self.paced_us = self.now_us;
        let rate_bps = PACING * self.sending_bps();
        self.budget_bytes = (self.budget_bytes + elapsed_us as f64 / 8e6 * rate_bps).min(rate_bps / 8.0 * 0.005);
        while self.budget_bytes > 0.0 {
            let Some(len) = self.queue.pop_front() else { break };
            self.budget_bytes -= len as f64;
            self.transmit(len, None);
        }
    }

    fn transmit(&mut self, len: usize, probe: Option<&Probe>) {
        let sequence = self.congestion.next_sequence();
        self.congestion.on_sent(self.now_us, len, probe.map(|probe| probe.id));
        self.count += 1;
        if let Some(arrival_us) = self.path.send(self.now_us, len) {
            self.in_flight.insert((arrival_us, self.count), sequence);
        }
    }

    /// The receiver's side.
    fn receive(&mut self) {
        if self.now_us < self.next_receive_us {
            return;
        }
        let pause_us = self.path.quality.receiver_pause_us;
        self.next_receive_us = self.now_us + (pause_us as f64 * self.path.rng.random::<f64>()) as i64;
        while let Some(first) = self.in_flight.first_entry() {
            let arrival_us = first.key().0;
            if arrival_us > self.now_us {
                break;
            }
            let sequence = first.remove();
            // A receiver that is late takes the time at which it looks.
            let seen_us = if pause_us > 0 { self.now_us } else { arrival_us };
            self.recorder.on_packet(self.at(seen_us), sequence);
        }
        if self.now_us >= self.next_feedback_us {
            self.next_feedback_us = self.now_us + self.path.rng.random_range(50_000..60_000);
            let mut message = Vec::new();
            while self.recorder.build(self.at(self.now_us), 1, 2, &mut message) {
                let is_lost = self.path.quality.is_down || self.path.rng.random_bool(self.path.quality.feedback_loss);
                if !is_lost {
                    self.count += 1;
                    self.feedback.insert((self.now_us + self.path.quality.delay_us, self.count), message.clone());
                }
                message.clear();
            }
        }
    }

    /// The sender hears of it.
    fn hear(&mut self) {
        while !self.is_deaf
            && let Some(first) = self.feedback.first_entry().filter(|first| first.key().0 <= self.now_us)
        {
            let message = first.remove();
            assert_eq!(self.congestion.on_feedback(self.now_us, &message), Ok(()));
        }
    }
}

/// Figures of a stretch of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) mean_bps: f64,
    pub(super) min_bps: f64,
    pub(super) max_bps: f64,
    /// The 95th percentile.
    pub(super) waiting_ms: f64,
}

impl Seen {
    fn new<'a>(samples: impl Iterator<Item = &'a Sample>) -> Self {
        let (mut rates, mut waits): (Vec<_>, Vec<_>) =
            samples.map(|sample| (sample.estimate_bps, sample.waiting_ms)).unzip();
        rates.sort_by(f64::total_cmp);
        waits.sort_by(f64::total_cmp);
        Self {
            mean_bps: rates.iter().sum::<f64>() / rates.len() as f64,
            min_bps: rates[0],
            max_bps: rates[rates.len() - 1],
            waiting_ms: waits[waits.len() * 95 / 100],
        }
    }
}
