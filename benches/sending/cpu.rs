//! The time that this thread has worked, which other load of the machine hardly touches.

use std::time::Duration;

/// The thread's CPU time.
fn worked() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call, which only writes to it; every system that Parlor runs on has the clock.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How long the thread works at something.
pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let start = worked();
    work();
    worked().saturating_sub(start)
}

/// 10th percentile, median, 90th percentile.
pub(crate) fn spread(samples: &mut [f64]) -> [f64; 3] {
    samples.sort_by(f64::total_cmp);
    [1, 5, 9].map(|tenths| samples[(samples.len() - 1) * tenths / 10])
}
