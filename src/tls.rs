//! HTTPS: the certificate that clients are shown, and how long it is good.
//!
//! [`Tls`] owns the certificate of now. It is replaced whole, on SIGHUP or because its files have changed, and counts for
//! connections that begin afterwards. What cannot be used replaces nothing.

mod certificate;
mod self_signed;

pub(crate) use certificate::Certificate;
pub use certificate::TlsError;

use certificate::{PemFiles, Stamp};
use parlor_config::{HttpConfig, TlsMode};
use rustls::ServerConfig;
use rustls::crypto::ring::default_provider;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use std::fmt;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_rustls::TlsAcceptor;

/// Between looks at the files. A renewal comes days before the old certificate ends.
const LOOK_INTERVAL: Duration = Duration::from_secs(60);

/// A certificate that ends sooner is warned of.
const WARN_BEFORE: Duration = Duration::from_secs(14 * 24 * 3600);

/// Between warnings.
const WARN_INTERVAL: Duration = Duration::from_secs(24 * 3600);

/// See the module; clones are the same one.
#[derive(Clone)]
pub(crate) struct Tls {
    shown: Arc<Shown>,
    acceptor: TlsAcceptor,
}

/// What connections are shown, and where it is read from.
struct Shown {
    now: RwLock<(Arc<Certificate>, Option<PemFiles>)>,
}

impl Tls {
    /// What is configured; `None` for plain HTTP. A certificate of its own is for `addresses` and this host's names.
    ///
    /// # Errors
    /// When there is no certificate that can be used.
    pub(crate) fn open(config: &HttpConfig, addresses: &[IpAddr]) -> Result<Option<Self>, TlsError> {
        match config.tls {
            TlsMode::Off => Ok(None),
            TlsMode::SelfSigned => {
                let names = self_signed::Names::of(addresses);
                let certificate = self_signed::certificate(Path::new(self_signed::FILE), &names, SystemTime::now())?;
                Self::new(certificate, None).map(Some)
            }
            TlsMode::Files => {
                let Some(files) = PemFiles::of(config) else { return Ok(None) };
                Self::new(files.read()?, Some(files)).map(Some)
            }
        }
    }

    fn new(certificate: Certificate, files: Option<PemFiles>) -> Result<Self, TlsError> {
        let shown = Arc::new(Shown { now: RwLock::new((Arc::new(certificate), files)) });
        // TLS 1.2 and 1.3, whatever the process has chosen for its own connections.
        let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let builder = builder.with_safe_default_protocol_versions().map_err(TlsError::Library)?;
        let mut config = builder.with_no_client_auth().with_cert_resolver(Arc::clone(&shown) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { shown, acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// What shakes hands with clients.
    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// The certificate of now.
    pub(crate) fn certificate(&self) -> Arc<Certificate> {
        Arc::clone(&self.shown.read().0)
    }

    /// Whether the certificate is one that others vouch for, as far as the configuration tells.
    pub(crate) fn is_of_files(&self) -> bool {
        self.shown.read().1.is_some()
    }

    /// Reads the files of a new configuration, and shows their certificate from now on. Without files nothing happens.
    ///
    /// # Errors
    /// When they cannot be used; everything stays as it was.
    pub(crate) fn reload(&self, config: &HttpConfig) -> Result<(), TlsError> {
        if let Some(files) = PemFiles::of(config) {
            self.replace(files.read()?, files);
        }
        Ok(())
    }

    fn replace(&self, certificate: Certificate, files: PemFiles) {
        *self.shown.now.write().unwrap_or_else(PoisonError::into_inner) = (Arc::new(certificate), Some(files));
    }

    /// Reads files that have changed, and warns of an end that comes near, for as long as it is polled.
    pub(crate) async fn watch(self) {
        let mut looks = interval(LOOK_INTERVAL);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut refused, mut warned) = (None, None);
        loop {
            looks.tick().await;
            self.look(&mut refused);
            let is_due = warned.is_none_or(|at: Instant| at.elapsed() >= WARN_INTERVAL);
            if is_due && self.certificate().warn_if_ending(SystemTime::now(), WARN_BEFORE) {
                warned = Some(Instant::now());
            }
        }
    }

    /// Reads the files if they are others than those that are shown, and others than those that were `refused` last.
    fn look(&self, refused: &mut Option<Stamp>) {
        let (shown, Some(files)) = self.shown.read() else { return };
        let stamp = files.stamp();
        if stamp == shown.stamp || refused.as_ref() == Some(&stamp) {
            return;
        }
        match files.read() {
            Ok(certificate) => {
                tracing::info!(expires = %certificate.expires(), "the certificate's files have changed: it was replaced");
                self.replace(certificate, files);
            }
            Err(error) => {
                tracing::error!("the certificate stays as it is: {error}");
                *refused = Some(stamp);
            }
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("expires_at", &self.certificate().expires_at).finish_non_exhaustive()
    }
}

impl Shown {
    fn read(&self) -> (Arc<Certificate>, Option<PemFiles>) {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown")
    }
}

impl ResolvesServerCert for Shown {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.read().0.key))
    }
}

#[cfg(test)]
pub(crate) mod tests;
