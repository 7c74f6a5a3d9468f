//! RFC 4571 framing: datagrams on a TCP connection, each behind its length in two bytes, big-endian.
//!
//! [`FrameDecoder`] owns one fixed buffer per connection. The socket reads straight into it and frames are handed out
//! as slices of it, in place, so a byte is moved at most once: when a cut-off frame is brought to the buffer's start.

/// The largest frame that is accepted. A legitimate one is a datagram, and those fit an Ethernet frame.
pub const MAX_FRAME: usize = 2048;

/// Room for one whole frame behind a cut-off one, so that a read never has less than [`MAX_FRAME`] bytes of space.
const BUFFER: usize = 2 * (MAX_FRAME + 2);

/// A frame that cannot be one of ICE-TCP's: close the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame of {len} bytes, where 1 to {MAX_FRAME} are allowed")]
pub struct FrameError {
    /// The announced length.
    pub len: usize,
}

/// The two bytes before a datagram of `len` bytes. `len` is at most 65,535; a [`MAX_FRAME`] or less in Parlor.
#[must_use]
pub const fn frame_header(len: usize) -> [u8; 2] {
    debug_assert!(len <= u16::MAX as usize);
    (len as u16).to_be_bytes()
}

/// Splits one connection's byte stream into datagrams. Call [`Self::next_frame`] until it has none, then read on.
pub struct FrameDecoder {
    buffer: Box<[u8]>,
    /// The unread bytes are `start..end`.
    start: usize,
    end: usize,
}

impl Default for FrameDecoder {
    fn default() -> Self {
        Self { buffer: vec![0; BUFFER].into_boxed_slice(), start: 0, end: 0 }
    }
}

impl FrameDecoder {
    /// Where to read the next bytes of the stream to; never empty once [`Self::next_frame`] has returned `None`.
    pub fn space(&mut self) -> &mut [u8] {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        &mut self.buffer[self.end..]
    }

    /// Says that the first `len` bytes of [`Self::space`] have been filled. More than there was is taken as all of it.
    pub fn filled(&mut self, len: usize) {
        self.end = (self.end + len).min(self.buffer.len());
    }

    /// Copies as many of `bytes` in as fit; returns how many did.
    pub fn push(&mut self, bytes: &[u8]) -> usize {
        let space = self.space();
        let len = bytes.len().min(space.len());
        space[..len].copy_from_slice(&bytes[..len]);
        self.filled(len);
        len
    }

    /// The next complete frame, to be decrypted in place.
    ///
    /// # Errors
    /// A length of 0 or above [`MAX_FRAME`]: the stream cannot be followed any further.
    pub fn next_frame(&mut self) -> Result<Option<&mut [u8]>, FrameError> {
        let Some([high, low]) = self.buffer[self.start..self.end].first_chunk() else {
            return Ok(None);
        };
        let len = usize::from(u16::from_be_bytes([*high, *low]));
        if len == 0 || len > MAX_FRAME {
            return Err(FrameError { len });
        }
        let frame = self.start + 2..self.start + 2 + len;
        if frame.end > self.end {
            return Ok(None);
        }
        self.start = frame.end;
        Ok(Some(&mut self.buffer[frame]))
    }
}
