//! How much passes on one stream: counted by additions, turned into rates about once a second.

use crate::room_stats::TrafficStats;
use std::time::Instant;

/// The counters of one stream, which only grow, and its latest rates.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Traffic {
    packets: u64,
    bytes: u64,
    frames: u64,
    mark: Option<Mark>,
    bitrate_bps: u64,
    frames_per_second: u64,
    is_measured: bool,
}

/// Where an interval began.
#[derive(Clone, Copy, Debug)]
struct Mark {
    at: Instant,
    bytes: u64,
    frames: u64,
}

impl Traffic {
    /// Counts a packet of `len` bytes.
    pub(crate) fn on_packet(&mut self, len: usize, ends_frame: bool) {
        self.packets += 1;
        self.bytes += len as u64;
        self.frames += u64::from(ends_frame);
    }

    /// Ends an interval, whose rates are shown from now on, and begins the next.
    pub(crate) fn turn(&mut self, now: Instant) {
        let Self { bytes, frames, .. } = *self;
        let Some(mark) = self.mark else {
            self.mark = Some(Mark { at: now, bytes, frames });
            return;
        };
        let elapsed_ms = now.saturating_duration_since(mark.at).as_millis() as u64;
        if elapsed_ms == 0 {
            return;
        }
        self.bitrate_bps = (bytes - mark.bytes) * 8_000 / elapsed_ms;
        self.frames_per_second = ((frames - mark.frames) * 1_000 + elapsed_ms / 2) / elapsed_ms;
        self.is_measured = true;
        self.mark = Some(Mark { at: now, bytes, frames });
    }

    /// Whether a whole interval has passed, without which there are no rates.
    pub(crate) const fn is_measured(&self) -> bool {
        self.is_measured
    }

    /// A snapshot.
    pub(crate) fn stats(&self) -> TrafficStats {
        let Self { packets, bytes, bitrate_bps, frames_per_second, .. } = *self;
        TrafficStats { packets, bytes, bitrate_bps, frames_per_second }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;
    use std::time::Duration;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn rates_are_those_of_the_latest_interval() {
        let start = test_start();
        let mut traffic = Traffic::default();
        traffic.on_packet(9_999, true);
        traffic.turn(start);
        assert!(!traffic.is_measured() && traffic.stats().bitrate_bps == 0, "one look has no rate");
        (0..50).for_each(|i| traffic.on_packet(250, i % 2 == 0));
        traffic.turn(start + ms(1_000));
        let stats = traffic.stats();
        assert_eq!((stats.packets, stats.bytes), (51, 9_999 + 50 * 250));
        assert_eq!((stats.bitrate_bps, stats.frames_per_second), (100_000, 25));
        assert!(traffic.is_measured());
        traffic.turn(start + ms(2_000));
        assert_eq!((traffic.stats().bitrate_bps, traffic.stats().frames_per_second), (0, 0), "nothing came");
    }

    #[test]
    fn looks_at_the_same_moment_are_one() {
        let start = test_start();
        let mut traffic = Traffic::default();
        traffic.turn(start);
        traffic.on_packet(1_000, false);
        traffic.turn(start);
        assert_eq!(traffic.stats().bitrate_bps, 0);
        traffic.turn(start + ms(800));
        assert_eq!(traffic.stats().bitrate_bps, 10_000);
    }
}
