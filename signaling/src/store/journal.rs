//! What is written in the background, so that a slow or absent database never holds up a room.
//!
//! Chat and session logs happen in memory first. What is to be kept of them is pushed here under the room's lock and written
//! by one task, in batches, in the order of the pushes. While the database is away the queue grows up to its bound; then the
//! newest writes are refused and counted, and the room is told once the database is back.
//!
//! What always holds:
//! - Writes reach the store in the order in which they were pushed; none overtakes another.
//! - A write leaves the queue when it is durable, or when the store refuses it for good, and then it is counted as lost.
//! - Neither a push nor whoever asks for the [`Health`] waits.

use super::{RoomUid, Store, StoreError, Write};
use crate::protocol::Timestamp;
use crate::session::lock;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

/// The most writes that wait: a minute of a thousand messages a second.
pub(crate) const MAX_WRITES: usize = 65_536;
/// The most bytes that wait: what a small server can spare; a minute of a thousand messages a second of a kilobyte each.
pub(crate) const MAX_BYTES: usize = 64 << 20;
/// Beyond [`MAX_WRITES`], for erasures and departures alone: what was deleted must not come back because the database was
/// away, and who left must not stay in the log as present.
pub(crate) const RESERVED_WRITES: usize = 8192;
/// The most writes and bytes of a batch, as [`Store::write`] wants it.
pub(crate) const BATCH_WRITES: usize = 512;
const BATCH_BYTES: usize = 2 << 20;
// A batch is copied out of the queue: that may cost a fraction of it only.
const _: () = assert!(BATCH_BYTES * 16 <= MAX_BYTES && BATCH_WRITES * 16 <= MAX_WRITES);
/// How long writes are gathered: a commit costs the same for one as for hundreds, and nobody waits for it.
const GATHERING: Duration = Duration::from_millis(20);
/// Between attempts while the store is ill.
const FIRST_BACK_OFF: Duration = Duration::from_millis(100);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(5);
/// How long [`Journal::flushed`] waits.
const FLUSH_PATIENCE: Duration = Duration::from_secs(2);
/// Losses are told when the queue has emptied, so that one outage is told of once; at the latest after this long.
const TELL_LOSSES_WITHIN: Duration = Duration::from_secs(10);
/// What a write takes in memory besides its texts, roughly.
const WRITE_BYTES: usize = 256;

/// See the module.
#[derive(Debug)]
pub(crate) struct Journal {
    store: Arc<dyn Store>,
    wall_clock: fn() -> Timestamp,
    state: Mutex<State>,
    /// Something was pushed.
    pushed: Notify,
    /// Somebody waits for what was pushed.
    hurried: Notify,
    /// How many writes are settled: durable or lost.
    settled: watch::Sender<u64>,
}

/// Writes that the queue has room for, come what may: a few kilobytes.
const ROOM_KEPT: usize = 32;

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Entry>,
    bytes: usize,
    /// How many writes have left the queue.
    settled: u64,
    /// Losses in all.
    lost: u64,
    /// Losses that the rooms are not told of yet.
    untold: HashMap<RoomUid, Loss>,
    untold_since: Option<Instant>,
    outage: Option<Outage>,
}

#[derive(Debug)]
struct Entry {
    write: Write,
    /// The message that it is about.
    seq: Option<u64>,
    bytes: usize,
    pushed_at: Instant,
}

#[derive(Clone, Debug)]
struct Outage {
    since: Timestamp,
    reason: String,
}

/// Writes about messages of one room that were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loss {
    pub(crate) count: u64,
    pub(crate) from_seq: u64,
    pub(crate) to_seq: u64,
}

/// What becomes of writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Notice {
    /// The room's messages up to that `seq` are durable, those of an earlier [`Self::Lost`] excepted.
    Saved { room: RoomUid, up_to: u64 },
    /// These are not, and will not be.
    Lost { room: RoomUid, loss: Loss },
}

/// How the store does, as the writes see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The latest write succeeded, or there was none.
    pub available: bool,
    /// Since when not.
    pub since: Option<Timestamp>,
    /// Why not, in the store's words; without secrets.
    pub reason: Option<String>,
    /// Writes that wait.
    pub queued: usize,
    /// What they take in memory, roughly.
    pub queued_bytes: usize,
    /// How long the first of them has waited.
    pub oldest: Duration,
    /// Writes that were lost so far: the queue was full, or the store refused them for good.
    pub dropped: u64,
}

impl Journal {
    pub(crate) fn new(store: Arc<dyn Store>, wall_clock: fn() -> Timestamp) -> Self {
        let (pushed, hurried, settled) = (Notify::new(), Notify::new(), watch::Sender::new(0));
        Self { store, wall_clock, state: Mutex::default(), pushed, hurried, settled }
    }

    /// Queues a write. To be called under the room's lock: the order of the calls is what is kept.
    pub(crate) fn push(&self, write: Write) {
        let seq = if let Write::Message(message) = &write { Some(message.seq) } else { None };
        self.enqueue(write, seq);
    }

