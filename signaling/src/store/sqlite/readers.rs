//! The threads that read, each with a connection of its own, beside the writer and beside one another.

use super::failure;
use crate::session::lock;
use crate::store::StoreError;
use rusqlite::Connection;
use std::sync::{Arc, Mutex};
use tokio::sync::{mpsc, oneshot};

/// Calls that wait for a reader; more wait for a place.
pub(super) const QUEUE: usize = 256;

/// Reads are short and mostly come from the page cache: a few threads serve many requests.
pub(super) const THREADS: usize = 3;

/// What a reader is asked.
pub(super) type Job = Box<dyn FnOnce(&Connection) + Send>;

/// What the readers take their jobs from; the one that waits holds the lock.
pub(super) type Jobs = Arc<Mutex<mpsc::Receiver<Job>>>;

/// The job that does `read` on one state of the database, and where its result will be.
pub(super) fn read<T: Send + 'static>(
    read: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T, StoreError>>) {
    let (sender, receiver) = oneshot::channel();
    let job = move |connection: &Connection| {
        // Nobody waits any more.
        if sender.is_closed() {
            return;
        }
        // Ends, whatever came of it, when it is dropped.
        let snapshot = connection.unchecked_transaction().map_err(failure);
        let _ = sender.send(snapshot.and_then(|snapshot| read(&snapshot)));
    };
    (Box::new(job), receiver)
}

/// Does what comes through `jobs` until its senders are gone.
pub(super) fn run(connection: &Connection, jobs: &Jobs) {
    while let Some(job) = next(jobs) {
        job(connection);
    }
}

/// Releases the lock before the job is done.
fn next(jobs: &Jobs) -> Option<Job> {
    lock(jobs).blocking_recv()
}
