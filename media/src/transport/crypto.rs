//! What webrtc-rs computes with: ring, but no signature is verified twice.
//!
//! A DTLS client proves that the certificate is its own by a signature in its last flight (RFC 5246 section 7.4.8). rtc-dtls 0.21
//! verifies that anew with each datagram of the flight, and once more when it takes the last one from its queue: two or three
//! times 50 µs, of the 300 that a join takes. A verification has no other input than key, message and signature, so a
//! signature that was found good is remembered by a digest of these.

#![allow(clippy::disallowed_types, reason = "webrtc-rs wants one provider for all handshakes, of all shards")]

use ring::digest::{Context, SHA256};
use rtc::crypto::providers::{RingCrypto, RingProvider};
use rtc::crypto::{
    ActiveKeyExchange, AeadAlgorithm, AeadCipher, BlockCipherAlgorithm, CbcAlgorithm, CbcCipher, CryptoAlgorithm,
    CryptoError, HashAlgorithm, HmacAlgorithm, KeyExchangeAlgorithm, Mac, PublicKey, RTCCrypto, RTCCryptoProvider,
    RTCRandom, SignatureScheme, SigningKey, StreamCipher, StreamCipherAlgorithm,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Signatures remembered: more than there are handshakes under way in a storm of joins, in 32 KiB. A power of two.
const REMEMBERED: usize = 1_024;
const _: () = assert!(REMEMBERED.is_power_of_two());

/// See the module's text.
pub(super) struct Crypto {
    ring: RingProvider,
    operations: Operations,
}

impl Crypto {
    pub(super) fn new() -> Self {
        Self { ring: RingProvider::new(), operations: Operations { ring: RingCrypto, good: Memory::new() } }
    }
}

impl RTCCryptoProvider for Crypto {
    fn name(&self) -> &'static str {
        self.ring.name()
    }

    fn crypto(&self) -> &dyn RTCCrypto {
        &self.operations
    }

    fn random(&self) -> &dyn RTCRandom {
        self.ring.random()
    }
}

/// The SHA-256 of how a signature is read, of its key, its message and itself, as four numbers.
#[derive(Clone, Copy)]
struct Digest([u64; 4]);

impl Digest {
    fn of(scheme: SignatureScheme, key: PublicKey<'_>, message: &[u8], signature: &[u8]) -> Self {
        let how = format!("{scheme:?} {:?}", key.encoding);
        let mut context = Context::new(&SHA256);
        for part in [how.as_bytes(), key.bytes, message, signature] {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        let digest = context.finish();
        let (numbers, _) = digest.as_ref().as_chunks();
        Self(std::array::from_fn(|index| numbers.get(index).copied().map_or(0, u64::from_be_bytes)))
    }
}

/// Digests of good signatures, each in the place that it says, until another takes it.
///
/// Handshakes of all shards meet here, without a lock: what is read while another shard writes is numbers of two digests,
/// which are no digest of anything.
struct Memory(Box<[[AtomicU64; 4]]>);

impl Memory {
    fn new() -> Self {
        Self((0..REMEMBERED).map(|_| Default::default()).collect())
    }

    fn place(&self, digest: Digest) -> Option<&[AtomicU64; 4]> {
        self.0.get(digest.0[0] as usize & (REMEMBERED - 1))
    }

    fn holds(&self, digest: Digest) -> bool {
        let same = |(kept, number): (&AtomicU64, u64)| kept.load(Ordering::Relaxed) == number;
        self.place(digest).is_some_and(|place| place.iter().zip(digest.0).all(same))
    }

    fn keep(&self, digest: Digest) {
        for (kept, number) in self.place(digest).into_iter().flatten().zip(digest.0) {
            kept.store(number, Ordering::Relaxed);
        }
    }
}

struct Operations {
    ring: RingCrypto,
    good: Memory,
}

impl RTCCrypto for Operations {
    fn verify_signature(
        &self,
        scheme: SignatureScheme,
        key: PublicKey<'_>,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        let digest = Digest::of(scheme, key, message, signature);
        if !self.good.holds(digest) {
            self.ring.verify_signature(scheme, key, message, signature)?;
            self.good.keep(digest);
        }
        Ok(())
    }

    fn supports(&self, algorithm: CryptoAlgorithm) -> bool {
        self.ring.supports(algorithm)
    }

    fn hash(&self, algorithm: HashAlgorithm, data: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.ring.hash(algorithm, data)
    }

