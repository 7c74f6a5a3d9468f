//! What a receiver says back, as browsers do: arrival times, reports, what is missing, and that a key frame is needed.

use super::connection::Connection;
use crate::clock::Nanos;
use crate::light::streams::Kind;
use crate::tally::Measures;
use rtc::interceptor::Packet;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};
use std::time::Instant;

/// Between two looks at what is to be said, in nanoseconds. Browsers send arrival times every 50 to 250 ms.
pub(super) const TICK: u64 = 100_000_000;
/// Between reports.
const REPORT: u64 = 1_000_000_000;
/// The most blocks of a report (RFC 3550 section 6.4.1: five bits count them).
const BLOCKS: usize = 31;

/// When what is to be said.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// The next look.
    pub(super) tick: u64,
    report: u64,
}

impl Schedule {
    /// From the connection's beginning on; `drawn` spreads the clients over the interval.
    pub(super) fn start(&mut self, now: u64, drawn: u64) {
        self.tick = now + drawn % TICK;
        self.report = now + drawn % REPORT;
    }

    /// Something is missing: look soon, but give reordering a chance.
    pub(super) fn hurry(&mut self, now: u64) {
        self.tick = self.tick.min(now + 10_000_000);
    }
}

impl Connection {
    /// Says what is due. Call [`Connection::pump`] afterwards.
    pub(super) fn acknowledge(&mut self, now: u64, tally: &mut Measures) {
        self.schedule.tick = now + TICK;
        let at = Nanos(now).instant();
        let (own, peer) = (self.ssrc, &mut self.peer);
        let media = self.intake.streams.iter().next().map_or(0, |stream| stream.ssrc);
        self.intake.arrivals.drain(own, media, |feedback| peer.send(at, Packet::Rtcp(vec![Box::new(feedback)])));
        self.ask_again(now, at, tally);
        self.ask_for_key_frames(at);
        if now >= self.schedule.report {
            self.schedule.report = now + REPORT;
            self.report(now, at);
        }
    }

    fn ask_again(&mut self, now: u64, at: Instant, tally: &mut Measures) {
        for stream in self.intake.streams.iter_mut().filter(|stream| stream.kind == Kind::Video) {
            if !stream.reception.misses_any() {
                continue;
            }
            let mut numbers = Vec::new();
            stream.reception.ask(now, &mut numbers);
            if stream.reception.misses_any() {
                self.schedule.hurry(now);
            }
            if !numbers.is_empty() {
                tally.video.nacked += numbers.len() as u64;
                let nacks = nack_pairs_from_sequence_numbers(&numbers);
                let nack = TransportLayerNack { sender_ssrc: self.ssrc, media_ssrc: stream.ssrc, nacks };
                self.peer.send(at, Packet::Rtcp(vec![Box::new(nack)]));
            }
        }
    }

    /// Sends what the intake's list of streams that need one asks for.
    pub(super) fn ask_for_key_frames(&mut self, at: Instant) {
        for media_ssrc in self.intake.needs_key.drain(..) {
            let request = PictureLossIndication { sender_ssrc: self.ssrc, media_ssrc };
            self.peer.send(at, Packet::Rtcp(vec![Box::new(request)]));
        }
    }

    fn report(&mut self, now: u64, at: Instant) {
        let mut blocks: Vec<_> = self
            .intake
            .streams
            .iter_mut()
            .map(|stream| stream.reception.report(stream.ssrc, stream.kind.clock_rate(), now))
            .collect();
        while !blocks.is_empty() {
            let rest = blocks.split_off(blocks.len().min(BLOCKS));
            let report = ReceiverReport { ssrc: self.ssrc, reports: blocks, ..ReceiverReport::default() };
            self.peer.send(at, Packet::Rtcp(vec![Box::new(report)]));
            blocks = rest;
        }
    }
}
