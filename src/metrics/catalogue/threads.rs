//! What the thread of each shard counts of itself.

use super::labels::SHARD;
use super::{MICROSECONDS, Scrape, metrics};
use crate::readings::BodyStats;

metrics! {
    SHARD_BUSY = Counter "parlor_shard_busy_seconds_total" [SHARD], "Time that a shard's thread worked and did not wait: its rate is the shard's load, of which 1 is all.";
    TICKS = Histogram(MICROSECONDS) "parlor_tick_seconds" [SHARD], "How long a shard's ticks took: what came in meanwhile waited that long.";
    FORWARDING = Histogram(MICROSECONDS) "parlor_forwarding_seconds" [SHARD], "From the beginning of the tick that received a datagram to the kernel's having taken what it caused to be sent, by datagrams sent. The time in the socket's receive buffer comes on top: as a rule no more than the tick before.";
    WINDOW = Gauge "parlor_coalescing_window_seconds" [SHARD], "How far apart a shard's receiving begins, so that more leaves together: 0 unless it is busy with video.";
    HELD = Counter "parlor_coalescing_held_seconds_total" [SHARD], "Time that a shard did not receive for that, though it had nothing else to do.";
    COMMANDS_QUEUED = Gauge "parlor_shard_commands_queued" [SHARD], "Commands that wait for a shard; beyond 4096 the control plane waits.";
    EVENTS_QUEUED = Gauge "parlor_shard_events_queued" [SHARD], "Events of a shard that wait for the control plane; beyond 8192 they wait in the engine.";
    EVENT_STALLS = Counter "parlor_event_stalls_total" [SHARD], "Times that a shard found the control plane's queue full.";
    SHARD_RESTARTS = Counter "parlor_shard_restarts_total" [SHARD], "Times that a shard lost its rooms to a panic and started anew.";
}

pub(in crate::metrics) fn read(scrape: &mut Scrape, shard: &str, stats: &BodyStats) {
    scrape.add_fraction(&SHARD_BUSY, &[shard], stats.busy.as_secs_f64());
    scrape.add_histogram(&TICKS, &[shard], &stats.ticks);
    scrape.add_histogram(&FORWARDING, &[shard], &stats.forwarding.0);
    scrape.add_fraction(&WINDOW, &[shard], stats.window.as_secs_f64());
    scrape.add_fraction(&HELD, &[shard], stats.held.as_secs_f64());
    scrape.add(&COMMANDS_QUEUED, &[shard], stats.commands_queued);
    scrape.add(&EVENTS_QUEUED, &[shard], stats.events_queued);
    scrape.add(&EVENT_STALLS, &[shard], stats.event_stalls);
    scrape.add(&SHARD_RESTARTS, &[shard], stats.restarts);
}
