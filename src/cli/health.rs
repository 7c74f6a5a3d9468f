//! `parlor health`: asks a running server whether it is well, for health checks where there is no curl.
//!
//! A request over a socket that blocks: a check that a container engine makes every few seconds starts no runtime.

mod tls;

use axum::http::Uri;
use clap::{Arg, ArgMatches, Command};
use parlor_config::Config;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs};
use std::time::Duration;

/// To connect, and for each wait after that; engines have limits of their own for the whole.
const PATIENCE: Duration = Duration::from_secs(3);

/// Of the answer no more is read.
const MAX_ANSWER_BYTES: u64 = 16 * 1024;

/// Whom to ask, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    is_https: bool,
    /// As in URLs: an IPv6 address is in brackets.
    host: String,
    port: u16,
    path: String,
}

/// Why a server is not known to be well, in one line.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The URL is none that can be asked.
    #[error("{0:?} is not valid: expected an http:// or https:// URL such as http://127.0.0.1:8080/healthz")]
    Url(String),
    /// Nobody answers there.
    #[error("{url} does not answer: {error}")]
    Unreachable {
        /// What was asked.
        url: String,
        /// The system's words.
        error: io::Error,
    },
    /// Somebody answers, and not well.
    #[error("{url} answered {answer}")]
    Unwell {
        /// What was asked.
        url: String,
        /// The status, and what else was said.
        answer: String,
    },
}

/// The subcommand, with the arguments that choose the configuration.
pub(super) fn command(configuration: impl IntoIterator<Item = Arg>) -> Command {
    Command::new("health")
        .about("Ask a running server whether it is well, and fail unless it is")
        .arg(Arg::new("url").value_name("URL").help("Where; /healthz of this configuration's http.listen without it"))
        .args(configuration)
}

/// Whom the arguments of `parlor health` mean.
pub(super) fn probe(arguments: &ArgMatches, config: &Config) -> Result<Probe, ProbeError> {
    match arguments.get_one::<String>("url") {
        Some(url) => Probe::parse(url).ok_or_else(|| ProbeError::Url(url.clone())),
        None => Ok(Probe::of(config.http.listen)),
    }
}

impl Probe {
    /// The server of this host that listens there.
    fn of(listen: SocketAddr) -> Self {
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        let host = match ip {
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        Self { is_https: false, host, port: listen.port(), path: "/healthz".to_owned() }
    }

    /// The path is `/healthz` where the URL has none.
    fn parse(url: &str) -> Option<Self> {
        let url: Uri = url.parse().ok()?;
        let (is_https, port) = match url.scheme_str()? {
            "http" => (false, 80),
            "https" => (true, 443),
            _ => return None,
        };
        let path = url.path_and_query().map_or("/", |path| path.as_str());
        let path = if path == "/" { "/healthz" } else { path };
        let host = url.host().filter(|host| !host.is_empty())?;
        Some(Self { is_https, host: host.to_owned(), port: url.port_u16().unwrap_or(port), path: path.to_owned() })
    }

    /// Asks, and gives the answer's body.
    ///
    /// # Errors
    /// Unless the answer is 200.
    pub fn ask(&self) -> Result<String, ProbeError> {
        let answer = self.answer().map_err(|error| ProbeError::Unreachable { url: self.to_string(), error })?;
        // A port of HTTPS says so to whom speaks plain HTTP.
        if !self.is_https && answer.leads_to_https() {
            return Self { is_https: true, ..self.clone() }.ask();
        }
        if answer.status.split(' ').next() == Some("200") {
            return Ok(format!("{}\n", answer.body));
        }
        let answer = format!("{} {}", answer.status, answer.body.replace(['\r', '\n'], " "));
        Err(ProbeError::Unwell { url: self.to_string(), answer })
    }

    fn answer(&self) -> io::Result<Answer> {
        let stream = self.connect()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let Self { host, port, path, .. } = self;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n");
        if self.is_https { exchange(tls::client(stream, host)?, &request) } else { exchange(stream, &request) }
    }

    /// To the first of the host's addresses that takes it.
    fn connect(&self) -> io::Result<TcpStream> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for address in (self.host.trim_matches(['[', ']']), self.port).to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, PATIENCE) {
                Ok(stream) => return Ok(stream),
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }
}

impl fmt::Display for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_https, host, port, path } = self;
        write!(f, "http{}://{host}:{port}{path}", if *is_https { "s" } else { "" })
    }
}

/// What of an answer matters.
struct Answer {
    /// Number and word.
    status: String,
    /// The other lines before the body.
    head: String,
    body: String,
}

impl Answer {
    fn leads_to_https(&self) -> bool {
        let is_one = |line: &str| line.to_ascii_lowercase().starts_with("location: https://");
        self.status.starts_with('3') && self.head.lines().any(is_one)
    }
}

