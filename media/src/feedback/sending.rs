//! Sender reports of the streams that a subscriber is sent, and the round-trip time from its answers (RFC 3550 section 6.4).
//!
//! A subscriber plays a publisher's voice and picture in step by the sender reports of both. So the relation of NTP to RTP
//! time that the publisher reported is passed on, moved from the publisher's clock to this server's by the same offset
//! for all its streams.

use super::ntp::{NtpTime, from_short};
use super::rtcp::{ReportBlock, SenderReport};
use std::time::Duration;

/// A change of a publisher's clock beyond this (in 1/2^32 s) is a step, after which its offset is measured anew.
const CLOCK_STEP: u64 = 1 << 32;

/// Round trips beyond this are not believed.
const MAX_ROUND_TRIP: Duration = Duration::from_secs(10);

/// The offset from a publisher's NTP clock to the server's.
///
/// The least delayed report shows it best. A slow drift between the clocks is the same for all of the publisher's streams
/// and does no harm.
#[derive(Clone, Copy, Debug, Default)]
pub struct PublisherClock {
    offset: Option<i64>,
}

impl PublisherClock {
    /// Takes note of a report that says `remote` and came at `arrival`, and moves its time to the server's clock.
    pub fn to_local(&mut self, arrival: NtpTime, remote: NtpTime) -> NtpTime {
        let measured = arrival.0.wrapping_sub(remote.0) as i64;
        let offset = match self.offset {
            Some(known) if known.abs_diff(measured) < CLOCK_STEP => known.min(measured),
            _ => measured,
        };
        self.offset = Some(offset);
        NtpTime(remote.0.wrapping_add_signed(offset))
    }
}

/// A point at which a stream's timestamp and the server's NTP time are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimestampMapping {
    /// The time.
    pub ntp: NtpTime,
    /// The stream's timestamp then.
    pub timestamp: u32,
    /// How many units its timestamps advance a second.
    pub clock_rate: u32,
}

impl TimestampMapping {
    /// The stream's timestamp at another time, before or after.
    #[must_use]
    pub fn timestamp_at(&self, ntp: NtpTime) -> u32 {
        let elapsed = i128::from(ntp.0.wrapping_sub(self.ntp.0) as i64);
        let units = (elapsed * i128::from(self.clock_rate)) >> 32;
        self.timestamp.wrapping_add(units as u32)
    }
}

/// What was sent on one stream to one subscriber.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendingStats {
    packets: u32,
    octets: u32,
}

impl SendingStats {
    /// Counts a packet and its payload in bytes, without header and padding. Both counters wrap, as on the wire.
    pub fn on_packet(&mut self, payload_len: usize) {
        self.packets = self.packets.wrapping_add(1);
        self.octets = self.octets.wrapping_add(payload_len as u32);
    }

    /// Packets sent so far, modulo 2^32.
    #[must_use]
    pub const fn packets(&self) -> u32 {
        self.packets
    }

    /// The report at `now`; `None` before the first packet. `mapping` is of the timestamps as they are sent.
    #[must_use]
    pub fn report(&self, now: NtpTime, ssrc: u32, mapping: &TimestampMapping) -> Option<SenderReport> {
        (self.packets > 0).then(|| SenderReport {
            ssrc,
            ntp: now,
            rtp_timestamp: mapping.timestamp_at(now),
            packets: self.packets,
            octets: self.octets,
        })
    }
}

/// The round-trip time that a report block shows; `None` when it answers no report, or one of another time.
#[must_use]
pub fn round_trip(now: NtpTime, block: &ReportBlock) -> Option<Duration> {
    if block.last_sender_report == 0 {
        return None;
    }
    let units = now.middle().wrapping_sub(block.last_sender_report).wrapping_sub(block.delay_since_last);
    // A clock's granularity may make it slightly negative.
    let units = if (units as i32) < 0 && (units as i32) > -0x100 { 0 } else { units };
    Some(from_short(units)).filter(|rtt| *rtt <= MAX_ROUND_TRIP)
}

/// A transport's round-trip time, smoothed as TCP does (RFC 6298 section 2).
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundTripTime {
    smoothed: Option<Duration>,
}

impl RoundTripTime {
    /// Assumed before the first measurement.
    pub const INITIAL: Duration = Duration::from_millis(100);

