//! What the control plane counts: rooms as people know them, sessions, the store.

use super::{Label, Scrape, Values, metrics};
use parlor_signaling::Stats;
use parlor_signaling::protocol::ErrorCode;

const OUTCOME: Label = Label { name: "outcome", values: Values::Closed(|| vec!["delivered", "given_up", "dropped"]) };
const CODE: Label = Label {
    name: "code",
    values: Values::Elsewhere {
        values: || ErrorCode::ALL.iter().map(|code| code.as_str()).collect(),
        document: "[the protocol's codes](protocol.md#error-codes)",
    },
};

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
    WEBHOOKS = Counter "parlor_webhooks_total" [OUTCOME], "Webhook deliveries taken, given up after the last attempt, or dropped from a full queue.";
    WEBHOOK_ATTEMPTS_FAILED = Counter "parlor_webhook_attempts_failed_total", "Webhook requests that were not taken; most are tried again.";
    MESSAGES_DROPPED = Counter "parlor_messages_dropped_total", "Signalling messages dropped for their rate.";
    WEBSOCKETS_REFUSED = Counter "parlor_websockets_refused_total", "WebSocket connections refused, for their number or origin.";
    STORE_AVAILABLE = Gauge "parlor_store_available", "1 while the store takes writes.";
    STORE_QUEUE = Gauge "parlor_store_queue", "Writes that wait for the store.";
    STORE_WRITES_LOST = Counter "parlor_store_writes_lost_total", "Writes that never reached the store: the queue was full, or they were refused.";
    ERRORS_TOLD = Counter "parlor_errors_total" [CODE], "Errors told to clients, by code.";
}

pub(in crate::metrics) fn read(scrape: &mut Scrape, stats: &Stats) {
    scrape.add(&ROOMS, &[], stats.rooms as u64);
    scrape.add(&PARTICIPANTS, &[], stats.participants as u64);
    scrape.add(&DETACHED, &[], stats.detached as u64);
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
