//! How much has left, and how much of it since something was last heard of: what is counted with every packet, for those who look at it
//! more rarely.

/// See the module's text. Times are in µs since the estimator's epoch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Departures {
    /// When the latest packet left.
    pub(super) last_us: i64,
    /// When the first packet left since an arrival was heard of, and how many there were before it, modulo 2^32.
    pub(super) first_us: i64,
    before: u32,
    /// All bytes, modulo 2^32.
    pub(super) bytes: u32,
}

impl Departures {
    /// A packet leaves, before which there were so many, modulo 2^32.
    #[inline]
    pub(super) const fn add(&mut self, now_us: i64, count: u32, bytes: usize) {
        if count == self.before {
            self.first_us = now_us;
        }
        self.last_us = now_us;
        self.bytes = self.bytes.wrapping_add(bytes as u32);
    }

    /// An arrival was heard of, after so many packets.
    pub(super) const fn on_heard(&mut self, count: u32) {
        self.before = count;
    }

    /// Of so many packets those that have left since then.
    pub(super) const fn unanswered(&self, count: u32) -> u32 {
        count.wrapping_sub(self.before)
    }
}
