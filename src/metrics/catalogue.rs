//! Every metric: name, meaning and where the number comes from.
//!
//! No label has a value that clients choose or that grows with use: rooms and participants are never labels. Names end in the
//! base unit, and counters in `_total`.

use super::scrape::Scrape;
use crate::net::tcp::TcpStats;
use crate::net::{EgressStats, IngressStats};
use crate::readings::{BodyStats, Readings};
use parlor_media::ShardStats;
use parlor_media::drop_reason::DropReason;
use parlor_signaling::Stats;

/// The description of a number.
#[derive(Debug, PartialEq)]
pub(crate) struct Metric {
    /// As Prometheus knows it.
    pub(crate) name: &'static str,
    /// One sentence.
    pub(crate) help: &'static str,
    pub(crate) kind: Kind,
    /// The labels that tell several numbers of one metric apart.
    pub(crate) labels: &'static [&'static str],
}

/// What becomes of a number.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    /// It counts from the start of the process.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Many numbers, counted in buckets.
    Histogram {
        /// What one unit of the counted numbers is in the metric's base unit.
        unit: f64,
    },
}

/// Microseconds, counted in a metric of seconds.
const MICROSECONDS: f64 = 1e-6;

macro_rules! metrics {
    ($($id:ident = $kind:ident $(($unit:expr))? $name:literal $([$($label:literal),+])?, $help:literal;)+) => {
        $(pub(crate) static $id: Metric =
            Metric { name: $name, help: $help, kind: Kind::$kind $({ unit: $unit })?, labels: &[$($($label),+)?] };)+

        /// Every metric, in the order in which they are shown.
        pub(crate) static ALL: &[&Metric] = &[$(&$id,)+];
    };
}

