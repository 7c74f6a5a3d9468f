//! How fast a participant is sent to: what its path carries, what waits for its turn, what is sent again or twice.

mod pacer;
mod probing;
mod redundancy;
mod repairs;
mod turns;

pub(crate) use pacer::{Pacer, QUANTUM, Waiting};
pub(crate) use repairs::Wanted;

use crate::allocation::Budget;
use crate::cache::prefetch;
use crate::congestion::{Congestion, Demand};
use pacer::{LONGEST_QUEUE, MAX_WAITING};
use redundancy::Redundancy;
use repairs::Repairs;
use std::time::{Duration, Instant};

/// What the network adds to each datagram: the IPv4 and UDP headers. Estimates are of what a link carries.
pub(crate) const DATAGRAM_OVERHEAD: usize = 28;

/// A client that has numbered packets for so long and says nothing of them will not: nothing is known of its path.
const PATIENCE: Duration = Duration::from_secs(3);

/// The share of the estimate that is kept for key frames, in percent: a path that is full to the brim queues each of them for long.
const RESERVE_PERCENT: u64 = 2;

/// What the path carries in a tenth of a second and a half may wait without any harm: a key frame that a better layer begins with.
const USUALLY_WAITING_PERCENT: u64 = 15;

/// Every better layer begins with a key frame: where there is little room, the next one waits until that is through.
const BETWEEN_RISES: Duration = Duration::from_millis(500);

/// How long none begins after one was given up: at least, after the first that is given up again within some time, and at most. Each that
/// is makes it four times as long.
const SHORTEST_REST: Duration = Duration::from_secs(2);
const FAILED_REST: Duration = Duration::from_secs(8);
const LONGEST_REST: Duration = Duration::from_secs(32);
const FAILED_WITHIN: Duration = Duration::from_secs(30);

/// A budget of more than this share of the estimate that failed is news, in percent: the path has become better.
const NEWS_PERCENT: u64 = 110;

/// While a queue drains the path counts as carrying this share of what it does, in percent: the one picture that is not given up may
/// take half as much again.
const DRAINING_PERCENT: u64 = 60;

/// Where what is sent is more than this share of the budget, a layer that is given up ends at once, in percent.
const STEEP_PERCENT: u64 = 150;

/// Above this share of the budget there is little room, in percent.
const LITTLE_ROOM_PERCENT: u64 = 70;

/// Packets that may wait with those that are sent later than they came: live ones need room, too.
const MAX_REPLAYED: usize = MAX_WAITING / 4 * 3;

/// The rate at which those may leave while nothing is known of the path, in bits per second: twenty small pictures want half of it.
const REPLAY_BPS: u64 = 8_000_000;

/// The time that the first probes take, on a path of a few hundred milliseconds.
const GUESSING: Duration = Duration::from_secs(1);

/// How long a path may do without a turn on which nothing is about to change: a little longer than libwebrtc lets it wait for feedback
/// where there is much to send.
const CALM_TURN: Duration = Duration::from_millis(120);

/// When such a one has its turn with its feedback: what is known of it is at hand then, and has to be fetched by the clock.
const CALM_FEEDBACK_TURN: Duration = Duration::from_millis(60);

/// See the module's text.
#[derive(Default)]
pub(crate) struct Flow {
    pub(crate) pacer: Pacer,
    pub(crate) repairs: Repairs,
    pub(crate) redundancy: Redundancy,
    /// Once it is sent numbered packets, or says what it can be sent.
    congestion: Option<Box<Congestion>>,
    /// When packets began to be numbered.
    began: Option<Instant>,
    /// The clock's first turn after a numbered packet had left.
    sent: Option<Instant>,
    /// What is to be sent, and what more could be.
    demand: Demand,
    /// When a better layer last began, and when one was last given up.
    rose_at: Option<Instant>,
    fell_at: Option<Instant>,
    /// When a better layer last began, as long as none was given up since.
    tried_at: Option<Instant>,
    /// How long no better one begins after that, where there is little room.
    rest: Duration,
    /// The estimate that turned out to be too much then.
    failed_at_bps: u64,
    /// The estimate before the latest decision's.
    before_bps: u64,
    /// The estimate by which that was decided.
    decided_at_bps: u64,
    /// The client has answered to numbers, or said what it can be sent.
    is_answered: bool,
    /// When the latest turn was, and whether nothing was about to change then.
    turned: Option<Instant>,
    was_calm: bool,
}

impl Flow {
    /// Begins to number packets, if that has not begun.
    pub(crate) fn begin(&mut self, now: Instant, micros: i64) {
        self.began.get_or_insert(now);
        self.congestion.get_or_insert_with(|| Box::new(Congestion::new(micros)));
    }

    /// Asks for the place of what is known of the path.
    #[inline]
    pub(crate) fn prefetch(&self) {
        prefetch(&self.congestion);
    }

