//! The streams of one connection, found by SSRC.

use super::reception::Reception;

/// The most streams of one connection that are followed: 50 participants with a camera, a screen and a microphone and
/// their retransmissions are 300. Packets of further ones are not counted.
pub const MAX_STREAMS: usize = 1024;

/// What a stream carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Pictures.
    Video,
    /// Sound.
    Audio,
    /// Retransmissions (RFC 4588).
    Retransmission,
}

impl Kind {
    /// Of the RTP timestamp, in hertz.
    #[must_use]
    pub fn clock_rate(self) -> u32 {
        match self {
            Self::Audio => 48_000,
            Self::Video | Self::Retransmission => 90_000,
        }
    }
}

/// A stream and how it arrives.
#[derive(Clone, Debug)]
pub struct Stream {
    /// Synchronisation source.
    pub ssrc: u32,
    /// What it carries.
    pub kind: Kind,
    /// How it arrives.
    pub reception: Reception,
}

/// See the module's text.
#[derive(Clone, Debug, Default)]
pub struct Streams {
    /// Beside the streams, so that a search goes through few cache lines.
    ssrcs: Vec<u32>,
    list: Vec<Stream>,
    last: usize,
}

impl Streams {
    /// The place of a stream, which is often that of the packet before.
    #[inline]
    pub fn find(&mut self, ssrc: u32) -> Option<usize> {
        if self.ssrcs.get(self.last) == Some(&ssrc) {
            return Some(self.last);
        }
        let found = self.ssrcs.iter().position(|known| *known == ssrc)?;
        self.last = found;
        Some(found)
    }

    /// Adds a stream that begins with this number, unless there are too many.
    pub fn add(&mut self, ssrc: u32, kind: Kind, sequence: u16) -> Option<usize> {
        if self.list.len() == MAX_STREAMS {
            return None;
        }
        self.ssrcs.push(ssrc);
        self.list.push(Stream { ssrc, kind, reception: Reception::new(sequence) });
        Some(self.list.len() - 1)
    }

    /// The stream at a place that [`Self::find`] or [`Self::add`] told.
    #[inline]
    pub fn get_mut(&mut self, place: usize) -> Option<&mut Stream> {
        self.list.get_mut(place)
    }

    /// The stream of an SSRC.
    pub fn of(&mut self, ssrc: u32) -> Option<&mut Stream> {
        let place = self.find(ssrc)?;
        self.list.get_mut(place)
    }

    /// All of them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.list.iter_mut()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_found_and_bounded() {
        let mut streams = Streams::default();
        for ssrc in 0..MAX_STREAMS as u32 {
            assert_eq!(streams.find(ssrc), None);
            assert_eq!(streams.add(ssrc, Kind::Video, 7), Some(ssrc as usize));
        }
        assert_eq!(streams.add(u32::MAX, Kind::Video, 7), None);
        assert_eq!((streams.find(1_000), streams.find(1_000), streams.find(3)), (Some(1_000), Some(1_000), Some(3)));
        assert_eq!(streams.of(9).map(|stream| stream.ssrc), Some(9));
        assert_eq!(streams.iter().count(), MAX_STREAMS);
    }
}
