//! The least that a join can cost: the asymmetric cryptography of one DTLS handshake.

use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair,
    UnparsedPublicKey as UnparsedSignatureKey,
};
use std::hint::black_box;

/// What a server signs and verifies: some two kilobytes of handshake.
const TRANSCRIPT: [u8; 2_048] = [7; 2_048];

/// See the module's text.
pub(crate) struct Floor {
    random: SystemRandom,
    key: EcdsaKeyPair,
    /// The client's half of the key agreement, and its signature of the transcript.
    client_share: Vec<u8>,
    client_signature: Vec<u8>,
}

impl Floor {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("a key");
        let key = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).expect("its own key");
        let share = EphemeralPrivateKey::generate(&ECDH_P256, &random).expect("a key");
        let client_share = share.compute_public_key().expect("its public half").as_ref().to_vec();
        let client_signature = key.sign(&random, &TRANSCRIPT).expect("a signature").as_ref().to_vec();
        Self { random, key, client_share, client_signature }
    }

    /// What a DTLS 1.2 server with ECDHE and a client's certificate cannot do without: a fresh P-256 key and the agreement
    /// on a secret, one ECDSA P-256 signature, and the verification of the client's.
    pub(crate) fn handshake(&self) {
        let own = EphemeralPrivateKey::generate(&ECDH_P256, &self.random).expect("a key");
        black_box(own.compute_public_key().expect("its public half"));
        black_box(self.key.sign(&self.random, black_box(&TRANSCRIPT)).expect("a signature"));
        let client = UnparsedSignatureKey::new(&ECDSA_P256_SHA256_ASN1, self.key.public_key().as_ref());
        client.verify(black_box(&TRANSCRIPT), &self.client_signature).expect("a good signature");
        let share = UnparsedPublicKey::new(&ECDH_P256, &self.client_share);
        agree_ephemeral(own, &share, |secret| black_box(secret[0])).expect("a secret");
    }
}
