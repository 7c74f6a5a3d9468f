//! What the thread of each shard counts of itself.

use super::labels::SHARD;
use super::{Scrape, metrics};
use crate::readings::BodyStats;

metrics! {
    SHARD_RESTARTS = Counter "parlor_shard_restarts_total" [SHARD], "Times that a shard lost its rooms to a panic and started anew.";
    EVENT_STALLS = Counter "parlor_event_stalls_total" [SHARD], "Times that a shard found the control plane's queue full.";
}

pub(in crate::metrics) fn read(scrape: &mut Scrape, shard: &str, stats: &BodyStats) {
    scrape.add(&SHARD_RESTARTS, &[shard], stats.restarts);
    scrape.add(&EVENT_STALLS, &[shard], stats.event_stalls);
}
