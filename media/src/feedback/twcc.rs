//! Transport-wide congestion feedback to a publisher (draft-holmer-rmcat-transport-wide-cc-extensions-01): which packets of
//! the transport arrived, and when.
//!
//! Every number is reported once, as received or lost. A packet that comes after it was reported lost is reported again,
//! with those behind it, since a report covers a contiguous range.

use super::rtcp::{FMT_TRANSPORT_CC, TRANSPORT_FEEDBACK};
use super::rtcp_writer::{begin, finish};
use crate::rtp::sequence::SequenceUnwrapper;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The numbers kept: one second of 8 Mbit/s. A jump beyond it begins anew.
pub const WINDOW: usize = 1_024;
/// Received packets in one message. With the worst pattern of losses in the window it stays below 1200 bytes.
pub const MAX_RECEIVED_PER_MESSAGE: usize = 400;
/// How long reported packets are kept for the sake of late ones.
const KEPT_AFTER_REPORT: Duration = Duration::from_millis(500);

/// Arrival times are reported in units of 250 µs, the reference time in 256 of them.
const TICK_US: u128 = 250;
const TICKS_PER_REFERENCE: i64 = 256;

/// The largest run that one run-length chunk holds: 13 bits.
const MAX_RUN: usize = 0x1fff;

/// The status of one packet, as its two-bit symbol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Symbol {
    Lost = 0,
    SmallDelta = 1,
    LargeDelta = 2,
}

/// What arrived over one transport.
#[derive(Debug, Default)]
pub struct TwccRecorder {
    unwrapper: SequenceUnwrapper,
    /// The arrival of the first packet ever, from which ticks are counted.
    epoch: Option<Instant>,
    /// The number of the first of `arrivals`.
    first: u64,
    /// Ticks of arrival, by number; at most [`WINDOW`]. The last is never `None`.
    arrivals: VecDeque<Option<i64>>,
    /// The first number that the next message must cover.
    report_from: u64,
    message_count: u8,
}

impl TwccRecorder {
    /// Takes note of a packet by its transport-wide number. Of duplicates the first counts; numbers older than those that
    /// are kept, or than the first of all, are ignored.
    pub fn on_packet(&mut self, now: Instant, sequence: u16) {
        let ticks = self.ticks(now);
        let sequence = self.unwrapper.unwrap(sequence);
        // The first of all is such a jump, since numbers begin in their second cycle.
        if sequence >= self.first + (self.arrivals.len() + WINDOW) as u64 {
            self.arrivals.clear();
            self.first = sequence;
            self.report_from = sequence;
        }
        let Some(index) = sequence.checked_sub(self.first).and_then(|index| usize::try_from(index).ok()) else {
            return;
        };
        while self.arrivals.len() <= index {
            self.arrivals.push_back(None);
        }
        match self.arrivals.get_mut(index) {
            Some(arrival @ None) => *arrival = Some(ticks),
            _ => return,
        }
        self.report_from = self.report_from.min(sequence);
        while self.arrivals.len() > WINDOW {
            self.drop_oldest();
        }
    }

    /// Appends one message and returns true; false when there is nothing to report. While it returns true there may be
    /// more: call it again, for another packet.
    pub fn build(&mut self, now: Instant, sender_ssrc: u32, media_ssrc: u32, out: &mut Vec<u8>) -> bool {
        let skipped = self.report_from.saturating_sub(self.first) as usize;
        let mut symbols = [Symbol::Lost; WINDOW];
        let Some(message) = self.collect(skipped, &mut symbols) else {
            return false;
        };
        let symbols = symbols.get(..message.covered).unwrap_or_default();
        let start = begin(out, FMT_TRANSPORT_CC, TRANSPORT_FEEDBACK, &[sender_ssrc, media_ssrc]);
        out.extend_from_slice(&(self.report_from as u16).to_be_bytes());
        out.extend_from_slice(&(message.covered as u16).to_be_bytes());
        out.extend_from_slice(&(message.reference as u32).to_be_bytes()[1..]);
        out.push(self.message_count);
        write_chunks(out, symbols);
        self.write_deltas(out, skipped, symbols, message.reference * TICKS_PER_REFERENCE);
        pad(out, start);

        self.message_count = self.message_count.wrapping_add(1);
        self.report_from += message.covered as u64;
        self.forget_reported(now);
        true
    }

