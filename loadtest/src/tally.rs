//! What a run measures: plain counters and histograms of bounded size, which threads keep for themselves and the run
//! adds up.

use crate::histogram::Histogram;
use std::collections::BTreeMap;
use std::time::Duration;

/// The most different reasons that are told apart; an operator reads them, and a server's texts may be any.
pub const MAX_REASONS: usize = 64;
/// What stands for all reasons beyond.
const OTHER: &str = "other";
/// The most windows that are kept: when there are more, two neighbours become one of twice the length.
pub const MAX_WINDOWS: usize = 600;

/// The whole run.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// From the first join to the last measurement.
    pub elapsed: Duration,
    /// When, counted from the start, everybody had joined; nothing if the run ended before.
    pub steady_from: Option<Duration>,
    /// When, counted from the start, the steady part ended and leaving began.
    pub steady_until: Option<Duration>,
    /// The run was ended early.
    pub interrupted: bool,
    /// Everything together.
    pub total: Measures,
    /// The same by scenario, in the order of the plan.
    pub scenarios: Vec<Measures>,
    /// How it went over time.
    pub windows: Windows,
    /// The tester's own state.
    pub saturation: Saturation,
}

/// What is measured of one scenario, or of all.
#[derive(Clone, Debug, Default)]
pub struct Measures {
    /// Coming.
    pub joins: Joins,
    /// Going.
    pub leaves: Leaves,
    /// The most participants that were connected at once (of the total: the sum over its parts).
    pub most_connected: u64,
    /// Connected participants that lost their connection, by reason.
    pub lost_connections: Reasons,
    /// Pictures as they were sent.
    pub sent_video: Sent,
    /// Sound as it was sent.
    pub sent_audio: Sent,
    /// Pictures as they arrived, at light receivers and witnesses.
    pub video: Received,
    /// Sound as it arrived.
    pub audio: Received,
    /// Retransmissions (RFC 4588) as they arrived.
    pub retransmissions: Received,
    /// What the witnesses saw.
    pub witnesses: Witnessed,
}

/// How joins went.
#[derive(Clone, Debug, Default)]
pub struct Joins {
    /// Begun.
    pub attempted: u64,
    /// ICE and DTLS are up and the server took part in everything that was asked of it.
    pub succeeded: u64,
    /// The others, by reason.
    pub failed: Reasons,
    /// From the begin of the socket's connection to a connected participant, in nanoseconds.
    pub time: Histogram,
    /// From the same begin to the first media packet, of who receives any, in nanoseconds.
    pub first_packet: Histogram,
}

/// How leaves went.
#[derive(Clone, Debug, Default)]
pub struct Leaves {
    /// Begun.
    pub attempted: u64,
    /// What the server confirmed.
    pub succeeded: u64,
    /// The others, by reason.
    pub failed: Reasons,
    /// From the request to the server's confirmation, in nanoseconds.
    pub time: Histogram,
}

/// Counts by reason, at most [`MAX_REASONS`] different ones.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reasons(BTreeMap<String, u64>);

/// What publishers sent of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Media packets, without retransmissions.
    pub packets: u64,
    /// Bytes of their UDP payload.
    pub bytes: u64,
    /// Packets that were sent again because the server missed them.
    pub retransmitted: u64,
    /// Packets that the server missed and that were no longer at hand.
    pub not_at_hand: u64,
    /// Key frames.
    pub keyframes: u64,
    /// Key frames that the server asked for.
    pub keyframe_requests: u64,
    /// Packets that this machine's kernel did not take.
    pub not_taken: u64,
}

/// What arrived of one kind. Told by sequence numbers as they stand in the packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Received {
    /// Packets, each once.
    pub packets: u64,
    /// Bytes of UDP payload, duplicates included.
    pub bytes: u64,
    /// Sequence numbers that never came.
    pub lost: u64,
    /// Packets that came after one with a higher number.
    pub reordered: u64,
    /// Packets that came again.
    pub duplicated: u64,
    /// Packets that were asked for again.
    pub nacked: u64,
}

/// What witnesses saw: they decrypt everything.
#[derive(Clone, Debug, Default)]
pub struct Witnessed {
    /// Packets that were decrypted and checked.
    pub packets: u64,
    /// Packets that SRTP refused.
    pub undecryptable: u64,
    /// Packets that held something else than was sent.
    pub wrong_content: u64,
    /// Packets that came in another order than they were sent.
    pub out_of_order: u64,
    /// Numbers of the publisher that never came, though ones before and after them did and the layer did not change.
    pub missing: u64,
    /// From a publisher's sending to the arrival, in nanoseconds.
    pub video_latency: Histogram,
    /// The same of sound.
    pub audio_latency: Histogram,
    /// The difference of two neighbouring packets' latencies, in nanoseconds.
    pub jitter: Histogram,
    /// Interarrival jitter (RFC 3550 section 6.4.1) of sampled packets at light receivers, in nanoseconds.
    pub light_jitter: Histogram,
}

/// The run in stretches of equal length.
#[derive(Clone, Debug)]
pub struct Windows {
    /// The length of one.
    pub length: Duration,
    /// From the start of the run on, without gaps.
    pub list: Vec<Window>,
}

