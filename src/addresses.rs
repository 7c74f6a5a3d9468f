//! Which addresses clients are told to send media to.
//!
//! [`discover`] asks the system and the STUN servers of `media.announce`, [`advertised`] makes the list of what they say:
//! a pure function, which the start and `parlor doctor` share. No address is in the list twice, and there are
//! [`MAX_ADDRESSES`] at most.

mod reach;
mod stun;

pub(crate) use reach::Reach;

use parlor_config::{Announced, StunServer};
use std::fmt;
use std::net::IpAddr;

/// Addresses advertised at most: every one costs each client a candidate pair to check.
pub(crate) const MAX_ADDRESSES: usize = 16;

/// An address of an interface of this host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Interface {
    pub(crate) name: String,
    pub(crate) address: IpAddr,
    /// Its other end is elsewhere, as that of a container's is on the host.
    pub(crate) is_pair: bool,
}

impl Interface {
    /// Whether it is what containers and virtual machines of this host are connected to.
    fn is_bridge(&self) -> bool {
        let names = ["docker", "br-", "veth", "virbr", "cni", "flannel", "podman", "lxcbr", "lxdbr"];
        names.iter().any(|prefix| self.name.starts_with(prefix))
    }

    /// Its place among the interfaces: IPv4, then global IPv6, then bridges. `None` for what means something else on every
    /// other host.
    fn rank(&self) -> Option<u8> {
        let usable = match self.address {
            IpAddr::V4(v4) => !v4.is_loopback() && !v4.is_link_local() && !v4.is_unspecified(),
            IpAddr::V6(v6) => reach::is_global(v6),
        };
        usable.then(|| match self.address {
            _ if self.is_bridge() => 2,
            IpAddr::V4(_) => 0,
            IpAddr::V6(_) => 1,
        })
    }
}

/// Why an address is advertised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An interface has it.
    Interface(String),
    /// It is configured.
    Setting,
    /// It is configured to stand for an interface's.
    Mapped(IpAddr),
    /// A STUN server sees it.
    Stun(StunServer),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interface(name) => f.write_str(name),
            Self::Setting => f.write_str("media.announce"),
            Self::Mapped(local) => write!(f, "media.announce for {local}"),
            Self::Stun(server) => write!(f, "{server}"),
        }
    }
}

/// What a STUN server said.
pub(crate) type Discovery = (StunServer, Result<Vec<IpAddr>, String>);

/// What is advertised, and what is not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Advertised {
    /// In order of preference, each with its origin.
    pub(crate) addresses: Vec<(IpAddr, Origin)>,
    /// Entries of `media.announce` that came to nothing, and why.
    pub(crate) failures: Vec<String>,
}

impl Advertised {
    fn add(&mut self, address: IpAddr, origin: Origin) {
        if self.addresses.len() < MAX_ADDRESSES && self.addresses.iter().all(|(known, _)| *known != address) {
            self.addresses.push((address, origin));
        }
    }

    /// What is wrong when there is no address and a failed entry is to blame, in one line.
    pub(crate) fn error(&self) -> Option<String> {
        (self.addresses.is_empty() && !self.failures.is_empty()).then(|| self.failures.join("; "))
    }

    /// Writes it to the log, with a hint where remote clients would not get far.
    pub(crate) fn log(&self) {
        for failure in &self.failures {
            tracing::warn!("media.announce: {failure}");
        }
        let list: Vec<String> =
            self.addresses.iter().map(|(address, origin)| format!("{address} ({origin})")).collect();
        if list.is_empty() {
            tracing::warn!("no address to advertise but loopback: only clients on this host have media");
            return;
        }
        tracing::info!("media addresses: {}", list.join(", "));
        if self.addresses.iter().all(|(address, _)| Reach::of(*address, None, false) < Reach::Internet) {
            tracing::warn!("only private addresses are advertised; for clients beyond this network set media.announce");
        }
    }
}

