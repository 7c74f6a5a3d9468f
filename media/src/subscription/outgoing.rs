//! One RTP stream towards a participant, on one sending m-line of its connection, with SSRCs that hold for the line's life.
//!
//! Numbering continues from one subscription to the next, so the receiver sees a single stream.

use super::equal::Equal;
use super::pictures::Tier;
use super::redundancy::{Body, Copies, Primary, Redundant};
use super::rewriter::Rewriter;
use super::selector::Selection;
use super::sequencer::{Depths, Sequencer};
use super::thinning::Fate;
use super::{Incoming, Renewal, Subscription, Upstream};
use crate::command::MediaKind;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::feedback::losses::{Losses, PathLoss};
use crate::feedback::rtcp::ReportBlock;
use crate::feedback::sending::SendingStats;
use crate::flow::{Flow, Wanted};
use crate::formats::{Extension, FormatId};
use crate::negotiation::{ForwardPlan, LineIndex, SendLine};
use crate::numbering::Numbering;
use crate::outbox::Class;
use crate::path::Path;
use crate::publication::{Encoding, Stored};
use crate::rtp::header::RtpHeader;
use crate::rtp::padding::{Follow, pad};
use crate::rtp::writer::{HeaderFields, OWN_NUMBER, OutgoingExtensions, write_padding, write_retransmission};
use crate::transport::Transport;
use std::time::Instant;

/// What a packet is sent again for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The client misses it.
    Repair,
    /// Its bytes show what the path carries. The client has it already.
    Probe,
}

/// See the module's text.
pub(crate) struct Outgoing {
    pub(crate) line: LineIndex,
    pub(crate) ssrc: u32,
    pub(crate) rtx_ssrc: Option<u32>,
    pub(crate) subscription: Option<Subscription>,
    pub(crate) sending: SendingStats,
    rewriter: Rewriter,
    sequencer: Sequencer,
    /// Index of the next retransmission on its own SSRC.
    rtx_index: u64,
    kind: MediaKind,
    /// The highest sequence number that the client has reported.
    reported: Option<u32>,
    first_sequence: u16,
    losses: Losses,
}

impl Outgoing {
    /// The stream of a negotiated line. The first sequence numbers lie in the lower half, so that a loss of the very
    /// first packets cannot be mistaken for a rollover (RFC 3711 section 3.3.1).
    pub(crate) fn new(line: &SendLine, first_sequence: u16, first_rtx_sequence: u16) -> Self {
        let video = line.rtx_ssrc.is_some();
        let first_sequence = first_sequence & 0x7fff;
        Self {
            line: line.index,
            ssrc: line.ssrc,
            rtx_ssrc: line.rtx_ssrc,
            subscription: None,
            sending: SendingStats::default(),
            rewriter: Rewriter::new(first_sequence),
            sequencer: Sequencer::new(if video { Depths::VIDEO } else { Depths::AUDIO }),
            rtx_index: u64::from(first_rtx_sequence & 0x7fff),
            kind: if video { MediaKind::Video } else { MediaKind::Audio },
            reported: None,
            first_sequence,
            losses: Losses::new(first_sequence),
        }
    }

    /// Follows new numbers of the publisher or of the line.
    pub(crate) fn replan(&mut self, publisher: &Numbering, line: &SendLine) {
        let Some(subscription) = &mut self.subscription else { return };
        let plan = ForwardPlan::new(publisher, line);
        if plan != subscription.plan {
            subscription.plan = plan;
            subscription.descriptor_id = line.id(Extension::DependencyDescriptor).unwrap_or(0);
            if self.rtx_ssrc.is_none() {
                // What is sent again without RTX must be byte for byte what was sent before.
                self.sequencer.clear();
            }
        }
    }

    /// Ends the present subscription, if any. Numbering stays, for the next.
    pub(crate) fn release(&mut self) -> Option<Subscription> {
        self.rewriter.end_source();
        self.subscription.take()
    }

    /// The newest outgoing timestamp, when it left, and the offset from the source's timestamps.
    pub(crate) fn timing(&self) -> Option<(u32, Instant, u32)> {
        let (timestamp, at) = self.rewriter.newest()?;
        Some((timestamp, at, self.rewriter.source()?.timestamp_offset))
    }

