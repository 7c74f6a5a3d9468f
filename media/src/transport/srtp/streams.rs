//! The streams that somebody sends, and which of their packets have arrived: what replays are told by.
//!
//! What always holds: there are at most [`MAX_SSRCS`], and whoever keeps one has verified a packet of it.

use crate::drop_reason::DropReason;

/// Streams received from one participant. Three simulcast layers with retransmissions are 6; this is ten such cameras.
pub const MAX_SSRCS: usize = 64;

/// Packets behind the newest that are still told apart from replays (RFC 3711 section 3.3.2 demands 64).
pub(super) const REPLAY_WINDOW: u64 = 128;

/// One past the largest packet index of SRTP: 32 bits of rollover counter and 16 of sequence number.
pub(super) const INDEX_END: u64 = 1 << 48;

/// What is known of a stream: its newest authentic index, and which of the [`REPLAY_WINDOW`] up to it have arrived.
#[derive(Clone, Copy)]
pub(super) struct Stream {
    newest: u64,
    /// Bit n stands for `newest - n`.
    window: u128,
    /// Set once the stream has ended: which ending it was.
    ended: Option<u64>,
}

impl Stream {
    /// One of which nothing has arrived; its first packet has about this index.
    pub(super) const fn new(index: u64) -> Self {
        Self { newest: index, window: 0, ended: None }
    }

    /// RFC 3711 appendix A: the index nearest to the newest one. `None` before index 0 or behind the last.
    pub(super) fn guess(&self, sequence: u16) -> Option<u64> {
        let distance = i64::from(sequence.wrapping_sub(self.newest as u16) as i16);
        self.newest.checked_add_signed(distance).filter(|index| *index < INDEX_END)
    }

    pub(super) fn is_replay(&self, index: u64) -> bool {
        match self.newest.checked_sub(index) {
            None => false,
            Some(age) => age >= REPLAY_WINDOW || (self.window >> age) & 1 == 1,
        }
    }

    /// Takes note of an authentic packet, which is no replay.
    pub(super) fn accept(&mut self, index: u64) {
        if let Some(ahead) = index.checked_sub(self.newest) {
            self.window = if ahead < REPLAY_WINDOW { self.window << ahead } else { 0 };
            self.newest = index;
        }
        self.window |= 1 << (self.newest - index);
        self.ended = None;
    }
}

/// A stream's place, which it may still have to be given.
#[derive(Clone, Copy)]
pub(super) struct Place {
    ssrc: u32,
    at: Option<usize>,
}

/// See the module's text.
#[derive(Default)]
pub(super) struct Streams {
    /// Found by a scan: at most [`MAX_SSRCS`] numbers in a row cost less than a hash. Parallel to `streams`.
    ssrcs: Vec<u32>,
    streams: Vec<Stream>,
    /// Streams that have ended so far.
    endings: u64,
}

impl Streams {
    /// Where a stream is, or would be.
    ///
    /// # Errors
    /// [`DropReason::TooManySsrcs`] if it is not known and there is no room for it.
    pub(super) fn find(&self, ssrc: u32) -> Result<Place, DropReason> {
        let at = self.position(ssrc);
        let is_full =
            at.is_none() && self.streams.len() >= MAX_SSRCS && self.streams.iter().all(|stream| stream.ended.is_none());
        if is_full { Err(DropReason::TooManySsrcs) } else { Ok(Place { ssrc, at }) }
    }

    /// The stream at a place, if it is known.
    pub(super) fn get(&self, place: Place) -> Option<Stream> {
        self.streams.get(place.at?).copied()
    }

    /// Keeps a stream of which a packet was verified.
    pub(super) fn keep(&mut self, place: Place, stream: Stream) {
        match place.at.and_then(|at| self.streams.get_mut(at)) {
            Some(known) => *known = stream,
            None => {
                self.make_room();
                self.ssrcs.push(place.ssrc);
                self.streams.push(stream);
            }
        }
    }

    /// A stream has ended: its place is given up when another one needs it. Until then its state stays, because the
    /// client may go on with the stream, whose rollovers cannot be guessed, and nobody may replay it.
    pub(super) fn forget(&mut self, ssrc: u32) {
        if let Some(stream) = self.position(ssrc).and_then(|at| self.streams.get_mut(at)) {
            self.endings += 1;
            stream.ended = Some(self.endings);
        }
    }

    fn position(&self, ssrc: u32) -> Option<usize> {
        self.ssrcs.iter().position(|known| *known == ssrc)
    }

    /// Makes room for one more stream, at the cost of the one that ended first.
    fn make_room(&mut self) {
        if self.streams.len() < MAX_SSRCS {
            return;
        }
        let ended = self.streams.iter().enumerate().filter_map(|(at, stream)| Some((stream.ended?, at)));
        if let Some((_, at)) = ended.min() {
            self.ssrcs.swap_remove(at);
            self.streams.swap_remove(at);
        }
    }
}

#[cfg(test)]
impl Streams {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        assert_eq!(self.ssrcs.len(), self.streams.len());
        self.streams.len()
    }
}
