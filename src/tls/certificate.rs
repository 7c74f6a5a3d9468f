//! A certificate with its key, as PEM files have it.

use parlor_config::HttpConfig;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::fmt::Write;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::certificate::X509Certificate;
use x509_parser::parse_x509_certificate;

/// The largest file: a chain takes some kilobytes.
const MAX_PEM_BYTES: u64 = 1 << 20;

/// Why a certificate cannot be used, in one line.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {path} ({key}): {error}")]
    Unreadable {
        /// As configured.
        path: PathBuf,
        /// The setting.
        key: &'static str,
        /// The system's words.
        error: io::Error,
    },
    /// A file is not what it should be.
    #[error("{path} ({key}) {problem}")]
    Bad {
        /// As configured.
        path: PathBuf,
        /// The setting.
        key: &'static str,
        /// What is wrong.
        problem: String,
    },
    /// The certificate of the server's own cannot be made or kept.
    #[error("cannot keep a certificate in {path} (http.tls = \"self-signed\"): {problem}")]
    SelfSigned {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// TLS cannot be had at all.
    #[error("cannot serve by TLS: {0}")]
    Library(rustls::Error),
}

/// What tells a version of files from another: for each its time of change and size, or that it cannot be looked at.
pub(super) type Stamp = Vec<Option<(SystemTime, u64)>>;

/// A certificate that can be shown to clients.
#[derive(Debug)]
pub(crate) struct Certificate {
    pub(super) key: Arc<CertifiedKey>,
    /// Its end, in seconds of Unix time; negative for one from before 1970.
    pub(crate) expires_at: i64,
    /// Of the files that it was read from.
    pub(super) stamp: Stamp,
}

impl Certificate {
    /// The certificate of PEM texts: the server's own first, then those that vouch for it.
    ///
    /// # Errors
    /// Whether the chain or the key is to blame, and why.
    pub(super) fn parse(chain: &[u8], key: &[u8], stamp: Stamp) -> Result<Self, Blame> {
        let chain = CertificateDer::pem_slice_iter(chain).collect::<Result<Vec<_>, _>>();
        let chain = chain.map_err(|error| Blame::Chain(format!("is not PEM: {error}")))?;
        let Some(own) = chain.first() else { return Err(Blame::Chain("has no certificate in it".to_owned())) };
        let expires_at = parse(own).map_err(Blame::Chain)?.validity().not_after.timestamp();
        // The parser's words about a key could quote it.
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|_| Blame::Key("has no private key in PEM in it, or one that needs a password".to_owned()))?;
        let key = CertifiedKey::from_der(chain, key, &default_provider()).map_err(|error| match error {
            rustls::Error::InconsistentKeys(_) => Blame::Key("is not the key of the certificate".to_owned()),
            error => Blame::Key(format!("cannot be used: {error}")),
        })?;
        Ok(Self { key: Arc::new(key), expires_at, stamp })
    }

    /// SHA-256 of the certificate, as browsers show it.
    pub(crate) fn fingerprint(&self) -> String {
        let own: &[u8] = self.key.cert.first().map_or(&[], |own| own);
        let mut text = String::new();
        for byte in ring::digest::digest(&ring::digest::SHA256, own).as_ref() {
            // Writing to a string does not fail.
            let _ = write!(text, "{}{byte:02X}", if text.is_empty() { "" } else { ":" });
        }
        text
    }

    /// The day of its end, for people.
    pub(crate) fn expires(&self) -> String {
        x509_parser::time::ASN1Time::from_timestamp(self.expires_at)
            .map_or_else(|_| "?".to_owned(), |time| time.to_string())
    }

    /// How long it is good; `None` once it is not.
    pub(super) fn remaining(&self, now: SystemTime) -> Option<Duration> {
        let end = UNIX_EPOCH + Duration::from_secs(u64::try_from(self.expires_at).ok()?);
        end.duration_since(now).ok()
    }

    /// Says so when it ends within the time, or has ended.
    pub(super) fn warn_if_ending(&self, now: SystemTime, within: Duration) -> bool {
        let expires = self.expires();
        match self.remaining(now) {
            None => tracing::error!(%expires, "the certificate has expired: browsers refuse it"),
            Some(remaining) if remaining < within => {
                let days = remaining.as_secs() / (24 * 3600);
                tracing::warn!(%expires, days, "the certificate expires soon");
            }
            Some(_) => return false,
        }
        true
    }

    /// Reads what is written in it.
    ///
    /// # Errors
    /// When it is no certificate.
    pub(super) fn own(&self) -> Result<X509Certificate<'_>, String> {
        parse(self.key.cert.first().map_or(&[], |own| own))
    }
}

fn parse(der: &[u8]) -> Result<X509Certificate<'_>, String> {
    let (_, parsed) = parse_x509_certificate(der).map_err(|error| format!("is no certificate: {error}"))?;
    Ok(parsed)
}

/// Which of two texts is wrong, and how.
#[derive(Debug)]
pub(super) enum Blame {
    Chain(String),
    Key(String),
}

/// The files of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PemFiles {
    certificate: PathBuf,
    key: PathBuf,
}

const CERTIFICATE: &str = "http.tls_certificate";
const KEY: &str = "http.tls_key";

impl PemFiles {
    /// Those that are configured; both or none are.
    pub(crate) fn of(config: &HttpConfig) -> Option<Self> {
        Some(Self { certificate: config.tls_certificate.clone()?, key: config.tls_key.clone()? })
    }

    /// Reads them. Where they change meanwhile, the stamp is that of before, so that the next look sees it.
    ///
    /// # Errors
    /// What is wrong with which of them.
    pub(crate) fn read(&self) -> Result<Certificate, TlsError> {
        let stamp = self.stamp();
        let (chain, key) = (read(&self.certificate, CERTIFICATE)?, read(&self.key, KEY)?);
        Certificate::parse(&chain, &key, stamp).map_err(|blame| match blame {
            Blame::Chain(problem) => TlsError::Bad { path: self.certificate.clone(), key: CERTIFICATE, problem },
            Blame::Key(problem) => TlsError::Bad { path: self.key.clone(), key: KEY, problem },
        })
    }

    /// See [`Stamp`]. Links are followed: a renewal may point them elsewhere.
    pub(super) fn stamp(&self) -> Stamp {
        let of = |path: &Path| {
            let file = fs::metadata(path).ok()?;
            Some((file.modified().ok()?, file.len()))
        };
        vec![of(&self.certificate), of(&self.key)]
    }
}

fn read(path: &Path, key: &'static str) -> Result<Vec<u8>, TlsError> {
    let unreadable = |error| TlsError::Unreadable { path: path.to_owned(), key, error };
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_PEM_BYTES + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_PEM_BYTES {
        let problem = format!("has more than {MAX_PEM_BYTES} bytes");
        return Err(TlsError::Bad { path: path.to_owned(), key, problem });
    }
    Ok(bytes)
}