    fn ticks(&mut self, now: Instant) -> i64 {
        let epoch = *self.epoch.get_or_insert(now);
        (now.saturating_duration_since(epoch).as_micros() / TICK_US) as i64
    }

    fn drop_oldest(&mut self) {
        self.arrivals.pop_front();
        self.first += 1;
        self.report_from = self.report_from.max(self.first);
    }

    fn forget_reported(&mut self, now: Instant) {
        let oldest = self.ticks(now) - (KEPT_AFTER_REPORT.as_micros() / TICK_US) as i64;
        while self.first < self.report_from {
            match self.arrivals.front() {
                Some(arrival) if arrival.is_none_or(|ticks| ticks < oldest) => self.drop_oldest(),
                _ => return,
            }
        }
    }

    /// Decides what the next message covers: up to the last received packet that it has room for and whose distance in
    /// time from the one before fits.
    fn collect(&self, skipped: usize, symbols: &mut [Symbol; WINDOW]) -> Option<Message> {
        let mut message: Option<Message> = None;
        let (mut previous, mut received) = (0, 0);
        for (index, (arrival, symbol)) in self.arrivals.iter().skip(skipped).zip(symbols).enumerate() {
            let Some(ticks) = *arrival else { continue };
            let known = message.get_or_insert_with(|| {
                let reference = ticks.div_euclid(TICKS_PER_REFERENCE);
                previous = reference * TICKS_PER_REFERENCE;
                Message { reference, covered: 0 }
            });
            let delta = ticks - previous;
            if received == MAX_RECEIVED_PER_MESSAGE || i16::try_from(delta).is_err() {
                break;
            }
            *symbol = if u8::try_from(delta).is_ok() { Symbol::SmallDelta } else { Symbol::LargeDelta };
            known.covered = index + 1;
            previous = ticks;
            received += 1;
        }
        message
    }

    fn write_deltas(&self, out: &mut Vec<u8>, skipped: usize, symbols: &[Symbol], reference: i64) {
        let mut previous = reference;
        for (arrival, symbol) in self.arrivals.iter().skip(skipped).zip(symbols) {
            let Some(ticks) = *arrival else { continue };
            let delta = ticks - previous;
            match symbol {
                Symbol::SmallDelta => out.push(delta as u8),
                _ => out.extend_from_slice(&(delta as i16).to_be_bytes()),
            }
            previous = ticks;
        }
    }
}

/// What one message covers.
struct Message {
    /// Reference time in 64 ms.
    reference: i64,
    /// Numbers covered, the last of them received.
    covered: usize,
}

/// Packet status chunks: a run where it saves something, else a vector of 14 one-bit or 7 two-bit symbols.
fn write_chunks(out: &mut Vec<u8>, mut symbols: &[Symbol]) {
    while let Some(&symbol) = symbols.first() {
        let run = symbols.iter().take(MAX_RUN).take_while(|s| **s == symbol).count();
        let one_bit = symbols.iter().take(14).all(|s| *s != Symbol::LargeDelta);
        let vector_len = if one_bit { 14 } else { 7 };
        let (chunk, used) = if run >= vector_len || run == symbols.len() {
            ((symbol as u16) << 13 | run as u16, run)
        } else {
            let bits = if one_bit { 1 } else { 2 };
            let head = if one_bit { 0x8000 } else { 0xc000 };
            let places = symbols.iter().take(vector_len).enumerate();
            let vector = places.fold(head, |vector, (i, s)| vector | (*s as u16) << (14 - bits * (i + 1)));
            (vector, vector_len)
        };
        out.extend_from_slice(&chunk.to_be_bytes());
        symbols = symbols.get(used..).unwrap_or_default();
    }
}

