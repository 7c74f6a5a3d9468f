//! What a receiver report says of one received stream (RFC 3550 appendices A.3 and A.8).

use super::ntp::{NtpTime, to_short};
use super::rtcp::ReportBlock;
use crate::room_stats::ReceptionQuality;
use std::time::{Duration, Instant};

/// A change of transit time beyond this is a new timestamp base and not jitter.
const MAX_TRANSIT_CHANGE: Duration = Duration::from_secs(5);

/// The statistics of one received stream.
///
/// Retransmissions on a stream of their own are not counted here: the sender wants to know what its network lost.
#[derive(Clone, Debug)]
pub struct ReceptionStats {
    clock_rate: u32,
    /// First and highest extended sequence number, once there is a packet.
    range: Option<(u64, u64)>,
    received: u64,
    expected_at_report: u64,
    received_at_report: u64,
    /// The interval of the latest report had no packets, and missed none.
    is_idle: bool,
    /// Arrival and timestamp of the latest packet in order.
    latest: Option<(Instant, u32)>,
    /// In timestamp units, times 16.
    jitter_x16: u64,
    /// Middle bits of the sender's latest report, and when it came.
    sender_report: Option<(u32, Instant)>,
    /// As the latest report said.
    quality: Option<ReceptionQuality>,
}