    fn block_encrypt(&self, algorithm: BlockCipherAlgorithm, key: &[u8], block: &mut [u8]) -> Result<(), CryptoError> {
        self.ring.block_encrypt(algorithm, key, block)
    }

    fn new_hmac(&self, algorithm: HmacAlgorithm, key: &[u8]) -> Result<Box<dyn Mac>, CryptoError> {
        self.ring.new_hmac(algorithm, key)
    }

    fn new_stream_cipher(
        &self,
        algorithm: StreamCipherAlgorithm,
        key: &[u8],
    ) -> Result<Box<dyn StreamCipher>, CryptoError> {
        self.ring.new_stream_cipher(algorithm, key)
    }

    fn new_aead(&self, algorithm: AeadAlgorithm, key: &[u8]) -> Result<Box<dyn AeadCipher>, CryptoError> {
        self.ring.new_aead(algorithm, key)
    }

    fn new_cbc(&self, algorithm: CbcAlgorithm, key: &[u8]) -> Result<Box<dyn CbcCipher>, CryptoError> {
        self.ring.new_cbc(algorithm, key)
    }

    fn start_key_exchange(&self, algorithm: KeyExchangeAlgorithm) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        self.ring.start_key_exchange(algorithm)
    }

    fn generate_signing_key(&self, scheme: SignatureScheme) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.ring.generate_signing_key(scheme)
    }

    fn import_signing_key(&self, scheme: SignatureScheme, pkcs8: &[u8]) -> Result<Arc<dyn SigningKey>, CryptoError> {
        self.ring.import_signing_key(scheme, pkcs8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc::crypto::PublicKeyEncoding;

    const SCHEME: SignatureScheme = SignatureScheme::EcdsaP256Sha256;

    struct Signed {
        key: Vec<u8>,
        message: Vec<u8>,
        signature: Vec<u8>,
    }

    impl Signed {
        fn new(crypto: &dyn RTCCrypto, message: &[u8]) -> Self {
            let key = crypto.generate_signing_key(SCHEME).unwrap();
            let signature = key.sign(SCHEME, message).unwrap();
            Self { key: key.public_key().bytes.to_vec(), message: message.to_vec(), signature }
        }

        fn is_good(&self, crypto: &dyn RTCCrypto) -> bool {
            let key = PublicKey { encoding: PublicKeyEncoding::EcUncompressedPoint, bytes: &self.key };
            crypto.verify_signature(SCHEME, key, &self.message, &self.signature).is_ok()
        }
    }

    fn remembered(crypto: &Crypto) -> usize {
        let is_used = |place: &&[AtomicU64; 4]| place.iter().any(|kept| kept.load(Ordering::Relaxed) != 0);
        crypto.operations.good.0.iter().filter(is_used).count()
    }

    #[test]
    fn what_was_good_is_remembered_and_nothing_that_differs_passes_for_it() {
        let crypto = Crypto::new();
        let operations = crypto.crypto();
        let signed = Signed::new(operations, b"handshake");
        assert!(signed.is_good(operations) && signed.is_good(operations));
        assert_eq!(remembered(&crypto), 1);
        let other = Signed::new(operations, b"handshake");
        for forged in [
            Signed { message: b"Handshake".to_vec(), key: signed.key.clone(), signature: signed.signature.clone() },
            Signed { key: other.key.clone(), message: signed.message.clone(), signature: signed.signature.clone() },
            Signed { signature: other.signature.clone(), key: signed.key.clone(), message: signed.message.clone() },
        ] {
            assert!(!forged.is_good(operations) && !forged.is_good(operations));
        }
        assert_eq!(remembered(&crypto), 1, "only what was good");
        let key = PublicKey { encoding: PublicKeyEncoding::EcUncompressedPoint, bytes: &signed.key };
        let as_another = SignatureScheme::EcdsaP384Sha384;
        assert!(operations.verify_signature(as_another, key, &signed.message, &signed.signature).is_err());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let crypto = Crypto::new();
        for number in 0..10 * REMEMBERED as u32 {
            let key = PublicKey { encoding: PublicKeyEncoding::EcUncompressedPoint, bytes: &[] };
            crypto.operations.good.keep(Digest::of(SCHEME, key, &number.to_be_bytes(), &[]));
        }
        assert_eq!(remembered(&crypto), REMEMBERED);
    }
}
