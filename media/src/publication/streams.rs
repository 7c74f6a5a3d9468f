//! Which of a participant's RTP streams belongs to which encoding.
//!
//! SSRCs are learnt from authenticated packets only: by the mid and rid that browsers send until the first receiver
//! report, or by `a=ssrc` where a client signals them. What was learnt holds, as a repaired rid may be seen only once.

use crate::drop_reason::DropReason;

/// SSRCs per participant: as many as its transport decrypts.
pub(crate) const MAX_STREAMS: usize = crate::transport::MAX_SSRCS;

/// Replaced SSRCs remembered: three encodings and their retransmissions, twice within a reordering.
const REPLACED: usize = 16;

/// What an SSRC carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stream {
    /// Key of the publication in its room.
    pub(crate) publication: usize,
    /// Index of its encoding.
    pub(crate) encoding: usize,
    /// Retransmissions (RFC 4588) of the encoding.
    pub(crate) rtx: bool,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Streams {
    /// Apart from what they carry, so that the look-up of a packet's SSRC runs through one or two cache lines.
    ssrcs: Vec<u32>,
    streams: Vec<Stream>,
    /// SSRCs that their sender has replaced, the latest first: what still comes of them is late.
    replaced: [Option<u32>; REPLACED],
}

impl Streams {
    /// What `ssrc` carries, if known.
    pub(crate) fn get(&self, ssrc: u32) -> Option<Stream> {
        let index = self.ssrcs.iter().position(|known| *known == ssrc)?;
        self.streams.get(index).copied()
    }

    /// Learns an SSRC. An earlier one of the same stream is replaced, and returned: the sender started over.
    ///
    /// # Errors
    /// When there is no room, and for an SSRC that was itself replaced lately.
    pub(crate) fn learn(&mut self, ssrc: u32, stream: Stream) -> Result<Option<u32>, DropReason> {
        if self.replaced.contains(&Some(ssrc)) {
            return Err(DropReason::UnknownSsrc);
        }
        if let Some(index) = self.streams.iter().position(|known| *known == stream) {
            let replaced = std::mem::replace(&mut self.ssrcs[index], ssrc);
            if replaced != ssrc {
                self.replaced.rotate_right(1);
                self.replaced[0] = Some(replaced);
            }
            return Ok(Some(replaced).filter(|replaced| *replaced != ssrc));
        }
        let room = self.ssrcs.len() < MAX_STREAMS;
        if room {
            self.ssrcs.push(ssrc);
            self.streams.push(stream);
        }
        room.then_some(None).ok_or(DropReason::TooManySsrcs)
    }

    /// Forgets the streams of a publication, and tells each SSRC to `forgotten`.
    pub(crate) fn forget(&mut self, publication: usize, mut forgotten: impl FnMut(u32)) {
        let mut index = 0;
        while let Some(stream) = self.streams.get(index) {
            if stream.publication == publication {
                self.streams.swap_remove(index);
                forgotten(self.ssrcs.swap_remove(index));
            } else {
                index += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(publication: usize, encoding: usize) -> Stream {
        Stream { publication, encoding, rtx: false }
    }

    #[test]
    fn streams_are_learnt_replaced_and_forgotten() {
        let mut streams = Streams::default();
        for (ssrc, stream) in [(1, stream(0, 0)), (2, stream(1, 0)), (3, stream(0, 1))] {
            assert_eq!(streams.learn(ssrc, stream), Ok(None));
        }
        assert_eq!(streams.learn(9, stream(1, 0)), Ok(Some(2)));
        assert_eq!((streams.get(2), streams.get(9)), (None, Some(stream(1, 0))));
        let mut forgotten = Vec::new();
        streams.forget(0, |ssrc| forgotten.push(ssrc));
        forgotten.sort_unstable();
        assert_eq!(forgotten, [1, 3]);
        assert_eq!((streams.get(1), streams.get(3), streams.get(9)), (None, None, Some(stream(1, 0))));
    }

    #[test]
    fn a_late_packet_does_not_bring_a_replaced_ssrc_back() {
        let mut streams = Streams::default();
        for ssrc in 1..=20 {
            assert!(streams.learn(ssrc, stream(0, 0)).is_ok());
        }
        assert_eq!(streams.learn(20, stream(0, 0)), Ok(None), "learning it twice replaces nothing");
        assert_eq!(streams.learn(19, stream(0, 0)), Err(DropReason::UnknownSsrc));
        assert_eq!(streams.get(20), Some(stream(0, 0)));
        assert_eq!(streams.learn(1, stream(0, 0)), Ok(Some(20)), "long forgotten");
    }

    #[test]
    fn the_number_of_streams_is_bounded() {
        let mut streams = Streams::default();
        let learnt = (0..10_000).filter(|i| streams.learn(*i, stream(*i as usize, 0)).is_ok()).count();
        assert_eq!(learnt, MAX_STREAMS);
    }
}
