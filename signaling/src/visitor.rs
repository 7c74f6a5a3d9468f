//! Who asks: the address a request came from, and where its client believes the server to be.

use crate::proxies::{client_address, is_over_https};
use crate::switchboard::Switchboard;
use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// A request's origin.
#[derive(Clone, Debug)]
pub(crate) struct Visitor {
    /// The client's, as limits count it: see [`client_address`]. Unknown when the server does not tell.
    pub(crate) address: Option<IpAddr>,
    /// The server was asked by a name of loopback, so that the client runs on this host.
    pub(crate) on_loopback: bool,
    /// The page that asked, if one did, is known to have come by HTTPS: see [`is_over_https`].
    over_https: bool,
    host: Option<String>,
    origin: Option<String>,
}

/// To be put among the extensions of requests that came over TLS.
#[derive(Clone, Copy, Debug)]
pub struct OverTls;

/// The part of a [`Visitor`] that a socket remembers.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Whence {
    /// The client's; unknown when the server does not tell.
    pub(crate) address: Option<IpAddr>,
    /// See [`Visitor::on_loopback`].
    pub(crate) on_loopback: bool,
}

impl Visitor {
    /// What is to be remembered of it.
    pub(crate) fn whence(&self) -> Whence {
        Whence { address: self.address, on_loopback: self.on_loopback }
    }

    pub(crate) fn new(headers: &HeaderMap, address: Option<IpAddr>, over_https: bool) -> Self {
        // A value that is no text is as good as a foreign one.
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or("invalid").to_ascii_lowercase());
        let host: Option<String> = text(HOST);
        let on_loopback = host.as_deref().is_some_and(is_loopback);
        Self { address, on_loopback, over_https, origin: text(ORIGIN), host }
    }

    /// Whether the request comes from a page that this server serves, from one of the `allowed` origins, or from no page.
    /// Where the server is known to be reached by HTTPS, a page of plain HTTP is none of its own: anybody on the way may have
    /// written it.
    pub(crate) fn is_welcome(&self, allowed: &[String]) -> bool {
        let Some(origin) = &self.origin else { return true };
        if allowed.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
            return true;
        }
        let Some((scheme, authority)) = origin.split_once("://") else { return false };
        let default_port = match scheme {
            "http" if !self.over_https => ":80",
            "https" => ":443",
            _ => return false,
        };
        let without_default = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_owned();
        self.host.as_deref().is_some_and(|host| without_default(host) == without_default(authority))
    }
}

impl FromRequestParts<Arc<Switchboard>> for Visitor {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, board: &Arc<Switchboard>) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let (headers, policy) = (&parts.headers, board.policy());
        let trusted = &policy.trusted_proxies;
        let address = peer.map(|peer| client_address(peer, headers, trusted));
        let over_tls = parts.extensions.get::<OverTls>().is_some();
        let over_https = over_tls || peer.is_some_and(|peer| is_over_https(peer, headers, trusted));
        Ok(Self::new(headers, address, over_https))
    }
}

/// Whether a `Host` header names this host: `localhost`, 127.0.0.0/8 or `[::1]`, with or without a port.
fn is_loopback(host: &str) -> bool {
    if let Some(bracketed) = host.strip_prefix('[') {
        let literal = bracketed.split_once(']').map(|(literal, _)| literal);
        return literal.and_then(|literal| literal.parse::<IpAddr>().ok()).is_some_and(|ip| ip.is_loopback());
    }
    let name = host.split_once(':').map_or(host, |(name, _)| name);
    let is_local_name = name == "localhost" || name.ends_with(".localhost");
    is_local_name || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visitor(host: &str, origin: Option<&str>) -> Visitor {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, host.parse().unwrap());
        if let Some(origin) = origin {
            headers.insert(ORIGIN, origin.parse().unwrap());
        }
        Visitor::new(&headers, None, false)
    }

    #[test]
    fn loopback_is_told_by_the_host() {
        for host in
            ["localhost", "LocalHost:8080", "127.0.0.1:8080", "127.8.9.1", "[::1]:8080", "[::1]", "a.localhost:1"]
        {
            assert!(visitor(host, None).on_loopback, "{host}");
        }
        for host in [
            "example.org",
            "localhost.example.org",
            "192.0.2.1:8080",
            "[2001:db8::1]:80",
            "[",
            "127.0.0.1.example.org",
            "",
        ] {
            assert!(!visitor(host, None).on_loopback, "{host}");
        }
    }

    #[test]
    fn foreign_pages_are_not_welcome() {
        let allowed = ["https://friend.example/".to_owned()];
        for (host, origin) in [
            ("a.example", None),
            ("a.example", Some("https://a.example")),
            ("a.example:443", Some("https://a.example")),
            ("a.example:8080", Some("http://A.example:8080")),
            ("a.example", Some("https://friend.example")),
        ] {
            assert!(visitor(host, origin).is_welcome(&allowed), "{host} {origin:?}");
        }
        for (host, origin) in [
            ("a.example", "https://b.example"),
            ("a.example", "null"),
            ("a.example:8080", "http://a.example:8081"),
            ("a.example", "file://a.example"),
            ("a.example", "https://a.example.evil"),
            ("a.example", "https://friend.example.evil"),
        ] {
            assert!(!visitor(host, Some(origin)).is_welcome(&allowed), "{host} {origin}");
        }
    }

    #[test]
    fn over_https_pages_of_plain_http_are_foreign() {
        let visitor = |origin| Visitor { over_https: true, ..visitor("a.example", Some(origin)) };
        assert!(visitor("https://a.example").is_welcome(&[]));
        assert!(!visitor("http://a.example").is_welcome(&[]));
        assert!(visitor("http://a.example").is_welcome(&["http://a.example".to_owned()]));
    }
}