    /// The same for a change of the message at `seq`.
    pub(crate) fn push_change(&self, seq: u64, write: Write) {
        self.enqueue(write, Some(seq));
    }

    fn enqueue(&self, write: Write, seq: Option<u64>) {
        let bytes = weigh(&write);
        let mut state = lock(&self.state);
        let reserve = if is_privileged(&write) { RESERVED_WRITES } else { 0 };
        let is_full = state.queue.len() >= MAX_WRITES + reserve || (reserve == 0 && state.bytes + bytes > MAX_BYTES);
        if is_full {
            state.lose(write.room(), seq);
            return;
        }
        state.bytes += bytes;
        state.queue.push_back(Entry { write, seq, bytes, pushed_at: Instant::now() });
        drop(state);
        self.pushed.notify_one();
    }

    /// Waits until everything pushed so far is settled.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] at once when the store is known to be ill, and when it takes longer than two seconds.
    pub(crate) async fn flushed(&self) -> Result<(), StoreError> {
        if let Some(outage) = &lock(&self.state).outage {
            return Err(StoreError::Unavailable(outage.reason.clone()));
        }
        match self.drain(FLUSH_PATIENCE).await {
            0 => Ok(()),
            left => Err(StoreError::Unavailable(format!("{left} writes wait"))),
        }
    }

    /// Waits for `patience` at most until what was pushed so far is settled. Returns how many writes are not.
    pub(crate) async fn drain(&self, patience: Duration) -> u64 {
        let target = {
            let state = lock(&self.state);
            state.settled + state.queue.len() as u64
        };
        self.hurried.notify_one();
        let mut settled = self.settled.subscribe();
        // The sender lives as long as this: there is no other error than the time.
        let done = timeout(patience, settled.wait_for(|&settled| settled >= target)).await;
        if done.is_ok() { 0 } else { target.saturating_sub(lock(&self.state).settled) }
    }

    pub(crate) fn health(&self) -> Health {
        let state = lock(&self.state);
        let (since, reason) = state.outage.clone().map(|outage| (outage.since, outage.reason)).unzip();
        Health {
            available: since.is_none(),
            since,
            reason,
            queued: state.queue.len(),
            queued_bytes: state.bytes,
            oldest: state.queue.front().map_or(Duration::ZERO, |first| first.pushed_at.elapsed()),
            dropped: state.lost,
        }
    }

    /// Writes what is pushed, for as long as it is polled, and tells what becomes of it. Dropped, it forgets nothing: another
    /// call goes on where this one ended.
    pub(crate) async fn run(&self, tell: impl Fn(Notice)) {
        let mut pace = Pace::default();
        loop {
            self.gather().await;
            let batch = self.batch(pace.size);
            // A copy stays in the queue: writing it twice is harmless, losing it is not.
            match self.store.write(&batch).await {
                Ok(()) => {
                    pace.succeeded();
                    self.settle(batch.len()).into_iter().for_each(&tell);
                }
                Err(StoreError::Unavailable(reason)) => self.wait(&mut pace, &reason).await,
                Err(_) if batch.len() > 1 => pace.size = batch.len() / 2,
                Err(error) => {
                    self.drop_first(&error);
                    if pace.failed_again() {
                        self.wait(&mut pace, &error.to_string()).await;
                    }
                }
            }
        }
    }

    /// Waits until there is something to write, and a little longer for more of it.
    async fn gather(&self) {
        while lock(&self.state).queue.is_empty() {
            self.pushed.notified().await;
        }
        if lock(&self.state).queue.len() < BATCH_WRITES {
            let _ = timeout(GATHERING, self.hurried.notified()).await;
        }
    }

    fn batch(&self, most: usize) -> Vec<Write> {
        let state = lock(&self.state);
        let mut bytes = 0;
        let fits = |entry: &&Entry| {
            let first = bytes == 0;
            bytes += entry.bytes;
            first || bytes <= BATCH_BYTES
        };
        state.queue.iter().take(most).take_while(fits).map(|entry| entry.write.clone()).collect()
    }

    /// The first `count` writes are durable.
    fn settle(&self, count: usize) -> Vec<Notice> {
        let mut state = lock(&self.state);
        if let Some(outage) = state.outage.take() {
            tracing::info!(since = %outage.since, queued = state.queue.len(), "the store takes writes again");
        }
        let mut saved: Vec<(RoomUid, u64)> = Vec::new();
        for entry in state.take(count) {
            if let Write::Message(message) = entry.write {
                match saved.iter_mut().find(|(room, _)| *room == message.room) {
                    Some((_, up_to)) => *up_to = message.seq,
                    None => saved.push((message.room, message.seq)),
                }
            }
        }
        let lost = state.losses_to_tell(Instant::now());
        self.settled.send_replace(state.settled);
        drop(state);
        let saved = saved.into_iter().map(|(room, up_to)| Notice::Saved { room, up_to });
        lost.into_iter().map(|(room, loss)| Notice::Lost { room, loss }).chain(saved).collect()
    }

