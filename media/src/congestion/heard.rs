//! The ways of the packets that the latest message tells of.

/// On two clocks, that of the sender and that of the receiver.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Heard {
    sum_us: i64,
    count: i64,
    has_waited: bool,
}

impl Heard {
    /// Adds packets that arrived together; whether they had to wait on their way.
    #[inline]
    pub(super) fn add(&mut self, delay_us: i64, has_waited: bool) {
        // A hostile receiver's clock may say anything.
        self.sum_us = self.sum_us.saturating_add(delay_us);
        self.count += 1;
        self.has_waited |= has_waited;
    }

    /// The mean of all ways.
    pub(super) fn mean_us(&self) -> Option<i64> {
        self.sum_us.checked_div(self.count)
    }

    /// Whether any packet had to wait.
    pub(super) const fn has_waited(&self) -> bool {
        self.has_waited
    }
}
