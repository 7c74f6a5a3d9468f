//! Video packets of one destination made equal in size, so that they leave in one GSO message: see [`padding`](crate::rtp::padding).
//!
//! What a packet was padded by is remembered with its number, because where a client has no RTX it is sent again byte for byte.

use super::sequencer::Sequencer;
use crate::command::MediaKind;
use crate::outbox::{MAX_DATAGRAM, Outbox};
use crate::rtp::padding::{Follow, pad, padding};
use crate::transport::Transport;

/// What is known before a packet is written.
#[derive(Clone, Copy)]
pub(super) struct Equal {
    /// The size of those that wait for the same destination; 0 if there are none to join.
    open: usize,
    /// Bytes that sealing adds.
    overhead: usize,
}

impl Equal {
    /// `None` where equal sizes are of no use: for audio, of which there is one packet at a time, and where nothing is joined.
    #[inline]
    pub(super) fn of(outbox: &Outbox, transport: &Transport, kind: MediaKind) -> Option<Self> {
        if kind != MediaKind::Video {
            return None;
        }
        let open = outbox.open_segment(transport.slot(), transport.path()?)?;
        Some(Self { open, overhead: transport.rtp_overhead() })
    }

    /// Pads the packet `buffer[..len]`, which leaves as `index`, for those that `follow` it. Returns its new length.
    pub(super) fn pad(
        self,
        buffer: &mut [u8],
        len: usize,
        follow: Follow,
        index: u64,
        sequencer: &mut Sequencer,
    ) -> usize {
        let count = padding(len + self.overhead, follow, self.open, MAX_DATAGRAM);
        sequencer.note_annex(index, count as u8);
        pad(buffer, len, count)
    }
}
