//! Which addresses clients are told to send media to.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses advertised at most: every one costs each client a candidate pair to check.
const MAX_ADDRESSES: usize = 16;

/// What is advertised, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advertised {
    /// In order of preference.
    pub(crate) addresses: Vec<IpAddr>,
    /// Each one's origin, for the log: an interface's name or the setting.
    pub(crate) origins: Vec<String>,
}

/// The configured addresses, or else those of the interfaces: IPv4, then global IPv6, then those of container bridges.
///
/// Loopback addresses are not among them, since they mean something else on every other host.
pub(crate) fn advertised(configured: &[IpAddr], interfaces: &[(String, IpAddr)], ipv6: bool) -> Advertised {
    if !configured.is_empty() {
        let origins = vec!["media.announce".to_owned(); configured.len()];
        return Advertised { addresses: configured.to_vec(), origins };
    }
    let mut found: Vec<(u8, IpAddr, &str)> = interfaces
        .iter()
        .filter(|(_, ip)| ipv6 || ip.is_ipv4())
        .filter_map(|(name, ip)| Some((rank(name, *ip)?, *ip, name.as_str())))
        .collect();
    // Stable: the system's order stands among equals.
    found.sort_by_key(|(rank, ..)| *rank);
    found.truncate(MAX_ADDRESSES);
    Advertised {
        addresses: found.iter().map(|(_, ip, _)| *ip).collect(),
        origins: found.iter().map(|(.., name)| (*name).to_owned()).collect(),
    }
}

/// The host's interfaces and their addresses; none if the system does not tell.
pub(crate) fn interfaces() -> Vec<(String, IpAddr)> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces.into_iter().map(|interface| (interface.name.clone(), interface.ip())).collect(),
        Err(error) => {
            tracing::warn!(%error, "cannot list the network interfaces: set media.announce");
            Vec::new()
        }
    }
}

/// Writes what is advertised to the log, with a hint where remote clients would not get far.
pub(crate) fn log(advertised: &Advertised) {
    let mut list = String::new();
    for (address, origin) in advertised.addresses.iter().zip(&advertised.origins) {
        // Writing to a string does not fail.
        let _ = write!(list, "{}{address} ({origin})", if list.is_empty() { "" } else { ", " });
    }
    if list.is_empty() {
        tracing::warn!("no address to advertise but loopback: only clients on this host have media");
    } else {
        tracing::info!("media addresses: {list}");
        if advertised.addresses.iter().all(is_private) {
            tracing::warn!("only private addresses are advertised; for clients beyond this network set media.announce");
        }
    }
}

fn rank(interface: &str, ip: IpAddr) -> Option<u8> {
    let bridge = ["docker", "br-", "veth", "virbr", "cni", "flannel", "podman", "lxcbr", "lxdbr"];
    let usable = match ip {
        IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => is_global(v6),
    };
    usable.then(|| match ip {
        _ if bridge.iter().any(|prefix| interface.starts_with(prefix)) => 2,
        IpAddr::V4(_) => 0,
        IpAddr::V6(_) => 1,
    })
}

/// 2000::/3, the space of global unicast addresses (RFC 4291 section 2.4).
fn is_global(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xe000 == 0x2000
}

/// Not reachable from the internet: RFC 1918, RFC 6598, or no global IPv6 address.
fn is_private(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(v4) => v4.is_private() || v4.is_loopback() || v4.is_link_local() || is_shared(*v4),
        IpAddr::V6(v6) => !is_global(*v6),
    }
}

/// 100.64.0.0/10, for carriers' NAT (RFC 6598).
fn is_shared(ip: Ipv4Addr) -> bool {
    ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces(list: &[(&str, &str)]) -> Vec<(String, IpAddr)> {
        list.iter().map(|(name, ip)| ((*name).to_owned(), ip.parse().unwrap())).collect()
    }

    fn texts(advertised: &Advertised) -> Vec<String> {
        advertised.addresses.iter().map(IpAddr::to_string).collect()
    }

    const HOST: [(&str, &str); 9] = [
        ("lo", "127.0.0.1"),
        ("lo", "::1"),
        ("docker0", "172.17.0.1"),
        ("eth0", "2001:db8::5"),
        ("eth0", "fe80::5"),
        ("eth0", "192.168.1.5"),
        ("eth1", "169.254.3.4"),
        ("wlan0", "10.0.0.7"),
        ("eth0", "fd00::5"),
    ];

    #[test]
    fn interfaces_are_ordered_and_unreachable_ones_left_out() {
        let found = advertised(&[], &interfaces(&HOST), true);
        assert_eq!(texts(&found), ["192.168.1.5", "10.0.0.7", "2001:db8::5", "172.17.0.1"]);
        assert_eq!(found.origins, ["eth0", "wlan0", "eth0", "docker0"]);
        let found = advertised(&[], &interfaces(&HOST), false);
        assert_eq!(texts(&found), ["192.168.1.5", "10.0.0.7", "172.17.0.1"]);
    }

    #[test]
    fn configured_addresses_are_taken_as_they_are() {
        let configured = ["127.0.0.1".parse().unwrap(), "203.0.113.7".parse().unwrap()];
        assert_eq!(advertised(&configured, &interfaces(&HOST), true).addresses, configured);
    }

    #[test]
    fn a_host_of_many_addresses_advertises_some() {
        let many: Vec<_> = (0..100).map(|i| (format!("eth{i}"), IpAddr::from([10, 0, 0, i]))).collect();
        assert_eq!(advertised(&[], &many, true).addresses.len(), MAX_ADDRESSES);
    }

    #[test]
    fn private_addresses_are_told_from_public_ones() {
        for (ip, expected) in [
            ("10.1.2.3", true),
            ("100.64.0.1", true),
            ("100.128.0.1", false),
            ("203.0.113.7", false),
            ("fd00::1", true),
            ("2001:db8::1", false),
        ] {
            assert_eq!(is_private(&ip.parse().unwrap()), expected, "{ip}");
        }
    }
}
