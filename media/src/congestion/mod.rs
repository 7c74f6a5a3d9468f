//! What a participant's path carries for video: Google Congestion Control on the sending side.
//!
//! Packets of video, retransmissions and padding carry transport-wide sequence numbers; the receiver tells which arrived,
//! and when. From that the estimate is made: the lower of what the delay allows (`groups`, `trendline`, `standing`, `aimd`) and what
//! losses allow (`loss`), raised by probes (`probing`, `cluster`) where somebody wants more. After libwebrtc's `goog_cc`,
//! draft-ietf-rmcat-gcc-02 and Carlucci et al., "Analysis and Design of the Google Congestion Control for Web Real-time
//! Communication" (MMSys 2016). docs/congestion.md has the formulas, the parameters, and where this departs from them.
//!
//! What always holds: the estimate lies between [`MIN_BPS`] and [`MAX_BPS`]; feedback about packets that were never sent, or that comes twice,
//! changes nothing; the estimate rises only beyond what is sent by a tenth, or to what a probe was sent at; memory is bounded, and only the
//! history of sent packets allocates, by doubling. Audio is not numbered, so it is neither counted nor ever held back.

mod acknowledged;
mod ahead;
mod aimd;
mod arrival;
mod bottleneck;
mod capacity;
mod cluster;
mod departures;
mod groups;
mod heard;
mod history;
mod loss;
mod outage;
mod probing;
mod sending;
mod standing;
#[cfg(test)]
mod tests;
mod trendline;
mod verdict;

pub(crate) use crate::feedback::transport_cc::Malformed;
pub(crate) use probing::{Probe, ProbeId};
pub(crate) use trendline::Usage;

use crate::cache::prefetch;
use crate::feedback::transport_cc::TransportCc;
use acknowledged::Acknowledged;
use aimd::{Aimd, Observation};
use arrival::{Arrival, Arrivals, CHUNK, FARTHEST_US, TICK_US};
use bottleneck::{Bottleneck, Full};
use cluster::Clusters;
use departures::Departures;
use groups::Groups;
use heard::Heard;
use history::{History, Sent};
use loss::{Loss, Seen};
use outage::Outage;
use probing::{Probing, Situation};
use sending::Sending;
use standing::Standing;
use std::time::Duration;
use trendline::Trendline;
use verdict::Verdict;

/// Bounds of the estimate. The lower still carries a picture now and then; the upper is more than 50 pictures of 1080p.
pub(crate) const MIN_BPS: u64 = 30_000;
pub(crate) const MAX_BPS: u64 = 100_000_000;
/// The estimate before anything is known, as in libwebrtc: a picture at once, on a path that may be a bad mobile one. The
/// first probes, a round trip later, show whether it carries six times as much.
pub(crate) const START_BPS: u64 = 300_000;

/// Assumed before the first measurement, and the most that is believed.
const INITIAL_ROUND_TRIP_US: i64 = 100_000;
const MAX_ROUND_TRIP_US: i64 = 2_000_000;
/// A packet may overtake others by this before they count as lost.
const REORDERING_US: u32 = 150_000;
/// The share of what a full path carried with which it goes on once its queue has drained.
const DRAINED: f64 = 0.9;
/// When nothing arrives for so long and a round trip, nothing waits.
const DRAINED_US: i64 = 300_000;
/// After so long without arrivals delays are measured anew.
const SILENCE_US: i64 = 2_000_000;
/// Where far less arrives than was sent, and packets wait for so long, there is no doubt to be had.
const SURELY_WAITING_US: i64 = 50_000;
/// What is believed of how fast a queue has grown since that was last heard of, and of how long ago it was.
const MOST_EXCESS: f64 = 4.0;
const MOST_UNHEARD_US: i64 = 200_000;
/// What packets wait beyond the jitter times this is no jitter.
const JITTERS: i64 = 3;
/// A fall to less than this share is steep: packets that were sent before it were too many, and their losses say nothing more.
const STEEP: f64 = 0.75;
/// What is sent, and what would be. All in bits per second, of video with its repair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Demand {
    /// What is allocated now.
    pub(crate) sending_bps: u64,
    /// The total at which the next better picture would fit; `sending_bps` when nothing more is wanted.
    pub(crate) next_bps: u64,
    /// All that is wanted.
    pub(crate) wanted_bps: u64,
}

