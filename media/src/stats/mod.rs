//! What a shard counts: plain numbers, copied out as a whole.

mod census;
mod milestones;

pub use census::{Census, LAYERS, TRACK_CLASSES};
pub(crate) use census::{layer, track_class};
pub(crate) use milestones::Milestones;

use crate::command::{CloseReason, MediaKind};
use crate::drop_reason::DropReason;
use crate::feedback::rtcp::ReportBlock;
use crate::histogram::Histogram;
use crate::path::Protocol;
use crate::vocabulary::vocabulary;

/// Microseconds: from one rack to the other side of the world, over a satellite and a full queue.
static ROUND_TRIP_BOUNDS: [u64; 10] =
    [1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 200_000, 400_000, 800_000, 2_000_000];

/// Microseconds: from a wired network to one on which a jitter buffer gives up.
static JITTER_BOUNDS: [u64; 8] = [1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000];

/// Thousandths: none, what is repaired unnoticed, what is seen, what is heard, and an outage.
static LOSS_BOUNDS: [u64; 8] = [0, 5, 10, 20, 50, 100, 200, 500];

/// Microseconds: from a step within one process to the patience of people and of ICE.
static STAGE_BOUNDS: [u64; 13] = [
    1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000,
    30_000_000,
];

/// Microseconds of jitter beyond which a report is not believed.
const MAX_JITTER_US: u64 = 10_000_000;

/// How long a stage of joins takes, in microseconds. Every stage is counted in the same buckets.
pub type StageTimes = Histogram<13>;

/// Empty [`StageTimes`].
#[must_use]
pub const fn stage_times() -> StageTimes {
    Histogram::new(&STAGE_BOUNDS)
}

/// Packets or messages, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Volume {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Volume {
    /// Counts one.
    pub(crate) fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes += bytes as u64;
    }
}

/// Which way something goes, as seen from the server. Its discriminant indexes pairs of counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From participants.
    In,
    /// To participants.
    Out,
}

vocabulary! {
    /// What a participant's way into a call consists of, as far as the engine sees it.
    JoinStage {
        /// From the client's first offer to its first authenticated connectivity check.
        Ice => "ice",
        /// From there to the end of the DTLS handshake.
        Dtls => "dtls",
        /// From there to the first RTP packet that was accepted from the participant.
        FirstPacketIn => "first_packet_in",
        /// From the end of the DTLS handshake to the first RTP packet that was sent to the participant.
        FirstPacketOut => "first_packet_out",
    }
}

vocabulary! {
    /// Why a transport ended by itself, as metrics tell it.
    CloseCause {
        /// No connectivity check got through within 30 seconds of the offer: the advertised addresses or ports cannot be reached.
        IceTimeout => "ice_timeout",
        /// Checks got through, but the DTLS handshake did not end in time.
        HandshakeTimeout => "handshake_timeout",
        /// The client's certificate is not the one that its SDP announced.
        FingerprintMismatch => "fingerprint_mismatch",
        /// DTLS failed otherwise.
        DtlsFailed => "dtls_failed",
        /// Nothing was heard of the client for 30 seconds.
        ConsentExpired => "consent_expired",
        /// The client closed its connection.
        ClosedByClient => "closed_by_client",
    }
}

impl CloseCause {
    /// The cause behind a reason; `reached` says that a check of the client's has ever got through.
    pub(crate) fn of(reason: &CloseReason, reached: bool) -> Self {
        match reason {
            CloseReason::ConsentExpired if !reached => Self::IceTimeout,
            CloseReason::ConsentExpired => Self::ConsentExpired,
            CloseReason::HandshakeTimeout { .. } => Self::HandshakeTimeout,
            CloseReason::FingerprintMismatch => Self::FingerprintMismatch,
            CloseReason::Dtls(_) => Self::DtlsFailed,
            CloseReason::ClosedByClient => Self::ClosedByClient,
        }
    }
}

