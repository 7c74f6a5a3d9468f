//! Which of a participant's RTP streams belongs to which encoding.
//!
//! SSRCs are learnt from authenticated packets only: by the mid and rid that browsers send until the first receiver
//! report, or by `a=ssrc` where a client signals them. What was learnt holds, as a repaired rid may be seen only once.

use crate::command::Rid;
use crate::drop_reason::DropReason;
use crate::sdp::Mid;
use std::collections::VecDeque;

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

/// The SSRC of a publication that has ended. If the m-line is published again it goes on under the same SSRC, and
/// browsers do not name mid and rid a second time.
#[derive(Clone, Copy)]
struct Retired {
    ssrc: u32,
    mid: Mid,
    rid: Option<Rid>,
    rtx: bool,
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Streams {
    /// Apart from what they carry, so that the look-up of a packet's SSRC runs through one or two cache lines.
    ssrcs: Vec<u32>,
    streams: Vec<Stream>,
    /// SSRCs that their sender has replaced, the latest first: what still comes of them is late.
    replaced: [Option<u32>; REPLACED],
    /// At most [`MAX_STREAMS`], the oldest first.
    retired: VecDeque<Retired>,
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

    /// Whether an SSRC of the stream is known.
    pub(crate) fn has(&self, stream: Stream) -> bool {
        self.streams.contains(&stream)
    }

    /// Whether `ssrc` belongs to a publication that has ended.
    pub(crate) fn is_retired(&self, ssrc: u32) -> bool {
        self.retired.iter().any(|retired| retired.ssrc == ssrc)
    }

    /// Retires the streams of a publication that has ended, and tells each SSRC to `told`. `rid_of` names its encodings.
    pub(crate) fn retire(
        &mut self,
        publication: usize,
        mid: Mid,
        rid_of: impl Fn(usize) -> Option<Rid>,
        mut told: impl FnMut(u32),
    ) {
        let mut index = 0;
        while let Some(stream) = self.streams.get(index).copied() {
            if stream.publication == publication {
                self.streams.swap_remove(index);
                let ssrc = self.ssrcs.swap_remove(index);
                if self.retired.len() == MAX_STREAMS {
                    self.retired.pop_front();
                }
                self.retired.push_back(Retired { ssrc, mid, rid: rid_of(stream.encoding), rtx: stream.rtx });
                told(ssrc);
            } else {
                index += 1;
            }
        }
    }

    /// Brings back what was retired of an m-line that is published again; `encoding_of` finds its encodings.
    pub(crate) fn restore(&mut self, publication: usize, mid: Mid, encoding_of: impl Fn(Option<Rid>) -> Option<usize>) {
        for retired in std::mem::take(&mut self.retired) {
            if retired.mid != mid {
                self.retired.push_back(retired);
            } else if let Some(encoding) = encoding_of(retired.rid) {
                // Without room they are learnt, or counted as dropped, when their packets come.
                let _ = self.learn(retired.ssrc, Stream { publication, encoding, rtx: retired.rtx });
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
    fn streams_are_learnt_replaced_retired_and_restored() {
        let mut streams = Streams::default();
        for (ssrc, stream) in [(1, stream(0, 0)), (2, stream(1, 0)), (3, stream(0, 1))] {
            assert_eq!(streams.learn(ssrc, stream), Ok(None));
        }
        assert_eq!(streams.learn(9, stream(1, 0)), Ok(Some(2)));
        assert_eq!((streams.get(2), streams.get(9)), (None, Some(stream(1, 0))));
        let (mid, mut told) = (Mid::new("7").unwrap(), Vec::new());
        let rid = |encoding| [Rid::new("q"), Rid::new("f")][encoding];
        streams.retire(0, mid, rid, |ssrc| told.push(ssrc));
        told.sort_unstable();
        assert_eq!(told, [1, 3]);
        assert_eq!((streams.get(1), streams.get(3), streams.get(9)), (None, None, Some(stream(1, 0))));
        assert!(streams.is_retired(1) && streams.is_retired(3) && !streams.is_retired(9));
        streams.restore(5, Mid::new("8").unwrap(), |_| Some(0));
        assert_eq!(streams.get(3), None, "another m-line");
        streams.restore(5, mid, |rid| (rid == Rid::new("f")).then_some(2));
        assert_eq!((streams.get(1), streams.get(3)), (None, Some(stream(5, 2))));
        assert!(!streams.is_retired(1) && !streams.is_retired(3));
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
        let mut streams = Streams::default();
        for ssrc in 0..1_000 {
            assert!(streams.learn(ssrc, stream(1, 0)).is_ok());
            streams.retire(1, Mid::new("1").unwrap(), |_| None, |_| {});
        }
        assert_eq!(streams.retired.len(), MAX_STREAMS);
    }
}
