//! The administrator of an open server in development: whoever sits at the host that it runs on.
//!
//! An open server has no keys and so no tokens. Who asks from the host itself, at a name of the host itself, may see how the server
//! does, and may put people out and end calls: what the page `/admin` needs and nothing else. Such a request says so by the
//! credential [`LOOPBACK`]: no page of another origin can send it without being asked first (CORS), and nobody who merely
//! happens to be on this host has the rights unasked.

use crate::visitor::Visitor;
use axum::http::header::{FORWARDED, HOST, VIA};
use axum::http::{HeaderMap, HeaderName, Version};
use ipnet::IpNet;
use std::net::IpAddr;

/// The bearer credential of who asks from this host. It is no secret: where the request comes from is what counts.
pub(crate) const LOOPBACK: &str = "loopback";

const X_REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
/// What proxies add begins so: for whom, at which host, by which scheme they were asked.
const X_FORWARDED: &str = "x-forwarded-";
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Decides whether a request was made on this host by its owner: over loopback, to a name of loopback, through no proxy that is
/// recognised as one, and from no page but one of this server.
///
/// A proxy on this host that adds no header of its own, passes no other `Host` on and speaks no older HTTP is not recognised: the docs
/// say that a server behind a proxy needs keys.
///
/// # Errors
/// What speaks against it, for people.
pub(crate) fn check(
    peer: Option<IpAddr>,
    version: Version,
    headers: &HeaderMap,
    trusted: &[IpNet],
) -> Result<(), &'static str> {
    let peer = peer.map(|peer| peer.to_canonical()).filter(IpAddr::is_loopback).ok_or("it comes from another host")?;
    let is_of_proxies =
        |name: &HeaderName| [FORWARDED, VIA, X_REAL_IP].contains(name) || name.as_str().starts_with(X_FORWARDED);
    if trusted.iter().any(|network| network.contains(&peer)) || headers.keys().any(is_of_proxies) {
        return Err("it comes through a proxy");
    }
    if version < Version::HTTP_11 {
        // Browsers and tools speak this version here; proxies such as nginx speak an older one unless they are told otherwise.
        return Err("it is of an HTTP older than 1.1, as proxies speak it");
    }
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).filter(|_| hosts.next().is_none());
    if !host.is_some_and(names_loopback) {
        // A name of somebody else's that leads here would let their page ask (DNS rebinding).
        return Err("its `Host` is not localhost, 127.0.0.1 or [::1]");
    }
    let site = headers.get_all(SEC_FETCH_SITE).iter();
    let is_own = site.into_iter().all(|site| site == "same-origin" || site == "none");
    if !is_own || !Visitor::new(headers, None, false).is_welcome(&[]) {
        return Err("it comes from a page of another origin");
    }
    Ok(())
}

/// Whether a `Host` is one of the three names, with or without a port.
fn names_loopback(host: &str) -> bool {
    let named = |name: &str| {
        let rest = host.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name)).map(|_| &host[name.len()..]);
        rest.is_some_and(|rest| {
            rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
        })
    };
    ["localhost", "127.0.0.1", "[::1]"].into_iter().any(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    struct Case {
        peer: Option<&'static str>,
        version: Version,
        headers: Vec<(&'static str, &'static str)>,
        trusted: Vec<IpNet>,
    }

    /// As a browser on this host asks.
    fn own() -> Case {
        Case {
            peer: Some("127.0.0.1"),
            version: Version::HTTP_11,
            headers: vec![("host", "localhost:8080")],
            trusted: Vec::new(),
        }
    }

    fn with(name: &'static str, value: &'static str) -> Case {
        let mut case = own();
        case.headers.push((name, value));
        case
    }

    fn at(host: &'static str) -> Case {
        Case { headers: vec![("host", host)], ..own() }
    }

    fn judge(case: &Case) -> Result<(), &'static str> {
        let mut headers = HeaderMap::new();
        for &(name, value) in &case.headers {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        check(case.peer.map(|peer| peer.parse().unwrap()), case.version, &headers, &case.trusted)
    }

    #[test]
    fn this_host_at_its_own_names_administers() {
        for peer in ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"] {
            assert_eq!(judge(&Case { peer: Some(peer), ..own() }), Ok(()), "{peer}");
        }
        for host in ["localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:8080"] {
            assert_eq!(judge(&at(host)), Ok(()), "{host}");
        }
        for (name, value) in
            [("origin", "http://localhost:8080"), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")]
        {
            assert_eq!(judge(&with(name, value)), Ok(()), "{name}: {value}");
        }
    }

    #[test]
    fn other_hosts_do_not() {
        for peer in [None, Some("192.0.2.1"), Some("10.0.0.1"), Some("172.17.0.1"), Some("2001:db8::1"), Some("::")] {
            assert_eq!(judge(&Case { peer, ..own() }), Err("it comes from another host"), "{peer:?}");
        }
    }

    #[test]
    fn proxies_on_this_host_do_not() {
        for (name, value) in [
            ("x-forwarded-for", "127.0.0.1"),
            ("x-forwarded-for", ""),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "localhost"),
            ("x-real-ip", "127.0.0.1"),
            ("forwarded", "for=127.0.0.1"),
            ("via", "1.1 proxy"),
        ] {
            assert_eq!(judge(&with(name, value)), Err("it comes through a proxy"), "{name}: {value}");
        }
        let trusted = Case { trusted: vec!["127.0.0.0/8".parse().unwrap()], ..own() };
        assert_eq!(judge(&trusted), Err("it comes through a proxy"));
        assert!(judge(&Case { version: Version::HTTP_10, ..own() }).is_err(), "nginx as it is by default");
        assert!(judge(&at("parlor.example.org")).is_err(), "a proxy that passes the name on that it was asked by");
    }

    #[test]
    fn names_that_lead_here_do_not() {
        for host in [
            "evil.example",
            "localhost.evil.example:8080",
            "a.localhost",
            "127.0.0.1.evil.example",
            "127.0.0.2",
            "localhost:",
            "localhost:99999",
            "localhost:80:80",
            "[::1",
            "::1",
            "192.0.2.1:8080",
            "",
        ] {
            assert!(judge(&at(host)).is_err(), "{host}");
        }
        assert!(judge(&Case { headers: Vec::new(), ..own() }).is_err());
        assert!(judge(&with("host", "localhost")).is_err(), "two of them");
    }

    #[test]
    fn pages_of_other_origins_do_not() {
        for (name, value) in [
            ("origin", "https://evil.example"),
            ("origin", "http://localhost:3000"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert_eq!(judge(&with(name, value)), Err("it comes from a page of another origin"), "{name}: {value}");
        }
    }
}
