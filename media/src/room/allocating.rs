//! Who receives which encoding of whose video, and what publishers are told of it.
//!
//! What a participant's path carries is its [`Flow`](crate::flow::Flow)'s word, how it is spent [`allocate`]'s. Here wishes are
//! put together from what there is and how it is shown, and decisions become what selectors aim at.

use super::Room;
use super::ahead::{AHEAD, ask_for_choices, ask_for_turns};
use super::repairing::repair_late;
use crate::allocation::{Decision, Offer, Outcome, Scratch, Wish, allocate};
use crate::command::{Event, MediaKind, PauseReason};
use crate::congestion::Demand;
use crate::context::Context;
use crate::outbox::Outbox;
use crate::publication::{Encoding, Publication, Publisher};
use crate::subscription::{MAX_ENCODINGS, Outgoing, Subscription};
use std::time::Instant;

/// What is needed for one participant's choice; kept for its memory.
#[derive(Default)]
pub(crate) struct Choosing {
    wishes: Vec<Wish>,
    /// The outgoing stream of each.
    lines: Vec<usize>,
    decisions: Vec<Decision>,
    scratch: Scratch,
}

/// What a subscription stays at instead of rising, where a decision is for a better layer than it is sent, or for the end of a
/// pause; `None` for every other decision.
fn instead_of_rising(wish: &Wish, decision: Decision) -> Option<Decision> {
    let next = decision.layer()?;
    match wish.current {
        Some(current) if changes_size(wish, decision) => {
            let rises = wish.quality(next) > wish.quality(current) && wish.is_useful(current);
            rises.then_some(Decision::Forward(current))
        }
        None if wish.was_paused => Some(Decision::Paused),
        _ => None,
    }
}

/// The lowest encoding instead of a better one that is lower than what was sent: there is a queue to drain first, and if the estimate
/// goes on falling this is the only fall that needs a key frame.
fn lowest(decision: Decision, wish: &Wish) -> Decision {
    let Decision::Forward(layer) = decision else { return decision };
    let offer = wish.offer_of(layer);
    let falls = wish.current.is_some_and(|current| offer < wish.offer_of(current));
    let lowest = wish.lowest().map(|lowest| wish.offer_of(lowest)).filter(|lowest| falls && *lowest < offer);
    lowest.map_or(decision, |lowest| Decision::Forward(wish.layer(lowest, None)))
}

/// Whether more than the frame rate changes: only another encoding, or a larger picture of the same, begins with a key frame.
fn changes_size(wish: &Wish, decision: Decision) -> bool {
    wish.current.map(|layer| wish.offer_of(layer)) != decision.layer().map(|layer| wish.offer_of(layer))
}

/// The lowest layer instead of a pause, for as long as the estimate is a guess.
fn unpaused(decision: Decision, wish: &Wish) -> Decision {
    match decision {
        Decision::Paused => wish.lowest().map_or(decision, Decision::Forward),
        _ => decision,
    }
}

impl Room {
    /// Chooses for everybody anew, and repeats requests for key frames that are still awaited. Returns whether there are any.
    pub(super) fn choose_layers(&mut self, context: &mut Context<'_>) -> bool {
        for index in 0..self.participants.capacity() {
            if index.is_multiple_of(AHEAD) {
                ask_for_choices(&self.participants, index);
            }
            self.choose_for(context, index);
        }
        self.ask_publishers(context)
    }

