//! Which source address the kernel picks by itself, so that it need not be told.
//!
//! Naming the source of a message (`IP_PKTINFO`) costs a twelfth of sending it (`benches/sending`). On a host with one address
//! of a family there is nothing to choose from: whatever the routes are, that address is the source. On all others, and for
//! addresses of one link, the source is named.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The addresses that are without an alternative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    v4: Option<Ipv4Addr>,
    v6: Option<Ipv6Addr>,
}

impl Sources {
    /// As the host's interfaces are now. None where they cannot be listed.
    pub(crate) fn of_host() -> Self {
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        Self::of(interfaces.iter().map(if_addrs::Interface::ip))
    }

    fn of(addresses: impl Iterator<Item = IpAddr> + Clone) -> Self {
        let v4 = addresses.clone().filter_map(|address| match address {
            IpAddr::V4(v4) if !v4.is_loopback() => Some(v4),
            _ => None,
        });
        let v6 = addresses.filter_map(|address| match address {
            IpAddr::V6(v6) if !v6.is_loopback() && !v6.is_unicast_link_local() => Some(v6),
            _ => None,
        });
        Self { v4: sole(v4), v6: sole(v6) }
    }

    /// Whether what is sent to `remote` comes from `local` without anybody saying so.
    pub(crate) fn pick(&self, local: IpAddr, remote: IpAddr) -> bool {
        match (local, remote) {
            // The address of every loopback route, whatever others an operator has given the interface.
            (IpAddr::V4(local), IpAddr::V4(remote)) if remote.is_loopback() => local == Ipv4Addr::LOCALHOST,
            (IpAddr::V4(local), IpAddr::V4(_)) => self.v4 == Some(local),
            (IpAddr::V6(local), IpAddr::V6(remote)) => self.v6 == Some(local) && !remote.is_unicast_link_local(),
            _ => false,
        }
    }
}

/// The only one, if there is one only.
fn sole<T>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next();
    if all.next().is_some() { None } else { first }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn host(addresses: &[&str]) -> Sources {
        Sources::of(addresses.iter().map(|text| ip(text)))
    }

    #[test]
    fn a_sole_address_is_picked_and_no_other() {
        let sources = host(&["127.0.0.1", "192.0.2.1", "::1", "fe80::1", "2001:db8::1"]);
        assert!(sources.pick(ip("192.0.2.1"), ip("198.51.100.9")));
        assert!(!sources.pick(ip("192.0.2.7"), ip("198.51.100.9")), "an address that the host has lost");
        assert!(sources.pick(ip("2001:db8::1"), ip("2001:db8::2")));
        assert!(!sources.pick(ip("2001:db8::1"), ip("fe80::2")), "the source would be the link's");
        assert!(!sources.pick(ip("fe80::1"), ip("fe80::2")));
        assert!(!sources.pick(ip("192.0.2.1"), ip("2001:db8::2")));
    }

    #[test]
    fn where_there_is_a_choice_nothing_is_taken_for_granted() {
        let sources = host(&["192.0.2.1", "172.17.0.1", "2001:db8::1", "fd00::1"]);
        assert_eq!(sources, Sources::default());
        assert!(!sources.pick(ip("192.0.2.1"), ip("198.51.100.9")));
        assert_eq!(host(&[]), Sources::default());
    }

    #[test]
    fn loopback_is_itself() {
        let sources = Sources::default();
        assert!(sources.pick(ip("127.0.0.1"), ip("127.0.0.5")));
        assert!(!sources.pick(ip("127.0.0.2"), ip("127.0.0.1")));
        assert!(!sources.pick(ip("::1"), ip("::1")), "not worth a rule");
    }
}
