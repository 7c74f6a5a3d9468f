//! Asking for what is known of participants before they have their turns, of a few at once: see [`cache`](crate::cache).
//!
//! What lies behind a pointer cannot be asked for before the pointer is there. So each step is taken for all of the few before the next.

use crate::cache::prefetch;
use crate::congestion::Congestion;
use crate::participant::Participant;
use crate::publication::Subscriber;
use slab::Slab;
use std::time::Instant;

/// How many. What is known of them fills half of the nearest cache, which is of 32 KiB or more.
pub(super) const AHEAD: usize = 8;

/// For packets that are sent to some subscribers.
pub(super) fn ask_for_subscribers(participants: &Slab<Participant>, subscribers: &[Subscriber]) {
    let each = || subscribers.iter().filter_map(|to| Some((participants.get(to.participant)?, to.line)));
    for (participant, _) in each() {
        participant.transport.prefetch_sending();
        prefetch(&participant.flow.pacer);
        participant.flow.prefetch();
        prefetch(&participant.outgoing);
    }
    for (participant, line) in each() {
        participant.flow.congestion().into_iter().for_each(Congestion::prefetch_sending);
        if let Some(outgoing) = participant.outgoing.get(line) {
            prefetch(outgoing);
        }
    }
    for (participant, line) in each() {
        participant.flow.congestion().into_iter().for_each(Congestion::prefetch_next);
        if let Some(Some(outgoing)) = participant.outgoing.get(line) {
            outgoing.prefetch_next();
        }
    }
}

/// For a turn of the clock of the participants from an index on.
pub(super) fn ask_for_turns(now: Instant, participants: &Slab<Participant>, first: usize) {
    let each = || (first..first + AHEAD).filter_map(|index| participants.get(index));
    for participant in each() {
        prefetch(&participant.flow);
        prefetch(&participant.publications);
        prefetch(&participant.next_report);
        prefetch(&participant.protocol);
    }
    let due = each().filter(|participant| participant.flow.is_due(now));
    due.filter_map(|participant| participant.flow.congestion()).for_each(Congestion::prefetch);
}

/// For the choice of layers of the participants from an index on.
pub(super) fn ask_for_choices(participants: &Slab<Participant>, first: usize) {
    let each = || (first..first + AHEAD).filter_map(|index| participants.get(index));
    for participant in each() {
        prefetch(&participant.protocol);
        prefetch(&participant.outgoing);
        prefetch(&participant.flow);
    }
    for participant in each() {
        participant.flow.congestion().into_iter().for_each(Congestion::prefetch_verdict);
        participant.outgoing.first().into_iter().for_each(prefetch);
    }
}

/// For transport feedback of some participants, and what it is decrypted with.
pub(crate) fn ask_for_feedback<'a, I: Iterator<Item = &'a Participant>>(each: impl Fn() -> I) {
    for participant in each() {
        participant.transport.prefetch_rtcp();
        participant.flow.congestion().into_iter().for_each(Congestion::prefetch);
    }
    each().filter_map(|participant| participant.flow.congestion()).for_each(Congestion::prefetch_unheard);
}
