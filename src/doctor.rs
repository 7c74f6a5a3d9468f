//! `parlor doctor`: what clients of a server with this configuration will be offered, and what stands in their way.
//!
//! [`facts`] gathers what there is to know, from the system and by trying; it leaves nothing behind and takes nothing from a
//! running server. The other modules, one for each subject, judge the facts: pure functions that make [`Finding`]s.
//! Everything is bounded; only what does not answer (a STUN server, a database) makes it take seconds.

mod addresses;
mod facts;
mod ports;
mod report;
mod resources;
mod storage;
mod system;
mod udp;
mod web;

pub use report::Report;

use facts::Facts;
use parlor_config::Config;
use report::Finding;

/// Looks at the host as the server would find it.
pub async fn examine(config: &Config) -> Report {
    judge(config, &Facts::gather(config).await)
}

fn judge(config: &Config, facts: &Facts) -> Report {
    let judgements =
        [addresses::judge, ports::judge, udp::judge, web::judge, storage::judge, resources::judge].into_iter();
    let findings: Vec<Finding> = judgements.flat_map(|judge| judge(config, facts)).collect();
    Report::new(findings, addresses::offers(facts))
}