/// A stretch of time.
#[derive(Clone, Debug, Default)]
pub struct Window {
    /// Media packets that arrived.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Sequence numbers that were given up.
    pub lost: u64,
    /// Joins that succeeded.
    pub joined: u64,
    /// Joins that failed.
    pub join_failures: u64,
    /// Participants that left.
    pub left: u64,
    /// One-way latency of pictures and sound at the witnesses, in nanoseconds.
    pub latency: Histogram,
}

impl Default for Windows {
    fn default() -> Self {
        Self { length: Duration::from_secs(1), list: Vec::new() }
    }
}

/// Whether the tester itself kept up. What it measures says nothing of the server while it did not.
#[derive(Clone, Debug, Default)]
pub struct Saturation {
    /// By thread: the share of the steady part (0 to 1) that it did not sleep.
    pub busy: Vec<f64>,
    /// The same for the busiest second of the busiest thread.
    pub busiest_second: f64,
    /// Datagrams that the kernel dropped because the tester did not fetch them in time.
    pub receive_drops: u64,
    /// Sending times that publishers missed by more than 10 ms.
    pub late_ticks: u64,
    /// All their sending times.
    pub ticks: u64,
    /// Joins that began more than 100 ms after their time.
    pub late_joins: u64,
    /// How late sending times were, in nanoseconds.
    pub lateness: Histogram,
}

impl Saturation {
    /// Above this share of a thread's time queues grow, and waiting in the tester shows as the server's latency.
    pub const BUSY: f64 = 0.9;
    /// Above this share of late sending times the load is not the one that was planned.
    pub const LATE: f64 = 0.01;

    /// Why the tester, not the server, may be what limited the run: sentences for people. Empty when nothing says so.
    #[must_use]
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for (thread, busy) in self.busy.iter().enumerate().filter(|(_, busy)| **busy > Self::BUSY) {
            complaints.push(format!("the tester's thread {thread} was busy for {:.0} % of the time", busy * 100.0));
        }
        if self.receive_drops > 0 {
            complaints.push(format!("the tester did not fetch {} datagrams in time", self.receive_drops));
        }
        if self.late_ticks as f64 > self.ticks as f64 * Self::LATE {
            complaints.push(format!("publishers sent {} of {} times late", self.late_ticks, self.ticks));
        }
        if self.late_joins > 0 {
            complaints.push(format!("{} joins began late", self.late_joins));
        }
        complaints
    }

    /// Adds another thread's.
    pub fn merge(&mut self, other: &Self) {
        self.busy.extend_from_slice(&other.busy);
        self.busiest_second = self.busiest_second.max(other.busiest_second);
        self.receive_drops += other.receive_drops;
        self.late_ticks += other.late_ticks;
        self.ticks += other.ticks;
        self.late_joins += other.late_joins;
        self.lateness.merge(&other.lateness);
    }
}

impl Reasons {
    /// Counts one. When there are too many different ones already, it is counted as `other`.
    pub fn add(&mut self, reason: &str) {
        self.add_many(reason, 1);
    }

    fn add_many(&mut self, reason: &str, count: u64) {
        // A place is kept for what has none.
        let named = self.0.len() - usize::from(self.0.contains_key(OTHER));
        let known = self.0.contains_key(reason) || named < MAX_REASONS - 1;
        *self.0.entry(if known { reason } else { OTHER }.to_owned()).or_default() += count;
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// Each reason and its count, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(reason, count)| (reason.as_str(), *count))
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        other.iter().for_each(|(reason, count)| self.add_many(reason, count));
    }
}

impl Measures {
    /// Adds what another one measured.
    pub fn merge(&mut self, other: &Self) {
        self.joins.merge(&other.joins);
        self.leaves.merge(&other.leaves);
        self.most_connected += other.most_connected;
        self.lost_connections.merge(&other.lost_connections);
        self.sent_video.merge(&other.sent_video);
        self.sent_audio.merge(&other.sent_audio);
        self.video.merge(&other.video);
        self.audio.merge(&other.audio);
        self.retransmissions.merge(&other.retransmissions);
        self.witnesses.merge(&other.witnesses);
    }

    /// Packets of pictures and sound that arrived, each once.
    #[must_use]
    pub fn media_packets(&self) -> u64 {
        self.video.packets + self.audio.packets
    }

    /// The share of what should have arrived that never did, 0 to 1.
    #[must_use]
    pub fn loss(&self) -> f64 {
        let lost = self.video.lost + self.audio.lost;
        let sent = lost + self.media_packets();
        if sent == 0 { 0.0 } else { lost as f64 / sent as f64 }
    }
}

impl Joins {
    fn merge(&mut self, other: &Self) {
        self.attempted += other.attempted;
        self.succeeded += other.succeeded;
        self.failed.merge(&other.failed);
        self.time.merge(&other.time);
        self.first_packet.merge(&other.first_packet);
    }
}

impl Leaves {
    fn merge(&mut self, other: &Self) {
        self.attempted += other.attempted;
        self.succeeded += other.succeeded;
        self.failed.merge(&other.failed);
        self.time.merge(&other.time);
    }
}

