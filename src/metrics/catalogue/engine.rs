//! What the media engine of each shard counts.

use super::labels::{DIRECTION, REASON_OF_DROP, SHARD};
use super::{MICROSECONDS, Scrape, metrics};
use parlor_media::ShardStats;
use parlor_media::drop_reason::DropReason;

metrics! {
    SHARD_ROOMS = Gauge "parlor_shard_rooms" [SHARD], "Rooms of a shard.";
    SHARD_PARTICIPANTS = Gauge "parlor_shard_participants" [SHARD], "Participants of a shard.";
    SHARD_CONNECTED = Gauge "parlor_shard_connected" [SHARD], "Participants of a shard whose media transport is up.";
    SHARD_PUBLICATIONS = Gauge "parlor_shard_publications" [SHARD], "Published tracks of a shard.";
    SHARD_SUBSCRIPTIONS = Gauge "parlor_shard_subscriptions" [SHARD], "Subscriptions of a shard.";
    TRANSPORTS_CONNECTED = Counter "parlor_transports_connected_total", "Media transports that came up.";
    TRANSPORTS_CLOSED = Counter "parlor_transports_closed_total", "Media transports that ended otherwise than by a leave.";
    RTP_PACKETS = Counter "parlor_rtp_packets_total" [DIRECTION], "RTP packets, retransmissions included.";
    RTP_BYTES = Counter "parlor_rtp_bytes_total" [DIRECTION], "Bytes of SRTP packets, retransmissions included.";
    RTX_PACKETS = Counter "parlor_rtx_packets_total" [DIRECTION], "Retransmitted packets.";
    NACKED_PACKETS = Counter "parlor_nacked_packets_total" [DIRECTION], "Packets asked for again: by subscribers (in), from publishers (out).";
    KEYFRAME_REQUESTS = Counter "parlor_keyframe_requests_total" [DIRECTION], "Key frames asked for: by subscribers (in), from publishers (out).";
    ROUND_TRIPS = Histogram(MICROSECONDS) "parlor_round_trip_seconds", "Round-trip times between the server and participants, by their receiver reports.";
    DATA_MESSAGES = Counter "parlor_data_messages_total" [DIRECTION], "Data-channel messages.";
    ENGINE_EVENTS_DROPPED = Counter "parlor_engine_events_dropped_total", "Speaker levels and data messages dropped, since the control plane was behind.";
    DROPS = Counter "parlor_drops_total" [REASON_OF_DROP], "Datagrams and packets dropped by the engine, by reason.";
}

pub(in crate::metrics) fn read(scrape: &mut Scrape, shard: &str, stats: &ShardStats) {
    scrape.add(&SHARD_ROOMS, &[shard], stats.rooms);
    scrape.add(&SHARD_PARTICIPANTS, &[shard], stats.participants);
    scrape.add(&SHARD_CONNECTED, &[shard], stats.connected);
    scrape.add(&SHARD_PUBLICATIONS, &[shard], stats.publications);
    scrape.add(&SHARD_SUBSCRIPTIONS, &[shard], stats.subscriptions);
    scrape.add(&TRANSPORTS_CONNECTED, &[], stats.connects);
    scrape.add(&TRANSPORTS_CLOSED, &[], stats.closes);
    for (metric, received, sent) in [
        (&RTP_PACKETS, stats.rtp_in_packets, stats.rtp_out_packets),
        (&RTP_BYTES, stats.rtp_in_bytes, stats.rtp_out_bytes),
        (&RTX_PACKETS, stats.rtx_in_packets, stats.rtx_out_packets),
        (&NACKED_PACKETS, stats.nack_in_packets, stats.nack_out_packets),
        (&KEYFRAME_REQUESTS, stats.keyframe_requests_in, stats.keyframe_requests_out),
        (&DATA_MESSAGES, stats.data_in_messages, stats.data_out_messages),
    ] {
        scrape.add(metric, &["in"], received);
        scrape.add(metric, &["out"], sent);
    }
    scrape.add_histogram(&ROUND_TRIPS, &[], &stats.round_trips);
    scrape.add(&ENGINE_EVENTS_DROPPED, &[], stats.events_dropped);
    for (reason, count) in DropReason::ALL.iter().zip(stats.drops) {
        scrape.add(&DROPS, &[reason.name()], count);
    }
}
