//! Values counted in buckets, as Prometheus counts them. Observing is a handful of comparisons and an addition.

/// A histogram of whole numbers, in a unit that its owner states. `N` is the number of its bounds; what is above the last is
/// counted too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram<const N: usize> {
    bounds: &'static [u64; N],
    counts: [u64; N],
    beyond: u64,
    sum: u64,
}

impl<const N: usize> Histogram<N> {
    /// An empty one. A bucket takes what is above the bound before and not above its own; bounds grow.
    #[must_use]
    pub const fn new(bounds: &'static [u64; N]) -> Self {
        Self { bounds, counts: [0; N], beyond: 0, sum: 0 }
    }

    /// Counts a value.
    pub fn observe(&mut self, value: u64) {
        self.observe_many(value, 1);
    }

    /// Counts a value that occurred several times.
    pub fn observe_many(&mut self, value: u64, times: u64) {
        let bucket = self.bounds.iter().position(|&bound| value <= bound);
        *bucket.map_or(&mut self.beyond, |bucket| &mut self.counts[bucket]) += times;
        self.sum = self.sum.wrapping_add(value.wrapping_mul(times));
    }

    /// Adds what another one of the same bounds has counted.
    pub fn merge(&mut self, other: &Self) {
        for (own, theirs) in self.counts.iter_mut().zip(other.counts) {
            *own += theirs;
        }
        self.beyond += other.beyond;
        self.sum = self.sum.wrapping_add(other.sum);
    }

    /// Each bound with the number of values that are not above it.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        self.bounds.iter().zip(&self.counts).scan(0, |below, (&bound, &count)| {
            *below += count;
            Some((bound, *below))
        })
    }

    /// How many values there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum::<u64>() + self.beyond
    }

    /// Their sum.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_counted_in_the_first_bucket_that_takes_it() {
        let mut histogram = Histogram::new(&[10, 20, 50]);
        for value in [0, 10, 11, 50, 51] {
            histogram.observe(value);
        }
        histogram.observe_many(20, 3);
        assert_eq!(histogram.cumulative().collect::<Vec<_>>(), [(10, 2), (20, 6), (50, 7)]);
        assert_eq!((histogram.count(), histogram.sum()), (8, 182));
    }

    #[test]
    fn histograms_of_shards_add_up() {
        let mut one = Histogram::new(&[1]);
        let mut other = Histogram::new(&[1]);
        one.observe(1);
        other.observe(7);
        one.merge(&other);
        assert_eq!((one.cumulative().next(), one.count(), one.sum()), (Some((1, 1)), 2, 8));
    }
}
