//! Padding (RFC 3550 section 5.1) that makes the packets of a frame equal in size.
//!
//! The kernel cuts a GSO message into datagrams of one size, of which only the last may be shorter, and a message costs it
//! as much as ten further datagrams in one do. The packets of a frame differ by a few bytes: an encoder splits a frame into
//! parts of `s` and `s + 1` bytes, the larger ones last, and a header extension or two may come and go. So the first of them
//! gets what it lacks of the size of the longest, or a byte where that one has not come yet, and the others what they lack of its size.

/// Bytes added to a packet at most: three words of header extensions and some. What differs more is another frame's.
pub(crate) const MAX_PADDING: usize = 15;

/// How many bytes longer than its first the other packets of a frame are expected to be, where they have not come yet.
pub(crate) const SLACK: u16 = 1;

/// What follows a packet in its frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// It is the last one, and may be shorter than the others.
    Nothing,
    /// Packets of which the longest is longer by so many bytes.
    Longer(u16),
}

impl Follow {
    /// Of a packet that is the `last` of its frame or not, and by how many bytes the packets of its frame grow that follow it.
    #[inline]
    pub(crate) fn of(last: bool, growth: u16) -> Self {
        if last { Self::Nothing } else { Self::Longer(growth) }
    }
}

/// How many bytes of padding a packet that will be `sealed` bytes long should get, so that the sealed packet has the size
/// `open` that those before it have, or those that `follow` can have its own; never beyond `limit`.
pub(crate) fn padding(sealed: usize, follow: Follow, open: usize, limit: usize) -> usize {
    let Follow::Longer(growth) = follow else { return 0 };
    let wanted = if sealed > open { usize::from(growth) } else { open - sealed };
    let allowed = wanted <= MAX_PADDING && sealed + wanted <= limit;
    if allowed { wanted } else { 0 }
}

/// Pads the packet `buffer[..len]`, which has no padding yet, by `count` bytes and returns its new length; its length as it was
/// where that does not fit.
pub(crate) fn pad(buffer: &mut [u8], len: usize, count: usize) -> usize {
    let Some(last) = count.checked_sub(1).filter(|last| *last < MAX_PADDING) else { return len };
    let Some(room) = buffer.get_mut(len..len + count) else { return len };
    room.fill(0);
    room[last] = count as u8;
    if let Some(first) = buffer.first_mut() {
        *first |= 0x20;
    }
    len + count
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtp::header::RtpHeader;

    const LIMIT: usize = 1_452;

    /// The sizes with which packets of these sizes leave, the last one with the marker, as the outbox follows them. How long those are
    /// that follow is `known` or not.
    fn frame(sizes: &[usize], known: bool) -> Vec<usize> {
        let mut open = 0;
        let leave = sizes.iter().enumerate().map(|(index, size)| {
            let behind = &sizes[index + 1..];
            let growth = behind.iter().map(|other| other.saturating_sub(*size) as u16).max().unwrap_or(0);
            let follow = Follow::of(behind.is_empty(), if known { growth } else { SLACK });
            let padded = size + padding(*size, follow, open, LIMIT);
            open = if padded < open { 0 } else { padded };
            padded
        });
        leave.collect()
    }

    #[test]
    fn a_frame_that_was_split_about_equally_becomes_equal() {
        for known in [false, true] {
            assert_eq!(frame(&[1_000, 1_000, 1_001, 1_001], known), [1_001; 4]);
            assert_eq!(frame(&[1_000, 988, 1_001, 1_001], known), [1_001; 4], "three words of extensions less");
        }
        assert_eq!(frame(&[1_000; 4], true), [1_000; 4]);
        assert_eq!(frame(&[1_000; 4], false), [1_001, 1_001, 1_001, 1_000], "the last may be shorter");
        assert_eq!(frame(&[1_000, 1_004, 1_008, 1_001], true), [1_008, 1_008, 1_008, 1_001]);
    }

    #[test]
    fn what_is_alone_or_of_another_size_is_left_as_it_is() {
        assert_eq!(frame(&[700], true), [700]);
        assert_eq!(frame(&[1_000, 500, 500, 400], true), [1_000, 500, 500, 400]);
        assert_eq!(frame(&[1_000, 500, 500, 400], false), [1_001, 500, 501, 400]);
        assert_eq!(frame(&[500, 500, 1_000, 1_000], true), [500, 500, 1_000, 1_000]);
        let padding = |sealed, growth, open| padding(sealed, Follow::Longer(growth), open, LIMIT);
        assert_eq!(padding(LIMIT, 1, 0), 0, "no room");
        assert_eq!(padding(LIMIT - 1, 1, 0), 1);
        assert_eq!(padding(1_000, 1, 1_000 + MAX_PADDING + 1), 0);
        assert_eq!(padding(1_000, 1, 1_000 + MAX_PADDING), MAX_PADDING);
    }

    #[test]
    fn padding_is_taken_off_again_by_its_reader() {
        for count in 0..=MAX_PADDING {
            let mut buffer = [0xff; 64];
            buffer[..15].copy_from_slice(&[0x80, 96, 0, 1, 0, 0, 0, 9, 0, 0, 0, 7, 40, 41, 42]);
            let len = pad(&mut buffer, 15, count);
            assert_eq!(len, 15 + count);
            let header = RtpHeader::parse(&buffer[..len]).expect("valid");
            assert_eq!(header.payload(&buffer[..len]), [40, 41, 42]);
            assert_eq!(usize::from(header.padding_len()), count);
        }
        let mut full = [0x80; 20];
        assert_eq!(pad(&mut full, 18, 3), 18);
        assert_eq!(pad(&mut full, 1, MAX_PADDING + 1), 1);
        assert_eq!(full, [0x80; 20]);
    }
}