metrics! {
    BUILD_INFO = Gauge "parlor_build_info" ["version"], "1; its label tells the version.";
    SHARDS = Gauge "parlor_shards", "Media threads.";
    ROOMS = Gauge "parlor_rooms", "Rooms.";
    PARTICIPANTS = Gauge "parlor_participants", "Participants, those whose connection is lost and may resume included.";
    DETACHED = Gauge "parlor_participants_detached", "Participants whose connection is lost and may resume.";
    DRAINING = Gauge "parlor_draining", "1 while the server is about to end and begins no new calls.";
    WEBSOCKETS = Gauge "parlor_websockets", "WebSocket connections.";
    ROOMS_CREATED = Counter "parlor_rooms_created_total", "Rooms created.";
    JOINS = Counter "parlor_joins_total", "Joins.";
    RESUMES = Counter "parlor_resumes_total", "Sessions resumed after a lost connection.";
    MESSAGES = Counter "parlor_messages_total", "Signalling messages from clients.";
    CHAT_MESSAGES = Counter "parlor_chat_messages_total", "Chat messages relayed.";
    FILES_SHARED = Counter "parlor_files_shared_total", "Files shared.";
    WEBHOOKS_QUEUED = Gauge "parlor_webhooks_queued", "Webhook deliveries that wait or are under way.";
    WEBHOOKS = Counter "parlor_webhooks_total" ["outcome"], "Webhook deliveries taken, given up after the last attempt, or dropped from a full queue.";
    WEBHOOK_ATTEMPTS_FAILED = Counter "parlor_webhook_attempts_failed_total", "Webhook requests that were not taken; most are tried again.";
    MESSAGES_DROPPED = Counter "parlor_messages_dropped_total", "Signalling messages dropped for their rate.";
    WEBSOCKETS_REFUSED = Counter "parlor_websockets_refused_total", "WebSocket connections refused, for their number or origin.";
    STORE_AVAILABLE = Gauge "parlor_store_available", "1 while the store answers.";
    STORE_QUEUE = Gauge "parlor_store_queue", "Writes that wait for the store.";
    STORE_WRITES_LOST = Counter "parlor_store_writes_lost_total", "Writes that never reached the store: the queue was full, or they were refused.";
    ERRORS_TOLD = Counter "parlor_errors_total" ["code"], "Errors told to clients, by code.";
    SHARD_ROOMS = Gauge "parlor_shard_rooms" ["shard"], "Rooms of a shard.";
    SHARD_PARTICIPANTS = Gauge "parlor_shard_participants" ["shard"], "Participants of a shard.";
    SHARD_CONNECTED = Gauge "parlor_shard_connected" ["shard"], "Participants of a shard whose media transport is up.";
    SHARD_PUBLICATIONS = Gauge "parlor_shard_publications" ["shard"], "Published tracks of a shard.";
    SHARD_SUBSCRIPTIONS = Gauge "parlor_shard_subscriptions" ["shard"], "Subscriptions of a shard.";
    TRANSPORTS_CONNECTED = Counter "parlor_transports_connected_total", "Media transports that came up.";
    TRANSPORTS_CLOSED = Counter "parlor_transports_closed_total", "Media transports that ended otherwise than by a leave.";
    RTP_PACKETS = Counter "parlor_rtp_packets_total" ["direction"], "RTP packets, retransmissions included.";
    RTP_BYTES = Counter "parlor_rtp_bytes_total" ["direction"], "Bytes of SRTP packets, retransmissions included.";
    RTX_PACKETS = Counter "parlor_rtx_packets_total" ["direction"], "Retransmitted packets.";
    NACKED_PACKETS = Counter "parlor_nacked_packets_total" ["direction"], "Packets asked for again: by subscribers (in), from publishers (out).";
    KEYFRAME_REQUESTS = Counter "parlor_keyframe_requests_total" ["direction"], "Key frames asked for: by subscribers (in), from publishers (out).";
    ROUND_TRIPS = Histogram(MICROSECONDS) "parlor_round_trip_seconds", "Round-trip times between the server and participants, by their receiver reports.";
    DATA_MESSAGES = Counter "parlor_data_messages_total" ["direction"], "Data-channel messages.";
    ENGINE_EVENTS_DROPPED = Counter "parlor_engine_events_dropped_total", "Speaker levels and data messages dropped, since the control plane was behind.";
    DROPS = Counter "parlor_drops_total" ["reason"], "Datagrams and packets dropped by the engine, by reason.";
    DATAGRAMS_RECEIVED = Counter "parlor_datagrams_received_total" ["protocol"], "Datagrams and ICE-TCP frames received.";
    BYTES_RECEIVED = Counter "parlor_bytes_received_total" ["protocol"], "Payload bytes of datagrams and ICE-TCP frames received.";
    DATAGRAMS_SENT = Counter "parlor_datagrams_sent_total" ["protocol"], "Datagrams and ICE-TCP frames handed to the kernel.";
    BYTES_SENT = Counter "parlor_bytes_sent_total" ["protocol"], "Payload bytes of datagrams and ICE-TCP frames handed to the kernel.";
    RECEIVE_CALLS = Counter "parlor_receive_calls_total", "System calls that received UDP datagrams; datagrams by calls is the batch size.";
    SEND_CALLS = Counter "parlor_send_calls_total", "System calls that sent UDP datagrams.";
    SEND_MESSAGES = Counter "parlor_send_messages_total", "UDP messages sent; datagrams by messages is the GSO batch size.";
    SEND_GSO_MESSAGES = Counter "parlor_send_gso_messages_total", "UDP messages that carried several datagrams by GSO.";
    GSO_REFUSED = Counter "parlor_gso_refused_total", "GSO messages that the kernel refused and that were sent plainly.";
    GSO_ACTIVE = Gauge "parlor_gso_active" ["shard"], "1 while UDP GSO is in use.";
    SOCKET_DROPS = Counter "parlor_socket_drops_total" ["reason"], "Datagrams dropped at the sockets, by reason.";
    RECEIVE_ERRORS = Counter "parlor_receive_errors_total", "Errors of the UDP socket on receiving.";
    TCP_CONNECTIONS = Gauge "parlor_tcp_connections", "ICE-TCP connections.";
    TCP_ACCEPTED = Counter "parlor_tcp_accepted_total", "ICE-TCP connections accepted.";
    TCP_CLOSED = Counter "parlor_tcp_closed_total" ["reason"], "ICE-TCP connections refused or closed by the server, by reason.";
    SHARD_RESTARTS = Counter "parlor_shard_restarts_total" ["shard"], "Times that a shard lost its rooms to a panic and started anew.";
    EVENT_STALLS = Counter "parlor_event_stalls_total" ["shard"], "Times that a shard found the control plane's queue full.";
}

