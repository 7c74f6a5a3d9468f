//! The metrics of a shard: name, meaning and where the number comes from.

use crate::net::tcp::TcpStats;
use crate::net::{EgressStats, IngressStats};
use crate::readings::{Kind, Metric, Readings};

macro_rules! metrics {
    ($($id:ident = $kind:ident $name:literal $([$label:literal])?, $help:literal;)+) => {
        $(pub(crate) static $id: Metric =
            Metric { name: $name, help: $help, kind: Kind::$kind, label: concat!($($label)?) };)+

        /// Every metric, in the order in which they are shown.
        pub(crate) static ALL: &[&Metric] = &[$(&$id,)+];
    };
}

metrics! {
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
