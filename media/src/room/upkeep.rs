//! What a room does by the clock while something is published: loss repair, key frames, reports, speakers.

use super::Room;
use crate::command::{Event, Source};
use crate::context::Context;
use crate::feedback::rtcp_writer::{MAX_NACK_BYTES, write_nack, write_pli, write_receiver_report, write_sender_report};
use crate::feedback::sending::TimestampMapping;
use crate::outbox::{MAX_DATAGRAM, Outbox};
use crate::participant::Participant;
use crate::publication::{Encoding, Publication};
use crate::rtp::ring::RingLimits;
use crate::stats::Direction;
use crate::subscription::MAX_ENCODINGS;
use crate::transport::SRTCP_OVERHEAD;
use slab::Slab;
use std::time::{Duration, Instant};

/// How often a room looks at its feedback: short beside a frame, long beside the cost.
const UPKEEP_INTERVAL: Duration = Duration::from_millis(20);

/// How much longer a turn may wait for something else to wake the shard: to wake a sleeping core costs more than most turns.
pub(crate) const UPKEEP_SLACK: Duration = Duration::from_millis(15);

/// The longest time between two turns.
pub(super) const LONGEST_TURN: Duration = UPKEEP_INTERVAL.saturating_add(UPKEEP_SLACK);

/// TWCC feedback leaves with every third turn: libwebrtc's own receivers send it each 50 to 250 ms.
const TRANSPORT_FEEDBACK_TURNS: u32 = 3;

/// Layers are looked at with every fifth turn, and with each while somebody waits for a key frame.
const CHOICE_TURNS: u32 = 5;

/// Other shards learn of simulcast encodings that they do not get as often: soon, beside the time after which one counts as gone.
pub(super) const HEARD_TURNS: u32 = 5;

/// How often the census is taken, and rings are sized.
const CENSUS_INTERVAL: Duration = Duration::from_secs(1);

/// Interval of sender and receiver reports (RFC 3550 section 6.2 allows it from 360 kbit/s of session bandwidth on).
const REPORT_INTERVAL: Duration = Duration::from_secs(1);

/// What a room does next by the clock.
pub(super) struct Schedule {
    turn: Instant,
    census: Instant,
}

impl Room {
    /// Starts the clock when the first track is published.
    pub(super) fn start_upkeep(&mut self, context: &mut Context<'_>) {
        if self.schedule.is_none() {
            self.schedule_turn(context, context.now + CENSUS_INTERVAL);
        }
    }

    fn schedule_turn(&mut self, context: &mut Context<'_>, census: Instant) {
        let turn = context.now + UPKEEP_INTERVAL;
        self.schedule = Some(Schedule { turn, census });
        context.core.upkeep.schedule(self.index, turn);
    }

    /// What is to be decided anew cannot wait for the clock.
    pub(super) fn hasten_turn(&mut self, context: &mut Context<'_>) {
        if let Some(schedule) = &mut self.schedule {
            schedule.turn = context.now;
            context.core.upkeep.schedule(self.index, context.now);
        }
    }

    /// One turn of the clock. `flush` empties the outbox when that is due.
    pub(crate) fn handle_timeout(&mut self, context: &mut Context<'_>, flush: &mut dyn FnMut(&mut Outbox)) {
        let Some(&Schedule { census, .. }) = self.schedule.as_ref().filter(|schedule| schedule.turn <= context.now)
        else {
            return;
        };
        self.turn = self.turn.wrapping_add(1);
        let census_due = census <= context.now;
        if census_due || self.publications.is_empty() {
            self.judge(context);
            self.take_census(context);
        }
        self.say_again(context);
        if self.publications.is_empty() {
            self.schedule = None;
            return;
        }
        if census_due {
            self.size_rings(context.now);
        }
        // Of who only receives nothing is due each turn, as long as no path is restless.
        let chooses = self.hurried || self.turn.is_multiple_of(CHOICE_TURNS);
        let sees_everybody = chooses || self.restless;
        if chooses {
            self.hurried = self.choose_layers(context);
        }
        if sees_everybody {
            self.restless = self.tend_flows(context, flush);
        }
        self.tend_mirrors(context);
        if self.turn.is_multiple_of(HEARD_TURNS) {
            self.tell_heard(context);
        }
        self.report(context, sees_everybody, flush);
        if self.links.is_home
            && let Some(speakers) = self.speakers.poll(context.now)
        {
            let speakers = speakers.to_vec();
            context.emit(Event::Speakers { room: self.id, speakers });
        }
        self.schedule_turn(context, if census_due { context.now + CENSUS_INTERVAL } else { census });
    }

