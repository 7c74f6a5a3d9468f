//! What the control plane counts of WebSockets and of the messages of the protocol.

use super::labels::{CARRIER, CAUSE_OF_CLOSE, CAUSE_OF_REFUSAL, CLIENT_TYPE, SERVER_TYPE};
use super::{Scrape, metrics};
use parlor_signaling::{MessageStats, SocketStats};

metrics! {
    WEBSOCKETS = Gauge "parlor_websockets", "WebSocket connections.";
    WEBSOCKETS_OPENED = Counter "parlor_websockets_opened_total", "WebSocket connections opened.";
    WEBSOCKETS_CLOSED = Counter "parlor_websockets_closed_total" [CAUSE_OF_CLOSE], "WebSocket connections that ended, by cause.";
    WEBSOCKETS_REFUSED = Counter "parlor_websockets_refused_total" [CAUSE_OF_REFUSAL], "WebSocket connections refused, by cause.";
    OUTBOX_OVERFLOWS = Counter "parlor_outbox_overflows_total", "Sessions that ended since more messages waited for their client than may.";
    MESSAGES_RECEIVED = Counter "parlor_messages_received_total" [CARRIER, CLIENT_TYPE], "Messages of clients that were within their rate.";
    MESSAGES_SENT = Counter "parlor_messages_sent_total" [CARRIER, SERVER_TYPE], "Messages handed to a WebSocket or data channel; what may not have arrived goes again.";
    MESSAGES_DROPPED = Counter "parlor_messages_dropped_total" [CARRIER], "Messages of clients dropped for their rate.";
    CHAT_MESSAGES = Counter "parlor_chat_messages_total", "Chat messages relayed.";
}

pub(in crate::metrics) fn read_sockets(scrape: &mut Scrape, stats: &SocketStats) {
    scrape.add(&WEBSOCKETS, &[], stats.open as u64);
    scrape.add(&WEBSOCKETS_OPENED, &[], stats.opened);
    for (cause, count) in stats.closed.iter() {
        scrape.add(&WEBSOCKETS_CLOSED, &[cause.as_str()], count);
    }
    for (cause, count) in stats.refused.iter() {
        scrape.add(&WEBSOCKETS_REFUSED, &[cause.as_str()], count);
    }
    scrape.add(&OUTBOX_OVERFLOWS, &[], stats.overflows);
}

pub(in crate::metrics) fn read_messages(scrape: &mut Scrape, stats: &MessageStats) {
    for ((carrier, kind), count) in stats.received.occurred() {
        scrape.add(&MESSAGES_RECEIVED, &[carrier.as_str(), kind.as_str()], count);
    }
    for ((carrier, kind), count) in stats.sent.occurred() {
        scrape.add(&MESSAGES_SENT, &[carrier.as_str(), kind.as_str()], count);
    }
    for (carrier, count) in stats.dropped.iter() {
        scrape.add(&MESSAGES_DROPPED, &[carrier.as_str()], count);
    }
    scrape.add(&CHAT_MESSAGES, &[], stats.chat);
}
