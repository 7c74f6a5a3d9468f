//! Spreads what a participant is sent, so that a key frame does not fill the queue in front of its bottleneck.
//!
//! A token bucket that is filled at a multiple of the estimate. Ordinary frames find it full and leave at once and whole; what
//! exceeds it waits for the next quantum, each stream in order, and frame by frame (see [`Turns`]). Audio never waits, and is not counted: the
//! estimate is of what is left for video. What waits is not copied: the packets lie in the rings of their encodings, and are numbered and
//! sealed when they leave.
//!
//! The multiple and the way in which a long queue is drained are those of libwebrtc's `PacingController`.

use super::probing::Probing;
use super::turns::{Ticks, Turns};
use crate::congestion::{Probe, ProbeId};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How often a participant with something waiting has its turn. What leaves together is one message to the kernel.
pub(crate) const QUANTUM: Duration = Duration::from_millis(5);

/// The bucket is filled at this multiple of the estimate, which lies some percent below what the path carries. libwebrtc's is 2.5; but
/// a key frame at that rate fills the path's queue by half of itself, which looks like overuse just when a better layer begins.
const FACTOR: f64 = 1.1;

/// What the bucket holds, in time of its rate: an ordinary frame. A frame of 30 a second at the whole estimate takes 30 ms of it.
const DEPTH: Duration = Duration::from_millis(30);

/// A queue is sent in this time, whatever the estimate: what is later than that is of no use.
pub(crate) const LONGEST_QUEUE: Duration = Duration::from_millis(250);

/// Packets that wait at most: 8 Mbit/s for the whole of [`LONGEST_QUEUE`], and as much again.
pub(crate) const MAX_WAITING: usize = 512;

/// A video packet whose turn has not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// The outgoing stream.
    pub(crate) line: u16,
    pub(crate) encoding: u8,
    pub(crate) generation: u8,
    /// A decoder can start here.
    pub(crate) begins: bool,
    /// Its length as it came, in bytes; 0 where it will be left out when it has its turn.
    pub(crate) len: u16,
    /// Extended sequence number in its encoding.
    pub(crate) sequence: u64,
    /// RTP timestamp, which the packets of a frame have in common.
    pub(crate) timestamp: u32,
}

impl Waiting {
    fn is_of_frame(&self, other: &Self) -> bool {
        (self.line, self.encoding, self.timestamp) == (other.line, other.encoding, other.timestamp)
    }
}

/// See the module's text.
#[derive(Default)]
pub(crate) struct Pacer {
    /// In bytes a second; 0 while nothing is known of the path, and nothing waits.
    rate: u64,
    /// Bytes that may leave; less than none after what could not wait.
    credit: i64,
    filled: Option<Instant>,
    /// What waits, each with the time at which its frame is to be complete.
    queue: VecDeque<(Ticks, Waiting)>,
    turns: Turns,
    /// Bytes that wait.
    bytes: usize,
    /// The most that has waited since nothing did.
    peak: usize,
    probing: Option<Probing>,
}

impl Pacer {
    /// Follows the estimate; `None` while nothing is known of the path.
    pub(crate) fn set_estimate(&mut self, now: Instant, estimate_bps: Option<u64>) {
        self.fill(now);
        let rate = estimate_bps.map_or(0, |bps| (bps as f64 * FACTOR / 8.0) as u64);
        if self.rate == 0 {
            self.credit = depth(rate);
        }
        self.rate = rate;
    }

    /// Goes on at this estimate's rate with nothing saved up: what left at once would find the path's queue full.
    pub(crate) fn restart(&mut self, now: Instant, estimate_bps: Option<u64>) {
        self.set_estimate(now, estimate_bps);
        self.credit = self.credit.min(0);
    }

