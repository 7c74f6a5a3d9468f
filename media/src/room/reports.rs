//! RTCP from participants: what subscribers miss or want, what publishers say of their clocks.

use super::Room;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::feedback::rtcp::{self, Feedback, ReportBlocks, SenderReport};
use crate::feedback::sending::round_trip;
use crate::path::Path;
use crate::stats::Direction;

impl Room {
    /// Takes an SRTCP datagram of a participant.
    pub(crate) fn handle_rtcp(&mut self, context: &mut Context<'_>, index: usize, path: &Path, datagram: &mut [u8]) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        participant.transport.prefetch_rtcp();
        let len = match participant.transport.unprotect_rtcp(path, datagram) {
            Ok(len) => len,
            Err(reason) => return context.core.stats.drop(reason),
        };
        context.core.stats.rtcp_in.add(datagram.len());
        let mut packets = rtcp::parse(datagram.get(..len).unwrap_or_default());
        for feedback in packets.by_ref() {
            match feedback {
                Feedback::Nack { media_ssrc, sequences } => {
                    self.restless = true;
                    for sequence in sequences {
                        self.on_nack(context, index, media_ssrc, sequence);
                    }
                }
                Feedback::Pli { media_ssrc } => {
                    context.core.stats.pli_in += 1;
                    self.request_keyframe(index, media_ssrc);
                }
                Feedback::Fir { requests } => {
                    for (ssrc, _) in requests {
                        context.core.stats.fir_in += 1;
                        self.request_keyframe(index, ssrc);
                    }
                }
                Feedback::SenderReport { report, blocks } => {
                    self.on_sender_report(context, index, &report);
                    self.on_report_blocks(context, index, blocks);
                }
                Feedback::ReceiverReport { blocks, .. } => self.on_report_blocks(context, index, blocks),
                Feedback::Remb { bitrate_bps } => {
                    if let Some(participant) = self.participants.get_mut(index) {
                        participant.flow.on_remb(context.now, context.micros, bitrate_bps);
                        self.restless = true;
                    }
                }
                Feedback::TransportCc(packet) => {
                    let Some(participant) = self.participants.get_mut(index) else { return };
                    if !participant.flow.on_feedback(context.now, context.micros, packet) {
                        context.core.stats.drop(DropReason::MalformedRtcp);
                    }
                    self.restless |= !participant.flow.is_calm();
                    self.hurried |= participant.flow.has_moved(context.now);
                    if participant.flow.has_collapsed(context.now) {
                        self.hasten_turn(context);
                    }
                }
                Feedback::Bye { .. } => {}
            }
        }
        if packets.is_broken() {
            context.core.stats.drop(DropReason::MalformedRtcp);
        }
    }

    fn request_keyframe(&mut self, index: usize, media_ssrc: u32) {
        let Some(participant) = self.participants.get(index) else { return };
        let Some(subscription) = participant
            .line_of_ssrc(media_ssrc)
            .and_then(|line| participant.outgoing.get(line)?.as_ref()?.subscription.as_ref())
        else {
            return;
        };
        let wanted = subscription.selector.awaited().or(subscription.selector.current()).unwrap_or(0);
        if let Some(encoding) =
            self.publications.get_mut(subscription.publication).and_then(|p| p.encodings.get_mut(wanted))
        {
            encoding.request_keyframe();
        }
    }

    fn on_sender_report(&mut self, context: &mut Context<'_>, index: usize, report: &SenderReport) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        let Some(stream) = participant.streams.get(report.ssrc) else { return };
        if stream.rtx {
            return;
        }
        if let Some(encoding) =
            self.publications.get_mut(stream.publication).and_then(|p| p.encodings.get_mut(stream.encoding))
        {
            let ntp = participant.clock.to_local(context.core.clock.at(context.now), report.ntp);
            encoding.on_sender_report(context.now, ntp, report);
            self.relay_clock(context, stream.publication, stream.encoding, None);
        }
    }

    fn on_report_blocks(&mut self, context: &mut Context<'_>, index: usize, blocks: ReportBlocks<'_>) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        participant.standing.on_report(context.now);
        for block in blocks {
            let Some(line) = participant.line_of_ssrc(block.ssrc) else { continue };
            if let Some(Some(outgoing)) = participant.outgoing.get_mut(line)
                && outgoing.ssrc == block.ssrc
            {
                let loss = outgoing.on_report(&block);
                if let Some(loss) = loss.filter(|_| outgoing.is_audio() && context.core.opus_red) {
                    participant.flow.redundancy.on_report(context.now, loss);
                }
                if outgoing.is_news(&block) {
                    context.core.stats.observe_report(Direction::Out, &block, outgoing.clock_rate());
                }
            }
            if let Some(rtt) = round_trip(context.core.clock.at(context.now), &block) {
                participant.rtt.on_sample(rtt);
                participant.flow.on_round_trip(rtt);
                context.core.stats.round_trips.observe(rtt.as_micros() as u64);
            }
        }
    }
}