    /// Tells participants what they are to hear of: all of them, or those who publish.
    fn report(&mut self, context: &mut Context<'_>, to_everybody: bool, flush: &mut dyn FnMut(&mut Outbox)) {
        let transport_feedback = self.turn.is_multiple_of(TRANSPORT_FEEDBACK_TURNS);
        if to_everybody {
            for (_, participant) in &mut self.participants {
                // Who only receives has something to hear once a second.
                let is_due = participant.next_report.is_none_or(|at| at <= context.now);
                if (is_due || !participant.publications.is_empty()) && participant.is_connected() {
                    send_feedback(context, participant, &mut self.publications, transport_feedback);
                    context.core.flush_if_full(flush);
                }
            }
            return;
        }
        for key in 0..self.publications.capacity() {
            let publisher = self.publications.get(key).and_then(Publication::member);
            let Some(participant) = publisher.and_then(|index| self.participants.get_mut(index)) else { continue };
            // Who has several is found by the first.
            if participant.publications.first() == Some(&key) && participant.is_connected() {
                send_feedback(context, participant, &mut self.publications, transport_feedback);
                context.core.flush_if_full(flush);
            }
        }
    }

    /// Keeps of each encoding what is of use to those who receive it or are about to, which is nothing where there are none, and
    /// measures what it costs them.
    fn size_rings(&mut self, now: Instant) {
        for (_, publication) in &mut self.publications {
            let mut history = [Duration::ZERO; MAX_ENCODINGS];
            for subscriber in &publication.subscribers {
                let Some(participant) = self.participants.get(subscriber.participant) else { continue };
                let outgoing = participant.outgoing.get(subscriber.line).and_then(Option::as_ref);
                let Some(subscription) = outgoing.and_then(|outgoing| outgoing.subscription.as_ref()) else { continue };
                for encoding in [subscription.selector.current(), subscription.wants_keyframe_of()] {
                    if let Some(history) = encoding.and_then(|encoding| history.get_mut(encoding)) {
                        *history = RingLimits::history_for(participant.rtt.get()).max(*history);
                    }
                }
            }
            if self.voices.is_choosing() && publication.source == Source::Microphone {
                // What is not heard yet may be the beginning of what is.
                history[0] = RingLimits::history_for(Duration::ZERO).max(history[0]);
            }
            for (history, wanted_by) in history.iter_mut().zip(publication.wanted_by) {
                if !wanted_by.is_empty() {
                    // What the publisher repairs is told from duplicates here, before it is relayed.
                    *history = RingLimits::USUAL.max(*history);
                }
            }
            let count = publication.encodings.len();
            for (index, (encoding, history)) in publication.encodings.iter_mut().zip(history).enumerate() {
                encoding.set_history(now, history);
                encoding.measure(now, index, count);
            }
        }
    }

    /// Has the next turn look at everybody's layers: something has changed that may matter to them.
    pub(crate) fn hurry(&mut self) {
        self.hurried = true;
    }
}