    /// Takes note of what the client says of the stream. Returns what of it got lost on the way to the client, if that is news.
    pub(crate) fn on_report(&mut self, block: &ReportBlock) -> Option<PathLoss> {
        let clock_rate = self.clock_rate();
        if let Some(subscription) = &mut self.subscription {
            subscription.delivery.on_report(block, clock_rate);
        }
        let gaps = self.rewriter.numbers_since(self.first_sequence).wrapping_sub(self.sending.packets());
        self.losses.on_report(block, gaps)
    }

    /// Whether it carries sound.
    pub(crate) fn is_audio(&self) -> bool {
        self.kind == MediaKind::Audio
    }

    /// Clock rate in Hz.
    pub(crate) fn clock_rate(&self) -> u32 {
        clock_rate_of(self.kind)
    }

    /// Whether a report of the client's is about the stream itself and tells of packets that no earlier one has told of.
    pub(crate) fn is_news(&mut self, block: &ReportBlock) -> bool {
        block.ssrc == self.ssrc && self.reported.replace(block.highest_sequence) != Some(block.highest_sequence)
    }

    /// Leaves out a packet of the encoding that is forwarded which is of no use to this subscriber, before it waits for its turn; whether
    /// it is one.
    pub(crate) fn leave_out(&mut self, incoming: &Incoming, flow: &Flow) -> bool {
        let Some(subscription) = &mut self.subscription else { return false };
        let Incoming { encoding, sequence, .. } = *incoming;
        let is_useless = |tier: &Tier| subscription.thinning.is_out_of_reach(sequence, *tier);
        let Some(tier) = subscription.tier_of_current(incoming).filter(is_useless) else { return false };
        let waits = || flow.pacer.holds(self.line.index(), encoding, sequence.wrapping_sub(1));
        if tier.begins && flow.is_lossy() && (self.rewriter.is_next(sequence) || waits()) {
            return false;
        }
        let is_left_out = self.rewriter.skip(sequence, tier.begins && tier.closes_up);
        if is_left_out {
            subscription.thinning.note_left_out(sequence, tier);
        }
        is_left_out
    }

    /// Whether a packet that waits for its turn will be left out then.
    pub(crate) fn will_leave_out(&mut self, incoming: &Incoming) -> bool {
        let Some(subscription) = &mut self.subscription else { return false };
        let (sequence, is_ahead) = (incoming.sequence, self.rewriter.is_ahead(incoming.sequence));
        let tier = subscription.tier_of_current(incoming);
        tier.is_some_and(|tier| subscription.thinning.will_leave_out(sequence, tier, is_ahead))
    }

