//! What the clients measured, as the report tells it: the tally with names and units for people and programs.

use super::round;
use crate::histogram::Histogram;
use crate::tally;
use serde::Serialize;
use std::collections::BTreeMap;

/// A distribution, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spread {
    /// How many values there are; all others are 0 when there is none.
    pub count: u64,
    /// The mean.
    pub mean: f64,
    /// The median.
    pub p50: f64,
    /// The 95th percentile.
    pub p95: f64,
    /// The 99th percentile.
    pub p99: f64,
    /// The largest.
    pub max: f64,
}

/// What is measured of a scenario, or of all.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Coming.
    pub joins: Joins,
    /// Going.
    pub leaves: Leaves,
    /// The most participants that were connected at once.
    pub most_connected: u64,
    /// Connected participants that lost their connection, by reason.
    pub lost_connections: BTreeMap<String, u64>,
    /// What publishers sent.
    pub sent: SentByKind,
    /// What arrived at all receivers.
    pub received: ReceivedByKind,
    /// The share of what should have arrived that never did, 0 to 1.
    pub loss: f64,
    /// The share of what arrived that came late, after something that was sent later, 0 to 1.
    pub reordered: f64,
    /// One-way latency from a publisher's sending to a witness.
    pub latency_ms: LatencyByKind,
    /// How much latencies differ.
    pub jitter_ms: Jitter,
    /// What witnesses checked.
    pub witnesses: Witnesses,
}

/// A scenario, and what was measured of it.
#[derive(Clone, Debug, Serialize)]
pub struct Scenario {
    /// Its kind, as in the plan.
    pub kind: &'static str,
    /// What was measured of it.
    #[serde(flatten)]
    pub measured: Measured,
}

/// How joins went.
#[derive(Clone, Debug, Serialize)]
pub struct Joins {
    /// Begun.
    pub attempted: u64,
    /// Those that led to a connection.
    pub succeeded: u64,
    /// The others, by reason.
    pub failed: BTreeMap<String, u64>,
    /// From the begin of the socket's connection to ICE and DTLS being up.
    pub time_ms: Spread,
    /// From the same begin to the first media packet.
    pub first_packet_ms: Spread,
}

/// How leaves went.
#[derive(Clone, Debug, Serialize)]
pub struct Leaves {
    /// Begun.
    pub attempted: u64,
    /// Confirmed by the server.
    pub succeeded: u64,
    /// The others, by reason.
    pub failed: BTreeMap<String, u64>,
    /// From the request to the confirmation.
    pub time_ms: Spread,
}

/// By kind of media.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct SentByKind {
    /// Pictures.
    pub video: Sent,
    /// Sound.
    pub audio: Sent,
}

/// What publishers sent of one kind.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Sent {
    /// Packets, without retransmissions.
    pub packets: u64,
    /// Bytes of UDP payload.
    pub bytes: u64,
    /// Packets sent again, since the server missed them.
    pub retransmitted: u64,
    /// Packets that the server missed and that were no longer at hand.
    pub not_at_hand: u64,
    /// Key frames.
    pub keyframes: u64,
    /// Key frames that the server asked for.
    pub keyframe_requests: u64,
    /// Packets that the tester's kernel did not take.
    pub not_taken: u64,
}

/// By kind of media.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ReceivedByKind {
    /// Pictures.
    pub video: Received,
    /// Sound.
    pub audio: Received,
    /// Retransmissions.
    pub retransmissions: Received,
}

/// What arrived of one kind.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Received {
    /// Packets, each once.
    pub packets: u64,
    /// Bytes of UDP payload.
    pub bytes: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came after one that was sent later.
    pub reordered: u64,
    /// Packets that came again.
    pub duplicated: u64,
    /// Packets asked for again.
    pub nacked: u64,
}

/// By kind of media.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LatencyByKind {
    /// Pictures.
    pub video: Spread,
    /// Sound.
    pub audio: Spread,
}

/// How much latencies differ.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Jitter {
    /// The difference of neighbouring packets' latencies, at witnesses.
    pub witnesses: Spread,
    /// Interarrival jitter (RFC 3550, section 6.4.1) at light receivers, of a sample.
    pub light: Spread,
}

