//! In a room of many microphones only the loudest voices are forwarded.
//!
//! [`Loudest`] chooses; here is what follows from it. A client that follows bindings has lines for the voices that are heard, and
//! for no others: a subscription to a microphone is a wish to hear it when it is, and costs a bit. For any other client
//! lines are as always, and what is not heard does not come on them. When a voice begins to be heard, what was just
//! before is forwarded first, from its encoding's ring: that is where its first syllable began.
//!
//! Each part of a room on several shards chooses for itself, among all microphones of the room that reach it. A part relays those
//! that are the loudest of its own: all that are the loudest of the room are among them.

use super::Room;
use super::marks::Marks;
use crate::burst::Origin;
use crate::command::{MediaKind, Source};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::ids::ParticipantId;
use crate::loudest::{Hearing, Loudest, LoudestLimits};
use crate::publication::{Encoding, Publication, Received, Stored};
use crate::rtp::padding::SLACK;
use crate::subscription::Incoming;
use std::time::Instant;

/// The choice of voices. All are heard until there are too many.
#[derive(Debug)]
pub(super) struct Voices {
    limits: LoudestLimits,
    /// Whom the people of this part hear, of all microphones of the room.
    all: Loudest,
    /// Who is relayed, of the microphones of this part.
    own: Loudest,
}

/// What becomes of a packet of a microphone.
#[derive(Clone, Copy)]
pub(super) struct Verdict {
    pub(super) here: Hearing,
    /// On its way to other parts.
    pub(super) relayed: Hearing,
}

impl Verdict {
    /// Of what is no microphone: it is always forwarded.
    pub(super) const ALWAYS: Self = Self { here: Hearing::Heard, relayed: Hearing::Heard };
}

impl Voices {
    pub(super) fn new(limits: LoudestLimits) -> Self {
        Self { limits, all: Loudest::new(limits.places), own: Loudest::new(limits.places) }
    }

    /// Whether not all microphones are forwarded.
    pub(super) fn is_choosing(&self) -> bool {
        self.all.is_choosing()
    }

    /// Whether a microphone is forwarded at present.
    pub(super) fn is_heard(&self, key: usize) -> bool {
        self.all.is_heard(key)
    }

    fn set_muted(&mut self, key: usize, is_muted: bool) {
        self.all.set_muted(key, is_muted);
        self.own.set_muted(key, is_muted);
    }

    /// Judges a packet of a microphone of this part.
    pub(super) fn judge(&mut self, now: Instant, key: usize, loudness: u8) -> Verdict {
        Verdict { here: self.all.on_packet(now, key, loudness), relayed: self.own.on_packet(now, key, loudness) }
    }

    /// The same of one that is relayed here.
    pub(super) fn judge_relayed(&mut self, now: Instant, key: usize, loudness: u8) -> Hearing {
        self.all.on_packet(now, key, loudness)
    }
}

impl Room {
    /// Gives a publication its voice, if it is a microphone: among those who may be heard, and who may be said to speak.
    pub(super) fn add_voice(&mut self, context: &mut Context<'_>, key: usize, publisher: ParticipantId) {
        let Some(publication) = self.publications.get_mut(key) else { return };
        if publication.source != Source::Microphone {
            return;
        }
        let (is_own, muted) = (publication.member().is_some(), publication.muted);
        self.voices.all.add(key);
        if is_own {
            self.voices.own.add(key);
        }
        if is_own || self.links.is_home {
            publication.voice = Some(self.speakers.add(publisher));
        }
        self.set_voice_muted(key, muted);
        self.review_size(context);
    }

    /// Takes back what a publication, which has just ended, had as a voice.
    pub(super) fn remove_voice(&mut self, context: &mut Context<'_>, key: usize, publication: &Publication) {
        if let Some(voice) = publication.voice {
            self.speakers.remove(voice);
        }
        self.voices.all.remove(key);
        self.voices.own.remove(key);
        self.review_size(context);
    }

    /// Notes that a microphone is muted, or not any more.
    pub(super) fn set_voice_muted(&mut self, key: usize, is_muted: bool) {
        if let Some(voice) = self.publications.get(key).and_then(|publication| publication.voice) {
            self.speakers.set_muted(voice, is_muted);
        }
        self.voices.set_muted(key, is_muted);
    }

    /// Begins or ends the choice, as the number of microphones has it.
    fn review_size(&mut self, context: &mut Context<'_>) {
        let Voices { limits, all, own } = &mut self.voices;
        let chooses = limits.chooses(all.len(), all.is_choosing());
        if chooses == all.is_choosing() {
            return;
        }
        let stats = &mut context.core.stats;
        if chooses {
            all.begin();
            own.begin();
            stats.choosing_rooms += 1;
        } else {
            all.end();
            own.end();
            stats.choosing_rooms -= 1;
        }
        let microphones = self.publications.iter().filter(|(_, publication)| publication.source == Source::Microphone);
        for key in microphones.map(|(key, _)| key).collect::<Vec<_>>() {
            if self.voices.is_heard(key) {
                self.begin_hearing(context, key);
            } else {
                self.end_hearing(context, key);
            }
        }
        for index in 0..self.participants.capacity() {
            self.reserve_lines(index);
        }
        self.negotiate_all(context);
    }