    /// Chooses for a participant anew. Before it is connected nothing is decided: a key frame would come too early, and delay the
    /// one that it needs.
    pub(super) fn choose_for(&mut self, context: &mut Context<'_>, index: usize) {
        let Some(participant) = self.participants.get(index).filter(|participant| participant.is_connected()) else {
            return;
        };
        let now = context.now;
        let mut choosing = std::mem::take(&mut context.core.choosing);
        choosing.wishes.clear();
        choosing.lines.clear();
        let layer_of = |outgoing: &Outgoing| outgoing.subscription.as_ref().and_then(|subscription| subscription.layer);
        let is_black = !participant.outgoing.iter().flatten().any(|outgoing| layer_of(outgoing).is_some());
        for (line, outgoing) in participant.outgoing.iter().enumerate() {
            let Some(subscription) = outgoing.as_ref().and_then(|outgoing| outgoing.subscription.as_ref()) else {
                continue;
            };
            let Some(publication) = self.publications.get(subscription.publication) else { continue };
            if publication.kind != MediaKind::Video || publication.is_silenced() {
                continue;
            }
            choosing.lines.push(line);
            choosing.wishes.push(self.wish(now, publication, subscription, is_black));
        }
        let Choosing { wishes, lines, decisions, scratch } = &mut choosing;
        let Outcome { sending_bps, next_bps, wanted_bps } =
            allocate(participant.flow.budget(now), wishes, scratch, decisions);
        let Some(participant) = self.participants.get_mut(index) else { return };
        let is_short = decisions.contains(&Decision::Paused);
        participant.flow.decide(now, Demand { sending_bps, next_bps, wanted_bps }, is_short);
        let (id, is_guess) = (participant.id, participant.flow.is_guess(now));
        let was_sending_bps =
            wishes.iter().filter_map(|wish| Some(wish.offers.get(wish.offer_of(wish.current?))?.bitrate_bps)).sum();
        let is_steep = participant.flow.is_steep_fall(now, was_sending_bps);
        for ((line, wish), decision) in lines.iter().zip(wishes.iter()).zip(decisions.iter()) {
            let Some(Some(outgoing)) = participant.outgoing.get_mut(*line) else { continue };
            let Some(subscription) = &mut outgoing.subscription else { continue };
            let Some(publication) = self.publications.get(subscription.publication) else { continue };
            let mut decision = match *decision {
                decision if is_guess => unpaused(decision, wish),
                decision if is_steep => lowest(decision, wish),
                decision => decision,
            };
            if let Some(stays) = instead_of_rising(wish, decision)
                && !is_black
                && !participant.flow.may_rise(now, sending_bps)
            {
                decision = stays;
            }
            // What a first guess has no room for has not failed.
            if !is_guess && subscription.dwell.on_decision(now, wish, decision) && changes_size(wish, decision) {
                participant.flow.on_fall(now);
            }
            subscription.layer = decision.layer();
            let (track, pauses) = (publication.track, decision == Decision::Paused);
            match decision {
                Decision::Forward(layer) if is_steep && publication.is_alive(now, layer.encoding) => {
                    subscription.leave_for(layer);
                    participant.flow.pacer.forget(*line, |encoding| encoding <= layer.encoding);
                    if changes_size(wish, decision) {
                        participant.flow.restart(now);
                    }
                }
                Decision::Forward(layer) => subscription.aim(layer),
                Decision::Hidden | Decision::Paused => {
                    if subscription.selector.stop() {
                        participant.flow.pacer.forget(*line, |_| false);
                    }
                }
                Decision::Nothing => continue,
            }
            // A pause is over when the first picture has left, which is a key frame that may have to be made, and waits for its turn.
            let has_left = subscription.selector.current().is_some() && !participant.flow.pacer.has(*line);
            let is_awaited = decision.layer().is_some() && !has_left;
            if pauses && !subscription.is_paused {
                context.core.stats.pauses += 1;
                context.emit(Event::SubscriptionPaused { participant: id, track, reason: PauseReason::Bandwidth });
                subscription.is_paused = true;
            } else if !pauses && subscription.is_paused && !is_awaited {
                context.emit(Event::SubscriptionResumed { participant: id, track });
                subscription.is_paused = false;
            }
        }
        context.core.choosing = choosing;
        self.replay(context, index);
    }
}

impl Room {
    /// What a participant's subscription could be given, and how it is shown. `is_black` tells that the participant is sent nothing at all.
    pub(super) fn wish(
        &self,
        now: Instant,
        publication: &Publication,
        subscription: &Subscription,
        is_black: bool,
    ) -> Wish {
        let mut offers = [Offer::default(); MAX_ENCODINGS];
        let encodings = &publication.encodings;
        let offer = |index: usize, encoding: &Encoding| Offer {
            bitrate_bps: encoding.cost.bitrate_bps(index, encodings.len()),
            height: encoding.size.map(|(_, height)| height),
            is_available: publication.is_alive(now, index) || publication.watching.can_wake(now, index),
            temporal: encoding.temporal.get(),
        };
        let layered = match encodings.as_slice() {
            [encoding] => Some(encoding).filter(|encoding| encoding.spatial.count() > 1),
            _ => None,
        };
        let count = match layered {
            Some(encoding) => {
                let whole = offer(0, encoding);
                let costs_bps = encoding.spatial.costs_bps(whole.bitrate_bps);
                for (layer, (offer, bitrate_bps)) in offers.iter_mut().zip(costs_bps).enumerate() {
                    *offer = Offer { bitrate_bps, height: encoding.spatial.height(layer), ..whole };
                }
                encoding.spatial.count()
            }
            None => {
                for (index, (place, encoding)) in offers.iter_mut().zip(encodings).enumerate() {
                    *place = offer(index, encoding);
                }
                encodings.len()
            }
        };
        let publisher = self.publisher_of(publication);
        Wish {
            offers,
            count,
            is_layered: layered.is_some(),
            limit: subscription.limit,
            view: subscription.view,
            source: publication.source,
            speaks: publisher.is_some() && publisher == self.speakers.active(),
            current: subscription.layer,
            was_paused: subscription.is_paused,
            rise: if is_black { subscription.dwell.rise_from_nothing(now) } else { subscription.dwell.rise(now) },
            order: publication.track.0 as u32,
        }
    }