/// The addresses that `entries` come to, with the host's interfaces and what STUN servers said; `ipv6` is whether clients
/// can come by it.
pub(crate) fn advertised(
    entries: &[Announced],
    interfaces: &[Interface],
    discoveries: &[Discovery],
    ipv6: bool,
) -> Advertised {
    let mut found = Advertised::default();
    for entry in entries {
        match entry {
            Announced::Auto => {
                let is_mapped =
                    |ip| entries.iter().any(|e| matches!(e, Announced::Mapped { local, .. } if *local == ip));
                for interface in by_rank(interfaces, ipv6).filter(|interface| !is_mapped(interface.address)) {
                    found.add(interface.address, Origin::Interface(interface.name.clone()));
                }
            }
            Announced::Address(address) => found.add(*address, Origin::Setting),
            Announced::Mapped { local, public } => {
                if interfaces.iter().any(|interface| interface.address == *local) {
                    found.add(*public, Origin::Mapped(*local));
                } else {
                    found.failures.push(format!("{entry} does not apply: no interface has {local}"));
                }
            }
            Announced::Stun(server) => match discoveries.iter().find(|(asked, _)| asked == server) {
                Some((_, Ok(addresses))) => {
                    addresses.iter().for_each(|address| found.add(*address, Origin::Stun(server.clone())));
                }
                Some((_, Err(reason))) => found.failures.push(format!("{server} gives no address: {reason}")),
                None => {}
            },
        }
    }
    found
}

/// The usable ones in order. Stable: the system's order stands among equals.
pub(crate) fn by_rank(interfaces: &[Interface], ipv6: bool) -> impl Iterator<Item = &Interface> {
    let usable = interfaces.iter().filter(move |interface| ipv6 || interface.address.is_ipv4());
    let mut ranked: Vec<_> = usable.filter_map(|interface| Some((interface.rank()?, interface))).collect();
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, interface)| interface)
}

/// Looks at the interfaces, asks the STUN servers, all at once, and makes the list. Takes seconds when one does not answer.
pub(crate) async fn discover(entries: &[Announced], interfaces: &[Interface], ipv6: bool) -> Advertised {
    let ask = |server: &StunServer| {
        let server = server.clone();
        tokio::spawn(async move {
            let answer = stun::discover(&server, ipv6).await;
            (server, answer)
        })
    };
    let servers =
        entries.iter().filter_map(|entry| if let Announced::Stun(server) = entry { Some(server) } else { None });
    let asked: Vec<_> = servers.map(ask).collect();
    let mut discoveries = Vec::new();
    for answer in asked {
        discoveries.extend(answer.await);
    }
    advertised(entries, interfaces, &discoveries, ipv6)
}

/// The host's interfaces and their addresses; none if the system does not tell.
pub(crate) fn interfaces() -> Vec<Interface> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => interfaces
            .into_iter()
            .map(|interface| Interface {
                is_pair: is_pair(&interface.name),
                address: interface.ip(),
                name: interface.name,
            })
            .collect(),
        Err(error) => {
            tracing::warn!(%error, "cannot list the network interfaces: set media.announce");
            Vec::new()
        }
    }
}