pub(super) fn read_signaling(scrape: &mut Scrape, stats: &Stats) {
    scrape.add(&ROOMS, &[], stats.rooms as u64);
    scrape.add(&PARTICIPANTS, &[], stats.participants as u64);
    scrape.add(&DETACHED, &[], stats.detached as u64);
    scrape.add(&DRAINING, &[], stats.draining.into());
    scrape.add(&WEBSOCKETS, &[], stats.sockets as u64);
    scrape.add(&ROOMS_CREATED, &[], stats.rooms_created);
    scrape.add(&JOINS, &[], stats.joins);
    scrape.add(&RESUMES, &[], stats.resumes);
    scrape.add(&MESSAGES, &[], stats.messages);
    scrape.add(&CHAT_MESSAGES, &[], stats.chat_messages);
    scrape.add(&FILES_SHARED, &[], stats.files_shared);
    scrape.add(&WEBHOOKS_QUEUED, &[], stats.webhooks.queued);
    scrape.add(&WEBHOOKS, &["delivered"], stats.webhooks.delivered);
    scrape.add(&WEBHOOKS, &["given_up"], stats.webhooks.given_up);
    scrape.add(&WEBHOOKS, &["dropped"], stats.webhooks.dropped);
    scrape.add(&WEBHOOK_ATTEMPTS_FAILED, &[], stats.webhooks.attempts_failed);
    scrape.add(&MESSAGES_DROPPED, &[], stats.messages_dropped);
    scrape.add(&WEBSOCKETS_REFUSED, &[], stats.sockets_refused);
    scrape.add(&STORE_AVAILABLE, &[], stats.store_available.into());
    scrape.add(&STORE_QUEUE, &[], stats.store_queue as u64);
    scrape.add(&STORE_WRITES_LOST, &[], stats.store_writes_lost);
    for (code, count) in &stats.errors {
        scrape.add(&ERRORS_TOLD, &[code.as_str()], *count);
    }
}

/// Adds one shard's numbers; `shard` is its number, for what is told shard by shard.
pub(super) fn read_shard(scrape: &mut Scrape, shard: &str, readings: &Readings) {
    read_engine(scrape, shard, &readings.engine);
    read_ingress(scrape, &readings.ingress);
    read_egress(scrape, shard, &readings.egress);
    if let Some(tcp) = &readings.tcp {
        read_tcp(scrape, tcp);
    }
    read_body(scrape, shard, &readings.body);
}

fn read_body(scrape: &mut Scrape, shard: &str, stats: &BodyStats) {
    scrape.add(&SHARD_RESTARTS, &[shard], stats.restarts);
    scrape.add(&EVENT_STALLS, &[shard], stats.event_stalls);
}

fn read_engine(scrape: &mut Scrape, shard: &str, stats: &ShardStats) {
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

fn read_ingress(scrape: &mut Scrape, stats: &IngressStats) {
    scrape.add(&DATAGRAMS_RECEIVED, &["udp"], stats.datagrams);
    scrape.add(&BYTES_RECEIVED, &["udp"], stats.bytes);
    scrape.add(&RECEIVE_CALLS, &[], stats.calls);
    scrape.add(&RECEIVE_ERRORS, &[], stats.errors);
    scrape.add(&SOCKET_DROPS, &["oversize"], stats.oversize);
}

fn read_egress(scrape: &mut Scrape, shard: &str, stats: &EgressStats) {
    scrape.add(&DATAGRAMS_SENT, &["udp"], stats.datagrams);
    scrape.add(&BYTES_SENT, &["udp"], stats.bytes);
    scrape.add(&SEND_CALLS, &[], stats.calls);
    scrape.add(&SEND_MESSAGES, &[], stats.messages);
    scrape.add(&SEND_GSO_MESSAGES, &[], stats.gso_messages);
    scrape.add(&GSO_REFUSED, &[], stats.gso_refused);
    scrape.add(&GSO_ACTIVE, &[shard], stats.gso.into());
    scrape.add(&SOCKET_DROPS, &["send_buffer_full"], stats.dropped_full);
    scrape.add(&SOCKET_DROPS, &["no_memory"], stats.dropped_no_memory);
    scrape.add(&SOCKET_DROPS, &["send_error"], stats.dropped_error);
}

fn read_tcp(scrape: &mut Scrape, stats: &TcpStats) {
    scrape.add(&DATAGRAMS_RECEIVED, &["tcp"], stats.frames_in);
    scrape.add(&BYTES_RECEIVED, &["tcp"], stats.bytes_in);
    scrape.add(&DATAGRAMS_SENT, &["tcp"], stats.frames_out);
    scrape.add(&BYTES_SENT, &["tcp"], stats.bytes_out);
    scrape.add(&SOCKET_DROPS, &["tcp_backlog"], stats.dropped);
    scrape.add(&TCP_CONNECTIONS, &[], stats.connections);
    scrape.add(&TCP_ACCEPTED, &[], stats.accepted);
    scrape.add(&TCP_CLOSED, &["refused"], stats.refused);
    scrape.add(&TCP_CLOSED, &["timed_out"], stats.timed_out);
    scrape.add(&TCP_CLOSED, &["malformed"], stats.malformed);
}
