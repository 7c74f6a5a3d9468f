use super::*;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::path::PathBuf;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// PEM files of certificates for `localhost`, in a directory of their own.
pub(crate) struct Issued {
    directory: tempfile::TempDir,
}

impl Issued {
    /// With a first certificate.
    pub(crate) fn new() -> Self {
        let issued = Self { directory: tempfile::tempdir().unwrap() };
        issued.renew(90);
        issued
    }

    /// Writes another certificate that is good for so many days; returns its DER.
    pub(crate) fn renew(&self, days: u64) -> Vec<u8> {
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = (SystemTime::now() + Duration::from_secs(days * 24 * 3600 + 60)).into();
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(self.certificate(), certificate.pem()).unwrap();
        fs::write(self.key(), key.serialize_pem()).unwrap();
        certificate.der().to_vec()
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.directory.path().join("certificate.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.directory.path().join("key.pem")
    }

    pub(crate) fn http_config(&self) -> HttpConfig {
        HttpConfig {
            tls: TlsMode::Files,
            tls_certificate: Some(self.certificate()),
            tls_key: Some(self.key()),
            ..HttpConfig::default()
        }
    }

    pub(crate) fn tls(&self) -> Tls {
        Tls::open(&self.http_config(), &[]).unwrap().unwrap()
    }
}

/// A connection of a client that trusts this certificate alone.
pub(crate) async fn connect(address: std::net::SocketAddr, trusted: &Certificate) -> io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.key.cert[0].clone()).unwrap();
    let provider = Arc::new(default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(address).await?;
    TlsConnector::from(Arc::new(config)).connect(ServerName::try_from("localhost").unwrap(), stream).await
}

/// The response to a request without a body, over any connection.
pub(crate) async fn ask(stream: &mut (impl AsyncReadExt + AsyncWriteExt + Unpin), request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    // A server may end without a goodbye.
    let _ = stream.read_to_end(&mut response).await;
    String::from_utf8(response).unwrap()
}

use std::io;

fn fingerprint(tls: &Tls) -> String {
    tls.certificate().fingerprint()
}

#[tokio::test(start_paused = true)]
async fn files_that_change_are_read_and_bad_ones_change_nothing() {
    let issued = Issued::new();
    let tls = issued.tls();
    let first = fingerprint(&tls);
    tokio::spawn(tls.clone().watch());
    let look = || tokio::time::sleep(LOOK_INTERVAL * 2);
    look().await;
    assert_eq!(fingerprint(&tls), first);

    // The certificate is there already, its key not yet.
    let old_key = fs::read(issued.key()).unwrap();
    issued.renew(365);
    let new_key = fs::read(issued.key()).unwrap();
    fs::write(issued.key(), old_key).unwrap();
    look().await;
    assert_eq!(fingerprint(&tls), first);
    fs::write(issued.key(), [&new_key[..], b"\n"].concat()).unwrap();
    look().await;
    let second = fingerprint(&tls);
    assert_ne!(second, first);

    fs::remove_file(issued.certificate()).unwrap();
    look().await;
    assert_eq!(fingerprint(&tls), second);
}

#[test]
fn what_is_wrong_with_files_is_said_in_one_line() {
    let issued = Issued::new();
    let read = || PemFiles::of(&issued.http_config()).unwrap().read().map(|_| ());
    let (certificate, key) = (issued.certificate(), issued.key());
    let (good_certificate, good_key) = (fs::read_to_string(&certificate).unwrap(), fs::read_to_string(&key).unwrap());
    read().unwrap();
    for (file, setting, text, expected) in [
        (&certificate, "http.tls_certificate", "", "has no certificate in it"),
        (&certificate, "http.tls_certificate", &good_key, "has no certificate in it"),
        (
            &certificate,
            "http.tls_certificate",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "is no certificate",
        ),
        (&key, "http.tls_key", "", "has no private key in PEM in it"),
        (&key, "http.tls_key", &good_certificate, "has no private key in PEM in it"),
        (&key, "http.tls_key", &KeyPair::generate().unwrap().serialize_pem(), "is not the key of the certificate"),
        (&key, "http.tls_key", &"x".repeat(2 << 20), "has more than 1048576 bytes"),
    ] {
        fs::write(file, text).unwrap();
        let error = read().unwrap_err().to_string();
        assert!(error.starts_with(&format!("{} ({setting}) {expected}", file.display())), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        fs::write(&certificate, &good_certificate).unwrap();
        fs::write(&key, &good_key).unwrap();
    }
    fs::remove_file(&key).unwrap();
    let error = read().unwrap_err().to_string();
    assert!(error.starts_with(&format!("cannot read {} (http.tls_key): ", key.display())), "{error}");
}

#[test]
fn an_end_that_comes_near_is_warned_of() {
    let issued = Issued::new();
    let is_warned = |days| {
        issued.renew(days);
        issued.tls().certificate().warn_if_ending(SystemTime::now(), WARN_BEFORE)
    };
    assert_eq!([is_warned(0), is_warned(13), is_warned(15)], [true, true, false]);
    let certificate = issued.tls().certificate();
    assert_eq!(certificate.remaining(SystemTime::now() + Duration::from_secs(16 * 24 * 3600)), None);
    let days = (certificate.expires_at
        - SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64)
        / (24 * 3600);
    assert_eq!(days, 15);
}
