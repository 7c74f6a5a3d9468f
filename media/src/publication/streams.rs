//! Which of a participant's RTP streams belongs to which encoding.
//!
//! SSRCs are learnt from authenticated packets only: by the mid and rid that browsers send until the first receiver
//! report, or by `a=ssrc` where a client signals them. What was learnt holds, as a repaired rid may be seen only once.

/// SSRCs per participant: 16 tracks of three encodings, each with its retransmissions, leaves none over.
pub(crate) const MAX_STREAMS: usize = 96;

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
}

impl Streams {
    /// What `ssrc` carries, if known.
    pub(crate) fn get(&self, ssrc: u32) -> Option<Stream> {
        let index = self.ssrcs.iter().position(|known| *known == ssrc)?;
        self.streams.get(index).copied()
    }

    /// Learns an SSRC. An earlier one of the same stream is replaced: the sender started over.
    ///
    /// Returns whether there was room.
    pub(crate) fn learn(&mut self, ssrc: u32, stream: Stream) -> bool {
        if let Some(index) = self.streams.iter().position(|known| *known == stream) {
            self.ssrcs[index] = ssrc;
            return true;
        }
        let room = self.ssrcs.len() < MAX_STREAMS;
        if room {
            self.ssrcs.push(ssrc);
            self.streams.push(stream);
        }
        room
    }

    /// Forgets the streams of a publication.
    pub(crate) fn forget(&mut self, publication: usize) {
        let mut index = 0;
        while let Some(stream) = self.streams.get(index) {
            if stream.publication == publication {
                self.streams.swap_remove(index);
                self.ssrcs.swap_remove(index);
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
        assert!(streams.learn(1, stream(0, 0)) && streams.learn(2, stream(1, 0)) && streams.learn(3, stream(0, 1)));
        assert!(streams.learn(9, stream(1, 0)));
        assert_eq!((streams.get(2), streams.get(9)), (None, Some(stream(1, 0))));
        streams.forget(0);
        assert_eq!((streams.get(1), streams.get(3), streams.get(9)), (None, None, Some(stream(1, 0))));
    }

    #[test]
    fn the_number_of_streams_is_bounded() {
        let mut streams = Streams::default();
        let learnt = (0..10_000).filter(|i| streams.learn(*i, stream(*i as usize, 0))).count();
        assert_eq!(learnt, MAX_STREAMS);
    }
}