/// A snapshot of a shard's counters. Gauges say so; everything else only grows.
///
/// Arrays are indexed by the enum that is named, as in `rtp_in[MediaKind::Audio as usize]`.
#[derive(Clone, Copy, Debug)]
pub struct ShardStats {
    /// Gauge: open rooms.
    pub rooms: u64,
    /// Gauge: participants in them.
    pub participants: u64,
    /// Gauge: published tracks.
    pub publications: u64,
    /// Gauge: tracks of other shards that are mirrored here.
    pub mirrors: u64,
    /// Gauge: tracks being sent to somebody, or waiting for their m-line.
    pub subscriptions: u64,
    /// Gauge: rooms, or parts of one, in which only the loudest voices are forwarded.
    pub choosing_rooms: u64,
    /// Gauge: datagrams of DTLS handshakes that wait to be worked off.
    pub handshakes_waiting: u64,
    /// Gauge, by [`Protocol`]: participants whose media transport is up, by what their packets are sent over.
    pub transports: [u64; 2],
    /// Gauge: what is published and received; as of up to a second ago.
    pub census: Census,
    /// By [`Protocol`]: transports that came up.
    pub connects: [u64; 2],
    /// By [`CloseCause`]: transports that ended for a reason of theirs, not by command.
    pub closes: [u64; CloseCause::ALL.len()],
    /// By [`JoinStage`].
    pub join_stages: [StageTimes; JoinStage::ALL.len()],
    /// By [`MediaKind`]: SRTP packets accepted from publishers, retransmissions among them.
    pub rtp_in: [Volume; 2],
    /// By [`MediaKind`]: SRTP packets sent to subscribers, retransmissions among them.
    pub rtp_out: [Volume; 2],
    /// SRTCP datagrams accepted, each a compound packet.
    pub rtcp_in: Volume,
    /// SRTCP datagrams sent.
    pub rtcp_out: Volume,
    /// Retransmissions received.
    pub rtx_in_packets: u64,
    /// Retransmissions sent.
    pub rtx_out_packets: u64,
    /// SRTP packets sent to learn what a subscriber's path carries, which it has no other use for. Not counted above, but in `rtp_out`.
    pub probe_out: Volume,
    /// Packets of sound sent with copies of earlier ones, and the bytes of the copies.
    pub redundant_out: Volume,
    /// Subscriptions to video that were paused for want of bandwidth.
    pub pauses: u64,
    /// Pictures that began with what was kept of the latest key frame, without one being asked for.
    pub replays: u64,
    /// Voices that began to be heard where only the loudest are.
    pub voice_changes: u64,
    /// Packets that subscribers asked for again.
    pub nack_in_packets: u64,
    /// Packets asked for again from publishers.
    pub nack_out_packets: u64,
    /// Picture loss indications of subscribers.
    pub pli_in: u64,
    /// Full intra requests of subscribers, each stream that one names.
    pub fir_in: u64,
    /// Picture loss indications sent to publishers.
    pub pli_out: u64,
    /// Data-channel messages received.
    pub data_in: Volume,
    /// Data-channel messages sent.
    pub data_out: Volume,
    /// RTP packets handed to other shards, once for each.
    pub relay_out: Volume,
    /// RTP packets that came from other shards.
    pub relay_in: Volume,
    /// RTP packets for other shards that did not get there: the other shard does not keep up.
    pub relay_dropped: u64,
    /// Events dropped because the control plane did not keep up: speaker levels and data messages only.
    pub events_dropped: u64,
    /// Round-trip times that subscribers' reports showed, in microseconds.
    pub round_trips: Histogram<10>,
    /// By [`Direction`]: the fraction lost of each stream between two reports, in thousandths.
    pub losses: [Histogram<8>; 2],
    /// By [`Direction`]: the jitter of each stream at its reports, in microseconds.
    pub jitters: [Histogram<8>; 2],
    /// By [`DropReason`]: datagrams and packets dropped.
    pub drops: [u64; DropReason::ALL.len()],
}

impl Default for ShardStats {
    fn default() -> Self {
        Self {
            rooms: 0,
            participants: 0,
            publications: 0,
            mirrors: 0,
            subscriptions: 0,
            choosing_rooms: 0,
            handshakes_waiting: 0,
            transports: [0; 2],
            census: Census::default(),
            connects: [0; 2],
            closes: [0; CloseCause::ALL.len()],
            join_stages: [stage_times(); JoinStage::ALL.len()],
            rtp_in: [Volume::default(); 2],
            rtp_out: [Volume::default(); 2],
            rtcp_in: Volume::default(),
            rtcp_out: Volume::default(),
            rtx_in_packets: 0,
            rtx_out_packets: 0,
            probe_out: Volume::default(),
            redundant_out: Volume::default(),
            pauses: 0,
            replays: 0,
            voice_changes: 0,
            nack_in_packets: 0,
            nack_out_packets: 0,
            pli_in: 0,
            fir_in: 0,
            pli_out: 0,
            data_in: Volume::default(),
            data_out: Volume::default(),
            relay_out: Volume::default(),
            relay_in: Volume::default(),
            relay_dropped: 0,
            events_dropped: 0,
            round_trips: Histogram::new(&ROUND_TRIP_BOUNDS),
            losses: [Histogram::new(&LOSS_BOUNDS); 2],
            jitters: [Histogram::new(&JITTER_BOUNDS); 2],
            drops: [0; DropReason::ALL.len()],
        }
    }
}

