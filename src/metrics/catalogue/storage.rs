//! What the control plane counts of what is beside it: the store, the files, those who want webhooks.

use super::labels::{BACKEND, DIRECTION, OPERATION, OUTCOME_OF_OPERATIONS, OUTCOME_OF_WEBHOOKS};
use super::{MICROSECONDS, Scrape, metrics};
use parlor_signaling::{FileStats, StoreStats, WebhookStats};

metrics! {
    STORE_AVAILABLE = Gauge "parlor_store_available" [BACKEND], "1 while the store answers.";
    STORE_QUEUE_WRITES = Gauge "parlor_store_queue_writes" [BACKEND], "Writes that wait for the store.";
    STORE_QUEUE_BYTES = Gauge "parlor_store_queue_bytes" [BACKEND], "What the writes that wait take in memory, roughly.";
    STORE_QUEUE_AGE = Gauge "parlor_store_queue_age_seconds" [BACKEND], "How long the first of the writes that wait has waited; 0 without any.";
    STORE_WRITES_LOST = Counter "parlor_store_writes_lost_total" [BACKEND], "Writes that never reached the store: the queue was full, or they were refused.";
    STORE_OPERATIONS = Counter "parlor_store_operations_total" [BACKEND, OPERATION, OUTCOME_OF_OPERATIONS], "Calls to the store that ended.";
    STORE_LATENCY = Histogram(MICROSECONDS) "parlor_store_operation_seconds" [BACKEND, OPERATION], "How long calls to the store took.";
    FILES_SHARED = Counter "parlor_files_shared_total", "Files shared.";
    FILE_BYTES = Counter "parlor_file_bytes_total" [DIRECTION], "Bytes of uploads (in), those that failed included, and of downloads (out).";
    STORAGE_ERRORS = Counter "parlor_file_storage_errors_total", "Requests that the storage of files did not do.";
    WEBHOOKS_QUEUED = Gauge "parlor_webhooks_queued", "Webhook deliveries that wait or are under way.";
    WEBHOOKS = Counter "parlor_webhooks_total" [OUTCOME_OF_WEBHOOKS], "Webhook deliveries taken, given up after the last attempt, or dropped from a full queue.";
    WEBHOOK_ATTEMPTS_FAILED = Counter "parlor_webhook_attempts_failed_total", "Webhook requests that were not taken; most are tried again.";
}

pub(in crate::metrics) fn read_store(scrape: &mut Scrape, stats: &StoreStats) {
    let store = stats.backend.as_str();
    scrape.add(&STORE_AVAILABLE, &[store], stats.available.into());
    scrape.add(&STORE_QUEUE_WRITES, &[store], stats.queued as u64);
    scrape.add(&STORE_QUEUE_BYTES, &[store], stats.queued_bytes as u64);
    scrape.add_fraction(&STORE_QUEUE_AGE, &[store], stats.oldest.as_secs_f64());
    scrape.add(&STORE_WRITES_LOST, &[store], stats.writes_lost);
    for ((operation, outcome), count) in stats.calls.occurred() {
        scrape.add(&STORE_OPERATIONS, &[store, operation.as_str(), outcome.as_str()], count);
    }
    for (operation, latencies) in &stats.latencies {
        scrape.add_histogram(&STORE_LATENCY, &[store, operation.as_str()], latencies);
    }
}

pub(in crate::metrics) fn read_files(scrape: &mut Scrape, stats: &FileStats) {
    scrape.add(&FILES_SHARED, &[], stats.shared);
    for (direction, count) in stats.bytes.iter() {
        scrape.add(&FILE_BYTES, &[direction.as_str()], count);
    }
    scrape.add(&STORAGE_ERRORS, &[], stats.storage_errors);
}

pub(in crate::metrics) fn read_webhooks(scrape: &mut Scrape, stats: &WebhookStats) {
    scrape.add(&WEBHOOKS_QUEUED, &[], stats.queued);
    scrape.add(&WEBHOOKS, &["delivered"], stats.delivered);
    scrape.add(&WEBHOOKS, &["given_up"], stats.given_up);
    scrape.add(&WEBHOOKS, &["dropped"], stats.dropped);
    scrape.add(&WEBHOOK_ATTEMPTS_FAILED, &[], stats.attempts_failed);
}
