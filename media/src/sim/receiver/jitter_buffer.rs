//! How long frames wait for those before them: libwebrtc's jitter buffer, as far as it matters here.
//!
//! A frame is shown at its timestamp plus a delay, which is the largest that any frame of the last two seconds needed from
//! its timestamp until it was whole, but no more than half a second beyond the least.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long the buffer remembers what frames needed.
const MEMORY: Duration = Duration::from_secs(2);

/// The longest that it delays a frame beyond the fastest.
const LONGEST_DELAY: Duration = Duration::from_millis(500);

/// See the module's text.
#[derive(Default)]
pub(crate) struct JitterBuffer {
    /// The timestamp that times are counted from, and when it came.
    origin: Option<(u32, Instant)>,
    newest_ticks: i64,
    needs: VecDeque<(Instant, i64)>,
}

impl JitterBuffer {
    /// Takes a frame that is whole or decoded at a time. Returns for how long it waits if all goes by what frames needed so far.
    pub(crate) fn add(&mut self, at: Instant, timestamp: u32) -> Duration {
        let (first, begun) = *self.origin.get_or_insert((timestamp, at));
        // Without its wrap-around: near the newest.
        let newest = first.wrapping_add(self.newest_ticks as u32);
        let ticks = self.newest_ticks + i64::from(timestamp.wrapping_sub(newest) as i32);
        self.newest_ticks = self.newest_ticks.max(ticks);
        let need_us = (at - begun).as_micros() as i64 - ticks * 100 / 9;
        self.needs.push_back((at, need_us));
        while self.needs.front().is_some_and(|(at_first, _)| at - *at_first > MEMORY) {
            self.needs.pop_front();
        }
        let needs = self.needs.iter().map(|(_, need_us)| *need_us);
        let (most, least) = needs.fold((i64::MIN, i64::MAX), |(most, least), need| (most.max(need), least.min(need)));
        let delay_us = most.min(least + LONGEST_DELAY.as_micros() as i64);
        Duration::from_micros((delay_us - need_us).max(0) as u64)
    }
}
