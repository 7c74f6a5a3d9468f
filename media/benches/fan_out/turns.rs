//! Two costs, measured in turns, and their ratio.

use std::time::{Duration, Instant};

/// How long something takes.
pub(crate) fn time(work: impl FnOnce()) -> Duration {
    #[allow(clippy::disallowed_methods, reason = "a benchmark measures real time")]
    let clock = Instant::now;
    let start = clock();
    work();
    clock().saturating_duration_since(start)
}

/// The turns so far, in nanoseconds per packet.
#[derive(Default)]
pub(crate) struct Turns {
    forwarding: Vec<f64>,
    sealing: Vec<f64>,
    ratio: Vec<f64>,
}

impl Turns {
    /// Notes a turn of each, of `packets` packets.
    pub(crate) fn note(&mut self, packets: u64, forwarding: Duration, sealing: Duration) {
        let per_packet = |duration: Duration| duration.as_nanos() as f64 / packets as f64;
        self.forwarding.push(per_packet(forwarding));
        self.sealing.push(per_packet(sealing));
        self.ratio.push(forwarding.as_secs_f64() / sealing.as_secs_f64());
    }

    /// Prints the medians, and between which values eight of ten turns lie.
    pub(crate) fn report(&mut self, name: &str) {
        let [forwarding, sealing, ratio] =
            [&mut self.forwarding, &mut self.sealing, &mut self.ratio].map(|samples| spread(samples));
        if let (Some(forwarding), Some(sealing), Some(ratio)) = (forwarding, sealing, ratio) {
            #[allow(clippy::print_stdout, reason = "the result of the benchmark")]
            {
                println!("{name}, per forwarded packet, median [10th to 90th percentile]");
                println!("  forwarding  {forwarding:.0?} ns");
                println!("  sealing     {sealing:.0?} ns");
                println!("  ratio       {ratio:.2?}");
            }
        }
    }
}

/// 10th percentile, median, 90th percentile.
fn spread(samples: &mut [f64]) -> Option<[f64; 3]> {
    samples.sort_by(f64::total_cmp);
    let at = |tenths: usize| samples.get((samples.len().checked_sub(1)? * tenths).div_ceil(10)).copied();
    Some([at(1)?, at(5)?, at(9)?])
}
