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

/// The turns so far, in nanoseconds per unit of work.
pub(crate) struct Turns {
    unit: &'static str,
    work_name: &'static str,
    floor_name: &'static str,
    work: Vec<f64>,
    floor: Vec<f64>,
    ratio: Vec<f64>,
}

impl Default for Turns {
    fn default() -> Self {
        Self::of("forwarded packet", "forwarding", "sealing")
    }
}

impl Turns {
    /// Turns of a work and its floor, both counted in a unit.
    pub(crate) fn of(unit: &'static str, work_name: &'static str, floor_name: &'static str) -> Self {
        Self { unit, work_name, floor_name, work: Vec::new(), floor: Vec::new(), ratio: Vec::new() }
    }

    /// Notes a turn of each, of so many units.
    pub(crate) fn note(&mut self, units: u64, work: Duration, floor: Duration) {
        let per_unit = |duration: Duration| duration.as_nanos() as f64 / units as f64;
        self.work.push(per_unit(work));
        self.floor.push(per_unit(floor));
        self.ratio.push(work.as_secs_f64() / floor.as_secs_f64());
    }

    /// Prints the medians, and between which values eight of ten turns lie.
    pub(crate) fn report(&mut self, name: &str) {
        let [work, floor, ratio] = [&mut self.work, &mut self.floor, &mut self.ratio].map(|samples| spread(samples));
        if let (Some(work), Some(floor), Some(ratio)) = (work, floor, ratio) {
            let Self { unit, work_name, floor_name, .. } = self;
            #[allow(clippy::print_stdout, reason = "the result of the benchmark")]
            {
                println!("{name}, per {unit}, 10th percentile, median, 90th percentile");
                println!("  {work_name:<12}{work:.0?} ns");
                println!("  {floor_name:<12}{floor:.0?} ns");
                println!("  {:<12}{ratio:.2?}", "ratio");
            }
        }
    }
}

/// 10th percentile, median, 90th percentile.
pub(crate) fn spread(samples: &mut [f64]) -> Option<[f64; 3]> {
    samples.sort_by(f64::total_cmp);
    let at = |tenths: usize| samples.get((samples.len().checked_sub(1)? * tenths).div_ceil(10)).copied();
    Some([at(1)?, at(5)?, at(9)?])
}