/// What tests may know.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CongestionStats {
    pub(crate) estimate_bps: u64,
    /// What arrives; `None` before half a second of it was seen.
    pub(crate) acknowledged_bps: Option<u64>,
    /// What the delay allows.
    pub(crate) delay_bps: u64,
    /// What losses allow, where they limit anything.
    pub(crate) loss_bps: Option<u64>,
    /// The running average of the share of packets that are lost.
    pub(crate) loss_fraction: f64,
    /// What the path's queue does.
    pub(crate) usage: Usage,
    /// How long packets wait in the path's queue.
    pub(crate) waiting: Duration,
    /// How fast the delay grows: milliseconds in a millisecond.
    pub(crate) trend: f64,
    /// Whether too little is sent to show what the path carries.
    pub(crate) is_application_limited: bool,
    /// The round-trip time as it was told.
    pub(crate) rtt: Duration,
}

/// The estimate of one participant's path.
///
/// For each packet: [`Self::next_sequence`], then [`Self::on_sent`] when it has left. By the clock, every 20 to 30 ms:
/// [`Self::handle_timeout`], then [`Self::poll_probe`]. What these are told of the time is in µs, since whenever.
///
/// What is touched for each packet that leaves lies in one line of the cache, and what the clock looks at behind it: of thousands of
/// participants none is in the cache.
#[derive(Debug)]
#[repr(C, align(64))]
pub(crate) struct Congestion {
    history: History,
    /// The time at which it begins. All times but those of callers are in µs since then.
    epoch_us: i64,
    departures: Departures,
    verdict: Verdict,
    demand: Demand,
    sending: Sending,
    outage: Outage,
    rtt_us: i64,
    probing: Probing,
    /// The estimate of a receiver without transport-wide feedback.
    remb_bps: Option<f64>,
    has_feedback: bool,
    groups: Groups,
    trendline: Trendline,
    standing: Standing,
    bottleneck: Bottleneck,
    acknowledged: Acknowledged,
    aimd: Aimd,
    loss: Loss,
    clusters: Clusters,
    /// The latest time of arrival: as it was told, and in µs of the receiver's clock without its wrap-around.
    arrival: Option<(u32, i64)>,
    /// When the sender last heard of an arrival, and the latest departure of one that arrived.
    heard_us: i64,
    newest_sent_us: i64,
    heard: Heard,
    /// What arrived when the path's queue was last full, as long as that drains.
    full_bps: Option<f64>,
    /// When the rate last fell steeply for a queue.
    fallen_us: Option<i64>,
}

impl Congestion {
    pub(crate) fn new(now_us: i64) -> Self {
        let mut congestion = Self {
            epoch_us: now_us,
            departures: Departures::default(),
            history: History::new(),
            verdict: Verdict::default(),
            sending: Sending::new(),
            outage: Outage::default(),
            groups: Groups::default(),
            trendline: Trendline::new(),
            standing: Standing::new(),
            bottleneck: Bottleneck::default(),
            acknowledged: Acknowledged::default(),
            aimd: Aimd::new(START_BPS as f64),
            loss: Loss::default(),
            clusters: Clusters::default(),
            probing: Probing::default(),
            demand: Demand::default(),
            rtt_us: INITIAL_ROUND_TRIP_US,
            arrival: None,
            heard_us: 0,
            newest_sent_us: 0,
            heard: Heard::default(),
            remb_bps: None,
            full_bps: None,
            fallen_us: None,
            has_feedback: false,
        };
        congestion.settle();
        congestion
    }

    /// The number that the next packet carries.
    #[inline]
    pub(crate) fn next_sequence(&self) -> u16 {
        self.history.prefetch_next();
        self.history.next_sequence()
    }

    /// Whether any packet has left.
    pub(crate) const fn has_sent(&self) -> bool {
        self.history.has_any()
    }

