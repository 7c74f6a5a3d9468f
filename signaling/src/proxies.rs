//! The reverse proxies that are believed about whom they speak for.
//!
//! A proxy appends the address that it was asked from to `X-Forwarded-For`, so that the header is to be read from the right:
//! what stands left of the first address that is no proxy of ours was written by that client, who may write anything. Nothing
//! of it is looked at. The standardised header `Forwarded` (RFC 7239) is not read: one that a proxy lets through unchanged
//! would be the client's own words.

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// The most proxies in a row. Beyond, and where something is no address, the connection's own address counts.
const MAX_HOPS: usize = 16;
/// The longest text of an address and port, with room to spare.
const MAX_ADDRESS_BYTES: usize = 64;
/// What loopback counts as for a proxy's client: loopback itself is exempt from limits, which no client may say of itself,
/// nor everybody be behind a proxy on this host that does not say for whom it speaks.
const PROXIED_LOOPBACK: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");

/// The address that a request came from: the connection's, or what a trusted proxy says.
pub(crate) fn client_address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let lines = headers.get_all(X_FORWARDED_FOR).into_iter().rev();
    let hops = lines.flat_map(|line| line.as_bytes().rsplit(|&byte| byte == b',')).map(parse);
    let mut client = Some(peer);
    for hop in hops.take(MAX_HOPS + 1).zip(1..) {
        client = match hop {
            (hop, 1..=MAX_HOPS) => hop,
            _ => None,
        };
        if !client.is_some_and(|client| is_trusted(&client)) {
            break;
        }
    }
    let client = client.unwrap_or(peer);
    if client.is_loopback() { PROXIED_LOOPBACK } else { client }
}

/// Whether a trusted proxy says that its client came by HTTPS. It says so of itself: a proxy before it is named first.
pub(crate) fn is_over_https(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> bool {
    let peer = peer.to_canonical();
    let said = headers.get(X_FORWARDED_PROTO).and_then(|value| value.to_str().ok()?.split(',').next());
    trusted.iter().any(|network| network.contains(&peer))
        && said.is_some_and(|said| said.trim().eq_ignore_ascii_case("https"))
}

/// An address as proxies write it: alone, or with a port.
fn parse(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    if text.len() > MAX_ADDRESS_BYTES {
        return None;
    }
    let bracketed = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bracketed.unwrap_or(text).parse().ok();
    address.or_else(|| text.parse().ok().map(|address: SocketAddr| address.ip())).map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn client(peer: &str, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8", "127.0.0.1/32", "::1/128", "2001:db8:ffff::/48"].map(|text| text.parse().unwrap());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(line.as_bytes()).unwrap());
        }
        client_address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        for peer in ["192.0.2.1", "2001:db8::1", "127.0.0.2"] {
            assert_eq!(client(peer, &["203.0.113.9"]), peer);
        }
        for peer in ["10.1.2.3", "127.0.0.1", "::1", "::ffff:10.1.2.3", "2001:db8:ffff::7"] {
            assert_eq!(client(peer, &["203.0.113.9"]), "203.0.113.9", "{peer}");
        }
    }

    #[test]
    fn the_rightmost_address_that_is_no_proxy_counts() {
        for (lines, expected) in [
            // What the client wrote itself stands to the left.
            (&["1.2.3.4, 203.0.113.9"][..], "203.0.113.9"),
            (&["127.0.0.1, 203.0.113.9"], "203.0.113.9"),
            (&["10.0.0.1,203.0.113.9"], "203.0.113.9"),
            (&["nonsense, , \t, 203.0.113.9"], "203.0.113.9"),
            // Other proxies stand to the right, in the same line or in one of their own.
            (&["1.2.3.4, 203.0.113.9, 10.0.0.2, 10.0.0.1"], "203.0.113.9"),
            (&["1.2.3.4", "203.0.113.9", "10.0.0.1"], "203.0.113.9"),
            (&["203.0.113.9:4711"], "203.0.113.9"),
            (&["[2001:db8::9]:4711"], "2001:db8::9"),
            (&["[2001:db8::9]"], "2001:db8::9"),
            (&["::ffff:203.0.113.9"], "203.0.113.9"),
            // Somebody inside the trusted network.
            (&["10.7.7.7, 10.0.0.1"], "10.7.7.7"),
        ] {
            assert_eq!(client("10.0.0.9", lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn nonsense_counts_as_the_proxy() {
        let too_many = vec!["10.0.0.1"; 17].join(", ");
        let just_enough = vec!["10.0.0.1"; 16].join(", ");
        let long = format!("203.0.113.9{}", " ".repeat(60_000) + "x");
        for lines in
            [&[][..], &[""], &["unknown"], &["203.0.113.9, _hidden"], &["1.2.3.4.5"], &[&too_many], &[&long], &["ö"]]
        {
            assert_eq!(client("10.0.0.9", lines), "10.0.0.9", "{lines:?}");
        }
        assert_eq!(client("10.0.0.9", &[&just_enough]), "10.0.0.1");
    }

    #[test]
    fn a_proxys_client_is_never_exempt_as_loopback() {
        for lines in
            [&[][..], &["nonsense"], &["127.0.0.1"], &["::1"], &["127.1.1.1"], &["203.0.113.9, ::ffff:127.0.0.1"]]
        {
            let client: IpAddr = client("127.0.0.1", lines).parse().unwrap();
            assert!(!client.is_loopback(), "{lines:?}");
        }
        // Without a proxy it is this host's owner.
        assert_eq!(client_address("127.0.0.1".parse().unwrap(), &HeaderMap::new(), &[]).to_string(), "127.0.0.1");
    }

    #[test]
    fn only_trusted_proxies_say_that_it_was_https() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        let says = |peer: &str, value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(X_FORWARDED_PROTO, HeaderValue::from_bytes(value.as_bytes()).unwrap());
            is_over_https(peer.parse().unwrap(), &headers, &trusted)
        };
        assert!(says("10.0.0.1", "https") && says("::ffff:10.0.0.1", "HTTPS, http"));
        assert!(!says("192.0.2.1", "https"));
        assert!(["http", "", "http, https", "wss", "ö"].iter().all(|value| !says("10.0.0.1", value)));
        assert!(!is_over_https("10.0.0.1".parse().unwrap(), &HeaderMap::new(), &trusted));
    }
}
