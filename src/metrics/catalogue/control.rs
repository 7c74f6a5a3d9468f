//! What the control plane counts of rooms and people, and of what it refuses.

use super::labels::{CAUSE_OF_CREDENTIALS, CODE, LIMIT, OUTCOME_OF_JOINS, OUTCOME_OF_RESUMES};
use super::{Scrape, metrics};
use parlor_signaling::Stats;

metrics! {
    DRAINING = Gauge "parlor_draining", "1 while the server is about to end and begins no new calls.";
    ROOMS = Gauge "parlor_rooms", "Rooms.";
    ROOMS_CREATED = Counter "parlor_rooms_created_total", "Rooms created.";
    PURGES_PENDING = Gauge "parlor_purges_pending", "Rooms that have ended and of which something may be left in the store or the files.";
    PARTICIPANTS = Gauge "parlor_participants", "Participants, those whose connection is lost and may resume included.";
    DETACHED = Gauge "parlor_participants_detached", "Participants whose connection is lost and may resume.";
    WAITING = Gauge "parlor_participants_waiting", "People who wait in lobbies.";
    JOINS = Counter "parlor_joins_total" [OUTCOME_OF_JOINS], "What became of `join-room`; who waited in a lobby and was let in counts as joined too.";
    RESUMES = Counter "parlor_resumes_total" [OUTCOME_OF_RESUMES], "What became of `resume`.";
    ERRORS_TOLD = Counter "parlor_errors_total" [CODE], "Errors told to clients, by code.";
    LIMITS_HIT = Counter "parlor_limits_hit_total" [LIMIT], "Refusals by a limit of the configuration.";
    CREDENTIALS_REFUSED = Counter "parlor_credentials_refused_total" [CAUSE_OF_CREDENTIALS], "Credentials refused as `token-invalid`, by what was wrong.";
}

pub(in crate::metrics) fn read(scrape: &mut Scrape, stats: &Stats) {
    scrape.add(&DRAINING, &[], stats.draining.into());
    scrape.add(&ROOMS, &[], stats.rooms as u64);
    scrape.add(&ROOMS_CREATED, &[], stats.rooms_created);
    scrape.add(&PURGES_PENDING, &[], stats.purges_pending as u64);
    scrape.add(&PARTICIPANTS, &[], stats.participants as u64);
    scrape.add(&DETACHED, &[], stats.detached as u64);
    scrape.add(&WAITING, &[], stats.waiting as u64);
    for (outcome, count) in stats.joins.iter() {
        scrape.add(&JOINS, &[outcome.as_str()], count);
    }
    for (outcome, count) in stats.resumes.iter() {
        scrape.add(&RESUMES, &[outcome.as_str()], count);
    }
    for (code, count) in stats.errors.occurred() {
        scrape.add(&ERRORS_TOLD, &[code.as_str()], count);
    }
    for (limit, count) in stats.limits.iter() {
        scrape.add(&LIMITS_HIT, &[limit.as_str()], count);
    }
    for (fault, count) in stats.credentials_refused.iter() {
        scrape.add(&CREDENTIALS_REFUSED, &[fault.as_str()], count);
    }
}