    /// The packet with that number has left, with so many bytes of RTP, for a probe or not.
    #[inline]
    pub(crate) fn on_sent(&mut self, now_us: i64, bytes: usize, probe: Option<ProbeId>) {
        let now_us = now_us - self.epoch_us;
        self.departures.add(now_us, self.history.count(), bytes);
        self.history.push(now_us as u32, bytes, probe.map_or(0, ProbeId::get));
    }

    /// Takes transport-wide feedback: a whole RTCP packet.
    ///
    /// # Errors
    ///
    /// When it is malformed. What could be read before that counts.
    pub(crate) fn on_feedback(&mut self, now_us: i64, packet: &[u8]) -> Result<(), Malformed> {
        prefetch(self);
        let now_us = now_us - self.epoch_us;
        let mut feedback = TransportCc::parse(packet)?;
        self.history.prefetch(feedback.base(), feedback.count());
        self.has_feedback = true;
        self.update_sending(now_us);
        let (mut arrivals, mut sequence, mut has_arrived) = (Arrivals::new(), feedback.base(), false);
        // The receiver's clock begins with what the first message refers to.
        let (mut known_ticks, mut known_us) = self.arrival.unwrap_or((feedback.reference(), 0));
        let arrival_at = |ticks: u32, (known_ticks, known_us): (u32, i64)| {
            let passed_us = i64::from(ticks.wrapping_sub(known_ticks) as i32) * TICK_US;
            known_us.saturating_add(passed_us).clamp(-FARTHEST_US, FARTHEST_US)
        };
        while feedback.count() > 0 {
            let before_ticks = feedback.reference();
            if let Some(mut deltas) = feedback.read_run(CHUNK) {
                let mut arrival_us = arrival_at(before_ticks, (known_ticks, known_us));
                while !deltas.is_empty() {
                    // A number that is not known stands alone, with a packet that never was.
                    let mut unknown = [Sent::default()];
                    let run = match self.history.run(sequence, deltas.len()) {
                        [] => &mut unknown[..],
                        run => run,
                    };
                    let (told, later) = deltas.split_at(run.len());
                    (sequence, deltas) = (sequence.wrapping_add(told.len() as u16), later);
                    arrival_us = arrivals.push_run(run, told, arrival_us);
                }
                (known_ticks, known_us) = (feedback.reference(), arrival_us);
            } else {
                let mut statuses = [None; CHUNK];
                for ticks in feedback.read(&mut statuses) {
                    let number = sequence;
                    sequence = sequence.wrapping_add(1);
                    let Some(ticks) = *ticks else {
                        self.history.miss(number);
                        continue;
                    };
                    if let Some(sent) = self.history.arrive(number) {
                        (known_ticks, known_us) = (ticks, arrival_at(ticks, (known_ticks, known_us)));
                        arrivals.push(sent, known_us);
                    }
                }
            }
            let arrivals = arrivals.take();
            if !arrivals.is_empty() {
                self.arrival = Some((known_ticks, known_us));
                if !has_arrived {
                    has_arrived = true;
                    self.begin_arrivals(now_us);
                }
                self.on_arrivals(now_us, arrivals);
            }
        }
        if has_arrived {
            self.estimate(now_us);
        }
        // All else is as it was when the estimate began to be made.
        self.verdict.rate_bps = self.present_rate_bps();
        if feedback.is_broken() { Err(Malformed) } else { Ok(()) }
    }

    /// Takes note of the path's round-trip time.
    pub(crate) fn on_round_trip(&mut self, rtt: Duration) {
        self.rtt_us = (rtt.as_micros() as i64).clamp(0, MAX_ROUND_TRIP_US);
    }

    /// Takes the estimate of a receiver that gives no transport-wide feedback, for which nothing else is known. Beside such
    /// feedback it is not looked at: it would be the same estimate, made later from less.
    pub(crate) fn on_remb(&mut self, bitrate_bps: u64) {
        self.remb_bps = Some(bitrate_bps as f64);
        self.settle();
    }