impl ShardStats {
    /// What a shard that starts anew goes on counting from: the gauges begin at nothing, counters do not run backwards.
    #[must_use]
    pub fn without_gauges(self) -> Self {
        Self {
            rooms: 0,
            participants: 0,
            publications: 0,
            mirrors: 0,
            subscriptions: 0,
            choosing_rooms: 0,
            handshakes_waiting: 0,
            transports: [0; 2],
            census: Census::default(),
            ..self
        }
    }

    /// Participants whose media transport is up.
    #[must_use]
    pub fn connected(&self) -> u64 {
        self.transports.iter().sum()
    }

    /// RTP packets sent, of either kind.
    #[must_use]
    pub fn rtp_out_packets(&self) -> u64 {
        self.rtp_out.iter().map(|sent| sent.count).sum()
    }

    /// Counts a drop.
    pub(crate) fn drop(&mut self, reason: DropReason) {
        self.drops[reason as usize] += 1;
    }

    /// Counts a transport that came up, or changed over to another protocol.
    pub(crate) fn move_transport(&mut self, from: Option<Protocol>, to: Option<Protocol>) {
        if let Some(from) = from {
            self.transports[from as usize] -= 1;
        }
        if let Some(to) = to {
            self.transports[to as usize] += 1;
        }
    }

    /// Counts what a report says of a stream whose timestamps count `clock_rate` Hz.
    pub(crate) fn observe_report(&mut self, direction: Direction, block: &ReportBlock, clock_rate: u32) {
        self.losses[direction as usize].observe(u64::from(block.fraction_lost) * 1_000 / 256);
        let jitter = u64::from(block.jitter) * 1_000_000 / u64::from(clock_rate.max(1));
        if jitter <= MAX_JITTER_US {
            self.jitters[direction as usize].observe(jitter);
        }
    }

    /// The counter of an outgoing packet of that kind.
    pub(crate) fn rtp_out_mut(&mut self, kind: MediaKind) -> &mut Volume {
        &mut self.rtp_out[kind as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_that_starts_anew_counts_on_but_holds_nothing() {
        let mut stats =
            ShardStats { rooms: 3, participants: 7, publications: 2, subscriptions: 9, ..ShardStats::default() };
        stats.transports = [4, 1];
        stats.connects = [6, 2];
        stats.census.layers[0] = 5;
        stats.drop(DropReason::TooOld);
        stats.round_trips.observe(5);
        let past = stats.without_gauges();
        assert_eq!((past.rooms, past.participants, past.publications, past.subscriptions), (0, 0, 0, 0));
        assert_eq!((past.connected(), past.census), (0, Census::default()));
        assert_eq!((past.connects, past.drops, past.round_trips), (stats.connects, stats.drops, stats.round_trips));
    }

    #[test]
    fn causes_tell_a_client_that_was_never_reached() {
        let handshake = CloseReason::HandshakeTimeout { seconds: 15 };
        let of = [
            (CloseReason::ConsentExpired, false, CloseCause::IceTimeout),
            (CloseReason::ConsentExpired, true, CloseCause::ConsentExpired),
            (handshake, true, CloseCause::HandshakeTimeout),
            (CloseReason::FingerprintMismatch, true, CloseCause::FingerprintMismatch),
            (CloseReason::Dtls("an alert".to_owned()), true, CloseCause::DtlsFailed),
            (CloseReason::ClosedByClient, true, CloseCause::ClosedByClient),
        ];
        for (reason, reached, cause) in of {
            assert_eq!(CloseCause::of(&reason, reached), cause);
        }
    }

    #[test]
    fn reports_are_counted_in_base_units_and_absurd_ones_are_not() {
        let mut stats = ShardStats::default();
        let block = ReportBlock { fraction_lost: 64, jitter: 450, ..ReportBlock::default() };
        stats.observe_report(Direction::Out, &block, 90_000);
        stats.observe_report(Direction::Out, &ReportBlock { jitter: u32::MAX, ..block }, 48_000);
        let [into, out] = stats.losses;
        assert_eq!((into.count(), out.count(), out.sum()), (0, 2, 500));
        assert_eq!((stats.jitters[1].count(), stats.jitters[1].sum()), (1, 5_000), "450 units of 90 kHz are 5 ms");
    }
}
