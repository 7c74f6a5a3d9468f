//! Whether the ports of media can be had.

use super::facts::{Facts, PortState, ShardPort};
use super::report::{Finding, Mark};
use parlor_config::Config;

const SUBJECT: &str = "ports";

/// What firewalls must let in, and NATs forward: `UDP and TCP 7900 to 7903`.
pub(super) fn to_open(config: &Config, facts: &Facts) -> String {
    let protocols = if config.media.tcp { "UDP and TCP" } else { "UDP" };
    let ports: Vec<u16> = facts.ports.shards.iter().flatten().map(|shard| shard.port).collect();
    match (ports.first(), ports.last()) {
        (Some(first), Some(last)) if *first != 0 && first != last => format!("{protocols} {first} to {last}"),
        (Some(port), _) if *port != 0 => format!("{protocols} {port}"),
        _ => format!("the media ports ({protocols})"),
    }
}

pub(super) fn judge(config: &Config, facts: &Facts) -> Vec<Finding> {
    let finding = |mark, text: String| Finding::new(SUBJECT, mark, text);
    let shards = match &facts.ports.shards {
        Ok(shards) => shards,
        Err(reason) => return vec![finding(Mark::Failure, reason.clone())],
    };
    let states = |shard: &ShardPort| {
        let tcp = shard.tcp.clone().map(|state| ("TCP", shard.port, state));
        std::iter::once(("UDP", shard.port, shard.udp.clone())).chain(tcp)
    };
    let of_trouble = shards.iter().flat_map(states).filter_map(|(protocol, port, state)| {
        of_port(SUBJECT, &format!("{protocol} {port}"), "media.udp_port", &state)
    });
    let mut findings: Vec<Finding> = of_trouble.collect();
    if findings.is_empty() {
        let text = if config.media.udp_port == 0 {
            finding(Mark::Warning, "every start takes other media ports (media.udp_port = 0)".to_owned())
                .advise("firewalls and NATs cannot be told which to let in: set media.udp_port")
        } else {
            finding(Mark::Good, format!("{} can be had; firewalls must let them in", to_open(config, facts)))
        };
        findings.push(text);
    }
    if !config.media.tcp {
        let text = "networks that block UDP have no media (media.tcp = false)";
        findings.push(finding(Mark::Warning, text.to_owned()));
    }
    findings
}

/// What is to be said of a port that is not free.
pub(super) fn of_port(subject: &'static str, name: &str, key: &str, state: &PortState) -> Option<Finding> {
    let finding = |mark, text: String| Some(Finding::new(subject, mark, text));
    match state {
        PortState::Free => None,
        PortState::Taken(Some(owner)) if owner.is_parlor() => {
            finding(Mark::Good, format!("{name} is in use by a running parlor (process {})", owner.id))
        }
        PortState::Taken(Some(owner)) => Some(
            Finding::new(subject, Mark::Failure, format!("{name} is in use by {} (process {})", owner.name, owner.id))
                .advise(format!("stop it, or choose another port ({key})")),
        ),
        PortState::Taken(None) => Some(
            Finding::new(subject, Mark::Warning, format!("{name} is in use, and the system does not tell by whom"))
                .advise("unless that is a running parlor the server will not start; root is told who it is"),
        ),
        PortState::Refused(reason) => Some(
            Finding::new(subject, Mark::Failure, format!("{name} cannot be had: {reason}"))
                .advise(format!("allow it, or choose another port ({key})")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::{PortFacts, sound};
    use super::super::system::Process;
    use super::*;

    fn with(udp: PortState) -> Vec<Finding> {
        let config = Config::default();
        let shards = vec![ShardPort { port: 7900, udp, tcp: Some(PortState::Free) }];
        let ports = PortFacts { http: PortState::Free, shards: Ok(shards) };
        judge(&config, &Facts { ports, ..sound(&config) })
    }

    fn process(name: &str) -> PortState {
        PortState::Taken(Some(Process { id: 7, name: name.to_owned() }))
    }

    #[test]
    fn each_state_has_its_mark() {
        for (state, mark, text) in [
            (PortState::Free, Mark::Good, "UDP and TCP 7900 can be had; firewalls must let them in"),
            (process("parlor"), Mark::Good, "UDP 7900 is in use by a running parlor (process 7)"),
            (process("nginx"), Mark::Failure, "UDP 7900 is in use by nginx (process 7)"),
            (PortState::Taken(None), Mark::Warning, "UDP 7900 is in use, and the system does not tell by whom"),
            (PortState::Refused("no".to_owned()), Mark::Failure, "UDP 7900 cannot be had: no"),
        ] {
            let findings = with(state);
            assert_eq!((findings.len(), findings[0].mark, findings[0].text.as_str()), (1, mark, text));
        }
    }

    #[test]
    fn what_to_open_is_said_as_firewalls_want_it() {
        let mut config = Config::default();
        let mut facts = sound(&config);
        assert_eq!(to_open(&config, &facts), "UDP and TCP 7900 to 7901");
        config.media.tcp = false;
        assert_eq!(to_open(&config, &facts), "UDP 7900 to 7901");
        assert_eq!(judge(&config, &facts).last().unwrap().mark, Mark::Warning);
        facts.ports.shards = Err("too many".to_owned());
        assert_eq!(to_open(&config, &facts), "the media ports (UDP)");
        assert_eq!(judge(&config, &facts)[0].mark, Mark::Failure);
        config.media.udp_port = 0;
        let any = ShardPort { port: 0, udp: PortState::Free, tcp: None };
        facts.ports.shards = Ok(vec![any.clone(), any]);
        assert_eq!(to_open(&config, &facts), "the media ports (UDP)");
        assert_eq!(judge(&config, &facts)[0].mark, Mark::Warning);
    }
}
