//! The metrics of a shard: name, meaning and where the number comes from.

use crate::net::tcp::TcpStats;
use crate::net::{EgressStats, IngressStats};
use crate::readings::{Kind, Metric, Readings};
use parlor_media::ShardStats;
use parlor_media::drop_reason::DropReason;
use parlor_signaling::Stats;

macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal $([$label:literal])?, $help:literal;)+) => {
        $(pub(crate) static $id: Metric =
            Metric { name: $name, help: $help, kind: Kind::$kind, label: concat!($($label)?) };)+

        /// Every metric, in the order in which they are shown.
        pub(crate) static ALL: &[&Metric] = &[$(&$id,)+];
    };
}

metrics! {
    ROOMS = Gauge "parlor_rooms", "Rooms.";
    PARTICIPANTS = Gauge "parlor_participants", "Participants, those whose connection is lost and may resume included.";
    DETACHED = Gauge "parlor_participants_detached", "Participants whose connection is lost and may resume.";
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
    STORE_AVAILABLE = Gauge "parlor_store_available", "1 while the store takes writes.";
    STORE_QUEUE = Gauge "parlor_store_queue", "Writes that wait for the store.";
    STORE_WRITES_LOST = Counter "parlor_store_writes_lost_total", "Writes that never reached the store: the queue was full, or they were refused.";
    ERRORS_TOLD = Counter "parlor_errors_total" ["code"], "Errors told to clients, by code.";
    SHARD_ROOMS = Gauge "parlor_shard_rooms", "Rooms of a shard.";
    SHARD_PARTICIPANTS = Gauge "parlor_shard_participants", "Participants of a shard.";
    SHARD_CONNECTED = Gauge "parlor_shard_connected", "Participants of a shard whose media transport is up.";
    SHARD_PUBLICATIONS = Gauge "parlor_shard_publications", "Published tracks of a shard.";
    SHARD_SUBSCRIPTIONS = Gauge "parlor_shard_subscriptions", "Subscriptions of a shard.";
    TRANSPORTS_CONNECTED = Counter "parlor_transports_connected_total", "Media transports that came up.";
    TRANSPORTS_CLOSED = Counter "parlor_transports_closed_total", "Media transports that ended otherwise than by a leave.";
    RTP_PACKETS = Counter "parlor_rtp_packets_total" ["direction"], "RTP packets, retransmissions included.";
    RTP_BYTES = Counter "parlor_rtp_bytes_total" ["direction"], "Bytes of SRTP packets, retransmissions included.";
    RTX_PACKETS = Counter "parlor_rtx_packets_total" ["direction"], "Retransmitted packets.";
    NACKED_PACKETS = Counter "parlor_nacked_packets_total" ["direction"], "Packets asked for again: by subscribers (in), from publishers (out).";
    KEYFRAME_REQUESTS = Counter "parlor_keyframe_requests_total" ["direction"], "Key frames asked for: by subscribers (in), from publishers (out).";
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
    GSO_ACTIVE = Gauge "parlor_gso_active", "1 while UDP GSO is in use.";
    SOCKET_DROPS = Counter "parlor_socket_drops_total" ["reason"], "Datagrams dropped at the sockets, by reason.";
    RECEIVE_ERRORS = Counter "parlor_receive_errors_total", "Errors of the UDP socket on receiving.";
    TCP_CONNECTIONS = Gauge "parlor_tcp_connections", "ICE-TCP connections.";
    TCP_ACCEPTED = Counter "parlor_tcp_accepted_total", "ICE-TCP connections accepted.";
    TCP_CLOSED = Counter "parlor_tcp_closed_total" ["reason"], "ICE-TCP connections refused or closed by the server, by reason.";
    SHARD_RESTARTS = Counter "parlor_shard_restarts_total", "Times that a shard lost its rooms to a panic and started anew.";
    EVENT_STALLS = Counter "parlor_event_stalls_total", "Times that a shard found the control plane's queue full.";
}

pub(crate) fn read_signaling(readings: &mut Readings, stats: &Stats) {
    readings.add(&ROOMS, stats.rooms as u64);
    readings.add(&PARTICIPANTS, stats.participants as u64);
    readings.add(&DETACHED, stats.detached as u64);
    readings.add(&WEBSOCKETS, stats.sockets as u64);
    readings.add(&ROOMS_CREATED, stats.rooms_created);
    readings.add(&JOINS, stats.joins);
    readings.add(&RESUMES, stats.resumes);
    readings.add(&MESSAGES, stats.messages);
    readings.add(&CHAT_MESSAGES, stats.chat_messages);
    readings.add(&FILES_SHARED, stats.files_shared);
    readings.add(&WEBHOOKS_QUEUED, stats.webhooks.queued);
    readings.add_labelled(&WEBHOOKS, "delivered", stats.webhooks.delivered);
    readings.add_labelled(&WEBHOOKS, "given_up", stats.webhooks.given_up);
    readings.add_labelled(&WEBHOOKS, "dropped", stats.webhooks.dropped);
    readings.add(&WEBHOOK_ATTEMPTS_FAILED, stats.webhooks.attempts_failed);
    readings.add(&MESSAGES_DROPPED, stats.messages_dropped);
    readings.add(&WEBSOCKETS_REFUSED, stats.sockets_refused);
    readings.add(&STORE_AVAILABLE, stats.store_available.into());
    readings.add(&STORE_QUEUE, stats.store_queue as u64);
    readings.add(&STORE_WRITES_LOST, stats.store_writes_lost);
    for (code, count) in &stats.errors {
        readings.add_labelled(&ERRORS_TOLD, code.as_str(), *count);
    }
}