    /// What is known of the path, to be asked for.
    #[inline]
    pub(crate) fn congestion(&self) -> Option<&Congestion> {
        self.congestion.as_deref()
    }

    /// The transport-wide number of the next packet that has one.
    #[inline]
    pub(crate) fn next_number(&self) -> u16 {
        self.congestion.as_ref().map_or(0, |congestion| congestion.next_sequence())
    }

    /// A video datagram of so many bytes leaves, with a number or without.
    #[inline]
    pub(crate) fn on_sent(&mut self, micros: i64, bytes: usize, is_numbered: bool) {
        let bytes = bytes + DATAGRAM_OVERHEAD;
        if is_numbered && let Some(congestion) = &mut self.congestion {
            congestion.on_sent(micros, bytes, self.pacer.probe_id());
        }
        self.pacer.spend(bytes);
    }

    /// Takes transport-wide feedback; whether it could be read.
    pub(crate) fn on_feedback(&mut self, now: Instant, micros: i64, packet: &[u8]) -> bool {
        let Some(congestion) = &mut self.congestion else { return true };
        let is_read = congestion.on_feedback(micros, packet).is_ok();
        self.is_answered |= is_read;
        if self.is_calm() && !self.has_turned_within(now, CALM_FEEDBACK_TURN) {
            self.turn(now, micros);
        }
        // The clock's next turn must not be left out for what was calm before this.
        self.was_calm &= self.congestion.as_ref().is_some_and(|congestion| congestion.is_calm());
        is_read
    }

    /// Takes the client's own estimate, in bits per second.
    pub(crate) fn on_remb(&mut self, now: Instant, micros: i64, bitrate_bps: u64) {
        self.begin(now, micros);
        self.is_answered = true;
        self.was_calm = false;
        if let Some(congestion) = &mut self.congestion {
            congestion.on_remb(bitrate_bps);
        }
    }

    /// Takes a round-trip time.
    pub(crate) fn on_round_trip(&mut self, rtt: Duration) {
        if let Some(congestion) = &mut self.congestion {
            congestion.on_round_trip(rtt);
        }
    }

    /// What the path carries of video, in bits per second, headers of the network included; `None` while nothing limits it.
    pub(crate) fn estimate_bps(&self, now: Instant) -> Option<u64> {
        let waits = |at: Instant| now.saturating_duration_since(at) < PATIENCE;
        let is_known = self.is_answered || self.sent.is_none_or(waits);
        self.congestion.as_ref().filter(|_| is_known).map(|congestion| congestion.estimate_bps())
    }

    /// The same without what is sent again, without copies of sound that it does not know of, and without what waits, which is to be gone
    /// within a second: what may be sent of new video. Repairs are short of breath: most of the estimate is never theirs.
    pub(crate) fn budget_bps(&self, now: Instant) -> Option<u64> {
        let estimate = self.estimate_bps(now)?;
        let usual = estimate / 100 * USUALLY_WAITING_PERCENT;
        let waiting = (8 * self.pacer.waiting_bytes() as u64).saturating_sub(usual);
        let taken = self.repairs.bitrate_bps() + self.redundancy.charge_bps() + waiting;
        let reserve = estimate / 100 * RESERVE_PERCENT;
        Some(estimate.saturating_sub(reserve + taken).max(estimate / 4 * 3))
    }

    /// What the allocator may spend. While a queue drains the estimate is below what the path carries, which the picture that is not
    /// given up has a share of nevertheless.
    pub(crate) fn budget(&self, now: Instant) -> Budget {
        let draining_bps = self.congestion.as_ref().and_then(|congestion| congestion.draining_bps());
        let kept_bps = draining_bps.map_or(0, |bps| bps / 100 * DRAINING_PERCENT);
        Budget { path_bps: self.estimate_bps(now).map(|bps| bps.max(kept_bps)), free_bps: self.budget_bps(now) }
    }

    /// Whether the estimate is a first guess still, by which nobody's picture is taken away.
    pub(crate) fn is_guess(&self, now: Instant) -> bool {
        self.began.is_none_or(|at| now.saturating_duration_since(at) < GUESSING)
    }

    /// Whether so many packets, with so many bytes beyond what is needed in any case, may be sent later than they came: what waits is
    /// sent in [`LONGEST_QUEUE`], and that is not to be more than the path carries.
    pub(crate) fn has_room_for(&self, now: Instant, packets: usize, bytes: usize) -> bool {
        let rate_bps = self.estimate_bps(now).filter(|_| !self.is_guess(now)).unwrap_or(REPLAY_BPS);
        let room = (rate_bps as f64 / 8.0 * LONGEST_QUEUE.as_secs_f64()) as usize;
        self.pacer.waiting_packets() + packets <= MAX_REPLAYED && self.pacer.waiting_bytes() + bytes <= room
    }