    /// Whether a video packet may leave at once, ahead of nothing that waits.
    #[inline]
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        if !self.queue.is_empty() {
            return false;
        }
        if self.rate == 0 {
            return true;
        }
        self.fill(now);
        self.credit > 0
    }

    /// Counts bytes that left.
    #[inline]
    pub(crate) fn spend(&mut self, bytes: usize) {
        self.credit -= bytes as i64;
        if let Some(probing) = &mut self.probing {
            probing.spend(bytes);
        }
    }

    /// Lets a packet wait; whether there was room.
    pub(crate) fn push(&mut self, waiting: Waiting) -> bool {
        let room = self.queue.len() < MAX_WAITING;
        if room {
            self.bytes += usize::from(waiting.len);
            self.peak = self.peak.max(self.bytes);
            self.append(waiting);
        }
        room
    }

    /// The next packet whose turn has come.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Waiting> {
        self.fill(now);
        if self.credit <= 0 {
            return None;
        }
        let (_, Waiting { line, .. }) = *self.queue.iter().min_by_key(|(end, waiting)| (*end, waiting.line))?;
        let place = self.queue.iter().position(|(_, waiting)| waiting.line == line)?;
        let (_, waiting) = self.queue.remove(place)?;
        self.bytes -= usize::from(waiting.len);
        self.turns.advance(u64::from(waiting.len));
        if self.queue.is_empty() {
            self.turns.clear();
        }
        Some(waiting)
    }

    /// Whether anything waits, or is being probed.
    pub(crate) fn is_busy(&self) -> bool {
        !self.queue.is_empty() || self.probing.is_some()
    }

    /// Whether a packet of the line waits.
    pub(crate) fn has(&self, line: usize) -> bool {
        self.waiting().any(|waiting| usize::from(waiting.line) == line)
    }

    /// Whether a key frame of an encoding waits, from its beginning.
    pub(crate) fn has_beginning(&self, line: usize, encoding: usize) -> bool {
        let begins = |waiting: &Waiting| waiting.begins && usize::from(waiting.encoding) == encoding;
        self.waiting().any(|waiting| usize::from(waiting.line) == line && begins(waiting))
    }

    /// Whether exactly that packet waits.
    pub(crate) fn holds(&self, line: usize, encoding: usize, sequence: u64) -> bool {
        self.waiting().any(|waiting| {
            (usize::from(waiting.line), usize::from(waiting.encoding), waiting.sequence) == (line, encoding, sequence)
        })
    }

    /// Forgets what waits for a line, but for `kept` encodings.
    pub(crate) fn forget(&mut self, line: usize, kept: impl Fn(usize) -> bool) {
        self.queue.retain(|(_, waiting)| usize::from(waiting.line) != line || kept(usize::from(waiting.encoding)));
        self.bytes = self.waiting().map(|waiting| usize::from(waiting.len)).sum();
        // What is left is to be sent in time, and not what was to be.
        self.peak = self.bytes;
        if self.queue.is_empty() {
            self.turns.clear();
        } else {
            let left = self.queue.iter().filter(|(_, waiting)| usize::from(waiting.line) == line).map(|(end, _)| *end);
            self.turns.shorten(line as u16, left.max());
        }
    }

    /// Packets that wait.
    pub(crate) fn waiting_packets(&self) -> usize {
        self.queue.len()
    }

    /// Bytes that wait: a sign that more is forwarded than fits.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.bytes
    }

    /// Begins to probe; an earlier probe that goes on is given up.
    pub(crate) fn probe(&mut self, now: Instant, probe: Probe) {
        self.probing = Some(Probing::new(now, probe));
    }

    /// The probe that is going on, which what leaves now is part of.
    #[inline]
    pub(crate) fn probe_id(&self) -> Option<ProbeId> {
        self.probing.as_ref().map(Probing::id)
    }

    /// Whether a video packet would be much of what the probe sends.
    pub(crate) fn probes_slowly(&self) -> bool {
        self.probing.as_ref().is_some_and(Probing::is_slow)
    }

    /// Bytes that the probe wants to have sent now beyond what was; ends it once it has had all.
    pub(crate) fn probe_due(&mut self, now: Instant) -> usize {
        let Some(probing) = &self.probing else { return 0 };
        if probing.is_over(now) {
            self.probing = None;
            return 0;
        }
        probing.due(now)
    }

    fn waiting(&self) -> impl Iterator<Item = &Waiting> {
        self.queue.iter().map(|(_, waiting)| waiting)
    }

    /// Lets a packet wait behind the others of its line, and its frame until it would be complete with it.
    fn append(&mut self, waiting: Waiting) {
        let frame = |(_, other): &&(Ticks, Waiting)| other.is_of_frame(&waiting);
        let begun = self.queue.iter().rev().find(frame).map(|(end, _)| *end);
        let end = begun.unwrap_or_else(|| self.turns.begin(waiting.line)) + u64::from(waiting.len);
        if begun.is_some() {
            for (known, _) in self.queue.iter_mut().filter(|(_, other)| other.is_of_frame(&waiting)) {
                *known = end;
            }
        }
        self.turns.lasts(waiting.line, end);
        self.queue.push_back((end, waiting));
    }

    fn fill(&mut self, now: Instant) {
        if self.filled == Some(now) {
            return;
        }
        let elapsed = self.filled.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.filled = Some(now);
        if self.queue.is_empty() {
            self.peak = 0;
        }
        let drain = (self.peak as f64 / LONGEST_QUEUE.as_secs_f64()) as u64;
        let rate = self.rate.max(drain);
        let earned = (rate as f64 * elapsed.as_secs_f64()) as i64;
        // Debts are bounded, too: a burst of retransmissions does not stop all video for long.
        self.credit = self.credit.max(-depth(self.rate)).saturating_add(earned).min(depth(rate));
    }
}

