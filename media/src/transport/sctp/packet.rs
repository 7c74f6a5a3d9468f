//! A look at an SCTP packet's error causes before rtc-sctp sees it.
//!
//! rtc-sctp 0.21 trusts the length of a cause in ABORT and ERROR, and panics if it exceeds the chunk. A client has the
//! keys for any packet it likes.

const PACKET_HEADER: usize = 12;
const CHUNK_HEADER: usize = 4;
const ABORT: u8 = 6;
const ERROR: u8 = 9;

/// Whether every chunk, and every error cause in it, lies within the packet (RFC 9260 sections 3.2 and 3.3.10).
pub(super) fn is_well_formed(packet: &[u8]) -> bool {
    let Some(mut chunks) = packet.get(PACKET_HEADER..) else { return false };
    while !chunks.is_empty() {
        let Some((value, rest)) = split_item(chunks) else { return false };
        let has_causes = matches!(chunks.first(), Some(&(ABORT | ERROR)));
        if has_causes && !causes_fit(value) {
            return false;
        }
        chunks = rest;
    }
    true
}

/// Whether causes fill a chunk's value. rtc-sctp does not skip the padding between them, so there must be none.
fn causes_fit(mut causes: &[u8]) -> bool {
    while causes.len() >= CHUNK_HEADER {
        let len = usize::from(u16::from_be_bytes([causes[2], causes[3]]));
        match causes.get(len..) {
            Some(rest) if len >= CHUNK_HEADER => causes = rest,
            _ => return false,
        }
    }
    true
}

/// Splits the first chunk's value from what follows the chunk and its padding.
fn split_item(chunks: &[u8]) -> Option<(&[u8], &[u8])> {
    let header = chunks.first_chunk::<CHUNK_HEADER>()?;
    let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let value = chunks.get(CHUNK_HEADER..len)?;
    Some((value, chunks.get(len.next_multiple_of(4)..).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(chunk: &[u8]) -> Vec<u8> {
        [&[0; PACKET_HEADER], chunk].concat()
    }

    #[test]
    fn causes_must_lie_within_their_chunk() {
        for kind in [ABORT, ERROR] {
            assert!(is_well_formed(&packet(&[kind, 0, 0, 4])));
            assert!(is_well_formed(&packet(&[kind, 0, 0, 12, 0, 12, 0, 8, 1, 2, 3, 4])));
            assert!(!is_well_formed(&packet(&[kind, 0, 0, 12, 0, 12, 0, 9, 1, 2, 3, 4])), "too long");
            assert!(!is_well_formed(&packet(&[kind, 0, 0, 12, 0, 12, 0, 3, 1, 2, 3, 4])), "too short");
            assert!(!is_well_formed(&packet(&[kind, 0, 0, 13, 0, 12, 0, 8, 1, 2, 3, 4])), "the chunk too long");
            assert!(!is_well_formed(&packet(&[kind, 0, 0, 3])), "the chunk too short");
        }
        assert!(!is_well_formed(&[0; 11]));
    }
}