    /// Takes note of what was decided to be sent, and of whether something is paused for want of bandwidth.
    pub(crate) fn decide(&mut self, now: Instant, demand: Demand, is_short: bool) {
        self.redundancy.note_path(now, self.is_congested(), is_short);
        let estimate_bps = self.estimate_bps(now).unwrap_or(0);
        self.before_bps = std::mem::replace(&mut self.decided_at_bps, estimate_bps);
        self.demand = demand;
        self.was_calm &= demand.wanted_bps <= estimate_bps;
    }

    /// Whether a better layer may begin, with which so much would be sent altogether; it then counts as begun.
    pub(crate) fn may_rise(&mut self, now: Instant, sending_bps: u64) -> bool {
        let Some(budget) = self.budget_bps(now) else { return true };
        let has_passed = |at: Option<Instant>, time| at.is_none_or(|at| now.saturating_duration_since(at) >= time);
        let has_much_room = sending_bps <= budget / 100 * LITTLE_ROOM_PERCENT;
        let has_rested = has_passed(self.fell_at, self.rest) || budget > self.failed_at_bps / 100 * NEWS_PERCENT;
        let is_free = has_much_room || (has_passed(self.rose_at, BETWEEN_RISES) && has_rested);
        if is_free {
            self.rose_at = Some(now);
            self.tried_at = Some(now);
        }
        is_free
    }

    /// A layer had to be given up for want of room. What has just been tried with one picture need not be tried with the next.
    pub(crate) fn on_fall(&mut self, now: Instant) {
        // Of several falls at once the first has failed.
        let risen = self.tried_at.take();
        self.rest = match risen.map(|at| now.saturating_duration_since(at) < FAILED_WITHIN) {
            Some(true) => (self.rest * 4).clamp(FAILED_REST, LONGEST_REST),
            Some(false) => SHORTEST_REST,
            None => self.rest.max(SHORTEST_REST),
        };
        self.fell_at = Some(now);
        self.failed_at_bps = self.before_bps;
    }

    /// Whether what was sent is so much more than what may be that the path's queue would be full of it before the layers that
    /// fit begin.
    pub(crate) fn is_steep_fall(&self, now: Instant, was_sending_bps: u64) -> bool {
        self.budget_bps(now).is_some_and(|budget| was_sending_bps > budget / 100 * STEEP_PERCENT)
    }

    /// The layer ends that the path's queue is full of: another one begins without anything that was saved up for it.
    pub(crate) fn restart(&mut self, now: Instant) {
        let estimate_bps = self.estimate_bps(now);
        self.pacer.restart(now, estimate_bps);
        self.repairs.restart();
    }

    /// Whether the estimate has moved so far that it is to be decided anew.
    pub(crate) fn has_moved(&self, now: Instant) -> bool {
        let Some(estimate) = self.estimate_bps(now) else { return false };
        estimate < self.decided_at_bps / 10 * 9 || estimate > self.decided_at_bps / 10 * 12
    }

    /// Whether the estimate is less than half of that by which was decided: until the room's next turn the path's queue would grow.
    pub(crate) fn has_collapsed(&self, now: Instant) -> bool {
        self.estimate_bps(now).is_some_and(|estimate| estimate < self.decided_at_bps / 2)
    }