/// The most that a bucket of that rate holds, in bytes: never less than a packet.
fn depth(rate: u64) -> i64 {
    ((rate as f64 * DEPTH.as_secs_f64()) as i64).max(1_500)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn waiting(line: u16, sequence: u64) -> Waiting {
        Waiting { line, encoding: 1, generation: 0, begins: false, len: 1_000, sequence, timestamp: 0 }
    }

    /// What leaves at `now` of what waits.
    fn drain(pacer: &mut Pacer, now: Instant) -> Vec<u64> {
        let mut sent = Vec::new();
        while let Some(waiting) = pacer.pop(now) {
            pacer.spend(usize::from(waiting.len));
            sent.push(waiting.sequence);
        }
        sent
    }

    #[test]
    fn nothing_waits_while_nothing_is_known_of_the_path() {
        let (mut pacer, start) = (Pacer::default(), test_start());
        for _ in 0..10_000 {
            assert!(pacer.admits(start));
            pacer.spend(1_200);
        }
    }

    #[test]
    fn what_is_forgotten_is_not_hurried_for() {
        let (mut pacer, start) = (Pacer::default(), test_start());
        pacer.set_estimate(start, Some(500_000));
        (0..100).for_each(|sequence| assert!(pacer.push(waiting(0, sequence))));
        (0..15).for_each(|sequence| assert!(pacer.push(waiting(1, sequence))));
        pacer.forget(0, |_| false);
        // 69 bytes a millisecond, and no 460.
        let sent = (0..=20).map(|quantum| drain(&mut pacer, start + QUANTUM * quantum).len()).sum::<usize>();
        assert!((8..=10).contains(&sent), "{sent} in a tenth of a second");
    }

    #[test]
    fn after_a_fall_nothing_is_left_of_what_was_saved_up() {
        let (mut pacer, start) = (Pacer::default(), test_start());
        pacer.set_estimate(start, Some(2_000_000));
        assert!(pacer.admits(start));
        pacer.restart(start, Some(300_000));
        assert!(!pacer.admits(start));
        assert!(pacer.admits(start + ms(1)));
        pacer.spend(1_200);
        assert!(!pacer.admits(start + ms(20)) && pacer.admits(start + ms(35)), "29 ms of 330 kbit/s");
    }

    #[test]
    fn a_frame_leaves_at_once_and_a_key_frame_is_spread() {
        let (mut pacer, start) = (Pacer::default(), test_start());
        // Bytes of 1.1 Mbit/s: 4,125 in 30 ms.
        pacer.set_estimate(start, Some(1_000_000));
        let mut burst = 0;
        while pacer.admits(start) {
            pacer.spend(1_000);
            burst += 1;
        }
        assert_eq!(burst, 5, "a frame of 1.2 Mbit/s at 30 a second");
        (0..20).for_each(|sequence| assert!(pacer.push(waiting(0, sequence))));
        assert!(pacer.is_busy() && pacer.has(0) && !pacer.has(1));
        assert!(pacer.push(Waiting { begins: true, ..waiting(1, 50) }));
        assert!(pacer.has_beginning(1, 1) && !pacer.has_beginning(0, 1) && !pacer.has_beginning(1, 0));
        pacer.forget(1, |_| false);
        assert!(pacer.holds(0, 1, 19) && !pacer.holds(0, 0, 19) && !pacer.holds(0, 1, 20));
        assert_eq!(pacer.waiting_bytes(), 20_000);
        let mut sent = Vec::new();
        let quanta = (1..).take_while(|quantum| {
            let leaving = drain(&mut pacer, start + QUANTUM * *quantum);
            assert!(leaving.len() <= 2, "at most what the rate has earned, and a packet");
            sent.extend(leaving);
            pacer.is_busy()
        });
        let quanta = quanta.count();
        assert!((28..=32).contains(&quanta), "20 kB take 145 ms: {quanta}");
        assert_eq!(sent, (0..20).collect::<Vec<_>>(), "in order");
    }

    #[test]
    fn a_key_frame_holds_up_no_other_picture() {
        let (mut pacer, start) = (Pacer::default(), test_start());
        pacer.set_estimate(start, Some(1_000_000));
        (0..20).for_each(|sequence| assert!(pacer.push(waiting(1, sequence))));
        (30..32).for_each(|sequence| assert!(pacer.push(waiting(2, sequence))));
        assert!(pacer.push(waiting(0, 40)));
        let mut sent = Vec::new();
        (0..).find(|quantum| {
            sent.extend(drain(&mut pacer, start + QUANTUM * *quantum));
            !pacer.is_busy()
        });
        assert_eq!(sent[..3], [40, 30, 31], "the smallest first, and each whole");
        assert_eq!(sent[3..], (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn key_frames_that_come_together_are_complete_one_after_another() {
        let (mut pacer, start) = (Pacer::default(), test_start());
        pacer.set_estimate(start, Some(1_000_000));
        // As they come: a packet of each, and another one.
        for part in 0..5 {
            (0..20).for_each(|line| assert!(pacer.push(waiting(line, u64::from(line) * 10 + part))));
        }
        let mut sent = drain(&mut pacer, start);
        // A small picture need not wait for those that have not begun.
        assert!(sent.len() < 10 && pacer.push(waiting(20, 999)));
        (1..).find(|quantum| {
            sent.extend(drain(&mut pacer, start + QUANTUM * *quantum));
            !pacer.is_busy()
        });
        let small = sent.iter().position(|sequence| *sequence == 999).expect("sent");
        assert!(small < 15, "{small}");
        sent.remove(small);
        let whole: Vec<_> = (0..20).flat_map(|line| (0..5).map(move |part| line * 10 + part)).collect();
        assert_eq!(sent, whole);
    }

    #[test]
    fn pictures_of_a_stream_keep_their_order_however_small_the_later_ones_are() {
        let (mut pacer, start) = (Pacer::default(), test_start());
        pacer.set_estimate(start, Some(1_000_000));
        (0..6).for_each(|sequence| assert!(pacer.push(waiting(0, sequence))));
        (6..9).for_each(|sequence| assert!(pacer.push(Waiting { timestamp: 3_000, ..waiting(0, sequence) })));
        assert!(pacer.push(Waiting { len: 10, timestamp: 6_000, ..waiting(0, 9) }));
        assert!(pacer.push(waiting(0, 10)), "late of the first picture");
        let mut sent = Vec::new();
        (0..).find(|quantum| {
            sent.extend(drain(&mut pacer, start + QUANTUM * *quantum));
            !pacer.is_busy()
        });
        assert_eq!(sent, (0..=10).collect::<Vec<_>>());
    }

    #[test]
    fn a_long_queue_is_sent_in_time_whatever_the_estimate() {
        let (mut pacer, start) = (Pacer::default(), test_start());
        pacer.set_estimate(start, Some(10_000));
        (0..MAX_WAITING as u64).for_each(|sequence| assert!(pacer.push(waiting(0, sequence))));
        assert!(!pacer.push(waiting(0, 9_999)), "the queue is bounded");
        let mut quantum = 0;
        while pacer.is_busy() {
            quantum += 1;
            drain(&mut pacer, start + QUANTUM * quantum);
        }
        let bound = LONGEST_QUEUE.as_millis() as u32 / QUANTUM.as_millis() as u32;
        assert!(quantum <= bound + 1, "{quantum} quanta");
    }

    #[test]
    fn what_waits_goes_first_also_where_nothing_is_known_any_more() {
        let (mut pacer, start) = (Pacer::default(), test_start());
        pacer.set_estimate(start, Some(1_000_000));
        assert!(pacer.push(waiting(0, 1)));
        pacer.set_estimate(start, None);
        assert!(!pacer.admits(start));
        assert_eq!(drain(&mut pacer, start + QUANTUM), [1]);
        assert!(pacer.admits(start + QUANTUM));
    }

    #[test]
    fn what_is_of_no_use_any_more_does_not_wait() {
        let (mut pacer, start) = (Pacer::default(), test_start());
        pacer.set_estimate(start, Some(1_000_000));
        (0..4).for_each(|sequence| assert!(pacer.push(waiting((sequence % 2) as u16, sequence))));
        pacer.forget(0, |_| false);
        pacer.forget(1, |encoding| encoding == 1);
        assert_eq!(drain(&mut pacer, start), [1, 3]);
        assert_eq!(pacer.waiting_bytes(), 0);
    }

    #[test]
    fn a_debt_is_bounded() {
        let (mut pacer, start) = (Pacer::default(), test_start());
        pacer.set_estimate(start, Some(1_000_000));
        assert!(pacer.admits(start));
        pacer.spend(1_000_000);
        assert!(!pacer.admits(start + ms(25)));
        assert!(pacer.admits(start + ms(35)), "repairs do not stop video for long");
    }

    #[test]
    fn a_probe_has_its_bytes_at_its_rate_media_among_them() {
        let (mut pacer, start) = (Pacer::default(), test_start());
        pacer.set_estimate(start, Some(1_000_000));
        let id = ProbeId::after(None);
        // 1,250 bytes a quantum.
        pacer.probe(start, Probe { id, bitrate_bps: 2_000_000, min_bytes: 3_750, min_packets: 5 });
        assert_eq!((pacer.probe_id(), pacer.probe_due(start)), (Some(id), 1_250));
        pacer.spend(1_250);
        assert_eq!((pacer.probe_due(start), pacer.is_busy()), (0, true));
        pacer.spend(250);
        assert_eq!(pacer.probe_due(start + QUANTUM), 1_000, "media was part of it");
        (0..2).for_each(|_| pacer.spend(500));
        assert_eq!(pacer.probe_due(start + 2 * QUANTUM), 1_250);
        pacer.spend(1_250);
        assert_eq!((pacer.probe_due(start + 3 * QUANTUM), pacer.probe_id()), (0, None), "it has had all");
    }

    #[test]
    fn a_probe_that_gets_nothing_to_send_ends() {
        let (mut pacer, start) = (Pacer::default(), test_start());
        pacer
            .probe(start, Probe { id: ProbeId::after(None), bitrate_bps: 2_000_000, min_bytes: 3_750, min_packets: 5 });
        assert!(pacer.probe_due(start + ms(150)) > 0);
        assert_eq!((pacer.probe_due(start + ms(200)), pacer.is_busy()), (0, false));
    }
}
