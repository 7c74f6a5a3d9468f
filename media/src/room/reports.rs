//! RTCP from participants: what subscribers miss or want, what publishers say of their clocks.

use super::Room;
use crate::context::Context;
use crate::feedback::ntp::from_short;
use crate::feedback::rtcp::{self, Feedback, ReportBlock, ReportBlocks, SenderReport};
use crate::path::Path;
use std::time::Duration;

/// Round-trip times beyond this are taken for nonsense.
const MAX_RTT: Duration = Duration::from_secs(5);

impl Room {
    /// Takes an SRTCP datagram of a participant.
    pub(crate) fn handle_rtcp(&mut self, context: &mut Context<'_>, index: usize, path: &Path, datagram: &mut [u8]) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        let compound = match participant.transport.unprotect_rtcp(path, datagram) {
            Ok(compound) => compound,
            Err(reason) => return context.core.stats.drop(reason),
        };
        for feedback in rtcp::parse(&compound) {
            match feedback {
                Feedback::Nack { media_ssrc, sequences } => {
                    for sequence in sequences {
                        self.resend(context, index, media_ssrc, sequence);
                    }
                }
                Feedback::Pli { media_ssrc } => self.request_keyframe(context, index, media_ssrc),
                Feedback::Fir { requests } => {
                    for request in requests {
                        self.request_keyframe(context, index, request.ssrc);
                    }
                }
                Feedback::SenderReport { report, blocks } => {
                    self.on_sender_report(context, index, &report);
                    self.on_report_blocks(context, index, blocks);
                }
                Feedback::ReceiverReport { blocks, .. } => self.on_report_blocks(context, index, blocks),
                Feedback::Remb { .. } | Feedback::TransportCc(_) | Feedback::Bye { .. } => {}
            }
        }
    }

    fn resend(&mut self, context: &mut Context<'_>, index: usize, media_ssrc: u32, lost: u16) {
        context.core.stats.nack_in_packets += 1;
        let Some(participant) = self.participants.get_mut(index) else { return };
        let Some(line) = participant.line_of_ssrc(media_ssrc) else { return };
        let Some(Some(outgoing)) = participant.outgoing.get_mut(line) else { return };
        let Some(key) = outgoing.subscription.as_ref().map(|subscription| subscription.publication) else { return };
        let Some(publication) = self.publications.get(key) else { return };
        let result = outgoing.resend(context, &mut participant.transport, &publication.encodings, lost);
        if let Err(reason) = result {
            context.core.stats.drop(reason);
        }
    }

    fn request_keyframe(&mut self, context: &mut Context<'_>, index: usize, media_ssrc: u32) {
        context.core.stats.keyframe_requests_in += 1;
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
            encoding.request_keyframe(context.now);
        }
    }

    fn on_sender_report(&mut self, context: &Context<'_>, index: usize, report: &SenderReport) {
        let Some(stream) = self.participants.get(index).and_then(|p| p.streams.get(report.ssrc)) else { return };
        if stream.rtx {
            return;
        }
        if let Some(encoding) =
            self.publications.get_mut(stream.publication).and_then(|p| p.encodings.get_mut(stream.encoding))
        {
            encoding.on_sender_report(context.now, report);
        }
    }

    fn on_report_blocks(&mut self, context: &Context<'_>, index: usize, blocks: ReportBlocks<'_>) {
        let Some(participant) = self.participants.get_mut(index) else { return };
        for block in blocks {
            let known = participant.line_of_ssrc(block.ssrc).is_some();
            if let Some(rtt) = round_trip(context, &block).filter(|_| known) {
                // RFC 6298's smoothing: an eighth of the new sample.
                participant.rtt = (participant.rtt * 7 + rtt) / 8;
            }
        }
    }
}

/// RFC 3550 section 6.4.1: now, less the time of our report, less the time it was held.
fn round_trip(context: &Context<'_>, block: &ReportBlock) -> Option<Duration> {
    if block.last_sender_report == 0 {
        return None;
    }
    let now = context.core.clock.at(context.now).middle();
    let elapsed = now.wrapping_sub(block.last_sender_report).wrapping_sub(block.delay_since_last);
    // Clocks of 1/65536 s may place the answer before the question by a unit or two.
    let rtt = if elapsed > u32::MAX / 2 { Duration::ZERO } else { from_short(elapsed) };
    (rtt <= MAX_RTT).then_some(rtt)
}