    /// Whether it is to have a turn now: each time, or now and then while it is calm.
    #[inline]
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        !self.is_calm() || !self.has_turned_within(now, CALM_TURN)
    }

    /// Whether nothing is about to change on the path, so that it need not have each turn.
    pub(crate) fn is_calm(&self) -> bool {
        self.was_calm && !self.pacer.is_busy() && self.repairs.are_idle()
    }

    fn has_turned_within(&self, now: Instant, time: Duration) -> bool {
        self.turned.is_some_and(|at| now.saturating_duration_since(at) < time)
    }

    /// Does what the passing of time asks for.
    pub(crate) fn turn(&mut self, now: Instant, micros: i64) {
        let Some(congestion) = &mut self.congestion else { return };
        self.turned = Some(now);
        congestion.handle_timeout(micros, self.demand);
        let probe = congestion.poll_probe(micros);
        if congestion.has_sent() {
            self.sent.get_or_insert(now);
        }
        self.was_calm = congestion.is_calm();
        let estimate = self.estimate_bps(now);
        self.pacer.set_estimate(now, estimate);
        self.repairs.turn(now, estimate, self.is_congested());
        self.redundancy.turn(now);
        if let Some(probe) = probe {
            self.pacer.probe(now, probe);
        }
    }

    /// Whether the path's queue grows, or is long.
    pub(crate) fn is_congested(&self) -> bool {
        self.congestion.as_ref().is_some_and(|congestion| congestion.is_congested())
    }

    /// Whether packets get lost that no full queue drops.
    pub(crate) fn is_lossy(&self) -> bool {
        self.congestion.as_ref().is_some_and(|congestion| congestion.is_lossy())
    }

    /// Whether the client has said anything of its path.
    pub(crate) fn is_answered(&self) -> bool {
        self.is_answered
    }

    /// Whether there is an estimate to keep up to date.
    pub(crate) fn is_estimated(&self) -> bool {
        self.congestion.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feedback::test_start;
    use crate::feedback::twcc::TwccRecorder;

    fn waiting(sequence: u64) -> Waiting {
        Waiting { line: 0, encoding: 0, generation: 0, begins: false, len: 100, sequence, timestamp: 0 }
    }

    #[test]
    fn what_is_sent_late_leaves_room_for_what_is_live() {
        let (mut flow, now) = (Flow::default(), test_start());
        assert!(flow.has_room_for(now, MAX_REPLAYED, 250_000), "all that 8 Mbit/s carry in a queue's time");
        assert!(!flow.has_room_for(now, 1, 250_001) && !flow.has_room_for(now, MAX_REPLAYED + 1, 0));
        (0..10).for_each(|sequence| assert!(flow.pacer.push(waiting(sequence))));
        assert!(flow.has_room_for(now, MAX_REPLAYED - 10, 249_000));
        assert!(!flow.has_room_for(now, MAX_REPLAYED - 9, 0) && !flow.has_room_for(now, 1, 249_001));
    }

    #[test]
    fn an_estimate_that_is_less_than_half_of_what_was_decided_by_has_collapsed() {
        let (mut flow, now) = (Flow::default(), test_start());
        assert!(!flow.has_collapsed(now), "nothing is known");
        flow.on_remb(now, 0, 1_000_000);
        flow.decide(now, Demand::default(), false);
        flow.on_remb(now, 0, 510_000);
        assert!(!flow.has_collapsed(now) && flow.has_moved(now), "the next turn is soon enough");
        flow.on_remb(now, 0, 490_000);
        assert!(flow.has_collapsed(now));
        flow.decide(now, Demand::default(), false);
        assert!(!flow.has_collapsed(now), "it is known now");
    }

    #[test]
    fn a_calm_path_has_a_turn_now_and_then_and_a_restless_one_each_time() {
        let (mut flow, begin) = (Flow::default(), test_start());
        let ms = |ms| begin + Duration::from_millis(ms);
        flow.begin(begin, 0);
        assert!(flow.is_due(begin), "it never had one");
        flow.turn(begin, 0);
        assert!(!flow.is_due(ms(119)) && flow.is_due(ms(120)));
        assert!(flow.pacer.push(waiting(1)) && flow.is_due(ms(1)), "a packet waits");
        flow.pacer.forget(0, |_| false);
        assert!(!flow.is_due(ms(1)));
        flow.repairs.on_resent(ms(1), Wanted { line: 0, sequence: 1 }, 1_200);
        assert!(flow.is_due(ms(1)), "what was sent again is to be paid for");
        flow.turn(ms(20), 20_000);
        assert!(!flow.is_due(ms(21)));
        flow.decide(ms(21), Demand { wanted_bps: 5_000_000, ..Demand::default() }, false);
        assert!(flow.is_due(ms(21)), "more is wanted than fits");
        flow.turn(ms(40), 40_000);
        assert!(flow.is_due(ms(41)));
    }

    #[test]
    fn a_calm_path_has_its_turn_with_its_feedback() {
        let (mut flow, mut twcc, begin) = (Flow::default(), TwccRecorder::default(), test_start());
        flow.begin(begin, 0);
        flow.turn(begin, 0);
        let mut hear = |flow: &mut Flow, ms: u64| {
            let now = begin + Duration::from_millis(ms);
            let number = flow.next_number();
            flow.on_sent(ms as i64 * 1_000 - 5_000, 1_200, true);
            twcc.on_packet(now, number);
            let mut packet = Vec::new();
            assert!(twcc.build(now, 1, 2, &mut packet) && flow.on_feedback(now, ms as i64 * 1_000, &packet));
            flow.turned
        };
        assert_eq!(hear(&mut flow, 50), Some(begin), "it has just had one");
        assert_eq!(hear(&mut flow, 100), Some(begin + Duration::from_millis(100)));
        assert!(!flow.is_due(begin + Duration::from_millis(219)), "the clock need not");
    }

    #[test]
    fn once_a_path_is_known_no_more_is_sent_late_than_it_carries() {
        let (mut flow, now) = (Flow::default(), test_start());
        flow.on_remb(now, 0, 400_000);
        assert!(flow.has_room_for(now, 1, 250_000), "a first guess is not believed");
        let later = now + GUESSING;
        assert!(flow.has_room_for(later, 1, 12_500) && !flow.has_room_for(later, 1, 12_501));
    }
}
