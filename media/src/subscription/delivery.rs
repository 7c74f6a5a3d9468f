//! What became of a subscription's packets: what was sent, and how well it got through.

use crate::feedback::rtcp::ReportBlock;
use crate::feedback::traffic::Traffic;
use crate::room_stats::ReceptionQuality;

/// The counters of one subscription. They begin anew with each track on a line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Delivery {
    /// What was sent, without what was sent again.
    pub(crate) traffic: Traffic,
    /// Packets that the client asked for again.
    pub(crate) nacked_packets: u64,
    /// Packets that were sent again.
    pub(crate) resent_packets: u64,
    /// As the client's latest receiver report said.
    pub(crate) reception: Option<ReceptionQuality>,
}

impl Delivery {
    /// Takes note of the client's report on the stream, whose timestamps count `clock_rate` Hz.
    pub(crate) fn on_report(&mut self, block: &ReportBlock, clock_rate: u32) {
        self.reception = Some(ReceptionQuality::new(block.fraction_lost, block.jitter, clock_rate));
    }
}