    /// Rewrites, seals and queues a packet for this subscriber, or says why not. Allocates nothing.
    ///
    /// Returns whether it began a new source.
    pub(crate) fn forward(
        &mut self,
        context: &mut Context<'_>,
        transport: &mut Transport,
        flow: &mut Flow,
        encodings: &[Encoding],
        packet: &[u8],
        incoming: &Incoming,
    ) -> Result<bool, DropReason> {
        let Some(subscription) = &mut self.subscription else { return Err(DropReason::NoSubscriber) };
        connected_path(transport)?;
        if subscription.selector.current() == Some(incoming.encoding) && subscription.generation != incoming.generation
        {
            subscription.selector.reset();
        }
        let (accepted_type, mut payload) = subscription.accepted(incoming.format, incoming.header.payload(packet))?;
        let selection = subscription.selector.select(incoming.encoding, incoming.begins);
        let mut late = None;
        if selection == Selection::Drop {
            late = subscription.late_upstream(incoming).and_then(|_| self.rewriter.late_place(incoming.sequence));
            if late.is_none() {
                let black = subscription.selector.current().is_none();
                return Err(if black { DropReason::AwaitingKeyframe } else { DropReason::NoSubscriberLayer });
            }
        }
        let switched = selection == Selection::Switch;
        if switched {
            let clock_rate = clock_rate_of(self.kind);
            let source =
                self.rewriter.start_source(context.now, incoming.sequence, incoming.header.timestamp, clock_rate);
            subscription.generation = incoming.generation;
            let Incoming { encoding, generation, .. } = *incoming;
            subscription.sources =
                [Some(Upstream { epoch: source.epoch, encoding, generation }), subscription.sources[0]];
            subscription.thinning.begin(incoming.sequence);
            subscription.renewal = Renewal::None;
            if let Some(picture) = &incoming.picture {
                picture.align(&mut self.rewriter);
            }
            if let Some(pending) = subscription.replay.take().filter(|pending| pending.begins_with(incoming)) {
                self.rewriter.hasten(incoming.header.timestamp, pending.replay.until);
                context.core.stats.replays += 1;
            }
        }
        if incoming.begins && subscription.renewal == Renewal::Awaited {
            subscription.renewal = Renewal::Since(incoming.sequence);
        }
        let (sequence, tier) = (incoming.sequence, incoming.picture.as_ref().and_then(|picture| picture.tier));
        let fate = match late {
            Some(_) => subscription.thinning.late_fate(sequence, tier),
            None => subscription.thinning.fate(sequence, tier, incoming.begins, || self.rewriter.is_ahead(sequence)),
        };
        let is_blank = fate == Fate::LeftOut;
        let placed = match late {
            Some(_) => late,
            None => {
                if is_blank || payload.is_empty() {
                    let beginning = tier.filter(|tier| tier.begins);
                    let closes_up = beginning.is_some_and(|tier| tier.closes_up);
                    if is_blank && beginning.is_some() && flow.is_lossy() && self.rewriter.is_next(sequence) {
                        // If what is before it gets lost, that shows now, and not when the next picture comes.
                        self.rewriter.skip_behind(sequence, closes_up);
                    } else if self.rewriter.skip(sequence, closes_up) {
                        return Err(if is_blank { DropReason::NoSubscriberLayer } else { DropReason::PaddingOnly });
                    }
                }
                self.rewriter.place(sequence)
            }
        };
        let (index, source) = placed.ok_or(DropReason::TooOld)?;
        let marker = (incoming.header.marker || fate == Fate::SentLast) && !is_blank;
        self.sequencer.note(index, source.epoch, sequence, marker, is_blank);
        if is_blank {
            // It has a number of its own, or one was left for it when what follows it was forwarded. That is taken up, or it would be asked
            // for.
            payload = &[];
        }
        let most = if self.kind == MediaKind::Audio && late.is_none() { flow.redundancy.copies() } else { 0 };
        let redundant = subscription.redundant(encodings, incoming, payload, self.rewriter.since(), most);
        if let Some(redundant) = &redundant {
            self.sequencer.note_annex(index, redundant.copies.annex());
        }
        let (payload_type, body) = Body::of(accepted_type, payload, redundant);
        let fields = HeaderFields {
            marker,
            payload_type,
            sequence: index as u16,
            timestamp: source.timestamp(incoming.header.timestamp),
            ssrc: self.ssrc,
        };
        let core = &mut *context.core;
        let draft = core.drafts.draft(incoming.key, packet, &incoming.header, subscription.plan.extensions(), &body);
        let draft = draft.ok_or(DropReason::TooLarge)?;
        let equal = Equal::of(&core.outbox, transport, self.kind);
        let buffer = core.outbox.reserve(transport.slot()).ok_or(DropReason::OutboxFull)?;
        let is_numbered = subscription.plan.is_numbered();
        let number = if is_numbered { flow.next_number() } else { 0 };
        let packet = draft.copy_to(buffer, &fields, number).ok_or(DropReason::TooLarge)?;
        let at = draft.payload_range();
        if let Some(picture) = incoming.picture.as_ref().filter(|_| !is_blank) {
            picture.renumber(&source, packet, at.start, subscription.descriptor_id);
            picture.note(&source, &mut self.rewriter);
        }
        let follow = Follow::of(fields.marker, incoming.growth);
        let pad = |equal: Equal| equal.pad(buffer, at.end, follow, index, &mut self.sequencer);
        let len = equal.map_or(at.end, pad);
        let sealed = transport.seal_rtp(buffer, at.start..len, draft.shared(), self.ssrc, index);
        let sealed = sealed.ok_or(DropReason::TooLarge)?;
        core.outbox.commit(transport.slot(), connected_path(transport)?, sealed, Class::of(self.kind));
        if self.kind == MediaKind::Video {
            flow.on_sent(context.micros, sealed, is_numbered);
        }
        self.rewriter.note_timestamp(context.now, fields.timestamp);
        if let Body::Redundant(redundant) = &body {
            flow.redundancy.on_sent(redundant.extra());
            core.stats.redundant_out.add(redundant.extra());
        }
        self.sending.on_packet(body.len());
        subscription.delivery.traffic.on_packet(len, fields.marker && self.rtx_ssrc.is_some());
        core.stats.rtp_out_mut(self.kind).add(sealed);
        Ok(switched)
    }

