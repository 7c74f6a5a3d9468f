//! Counts what a room publishes and receives, for the shard's gauges.

use super::Room;
use crate::command::MediaKind;
use crate::context::Context;
use crate::publication::Publication;
use crate::quality::Level;
use crate::stats::{Census, layer, track_class};
use crate::subscription::{ALIVE_FOR, Subscription};
use std::time::Instant;

impl Room {
    /// Brings the shard's census up to date.
    pub(super) fn take_census(&mut self, context: &mut Context<'_>) {
        let now = self.count(context.now);
        context.core.stats.census.replace(&std::mem::replace(&mut self.census, now), &now);
    }

    /// Takes the room out of the shard's census.
    pub(crate) fn leave_census(&mut self, context: &mut Context<'_>) {
        context.core.stats.census.replace(&std::mem::take(&mut self.census), &Census::default());
    }

    fn count(&self, now: Instant) -> Census {
        let mut census = Census::default();
        for (_, publication) in &self.publications {
            let class = class_of(publication);
            census.publications[class] += u64::from(publication.member().is_some());
            census.subscriptions[class] += publication.subscribers.len() as u64;
            if publication.kind == MediaKind::Video {
                for subscriber in &publication.subscribers {
                    let outgoing =
                        self.participants.get(subscriber.participant).map(|p| p.outgoing.get(subscriber.line));
                    let subscription = outgoing.flatten().and_then(|outgoing| outgoing.as_ref()?.subscription.as_ref());
                    let forwarded = subscription.and_then(|subscription| forwarded(now, publication, subscription));
                    census.layers[layer(forwarded, publication.encodings.len())] += 1;
                }
            }
        }
        for (_, participant) in &self.participants {
            let level = participant.standing.quality().level;
            // The clock of a room stops once nothing is published, and then nothing is known of anybody: nothing may be left to count.
            census.quality[level as usize] += u64::from(level != Level::Unknown);
        }
        let pending = self.participants.iter().flat_map(|(_, participant)| &participant.pending);
        for publication in pending.filter_map(|pending| self.publications.get(pending.publication)) {
            census.subscriptions[class_of(publication)] += 1;
            if publication.kind == MediaKind::Video {
                census.layers[layer(None, publication.encodings.len())] += 1;
            }
        }
        census
    }
}

fn class_of(publication: &Publication) -> usize {
    let codec = publication.encodings.iter().find_map(|encoding| encoding.codec());
    track_class(publication.kind, codec)
}

/// The encoding that a subscriber is sent packets of at present.
fn forwarded(now: Instant, publication: &Publication, subscription: &Subscription) -> Option<usize> {
    let current = subscription.selector.current()?;
    let heard = publication.encodings.get(current)?.last_heard?;
    let is_sent = !publication.is_silenced() && now.saturating_duration_since(heard) < ALIVE_FOR;
    is_sent.then_some(current)
}