/// A veth, as containers have: neither hardware, nor a tunnel of a process, nor of a kind that the kernel names (bridges, VLANs).
/// Only Linux tells.
fn is_pair(name: &str) -> bool {
    let place = std::path::Path::new("/sys/class/net").join(name);
    let kind = std::fs::read_to_string(place.join("uevent"));
    let is_other = place.join("device").exists() || place.join("tun_flags").exists();
    kind.is_ok_and(|kind| !kind.contains("DEVTYPE=")) && !is_other
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interfaces(list: &[(&str, &str)]) -> Vec<Interface> {
        let interface = |(name, ip): &(&str, &str)| Interface {
            name: (*name).to_owned(),
            address: ip.parse().unwrap(),
            is_pair: false,
        };
        list.iter().map(interface).collect()
    }

    fn entry(text: &str) -> Announced {
        let sources = parlor_config::Sources {
            environment: vec![("PARLOR_MEDIA__ANNOUNCE".to_owned(), text.to_owned())],
            ..Default::default()
        };
        parlor_config::load(&sources).unwrap().media.announce.remove(0)
    }

    /// What `list` comes to on [`HOST`], as `address (origin)`.
    fn texts(list: &[&str], discoveries: &[Discovery], ipv6: bool) -> (Vec<String>, Vec<String>) {
        let entries: Vec<Announced> = list.iter().map(|text| entry(text)).collect();
        let found = advertised(&entries, &interfaces(&HOST), discoveries, ipv6);
        (found.addresses.iter().map(|(ip, origin)| format!("{ip} ({origin})")).collect(), found.failures)
    }

    fn said(server: &str, answer: Result<&[&str], &str>) -> Discovery {
        let Announced::Stun(server) = entry(server) else { panic!("{server} is no STUN server") };
        let parse = |list: &[&str]| list.iter().map(|ip| ip.parse().unwrap()).collect();
        (server, answer.map(parse).map_err(str::to_owned))
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
        let (found, _) = texts(&["auto"], &[], true);
        assert_eq!(found, ["192.168.1.5 (eth0)", "10.0.0.7 (wlan0)", "2001:db8::5 (eth0)", "172.17.0.1 (docker0)"]);
        let (found, _) = texts(&["auto"], &[], false);
        assert_eq!(found, ["192.168.1.5 (eth0)", "10.0.0.7 (wlan0)", "172.17.0.1 (docker0)"]);
    }

    #[test]
    fn configured_addresses_are_taken_as_they_are() {
        let (found, failures) = texts(&["127.0.0.1", "203.0.113.7", "127.0.0.1"], &[], true);
        assert_eq!(found, ["127.0.0.1 (media.announce)", "203.0.113.7 (media.announce)"]);
        assert_eq!(failures, [] as [String; 0]);
    }

    #[test]
    fn a_mapping_takes_the_place_of_the_interfaces_address() {
        let (found, _) = texts(&["10.0.0.7=203.0.113.7"], &[], true);
        assert_eq!(found, ["203.0.113.7 (media.announce for 10.0.0.7)"]);
        let (found, _) = texts(&["10.0.0.7=203.0.113.7", "auto"], &[], false);
        let expected = ["203.0.113.7 (media.announce for 10.0.0.7)", "192.168.1.5 (eth0)", "172.17.0.1 (docker0)"];
        assert_eq!(found, expected);
        let (found, _) = texts(&["10.0.0.7=203.0.113.7", "10.0.0.7"], &[], false);
        assert_eq!(found, ["203.0.113.7 (media.announce for 10.0.0.7)", "10.0.0.7 (media.announce)"]);
        let (found, failures) = texts(&["10.9.9.9=203.0.113.7", "10.0.0.7"], &[], true);
        assert_eq!(found, ["10.0.0.7 (media.announce)"]);
        assert_eq!(failures, ["10.9.9.9=203.0.113.7 does not apply: no interface has 10.9.9.9"]);
    }

    #[test]
    fn what_stun_servers_see_stands_in_its_place() {
        let seen = said("stun:a.example", Ok(&["203.0.113.7", "2001:db8::5"]));
        let (found, _) = texts(&["stun:a.example", "auto"], std::slice::from_ref(&seen), true);
        assert_eq!(
            found[..3],
            ["203.0.113.7 (stun:a.example:3478)", "2001:db8::5 (stun:a.example:3478)", "192.168.1.5 (eth0)"]
        );
        assert_eq!(found.len(), 5, "an address that two entries give is there once");

        let silent = said("stun:b.example:1", Err("it does not answer"));
        let (found, failures) = texts(&["stun:b.example:1", "stun:a.example"], &[seen, silent], true);
        assert_eq!(found[0], "203.0.113.7 (stun:a.example:3478)", "the rest of the list stands");
        assert_eq!(failures, ["stun:b.example:1 gives no address: it does not answer"]);
    }

    #[test]
    fn nothing_left_is_an_error_only_where_something_failed() {
        let silent = [said("stun:b.example", Err("it does not answer"))];
        let entries = [entry("stun:b.example"), entry("10.9.9.9=203.0.113.7")];
        let error = advertised(&entries, &[], &silent, true).error().unwrap();
        assert_eq!(
            error,
            "stun:b.example:3478 gives no address: it does not answer; \
             10.9.9.9=203.0.113.7 does not apply: no interface has 10.9.9.9"
        );
        assert_eq!(advertised(&[Announced::Auto], &[], &[], true).error(), None);
        let with_rest = [entry("stun:b.example"), Announced::Auto];
        assert_eq!(advertised(&with_rest, &interfaces(&HOST), &silent, true).error(), None);
    }

    #[test]
    fn a_host_of_many_addresses_advertises_some() {
        let many: Vec<_> = (0..100).map(|i| (format!("eth{i}"), format!("10.0.0.{i}"))).collect();
        let many: Vec<_> = many.iter().map(|(name, ip)| (name.as_str(), ip.as_str())).collect();
        assert_eq!(advertised(&[Announced::Auto], &interfaces(&many), &[], true).addresses.len(), MAX_ADDRESSES);
    }
}
