//! What is advertised, and by whom that can be reached.

use super::facts::Facts;
use super::ports::to_open;
use super::report::{Finding, Mark, Offer};
use crate::addresses::{Origin, Reach};
use parlor_config::Config;

const SUBJECT: &str = "addresses";

/// The advertised addresses with their reach.
pub(super) fn offers(facts: &Facts) -> Vec<Offer> {
    let offer = |(address, origin): &(_, Origin)| {
        let interface = facts.interfaces.iter().find(|interface| interface.address == *address);
        let reach = Reach::of(*address, interface, facts.container.is_some());
        Offer { address: *address, origin: origin.clone(), reach }
    };
    facts.advertised.addresses.iter().map(offer).collect()
}

pub(super) fn judge(config: &Config, facts: &Facts) -> Vec<Finding> {
    let finding = |mark, text: String| Finding::new(SUBJECT, mark, text);
    let offers = offers(facts);
    let mut findings = vec![finding(Mark::Good, host(facts))];
    findings.extend(offers.iter().map(|offer| {
        let mark = if offer.reach >= Reach::Link { Mark::Good } else { Mark::Warning };
        let Offer { address, origin, reach } = offer;
        let text = finding(mark, format!("clients are told {address} ({origin}): reachable for {reach}"));
        if offer.reach == Reach::Internet && is_behind_nat(facts, offer) {
            text.advise(format!("a NAT has this address: it must forward {} to this host", to_open(config, facts)))
        } else {
            text
        }
    }));
    findings.extend(facts.advertised.failures.iter().map(|failure| {
        finding(Mark::Warning, format!("media.announce: {failure}")).advise(
            "UDP to it may be blocked; the rest of the list stands, and without a rest the server does not start",
        )
    }));
    findings.extend(of_reach(config, facts, &offers));
    findings
}

/// Which addresses this host has.
fn host(facts: &Facts) -> String {
    let list: Vec<String> =
        facts.interfaces.iter().map(|interface| format!("{} {}", interface.name, interface.address)).collect();
    let list = if list.is_empty() { "no address".to_owned() } else { list.join(", ") };
    match facts.container {
        Some(why) => format!("this host, a container ({why}), has {list}"),
        None => format!("this host has {list}"),
    }
}

/// Whether the address is somebody else's, who hands on what comes to it.
fn is_behind_nat(facts: &Facts, offer: &Offer) -> bool {
    facts.interfaces.iter().all(|interface| interface.address != offer.address)
}

/// What the best of the addresses means.
fn of_reach(config: &Config, facts: &Facts, offers: &[Offer]) -> Option<Finding> {
    let finding = |mark, text: &str, advice: String| Some(Finding::new(SUBJECT, mark, text).advise(advice));
    let ports = to_open(config, facts);
    match offers.iter().map(|offer| offer.reach).max() {
        None if facts.advertised.error().is_some() => finding(
            Mark::Failure,
            "media.announce comes to nothing: the server does not start",
            "add an entry that always gives an address: auto, or the address itself".to_owned(),
        ),
        None | Some(Reach::Host) => finding(
            Mark::Failure,
            "only clients on this host have media: nothing but loopback is advertised",
            "connect this host to a network, or set media.announce = [\"ADDRESS\"] to an address that clients reach"
                .to_owned(),
        ),
        Some(Reach::Containers) => finding(
            Mark::Failure,
            "only addresses of a container network are advertised: clients on other hosts do not reach them",
            format!("publish {ports}, and set media.announce = [\"ADDRESS-OF-THE-HOST\"]; or use the host's network"),
        ),
        Some(Reach::Link | Reach::Private) => finding(
            Mark::Warning,
            "only private addresses are advertised: clients beyond this network have no media",
            format!("for them, have {ports} forwarded to this host, and set media.announce = {}", mapping(offers)),
        ),
        Some(Reach::Carrier) => finding(
            Mark::Warning,
            "only addresses of a carrier's network are advertised: clients on the internet have no media",
            "a carrier forwards no ports: use a host with a public address, or IPv6".to_owned(),
        ),
        Some(Reach::Internet) => None,
    }
}

