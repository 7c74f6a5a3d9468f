//! AEAD_AES_128_GCM SRTP (RFC 7714), in place and without allocation: the path of every media packet.
//!
//! What always holds: nothing about a stream is remembered unless its packet's tag verified; streams are bounded by
//! [`MAX_SSRCS`](streams::MAX_SSRCS). The sender keeps no state at all: the packet index comes from whoever numbers the packets, who must
//! never use one (SSRC, index) for two different packets, since that would reuse a nonce.

pub(crate) mod sealing;
pub(crate) mod srtcp;
mod streams;

use crate::drop_reason::DropReason;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, UnboundKey};
use rtc::crypto::{BlockCipherAlgorithm, RTCCrypto};
use sealing::{KEY, Numbers, SealingKey};
use std::ops::Range;
pub use streams::MAX_SSRCS;
use streams::{INDEX_END, Stream, Streams};

/// Bytes that protection adds to a packet.
pub const TAG: usize = 16;

/// The key derivation labels of RFC 3711 section 4.3.2, of a key and a salt.
type Labels = [u8; 2];
const LABELS: Labels = [0, 2];

/// Length of an RTP header with its CSRCs and extension; `None` if it is no RTP header or exceeds the packet.
pub(super) fn header_len(packet: &[u8]) -> Option<usize> {
    let fixed = packet.first_chunk::<12>()?;
    if fixed[0] >> 6 != 2 {
        return None;
    }
    let mut len = 12 + 4 * usize::from(fixed[0] & 0x0f);
    if fixed[0] & 0x10 != 0 {
        let words = packet.get(len + 2..len + 4)?;
        len += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    (len <= packet.len()).then_some(len)
}

/// Sequence number and SSRC of a packet whose header has been checked.
pub(super) fn sequence_and_ssrc(packet: &[u8]) -> Option<(u16, u32)> {
    let fixed = packet.first_chunk::<12>()?;
    let ssrc = u32::from_be_bytes([fixed[8], fixed[9], fixed[10], fixed[11]]);
    Some((u16::from_be_bytes([fixed[2], fixed[3]]), ssrc))
}

/// The session salt of one direction: its first eight bytes and the last four, as numbers in network byte order.
#[derive(Clone, Copy)]
struct Salt(u64, u32);

impl Salt {
    /// RFC 7714 section 8.1: `00 00 ‖ SSRC ‖ ROC ‖ SEQ`, exclusive-or the salt; for SRTCP (section 9.1), whose index is shorter, the
    /// numbers come to the same.
    fn numbers(self, ssrc: u32, index: u64) -> Numbers {
        let first = u64::from(ssrc) << 16 | index >> 32;
        Numbers { first: first ^ self.0, last: index as u32 ^ self.1 }
    }
}

/// Derives a session key and salt of a direction from the master ones. `None` if they have the wrong length.
fn derive(
    crypto: &dyn RTCCrypto,
    master_key: &[u8],
    master_salt: &[u8],
    [key, salt]: Labels,
) -> Option<([u8; KEY], Salt)> {
    let master_salt: &[u8; NONCE_LEN] = master_salt.try_into().ok()?;
    let key = keystream_block(crypto, master_key, master_salt, key)?;
    let salt = keystream_block(crypto, master_key, master_salt, salt)?;
    let salt = Salt(u64::from_be_bytes(*salt.first_chunk()?), u32::from_be_bytes(*salt.get(8..)?.first_chunk()?));
    Some((key, salt))
}

/// The first block of RFC 3711's AES-CM key derivation (section 4.3.3): all that a 128-bit key or 96-bit salt needs.
fn keystream_block(
    crypto: &dyn RTCCrypto,
    master_key: &[u8],
    master_salt: &[u8; NONCE_LEN],
    label: u8,
) -> Option<[u8; 16]> {
    let mut block = [0; 16];
    block[..NONCE_LEN].copy_from_slice(master_salt);
    block[7] ^= label;
    crypto.block_encrypt(BlockCipherAlgorithm::Aes128, master_key, &mut block).ok()?;
    Some(block)
}

/// Protects what is sent.
pub(super) struct GcmSender {
    key: SealingKey,
    salt: Salt,
}

impl GcmSender {
    pub(super) fn new(crypto: &dyn RTCCrypto, master_key: &[u8], master_salt: &[u8]) -> Option<Self> {
        let (key, salt) = derive(crypto, master_key, master_salt, LABELS)?;
        Some(Self { key: SealingKey::new(&key)?, salt })
    }

    /// Encrypts `buffer[..len]` in place and appends the tag. Returns the new length.
    ///
    /// `index` is the packet's 48-bit extended sequence number. `None` if the packet is not RTP, its sequence number is not
    /// the index's, or the buffer has no room for the tag.
    pub(super) fn protect(&self, buffer: &mut [u8], len: usize, index: u64) -> Option<usize> {
        let packet = buffer.get(..len)?;
        let header = header_len(packet)?;
        let (sequence, ssrc) = sequence_and_ssrc(packet)?;
        if index as u16 != sequence {
            return None;
        }
        self.seal(buffer, header..len, &[], ssrc, index)
    }

    /// The same for a packet of which it is known that its payload lies at `payload` and that it has this SSRC and index:
    /// reading them back where they were written a moment ago would stall the processor. So would what is `shared`, which is sealed from
    /// where it is; see [`sealing`].
    #[inline]
    pub(super) fn seal(
        &self,
        buffer: &mut [u8],
        payload: Range<usize>,
        shared: &[u8],
        ssrc: u32,
        index: u64,
    ) -> Option<usize> {
        let (packet, rest) = buffer.split_at_mut_checked(payload.end)?;
        let room = rest.get_mut(..TAG)?;
        debug_assert_eq!(header_len(packet), Some(payload.start));
        debug_assert_eq!(sequence_and_ssrc(packet), Some((index as u16, ssrc)));
        let (header, content) = packet.split_at_mut_checked(payload.start)?;
        if index >= INDEX_END {
            return None;
        }
        let tag = self.key.seal(self.salt.numbers(ssrc, index), header, content, shared)?;
        room.copy_from_slice(&tag);
        Some(payload.end + TAG)
    }
}

/// A session key for ring, and the salt of its direction.
struct Keys {
    key: LessSafeKey,
    salt: Salt,
}

impl Keys {
    /// `None` if the master key or salt has the wrong length.
    fn new(crypto: &dyn RTCCrypto, master_key: &[u8], master_salt: &[u8], labels: Labels) -> Option<Self> {
        let (key, salt) = derive(crypto, master_key, master_salt, labels)?;
        Some(Self { key: LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?), salt })
    }
}