impl ReceptionStats {
    /// For a stream whose timestamps count `clock_rate` Hz.
    #[must_use]
    pub const fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate,
            range: None,
            received: 0,
            expected_at_report: 0,
            received_at_report: 0,
            is_idle: false,
            latest: None,
            jitter_x16: 0,
            sender_report: None,
            quality: None,
        }
    }

    /// Counts a packet; duplicates too, as the RFC has it. `sequence` is extended as by
    /// [`SequenceUnwrapper`](crate::rtp::sequence::SequenceUnwrapper).
    pub fn on_packet(&mut self, now: Instant, sequence: u64, timestamp: u32) {
        self.received += 1;
        let (first, highest) = self.range.unwrap_or((sequence, sequence));
        let is_in_order = self.range.is_none() || sequence > highest;
        self.range = Some((first.min(sequence), highest.max(sequence)));
        if is_in_order {
            self.update_jitter(now, timestamp);
        }
    }

    /// Takes note of the sender's report.
    pub fn on_sender_report(&mut self, now: Instant, ntp: NtpTime) {
        self.sender_report = Some((ntp.middle(), now));
    }

    /// The block for the next receiver report, whose interval ends here; `None` before the first packet.
    pub fn report(&mut self, now: Instant, ssrc: u32) -> Option<ReportBlock> {
        let (first, highest) = self.range?;
        let expected = highest - first + 1;
        let expected_now = expected - self.expected_at_report;
        let received_now = self.received - self.received_at_report;
        let lost_now = expected_now.saturating_sub(received_now);
        self.is_idle = expected_now == 0 && received_now == 0;
        self.expected_at_report = expected;
        self.received_at_report = self.received;
        let cumulative = expected as i64 - self.received as i64;
        let (last_sender_report, delay_since_last) =
            self.sender_report.map_or((0, 0), |(middle, at)| (middle, to_short(now.saturating_duration_since(at))));
        let fraction_lost = (lost_now * 256).checked_div(expected_now).unwrap_or(0).min(255) as u8;
        self.quality = Some(ReceptionQuality::new(fraction_lost, self.jitter(), self.clock_rate));
        Some(ReportBlock {
            ssrc,
            fraction_lost,
            cumulative_lost: cumulative.clamp(-0x80_0000, 0x7f_ffff) as i32,
            // Extended numbers begin in their second cycle, the report's in the first.
            highest_sequence: highest.wrapping_sub(1 << 16) as u32,
            jitter: self.jitter(),
            last_sender_report,
            delay_since_last,
        })
    }

    /// What the latest report said; `None` before the first.
    #[must_use]
    pub const fn quality(&self) -> Option<ReceptionQuality> {
        self.quality
    }

    /// Whether nothing happened in the interval of the latest report.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.is_idle
    }

    /// How many units its timestamps advance a second.
    #[must_use]
    pub const fn clock_rate(&self) -> u32 {
        self.clock_rate
    }

    /// Interarrival jitter in timestamp units.
    #[must_use]
    pub fn jitter(&self) -> u32 {
        u32::try_from(self.jitter_x16 >> 4).unwrap_or(u32::MAX)
    }

    fn update_jitter(&mut self, now: Instant, timestamp: u32) {
        let Some((arrival, previous)) = self.latest.replace((now, timestamp)) else {
            return;
        };
        let elapsed = now.saturating_duration_since(arrival).as_nanos() * u128::from(self.clock_rate) / 1_000_000_000;
        let advanced = i64::from(timestamp.wrapping_sub(previous) as i32);
        let change = (i64::try_from(elapsed).unwrap_or(i64::MAX)).saturating_sub(advanced).unsigned_abs();
        if change < MAX_TRANSIT_CHANGE.as_secs() * u64::from(self.clock_rate) {
            self.jitter_x16 = self.jitter_x16 + change - ((self.jitter_x16 + 8) >> 4);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;

    const FIRST: u64 = 65_536 + 65_530;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn without_packets_there_is_no_report() {
        let mut stats = ReceptionStats::new(90_000);
        assert_eq!((stats.report(test_start(), 1), stats.quality()), (None, None));
    }

    #[test]
    fn losses_are_counted_per_interval_and_in_all() {
        let now = test_start();
        let mut stats = ReceptionStats::new(90_000);
        for i in [0, 1, 2, 4, 6, 7, 9] {
            stats.on_packet(now, FIRST + i, 0);
        }
        let report = stats.report(now, 5).expect("packets");
        assert_eq!((report.ssrc, report.cumulative_lost), (5, 3));
        assert_eq!(u32::from(report.fraction_lost), 3 * 256 / 10);
        assert_eq!(stats.quality().map(|quality| quality.loss_fraction), Some(76.0 / 256.0));
        assert_eq!(report.highest_sequence, (1 << 16) + 3, "one wrap");
        for i in [5, 10, 11] {
            stats.on_packet(now, FIRST + i, 0);
        }
        let report = stats.report(now, 5).expect("packets");
        assert_eq!((report.fraction_lost, report.cumulative_lost), (0, 2), "a late packet makes up for a loss");
        assert!(!stats.is_idle());
        let report = stats.report(now, 5).expect("packets");
        assert_eq!((report.fraction_lost, report.cumulative_lost), (0, 2), "an interval without packets");
        assert!(stats.is_idle());
    }

    #[test]
    fn duplicates_make_losses_negative_and_total_loss_is_255() {
        let now = test_start();
        let mut stats = ReceptionStats::new(90_000);
        (0..3).for_each(|_| stats.on_packet(now, FIRST, 0));
        assert_eq!(stats.report(now, 5).map(|r| (r.fraction_lost, r.cumulative_lost)), Some((0, -2)));
        stats.on_packet(now, FIRST + 100_000, 0);
        assert_eq!(stats.report(now, 5).map(|r| r.fraction_lost), Some(255));
    }

    #[test]
    fn jitter_follows_the_formula() {
        let start = test_start();
        let mut stats = ReceptionStats::new(48_000);
        for i in 0..500u64 {
            // Packets of 20 ms, every other one 5 ms late: transit changes by 240 units each time.
            let late = if i % 2 == 0 { 0 } else { 5 };
            stats.on_packet(start + ms(i * 20 + late), FIRST + i, (u32::MAX - 9_000).wrapping_add(i as u32 * 960));
        }
        assert!((235..=240).contains(&stats.jitter()), "{}", stats.jitter());
        stats.on_packet(start + ms(10_000), FIRST + 500, 12_345_678);
        assert!(stats.jitter() <= 240, "a new timestamp base is not jitter");
    }

    #[test]
    fn reordered_packets_do_not_count_as_jitter() {
        let start = test_start();
        let mut stats = ReceptionStats::new(90_000);
        stats.on_packet(start, FIRST + 1, 3_000);
        stats.on_packet(start + ms(30), FIRST, 0);
        assert_eq!(stats.jitter(), 0);
    }

    #[test]
    fn reports_name_the_senders_latest() {
        let start = test_start();
        let mut stats = ReceptionStats::new(90_000);
        stats.on_packet(start, FIRST, 0);
        stats.on_sender_report(start, NtpTime(0x0001_0002_0003_0004));
        let report = stats.report(start + ms(1_500), 5).expect("packets");
        assert_eq!((report.last_sender_report, report.delay_since_last), (0x0002_0003, 0x1_8000));
    }
}