impl Sent {
    fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.retransmitted += other.retransmitted;
        self.not_at_hand += other.not_at_hand;
        self.keyframes += other.keyframes;
        self.keyframe_requests += other.keyframe_requests;
        self.not_taken += other.not_taken;
    }
}

impl Received {
    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.reordered += other.reordered;
        self.duplicated += other.duplicated;
        self.nacked += other.nacked;
    }
}

impl Witnessed {
    /// Forgets how late packets were so far: the part of the run begins that is told.
    pub fn forget_times(&mut self) {
        for times in [&mut self.video_latency, &mut self.audio_latency, &mut self.jitter, &mut self.light_jitter] {
            *times = Histogram::default();
        }
    }

    fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.undecryptable += other.undecryptable;
        self.wrong_content += other.wrong_content;
        self.out_of_order += other.out_of_order;
        self.missing += other.missing;
        self.video_latency.merge(&other.video_latency);
        self.audio_latency.merge(&other.audio_latency);
        self.jitter.merge(&other.jitter);
        self.light_jitter.merge(&other.light_jitter);
    }
}

impl Window {
    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        self.packets += other.packets;
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.joined += other.joined;
        self.join_failures += other.join_failures;
        self.left += other.left;
        self.latency.merge(&other.latency);
    }
}

impl Windows {
    /// The window of a moment, counted from the start of the run. Windows grow twice as long when there are too many.
    pub fn at(&mut self, since_start: Duration) -> &mut Window {
        let mut index = self.index(since_start);
        while index >= MAX_WINDOWS {
            self.double();
            index = self.index(since_start);
        }
        if self.list.len() <= index {
            self.list.resize_with(index + 1, Window::default);
        }
        &mut self.list[index]
    }

    fn index(&self, since_start: Duration) -> usize {
        let index = since_start.as_nanos() / self.length.as_nanos().max(1);
        index.try_into().unwrap_or(usize::MAX)
    }

    fn double(&mut self) {
        self.length *= 2;
        let mut halves = std::mem::take(&mut self.list).into_iter();
        while let Some(mut window) = halves.next() {
            if let Some(second) = halves.next() {
                window.merge(&second);
            }
            self.list.push(window);
        }
    }

    /// Adds another thread's, of the same run.
    pub fn merge(&mut self, other: &Self) {
        while self.length < other.length {
            self.double();
        }
        for (index, window) in other.list.iter().enumerate() {
            let since_start = other.length.saturating_mul(index.try_into().unwrap_or(u32::MAX));
            self.at(since_start).merge(window);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_forgotten_and_counts_kept() {
        let mut witnessed = Witnessed { packets: 3, missing: 1, ..Witnessed::default() };
        [
            &mut witnessed.video_latency,
            &mut witnessed.audio_latency,
            &mut witnessed.jitter,
            &mut witnessed.light_jitter,
        ]
        .into_iter()
        .for_each(|histogram| histogram.record(5));
        witnessed.forget_times();
        let counts = [&witnessed.video_latency, &witnessed.audio_latency, &witnessed.jitter, &witnessed.light_jitter]
            .map(|histogram| histogram.count());
        assert_eq!((counts, witnessed.packets, witnessed.missing), ([0; 4], 3, 1));
    }

    #[test]
    fn reasons_are_bounded() {
        let mut reasons = Reasons::default();
        for number in 0..1_000 {
            reasons.add(&format!("reason {number}"));
        }
        assert_eq!((reasons.iter().count(), reasons.total()), (MAX_REASONS, 1_000));
        let mut sum = Reasons::default();
        sum.merge(&reasons);
        sum.merge(&reasons);
        assert_eq!((sum.iter().count(), sum.total()), (MAX_REASONS, 2_000));
    }

    #[test]
    fn windows_are_bounded_and_lose_nothing() {
        let mut windows = Windows::default();
        for second in 0..10 * MAX_WINDOWS as u64 {
            windows.at(Duration::from_secs(second)).packets += 1;
        }
        assert!(windows.list.len() <= MAX_WINDOWS);
        assert_eq!(windows.length, Duration::from_secs(16));
        assert_eq!(windows.list.iter().map(|window| window.packets).sum::<u64>(), 10 * MAX_WINDOWS as u64);
        assert_eq!(windows.list.first().map(|window| window.packets), Some(16));

        let mut short = Windows::default();
        short.at(Duration::from_secs(17)).packets += 1;
        short.merge(&windows);
        assert_eq!(short.length, windows.length);
        assert_eq!(short.list.get(1).map(|window| window.packets), Some(17));
    }

    #[test]
    fn a_tester_that_kept_up_has_nothing_to_complain_of() {
        let mut saturation = Saturation { busy: vec![0.5], ticks: 1_000, late_ticks: 10, ..Saturation::default() };
        assert!(saturation.complaints().is_empty());
        saturation.late_ticks = 11;
        saturation.receive_drops = 1;
        saturation.late_joins = 1;
        saturation.merge(&Saturation { busy: vec![0.95], ..Saturation::default() });
        assert_eq!(saturation.complaints().len(), 4);
    }
}
