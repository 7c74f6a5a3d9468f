//! Who receives what: subscribing, binding to m-lines, and undoing both.

use super::Room;
use crate::command::{Event, Rid, Source, SubscriptionError, View};
use crate::context::Context;
use crate::ids::TrackId;
use crate::negotiation::{LineIndex, Msid};
use crate::participant::PendingSubscription;
use crate::publication::Subscriber;
use crate::rtp::ring::RingLimits;
use crate::subscription::{Outgoing, Subscription};
use crate::wire_id::wire_id;
use rand::RngExt;

/// Tracks that one participant receives at most. A browser is at its end well before; the SDP of such a session has
/// some 100 m-lines. Where only the loudest voices are heard, those of a client that follows bindings come on top: they are few.
pub(super) const MAX_SUBSCRIPTIONS: usize = 96;

/// Tracks that one participant may have asked for before they can be known: microphones of a large room among them.
pub(super) const MAX_WISHES: usize = 1_024;

impl Room {
    /// Subscribes a participant to a track.
    pub(crate) fn subscribe(&mut self, context: &mut Context<'_>, index: usize, track: TrackId) {
        let known = self.publication_of(track);
        if known.is_none() && self.expect(index, track) {
            return;
        }
        let Some(participant) = self.participants.get(index) else { return };
        let key = known.filter(|key| self.publications[*key].member() != Some(index));
        let Some(key) = key else {
            let reason = SubscriptionError::NoTrack;
            return context.emit(Event::SubscriptionFailed { participant: participant.id, track, reason });
        };
        self.bind(context, index, key);
        self.activate(context, index);
        if let Some(participant) = self.participants.get_mut(index) {
            participant.negotiate(context);
        }
    }

    /// Gives a publication a line of the participant's connection. It starts once the line is negotiated; before the
    /// participant's first offer there can be none, and the wish is kept. So it is of a voice that is not heard at present, if
    /// the client follows bindings.
    pub(super) fn bind(&mut self, context: &mut Context<'_>, index: usize, key: usize) {
        let Some(publisher_id) = self.publications.get(key).and_then(|p| self.publisher_of(p)) else { return };
        let (Some(publication), Some(participant)) = (self.publications.get(key), self.participants.get_mut(index))
        else {
            return;
        };
        if participant.is_subscribed(key) {
            return;
        }
        let is_voice = participant.settings.follows_bindings && publication.source == Source::Microphone;
        if is_voice {
            participant.listens.insert(key);
        }
        if !participant.negotiated {
            if is_voice {
                return;
            }
            let wishes = &mut participant.wishes;
            if wishes.len() < MAX_WISHES && !wishes.contains(&publication.track) {
                wishes.push(publication.track);
            }
            return;
        }
        let is_choosing = self.voices.is_choosing();
        if is_voice && !self.voices.is_heard(key) {
            return self.reserve_lines(index);
        }
        let listens = &participant.listens;
        let others = participant.count_subscriptions(|key| !(is_choosing && listens.contains(key)));
        let full = others >= MAX_SUBSCRIPTIONS && !(is_choosing && is_voice);
        let msid = Msid { stream: wire_id('p', publisher_id.0), track: wire_id('t', publication.track.0) };
        let line = if full { None } else { participant.negotiator.bind(publication.kind, msid) };
        match line {
            Some(line) => {
                participant.pending.push(PendingSubscription { line, publication: key });
                context.core.stats.subscriptions += 1;
            }
            None => {
                participant.listens.remove(key);
                context.emit(Event::SubscriptionFailed {
                    participant: participant.id,
                    track: publication.track,
                    reason: SubscriptionError::TooMany,
                });
            }
        }
    }

    /// Starts the pending subscriptions whose lines are negotiated, and chooses layers for them.
    pub(super) fn activate(&mut self, context: &mut Context<'_>, index: usize) {
        self.start_pending(context, index);
        self.choose_for(context, index);
        self.hurry();
    }

