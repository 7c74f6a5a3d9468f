//! How much has left, and how much of it since something was last heard of: what is counted with every packet, for those who look at it
//! more rarely.

/// See the module's text. Times are in µs since the estimator's epoch.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Departures {
    /// When the latest packet left.
    pub(super) last_us: i64,
    /// When the first packet left since an arrival was heard of, and how many have since then.
    pub(super) first_us: i64,
    pub(super) unanswered: u32,
    /// All bytes, modulo 2^32.
    pub(super) bytes: u32,
}

impl Departures {
    /// A packet leaves.
    #[inline]
    pub(super) const fn add(&mut self, now_us: i64, bytes: usize) {
        if self.unanswered == 0 {
            self.first_us = now_us;
        }
        self.unanswered = self.unanswered.saturating_add(1);
        self.last_us = now_us;
        self.bytes = self.bytes.wrapping_add(bytes as u32);
    }

    /// An arrival was heard of.
    pub(super) const fn on_heard(&mut self) {
        self.unanswered = 0;
    }
}
