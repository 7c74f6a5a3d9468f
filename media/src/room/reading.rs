//! A room's counters, put together for whoever asks how it does.

use super::Room;
use crate::command::{MediaKind, Source};
use crate::participant::Participant;
use crate::publication::Publication;
use crate::room_stats::{
    ParticipantStats, PublicationStats, RoomStats, SubscriptionState, SubscriptionStats, TrafficStats, TransportStats,
};
use crate::subscription::Subscription;
use std::time::Instant;

impl Room {
    /// How everybody in the room does at `now`, with `most` subscriptions of all together.
    pub(crate) fn read(&self, now: Instant, most: usize) -> RoomStats {
        let share = most / self.participants.len().max(1);
        let participants = self.participants.iter().map(|(_, participant)| {
            let listed: Vec<_> = self.subscriptions_of(participant).take(share).collect();
            let listens = &participant.listens;
            let has_lines = participant.count_subscriptions(|key| listens.contains(key));
            let all = participant.subscription_count() + listens.len().saturating_sub(has_lines);
            ParticipantStats {
                participant: participant.id,
                transport: transport(participant, now),
                quality: participant.standing.quality(),
                publications: self.publications_of(participant, now),
                subscriptions_left_out: all.saturating_sub(listed.len()),
                subscriptions: listed,
            }
        });
        let mirrors = self.publications.iter().filter(|(_, publication)| publication.origin().is_some());
        let mirrors = mirrors.map(|(_, publication)| (publication.track, publication.subscribers.len()));
        RoomStats { participants: participants.collect(), mirrors: mirrors.collect() }
    }

    fn publications_of(&self, participant: &Participant, now: Instant) -> Vec<PublicationStats> {
        let own = participant.publications.iter().filter_map(|key| self.publications.get(*key));
        own.map(|publication| PublicationStats {
            track: publication.track,
            kind: publication.kind,
            source: publication.source,
            muted: publication.muted,
            subscribers: publication.subscribers.len(),
            encodings: publication.encodings.iter().map(|encoding| encoding.stats(now)).collect(),
        })
        .collect()
    }

    fn subscriptions_of(&self, participant: &Participant) -> impl Iterator<Item = SubscriptionStats> {
        let active = participant.outgoing.iter().flatten().filter_map(|outgoing| outgoing.subscription.as_ref());
        let active = active.filter_map(|subscription| {
            let publication = self.publications.get(subscription.publication)?;
            let stats = Self::bound(subscription, publication, self.negotiating(publication)?);
            let is_unheard =
                publication.source == Source::Microphone && !self.voices.is_heard(subscription.publication);
            Some(if is_unheard { SubscriptionStats { state: SubscriptionState::Unheard, ..stats } } else { stats })
        });
        let unheard = self.publications.iter().filter(|(key, _)| {
            participant.negotiated && participant.listens.contains(*key) && !self.voices.is_heard(*key)
        });
        let unheard = unheard.filter_map(|(_, publication)| {
            Some(SubscriptionStats { state: SubscriptionState::Unheard, ..self.negotiating(publication)? })
        });
        let pending = participant.pending.iter();
        let pending = pending.filter_map(|pending| self.negotiating(self.publications.get(pending.publication)?));
        active.chain(pending).chain(unheard)
    }

    /// What is to be said of a subscription whose m-line is not negotiated yet.
    fn negotiating(&self, publication: &Publication) -> Option<SubscriptionStats> {
        Some(SubscriptionStats {
            track: publication.track,
            publisher: self.publisher_of(publication)?,
            state: SubscriptionState::Negotiating,
            format: None,
            rid: None,
            traffic: TrafficStats::default(),
            reception: None,
            nacked_packets: 0,
            resent_packets: 0,
        })
    }

    /// What is to be said of one that has its m-line.
    fn bound(subscription: &Subscription, publication: &Publication, basis: SubscriptionStats) -> SubscriptionStats {
        let encoding = subscription.selector.current().and_then(|current| publication.encodings.get(current));
        let delivery = &subscription.delivery;
        SubscriptionStats {
            state: match encoding {
                _ if subscription.refused => SubscriptionState::Unsupported,
                _ if subscription.is_paused => SubscriptionState::Paused,
                _ if !subscription.view.visible && publication.kind == MediaKind::Video => SubscriptionState::Hidden,
                Some(_) => SubscriptionState::Forwarding,
                None => SubscriptionState::Waiting,
            },
            format: encoding.and_then(|encoding| subscription.forwarded_as(encoding.format()?)),
            rid: encoding.and_then(|encoding| encoding.rid),
            traffic: delivery.traffic.stats(),
            reception: delivery.reception,
            nacked_packets: delivery.nacked_packets,
            resent_packets: delivery.resent_packets,
            ..basis
        }
    }
}

fn transport(participant: &Participant, now: Instant) -> TransportStats {
    TransportStats {
        connected_for: participant.connected_at.map(|at| now.saturating_duration_since(at)),
        protocol: participant.transport.path().map(|path| path.protocol),
        rtt: participant.rtt.measured(),
        estimate_bps: participant.flow.estimate_bps(now).filter(|_| participant.flow.is_answered()),
    }
}
