//! Tells the protocols apart that share one 5-tuple, by the first bytes of a datagram (RFC 7983, RFC 5761).

/// What a datagram claims to be. Nothing is verified yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatagramKind {
    /// STUN: 0 to 3.
    Stun,
    /// DTLS: 20 to 63.
    Dtls,
    /// RTP: 128 to 191, with a payload type outside RTCP's range.
    Rtp,
    /// RTCP: 128 to 191, with a packet type of 192 to 223 (RFC 5761 section 4).
    Rtcp,
    /// Anything else, the empty datagram too.
    Unknown,
}

/// Classifies a datagram by its first two bytes.
#[must_use]
pub fn classify(datagram: &[u8]) -> DatagramKind {
    match datagram {
        [0..=3, ..] => DatagramKind::Stun,
        [20..=63, ..] => DatagramKind::Dtls,
        [128..=191, 192..=223, ..] => DatagramKind::Rtcp,
        [128..=191, _, ..] => DatagramKind::Rtp,
        _ => DatagramKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bytes_decide() {
        use DatagramKind::*;
        for (bytes, kind) in [
            (&[][..], Unknown),
            (&[0, 1][..], Stun),
            (&[3][..], Stun),
            (&[4][..], Unknown),
            (&[22, 254][..], Dtls),
            (&[63][..], Dtls),
            (&[64, 0][..], Unknown),
            (&[128][..], Unknown),
            (&[128, 96][..], Rtp),
            (&[0x90, 0xe0][..], Rtp),
            (&[0x80, 200][..], Rtcp),
            (&[0xbf, 223][..], Rtcp),
            (&[192, 200][..], Unknown),
        ] {
            assert_eq!(classify(bytes), kind, "{bytes:?}");
        }
    }
}
