//! Listeners of whom only the estimate of their path, and the choice by it, are there.

use crate::cpu::time;
use parlor_media::feedback::twcc::TwccRecorder;
use parlor_media::instruments::{Chooser, Estimator};
use std::time::{Duration, Instant};

/// What each picture takes.
const SENDING_BPS: u64 = 1_000_000;
const FRAME_INTERVAL: Duration = Duration::from_micros(33_333);
/// One way, with up to [`JITTER_US`] more.
const DELAY: Duration = Duration::from_millis(20);
const JITTER_US: u64 = 3_000;
/// Frames between two reports, two looks by the clock, and two choices: every 100, 33 and 100 ms.
const FRAMES_BETWEEN_REPORTS: u64 = 3;
const FRAMES_BETWEEN_CHOICES: u64 = 3;
/// RTP's headers with extensions, the tag, and those of the network.
const OVERHEAD: usize = 20 + 16 + 28;

/// CPU time, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Cost {
    pub(crate) packets: f64,
    sent_ns: f64,
    reports_ns: f64,
    clock_ns: f64,
    choices_ns: f64,
}

impl Cost {
    pub(crate) fn add(&mut self, other: &Self) {
        self.packets += other.packets;
        self.sent_ns += other.sent_ns;
        self.reports_ns += other.reports_ns;
        self.clock_ns += other.clock_ns;
        self.choices_ns += other.choices_ns;
    }

    /// Packets that leave, reports, the clock, the allocator.
    pub(crate) fn parts_ns(&self) -> [f64; 4] {
        [self.sent_ns, self.reports_ns, self.clock_ns, self.choices_ns]
    }

    pub(crate) fn total_ns(&self) -> f64 {
        self.parts_ns().iter().sum()
    }
}

struct Listener {
    estimator: Estimator,
    recorder: TwccRecorder,
    reports: Vec<Vec<u8>>,
}

/// See the module's text.
pub(crate) struct Listeners {
    all: Vec<Listener>,
    /// The shard has one, with memory of its own, for everybody.
    chooser: Chooser,
    publishers: usize,
    began: Instant,
    now: Instant,
    frames: u64,
    random: u64,
    /// Of each measurement.
    overhead: Duration,
}

impl Listeners {
    /// So many, each of whom receives so many pictures.
    pub(crate) fn new(count: usize, publishers: usize) -> Self {
        let now = Instant::now();
        let listener = || Listener {
            estimator: Estimator::new(0, SENDING_BPS * publishers as u64),
            recorder: TwccRecorder::default(),
            reports: Vec::new(),
        };
        Self {
            all: (0..count).map(|_| listener()).collect(),
            chooser: Chooser::new(publishers as u32),
            publishers,
            began: now,
            now,
            frames: 0,
            random: 1,
            overhead: overhead(),
        }
    }

    /// A frame of everybody's, of packets with that many bytes, and all that comes of it.
    pub(crate) fn frame(&mut self, sizes: &[usize]) -> Cost {
        self.frames += 1;
        let packets = self.publishers * sizes.len();
        let mut cost = Cost { packets: (packets * self.all.len()) as f64, ..Cost::default() };
        for _ in 0..self.publishers {
            // Nobody's camera keeps time with another's.
            self.now += FRAME_INTERVAL / self.publishers as u32;
            let took = time(|| {
                let now_us = self.now_us();
                for size in sizes {
                    // Each packet is sealed between the two.
                    for listener in &self.all {
                        std::hint::black_box(listener.estimator.next_sequence());
                    }
                    for listener in &mut self.all {
                        listener.estimator.on_sent(now_us, size + OVERHEAD);
                    }
                }
            });
            cost.sent_ns += self.net_ns(took);
            self.record(sizes.len());
        }
        let now_us = self.now_us();
        if self.frames.is_multiple_of(FRAMES_BETWEEN_REPORTS) {
            self.write_reports();
            let all = &mut self.all;
            let took = time(|| {
                for Listener { estimator, reports, .. } in all {
                    for report in reports.iter() {
                        assert!(estimator.on_feedback(now_us, report), "a report that can be read");
                    }
                }
            });
            cost.reports_ns += self.net_ns(took);
        }
        let took = time(|| {
            for listener in &mut self.all {
                listener.estimator.handle_timeout(now_us);
            }
        });
        cost.clock_ns += self.net_ns(took);
        if self.frames.is_multiple_of(FRAMES_BETWEEN_CHOICES) {
            let Self { all, chooser, .. } = self;
            let took = time(|| {
                for Listener { estimator, .. } in all {
                    std::hint::black_box(chooser.choose(estimator.estimate_bps()));
                }
            });
            cost.choices_ns += self.net_ns(took);
        }
        cost
    }

    /// As the engine tells the time, once for each input.
    fn now_us(&self) -> i64 {
        (self.now - self.began).as_micros() as i64
    }

    fn net_ns(&self, took: Duration) -> f64 {
        took.saturating_sub(self.overhead).as_nanos() as f64
    }

    /// The packets arrive, each a little later than the one before.
    fn record(&mut self, packets: usize) {
        for listener in &mut self.all {
            let next = listener.estimator.next_sequence();
            let mut at = self.now + DELAY;
            for back in (1..=packets as u16).rev() {
                self.random =
                    self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                at += Duration::from_micros((self.random >> 33) % (JITTER_US / packets as u64));
                listener.recorder.on_packet(at, next.wrapping_sub(back));
            }
        }
    }

    fn write_reports(&mut self) {
        for Listener { recorder, reports, .. } in &mut self.all {
            reports.clear();
            let mut report = Vec::new();
            while recorder.build(self.now + DELAY, 1, 2, &mut report) {
                reports.push(std::mem::take(&mut report));
            }
        }
    }

    /// The least and the most.
    pub(crate) fn estimates_kbps(&self) -> [u64; 2] {
        let estimates = || self.all.iter().map(|listener| listener.estimator.estimate_bps() / 1_000);
        [estimates().min().unwrap_or(0), estimates().max().unwrap_or(0)]
    }
}

/// What [`time`] itself takes, which is part of what it tells: the median of many.
fn overhead() -> Duration {
    let mut samples: Vec<Duration> = (0..1_001).map(|_| time(|| ())).collect();
    samples.sort_unstable();
    samples[samples.len() / 2]
}
