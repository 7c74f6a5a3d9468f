//! The thread that writes: calls that wait together are committed together.
//!
//! Each call runs in a savepoint of the common transaction, so that one which fails takes nothing of its neighbours with it. All
//! are answered after the commit: an `Ok` means that it is on the disk.

use super::{failure, scrub};
use crate::store::StoreError;
use rusqlite::Connection;
use std::fs::File;
use tokio::sync::{mpsc, oneshot};

/// Calls that wait for the writer; more wait for a place. Some hundred requests at a time at most want to write.
pub(super) const QUEUE: usize = 256;

/// Calls of one transaction. The largest call has 2 MiB, and there is one such at a time: the journal's.
const TOGETHER: usize = 128;

/// What the writer is asked.
pub(super) enum Job {
    /// To change something.
    Change(Change),
    /// To leave nothing of what was deleted in any file.
    Sweep(oneshot::Sender<Result<(), StoreError>>),
}

type Change = Box<dyn FnOnce(&Connection) -> Changed + Send>;

/// What came of a change, to be answered once it is known what came of the commit.
pub(super) struct Changed {
    keep: bool,
    answer: Box<dyn FnOnce(Result<(), StoreError>) + Send>,
}

/// The job that does `change`, and where its result will be.
pub(super) fn change<T: Send + 'static>(
    change: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
) -> (Job, oneshot::Receiver<Result<T, StoreError>>) {
    let (sender, receiver) = oneshot::channel();
    let job = move |connection: &Connection| {
        let result = change(connection);
        let keep = result.is_ok();
        let answer = move |committed: Result<(), StoreError>| {
            // Whoever asked may have gone.
            let _ = sender.send(result.and_then(|done| committed.map(|()| done)));
        };
        Changed { keep, answer: Box::new(answer) }
    };
    (Job::Change(Box::new(job)), receiver)
}

/// Does what comes through `jobs` until its senders are gone.
pub(super) fn run(connection: &Connection, file: &File, mut jobs: mpsc::Receiver<Job>) {
    while let Some(first) = jobs.blocking_recv() {
        let mut sweeps = Vec::new();
        let batch = std::iter::once(first).chain(std::iter::from_fn(|| jobs.try_recv().ok())).take(TOGETHER);
        let mut changes = Vec::new();
        for job in batch {
            match job {
                Job::Change(change) => changes.push(change),
                Job::Sweep(answer) => sweeps.push(answer),
            }
        }
        if !changes.is_empty() {
            commit(connection, changes);
        }
        // Those who ask have their deletions committed: one sweep is enough for all of them.
        if !sweeps.is_empty() {
            let result = sweep(connection, file);
            for answer in sweeps {
                let _ = answer.send(result.clone());
            }
        }
    }
}

fn commit(connection: &Connection, changes: Vec<Change>) {
    let mut changed = Vec::with_capacity(changes.len());
    let mut result = connection.execute_batch("BEGIN IMMEDIATE").map_err(failure);
    for change in changes {
        if result.is_ok() {
            result = one(connection, change, &mut changed);
        }
        // A change that has not run is dropped, and with it the sender of its answer: it is tried again.
    }
    result = result.and_then(|()| connection.execute_batch("COMMIT").map_err(failure));
    if let Err(error) = &result {
        tracing::warn!(%error, "a transaction was not committed");
        if !connection.is_autocommit()
            && let Err(error) = connection.execute_batch("ROLLBACK")
        {
            tracing::error!(%error, "a transaction could not be rolled back");
        }
    }
    for changed in changed {
        (changed.answer)(result.clone());
    }
}

/// Runs one change in a savepoint. An error means that the transaction is lost.
fn one(connection: &Connection, change: Change, changed: &mut Vec<Changed>) -> Result<(), StoreError> {
    connection.prepare_cached("SAVEPOINT one").and_then(|mut s| s.execute([])).map_err(failure)?;
    let done = change(connection);
    let keep = done.keep;
    changed.push(done);
    // A full disk, or one that fails, has SQLite roll back everything.
    if connection.is_autocommit() {
        return Err(StoreError::Unavailable("the transaction was rolled back by a call beside this one".to_owned()));
    }
    if !keep {
        connection.prepare_cached("ROLLBACK TO one").and_then(|mut s| s.execute([])).map_err(failure)?;
    }
    connection.prepare_cached("RELEASE one").and_then(|mut s| s.execute([])).map_err(failure)?;
    Ok(())
}

/// Moves what the log holds into the database and truncates it; then wipes what deleted rows left behind between the others.
pub(super) fn sweep(connection: &Connection, file: &File) -> Result<(), StoreError> {
    let checkpoint = |row: &rusqlite::Row<'_>| row.get::<_, i32>(0);
    let busy = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], checkpoint).map_err(failure)?;
    if busy != 0 {
        return Err(StoreError::Unavailable("the log is still being read".to_owned()));
    }
    // Cached pages would bring back what is wiped, when they are written the next time.
    connection.release_memory().map_err(failure)?;
    scrub::scrub(file).map_err(|error| StoreError::Unavailable(format!("cannot overwrite what was deleted: {error}")))
}
