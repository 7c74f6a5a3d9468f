//! One member of a room: its transport, its negotiation, what it sends and what it receives.

use crate::command::{Channel, Event, ParticipantSettings};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::feedback::sending::{PublisherClock, RoundTripTime};
use crate::feedback::twcc::TwccRecorder;
use crate::flow::Flow;
use crate::ids::{ParticipantId, TrackId};
use crate::key_set::KeySet;
use crate::negotiation::{IceLocal, LineIndex, Negotiator};
use crate::outbox::Class;
use crate::path::{Path, Protocol};
use crate::publication::{Publication, Streams};
use crate::quality::Standing;
use crate::stats::Milestones;
use crate::subscription::Outgoing;
use crate::transport::{IceCredentials, Transport};
use bytes::Bytes;
use slab::Slab;
use std::time::Instant;

/// A subscription whose m-line is not negotiated yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PendingSubscription {
    pub(crate) line: LineIndex,
    /// Key of the publication in the room.
    pub(crate) publication: usize,
}

/// See the module's text.
pub(crate) struct Participant {
    pub(crate) id: ParticipantId,
    /// Its number in the shard.
    pub(crate) slot: u32,
    pub(crate) settings: ParticipantSettings,
    pub(crate) transport: Transport,
    pub(crate) negotiator: Negotiator,
    pub(crate) ice: IceCredentials,
    /// Its first offer was accepted: the transport knows its counterpart, and lines can be offered.
    pub(crate) negotiated: bool,
    /// It is among those that the server owes an offer.
    pub(crate) offer_due: bool,
    /// What its transport goes over, once that is up.
    pub(crate) protocol: Option<Protocol>,
    pub(crate) milestones: Milestones,
    /// Since when.
    pub(crate) connected_at: Option<Instant>,
    /// Its entries in the shard's register of paths.
    pub(crate) paths: Vec<Path>,
    pub(crate) streams: Streams,
    /// Keys of its publications in the room.
    pub(crate) publications: Vec<usize>,
    /// Its outgoing streams, by the index of their line.
    pub(crate) outgoing: Vec<Option<Outgoing>>,
    pub(crate) pending: Vec<PendingSubscription>,
    /// Tracks that it asked for before its first offer.
    pub(crate) wishes: Vec<TrackId>,
    /// Keys of the microphones that it wishes to hear, if it follows bindings: it has lines for those of them that are heard.
    pub(crate) listens: KeySet,
    pub(crate) twcc: TwccRecorder,
    /// SSRC under which reports leave.
    pub(crate) report_ssrc: u32,
    pub(crate) rtt: RoundTripTime,
    pub(crate) flow: Flow,
    /// Its clock against the server's.
    pub(crate) clock: PublisherClock,
    pub(crate) next_report: Option<Instant>,
    /// How good its connection is.
    pub(crate) standing: Standing,
    pub(crate) chat: ChatChannel,
}

/// A participant's data channel `chat`.
#[derive(Debug, Default)]
pub(crate) struct ChatChannel {
    /// Its stream id, while it is open.
    pub(crate) stream: Option<u16>,
    /// How often it was opened.
    pub(crate) opening: u32,
    /// This opening refused a message: it takes no more, so that what was sent has no gaps.
    pub(crate) refuses: bool,
}

impl Participant {
    /// Whether its transport is up.
    pub(crate) fn is_connected(&self) -> bool {
        self.protocol.is_some()
    }

    /// The outgoing stream with that SSRC, its own or that of its retransmissions.
    pub(crate) fn line_of_ssrc(&self, ssrc: u32) -> Option<usize> {
        self.outgoing
            .iter()
            .position(|outgoing| outgoing.as_ref().is_some_and(|o| o.ssrc == ssrc || o.rtx_ssrc == Some(ssrc)))
    }

    /// Takes a publication's line away, whether it is in use or pending. Returns the line if there was one.
    pub(crate) fn release(&mut self, publication: usize) -> Option<LineIndex> {
        if let Some(index) = self.pending.iter().position(|pending| pending.publication == publication) {
            return Some(self.pending.swap_remove(index).line);
        }
        let outgoing = self.outgoing.iter_mut().flatten().find(|outgoing| {
            outgoing.subscription.as_ref().is_some_and(|subscription| subscription.publication == publication)
        })?;
        outgoing.release();
        self.flow.pacer.forget(outgoing.line.index(), |_| false);
        Some(outgoing.line)
    }

