//! The WebSocket, over TLS or not.

use crate::target::TargetError;
use reqwest::Url;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use rustls_platform_verifier::Verifier;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// The largest message that a client takes. A server with a thousand people in a room lists them all at a join.
const MAX_MESSAGE: usize = 4 << 20;
/// Bytes that are read at a time: a thousand clients must not cost a thousand times the usual 128 KiB.
const READ_BUFFER: usize = 4 << 10;

/// A byte stream that may be encrypted.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The socket of a participant.
pub(super) type Socket = WebSocketStream<Box<dyn Stream>>;

/// Connects sockets to one server.
pub(super) struct Dialer {
    host: String,
    port: u16,
    url: String,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

impl Dialer {
    pub(super) fn new(server: &Url, insecure: bool) -> anyhow::Result<Self> {
        let host = server.host_str().ok_or_else(|| anyhow::anyhow!("the server's URL has no host"))?;
        let host = host.trim_matches(['[', ']']).to_owned();
        let port = server.port_or_known_default().unwrap_or(80);
        let secure = server.scheme() == "https";
        let mut url = server.join("ws")?;
        url.set_scheme(if secure { "wss" } else { "ws" }).map_err(|()| anyhow::anyhow!("not a URL of a web server"))?;
        let tls = if secure {
            let name = ServerName::try_from(host.clone())?;
            Some((TlsConnector::from(Arc::new(tls_config(insecure)?)), name))
        } else {
            None
        };
        Ok(Self { host, port, url: url.to_string(), tls })
    }

    pub(super) async fn connect(&self) -> Result<Socket, TargetError> {
        let unreachable = |error: std::io::Error| TargetError::Unreachable(error.kind().to_string());
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(unreachable)?;
        // Signalling is small messages, each of which someone waits for.
        stream.set_nodelay(true).map_err(unreachable)?;
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some((connector, name)) => Box::new(
                connector
                    .connect(name.clone(), stream)
                    .await
                    .map_err(|error| TargetError::Unreachable(format!("TLS: {error}")))?,
            ),
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(0)
            .max_message_size(Some(MAX_MESSAGE))
            .max_frame_size(Some(MAX_MESSAGE));
        let upgraded = client_async_with_config(self.url.as_str(), stream, Some(config)).await;
        upgraded.map(|(socket, _)| socket).map_err(|error| TargetError::Unreachable(format!("WebSocket: {error}")))
    }
}

/// TLS with servers that this machine trusts, or with any at all.
pub(super) fn tls_config(insecure: bool) -> anyhow::Result<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions()?;
    if insecure {
        let any = Arc::new(AnyCertificate(provider));
        return Ok(builder.dangerous().with_custom_certificate_verifier(any).with_no_client_auth());
    }
    let trusted = Arc::new(Verifier::new(provider)?);
    Ok(builder.dangerous().with_custom_certificate_verifier(trusted).with_no_client_auth())
}

/// Takes every certificate, for the operator has asked for that. Signatures are checked all the same.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