    /// Asks for where the next packet is noted.
    #[inline]
    pub(crate) fn prefetch_next(&self) {
        self.sequencer.prefetch(self.rewriter.highest().wrapping_add(1));
    }

    /// Whether its packets carry transport-wide numbers at present.
    pub(crate) fn is_numbered(&self) -> bool {
        self.subscription.as_ref().is_some_and(|subscription| subscription.plan.is_numbered())
    }

    /// The newest sequence number that was used.
    pub(crate) fn newest_sequence(&self) -> u16 {
        self.rewriter.highest()
    }

    /// Sends a packet of nothing but padding, on the SSRC of retransmissions, where a gap means nothing. Returns its size.
    pub(crate) fn send_padding(
        &mut self,
        context: &mut Context<'_>,
        transport: &mut Transport,
        flow: &mut Flow,
    ) -> Result<usize, DropReason> {
        let subscription = self.subscription.as_ref().ok_or(DropReason::NoSubscriber)?;
        let path = *connected_path(transport)?;
        let rtx = FormatId::of_kind(self.kind).find_map(|format| subscription.plan.rtx(format));
        let (payload_type, ssrc) = rtx.zip(self.rtx_ssrc).ok_or(DropReason::UnsupportedCodec)?;
        let timestamp = self.rewriter.newest().map_or(0, |(timestamp, _)| timestamp);
        let fields = HeaderFields { marker: false, payload_type, sequence: self.rtx_index as u16, timestamp, ssrc };
        let map = subscription.plan.extensions();
        let core = &mut *context.core;
        let buffer = core.outbox.reserve(transport.slot()).ok_or(DropReason::OutboxFull)?;
        let number = flow.next_number().to_be_bytes();
        let len = write_padding(buffer, &fields, (map[OWN_NUMBER], &number)).ok_or(DropReason::TooLarge)?;
        let sealed = transport.protect_rtp(buffer, len, self.rtx_index).ok_or(DropReason::TooLarge)?;
        core.outbox.commit(transport.slot(), &path, sealed, Class::Video);
        self.rtx_index += 1;
        core.stats.rtp_out_mut(self.kind).add(sealed);
        core.stats.probe_out.add(sealed);
        flow.on_sent(context.micros, sealed, true);
        Ok(sealed)
    }