    /// The store refuses the first write for good.
    fn drop_first(&self, error: &StoreError) {
        let mut state = lock(&self.state);
        if let Some(entry) = state.take(1).pop() {
            tracing::error!(%error, kind = kind(&entry.write), seq = entry.seq, "a write is lost: the store refuses it");
            state.lose(entry.write.room(), entry.seq);
        }
        self.settled.send_replace(state.settled);
    }

    /// Waits before the next attempt.
    async fn wait(&self, pace: &mut Pace, reason: &str) {
        {
            let mut state = lock(&self.state);
            if state.outage.is_none() {
                tracing::warn!(reason, queued = state.queue.len(), "the store takes no writes: they are queued");
            }
            let since = state.outage.as_ref().map_or_else(self.wall_clock, |outage| outage.since);
            state.outage = Some(Outage { since, reason: reason.to_owned() });
        }
        // A server that stops asks once more at once.
        let _ = timeout(pace.back_off(), self.hurried.notified()).await;
    }
}

impl State {
    fn take(&mut self, count: usize) -> Vec<Entry> {
        let count = count.min(self.queue.len());
        let taken: Vec<_> = self.queue.drain(..count).collect();
        // After a rush, or an outage of the store, the room that it took goes back.
        if self.queue.is_empty() {
            self.queue.shrink_to(ROOM_KEPT);
        }
        self.bytes -= taken.iter().map(|entry| entry.bytes).sum::<usize>();
        self.settled += taken.len() as u64;
        taken
    }

    fn lose(&mut self, room: RoomUid, seq: Option<u64>) {
        if self.lost == 0 || self.untold_since.is_none() {
            tracing::error!(queued = self.queue.len(), "writes are being lost");
        }
        self.lost += 1;
        self.untold_since.get_or_insert_with(Instant::now);
        if let Some(seq) = seq {
            let loss = self.untold.entry(room).or_insert(Loss { count: 0, from_seq: seq, to_seq: seq });
            loss.count += 1;
            loss.from_seq = loss.from_seq.min(seq);
            loss.to_seq = loss.to_seq.max(seq);
        }
    }

    fn losses_to_tell(&mut self, now: Instant) -> HashMap<RoomUid, Loss> {
        let emptied = self.queue.len() <= MAX_WRITES / 2 && self.bytes <= MAX_BYTES / 2;
        let since = self.untold_since;
        if since.is_some_and(|since| emptied || now.saturating_duration_since(since) >= TELL_LOSSES_WITHIN) {
            self.untold_since = None;
            return std::mem::take(&mut self.untold);
        }
        HashMap::new()
    }
}

/// How much is tried at a time, and how soon again.
#[derive(Debug)]
struct Pace {
    /// Writes of the next batch. A batch that the store refuses for good is halved until the culprit stands alone.
    size: usize,
    back_off: Duration,
    /// The write before the latest was lost too.
    failed: bool,
}

impl Default for Pace {
    fn default() -> Self {
        Self { size: BATCH_WRITES, back_off: FIRST_BACK_OFF, failed: false }
    }
}

impl Pace {
    fn succeeded(&mut self) {
        *self = Self { size: (self.size * 2).min(BATCH_WRITES), ..Self::default() };
    }

    /// A single write was refused for good. `true` when it was not the first in a row: then it is the store that is ill, its
    /// disk full perhaps, and taking time costs fewer writes.
    fn failed_again(&mut self) -> bool {
        self.size = 1;
        std::mem::replace(&mut self.failed, true)
    }

    fn back_off(&mut self) -> Duration {
        let next = (self.back_off * 2).min(LONGEST_BACK_OFF);
        std::mem::replace(&mut self.back_off, next)
    }
}

/// Whether it may use the reserve.
fn is_privileged(write: &Write) -> bool {
    matches!(write, Write::Erase { .. } | Write::Left { .. })
}

/// What a write takes in memory, in bytes.
fn weigh(write: &Write) -> usize {
    let name = |name: &Option<String>| name.as_ref().map_or(0, String::len);
    WRITE_BYTES
        + match write {
            Write::Message(message) => message.text.len() + name(&message.display_name),
            Write::Edit { text, .. } => text.len(),
            Write::React { reaction, .. } => reaction.emoji.len(),
            Write::Joined(session) => name(&session.display_name),
            Write::Erase { .. } | Write::Left { .. } => 0,
        }
}

/// For the log, which must not hold what people wrote.
fn kind(write: &Write) -> &'static str {
    match write {
        Write::Message(_) => "message",
        Write::Edit { .. } => "edit",
        Write::Erase { .. } => "erase",
        Write::React { .. } => "react",
        Write::Joined(_) => "joined",
        Write::Left { .. } => "left",
    }
}

#[cfg(test)]
mod tests;