/// Verifies and decrypts what is received.
pub(super) struct GcmReceiver {
    keys: Keys,
    streams: Streams,
}

impl GcmReceiver {
    pub(super) fn new(crypto: &dyn RTCCrypto, master_key: &[u8], master_salt: &[u8]) -> Option<Self> {
        Some(Self { keys: Keys::new(crypto, master_key, master_salt, LABELS)?, streams: Streams::default() })
    }

    /// Decrypts a packet in place; returns its length without the tag. After an error `packet` holds rubbish.
    pub(super) fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        let header = header_len(packet).ok_or(DropReason::MalformedRtp)?;
        let (sequence, ssrc) = sequence_and_ssrc(packet).ok_or(DropReason::MalformedRtp)?;
        if packet.len() < header + TAG {
            return Err(DropReason::MalformedRtp);
        }
        let place = self.streams.find(ssrc)?;
        let mut stream = self.streams.get(place).unwrap_or(Stream::new(u64::from(sequence)));
        let index = stream.guess(sequence).filter(|i| !stream.is_replay(*i)).ok_or(DropReason::ReplayedRtp)?;
        let (header, payload) = packet.split_at_mut_checked(header).ok_or(DropReason::MalformedRtp)?;
        let nonce = self.keys.salt.numbers(ssrc, index).nonce();
        self.keys.key.open_in_place(nonce, Aad::from(&*header), payload).map_err(|_| DropReason::ForgedRtp)?;
        stream.accept(index);
        self.streams.keep(place, stream);
        Ok(packet.len() - TAG)
    }

    /// See [`Streams::forget`].
    pub(super) fn forget(&mut self, ssrc: u32) {
        self.streams.forget(ssrc);
    }
}

#[cfg(test)]
mod tests;
