//! Asking for the memory that a packet needs which is about to leave.

use super::Congestion;
use crate::cache::prefetch;

impl Congestion {
    /// Asks for what [`Self::on_sent`] looks at first.
    #[inline]
    pub(crate) fn prefetch_sending(&self) {
        prefetch(&self.history);
        prefetch(&self.departures);
    }

    /// Asks for where it then notes the packet.
    #[inline]
    pub(crate) fn prefetch_next(&self) {
        self.history.prefetch_next();
    }
}