    /// Takes a measurement.
    pub fn on_sample(&mut self, rtt: Duration) {
        self.smoothed = Some(self.smoothed.map_or(rtt, |smoothed| (smoothed * 7 + rtt) / 8));
    }

    /// The present value.
    #[must_use]
    pub fn get(&self) -> Duration {
        self.smoothed.unwrap_or(Self::INITIAL)
    }

    /// The same, once it was measured.
    #[must_use]
    pub const fn measured(&self) -> Option<Duration> {
        self.smoothed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1 << 32;

    #[test]
    fn the_mapping_goes_both_ways_and_wraps() {
        let mapping = TimestampMapping { ntp: NtpTime(10 * SECOND), timestamp: u32::MAX, clock_rate: 90_000 };
        assert_eq!(mapping.timestamp_at(NtpTime(10 * SECOND)), u32::MAX);
        assert_eq!(mapping.timestamp_at(NtpTime(12 * SECOND)), 179_999);
        assert_eq!(mapping.timestamp_at(NtpTime(9 * SECOND + SECOND / 2)), u32::MAX - 45_000);
    }

    #[test]
    fn both_streams_of_a_publisher_move_by_one_offset() {
        let mut clock = PublisherClock::default();
        let audio = clock.to_local(NtpTime(1_000 * SECOND + SECOND / 5), NtpTime(400 * SECOND));
        assert_eq!(audio.0, 1_000 * SECOND + SECOND / 5);
        let video = clock.to_local(NtpTime(1_001 * SECOND + SECOND / 10), NtpTime(401 * SECOND));
        assert_eq!(video.0, 1_001 * SECOND + SECOND / 10, "a report that came faster");
        let later = clock.to_local(NtpTime(1_002 * SECOND + SECOND / 2), NtpTime(402 * SECOND));
        assert_eq!(later.0, 1_002 * SECOND + SECOND / 10, "a delayed report changes nothing");
        let stepped = clock.to_local(NtpTime(1_003 * SECOND), NtpTime(9_000 * SECOND));
        assert_eq!(stepped.0, 1_003 * SECOND, "the publisher's clock was set");
    }

    #[test]
    fn reports_begin_with_the_first_packet() {
        let mapping = TimestampMapping { ntp: NtpTime(SECOND), timestamp: 7, clock_rate: 48_000 };
        let mut stats = SendingStats::default();
        assert_eq!(stats.report(NtpTime(SECOND), 9, &mapping), None);
        stats.on_packet(100);
        stats.on_packet(50);
        let report = stats.report(NtpTime(3 * SECOND), 9, &mapping).expect("sent");
        assert_eq!((report.ssrc, report.packets, report.octets, report.rtp_timestamp), (9, 2, 150, 96_007));
    }

    #[test]
    fn the_round_trip_is_what_the_answer_did_not_wait() {
        let now = NtpTime(0x0000_0001_0000_0000 + 5 * SECOND);
        let sent = NtpTime(now.0 - 2 * SECOND);
        let block =
            |lsr, dlsr| ReportBlock { last_sender_report: lsr, delay_since_last: dlsr, ..ReportBlock::default() };
        assert_eq!(round_trip(now, &block(sent.middle(), 0x1_8000)), Some(Duration::from_millis(500)));
        assert_eq!(round_trip(now, &block(0, 0)), None, "no report to answer");
        assert_eq!(round_trip(now, &block(sent.middle(), 0x2_0001)), Some(Duration::ZERO), "rounding");
        assert_eq!(round_trip(now, &block(sent.middle(), 0x3_0000)), None, "from the future");
        assert_eq!(round_trip(now, &block(sent.middle().wrapping_sub(60 << 16), 0)), None, "too long");
    }

    #[test]
    fn the_round_trip_time_is_smoothed() {
        let mut rtt = RoundTripTime::default();
        assert_eq!((rtt.get(), rtt.measured()), (RoundTripTime::INITIAL, None));
        rtt.on_sample(Duration::from_millis(80));
        rtt.on_sample(Duration::from_millis(160));
        assert_eq!((rtt.get(), rtt.measured()), (Duration::from_millis(90), Some(Duration::from_millis(90))));
    }
}