    /// The same where no picture is among them.
    pub(super) fn start_pending(&mut self, context: &mut Context<'_>, index: usize) {
        let Some(participant) = self.participants.get(index) else { return };
        let pending = participant.pending.clone();
        for PendingSubscription { line, publication: key } in pending {
            let Some(publication) = self.publications.get(key) else { continue };
            let whose = self.publisher_of(publication).zip(self.numbering_of(publication).cloned());
            let Some((publisher_id, numbering)) = whose else { continue };
            let Some(participant) = self.participants.get_mut(index) else { return };
            let Some(send_line) = participant.negotiator.send_line(line) else { continue };
            let subscription = Subscription::new(key, &numbering, send_line);
            let mid = send_line.mid.as_str().to_owned();
            let slot = line.index();
            if participant.outgoing.len() <= slot {
                // Lines come in batches and stay: twice the room would be for nothing.
                participant.outgoing.reserve_exact(slot + 1 - participant.outgoing.len());
                participant.outgoing.resize_with(slot + 1, || None);
            }
            let rng = &mut context.core.rng;
            let outgoing =
                participant.outgoing[slot].get_or_insert_with(|| Outgoing::new(send_line, rng.random(), rng.random()));
            outgoing.subscription = Some(subscription);
            if outgoing.is_numbered() {
                participant.flow.begin(context.now, context.micros);
            }
            participant.pending.retain(|pending| pending.line != line);
            let id = participant.id;
            let Some(publication) = self.publications.get_mut(key) else { continue };
            if publication.subscribers.is_empty() {
                let history = RingLimits::history_for(participant.rtt.get());
                publication.encodings.iter_mut().for_each(|encoding| encoding.set_history(context.now, history));
            }
            publication.subscribers.push(Subscriber { participant: index, line: slot });
            context.emit(Event::Bound { participant: id, mid, track: publication.track, publisher: publisher_id });
        }
    }

    /// Ends the subscriptions whose lines the client's answer refuses. A line that its own offer switches off merely waits.
    pub(super) fn drop_refused(&mut self, context: &mut Context<'_>, index: usize, refused: &[LineIndex]) {
        let Some(participant) = self.participants.get(index) else { return };
        let (id, keys) = (participant.id, participant.publications_on(refused));
        for key in keys {
            let Some(publication) = self.publications.get_mut(key) else { continue };
            publication.subscribers.retain(|subscriber| subscriber.participant != index);
            let track = publication.track;
            self.unbind(context, index, key);
            if let Some(participant) = self.participants.get_mut(index) {
                participant.listens.remove(key);
            }
            context.emit(Event::SubscriptionFailed { participant: id, track, reason: SubscriptionError::Refused });
        }
    }

    /// Follows new numbers in what a participant receives, and what it does not want to receive at present.
    pub(super) fn replan(&mut self, context: &mut Context<'_>, index: usize) {
        let Some(participant) = self.participants.get(index) else { return };
        let lines: Vec<usize> = (0..participant.outgoing.len()).collect();
        for line in lines {
            self.replan_line(index, line);
            self.suspend_if_refused(context, index, line);
        }
    }

    /// Takes back a subscription whose line the client has switched off: it waits until the line is on again.
    fn suspend_if_refused(&mut self, context: &mut Context<'_>, index: usize, slot: usize) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        let Some(Some(outgoing)) = participant.outgoing.get_mut(slot) else { return };
        let line = outgoing.line;
        if participant.negotiator.send_line(line).is_some() {
            return;
        }
        let Some(subscription) = outgoing.release() else { return };
        participant.flow.pacer.forget(slot, |_| false);
        participant.pending.push(PendingSubscription { line, publication: subscription.publication });
        let Some(publication) = self.publications.get_mut(subscription.publication) else { return };
        publication.subscribers.retain(|subscriber| subscriber.participant != index);
        if let Some(mid) = participant.negotiator.mid(line) {
            let (participant, mid, track) = (participant.id, mid.as_str().to_owned(), publication.track);
            context.emit(Event::Unbound { participant, mid, track });
        }
    }