    /// Sees to it that a client that follows bindings has lines for as many voices as it may hear at a time: none is to be waited
    /// for when one begins to speak.
    pub(super) fn reserve_lines(&mut self, index: usize) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        if !self.voices.is_choosing() || !participant.negotiated {
            return;
        }
        let listens = &participant.listens;
        let used = participant.count_subscriptions(|key| listens.contains(key));
        let wanted = self.voices.limits.places.min(listens.len()).saturating_sub(used);
        participant.negotiator.reserve(MediaKind::Audio, wanted);
    }

    /// Gives a voice lines to all clients that follow bindings and wish to hear it. Others have theirs.
    fn begin_hearing(&mut self, context: &mut Context<'_>, key: usize) {
        for place in 0..self.publications.get(key).map_or(0, |publication| publication.subscribers.len()) {
            let subscriber =
                self.publications.get(key).and_then(|publication| publication.subscribers.get(place).copied());
            if let Some(subscription) = subscriber.and_then(|subscriber| self.subscription_mut(subscriber)) {
                subscription.selector.aim(0);
            }
        }
        let listeners = self.participants.iter().filter(|(_, participant)| participant.listens.contains(key));
        for index in listeners.map(|(index, _)| index).collect::<Vec<_>>() {
            self.bind(context, index, key);
            self.start_pending(context, index);
            if let Some(participant) = self.participants.get_mut(index) {
                participant.defer_offer(context);
            }
        }
    }

    /// Takes those lines away. What other clients have of the voice ends in their numbering: it goes on without a gap.
    fn end_hearing(&mut self, context: &mut Context<'_>, key: usize) {
        let Some(publication) = self.publications.get_mut(key) else { return };
        publication.encodings.iter_mut().for_each(Encoding::end_turn);
        let follows = |index: usize| self.participants.get(index).is_some_and(|p| p.settings.follows_bindings);
        let (lines, others): (Vec<_>, Vec<_>) =
            publication.subscribers.iter().partition(|subscriber| follows(subscriber.participant));
        publication.subscribers.clone_from(&others);
        for subscriber in others {
            if let Some(subscription) = self.subscription_mut(subscriber) {
                // Something of it may be among what was gathered with the packet that ends its turn.
                subscription.selector.stop();
            }
        }
        let waits = self.participants.iter().filter(|(_, participant)| {
            participant.settings.follows_bindings
                && participant.pending.iter().any(|pending| pending.publication == key)
        });
        let waits: Vec<usize> = waits.map(|(index, _)| index).collect();
        for index in lines.iter().map(|subscriber| subscriber.participant).chain(waits) {
            self.unbind(context, index, key);
        }
    }

    /// Begins to forward a voice with a packet that has just come: what was just before it comes first.
    pub(super) fn change_voice(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        instead_of: Option<usize>,
        encoding: usize,
        sequence: u64,
    ) {
        if let Some(loser) = instead_of {
            self.end_hearing(context, loser);
        }
        self.begin_hearing(context, key);
        context.core.stats.voice_changes += 1;
        let Some(publication) = self.publications.get(key) else { return };
        let Some(known) = publication.encodings.get(encoding) else { return };
        // The first is enough: whoever begins with a packet is sent what has followed it.
        let Some(Stored { sequence, packet, header, format }) = known.preroll(sequence).next() else { return };
        let origin = Origin { room: self.index, publication: key, track: publication.track };
        let incoming = Incoming {
            header,
            sequence,
            encoding,
            generation: known.generation,
            format,
            begins: true,
            picture: None,
            growth: SLACK,
            key: context.core.next_draft(),
        };
        context.core.burst.push(origin, packet, incoming);
    }

    /// Relays what was just before a packet, of a voice that was not relayed until now.
    pub(super) fn relay_preroll(&self, context: &mut Context<'_>, key: usize, encoding: usize, received: &Received) {
        let Some(publication) = self.publications.get(key) else { return };
        let Some(known) = publication.encodings.get(encoding) else { return };
        let Some(numbering) = self.numbering_of(publication) else { return };
        for Stored { sequence, packet, header, format } in known.preroll(received.sequence) {
            let level = Marks::read(numbering, &header, packet).level;
            let received = Received { sequence, ..*received };
            super::media::relay(context, publication, encoding, &received, packet, format, true, false, level);
        }
    }

    /// Forwards a packet of a microphone, as the choice has it.
    pub(super) fn follow(
        &mut self,
        context: &mut Context<'_>,
        key: usize,
        encoding: usize,
        sequence: u64,
        hearing: Hearing,
    ) -> Result<(), DropReason> {
        match hearing {
            Hearing::Heard => {}
            Hearing::Unheard => return Err(DropReason::Unheard),
            Hearing::Begins { instead_of } => self.change_voice(context, key, instead_of, encoding, sequence),
        }
        Ok(())
    }
}

#[cfg(test)]
impl Room {
    /// Panics when lines for voices, wishes to hear them and the choice contradict one another.
    pub(crate) fn check_voices(&self) {
        let microphones = self.publications.iter().filter(|(_, publication)| publication.source == Source::Microphone);
        let keys: Vec<usize> = microphones.map(|(key, _)| key).collect();
        assert_eq!(keys.len(), self.voices.all.len(), "every microphone is a voice");
        let heard = keys.iter().filter(|key| self.voices.is_heard(**key)).count();
        assert!(!self.voices.is_choosing() || heard <= self.voices.limits.places, "{heard} are heard");
        for (index, participant) in self.participants.iter().filter(|(_, p)| p.settings.follows_bindings) {
            let listens = keys.iter().filter(|key| participant.listens.contains(**key)).count();
            assert_eq!(listens, participant.listens.len(), "what is listened to is a microphone");
            for key in &keys {
                let has_line = participant.is_subscribed(*key);
                let listens = participant.listens.contains(*key);
                assert!(!listens || self.publications[*key].member() != Some(index), "nobody hears oneself");
                assert!(!has_line || (listens && self.voices.is_heard(*key)), "lines are for those who are heard");
                assert!(
                    !listens || has_line || !participant.negotiated || !self.voices.is_heard(*key),
                    "who is heard has one"
                );
            }
        }
    }
}
