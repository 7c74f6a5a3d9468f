//! Sends again what subscribers miss: at once, or as soon as the path has room for it.

use super::Room;
use crate::context::Context;
use crate::drop_reason::DropReason;
use crate::flow::Wanted;
use crate::outbox::MAX_DATAGRAM;
use crate::participant::Participant;
use crate::publication::Publication;
use crate::subscription::Purpose;
use slab::Slab;

impl Room {
    /// A subscriber asks for one packet.
    pub(super) fn on_nack(&mut self, context: &mut Context<'_>, index: usize, media_ssrc: u32, sequence: u16) {
        context.core.stats.nack_in_packets += 1;
        let Some(participant) = self.participants.get_mut(index) else { return };
        let Some(line) = participant.line_of_ssrc(media_ssrc) else { return };
        let Some(Some(outgoing)) = participant.outgoing.get_mut(line) else { return };
        let Some(subscription) = &mut outgoing.subscription else { return };
        subscription.delivery.nacked_packets += 1;
        let wanted = Wanted { line: line as u16, sequence };
        let repairs = &mut participant.flow.repairs;
        if repairs.is_crossing(context.now, participant.rtt.get(), wanted) {
            context.core.stats.drop(DropReason::ResentAlready);
        } else if outgoing.is_audio() || repairs.allows(MAX_DATAGRAM) {
            repair(context, participant, &self.publications, wanted);
        } else if !repairs.postpone(context.now, wanted) {
            context.core.stats.drop(DropReason::RepairBudget);
        }
    }
}

/// Sends what was asked for when there was no room for it, as far as there is now.
pub(super) fn repair_late(context: &mut Context<'_>, participant: &mut Participant, publications: &Slab<Publication>) {
    while let Some(postponed) = participant.flow.repairs.poll(context.now, MAX_DATAGRAM) {
        match postponed {
            Ok(wanted) => repair(context, participant, publications, wanted),
            Err(reason) => context.core.stats.drop(reason),
        }
    }
}

fn repair(context: &mut Context<'_>, participant: &mut Participant, publications: &Slab<Publication>, wanted: Wanted) {
    let Participant { outgoing, flow, transport, .. } = participant;
    let Some(Some(outgoing)) = outgoing.get_mut(usize::from(wanted.line)) else { return };
    let publication =
        outgoing.subscription.as_ref().and_then(|subscription| publications.get(subscription.publication));
    let Some(publication) = publication else { return };
    let encodings = &publication.encodings;
    if let Err(reason) = outgoing.resend(context, transport, flow, encodings, wanted.sequence, Purpose::Repair) {
        context.core.stats.drop(reason);
    }
}