/// What witnesses checked: they decrypt everything.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Witnesses {
    /// Packets.
    pub packets: u64,
    /// Packets that SRTP refused.
    pub undecryptable: u64,
    /// Packets that held something else than was sent.
    pub wrong_content: u64,
    /// Packets in another order than they were sent.
    pub out_of_order: u64,
    /// Packets of publishers that never came, though the layer did not change.
    pub missing: u64,
}

/// A stretch of time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Window {
    /// Media packets that arrived.
    pub packets: u64,
    /// Their bytes of UDP payload.
    pub bytes: u64,
    /// Packets that were given up.
    pub lost: u64,
    /// Joins that succeeded.
    pub joined: u64,
    /// Joins that failed.
    pub join_failures: u64,
    /// Participants that left.
    pub left: u64,
    /// One-way latency at witnesses.
    pub latency_ms: Spread,
}

impl Spread {
    /// Of a histogram of nanoseconds.
    pub(super) fn of(histogram: &Histogram) -> Self {
        let ms = |nanoseconds: u64| round(nanoseconds as f64 / 1e6);
        Self {
            count: histogram.count(),
            mean: ms(histogram.mean()),
            p50: ms(histogram.quantile(0.5)),
            p95: ms(histogram.quantile(0.95)),
            p99: ms(histogram.quantile(0.99)),
            max: ms(histogram.max()),
        }
    }
}

impl Measured {
    pub(super) fn of(measures: &tally::Measures) -> Self {
        let tally::Measures { joins, leaves, witnesses, .. } = measures;
        let reordered = measures.video.reordered + measures.audio.reordered;
        Self {
            joins: Joins {
                attempted: joins.attempted,
                succeeded: joins.succeeded,
                failed: by_reason(&joins.failed),
                time_ms: Spread::of(&joins.time),
                first_packet_ms: Spread::of(&joins.first_packet),
            },
            leaves: Leaves {
                attempted: leaves.attempted,
                succeeded: leaves.succeeded,
                failed: by_reason(&leaves.failed),
                time_ms: Spread::of(&leaves.time),
            },
            most_connected: measures.most_connected,
            lost_connections: by_reason(&measures.lost_connections),
            sent: SentByKind { video: Sent::of(measures.sent_video), audio: Sent::of(measures.sent_audio) },
            received: ReceivedByKind {
                video: Received::of(measures.video),
                audio: Received::of(measures.audio),
                retransmissions: Received::of(measures.retransmissions),
            },
            loss: share(measures.loss()),
            reordered: share(reordered as f64 / measures.media_packets().max(1) as f64),
            latency_ms: LatencyByKind {
                video: Spread::of(&witnesses.video_latency),
                audio: Spread::of(&witnesses.audio_latency),
            },
            jitter_ms: Jitter { witnesses: Spread::of(&witnesses.jitter), light: Spread::of(&witnesses.light_jitter) },
            witnesses: Witnesses {
                packets: witnesses.packets,
                undecryptable: witnesses.undecryptable,
                wrong_content: witnesses.wrong_content,
                out_of_order: witnesses.out_of_order,
                missing: witnesses.missing,
            },
        }
    }
}

impl Scenario {
    pub(super) fn of(kind: &'static str, measures: &tally::Measures) -> Self {
        Self { kind, measured: Measured::of(measures) }
    }
}

impl Sent {
    fn of(sent: tally::Sent) -> Self {
        let tally::Sent { packets, bytes, retransmitted, not_at_hand, keyframes, keyframe_requests, not_taken } = sent;
        Self { packets, bytes, retransmitted, not_at_hand, keyframes, keyframe_requests, not_taken }
    }
}

impl Received {
    fn of(received: tally::Received) -> Self {
        let tally::Received { packets, bytes, lost, reordered, duplicated, nacked } = received;
        Self { packets, bytes, lost, reordered, duplicated, nacked }
    }
}

impl Window {
    pub(super) fn of(window: &tally::Window) -> Self {
        let tally::Window { packets, bytes, lost, joined, join_failures, left, latency } = window;
        Self {
            packets: *packets,
            bytes: *bytes,
            lost: *lost,
            joined: *joined,
            join_failures: *join_failures,
            left: *left,
            latency_ms: Spread::of(latency),
        }
    }
}

fn by_reason(reasons: &tally::Reasons) -> BTreeMap<String, u64> {
    reasons.iter().map(|(reason, count)| (reason.to_owned(), count)).collect()
}

/// To millionths: a single packet of a million shows.
fn share(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