fn exchange(mut stream: impl Read + Write, request: &str) -> io::Result<Answer> {
    stream.write_all(request.as_bytes())?;
    stream.flush()?;
    let mut answer = Vec::new();
    match stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer) {
        Ok(_) => {}
        // TLS that ends without a goodbye: what has come is an answer or none.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
        Err(error) => return Err(error),
    }
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let (first, head) = head.split_once("\r\n").unwrap_or((head, ""));
    let status = first.strip_prefix("HTTP/1.1 ").unwrap_or("no HTTP");
    Ok(Answer { status: status.to_owned(), head: head.to_owned(), body: body.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::thread;

    #[test]
    fn a_server_of_this_host_is_asked_by_loopback() {
        for (listen, expected) in [
            ("0.0.0.0:8080", "http://127.0.0.1:8080/healthz"),
            ("[::]:81", "http://[::1]:81/healthz"),
            ("192.0.2.7:80", "http://192.0.2.7:80/healthz"),
            ("[2001:db8::1]:80", "http://[2001:db8::1]:80/healthz"),
        ] {
            assert_eq!(Probe::of(listen.parse().unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn urls_are_of_http() {
        for (url, expected) in [
            ("http://example.org", "http://example.org:80/healthz"),
            ("http://example.org:81/", "http://example.org:81/healthz"),
            ("http://[::1]:8080/readyz?x=1", "http://[::1]:8080/readyz?x=1"),
            ("https://example.org", "https://example.org:443/healthz"),
        ] {
            assert_eq!(Probe::parse(url).unwrap().to_string(), expected, "{url}");
        }
        for url in ["", "8080", "localhost:8080", "/healthz", "http://", "http:///healthz", "ftp://example.org"] {
            assert_eq!(Probe::parse(url), None, "{url}");
        }
    }

    /// What a server that says `answer` is taken for, and what it was asked.
    fn ask(answer: &'static [u8]) -> (Result<String, ProbeError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let probe = Probe::of(listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut request = vec![0; 1024];
            let length = stream.read(&mut request).unwrap();
            stream.write_all(answer).unwrap();
            request.truncate(length);
            String::from_utf8(request).unwrap()
        });
        (probe.ask(), server.join().unwrap())
    }

    #[test]
    fn only_200_is_well() {
        let (answer, request) = ask(b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nfine");
        assert_eq!(answer.unwrap(), "fine\n");
        assert!(request.starts_with("GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:"), "{request}");

        for (answer, expected) in [
            (&b"HTTP/1.1 503 Service Unavailable\r\n\r\nshard 1\nhangs"[..], "503 Service Unavailable shard 1 hangs"),
            (b"HTTP/1.1 2001 Odyssey\r\n\r\n", "2001 Odyssey"),
            (b"SSH-2.0-OpenSSH\r\n", "no HTTP"),
            (b"", "no HTTP"),
        ] {
            let error = ask(answer).0.unwrap_err().to_string();
            assert_eq!(error.split_once(" answered ").unwrap().1.trim(), expected);
        }
    }

    /// A server of HTTPS that sends whom speaks plain HTTP on, as Parlor does, until it has answered by HTTPS.
    fn serve_https(listener: &TcpListener) {
        let issued = rcgen::generate_simple_self_signed(["example.org".to_owned()]).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
        let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.into()], key)
            .unwrap();
        let config = std::sync::Arc::new(config);
        loop {
            let (mut stream, _) = listener.accept().unwrap();
            let mut first = [0];
            stream.peek(&mut first).unwrap();
            if first == [0x16] {
                let connection = rustls::ServerConnection::new(config).unwrap();
                let mut stream = rustls::StreamOwned::new(connection, stream);
                assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
                // No goodbye.
                return stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nfine").unwrap();
            }
            assert!(stream.read(&mut [0; 1024]).unwrap() > 0);
            let answer = "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://example.org/healthz\r\n\r\n";
            stream.write_all(answer.as_bytes()).unwrap();
        }
    }

    #[test]
    fn a_port_of_https_is_asked_by_https_whatever_its_certificate_names() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let probe = Probe::of(listener.local_addr().unwrap());
        let server = thread::spawn(move || serve_https(&listener));
        assert_eq!(probe.ask().unwrap(), "fine\n");
        server.join().unwrap();
    }

    #[test]
    fn an_endless_answer_is_cut() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let probe = Probe::of(listener.local_addr().unwrap());
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(&[b'x'; 1024]).is_ok() {}
        });
        assert!(matches!(probe.ask(), Err(ProbeError::Unwell { .. })));
        server.join().unwrap();
    }

    #[test]
    fn nobody_there_is_said_so() {
        let probe = Probe::of(TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
        let error = probe.ask().unwrap_err().to_string();
        assert!(error.starts_with("http://127.0.0.1:") && error.contains("/healthz does not answer: "), "{error}");
    }
}
