//! AEAD_AES_128_GCM SRTCP (RFC 7714 section 9), in place: what participants tell of what they receive, which is a packet for each few dozen
//! that are forwarded to them.
//!
//! What always holds: nothing about a stream is remembered unless its packet's tag verified, and no index is used twice. Packets that are
//! authenticated but not encrypted (section 9.3) are refused: no WebRTC client sends them.

use super::streams::{Stream, Streams};
use super::{Keys, Labels, TAG};
use crate::drop_reason::DropReason;
use ring::aead::Aad;
use rtc::crypto::RTCCrypto;

/// The key derivation labels of RFC 3711 section 4.3.2.
const LABELS: Labels = [3, 5];

/// The first packet's header and SSRC, which stay readable.
const CLEAR: usize = 8;

/// Bytes of the word behind the tag: whether the packet is encrypted, and its index.
const WORD: usize = 4;
const IS_ENCRYPTED: u32 = 1 << 31;

/// Bytes that protection adds to a compound packet, the tag and the index (RFC 7714 section 9). AES_CM_128_HMAC_SHA1_80 adds fewer (RFC 3711
/// section 3.4).
pub const OVERHEAD: usize = TAG + WORD;

/// What is authenticated beside the content (RFC 7714 section 9.2).
fn associated(clear: [u8; CLEAR], word: u32) -> [u8; CLEAR + WORD] {
    let mut associated = [0; CLEAR + WORD];
    associated[..CLEAR].copy_from_slice(&clear);
    associated[CLEAR..].copy_from_slice(&word.to_be_bytes());
    associated
}

/// The header and SSRC that a compound packet begins with, and that SSRC. `None` if it is none.
fn clear_part(packet: &[u8]) -> Option<([u8; CLEAR], u32)> {
    let clear: [u8; CLEAR] = *packet.first_chunk()?;
    let [first, _, _, _, ssrc @ ..] = clear;
    (first >> 6 == 2).then_some((clear, u32::from_be_bytes(ssrc)))
}

/// Protects what is sent.
pub(in crate::transport) struct GcmRtcpSender {
    keys: Keys,
    /// The index of the latest packet, of whatever SSRC: it is good for one under these keys.
    index: u32,
}

impl GcmRtcpSender {
    pub(in crate::transport) fn new(crypto: &dyn RTCCrypto, master_key: &[u8], master_salt: &[u8]) -> Option<Self> {
        Some(Self { keys: Keys::new(crypto, master_key, master_salt, LABELS)?, index: 0 })
    }

    /// Encrypts the compound packet `buffer[..len]` in place and appends what protection adds. Returns the new length. `None` if it is no
    /// such packet, if the buffer has no room, or if the key is used up, after 2^31 packets (RFC 3711 section 9.2).
    pub(in crate::transport) fn protect(&mut self, buffer: &mut [u8], len: usize) -> Option<usize> {
        let (packet, rest) = buffer.get_mut(..len.checked_add(OVERHEAD)?)?.split_at_mut_checked(len)?;
        let (clear, ssrc) = clear_part(packet)?;
        let index = self.index.checked_add(1).filter(|index| *index < IS_ENCRYPTED)?;
        self.index = index;
        let (nonce, word) = (self.keys.salt.numbers(ssrc, u64::from(index)).nonce(), index | IS_ENCRYPTED);
        let associated = Aad::from(associated(clear, word));
        let tag = self.keys.key.seal_in_place_separate_tag(nonce, associated, packet.get_mut(CLEAR..)?).ok()?;
        let (tag_place, word_place) = rest.split_at_mut_checked(TAG)?;
        tag_place.copy_from_slice(tag.as_ref());
        word_place.copy_from_slice(&word.to_be_bytes());
        Some(len + OVERHEAD)
    }
}

/// Verifies and decrypts what is received.
pub(in crate::transport) struct GcmRtcpReceiver {
    keys: Keys,
    streams: Streams,
}

impl GcmRtcpReceiver {
    pub(in crate::transport) fn new(crypto: &dyn RTCCrypto, master_key: &[u8], master_salt: &[u8]) -> Option<Self> {
        Some(Self { keys: Keys::new(crypto, master_key, master_salt, LABELS)?, streams: Streams::default() })
    }

    /// Decrypts a compound packet in place; returns its length without what protection adds. After an error `packet` holds rubbish.
    pub(in crate::transport) fn unprotect(&mut self, packet: &mut [u8]) -> Result<usize, DropReason> {
        let (clear, ssrc) = clear_part(packet).ok_or(DropReason::MalformedRtcp)?;
        let (packet, word) = packet.split_last_chunk_mut().ok_or(DropReason::MalformedRtcp)?;
        let word = u32::from_be_bytes(*word);
        let index = u64::from(word & !IS_ENCRYPTED);
        let len = packet.len().checked_sub(TAG).filter(|len| *len >= CLEAR).ok_or(DropReason::MalformedRtcp)?;
        let place = self.streams.find(ssrc)?;
        let mut stream = self.streams.get(place).unwrap_or(Stream::new(index));
        if word & IS_ENCRYPTED == 0 || stream.is_replay(index) {
            return Err(DropReason::ForgedRtcp);
        }
        let nonce = self.keys.salt.numbers(ssrc, index).nonce();
        let content = packet.get_mut(CLEAR..).ok_or(DropReason::MalformedRtcp)?;
        let opened = self.keys.key.open_in_place(nonce, Aad::from(associated(clear, word)), content);
        opened.map_err(|_| DropReason::ForgedRtcp)?;
        stream.accept(index);
        self.streams.keep(place, stream);
        Ok(len)
    }

    /// See [`Streams::forget`].
    pub(in crate::transport) fn forget(&mut self, ssrc: u32) {
        self.streams.forget(ssrc);
    }
}

#[cfg(test)]
mod tests;
