//! Log-linear histograms: any `u64`, a relative error below 1/32, and a size that does not grow with what is counted.
//!
//! Values below 32 have a bucket each; above, every power of two is divided into 16 buckets of equal width.

/// Buckets of each power of two.
const STEPS: u64 = 16;
/// Values below this have a bucket each.
const EXACT: u64 = 2 * STEPS;
/// As many as `u64` needs: 32 exact ones, and 16 for each of the powers 2⁵ to 2⁶³.
const BUCKETS: usize = (EXACT + (64 - 5) * STEPS) as usize;

/// See the module's text. Durations are recorded in nanoseconds.
#[derive(Clone, PartialEq, Eq)]
pub struct Histogram {
    counts: Box<[u64; BUCKETS]>,
    total: u64,
    sum: u128,
    least: u64,
    most: u64,
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.total)
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.most)
            .finish()
    }
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: Box::new([0; BUCKETS]), total: 0, sum: 0, least: u64::MAX, most: 0 }
    }
}

impl Histogram {
    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        if let Some(count) = self.counts.get_mut(bucket(value)) {
            *count += 1;
        }
        self.total += 1;
        self.sum += u128::from(value);
        self.least = self.least.min(value);
        self.most = self.most.max(value);
    }

    /// Counts a duration, in nanoseconds.
    pub fn record_duration(&mut self, duration: std::time::Duration) {
        self.record(duration.as_nanos().try_into().unwrap_or(u64::MAX));
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.counts.iter_mut().zip(other.counts.iter()) {
            *mine += theirs;
        }
        self.total += other.total;
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.most = self.most.max(other.most);
    }

    /// How many values were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.total
    }

    /// Whether nothing was counted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }

    /// The mean; 0 when nothing was counted.
    #[must_use]
    pub fn mean(&self) -> u64 {
        if self.total == 0 { 0 } else { (self.sum / u128::from(self.total)) as u64 }
    }

    /// The smallest value; 0 when nothing was counted.
    #[must_use]
    pub fn min(&self) -> u64 {
        if self.total == 0 { 0 } else { self.least }
    }

    /// The largest value; 0 when nothing was counted.
    #[must_use]
    pub fn max(&self) -> u64 {
        self.most
    }

    /// The value that a share `quantile` (0 to 1) of all values does not exceed, up to the width of a bucket; never
    /// above [`Self::max`]. 0 when nothing was counted.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> u64 {
        let wanted = ((self.total as f64) * quantile.clamp(0.0, 1.0)).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_end(index).clamp(self.min(), self.most);
            }
        }
        self.most
    }
}

fn bucket(value: u64) -> usize {
    if value < EXACT {
        return value as usize;
    }
    let power = u64::from(63 - value.leading_zeros());
    let step = (value >> (power - 4)) & (STEPS - 1);
    (EXACT + (power - 5) * STEPS + step) as usize
}

/// The largest value that falls into a bucket.
fn upper_end(index: usize) -> u64 {
    let index = index as u64;
    if index < EXACT {
        return index;
    }
    let (power, step) = ((index - EXACT) / STEPS + 5, (index - EXACT) % STEPS);
    let width = 1u64 << (power - 4);
    (1u64 << power) + step * width + (width - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_falls_into_a_bucket_that_is_near_it() {
        for power in 0..64 {
            for value in [1u64 << power, (1u64 << power) + 1, (1u64 << power) | ((1u64 << power) - 1)] {
                let end = upper_end(bucket(value));
                assert!(end >= value, "{value}");
                assert!(end - value <= value / STEPS, "{value} is told as {end}");
            }
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn quantiles_are_those_of_what_was_counted() {
        let mut histogram = Histogram::default();
        assert_eq!((histogram.quantile(0.5), histogram.max(), histogram.min(), histogram.mean()), (0, 0, 0, 0));
        for value in 1..=1000 {
            histogram.record(value);
        }
        assert!((500..=531).contains(&histogram.quantile(0.5)), "{}", histogram.quantile(0.5));
        assert!((990..=1000).contains(&histogram.quantile(0.99)));
        assert_eq!((histogram.quantile(1.0), histogram.quantile(0.0), histogram.mean()), (1000, 1, 500));
    }

    #[test]
    fn merged_ones_tell_the_same_as_one() {
        let (mut one, mut two, mut all) = (Histogram::default(), Histogram::default(), Histogram::default());
        for value in 0..100u64 {
            let part = if value % 3 == 0 { &mut one } else { &mut two };
            part.record(value * value);
            all.record(value * value);
        }
        one.merge(&two);
        assert_eq!(one, all);
    }
}
