//! Asking for what is known of a path before it is looked at.

use super::Congestion;
use crate::cache::prefetch;

impl Congestion {
    /// Asks for all of it, but for the packets that were sent.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(self);
    }

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

    /// Asks for what those ask who decide by it.
    #[inline]
    pub(crate) fn prefetch_verdict(&self) {
        prefetch(&self.verdict);
    }

    /// Asks for the packets that were not heard of yet.
    #[inline]
    pub(crate) fn prefetch_unheard(&self) {
        let unheard = self.departures.unanswered(self.history.count()).min(u16::MAX.into()) as u16;
        self.history.prefetch(self.history.next_sequence().wrapping_sub(unheard), unheard);
    }
}
