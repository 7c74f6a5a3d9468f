//! What a shard counts: plain numbers, copied out as a whole.

use crate::drop_reason::DropReason;
use crate::histogram::Histogram;

/// Microseconds: from one rack to the other side of the world, over a satellite and a full queue.
static ROUND_TRIP_BOUNDS: [u64; 10] =
    [1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 200_000, 400_000, 800_000, 2_000_000];

/// A snapshot of a shard's counters. Gauges say so; everything else only grows.
#[derive(Clone, Copy, Debug)]
pub struct ShardStats {
    /// Gauge: open rooms.
    pub rooms: u64,
    /// Gauge: participants in them.
    pub participants: u64,
    /// Gauge: participants whose media transport is up.
    pub connected: u64,
    /// Gauge: published tracks.
    pub publications: u64,
    /// Gauge: tracks being sent to somebody, or waiting for their m-line.
    pub subscriptions: u64,
    /// Transports that came up.
    pub connects: u64,
    /// Transports that ended for a reason of theirs, not by command.
    pub closes: u64,
    /// RTP packets accepted from publishers, retransmissions among them.
    pub rtp_in_packets: u64,
    /// Their bytes, SRTP included.
    pub rtp_in_bytes: u64,
    /// RTP packets sent to subscribers, retransmissions among them.
    pub rtp_out_packets: u64,
    /// Their bytes, SRTP included.
    pub rtp_out_bytes: u64,
    /// Retransmissions received.
    pub rtx_in_packets: u64,
    /// Retransmissions sent.
    pub rtx_out_packets: u64,
    /// Packets that subscribers asked for again.
    pub nack_in_packets: u64,
    /// Packets asked for again from publishers.
    pub nack_out_packets: u64,
    /// Key frames asked for by subscribers (PLI and FIR).
    pub keyframe_requests_in: u64,
    /// Key frames asked for from publishers.
    pub keyframe_requests_out: u64,
    /// Data-channel messages received.
    pub data_in_messages: u64,
    /// Data-channel messages sent.
    pub data_out_messages: u64,
    /// Events dropped because the control plane did not keep up: speaker levels and data messages only.
    pub events_dropped: u64,
    /// Round-trip times that subscribers' reports showed, in microseconds.
    pub round_trips: Histogram<10>,
    /// Datagrams and packets dropped, by [`DropReason`].
    pub drops: [u64; DropReason::ALL.len()],
}

impl Default for ShardStats {
    fn default() -> Self {
        Self {
            rooms: 0,
            participants: 0,
            connected: 0,
            publications: 0,
            subscriptions: 0,
            connects: 0,
            closes: 0,
            rtp_in_packets: 0,
            rtp_in_bytes: 0,
            rtp_out_packets: 0,
            rtp_out_bytes: 0,
            rtx_in_packets: 0,
            rtx_out_packets: 0,
            nack_in_packets: 0,
            nack_out_packets: 0,
            keyframe_requests_in: 0,
            keyframe_requests_out: 0,
            data_in_messages: 0,
            data_out_messages: 0,
            events_dropped: 0,
            round_trips: Histogram::new(&ROUND_TRIP_BOUNDS),
            drops: [0; DropReason::ALL.len()],
        }
    }
}

impl ShardStats {
    /// Counts a drop.
    pub(crate) fn drop(&mut self, reason: DropReason) {
        self.drops[reason as usize] += 1;
    }
}
