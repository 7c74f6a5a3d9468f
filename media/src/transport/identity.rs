//! This process's DTLS identity: one ECDSA certificate, and the handshake configurations that all participants share.
//!
//! Peers are authenticated by comparing their certificate with the SDP's fingerprint once the handshake is complete
//! (RFC 8122), not by a chain; that is what lets one configuration per role serve everybody.

use super::crypto::Crypto;
use crate::sdp::Fingerprint;
use rtc::crypto::{HashAlgorithm, RTCCrypto, RTCCryptoProvider};
use rtc::dtls::cipher_suite::CipherSuiteId;
use rtc::dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc::dtls::crypto::Certificate;
use rtc::dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use std::sync::Arc;
use std::time::Duration;

/// rtc-dtls's own retransmission timer. It regenerates a flight; the verbatim replay in `dtls.rs` is the faster one.
const FLIGHT_INTERVAL: Duration = Duration::from_secs(1);

/// Bytes of a handshake datagram: passes every path that carries IPv6's minimum MTU, VPN headers included.
const HANDSHAKE_MTU: usize = 1200;

/// What is offered to peers and accepted from them, the cheapest first. ECDHE only, ECDSA and RSA certificates.
const CIPHER_SUITES: [CipherSuiteId; 5] = [
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_256_Cbc_Sha,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_256_Cbc_Sha,
];

/// The identity could not be made: the process cannot serve.
#[derive(Debug, thiserror::Error)]
#[error("cannot make the DTLS identity: {0}")]
pub struct IdentityError(String);

/// The SRTP profiles on offer in one handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profiles {
    /// AEAD_AES_128_GCM alone, always tried first: rtc-dtls takes the client's order, and browsers list SHA1_80 first.
    Gcm,
    /// GCM and AES_CM_128_HMAC_SHA1_80, for a client without GCM.
    All,
    /// SHA1_80 alone: how a client without GCM behaves.
    #[cfg(test)]
    Sha1,
}

impl Profiles {
    fn list(self) -> Vec<SrtpProtectionProfile> {
        use SrtpProtectionProfile::{Srtp_Aead_Aes_128_Gcm as Gcm, Srtp_Aes128_Cm_Hmac_Sha1_80 as Sha1};
        match self {
            Self::Gcm => vec![Gcm],
            Self::All => vec![Gcm, Sha1],
            #[cfg(test)]
            Self::Sha1 => vec![Sha1],
        }
    }
}

/// One process's certificate and handshake configurations. Shared by all transports of all shards.
pub struct Identity {
    fingerprint: String,
    provider: Arc<dyn RTCCryptoProvider>,
    /// With AES-GCM alone, and with all profiles.
    server: [Arc<HandshakeConfig>; 2],
    client: Arc<HandshakeConfig>,
}

impl Identity {
    /// Makes a fresh ECDSA P-256 certificate.
    ///
    /// # Errors
    /// When the certificate or a configuration cannot be made.
    pub fn generate() -> Result<Arc<Self>, IdentityError> {
        Self::with_first_profiles(Profiles::Gcm)
    }

    pub(super) fn with_first_profiles(first: Profiles) -> Result<Arc<Self>, IdentityError> {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(Crypto::new());
        let certificate = Certificate::generate_self_signed(vec!["parlor".to_owned()], provider.crypto())
            .map_err(|error| IdentityError(error.to_string()))?;
        Self::with_certificate(first, provider, certificate)
    }

    /// An identity with an RSA certificate, as some clients have.
    #[cfg(test)]
    pub(super) fn with_rsa() -> Result<Arc<Self>, IdentityError> {
        let provider: Arc<dyn RTCCryptoProvider> = Arc::new(Crypto::new());
        let certificate = Certificate::from_pem(include_str!("testdata/rsa-client.pem"), provider.crypto())
            .map_err(|error| IdentityError(error.to_string()))?;
        Self::with_certificate(Profiles::Gcm, provider, certificate)
    }

    fn with_certificate(
        first: Profiles,
        provider: Arc<dyn RTCCryptoProvider>,
        certificate: Certificate,
    ) -> Result<Arc<Self>, IdentityError> {
        let der = certificate.certificate.first().ok_or_else(|| IdentityError("no certificate".to_owned()))?;
        let fingerprint =
            sha256_fingerprint(provider.crypto(), der).ok_or_else(|| IdentityError("no SHA-256".to_owned()))?;
        let config = |client: bool, profiles: Profiles| {
            ConfigBuilder::default()
                .with_crypto_provider(Arc::clone(&provider))
                .with_certificates(vec![certificate.clone()])
                .with_cipher_suites(CIPHER_SUITES.to_vec())
                .with_srtp_protection_profiles(profiles.list())
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                .with_insecure_skip_verify(true)
                .with_extended_master_secret(ExtendedMasterSecretType::Require)
                .with_flight_interval(FLIGHT_INTERVAL)
                .with_mtu(HANDSHAKE_MTU)
                .build(client, Some(super::REMOTE))
                .map(Arc::new)
                .map_err(|error| IdentityError(error.to_string()))
        };
        Ok(Arc::new(Self {
            server: [config(false, first)?, config(false, Profiles::All)?],
            client: config(true, first)?,
            fingerprint,
            provider,
        }))
    }

    /// The certificate's SHA-256 fingerprint as SDP writes it: upper-case hexadecimal with colons (RFC 8122 section 5).
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(super) fn crypto(&self) -> &dyn RTCCrypto {
        self.provider.crypto()
    }

    pub(super) fn server_config(&self, profiles: Profiles) -> Arc<HandshakeConfig> {
        let [first, all] = &self.server;
        Arc::clone(if profiles == Profiles::All { all } else { first })
    }

    /// AES-GCM alone: the servers of browsers would choose SHA1_80 from a longer list.
    pub(super) fn client_config(&self) -> Arc<HandshakeConfig> {
        Arc::clone(&self.client)
    }
}

/// The SHA-256 fingerprint of a DER certificate, as SDP writes it.
pub(super) fn sha256_fingerprint(crypto: &dyn RTCCrypto, der: &[u8]) -> Option<String> {
    let hash = crypto.hash(HashAlgorithm::Sha256, der).ok()?;
    Some(Fingerprint(hash.try_into().ok()?).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fingerprint_is_written_as_sdp_wants_it() {
        let identity = Identity::generate().unwrap();
        let parts: Vec<_> = identity.fingerprint().split(':').collect();
        assert_eq!(parts.len(), 32);
        assert!(parts.iter().all(|p| p.len() == 2 && u8::from_str_radix(p, 16).is_ok() && p.to_uppercase() == **p));
        assert_ne!(Identity::generate().unwrap().fingerprint(), identity.fingerprint());
    }

    #[test]
    fn configurations_are_shared_not_rebuilt() {
        let identity = Identity::generate().unwrap();
        assert!(Arc::ptr_eq(&identity.client_config(), &identity.client_config()));
        let server = |profiles| identity.server_config(profiles);
        assert!(Arc::ptr_eq(&server(Profiles::Gcm), &server(Profiles::Gcm)));
        assert!(!Arc::ptr_eq(&server(Profiles::Gcm), &server(Profiles::All)));
    }
}
