//! What an SRTP packet shows to everybody (RFC 3550 section 5.1): SRTP encrypts the payload alone.

/// How a datagram is told apart (RFC 7983, RFC 5761 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Datagram {
    /// Media.
    Rtp,
    /// Reports and requests.
    Rtcp,
    /// ICE, DTLS, or nothing that is known.
    Other,
}

/// Tells a datagram by its first bytes.
#[must_use]
pub fn classify(datagram: &[u8]) -> Datagram {
    match datagram {
        [128..=191, 192..=223, ..] => Datagram::Rtcp,
        [128..=191, _, ..] => Datagram::Rtp,
        _ => Datagram::Other,
    }
}

/// The fields of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Padding follows the payload. Servers probe with packets that hold nothing else.
    pub padding: bool,
    /// The last packet of a frame.
    pub marker: bool,
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// Sequence number.
    pub sequence: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Synchronisation source.
    pub ssrc: u32,
    /// The transport-wide sequence number, where that extension is negotiated and present.
    pub transport_sequence: Option<u16>,
    /// Where the payload begins, in bytes.
    pub length: usize,
}

const FIXED: usize = 12;
/// RFC 8285 section 4.2.
const ONE_BYTE: u16 = 0xbede;

impl Header {
    /// Reads the header of a datagram that is RTP. `transport_id` is the id (1 to 14) of the transport-wide sequence
    /// number's extension; 0 is none.
    #[must_use]
    pub fn read(datagram: &[u8], transport_id: u8) -> Option<Self> {
        let (fixed, rest) = datagram.split_first_chunk::<FIXED>()?;
        let csrcs = usize::from(fixed[0] & 0x0f) * 4;
        let mut header = Self {
            padding: fixed[0] & 0x20 != 0,
            marker: fixed[1] & 0x80 != 0,
            payload_type: fixed[1] & 0x7f,
            sequence: u16::from_be_bytes([fixed[2], fixed[3]]),
            timestamp: u32::from_be_bytes([fixed[4], fixed[5], fixed[6], fixed[7]]),
            ssrc: u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]),
            transport_sequence: None,
            length: FIXED + csrcs,
        };
        if rest.len() < csrcs {
            return None;
        }
        if fixed[0] & 0x10 != 0 {
            let (head, rest) = rest.get(csrcs..)?.split_first_chunk::<4>()?;
            let words = usize::from(u16::from_be_bytes([head[2], head[3]]));
            let block = rest.get(..words * 4)?;
            header.length += 4 + block.len();
            if transport_id != 0 && u16::from_be_bytes([head[0], head[1]]) == ONE_BYTE {
                header.transport_sequence = one_byte_u16(block, transport_id);
            }
        }
        Some(header)
    }
}

/// Finds an element of two bytes among elements with a one-byte header.
fn one_byte_u16(mut block: &[u8], wanted: u8) -> Option<u16> {
    while let Some((&head, rest)) = block.split_first() {
        let (id, length) = (head >> 4, usize::from(head & 0x0f) + 1);
        match id {
            // Padding.
            0 => block = rest,
            15 => return None,
            _ if id == wanted => {
                return rest.first_chunk::<2>().filter(|_| length == 2).map(|b| u16::from_be_bytes(*b));
            }
            _ => block = rest.get(length..)?,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> Vec<u8> {
        let mut packet = vec![0x90, 0x80 | 96, 0x12, 0x34, 0, 0, 0, 9, 1, 2, 3, 4];
        packet.extend_from_slice(&[0xbe, 0xde, 0, 2, 0x10, 0x7f, 0x31, 0xab, 0xcd, 0, 0, 0]);
        packet.extend_from_slice(b"secret");
        packet
    }

    #[test]
    fn a_header_is_read_with_its_transport_sequence() {
        let header = Header::read(&packet(), 3).unwrap();
        let expected = Header {
            padding: false,
            marker: true,
            payload_type: 96,
            sequence: 0x1234,
            timestamp: 9,
            ssrc: 0x0102_0304,
            transport_sequence: Some(0xabcd),
            length: 24,
        };
        assert_eq!(header, expected);
        for id in [0, 1, 2, 4, 15] {
            assert_eq!(Header::read(&packet(), id).unwrap().transport_sequence, None, "{id}");
        }
    }

    #[test]
    fn whatever_comes_is_read_or_refused() {
        let packet = packet();
        for length in 0..packet.len() {
            assert_eq!(Header::read(&packet[..length], 3).is_some(), length >= 24, "{length}");
        }
        for position in 0..packet.len() {
            for value in 0..=255 {
                let mut packet = packet.clone();
                packet[position] = value;
                if let Some(header) = Header::read(&packet, 3) {
                    assert!(header.length <= packet.len());
                }
            }
        }
    }

    #[test]
    fn datagrams_are_told_apart() {
        assert_eq!(classify(&packet()), Datagram::Rtp);
        assert_eq!(classify(&[0x80, 200, 0, 1]), Datagram::Rtcp);
        assert_eq!(classify(&[0x81, 205, 0, 1]), Datagram::Rtcp);
        for other in [&[][..], &[0x80], &[0, 1], &[22, 254], &[255, 255]] {
            assert_eq!(classify(other), Datagram::Other);
        }
    }
}
