//! What the sockets of each shard count.

use super::labels::{PROTOCOL, SHARD};
use super::{Label, Scrape, Values, metrics};
use crate::net::tcp::TcpStats;
use crate::net::{EgressStats, IngressStats};

const DROPPED: Label = Label {
    name: "reason",
    values: Values::Closed(|| vec!["oversize", "send_buffer_full", "no_memory", "send_error", "tcp_backlog"]),
};
const CLOSED: Label = Label { name: "reason", values: Values::Closed(|| vec!["refused", "timed_out", "malformed"]) };

metrics! {
    DATAGRAMS_RECEIVED = Counter "parlor_datagrams_received_total" [PROTOCOL], "Datagrams and ICE-TCP frames received.";
    BYTES_RECEIVED = Counter "parlor_bytes_received_total" [PROTOCOL], "Payload bytes of datagrams and ICE-TCP frames received.";
    DATAGRAMS_SENT = Counter "parlor_datagrams_sent_total" [PROTOCOL], "Datagrams and ICE-TCP frames handed to the kernel.";
    BYTES_SENT = Counter "parlor_bytes_sent_total" [PROTOCOL], "Payload bytes of datagrams and ICE-TCP frames handed to the kernel.";
    RECEIVE_CALLS = Counter "parlor_receive_calls_total", "System calls that received UDP datagrams; datagrams by calls is the batch size.";
    SEND_CALLS = Counter "parlor_send_calls_total", "System calls that sent UDP datagrams.";
    SEND_MESSAGES = Counter "parlor_send_messages_total", "UDP messages sent; datagrams by messages is the GSO batch size.";
    SEND_GSO_MESSAGES = Counter "parlor_send_gso_messages_total", "UDP messages that carried several datagrams by GSO.";
    GSO_REFUSED = Counter "parlor_gso_refused_total", "GSO messages that the kernel refused and that were sent plainly.";
    GSO_ACTIVE = Gauge "parlor_gso_active" [SHARD], "1 while UDP GSO is in use.";
    SOCKET_DROPS = Counter "parlor_socket_drops_total" [DROPPED], "Datagrams dropped at the sockets, by reason.";
    RECEIVE_ERRORS = Counter "parlor_receive_errors_total", "Errors of the UDP socket on receiving.";
    TCP_CONNECTIONS = Gauge "parlor_tcp_connections", "ICE-TCP connections.";
    TCP_ACCEPTED = Counter "parlor_tcp_accepted_total", "ICE-TCP connections accepted.";
    TCP_CLOSED = Counter "parlor_tcp_closed_total" [CLOSED], "ICE-TCP connections refused or closed by the server, by reason.";
}

pub(in crate::metrics) fn read_ingress(scrape: &mut Scrape, stats: &IngressStats) {
    scrape.add(&DATAGRAMS_RECEIVED, &["udp"], stats.datagrams);
    scrape.add(&BYTES_RECEIVED, &["udp"], stats.bytes);
    scrape.add(&RECEIVE_CALLS, &[], stats.calls);
    scrape.add(&RECEIVE_ERRORS, &[], stats.errors);
    scrape.add(&SOCKET_DROPS, &["oversize"], stats.oversize);
}

pub(in crate::metrics) fn read_egress(scrape: &mut Scrape, shard: &str, stats: &EgressStats) {
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

pub(in crate::metrics) fn read_tcp(scrape: &mut Scrape, stats: &TcpStats) {
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
