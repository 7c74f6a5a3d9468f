//! The entries of `media.announce`: where an address that clients are told comes from.

use std::fmt;
use std::net::IpAddr;

/// The port of STUN servers that name none (RFC 7064 section 3.2).
const STUN_PORT: u16 = 3478;

/// The longest name of a host (RFC 1035 section 2.3.4).
const MAX_HOST_BYTES: usize = 253;

/// One entry; a list of them is in order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Announced {
    /// `auto`: the addresses of the network interfaces.
    Auto,
    /// An address, whatever interfaces there are.
    Address(IpAddr),
    /// `LOCAL=PUBLIC`: instead of an interface's address, the one that a 1:1 NAT gives it.
    Mapped {
        /// The interface's.
        local: IpAddr,
        /// What clients send to.
        public: IpAddr,
    },
    /// `stun:HOST:PORT`: the address from which a STUN server sees this host.
    Stun(StunServer),
}

/// A STUN server, whose name is not looked up yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StunServer {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// Its UDP port.
    pub port: u16,
}

impl Announced {
    /// What is allowed, for an error's text.
    pub(crate) const RULE: &'static str =
        "auto, an IP address, LOCAL=PUBLIC (two IP addresses of one family), stun:HOST:PORT";

    /// The entry that `text` writes.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if text == "auto" {
            return Some(Self::Auto);
        }
        if let Some(server) = text.strip_prefix("stun:") {
            return StunServer::parse(server).map(Self::Stun);
        }
        match text.split_once('=') {
            Some((local, public)) => {
                let (local, public) = (address(local.trim())?, address(public.trim())?);
                (local.is_ipv4() == public.is_ipv4()).then_some(Self::Mapped { local, public })
            }
            None => address(text).map(Self::Address),
        }
    }
}

impl fmt::Display for Announced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Address(address) => write!(f, "{address}"),
            Self::Mapped { local, public } => write!(f, "{local}={public}"),
            Self::Stun(server) => write!(f, "{server}"),
        }
    }
}

impl StunServer {
    /// `HOST`, `HOST:PORT`, `[IPV6]` or `[IPV6]:PORT`.
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, port) = rest.split_once(']')?;
                let is_ipv6 = address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6());
                (Some(address).filter(|_| is_ipv6)?, port)
            }
            None => text.split_at(text.find(':').unwrap_or(text.len())),
        };
        let port = match port.strip_prefix(':') {
            Some(port) if port.bytes().all(|b| b.is_ascii_digit()) => port.parse().ok().filter(|&port| port != 0)?,
            None if port.is_empty() => STUN_PORT,
            _ => return None,
        };
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b) || (b == b':' && text.starts_with('['));
        let is_host = (1..=MAX_HOST_BYTES).contains(&host.len()) && host.bytes().all(is_name);
        is_host.then(|| Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for StunServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "stun:[{}]:{}", self.host, self.port)
        } else {
            write!(f, "stun:{}:{}", self.host, self.port)
        }
    }
}

/// An address that packets can be sent to.
fn address(text: &str) -> Option<IpAddr> {
    text.parse().ok().filter(|address: &IpAddr| !address.is_unspecified() && !address.is_multicast())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_told_apart_and_written_back() {
        for (text, written) in [
            ("auto", "auto"),
            ("203.0.113.7", "203.0.113.7"),
            ("2001:DB8::7", "2001:db8::7"),
            ("10.0.0.5=203.0.113.7", "10.0.0.5=203.0.113.7"),
            ("10.0.0.5 = 203.0.113.7", "10.0.0.5=203.0.113.7"),
            ("fd00::5=2001:db8::5", "fd00::5=2001:db8::5"),
            ("stun:stun.example.org:19302", "stun:stun.example.org:19302"),
            ("stun:stun.example.org", "stun:stun.example.org:3478"),
            ("stun:192.0.2.1:3479", "stun:192.0.2.1:3479"),
            ("stun:[2001:db8::1]:3479", "stun:[2001:db8::1]:3479"),
            ("stun:[2001:db8::1]", "stun:[2001:db8::1]:3478"),
        ] {
            let entry = Announced::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(entry.to_string(), written);
            assert_eq!(Announced::parse(written), Some(entry));
        }
    }

    #[test]
    fn what_is_no_entry_is_refused() {
        let long = format!("stun:{}", "a".repeat(MAX_HOST_BYTES + 1));
        for text in [
            "",
            "Auto",
            "nowhere",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "203.0.113.7:7900",
            "10.0.0.5=",
            "=203.0.113.7",
            "10.0.0.5=2001:db8::5",
            "10.0.0.5=0.0.0.0",
            "10.0.0.5=203.0.113.7=1",
            "stun:",
            "stun::3478",
            "stun:host:",
            "stun:host:0",
            "stun:host:65536",
            "stun:host:+1",
            "stun:2001:db8::1",
            "stun:[192.0.2.1]",
            "stun:[::1]3478",
            "stun://host",
            "stun:ho st",
            &long,
        ] {
            assert_eq!(Announced::parse(text), None, "{text}");
        }
    }
}