    /// Sends again what the client reports as lost, from the ring of its encoding: as RTX where the client has it, else as it was.
    pub(crate) fn resend(
        &mut self,
        context: &mut Context<'_>,
        transport: &mut Transport,
        flow: &mut Flow,
        encodings: &[Encoding],
        lost: u16,
        purpose: Purpose,
    ) -> Result<(), DropReason> {
        let subscription = self.subscription.as_mut().ok_or(DropReason::NoSubscriber)?;
        let path = *connected_path(transport)?;
        let sent = match purpose {
            Purpose::Repair => self.sequencer.resend(lost),
            Purpose::Probe => self.sequencer.find(lost),
        };
        let sent = sent.ok_or(DropReason::NotInRing)?;
        let upstream = subscription.upstream_of(sent.epoch).ok_or(DropReason::NotInRing)?;
        // Who has fallen to a lower encoding for want of bandwidth does not need what is missing of the one before its key frame; nor
        // does who is to be shown nothing before the next one.
        let has_fallen = subscription.has_fallen_from(upstream) && flow.is_congested();
        let is_over = subscription.selector.current().is_none() || has_fallen;
        if purpose == Purpose::Repair && is_over {
            return Err(DropReason::RepairBudget);
        }
        let encoding = encodings.get(upstream.encoding).filter(|e| e.generation == upstream.generation);
        let encoding = encoding.ok_or(DropReason::NotInRing)?;
        let stored = encoding.stored(sent.incoming).ok_or(DropReason::NotInRing)?;
        let Stored { sequence, packet, header, format } = stored;
        if purpose == Purpose::Repair && subscription.is_renewed_since(upstream, sequence) {
            return Err(DropReason::RepairBudget);
        }
        let source = self.rewriter.source_of(sent.epoch, sequence).ok_or(DropReason::NotInRing)?;
        // Nor does who has fallen to a lower frame rate need frames of a higher one, which nothing refers to that is sent now.
        let picture = encoding.picture(&stored, subscription_descriptor(subscription, &header, packet));
        let tier = || picture?.tier;
        if purpose == Purpose::Repair && flow.is_congested() && subscription.thinning.has_given_up(tier) {
            return Err(DropReason::RepairBudget);
        }
        let (accepted_type, mut payload) = subscription.accepted(format, header.payload(packet))?;
        if sent.is_blank {
            payload = &[];
        }
        let (copies, padding) = match self.kind {
            MediaKind::Audio => (Copies::from_annex(sent.annex), 0),
            MediaKind::Video => (Copies::NONE, usize::from(sent.annex)),
        };
        let mut redundant = None;
        if copies != Copies::NONE {
            let primary = Primary { sequence, timestamp: header.timestamp, payload };
            let types = subscription.plan.redundant();
            let again = types.and_then(|types| Redundant::again(types, encoding, primary, copies));
            // Without one of its copies it would be another packet under the same SRTP index.
            redundant = Some(again.ok_or(DropReason::NotInRing)?);
        }
        let (accepted_type, body) = Body::of(accepted_type, payload, redundant);
        let rtx = subscription.plan.rtx(format).zip(self.rtx_ssrc);
        let (payload_type, ssrc, index) = match rtx {
            Some((payload_type, ssrc)) => (payload_type, ssrc, self.rtx_index),
            // The very bytes that were sent before, under the same SRTP index: sealing them again reveals nothing.
            None => (accepted_type, self.ssrc, self.rewriter.index_of(lost)),
        };
        let fields = HeaderFields {
            marker: sent.marker,
            payload_type,
            sequence: index as u16,
            timestamp: source.timestamp(header.timestamp),
            ssrc,
        };
        let map = subscription.plan.extensions();
        let own: &[(u8, &[u8])] = &[(map[OWN_NUMBER], &flow.next_number().to_be_bytes())];
        let extensions = OutgoingExtensions { packet, header: &header, map, own };
        let core = &mut *context.core;
        let buffer = core.outbox.reserve(transport.slot()).ok_or(DropReason::OutboxFull)?;
        let len = match rtx {
            Some(_) => write_retransmission(buffer, &fields, &extensions, lost, payload),
            None => body.write(buffer, &fields, &extensions),
        };
        let len = len.ok_or(DropReason::TooLarge)?;
        // A blank keeps the numbers that it left with.
        if let Some(picture) = picture.filter(|_| !sent.is_blank) {
            picture.renumber(&source, &mut buffer[..len], len - payload.len(), subscription.descriptor_id);
        }
        let len = if rtx.is_some() { len } else { pad(buffer, len, padding) };
        let sealed = transport.protect_rtp(buffer, len, index).ok_or(DropReason::TooLarge)?;
        let class = match purpose {
            _ if self.kind == MediaKind::Audio => Class::Audio,
            Purpose::Repair => Class::Repair,
            Purpose::Probe => Class::Video,
        };
        core.outbox.commit(transport.slot(), &path, sealed, class);
        self.rtx_index += u64::from(rtx.is_some());
        core.stats.rtp_out_mut(self.kind).add(sealed);
        if self.kind == MediaKind::Video {
            flow.on_sent(context.micros, sealed, rtx.is_some() && subscription.plan.is_numbered());
        }
        match purpose {
            Purpose::Repair => {
                let wanted = Wanted { line: self.line.index() as u16, sequence: lost };
                flow.repairs.on_resent(context.now, wanted, sealed);
                core.stats.rtx_out_packets += 1;
                subscription.delivery.resent_packets += 1;
            }
            Purpose::Probe => core.stats.probe_out.add(sealed),
        }
        Ok(())
    }
}

/// The dependency descriptor of a stored packet: the ingress extension that the plan maps to the outgoing one.
fn subscription_descriptor<'a>(subscription: &Subscription, header: &RtpHeader, packet: &'a [u8]) -> Option<&'a [u8]> {
    if subscription.descriptor_id == 0 {
        return None;
    }
    header
        .extensions(packet)
        .find(|(id, _)| subscription.plan.extension(*id) == Some(subscription.descriptor_id))
        .map(|(_, value)| value)
}

/// The clock rate of every format of a kind (see [`FORMATS`](crate::formats::FORMATS)).
fn clock_rate_of(kind: MediaKind) -> u32 {
    match kind {
        MediaKind::Audio => 48_000,
        MediaKind::Video => 90_000,
    }
}

/// The path to a client that can be sent media.
fn connected_path(transport: &Transport) -> Result<&Path, DropReason> {
    transport.path().filter(|_| transport.is_connected()).ok_or(DropReason::NotConnected)
}