    /// Does what the passing of time asks for. To be called every 20 to 35 ms while video is sent or wanted, and some ten times a second while the
    /// path is calm ([`Self::is_calm`]).
    pub(crate) fn handle_timeout(&mut self, now_us: i64, demand: Demand) {
        let now_us = now_us - self.epoch_us;
        self.demand = demand;
        self.update_sending(now_us);
        if self.is_told() {
            return;
        }
        // A queue lets go of a packet now and then: where none comes there is nothing in it.
        if self.verdict.is_long && now_us - self.heard_us > self.rtt_us + DRAINED_US {
            self.standing.forget_present();
            self.on_drained(now_us);
            self.bottleneck = Bottleneck::default();
            self.trendline.reset();
            self.settle();
        }
        let unanswered = self.departures.unanswered(self.history.count());
        let rate_bps = || self.aimd.rate_bps();
        if let Some(factor) = self.outage.update(now_us, self.rtt_us, self.departures, unanswered, rate_bps) {
            self.aimd.set(now_us, self.aimd.rate_bps() * factor);
            self.settle();
        }
        self.probing.plan(self.situation(now_us));
    }

    /// What the path carries for video, in bits per second.
    pub(crate) fn estimate_bps(&self) -> u64 {
        (self.rate_bps() as u64).clamp(MIN_BPS, MAX_BPS)
    }

    /// A cluster that shall begin now. What is sent from here on carries its id, at its rate, until it is whole.
    pub(crate) fn poll_probe(&mut self, now_us: i64) -> Option<Probe> {
        if self.is_congested() || self.is_told() {
            return None;
        }
        let probe = self.probing.poll(now_us - self.epoch_us)?;
        self.clusters.begin(&probe);
        Some(probe)
    }

    #[cfg(test)]
    pub(crate) fn stats(&self) -> CongestionStats {
        CongestionStats {
            estimate_bps: self.estimate_bps(),
            acknowledged_bps: self.acknowledged.rate_bps().map(|rate_bps| rate_bps as u64),
            delay_bps: self.aimd.rate_bps() as u64,
            loss_bps: self.loss.bound_bps().map(|bound_bps| bound_bps as u64),
            loss_fraction: self.loss.fraction(),
            usage: self.trendline.usage(),
            waiting: Duration::from_micros(self.standing.waiting_us().max(0) as u64),
            trend: self.trendline.trend(),
            is_application_limited: self.sending.is_limited(),
            rtt: Duration::from_micros(self.rtt_us as u64),
        }
    }

    /// Finds out again what follows from what is known.
    fn settle(&mut self) {
        self.verdict = Verdict {
            rate_bps: self.present_rate_bps(),
            jitter_us: self.groups.jitter_us(),
            usage: self.present_usage(),
            is_long: self.standing.is_long(),
            has_queue: self.standing.is_there(),
        };
    }

    /// What the path's queue does, by all that is known of it.
    fn present_usage(&self) -> Usage {
        let full = self.bottleneck.rate();
        let is_sure = self.waiting_us() > SURELY_WAITING_US && full.is_some_and(|full| full.is_sure());
        match self.trendline.usage() {
            // A trend is slow to see that a queue shrinks, or that it has grown by a leap.
            Usage::Over if full.is_some_and(|full| full.drains()) => Usage::Under,
            _ if is_sure => Usage::Over,
            Usage::Over if self.standing.is_there() => Usage::Over,
            Usage::Normal if !self.standing.is_long() => Usage::Normal,
            // While a queue drains the rate does not rise, nor on a doubt.
            _ => Usage::Under,
        }
    }

    /// How long packets wait: those of some time, free of jitter, or the latest by what jitter does not explain.
    fn waiting_us(&self) -> i64 {
        let latest_us = self.heard.mean_us().map_or(0, |mean_us| self.standing.waited_us(mean_us));
        latest_us.saturating_sub(JITTERS * self.groups.jitter_us()).max(self.standing.waiting_us())
    }