/// Ends the packet with RTCP padding (RFC 3550 section 6.4.1), which says its own length, where it is not whole words.
fn pad(out: &mut Vec<u8>, start: usize) {
    let unpadded = out.len();
    finish(out, start);
    let padding = (out.len() - unpadded) as u8;
    if padding > 0 {
        if let Some(last) = out.last_mut() {
            *last = padding;
        }
        if let Some(first) = out.get_mut(start) {
            *first |= 0x20;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::rtcp::{Feedback, parse};
    use crate::feedback::test_start;
    use proptest::prelude::*;
    use rtc::rtcp::transport_feedbacks::transport_layer_cc::TransportLayerCc;
    use rtc::shared::marshal::Unmarshal as _;
    use std::collections::BTreeMap;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// One decoded message: its base, and per number the arrival in µs since the epoch.
    fn decode(message: &[u8]) -> Vec<(u16, Option<i64>)> {
        assert!(message.len() <= 1_200);
        assert!(matches!(parse(message).next(), Some(Feedback::TransportCc(raw)) if raw == message));
        let decoded = TransportLayerCc::unmarshal(&mut &message[..]).expect("valid");
        let acknowledgements = interceptor::convert_twcc(&decoded);
        // A vector's unused places are no packets.
        let covered = acknowledgements.iter().take(usize::from(decoded.packet_status_count));
        let statuses: Vec<_> = covered.map(|a| (a.sequence_number, a.arrival.map(|t| t.as_micros() as i64))).collect();
        assert_eq!(statuses.len(), usize::from(decoded.packet_status_count));
        assert_eq!(statuses.first().map(|s| s.0), Some(decoded.base_sequence_number));
        let received = statuses.iter().filter(|s| s.1.is_some()).count();
        assert_eq!(received, decoded.recv_deltas.len());
        statuses
    }

    fn build_all(recorder: &mut TwccRecorder, now: Instant) -> Vec<(u16, Option<i64>)> {
        let mut statuses = Vec::new();
        let mut out = Vec::new();
        while recorder.build(now, 1, 2, &mut out) {
            statuses.extend(decode(&out));
            out.clear();
        }
        statuses
    }

    #[test]
    fn nothing_is_reported_twice() {
        let start = test_start();
        let mut recorder = TwccRecorder::default();
        assert!(!recorder.build(start, 1, 2, &mut Vec::new()));
        recorder.on_packet(start, 7);
        recorder.on_packet(start + ms(100), 9);
        recorder.on_packet(start + ms(110), 9);
        assert_eq!(build_all(&mut recorder, start), [(7, Some(0)), (8, None), (9, Some(100_000))]);
        assert!(build_all(&mut recorder, start).is_empty());
        recorder.on_packet(start + ms(120), 12);
        let expected = [(10, None), (11, None), (12, Some(120_000))];
        assert_eq!(build_all(&mut recorder, start), expected, "losses between two reports are reported");
    }

    #[test]
    fn reordering_across_the_wrap_has_negative_deltas() {
        let start = test_start();
        let mut recorder = TwccRecorder::default();
        recorder.on_packet(start, 65_534);
        recorder.on_packet(start + ms(30), 1);
        recorder.on_packet(start + ms(10), 65_535);
        recorder.on_packet(start + ms(20), 0);
        let expected = [(65_534, Some(0)), (65_535, Some(10_000)), (0, Some(20_000)), (1, Some(30_000))];
        assert_eq!(build_all(&mut recorder, start), expected);
        recorder.on_packet(start + ms(70), 3);
        recorder.on_packet(start + ms(90), 2);
        assert_eq!(build_all(&mut recorder, start), [(2, Some(90_000)), (3, Some(70_000))]);
    }

    #[test]
    fn a_late_packet_is_reported_with_those_behind_it() {
        let start = test_start();
        let mut recorder = TwccRecorder::default();
        recorder.on_packet(start, 10);
        recorder.on_packet(start + ms(1), 12);
        build_all(&mut recorder, start + ms(1));
        recorder.on_packet(start + ms(5), 11);
        assert_eq!(build_all(&mut recorder, start + ms(5)), [(11, Some(5_000)), (12, Some(1_000))]);
        recorder.on_packet(start + ms(6), 9);
        assert!(build_all(&mut recorder, start + ms(6)).is_empty(), "older than the first of all");
    }

    #[test]
    fn what_was_reported_received_is_never_reported_lost() {
        let start = test_start();
        let mut recorder = TwccRecorder::default();
        (0..100).for_each(|sequence| recorder.on_packet(start, sequence));
        build_all(&mut recorder, start);
        let later = start + Duration::from_secs(2);
        recorder.on_packet(later, 101);
        assert_eq!(build_all(&mut recorder, later), [(100, None), (101, Some(2_000_000))]);
        recorder.on_packet(later, 50);
        recorder.on_packet(later, 102);
        assert_eq!(build_all(&mut recorder, later), [(102, Some(2_000_000))]);
    }

    #[test]
    fn a_long_silence_begins_another_message() {
        let start = test_start();
        let mut recorder = TwccRecorder::default();
        recorder.on_packet(start, 1);
        recorder.on_packet(start + Duration::from_secs(9), 2);
        let mut out = Vec::new();
        assert!(recorder.build(start, 1, 2, &mut out));
        assert_eq!(decode(&out), [(1, Some(0))]);
        out.clear();
        assert!(recorder.build(start, 1, 2, &mut out));
        assert_eq!(decode(&out), [(2, Some(9_000_000))]);
    }

    #[test]
    fn the_window_is_bounded() {
        let start = test_start();
        let mut recorder = TwccRecorder::default();
        for sequence in 0..3_000u16 {
            recorder.on_packet(start, sequence);
        }
        assert_eq!(recorder.arrivals.len(), WINDOW);
        assert_eq!(build_all(&mut recorder, start).len(), WINDOW, "older ones are lost to the report");
        recorder.on_packet(start, 20_000);
        assert_eq!(recorder.arrivals.len(), 1, "a jump begins anew");
        assert_eq!(build_all(&mut recorder, start), [(20_000, Some(0))]);
        for sequence in (0..3_000u16).map(|i| i * 15) {
            recorder.on_packet(start, sequence.wrapping_add(20_000));
        }
        assert!(recorder.arrivals.len() <= WINDOW);
        assert!(!build_all(&mut recorder, start).is_empty());
    }

    #[test]
    fn reported_packets_are_forgotten_after_a_while() {
        let start = test_start();
        let mut recorder = TwccRecorder::default();
        for sequence in 0..500u16 {
            let now = start + ms(u64::from(sequence) * 10);
            recorder.on_packet(now, sequence);
            build_all(&mut recorder, now);
        }
        assert!(recorder.arrivals.len() <= 52, "half a second, not {}", recorder.arrivals.len());
    }

    #[test]
    fn messages_are_counted() {
        let start = test_start();
        let mut recorder = TwccRecorder::default();
        for count in 0..300u16 {
            recorder.on_packet(start, count);
            let mut out = Vec::new();
            assert!(recorder.build(start, 1, 2, &mut out));
            assert_eq!(out[19], count as u8);
        }
    }

    proptest! {
        #[test]
        fn the_decoded_reports_are_the_truth(first in any::<u16>(), steps in prop::collection::vec((-8i32..14, 0u64..40_000, 0u8..20), 1..400)) {
            let start = test_start();
            let mut now = start;
            let mut recorder = TwccRecorder::default();
            recorder.on_packet(start, first);
            let mut truth = BTreeMap::from([(first, 0)]);
            let mut reported = BTreeMap::new();
            let mut highest = i32::from(first);
            let oldest = highest;
            let mut told = highest;
            for (step, pause_us, report) in steps {
                now += Duration::from_micros(pause_us);
                let sequence = (highest + step) as u16;
                let is_known = highest + step >= oldest;
                highest = highest.max(highest + step);
                recorder.on_packet(now, sequence);
                if is_known {
                    truth.entry(sequence).or_insert((now - start).as_micros() as i64 / 250 * 250);
                }
                // What is not told of within the window is forgotten.
                if report == 0 || highest - told > WINDOW as i32 - 14 {
                    reported.extend(build_all(&mut recorder, now));
                    told = highest;
                }
            }
            reported.extend(build_all(&mut recorder, now));
            for (sequence, arrival) in &truth {
                prop_assert_eq!(reported.get(sequence), Some(&Some(*arrival)));
            }
            for (sequence, arrival) in &reported {
                prop_assert_eq!(arrival.as_ref(), truth.get(sequence));
            }
        }
    }
}
