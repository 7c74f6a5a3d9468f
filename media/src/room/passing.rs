//! The last step of a packet towards one subscriber: at once, or when the subscriber's pacer gives it a turn.

use super::Room;
use crate::burst::MAX_PACKETS;
use crate::command::{Event, MediaKind, SubscriptionError};
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::flow::{QUANTUM, Waiting};
use crate::formats::Extension;
use crate::participant::Participant;
use crate::publication::{Publication, Stored};
use crate::rtp::header::RtpHeader;
use crate::rtp::padding::SLACK;
use crate::subscription::{Incoming, Outgoing, Purpose};
use slab::Slab;

/// How far back packets are looked for that a probe may repeat.
const PROBE_REACH: u16 = 32;

/// Where packets of a publication come from.
pub(super) struct Way<'a> {
    pub(super) publication: &'a Publication,
    /// The publisher's id of the dependency descriptor.
    pub(super) descriptor_id: Option<u8>,
}

impl Way<'_> {
    /// Lets a packet wait for its turn, if it has to.
    #[inline]
    pub(super) fn waits(
        &self,
        context: &mut Context<'_>,
        participant: &mut Participant,
        line: usize,
        len: usize,
        incoming: &Incoming,
    ) -> bool {
        let is_free = self.publication.kind == MediaKind::Audio || participant.flow.pacer.admits(context.now);
        !is_free && self.queue(context, participant, line, len, incoming)
    }

    #[cold]
    fn queue(
        &self,
        context: &mut Context<'_>,
        participant: &mut Participant,
        line: usize,
        len: usize,
        incoming: &Incoming,
    ) -> bool {
        let Some(Some(outgoing)) = participant.outgoing.get_mut(line) else { return false };
        if outgoing.leave_out(incoming, &participant.flow) {
            context.core.stats.drop(DropReason::NoSubscriberLayer);
            return true;
        }
        let pacer = &mut participant.flow.pacer;
        let Some(subscription) = &outgoing.subscription else { return false };
        if !subscription.selector.may_take(incoming.encoding, incoming.begins, pacer.has(line)) {
            return false;
        }
        let Incoming { sequence, generation, begins, encoding, header: RtpHeader { timestamp, .. }, .. } = *incoming;
        // What will be left out when it has its turn needs none of the path.
        let len = if outgoing.will_leave_out(incoming) { 0 } else { len as u16 };
        let encoding = encoding as u8;
        if !pacer.push(Waiting { line: line as u16, encoding, generation, begins, len, sequence, timestamp }) {
            // The picture begins anew where there is room again.
            pacer.forget(line, |_| false);
            if let Some(subscription) = &mut outgoing.subscription {
                subscription.selector.reset();
            }
            context.core.stats.drop(DropReason::PacerFull);
        }
        context.core.pacing.schedule(participant.slot, context.now + QUANTUM);
        true
    }

    /// Forwards a packet to a subscriber. What is `left` of those behind it will have its own turn.
    #[inline]
    pub(super) fn pass(
        &self,
        context: &mut Context<'_>,
        participant: &mut Participant,
        line: usize,
        packet: &[u8],
        incoming: &Incoming,
        left: &dyn Fn(u64) -> bool,
    ) {
        let Participant { outgoing, transport, flow, .. } = participant;
        let Some(Some(outgoing)) = outgoing.get_mut(line) else { return };
        match outgoing.forward(context, transport, flow, &self.publication.encodings, packet, incoming) {
            Ok(false) => {}
            Ok(true) => self.on_switched(context, participant, line, incoming, left),
            Err(reason) => self.note_refusal(context, participant, line, reason),
        }
    }

    /// A subscriber's stream has just begun, or changed over to another encoding, with a packet.
    #[cold]
    fn on_switched(
        &self,
        context: &mut Context<'_>,
        participant: &mut Participant,
        line: usize,
        first: &Incoming,
        left: &dyn Fn(u64) -> bool,
    ) {
        participant.milestones.on_packet_out(context.now, &mut context.core.stats);
        // What waits of another encoding was for a picture that is over.
        participant.flow.pacer.forget(line, |encoding| encoding == first.encoding);
        self.catch_up(context, participant, line, first, left);
        if let Some(rid) = self.publication.encodings.get(first.encoding).and_then(|encoding| encoding.rid) {
            context.emit(Event::LayerChanged { participant: participant.id, track: self.publication.track, rid });
        }
    }

    /// Forwards what has overtaken the packet with which a source began: it was of no use without it.
    fn catch_up(
        &self,
        context: &mut Context<'_>,
        participant: &mut Participant,
        line: usize,
        first: &Incoming,
        left: &dyn Fn(u64) -> bool,
    ) {
        let encoding = self.publication.encodings.get(first.encoding);
        let Some(encoding) = encoding.filter(|encoding| encoding.generation == first.generation) else { return };
        for (sequence, stored) in encoding.stored_behind(first.sequence) {
            if left(sequence) || participant.flow.pacer.holds(line, first.encoding, sequence) {
                continue;
            }
            let incoming = Incoming { begins: false, ..self.incoming(context, first, sequence, &stored) };
            let packet = stored.packet;
            if !self.waits(context, participant, line, packet.len(), &incoming) {
                self.pass(context, participant, line, packet, &incoming, &|_| true);
            }
        }
    }

    /// A stored packet as it was when it came.
    fn incoming(&self, context: &mut Context<'_>, like: &Incoming, sequence: u64, stored: &Stored<'_>) -> Incoming {
        let Stored { packet, header, format, .. } = stored;
        let descriptor = self.descriptor_id.and_then(|id| header.extension(packet, id));
        let encoding = self.publication.encodings.get(like.encoding);
        let picture = encoding.and_then(|encoding| encoding.picture(stored, descriptor));
        let key = context.core.drafts.begin(MAX_PACKETS - 1);
        Incoming { header: *header, sequence, format: *format, picture, growth: SLACK, key, ..*like }
    }

    /// Counts a packet that was not forwarded, and tells the client once if it cannot decode what is published.
    fn note_refusal(&self, context: &mut Context<'_>, participant: &mut Participant, line: usize, reason: DropReason) {
        context.core.stats.drop(reason);
        if reason != DropReason::UnsupportedCodec {
            return;
        }
        let Some(Some(outgoing)) = participant.outgoing.get_mut(line) else { return };
        if let Some(subscription) = outgoing.subscription.as_mut().filter(|subscription| !subscription.refused) {
            subscription.refused = true;
            let (participant, track) = (participant.id, self.publication.track);
            context.emit(Event::SubscriptionFailed { participant, track, reason: SubscriptionError::Codec });
        }
    }
}

