//! Signatures of Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;
use std::fmt;

/// What is signed with must be worth guessing at for longer than anybody lives: as many bytes as the hash has.
const MIN_SECRET_BYTES: usize = 32;
/// More is no safer.
const MAX_SECRET_BYTES: usize = 512;

/// A secret that the receiver shares.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// The key of `whsec_` and base64, or of the bytes of any other text; `None` when it is shorter than 32 bytes.
    #[must_use]
    pub fn parse(secret: &str) -> Option<Self> {
        let bytes = match secret.strip_prefix("whsec_") {
            Some(encoded) => STANDARD.decode(encoded).ok()?,
            None => secret.as_bytes().to_vec(),
        };
        let key = (MIN_SECRET_BYTES..=MAX_SECRET_BYTES).contains(&bytes.len());
        key.then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The header `webhook-signature` of a delivery; `timestamp` is that of the attempt, in seconds since 1970.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standard() {
        // The secret, message and signature of the specification's reference implementations, with a secret of 24 bytes:
        // shorter than what is taken here.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let key = SigningKey(hmac::Key::new(hmac::HMAC_SHA256, &secret));
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn short_secrets_are_not_taken() {
        assert!(SigningKey::parse(&"x".repeat(31)).is_none());
        assert!(SigningKey::parse(&"x".repeat(32)).is_some());
        assert!(SigningKey::parse(&format!("whsec_{}", STANDARD.encode([7; 31]))).is_none());
        assert!(SigningKey::parse(&format!("whsec_{}", STANDARD.encode([7; 32]))).is_some());
        assert!(SigningKey::parse(&format!("whsec_{}!", STANDARD.encode([7; 32]))).is_none());
        assert_eq!(format!("{:?}", SigningKey::parse(&"x".repeat(32)).unwrap()), "SigningKey");
    }
}