    /// The SSRC of something it sends, as transport feedback must name one.
    pub(crate) fn first_media_ssrc(&self, publications: &Slab<Publication>) -> u32 {
        let own = self.publications.iter().filter_map(|key| publications.get(*key));
        own.flat_map(|publication| &publication.encodings).find_map(|encoding| encoding.ssrc).unwrap_or(0)
    }

    /// Keys of the publications that these lines carry or wait for.
    pub(crate) fn publications_on(&self, lines: &[LineIndex]) -> Vec<usize> {
        let pending = self.pending.iter().map(|pending| (pending.line, pending.publication));
        let active = self.outgoing.iter().flatten().filter_map(|outgoing| {
            outgoing.subscription.as_ref().map(|subscription| (outgoing.line, subscription.publication))
        });
        pending.chain(active).filter(|(line, _)| lines.contains(line)).map(|(_, key)| key).collect()
    }

    /// How many tracks it receives, or waits to receive.
    pub(crate) fn subscription_count(&self) -> usize {
        self.count_subscriptions(|_| true)
    }

    /// The same, of those to publications that `counts`.
    pub(crate) fn count_subscriptions(&self, counts: impl Fn(usize) -> bool) -> usize {
        let active = self.outgoing.iter().flatten().filter_map(|outgoing| outgoing.subscription.as_ref());
        let pending = self.pending.iter().map(|pending| pending.publication);
        active.map(|subscription| subscription.publication).chain(pending).filter(|key| counts(*key)).count()
    }

    /// Whether it is subscribed to a publication already.
    pub(crate) fn is_subscribed(&self, publication: usize) -> bool {
        self.pending.iter().any(|pending| pending.publication == publication)
            || self
                .outgoing
                .iter()
                .flatten()
                .filter_map(|outgoing| outgoing.subscription.as_ref())
                .any(|subscription| subscription.publication == publication)
    }

    /// Notes that the server's offer is to be sent, if one is due.
    pub(crate) fn defer_offer(&mut self, context: &mut Context<'_>) {
        if !self.offer_due && self.negotiated && self.negotiator.needs_offer() {
            self.offer_due = true;
            context.core.offers_due.push_back(self.slot);
        }
    }

    /// Sends the server's offer if one is due.
    pub(crate) fn negotiate(&mut self, context: &mut Context<'_>) {
        self.offer_due = false;
        if !self.negotiated {
            return;
        }
        if let Some((negotiation, sdp)) = self.negotiator.create_offer(&ice_local(&self.ice)) {
            context.emit(Event::Offered { participant: self.id, negotiation, sdp });
        }
    }

    /// Sends a text on an opening of a data channel, or says that this opening takes no more.
    pub(crate) fn send_data(&mut self, context: &mut Context<'_>, channel: Channel, opening: u32, text: &Bytes) {
        if self.chat.opening != opening || self.chat.refuses {
            return;
        }
        let sent = self.chat.stream.is_some_and(|stream| {
            self.transport.send_text(context.now, stream, text, &mut context.core.outbox).is_ok()
        });
        if sent {
            context.core.stats.data_out.add(text.len());
        } else {
            self.chat.refuses = true;
            context.emit(Event::DataRefused { participant: self.id, channel, opening });
        }
    }

    /// Seals and queues an RTCP compound packet; nothing happens before the transport is up.
    pub(crate) fn send_rtcp(&mut self, context: &mut Context<'_>, compound: &[u8]) {
        let Some(path) = self.transport.path().copied() else { return };
        let outbox = &mut context.core.outbox;
        let Some(buffer) = outbox.reserve(self.slot).filter(|buffer| compound.len() <= buffer.len()) else {
            return context.core.stats.drop(DropReason::OutboxFull);
        };
        buffer[..compound.len()].copy_from_slice(compound);
        if let Some(sealed) = self.transport.protect_rtcp(buffer, compound.len()) {
            outbox.commit(self.slot, &path, sealed, Class::Control);
            context.core.stats.rtcp_out.add(sealed);
        }
    }
}

/// The transport's credentials as negotiation writes them.
pub(crate) fn ice_local(ice: &IceCredentials) -> IceLocal {
    IceLocal { ufrag: ice.ufrag.clone(), pwd: ice.pwd.clone() }
}

/// Tracks that one participant may publish of a kind: cameras, screens and their sound.
pub(crate) const MAX_PUBLICATIONS: usize = 8;