/// Everything that one participant is told this turn, in as few datagrams as it fits.
fn send_feedback(
    context: &mut Context<'_>,
    participant: &mut Participant,
    publications: &mut Slab<Publication>,
    transport_feedback: bool,
) {
    let mut out = std::mem::take(&mut context.core.scratch);
    let now = context.now;
    let (sender, rtt) = (participant.report_ssrc, participant.rtt.get());
    let report_due = participant.next_report.is_none_or(|at| at <= now);
    let mut blocks = Vec::new();
    for index in 0..participant.publications.len() {
        let key = participant.publications.get(index);
        let Some(publication) = key.and_then(|key| publications.get_mut(*key)) else { continue };
        let may_ask = publication.may_ask_for_keyframe(now);
        for encoding in &mut publication.encodings {
            write_requests(context, encoding, sender, rtt, may_ask, &mut out);
            flush(context, participant, &mut out, FULL);
            if report_due && let Some(block) = encoding.report(now) {
                if let Some(reception) = encoding.reception.as_ref().filter(|reception| !reception.is_idle()) {
                    context.core.stats.observe_report(Direction::In, &block, reception.clock_rate());
                }
                blocks.push(block);
            }
        }
    }
    if transport_feedback {
        let media = participant.first_media_ssrc(publications);
        flush(context, participant, &mut out, 0);
        while participant.twcc.build(now, sender, media, &mut out) {
            flush(context, participant, &mut out, 0);
        }
    }
    if report_due {
        participant.next_report = Some(now + REPORT_INTERVAL);
        for blocks in blocks.chunks(REPORT_BLOCKS) {
            flush(context, participant, &mut out, 0);
            write_receiver_report(&mut out, sender, blocks);
        }
        for line in 0..participant.outgoing.len() {
            if let Some(subscription) = participant.outgoing[line].as_mut().and_then(|o| o.subscription.as_mut()) {
                subscription.delivery.traffic.turn(now);
            }
            write_report(context, participant, line, publications, &mut out);
            flush(context, participant, &mut out, FULL);
        }
    }
    flush(context, participant, &mut out, 0);
    context.core.scratch = out;
}

/// A compound longer than this is sent before more is written: the largest packet that may follow must fit its datagram.
const FULL: usize = 300;

/// Blocks of one receiver report: as many as its five-bit count can say.
const REPORT_BLOCKS: usize = 31;

const _: () = assert!(FULL + MAX_NACK_BYTES + SRTCP_OVERHEAD <= MAX_DATAGRAM);

/// Sends what was written once it is longer than `limit`.
fn flush(context: &mut Context<'_>, participant: &mut Participant, out: &mut Vec<u8>, limit: usize) {
    if out.len() > limit {
        participant.send_rtcp(context, out);
        out.clear();
    }
}

/// NACKs for one encoding, and a request for a key frame, if its publisher would hear one (`may_ask`).
fn write_requests(
    context: &mut Context<'_>,
    encoding: &mut Encoding,
    sender: u32,
    rtt: Duration,
    may_ask: bool,
    out: &mut Vec<u8>,
) {
    let Some(ssrc) = encoding.ssrc else { return };
    let missing = &mut context.core.missing;
    missing.clear();
    encoding.nack.poll(context.now, rtt, missing);
    if !missing.is_empty() {
        write_nack(out, sender, ssrc, missing);
        context.core.stats.nack_out_packets += missing.len() as u64;
        encoding.nacked_packets += missing.len() as u64;
    }
    if may_ask && encoding.keyframes.poll(context.now, rtt) {
        write_pli(out, sender, ssrc);
        context.core.stats.pli_out += 1;
        encoding.keyframe_requests += 1;
    }
}

/// The sender report of one of the participant's outgoing streams, if it carries something.
fn write_report(
    context: &Context<'_>,
    participant: &Participant,
    line: usize,
    publications: &Slab<Publication>,
    out: &mut Vec<u8>,
) {
    let Some(Some(outgoing)) = participant.outgoing.get(line) else { return };
    let encoding = outgoing.subscription.as_ref().and_then(|subscription| {
        publications.get(subscription.publication)?.encodings.get(subscription.selector.current()?)
    });
    let Some((encoding, (newest, at, offset))) = encoding.zip(outgoing.timing()) else { return };
    let clock = &context.core.clock;
    // The publisher's own report keeps its audio and video in step; before the first, the newest packet must do.
    let mapping = match encoding.mapping {
        Some(mapping) => TimestampMapping { timestamp: mapping.timestamp.wrapping_add(offset), ..mapping },
        None => TimestampMapping { ntp: clock.at(at), timestamp: newest, clock_rate: outgoing.clock_rate() },
    };
    if let Some(report) = outgoing.sending.report(clock.at(context.now), outgoing.ssrc, &mapping) {
        write_sender_report(out, &report, participant.negotiator.cname());
    }
}
