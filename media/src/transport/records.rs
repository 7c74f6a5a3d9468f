//! A look at a datagram's DTLS records before rtc-dtls sees it (RFC 6347 section 4.1): the library parses, this bounds.

/// The content type of handshake records.
pub(super) const DTLS_HANDSHAKE: u8 = 22;
const DTLS_ALERT: u8 = 21;

const RECORD_HEADER: usize = 13;
const HANDSHAKE_HEADER: usize = 12;

/// Plaintext handshake messages or fragments in one datagram. An honest flight has 5 messages; rtc-dtls recurses once
/// per fragment of a message.
const MAX_FRAGMENTS: usize = 16;

/// What a datagram holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Records {
    /// A handshake record, encrypted or not.
    pub(super) handshake: bool,
    /// An alert that nobody has authenticated.
    pub(super) plaintext_alert: bool,
}

/// Walks the records of a datagram. `None` if they do not fill it exactly, or if it holds too many fragments.
pub(super) fn scan(datagram: &[u8]) -> Option<Records> {
    let mut records = Records::default();
    let mut fragments = 0;
    let mut rest = datagram;
    while !rest.is_empty() {
        let header = rest.first_chunk::<RECORD_HEADER>()?;
        let plaintext = header[3..5] == [0, 0];
        let len = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let body = rest.get(RECORD_HEADER..RECORD_HEADER + len)?;
        rest = rest.get(RECORD_HEADER + len..)?;
        records.handshake |= header[0] == DTLS_HANDSHAKE;
        records.plaintext_alert |= header[0] == DTLS_ALERT && plaintext;
        if header[0] == DTLS_HANDSHAKE && plaintext {
            fragments += fragments_in(body)?;
        }
    }
    (!datagram.is_empty() && fragments <= MAX_FRAGMENTS).then_some(records)
}

/// Counts the handshake messages in a plaintext record. `None` if one exceeds it or lies about its own length.
fn fragments_in(mut body: &[u8]) -> Option<usize> {
    let mut count = 0;
    while !body.is_empty() {
        let header = body.first_chunk::<HANDSHAKE_HEADER>()?;
        let number = |at: usize| u32::from_be_bytes([0, header[at], header[at + 1], header[at + 2]]) as usize;
        let (total, offset, len) = (number(1), number(6), number(9));
        // An empty fragment of a message that is not empty carries nothing but work.
        if offset + len > total || (len == 0 && total > 0) {
            return None;
        }
        body = body.get(HANDSHAKE_HEADER + len..)?;
        count += 1;
    }
    Some(count)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A plaintext record.
    pub(in crate::transport) fn record(kind: u8, sequence: u64, body: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 0xfe, 0xfd, 0, 0];
        record.extend(&sequence.to_be_bytes()[2..]);
        record.extend((body.len() as u16).to_be_bytes());
        record.extend(body);
        record
    }

    /// A handshake fragment: of message `message`, which has `total` bytes in all.
    pub(in crate::transport) fn fragment(message: u16, total: u32, offset: u32, body: &[u8]) -> Vec<u8> {
        let mut fragment = vec![11];
        fragment.extend(&total.to_be_bytes()[1..]);
        fragment.extend(message.to_be_bytes());
        fragment.extend(&offset.to_be_bytes()[1..]);
        fragment.extend(&(body.len() as u32).to_be_bytes()[1..]);
        fragment.extend(body);
        fragment
    }

    #[test]
    fn records_are_recognised() {
        let hello = record(DTLS_HANDSHAKE, 0, &fragment(0, 5, 0, &[1; 5]));
        let alert = record(DTLS_ALERT, 1, &[2, 40]);
        assert_eq!(scan(&hello), Some(Records { handshake: true, plaintext_alert: false }));
        assert_eq!(scan(&[hello.clone(), alert].concat()), Some(Records { handshake: true, plaintext_alert: true }));
        let mut encrypted_alert = record(DTLS_ALERT, 1, &[0; 24]);
        encrypted_alert[4] = 1;
        assert_eq!(scan(&encrypted_alert), Some(Records::default()));
        for len in 0..hello.len() {
            assert_eq!(scan(&hello[..len]), None, "truncated to {len}");
        }
    }

    #[test]
    fn hostile_fragments_are_refused() {
        let scan_fragments = |fragments: &[Vec<u8>]| scan(&record(DTLS_HANDSHAKE, 0, &fragments.concat()));
        let tiny = |count: u32| (0..count).map(|i| fragment(0, 1000, i, &[0])).collect::<Vec<_>>();
        assert!(scan_fragments(&tiny(16)).is_some());
        assert_eq!(scan_fragments(&tiny(17)), None, "too many");
        assert_eq!(scan_fragments(&[fragment(0, 1000, 5, &[])]), None, "empty");
        assert!(scan_fragments(&[fragment(0, 0, 0, &[])]).is_some(), "ServerHelloDone is empty");
        assert_eq!(scan_fragments(&[fragment(0, 10, 8, &[0; 3])]), None, "beyond the message");
    }
}