    /// Asks for the key frames that are awaited, and tells publishers, here and elsewhere, what is watched.
    fn ask_publishers(&mut self, context: &mut Context<'_>) -> bool {
        let mut awaits = false;
        for (_, publication) in self.publications.iter_mut().filter(|(_, publication)| !publication.is_silenced()) {
            let mut watched = 0;
            for subscriber in &publication.subscribers {
                let participant = self.participants.get(subscriber.participant).filter(|p| p.is_connected());
                let Some(subscription) =
                    participant.and_then(|p| p.outgoing.get(subscriber.line)?.as_ref()?.subscription.as_ref())
                else {
                    continue;
                };
                let spatial_layers =
                    |index: usize| publication.encodings.get(index).map_or(1, Encoding::spatial_layers);
                let awaited = subscription.awaits_keyframe_of(spatial_layers);
                let sources = [subscription.selector.current(), awaited];
                watched |= sources.into_iter().flatten().fold(0, |bits, encoding| bits | 1 << encoding);
                // What waits in the pacer already begins with a key frame.
                let waits = |awaited: &usize| {
                    let replays = subscription.replay.is_some_and(|pending| pending.encoding == *awaited);
                    participant.is_some_and(|participant| {
                        let pacer = &participant.flow.pacer;
                        let line = subscriber.line;
                        replays && pacer.has(line) || pacer.has_beginning(line, *awaited)
                    })
                };
                let awaited = awaited.filter(|awaited| !waits(awaited));
                if let Some(encoding) = awaited.and_then(|awaited| publication.encodings.get_mut(awaited)) {
                    encoding.request_keyframe();
                    awaits = true;
                }
            }
            let told = match &mut publication.publisher {
                Publisher::Elsewhere(mirror) => {
                    mirror.note_wanted(context.now, watched);
                    None
                }
                Publisher::Member(_) if publication.kind == MediaKind::Audio => None,
                Publisher::Member(index) => {
                    let relayed = publication.wanted_by.iter().enumerate().filter(|(_, by)| !by.is_empty());
                    let watched = relayed.fold(watched, |bits, (encoding, _)| bits | 1 << encoding);
                    let wanted = publication.watching.update(context.now, watched, publication.encodings.len());
                    self.participants.get(*index).map(|publisher| publisher.id).zip(wanted)
                }
            };
            if let Some((participant, wanted)) = told {
                let encodings = publication.encodings.iter().enumerate();
                let encodings = encodings.map(|(index, encoding)| (encoding.rid, wanted >> index & 1 == 1)).collect();
                let (mid, track) = (publication.mid.as_str().to_owned(), publication.track);
                context.emit(Event::EncodingsWanted { participant, mid, track, encodings });
            }
        }
        awaits
    }

    /// Keeps everybody's estimate and pacer up to date. Where an estimate has moved far, all is chosen anew with the next turn. Returns
    /// whether something is about to change on somebody's path.
    pub(super) fn tend_flows(&mut self, context: &mut Context<'_>, flush: &mut dyn FnMut(&mut Outbox)) -> bool {
        let mut restless = false;
        for index in 0..self.participants.capacity() {
            if index.is_multiple_of(AHEAD) {
                ask_for_turns(context.now, &self.participants, index);
            }
            let Some(participant) = self.participants.get_mut(index) else { continue };
            let flow = &participant.flow;
            if !flow.is_estimated() || !flow.is_due(context.now) || !participant.is_connected() {
                continue;
            }
            participant.flow.turn(context.now, context.micros);
            repair_late(context, participant, &self.publications);
            context.core.flush_if_full(flush);
            restless |= !participant.flow.is_calm();
            self.hurried |= participant.flow.has_moved(context.now);
            if participant.flow.pacer.is_busy() {
                context.core.pacing.schedule(participant.slot, context.now);
            }
        }
        restless
    }
}