    /// Follows new numbers in what a participant publishes.
    pub(super) fn replan_subscribers(&mut self, index: usize) {
        let own = self.publications.iter().filter(|(_, publication)| publication.member() == Some(index));
        let subscribers: Vec<Subscriber> = own.flat_map(|(_, publication)| publication.subscribers.clone()).collect();
        for subscriber in subscribers {
            self.replan_line(subscriber.participant, subscriber.line);
        }
    }

    pub(super) fn replan_line(&mut self, index: usize, line: usize) {
        let numbering = self
            .participants
            .get(index)
            .and_then(|participant| participant.outgoing.get(line)?.as_ref()?.subscription.as_ref())
            .and_then(|subscription| self.publications.get(subscription.publication))
            .and_then(|publication| self.numbering_of(publication).cloned());
        let Some(numbering) = numbering else { return };
        let Some(participant) = self.participants.get_mut(index) else { return };
        let Some(Some(outgoing)) = participant.outgoing.get_mut(line) else { return };
        if let Some(send_line) = participant.negotiator.send_line(outgoing.line) {
            outgoing.replan(&numbering, send_line);
        }
    }

    /// Ends a participant's subscription to a track.
    pub(crate) fn unsubscribe(&mut self, context: &mut Context<'_>, index: usize, track: TrackId) {
        if let Some(participant) = self.participants.get_mut(index) {
            participant.wishes.retain(|wish| *wish != track);
        }
        let Some(key) = self.publication_of(track) else { return };
        if let Some(publication) = self.publications.get_mut(key) {
            publication.subscribers.retain(|subscriber| subscriber.participant != index);
        }
        self.unbind(context, index, key);
        if let Some(participant) = self.participants.get_mut(index) {
            participant.listens.remove(key);
            participant.negotiate(context);
        }
    }

    /// Frees the line that a participant has for a publication.
    pub(super) fn unbind(&mut self, context: &mut Context<'_>, index: usize, key: usize) {
        let Some(track) = self.publications.get(key).map(|publication| publication.track) else { return };
        let Some(participant) = self.participants.get_mut(index) else { return };
        let Some(line) = participant.release(key) else { return };
        context.core.stats.subscriptions -= 1;
        let mid = participant.negotiator.send_line(line).map(|send_line| send_line.mid.as_str().to_owned());
        participant.negotiator.unbind(line);
        if let Some(mid) = mid {
            context.emit(Event::Unbound { participant: participant.id, mid, track });
        }
    }

    /// Sets the highest simulcast encoding that a subscriber wants of a track. A rid that the track does not have
    /// changes nothing.
    pub(crate) fn set_layer(&mut self, context: &mut Context<'_>, index: usize, track: TrackId, rid: Option<Rid>) {
        let Some(key) = self.publication_of(track) else { return };
        let Some(publication) = self.publications.get(key) else { return };
        let limit = rid.and_then(|rid| publication.encoding_of(Some(rid)));
        if rid.is_some() && limit.is_none() {
            return;
        }
        let Some(subscriber) = publication.subscribers.iter().find(|s| s.participant == index).copied() else { return };
        if let Some(subscription) = self.subscription_mut(subscriber) {
            subscription.limit = limit;
            subscription.dwell.reset();
        }
        self.choose_for(context, index);
    }

    /// Takes note of how a subscriber shows a track.
    pub(crate) fn set_view(&mut self, index: usize, track: TrackId, view: View) {
        let subscriber = self.publication_of(track).and_then(|key| {
            self.publications[key].subscribers.iter().find(|subscriber| subscriber.participant == index).copied()
        });
        if let Some(subscription) = subscriber.and_then(|subscriber| self.subscription_mut(subscriber)) {
            // What is shown otherwise does not wait for what failed before.
            if subscription.view != view {
                subscription.dwell.reset();
            }
            subscription.view = view;
        }
    }

    /// The subscription behind a subscriber.
    pub(super) fn subscription_mut(&mut self, subscriber: Subscriber) -> Option<&mut Subscription> {
        let participant = self.participants.get_mut(subscriber.participant)?;
        participant.outgoing.get_mut(subscriber.line)?.as_mut()?.subscription.as_mut()
    }
}