    /// How much longer what leaves now will wait than what was last heard of, if that shows that far less arrives than is sent: so much has
    /// left since then that the queue has grown on.
    fn unheard_us(&self, now_us: i64, sent_bps: f64) -> i64 {
        let Some(full) = self.bottleneck.rate().filter(Full::is_sure) else { return 0 };
        let excess = (sent_bps / full.arriving_bps - 1.0).clamp(0.0, MOST_EXCESS);
        ((now_us - self.newest_sent_us).clamp(0, MOST_UNHEARD_US) as f64 * excess) as i64
    }

    /// Whether the receiver makes the estimate.
    const fn is_told(&self) -> bool {
        self.remb_bps.is_some() && !self.has_feedback
    }

    const fn rate_bps(&self) -> f64 {
        self.verdict.rate_bps
    }

    fn present_rate_bps(&self) -> f64 {
        match self.remb_bps {
            Some(remb_bps) if !self.has_feedback => remb_bps,
            _ => {
                let drained_bps = self.standing.share().zip(self.carried_bps()).map(|(share, bps)| share * bps);
                [self.loss.bound_bps(), drained_bps].into_iter().flatten().fold(self.aimd.rate_bps(), f64::min)
            }
        }
    }

    /// What the path carries while its queue is long: what last arrived before less was sent than that, so that the queue drains.
    fn carried_bps(&self) -> Option<f64> {
        self.full_bps.or(self.acknowledged.rate_bps())
    }

    fn update_sending(&mut self, now_us: i64) {
        let was_limited = self.sending.is_limited();
        self.sending.update(now_us, self.departures.bytes, self.rate_bps());
        if was_limited && !self.sending.is_limited() {
            self.acknowledged.expect_change();
        }
    }

    /// The first arrival that a message tells of.
    fn begin_arrivals(&mut self, now_us: i64) {
        self.heard = Heard::default();
        self.departures.on_heard(self.history.count());
        let before_bps = self.outage.on_heard();
        if before_bps.is_some() || now_us - self.heard_us > SILENCE_US {
            self.groups = Groups::default();
            self.trendline.reset();
            self.standing = Standing::new();
            self.bottleneck = Bottleneck::default();
        }
        if let Some(before_bps) = before_bps {
            self.acknowledged = Acknowledged::default();
            self.loss.release();
            self.probing.restore(before_bps);
        }
        self.heard_us = now_us;
    }

    /// Of at least one arrival.
    fn on_arrivals(&mut self, now_us: i64, arrivals: &[Arrival]) {
        let is_limited = self.sending.is_limited();
        let (mut newest_sent_us, mut least_delay_us, mut heard) = (self.newest_sent_us, i64::MAX, self.heard);
        let longest_us = self.standing.longest_without_waiting_us();
        for Arrival { sent, packets, bytes, first_us, last_us } in arrivals.iter().copied() {
            // Departures are less than an hour ago, so what their clock has lost is known.
            let sent_us = now_us - i64::from((now_us as u32).wrapping_sub(sent.at_us));
            let delay_us = first_us.saturating_sub(sent_us);
            newest_sent_us = newest_sent_us.max(sent_us);
            least_delay_us = least_delay_us.min(delay_us);
            let has_waited = delay_us > longest_us;
            heard.add(delay_us, has_waited);
            self.bottleneck.on_packets(sent_us, last_us, packets, bytes, has_waited);
            self.acknowledged.on_packets(last_us, bytes, is_limited);
            if let Some(spacing) = self.groups.on_packets(sent_us, last_us, now_us) {
                self.trendline.on_spacing(spacing);
            }
            if sent.cluster != 0 {
                self.clusters.on_packet(sent, sent_us, last_us);
            }
        }
        self.newest_sent_us = newest_sent_us;
        // All were heard of at once, so the least of them is all that counts.
        self.standing.on_heard(now_us, least_delay_us);
        self.heard = heard;
    }

