//! AES-128-GCM for what is sent: by Parlor's own code where the processor can do it on 512 bits, and else by ring.
//!
//! Sealing is most of what forwarding costs, since every subscriber has keys of its own. Most of a packet's content is the same for all of
//! them, and each would have to copy it before it is sealed. So a content may be *shared*: but for its first [`OWN`] bytes, and for what is
//! longer than the shared one, it stays where it is and is sealed from there to where it belongs.

#[cfg(target_arch = "x86_64")]
mod wide;

use super::TAG;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

/// Bytes of a key.
pub(crate) const KEY: usize = 16;

/// Bytes at the beginning of each content that are not shared: more than a descriptor of a picture takes.
pub(crate) const OWN: usize = 64;

/// A nonce as the numbers that it consists of, in network byte order: memory that was written in parts a moment ago is slow to be read as a
/// whole.
#[derive(Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) first: u64,
    pub(crate) last: u32,
}

impl Numbers {
    /// The same for ring.
    pub(crate) fn nonce(self) -> Nonce {
        let mut nonce = [0; NONCE_LEN];
        nonce[..8].copy_from_slice(&self.first.to_be_bytes());
        nonce[8..].copy_from_slice(&self.last.to_be_bytes());
        Nonce::assume_unique_for_key(nonce)
    }
}

/// A key that packets are sealed with.
pub(crate) enum SealingKey {
    #[cfg(target_arch = "x86_64")]
    Wide(wide::WideKey),
    Ring(LessSafeKey),
}

impl SealingKey {
    /// The key for the fastest code that runs here. `None` if ring does not take it, which it does.
    pub(crate) fn new(key: &[u8; KEY]) -> Option<Self> {
        #[cfg(target_arch = "x86_64")]
        if let Some(key) = wide::WideKey::new(key) {
            return Some(Self::Wide(key));
        }
        Self::of_ring(key)
    }

    /// The key for ring, which all processors can use.
    pub(crate) fn of_ring(key: &[u8; KEY]) -> Option<Self> {
        Some(Self::Ring(LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key).ok()?)))
    }

    /// Encrypts `content` in place, or what of it is `shared` from there; returns the tag of that and `header`. `None` if what is shared is
    /// longer than the content. The numbers must not have been used with this key before.
    #[inline]
    pub(crate) fn seal(&self, numbers: Numbers, header: &[u8], content: &mut [u8], shared: &[u8]) -> Option<[u8; TAG]> {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Wide(key) => (shared.len() <= content.len()).then(|| key.seal(numbers, header, content, shared)),
            Self::Ring(key) => {
                join(content, shared)?;
                let tag = key.seal_in_place_separate_tag(numbers.nonce(), Aad::from(header), content).ok()?;
                tag.as_ref().try_into().ok()
            }
        }
    }
}

/// Copies what is shared of a content to where it belongs. `None` if that is longer than the content.
pub(crate) fn join(content: &mut [u8], shared: &[u8]) -> Option<()> {
    let place = content.get_mut(..shared.len())?;
    place.get_mut(OWN..).unwrap_or_default().copy_from_slice(shared.get(OWN..).unwrap_or_default());
    Some(())
}

#[cfg(test)]
mod tests;
