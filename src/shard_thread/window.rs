//! How long datagrams may wait to be received, so that more of what goes to one destination leaves together.
//!
//! Each message to the kernel costs as much as ten further datagrams in it do, and each tick has its own cost. A shard with
//! little to do answers at once. The busier it is, the further apart its receiving begins, up to [`MAX_WIDTH`]: what comes in
//! between is received as one batch, and its packets for one destination become one message. The first datagram after a
//! pause longer than that does not wait.
//!
//! Audio alone has nothing to gain (one packet a destination, of changing size) and is never kept waiting.

use std::time::{Duration, Instant};

/// The widest window. Added to the network's own delay it is not noticed.
const MAX_WIDTH: Duration = Duration::from_millis(2);

/// Waiting shorter than this costs as much as it gains.
const MIN_WIDTH: Duration = Duration::from_micros(100);

/// The share of its time that a shard may work without any window, and the one from which on the window is widest.
const LOW: f64 = 0.5;
const HIGH: f64 = 0.9;

/// Over which time the load is averaged.
const AVERAGED: Duration = Duration::from_millis(100);

/// Without video for so long, a shard is one of audio alone: three frames of a slow camera.
const VIDEO_LASTS: Duration = Duration::from_millis(200);

/// See the module's text. Pure: it is told the time.
#[derive(Debug)]
pub(super) struct Window {
    /// Share of the time that was spent in ticks, 0 to 1.
    load: f64,
    width: Duration,
    /// When the latest tick began, and when it ended.
    began: Instant,
    ended: Instant,
    held: Duration,
}

impl Window {
    /// A closed one.
    pub(super) fn new(now: Instant) -> Self {
        Self { load: 0.0, width: Duration::ZERO, began: now, ended: now, held: Duration::ZERO }
    }

    /// Takes note of a tick, and of when video was last sent.
    pub(super) fn on_tick(&mut self, began: Instant, ended: Instant, video: Option<Instant>) {
        let elapsed = ended.saturating_duration_since(self.ended).as_secs_f64();
        let busy = ended.saturating_duration_since(began).as_secs_f64();
        if elapsed > 0.0 {
            let weight = elapsed / (elapsed + AVERAGED.as_secs_f64());
            self.load += weight * ((busy / elapsed).min(1.0) - self.load);
        }
        (self.began, self.ended) = (began, ended);
        let has_video = video.is_some_and(|at| ended.saturating_duration_since(at) < VIDEO_LASTS);
        let share = ((self.load - LOW) / (HIGH - LOW)).clamp(0.0, 1.0);
        let width = MAX_WIDTH.mul_f64(share);
        self.width = if has_video && width >= MIN_WIDTH { width } else { Duration::ZERO };
    }

    /// How long to wait at `now` before receiving, but for what is `due` earlier. Counts it as waited.
    pub(super) fn hold(&mut self, now: Instant, due: Instant) -> Duration {
        let opens = (self.began + self.width).min(due);
        let hold = if self.width.is_zero() { Duration::ZERO } else { opens.saturating_duration_since(now) };
        self.held += hold;
        hold
    }

    /// The present width.
    pub(super) fn width(&self) -> Duration {
        self.width
    }

    /// How long it has kept the shard waiting, all together.
    pub(super) fn held(&self) -> Duration {
        self.held
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A shard whose ticks each take that long, on virtual time.
    struct Shard {
        window: Window,
        now: Instant,
        video: bool,
    }

    impl Shard {
        fn new(video: bool) -> Self {
            let now = Instant::now();
            Self { window: Window::new(now), now, video }
        }

        /// Ticks for a while: something comes each `interval`, and is worked at for `busy`.
        fn run(&mut self, duration: Duration, interval: Duration, busy: Duration) {
            let end = self.now + duration;
            while self.now < end {
                let began = self.now;
                self.now += busy;
                self.window.on_tick(began, self.now, self.video.then_some(began));
                self.now = (began + interval).max(self.now);
            }
        }
    }

    #[test]
    fn an_idle_shard_answers_at_once() {
        let mut shard = Shard::new(true);
        shard.run(1_000 * MS, 10 * MS, 4 * MS);
        assert_eq!(shard.window.width(), Duration::ZERO);
        assert_eq!(shard.window.hold(shard.now, shard.now + 100 * MS), Duration::ZERO);
        assert_eq!(shard.window.held(), Duration::ZERO);
    }

    #[test]
    fn the_window_widens_with_the_load_to_its_bound_and_closes_again() {
        let mut shard = Shard::new(true);
        shard.run(1_000 * MS, 10 * MS, 7 * MS);
        let half = shard.window.width();
        assert!(half > MAX_WIDTH / 3 && half < MAX_WIDTH / 3 * 2, "{half:?}");
        shard.run(1_000 * MS, 10 * MS, 10 * MS);
        assert_eq!(shard.window.width(), MAX_WIDTH);
        shard.run(1_000 * MS, 10 * MS, MS);
        assert_eq!(shard.window.width(), Duration::ZERO);
    }

    #[test]
    fn audio_alone_is_never_kept_waiting() {
        let mut shard = Shard::new(false);
        shard.run(1_000 * MS, 10 * MS, 10 * MS);
        assert_eq!(shard.window.width(), Duration::ZERO);
        shard.video = true;
        shard.run(10 * MS, 10 * MS, 10 * MS);
        assert_eq!(shard.window.width(), MAX_WIDTH);
        shard.video = false;
        let last = shard.now - 10 * MS;
        shard.window.on_tick(shard.now, shard.now + MS, Some(last));
        assert_eq!(shard.window.width(), MAX_WIDTH, "between two frames");
        shard.window.on_tick(shard.now, shard.now + MS, Some(shard.now - VIDEO_LASTS));
        assert_eq!(shard.window.width(), Duration::ZERO);
    }

    #[test]
    fn receiving_begins_a_window_apart_and_no_later_than_what_is_due() {
        let mut shard = Shard::new(true);
        shard.run(2_000 * MS, MS, MS);
        let (began, ended) = (shard.now - MS, shard.now);
        let due = ended + 100 * MS;
        assert_eq!(shard.window.hold(ended, due), began + MAX_WIDTH - ended);
        assert_eq!(shard.window.hold(ended, ended + MS / 4), MS / 4, "something is due");
        assert_eq!(shard.window.hold(ended, began), Duration::ZERO, "and overdue");
        assert_eq!(shard.window.hold(ended + 5 * MS, due), Duration::ZERO, "after a pause");
        assert_eq!(shard.window.held(), MS + MS / 4);
    }
}