/// Lets a stored packet wait for its turn, ahead of all that comes later; `begins` says that a decoder can start with it.
pub(super) fn queue_stored(
    context: &mut Context<'_>,
    participant: &mut Participant,
    publication: &Publication,
    line: usize,
    index: usize,
    sequence: u64,
    begins: bool,
) {
    let Some(encoding) = publication.encodings.get(index) else { return };
    let Some(Stored { packet, header, .. }) = encoding.stored(sequence as u32) else { return };
    let (generation, len, timestamp) = (encoding.generation, packet.len() as u16, header.timestamp);
    let place = Waiting { line: line as u16, encoding: index as u8, generation, begins, len, sequence, timestamp };
    if !participant.flow.pacer.push(place) {
        context.core.stats.drop(DropReason::PacerFull);
    }
    context.core.pacing.schedule(participant.slot, context.now);
}

impl Room {
    /// The publisher's id of the dependency descriptor.
    pub(super) fn descriptor_id(&self, publication: &Publication) -> Option<u8> {
        self.numbering_of(publication).and_then(|numbering| numbering.id(Extension::DependencyDescriptor))
    }

    /// Sends a participant what waits for its turn and has it now, and what a probe wants.
    pub(crate) fn pace(&mut self, context: &mut Context<'_>, index: usize) {
        while let Some(waiting) = self.participants.get_mut(index).and_then(|p| p.flow.pacer.pop(context.now)) {
            if let Err(reason) = self.release(context, index, &waiting) {
                context.core.stats.drop(reason);
            }
        }
        let Some(participant) = self.participants.get_mut(index) else { return };
        send_probe(context, participant, &self.publications);
        if participant.flow.pacer.is_busy() {
            context.core.pacing.schedule(participant.slot, context.now + QUANTUM);
        }
    }

    /// Forwards a packet that has waited, from its encoding's ring.
    fn release(&mut self, context: &mut Context<'_>, index: usize, waiting: &Waiting) -> Result<(), DropReason> {
        let Waiting { line, encoding, generation, begins, sequence, .. } = *waiting;
        let line = usize::from(line);
        let subscription = self
            .participants
            .get(index)
            .and_then(|participant| participant.outgoing.get(line)?.as_ref()?.subscription.as_ref())
            .ok_or(DropReason::NoSubscriber)?;
        let publication = self.publications.get(subscription.publication).ok_or(DropReason::NotPublished)?;
        let way = Way { publication, descriptor_id: self.descriptor_id(publication) };
        let known = publication.encodings.get(usize::from(encoding)).filter(|e| e.generation == generation);
        let stored = known.and_then(|encoding| encoding.stored(sequence as u32)).ok_or(DropReason::PacerLate)?;
        let Stored { packet, header, format, .. } = stored;
        let like = Incoming {
            header,
            sequence,
            encoding: usize::from(encoding),
            generation,
            format,
            begins,
            picture: None,
            growth: SLACK,
            key: context.core.drafts.begin(MAX_PACKETS - 1),
        };
        let incoming = way.incoming(context, &like, sequence, &stored);
        let participant = self.participants.get_mut(index).ok_or(DropReason::NoSubscriber)?;
        way.pass(context, participant, line, packet, &incoming, &|_| false);
        Ok(())
    }
}

/// Sends the bytes that a probe is due: packets that the client has already, or padding where there are none, or they are too large.
fn send_probe(context: &mut Context<'_>, participant: &mut Participant, publications: &Slab<Publication>) {
    let mut due = participant.flow.pacer.probe_due(context.now);
    let Participant { outgoing, transport, flow, .. } = participant;
    let numbered = |outgoing: &&mut Outgoing| outgoing.is_numbered();
    for outgoing in outgoing.iter_mut().flatten().filter(numbered) {
        let publication = outgoing.subscription.as_ref().and_then(|s| publications.get(s.publication));
        let Some(publication) = publication else { continue };
        let newest = outgoing.newest_sequence();
        for sequence in (0..PROBE_REACH).map(|back| newest.wrapping_sub(back)) {
            if due == 0 || flow.pacer.probes_slowly() {
                break;
            }
            let before = context.core.outbox.bytes();
            if outgoing.resend(context, transport, flow, &publication.encodings, sequence, Purpose::Probe).is_ok() {
                due = due.saturating_sub(context.core.outbox.bytes() - before);
            }
        }
        while due > 0 {
            let Ok(sent) = outgoing.send_padding(context, transport, flow) else { break };
            due = due.saturating_sub(sent);
        }
    }
}
