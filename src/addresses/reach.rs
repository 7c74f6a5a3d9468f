//! By whom an address can be reached, as far as the address itself tells.

use super::Interface;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Who can send to an address, the fewest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// This host alone: loopback.
    Host,
    /// The container network of one host, which its other hosts do not know.
    Containers,
    /// Who is on the same link.
    Link,
    /// The private network: RFC 1918, or fc00::/7.
    Private,
    /// The network of a carrier that translates addresses (RFC 6598).
    Carrier,
    /// Everybody.
    Internet,
}

impl Reach {
    /// The reach of an address, which `interface` has if it is one of this host; `in_container` is whether this host is one.
    pub(crate) fn of(address: IpAddr, interface: Option<&Interface>, in_container: bool) -> Self {
        let reach = match address {
            IpAddr::V4(v4) if v4.is_loopback() || v4.is_unspecified() => Self::Host,
            IpAddr::V4(v4) if v4.is_link_local() => Self::Link,
            IpAddr::V4(v4) if v4.is_private() => Self::Private,
            IpAddr::V4(v4) if is_shared(v4) => Self::Carrier,
            IpAddr::V4(_) => Self::Internet,
            IpAddr::V6(v6) if v6.is_loopback() || v6.is_unspecified() => Self::Host,
            IpAddr::V6(v6) if is_global(v6) => Self::Internet,
            IpAddr::V6(v6) if v6.is_unique_local() => Self::Private,
            IpAddr::V6(_) => Self::Link,
        };
        let is_of_containers =
            interface.is_some_and(|interface| interface.is_bridge() || (in_container && interface.is_pair));
        if reach == Self::Private && is_of_containers { Self::Containers } else { reach }
    }

    /// One word for machines.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Containers => "containers",
            Self::Link => "link",
            Self::Private => "private",
            Self::Carrier => "carrier",
            Self::Internet => "internet",
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "this host alone",
            Self::Containers => "the containers of one host",
            Self::Link => "who is on the same link",
            Self::Private => "the private network",
            Self::Carrier => "the carrier's network, behind its NAT",
            Self::Internet => "the internet",
        })
    }
}

/// 2000::/3, the space of global unicast addresses (RFC 4291 section 2.4).
pub(super) fn is_global(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xe000 == 0x2000
}

/// 100.64.0.0/10, for carriers' NAT (RFC 6598).
fn is_shared(ip: Ipv4Addr) -> bool {
    ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_tell_who_reaches_them() {
        for (ip, expected) in [
            ("127.0.0.1", Reach::Host),
            ("::1", Reach::Host),
            ("169.254.1.1", Reach::Link),
            ("fe80::1", Reach::Link),
            ("10.1.2.3", Reach::Private),
            ("172.31.0.1", Reach::Private),
            ("172.32.0.1", Reach::Internet),
            ("fd00::1", Reach::Private),
            ("100.64.0.1", Reach::Carrier),
            ("100.127.255.255", Reach::Carrier),
            ("100.128.0.1", Reach::Internet),
            ("203.0.113.7", Reach::Internet),
            ("2001:db8::1", Reach::Internet),
        ] {
            assert_eq!(Reach::of(ip.parse().unwrap(), None, false), expected, "{ip}");
        }
    }

    #[test]
    fn private_addresses_of_containers_are_told_apart() {
        let interface =
            |name: &str, is_pair| Interface { name: name.to_owned(), address: "172.17.0.2".parse().unwrap(), is_pair };
        let reach = |interface: &Interface, in_container| Reach::of(interface.address, Some(interface), in_container);
        assert_eq!(reach(&interface("docker0", false), false), Reach::Containers);
        assert_eq!(reach(&interface("eth0", true), true), Reach::Containers);
        assert_eq!(reach(&interface("eth0", true), false), Reach::Private);
        assert_eq!(reach(&interface("eth0", false), true), Reach::Private, "a container with the host's network");
        let public = Interface { address: "203.0.113.7".parse().unwrap(), ..interface("eth0", true) };
        assert_eq!(reach(&public, true), Reach::Internet);
    }
}