    /// Makes the estimate from what feedback has told.
    fn estimate(&mut self, now_us: i64) {
        self.trendline.look(self.heard.has_waited());
        self.follow_queue(now_us);
        self.settle();
        let creeps = self.standing.creeps(now_us) && !self.sending.is_limited();
        if creeps && self.bottleneck.rate().is_some_and(|full| !full.drains()) {
            self.verdict.usage = Usage::Over;
        }
        let is_congested = self.is_congested();
        let before_bps = self.rate_bps();
        let measured = self.clusters.take_measured();
        if let Some(measured) = measured {
            self.probing.on_result(self.situation(now_us), measured.id, measured.rate_bps);
        }
        let acknowledged_bps = self.acknowledged.rate_bps();
        match measured.filter(|measured| !is_congested && measured.rate_bps > before_bps) {
            Some(measured) => {
                self.aimd.raise(now_us, measured.rate_bps);
                self.loss.raise(measured.rate_bps);
            }
            None => self.update_aimd(now_us, acknowledged_bps, before_bps),
        }
        // What a queue has stood for is not believed once it has drained.
        if let Some(carried_bps) = self.carried_bps().filter(|_| self.standing.is_long()) {
            self.aimd.lower(carried_bps);
        }
        // The first rate that a full path shows is of a few packets; a later one makes good for it.
        if let Some(full) = self.bottleneck.rate().filter(|full| full.is_sure() && self.standing.is_long()) {
            self.aimd.raise(now_us, aimd::MIN_FULL_BETA * full.arriving_bps);
        }
        if self.aimd.take_outgrown() {
            self.probing.hasten();
        }
        let until_us = self.newest_sent_us - i64::from(REORDERING_US);
        let mut fates = self.history.judge(until_us as u32);
        // What was lost of what was too much is answered for, and while a queue drains the rate is low enough.
        if self.standing.is_long() || self.fallen_us.is_some_and(|fallen_us| until_us < fallen_us) {
            fates = (0, 0);
        }
        let (rate_bps, sending_bps) = (self.aimd.rate_bps(), self.demand.sending_bps as f64);
        let seen = Seen { rate_bps, acknowledged_bps, has_queue: is_congested, sending_bps };
        if self.loss.update(now_us, fates, seen) {
            self.probing.on_fall(now_us, before_bps);
        }
    }

    /// Takes note of what the path carries while its queue is long, and of the queue's end.
    fn follow_queue(&mut self, now_us: i64) {
        let was_long = self.standing.is_long();
        self.standing.update(now_us);
        if was_long && !self.standing.is_long() {
            self.on_drained(now_us);
        }
        self.full_bps = match self.bottleneck.rate().filter(|full| !full.drains()) {
            Some(full) => Some(full.arriving_bps),
            None => self.full_bps.filter(|_| self.standing.is_long()),
        };
    }

    /// The rate was below what the path carries for as long as the queue drained.
    fn on_drained(&mut self, now_us: i64) {
        if let Some(full_bps) = self.full_bps.take() {
            self.aimd.raise(now_us, DRAINED * full_bps);
        }
    }

    fn update_aimd(&mut self, now_us: i64, acknowledged_bps: Option<f64>, before_bps: f64) {
        let is_limited = self.sending.is_limited();
        let (sent_bps, mean_sent_bps) = (self.sending.peak_bps(), self.sending.mean_bps());
        let has_fallen = self.aimd.update(Observation {
            now_us,
            usage: self.verdict.usage,
            acknowledged_bps,
            full: self.bottleneck.rate(),
            waiting_us: self.waiting_us().saturating_add(self.unheard_us(now_us, mean_sent_bps)),
            sent_bps,
            mean_sent_bps,
            is_limited,
            rtt_us: self.rtt_us,
        });
        if has_fallen {
            self.probing.on_fall(now_us, before_bps);
            if self.aimd.rate_bps() < STEEP * before_bps {
                self.fallen_us = Some(now_us);
                self.loss.restart();
            }
        }
    }

    fn situation(&self, now_us: i64) -> Situation {
        Situation {
            now_us,
            estimate_bps: self.rate_bps(),
            demand: self.demand,
            is_limited: self.sending.is_limited(),
            is_overused: self.is_congested(),
            rtt_us: self.rtt_us,
            jitter_us: self.verdict.jitter_us,
            has_queue: self.verdict.has_queue,
        }
    }
}
