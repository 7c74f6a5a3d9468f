//! What the process may use: open files, memory; and whether its clock is right.

use super::facts::{Facts, ResourceFacts};
use super::report::{Finding, Mark};
use parlor_config::Config;

const SUBJECT: &str = "resources";

/// Files beside clients' connections: sockets of shards, the store, HTTP requests.
const OTHER_FILES: u64 = 256;
/// Less memory than this is soon full.
const LITTLE_MEMORY: u64 = 256 << 20;
/// 2025: before that there was no Parlor, and no token that is good is signed with such a time.
const EARLIEST: u64 = 1_735_689_600;

pub(super) fn judge(config: &Config, facts: &Facts) -> Vec<Finding> {
    let resources = &facts.resources;
    let findings = [of_files(config, resources), of_memory(config, resources), Some(of_clock(resources))];
    findings.into_iter().flatten().collect()
}

fn of_files(config: &Config, resources: &ResourceFacts) -> Option<Finding> {
    let limit = resources.open_files?;
    let wanted = u64::from(config.limits.max_connections) + OTHER_FILES;
    Some(if limit >= wanted {
        Finding::new(SUBJECT, Mark::Good, format!("{limit} files may be open, enough for limits.max_connections"))
    } else {
        let text = format!(
            "{limit} files may be open, too few for limits.max_connections = {}",
            config.limits.max_connections
        );
        Finding::new(SUBJECT, Mark::Warning, text)
            .advise(format!("ulimit -n {wanted}, or LimitNOFILE={wanted} in a unit of systemd"))
    })
}

fn of_memory(config: &Config, resources: &ResourceFacts) -> Option<Finding> {
    let available = resources.memory?;
    let limit = u64::from(config.limits.max_memory_mib) << 20;
    let text = format!("{} MiB of memory may be used", available >> 20);
    Some(if limit > available {
        Finding::new(SUBJECT, Mark::Warning, format!("{text}, less than limits.max_memory_mib"))
            .advise("set it to what there is, or to 0")
    } else if available < LITTLE_MEMORY {
        Finding::new(SUBJECT, Mark::Warning, text).advise("that is enough for a few people only")
    } else {
        Finding::new(SUBJECT, Mark::Good, text)
    })
}

fn of_clock(resources: &ResourceFacts) -> Finding {
    if resources.unix_time < EARLIEST {
        let text = "the clock is years behind: tokens are refused, certificates are not valid";
        return Finding::new(SUBJECT, Mark::Failure, text).advise("set it, and keep it by NTP");
    }
    match resources.is_clock_synchronised {
        Some(true) => Finding::new(SUBJECT, Mark::Good, "the clock is kept in step with others (NTP)"),
        Some(false) => Finding::new(SUBJECT, Mark::Warning, "the clock is not kept in step with others")
            .advise("tokens depend on it: run chrony or systemd-timesyncd"),
        None => Finding::new(SUBJECT, Mark::Good, "the system does not tell whether the clock is kept by NTP"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::facts::sound;
    use super::*;

    fn marks(resources: ResourceFacts) -> Vec<Mark> {
        let mut config = Config::default();
        config.limits.max_memory_mib = 1024;
        let facts = Facts { resources, ..sound(&config) };
        judge(&config, &facts).iter().map(|finding| finding.mark).collect()
    }

    #[test]
    fn each_shortage_is_told() {
        use Mark::{Failure, Good, Warning};
        let sound = sound(&Config::default()).resources;
        assert_eq!(marks(sound), [Good, Good, Good]);
        assert_eq!(marks(ResourceFacts { open_files: Some(10_255), ..sound }), [Warning, Good, Good]);
        assert_eq!(marks(ResourceFacts { open_files: Some(10_256), ..sound }), [Good, Good, Good]);
        assert_eq!(marks(ResourceFacts { memory: Some(512 << 20), ..sound }), [Good, Warning, Good]);
        assert_eq!(marks(ResourceFacts { is_clock_synchronised: Some(false), ..sound }), [Good, Good, Warning]);
        assert_eq!(marks(ResourceFacts { unix_time: 0, ..sound }), [Good, Good, Failure]);
        assert_eq!(marks(ResourceFacts { unix_time: EARLIEST, ..ResourceFacts::default() }), [Good]);
    }
}
