//! What the sockets of each shard count.

use super::labels::{PROTOCOL, SHARD};
use super::{Label, ONE, Scrape, Values, metrics};
use crate::net::tcp::TcpStats;
use crate::net::{EgressStats, IngressStats, SendFailure};
use parlor_media::outbox::Class;

const DROPPED: Label = Label {
    name: "reason",
    values: Values::Explained(|| {
        let sending = SendFailure::ALL.into_iter().map(SendFailure::names);
        [RECEIVE_BUFFER_FULL, OVERSIZE].into_iter().chain(sending).chain([TCP_BACKLOG]).collect()
    }),
};
/// Names of the other reasons, with their meanings.
const RECEIVE_BUFFER_FULL: (&str, &str) = (
    "receive_buffer_full",
    "The kernel dropped it before it was received, since the socket's buffer was full: see `net.core.rmem_max`, and the shard's load.",
);
const OVERSIZE: (&str, &str) = ("oversize", "It was longer than 2048 bytes.");
const TCP_BACKLOG: (&str, &str) = ("tcp_backlog", "An ICE-TCP connection takes less than is sent to it, or is gone.");
const CLOSED: Label = Label { name: "reason", values: Values::Closed(|| vec!["refused", "timed_out", "malformed"]) };

const CLASS: Label = Label { name: "class", values: Values::Closed(|| Class::ALL.map(Class::name).to_vec()) };

metrics! {
    DATAGRAMS_RECEIVED = Counter "parlor_datagrams_received_total" [PROTOCOL], "Datagrams and ICE-TCP frames received.";
    BYTES_RECEIVED = Counter "parlor_received_bytes_total" [PROTOCOL], "Payload bytes of datagrams and ICE-TCP frames received.";
    DATAGRAMS_SENT = Counter "parlor_datagrams_sent_total" [PROTOCOL], "Datagrams and ICE-TCP frames handed to the kernel.";
    BYTES_SENT = Counter "parlor_sent_bytes_total" [PROTOCOL], "Payload bytes of datagrams and ICE-TCP frames handed to the kernel.";
    RECEIVE_BATCHES = Histogram(ONE) "parlor_receive_batch_datagrams", "UDP datagrams received by one system call.";
    RECEIVE_MESSAGES = Histogram(ONE) "parlor_receive_message_datagrams", "UDP datagrams in one message of the kernel's: more than one where it has joined those of one sender (GRO).";
    SEND_CALLS = Counter "parlor_send_calls_total", "System calls that sent UDP datagrams.";
    SEND_MESSAGES = Histogram(ONE) "parlor_send_message_datagrams", "UDP datagrams in one message to the kernel: more than one by GSO, at most 64.";
    GSO_REFUSED = Counter "parlor_gso_refused_total", "GSO messages that the kernel refused and that were sent plainly.";
    GSO_ACTIVE = Gauge "parlor_gso_active" [SHARD], "1 while UDP GSO is in use.";
    SOCKET_DROPS = Counter "parlor_socket_drops_total" [DROPPED], "Datagrams dropped at the sockets, by reason.";
    UNSENT = Counter "parlor_unsent_datagrams_total" [CLASS], "UDP datagrams of those dropped at the sockets on sending, by what they carried. `repair` was asked for again by a client, `control` is ICE, DTLS, RTCP and data channels.";
    HELD = Counter "parlor_held_datagrams_total", "UDP datagrams of audio or control that had to wait for a full socket.";
    RECEIVE_ERRORS = Counter "parlor_receive_errors_total", "Errors of the UDP socket on receiving.";
    TCP_CONNECTIONS = Gauge "parlor_tcp_connections", "ICE-TCP connections.";
    TCP_ACCEPTED = Counter "parlor_tcp_accepted_total", "ICE-TCP connections accepted.";
    TCP_CLOSED = Counter "parlor_tcp_closed_total" [CLOSED], "ICE-TCP connections refused or closed by the server, by reason.";
}

pub(in crate::metrics) fn read_ingress(scrape: &mut Scrape, stats: &IngressStats) {
    scrape.add(&DATAGRAMS_RECEIVED, &["udp"], stats.datagrams);
    scrape.add(&BYTES_RECEIVED, &["udp"], stats.bytes);
    scrape.add_histogram(&RECEIVE_BATCHES, &[], &stats.batches);
    scrape.add_histogram(&RECEIVE_MESSAGES, &[], &stats.messages);
    scrape.add(&RECEIVE_ERRORS, &[], stats.errors);
    scrape.add(&SOCKET_DROPS, &[RECEIVE_BUFFER_FULL.0], stats.kernel_drops);
    scrape.add(&SOCKET_DROPS, &[OVERSIZE.0], stats.oversize);
}

pub(in crate::metrics) fn read_egress(scrape: &mut Scrape, shard: &str, stats: &EgressStats) {
    scrape.add(&DATAGRAMS_SENT, &["udp"], stats.datagrams);
    scrape.add(&BYTES_SENT, &["udp"], stats.bytes);
    scrape.add(&SEND_CALLS, &[], stats.calls);
    scrape.add_histogram(&SEND_MESSAGES, &[], &stats.messages);
    scrape.add(&GSO_REFUSED, &[], stats.gso_refused);
    scrape.add(&GSO_ACTIVE, &[shard], stats.gso.into());
    for (failure, count) in SendFailure::ALL.into_iter().zip(stats.dropped) {
        scrape.add(&SOCKET_DROPS, &[failure.names().0], count);
    }
    for (class, count) in Class::ALL.into_iter().zip(stats.unsent) {
        scrape.add(&UNSENT, &[class.name()], count);
    }
    scrape.add(&HELD, &[], stats.held);
}

pub(in crate::metrics) fn read_tcp(scrape: &mut Scrape, stats: &TcpStats) {
    scrape.add(&DATAGRAMS_RECEIVED, &["tcp"], stats.frames_in);
    scrape.add(&BYTES_RECEIVED, &["tcp"], stats.bytes_in);
    scrape.add(&DATAGRAMS_SENT, &["tcp"], stats.frames_out);
    scrape.add(&BYTES_SENT, &["tcp"], stats.bytes_out);
    scrape.add(&SOCKET_DROPS, &[TCP_BACKLOG.0], stats.dropped);
    scrape.add(&TCP_CONNECTIONS, &[], stats.connections);
    scrape.add(&TCP_ACCEPTED, &[], stats.accepted);
    scrape.add(&TCP_CLOSED, &["refused"], stats.refused);
    scrape.add(&TCP_CLOSED, &["timed_out"], stats.timed_out);
    scrape.add(&TCP_CLOSED, &["malformed"], stats.malformed);
}
