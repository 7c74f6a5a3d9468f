//! What participants' tasks count: joins and leaves, by scenario and over time.

use crate::clock::Nanos;
use crate::run::Snapshot;
use crate::tally::{Measures, Windows};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// See the module's text. Its lock is held for a few additions, a few times in a participant's life.
#[derive(Debug)]
pub(crate) struct Ledger {
    start: Nanos,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    scenarios: Vec<Measures>,
    present: Vec<u64>,
    windows: Windows,
    late_joins: u64,
}

impl Ledger {
    pub(crate) fn new(scenarios: usize, start: Nanos) -> Self {
        let book =
            Book { scenarios: vec![Measures::default(); scenarios], present: vec![0; scenarios], ..Book::default() };
        Self { start, book: Mutex::new(book) }
    }

    fn open(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn since_start(&self, now: Nanos) -> Duration {
        Duration::from_nanos(now.since(self.start))
    }

    /// A join begins, `late` if the tester did not keep its own time.
    pub(crate) fn join_begins(&self, scenario: usize, late: bool) {
        let mut book = self.open();
        book.late_joins += u64::from(late);
        book.of(scenario).joins.attempted += 1;
    }

    /// A join was given up because the run ended: it is neither the server's success nor its failure.
    pub(crate) fn join_is_void(&self, scenario: usize) {
        self.open().of(scenario).joins.attempted -= 1;
    }

    pub(crate) fn joined(&self, scenario: usize, begin: Nanos, now: Nanos) {
        let since_start = self.since_start(now);
        let mut book = self.open();
        let joins = &mut book.of(scenario).joins;
        joins.succeeded += 1;
        joins.time.record(now.since(begin));
        book.windows.at(since_start).joined += 1;
        if let Some(present) = book.present.get_mut(scenario) {
            *present += 1;
            let present = *present;
            let measures = book.of(scenario);
            measures.most_connected = measures.most_connected.max(present);
        }
    }

    pub(crate) fn join_failed(&self, scenario: usize, reason: &str, now: Nanos) {
        let since_start = self.since_start(now);
        let mut book = self.open();
        book.of(scenario).joins.failed.add(reason);
        book.windows.at(since_start).join_failures += 1;
    }

    /// A connected participant is no longer there, without having asked for it.
    pub(crate) fn lost(&self, scenario: usize, reason: &str, now: Nanos) {
        self.gone(scenario, now).of(scenario).lost_connections.add(reason);
    }

    /// A participant has left, or tried to, which took so many nanoseconds.
    pub(crate) fn left(&self, scenario: usize, result: Result<u64, String>, now: Nanos) {
        let mut book = self.gone(scenario, now);
        let leaves = &mut book.of(scenario).leaves;
        leaves.attempted += 1;
        match result {
            Ok(nanoseconds) => {
                leaves.succeeded += 1;
                leaves.time.record(nanoseconds);
            }
            Err(reason) => leaves.failed.add(&reason),
        }
    }

    fn gone(&self, scenario: usize, now: Nanos) -> MutexGuard<'_, Book> {
        let since_start = self.since_start(now);
        let mut book = self.open();
        book.windows.at(since_start).left += 1;
        if let Some(present) = book.present.get_mut(scenario) {
            *present = present.saturating_sub(1);
        }
        book
    }

    /// Fills in what is known here.
    pub(crate) fn show(&self, snapshot: &mut Snapshot) {
        let book = self.open();
        for measures in &book.scenarios {
            snapshot.joins_attempted += measures.joins.attempted;
            snapshot.joined += measures.joins.succeeded;
            snapshot.join_failures += measures.joins.failed.total();
            snapshot.left += measures.leaves.attempted + measures.lost_connections.total();
        }
    }

    /// Everything: by scenario, over time, and how many joins the tester began late.
    pub(crate) fn close(&self) -> (Vec<Measures>, Windows, u64) {
        let book = std::mem::take(&mut *self.open());
        (book.scenarios, book.windows, book.late_joins)
    }
}

impl Book {
    fn of(&mut self, scenario: usize) -> &mut Measures {
        // As many as scenarios, which number parts; a wrong number must not end a run.
        if self.scenarios.len() <= scenario {
            self.scenarios.resize_with(scenario + 1, Measures::default);
        }
        &mut self.scenarios[scenario]
    }
}
