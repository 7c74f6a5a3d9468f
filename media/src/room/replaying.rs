//! Pictures that begin with what rings hold of a young key frame, so that nobody has to be asked for another.
//!
//! That is for who has nothing to show yet, or nothing any more. Who is about to change over to a better layer sees the present
//! one go on, and would be shown for a moment what it has seen already.
//!
//! What is replayed waits in the pacer as places in the encoding's ring, like all that cannot leave at once. Of several pictures
//! that begin together the key frames go first, then what follows them.

use super::Room;
use super::passing::queue_stored;
use crate::command::MediaKind;
use crate::context::Context;
use crate::participant::Participant;
use crate::publication::Publication;
use crate::subscription::{PendingReplay, Subscription};
use slab::Slab;
use std::time::Instant;

impl Room {
    /// Lets those pictures of a participant begin that can.
    pub(super) fn replay(&mut self, context: &mut Context<'_>, index: usize) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        if !choose(context.now, participant, &self.publications) {
            return;
        }
        for part in [Part::Keyframe, Part::Rest] {
            queue(context, participant, &self.publications, part);
        }
    }
}

/// What of a replay is queued.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Keyframe,
    Rest,
}

/// Notes what pictures shall begin with, as far as the pacer has room for it; whether there are any.
fn choose(now: Instant, participant: &mut Participant, publications: &Slab<Publication>) -> bool {
    let (mut packets, mut bytes) = (0, 0);
    for line in 0..participant.outgoing.len() {
        if !is_black(participant, line) {
            continue;
        }
        let Some(Some(outgoing)) = participant.outgoing.get_mut(line) else { continue };
        let Some(subscription) = &mut outgoing.subscription else { continue };
        subscription.replay = None;
        let Some(publication) = publications.get(subscription.publication) else { continue };
        let Some(found) = find(now, publication, subscription) else { continue };
        let (more, more_bytes) = (found.replay.packets(), found.replay.rest_bytes);
        if participant.flow.has_room_for(now, packets + more, bytes + more_bytes) {
            (packets, bytes) = (packets + more, bytes + more_bytes);
            subscription.replay = Some(found);
        }
    }
    packets > 0
}

/// Whether a line has nothing to show, and nothing that waits for its turn.
fn is_black(participant: &Participant, line: usize) -> bool {
    let subscription = participant.outgoing.get(line).and_then(Option::as_ref).and_then(|o| o.subscription.as_ref());
    subscription.is_some_and(|subscription| {
        let selector = &subscription.selector;
        selector.current().is_none() && !selector.is_stopped() && !subscription.refused
    }) && !participant.flow.pacer.has(line)
}

/// The best that a picture can begin with: of the encoding that is aimed at, or else of a lower one.
fn find(now: Instant, publication: &Publication, subscription: &Subscription) -> Option<PendingReplay> {
    if publication.kind != MediaKind::Video || publication.is_silenced() {
        return None;
    }
    let best = subscription.wants_keyframe_of()?;
    (0..=best).rev().find_map(|index| {
        let encoding = publication.encodings.get(index)?;
        let replay = encoding
            .replay(now)
            .filter(|_| encoding.format().is_some_and(|format| subscription.forwarded_as(format).is_some()))?;
        Some(PendingReplay { encoding: index, generation: encoding.generation, replay, next: replay.first })
    })
}

/// Lets a part of everything that was chosen wait for its turn.
fn queue(context: &mut Context<'_>, participant: &mut Participant, publications: &Slab<Publication>, part: Part) {
    for line in 0..participant.outgoing.len() {
        let Some(Some(outgoing)) = participant.outgoing.get_mut(line) else { continue };
        let Some(subscription) = &mut outgoing.subscription else { continue };
        let Some(pending) = &mut subscription.replay else { continue };
        let Some(publication) = publications.get(subscription.publication) else { continue };
        let end = if part == Part::Keyframe { pending.replay.rest } else { pending.replay.last + 1 };
        let places = pending.next..end.max(pending.next);
        pending.next = places.end;
        let (encoding, first) = (pending.encoding, pending.replay.first);
        for sequence in places {
            queue_stored(context, participant, publication, line, encoding, sequence, sequence == first);
        }
    }
}