pub(crate) fn read_engine(readings: &mut Readings, stats: &ShardStats) {
    readings.add(&SHARD_ROOMS, stats.rooms);
    readings.add(&SHARD_PARTICIPANTS, stats.participants);
    readings.add(&SHARD_CONNECTED, stats.connected);
    readings.add(&SHARD_PUBLICATIONS, stats.publications);
    readings.add(&SHARD_SUBSCRIPTIONS, stats.subscriptions);
    readings.add(&TRANSPORTS_CONNECTED, stats.connects);
    readings.add(&TRANSPORTS_CLOSED, stats.closes);
    for (metric, received, sent) in [
        (&RTP_PACKETS, stats.rtp_in_packets, stats.rtp_out_packets),
        (&RTP_BYTES, stats.rtp_in_bytes, stats.rtp_out_bytes),
        (&RTX_PACKETS, stats.rtx_in_packets, stats.rtx_out_packets),
        (&NACKED_PACKETS, stats.nack_in_packets, stats.nack_out_packets),
        (&KEYFRAME_REQUESTS, stats.keyframe_requests_in, stats.keyframe_requests_out),
        (&DATA_MESSAGES, stats.data_in_messages, stats.data_out_messages),
    ] {
        readings.add_labelled(metric, "in", received);
        readings.add_labelled(metric, "out", sent);
    }
    readings.add(&ENGINE_EVENTS_DROPPED, stats.events_dropped);
    for (reason, count) in DropReason::ALL.iter().zip(stats.drops) {
        readings.add_labelled(&DROPS, reason.name(), count);
    }
}

pub(crate) fn read_ingress(readings: &mut Readings, stats: &IngressStats) {
    readings.add_labelled(&DATAGRAMS_RECEIVED, "udp", stats.datagrams);
    readings.add_labelled(&BYTES_RECEIVED, "udp", stats.bytes);
    readings.add(&RECEIVE_CALLS, stats.calls);
    readings.add(&RECEIVE_ERRORS, stats.errors);
    readings.add_labelled(&SOCKET_DROPS, "oversize", stats.oversize);
}

pub(crate) fn read_egress(readings: &mut Readings, stats: &EgressStats) {
    readings.add_labelled(&DATAGRAMS_SENT, "udp", stats.datagrams);
    readings.add_labelled(&BYTES_SENT, "udp", stats.bytes);
    readings.add(&SEND_CALLS, stats.calls);
    readings.add(&SEND_MESSAGES, stats.messages);
    readings.add(&SEND_GSO_MESSAGES, stats.gso_messages);
    readings.add(&GSO_REFUSED, stats.gso_refused);
    readings.add(&GSO_ACTIVE, stats.gso.into());
    readings.add_labelled(&SOCKET_DROPS, "send_buffer_full", stats.dropped_full);
    readings.add_labelled(&SOCKET_DROPS, "no_memory", stats.dropped_no_memory);
    readings.add_labelled(&SOCKET_DROPS, "send_error", stats.dropped_error);
}

pub(crate) fn read_tcp(readings: &mut Readings, stats: &TcpStats) {
    readings.add_labelled(&DATAGRAMS_RECEIVED, "tcp", stats.frames_in);
    readings.add_labelled(&BYTES_RECEIVED, "tcp", stats.bytes_in);
    readings.add_labelled(&DATAGRAMS_SENT, "tcp", stats.frames_out);
    readings.add_labelled(&BYTES_SENT, "tcp", stats.bytes_out);
    readings.add_labelled(&SOCKET_DROPS, "tcp_backlog", stats.dropped);
    readings.add(&TCP_CONNECTIONS, stats.connections);
    readings.add(&TCP_ACCEPTED, stats.accepted);
    readings.add_labelled(&TCP_CLOSED, "refused", stats.refused);
    readings.add_labelled(&TCP_CLOSED, "timed_out", stats.timed_out);
    readings.add_labelled(&TCP_CLOSED, "malformed", stats.malformed);
}