/// The setting for a NAT before the preferred address, which keeps that for clients nearby.
fn mapping(offers: &[Offer]) -> String {
    match offers.first() {
        Some(Offer { address, origin: Origin::Interface(_), .. }) => {
            format!("[\"{address}=PUBLIC-ADDRESS\", \"{address}\"], or [\"stun:HOST:PORT\", \"auto\"] to have it found")
        }
        _ => "[\"PUBLIC-ADDRESS\"]".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::sound;
    use super::*;
    use crate::addresses::{Advertised, Interface};

    /// The marks and texts for advertised addresses, on a host with 10.0.0.5 at `name`.
    fn judged(list: &[(&str, Origin)], name: &str, is_pair: bool, container: bool) -> Vec<Finding> {
        let config = Config::default();
        let addresses = list.iter().map(|(ip, origin)| (ip.parse().unwrap(), origin.clone())).collect();
        let interfaces = vec![Interface { name: name.to_owned(), address: "10.0.0.5".parse().unwrap(), is_pair }];
        let advertised = Advertised { addresses, failures: Vec::new() };
        let container = container.then_some("/.dockerenv is there");
        judge(&config, &Facts { advertised, interfaces, container, ..sound(&config) })
    }

    fn by_interface(name: &str) -> Origin {
        Origin::Interface(name.to_owned())
    }

    fn last(findings: &[Finding]) -> (Mark, &str) {
        let last = findings.last().unwrap();
        (last.mark, last.advice.as_deref().unwrap_or_default())
    }

    #[test]
    fn private_addresses_alone_are_a_warning_that_says_what_to_set() {
        let findings = judged(&[("10.0.0.5", by_interface("eth0"))], "eth0", false, false);
        assert_eq!(findings[1].text, "clients are told 10.0.0.5 (eth0): reachable for the private network");
        let (mark, advice) = last(&findings);
        assert_eq!(mark, Mark::Warning);
        assert!(advice.contains("UDP and TCP 7900 to 7901"), "{advice}");
        assert!(advice.contains("media.announce = [\"10.0.0.5=PUBLIC-ADDRESS\", \"10.0.0.5\"]"), "{advice}");
    }

    #[test]
    fn a_container_network_is_a_failure() {
        for (name, is_pair, container) in [("eth0", true, true), ("docker0", false, false)] {
            let (mark, advice) = {
                let findings = judged(&[("10.0.0.5", by_interface(name))], name, is_pair, container);
                let (mark, advice) = last(&findings);
                (mark, advice.to_owned())
            };
            assert_eq!(mark, Mark::Failure);
            assert!(advice.contains("media.announce = [\"ADDRESS-OF-THE-HOST\"]"), "{advice}");
        }
        let hosts_network = judged(&[("10.0.0.5", by_interface("eth0"))], "eth0", false, true);
        assert_eq!(last(&hosts_network).0, Mark::Warning);
    }

    #[test]
    fn a_public_address_of_a_nat_needs_forwarding_and_nothing_else() {
        let mapped = Origin::Mapped("10.0.0.5".parse().unwrap());
        let findings = judged(&[("203.0.113.7", mapped)], "eth0", false, false);
        assert!(findings.iter().all(|finding| finding.mark == Mark::Good));
        assert!(last(&findings).1.contains("must forward UDP and TCP 7900 to 7901"), "{findings:?}");
        let findings =
            judged(&[("10.0.0.5", by_interface("eth0")), ("203.0.113.7", Origin::Setting)], "eth0", false, false);
        assert!(findings.iter().all(|finding| finding.mark == Mark::Good));
    }

    #[test]
    fn nothing_but_loopback_is_a_failure() {
        for list in [&[][..], &[("127.0.0.1", Origin::Setting)]] {
            let findings = judged(list, "eth0", false, false);
            assert_eq!(last(&findings).0, Mark::Failure);
            assert!(findings.last().unwrap().text.contains("only clients on this host"));
        }
    }

    #[test]
    fn a_carriers_address_is_a_warning() {
        let findings = judged(&[("100.64.0.9", Origin::Setting)], "eth0", false, false);
        assert_eq!(last(&findings).0, Mark::Warning);
        assert!(findings.last().unwrap().text.contains("carrier"));
    }

    #[test]
    fn entries_that_fail_are_warnings_until_nothing_is_left() {
        let config = Config::default();
        let failures = vec!["stun:a:1 gives no address: it does not answer".to_owned()];
        let mut facts = sound(&config);
        facts.advertised.failures = failures;
        let findings = judge(&config, &facts);
        assert!(findings.iter().any(|f| f.text.contains("stun:a:1 gives no address") && f.mark == Mark::Warning));
        facts.advertised.addresses.clear();
        let findings = judge(&config, &facts);
        assert_eq!(last(&findings).0, Mark::Failure);
        assert!(findings.last().unwrap().text.contains("does not start"));
    }
}
