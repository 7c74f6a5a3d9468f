//! The way between shards: batches of relayed packets in bounded queues.
//!
//! Every shard has one inbox. A batch is filled once and shared by those it is for; its sender takes it back, memory and
//! all, when the last has read it, so that in steady state nothing is allocated. There is no lock. A full inbox
//! refuses: the engine is told, counts the packets, and says the rest again.

use crate::engine::Engine;
use crossbeam_queue::ArrayQueue;
use mio::Waker;
use parlor_media::relay::RelayBatch;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Batches that wait for a shard. A busy shard ends some 10,000 ticks a second: a receiver may be stuck in one of its own for
/// as long as a video frame lasts.
const DEPTH: usize = 512;

/// Memory of the batches of one shard that others have not read: what a second of 250 Mbit/s takes. Beyond it nothing is sent.
const MAX_HELD_BYTES: usize = 32 << 20;

/// Batches kept for reuse.
const MAX_SPARE: usize = 16;

/// A batch that a burst has made larger is not kept.
const MAX_SPARE_BYTES: usize = 1 << 20;

/// Batches looked at to be taken back for each that is sent: one that a slow reader has does not keep the others.
const RECLAIM: usize = 4;

/// Where the batches for one shard arrive.
#[derive(Debug)]
struct Inbox {
    queue: ArrayQueue<Arc<RelayBatch>>,
    /// The shard waits for something to happen, and may have to be woken.
    asleep: AtomicBool,
    waker: OnceLock<Arc<Waker>>,
}

impl Inbox {
    fn new() -> Self {
        Self { queue: ArrayQueue::new(DEPTH), asleep: AtomicBool::new(false), waker: OnceLock::new() }
    }

    /// Puts a batch in; whether there was room.
    fn put(&self, batch: Arc<RelayBatch>) -> bool {
        if self.queue.push(batch).is_err() {
            return false;
        }
        // Either this sees the sleeper, or the sleeper sees the batch.
        fence(Ordering::SeqCst);
        if self.asleep.swap(false, Ordering::SeqCst)
            && let Some(waker) = self.waker.get()
        {
            // A poll that cannot be woken is gone, and the shard with it.
            drop(waker.wake());
        }
        true
    }
}

/// One shard's end.
#[derive(Debug)]
pub(crate) struct RelayPort {
    index: usize,
    /// Of all shards, by their numbers.
    inboxes: Arc<[Inbox]>,
    /// Batches that were sent, with the memory that they take, until all have read them.
    in_use: VecDeque<(Arc<RelayBatch>, usize)>,
    held_bytes: usize,
    spare: Vec<Arc<RelayBatch>>,
    /// Taken from the engine when nothing may be sent.
    refused: RelayBatch,
}

impl RelayPort {
    /// The ends of so many shards.
    pub(crate) fn connect(shards: usize) -> Vec<Self> {
        let inboxes: Arc<[Inbox]> = (0..shards).map(|_| Inbox::new()).collect();
        let port = |index| Self {
            index,
            inboxes: Arc::clone(&inboxes),
            in_use: VecDeque::new(),
            held_bytes: 0,
            spare: Vec::new(),
            refused: RelayBatch::default(),
        };
        (0..shards).map(port).collect()
    }

    /// Says how this shard is woken. Once.
    pub(super) fn wake_by(&self, waker: &Arc<Waker>) {
        if let Some(inbox) = self.inboxes.get(self.index) {
            let _ = inbox.waker.set(Arc::clone(waker));
        }
    }

    /// Sends what the engine has for other shards.
    pub(super) fn send<E: Engine>(&mut self, now: Instant, engine: &mut E) {
        if !engine.has_relay() {
            return;
        }
        self.reclaim();
        if self.held_bytes >= MAX_HELD_BYTES {
            engine.take_relay(&mut self.refused);
            self.refused.destinations().iter().for_each(|to| engine.relay_refused(now, &self.refused, to));
            return;
        }
        let mut batch = self.spare.pop().unwrap_or_default();
        // Nobody else has one that is spare.
        let Some(writable) = Arc::get_mut(&mut batch) else { return };
        engine.take_relay(writable);
        for to in batch.destinations().iter() {
            let inbox = self.inboxes.get(usize::from(to));
            if !inbox.is_some_and(|inbox| inbox.put(Arc::clone(&batch))) {
                engine.relay_refused(now, &batch, to);
            }
        }
        let memory = batch.memory();
        self.held_bytes += memory;
        self.keep(batch, memory);
    }

    /// Takes back what all have read.
    fn reclaim(&mut self) {
        for _ in 0..RECLAIM.min(self.in_use.len()) {
            let Some((batch, memory)) = self.in_use.pop_front() else { return };
            self.keep(batch, memory);
        }
    }

    /// Keeps a batch until all have read it, and then for its next use.
    fn keep(&mut self, mut batch: Arc<RelayBatch>, memory: usize) {
        match Arc::get_mut(&mut batch) {
            None => self.in_use.push_back((batch, memory)),
            Some(read) => {
                self.held_bytes -= memory;
                read.clear();
                if self.spare.len() < MAX_SPARE && memory <= MAX_SPARE_BYTES {
                    self.spare.push(batch);
                }
            }
        }
    }

    /// The next batch for this shard.
    pub(super) fn receive(&self) -> Option<Arc<RelayBatch>> {
        self.inboxes.get(self.index)?.queue.pop()
    }

    /// The shard is about to wait. Whether it need not, since something has come.
    pub(super) fn fall_asleep(&self) -> bool {
        let Some(inbox) = self.inboxes.get(self.index) else { return false };
        inbox.asleep.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        !inbox.queue.is_empty()
    }

    /// It waits no more.
    pub(super) fn wake_up(&self) {
        if let Some(inbox) = self.inboxes.get(self.index) {
            inbox.asleep.store(false, Ordering::SeqCst);
        }
    }

    /// Drops what has come: it was for an engine that is gone.
    pub(super) fn clear(&self) {
        while self.receive().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlor_media::command::Command;
    use parlor_media::ids::RoomId;
    use parlor_media::loudest::LoudestLimits;
    use parlor_media::relay::ShardSet;
    use parlor_media::transport::Identity;
    use parlor_media::{Shard, ShardSettings, ShardStats};
    use std::time::Duration;

    const ROOM: RoomId = RoomId(1);

    fn engine(index: u16, now: Instant) -> Shard {
        let identity = Identity::generate().unwrap();
        let (unix_time, past) = (Duration::from_secs(1_700_000_000), ShardStats::default());
        let loudest = LoudestLimits::NEVER;
        let settings = ShardSettings { index, identity, seed: [1; 32], now, unix_time, loudest, opus_red: true, past };
        let mut shard = Shard::new(settings);
        Engine::handle_command(&mut shard, now, Command::OpenRoom { room: ROOM });
        shard
    }

    /// Makes the engine of shard 0 tell that shard something.
    fn speak(engine: &mut Shard, now: Instant, to: u16) {
        for shards in [ShardSet::of(0), [0, to].into_iter().collect()] {
            Engine::handle_command(engine, now, Command::LinkRoom { room: ROOM, home: 0, shards });
        }
        assert!(engine.has_relay());
    }

    #[test]
    fn a_batch_reaches_those_it_is_for_and_its_memory_comes_back() {
        let (now, mut ports) = (Instant::now(), RelayPort::connect(3));
        let mut engine = engine(0, now);
        let mut places = Vec::new();
        for _ in 0..20 {
            speak(&mut engine, now, 2);
            ports[0].send(now, &mut engine);
            assert!(!engine.has_relay());
            assert!(ports[1].receive().is_none());
            let batch = ports[2].receive().expect("it is for that one");
            assert_eq!((batch.from(), batch.destinations()), (0, ShardSet::of(2)));
            places.push(Arc::as_ptr(&batch));
        }
        places.sort_unstable();
        places.dedup();
        assert!(places.len() <= 2, "{} batches for 20 ticks", places.len());
    }

    #[test]
    fn a_full_inbox_refuses_and_what_was_to_be_known_is_said_again() {
        let (now, mut ports) = (Instant::now(), RelayPort::connect(2));
        let mut engine = engine(0, now);
        for _ in 0..DEPTH + 10 {
            speak(&mut engine, now, 1);
            ports[0].send(now, &mut engine);
        }
        assert!(ports[0].in_use.len() <= DEPTH + RECLAIM);
        assert_eq!(std::iter::from_fn(|| ports[1].receive()).count(), DEPTH);
        let later = Engine::poll_timeout(&engine).expect("it is to be said again");
        Engine::handle_timeout(&mut engine, later, &mut |_| ());
        ports[0].send(later, &mut engine);
        assert!(ports[1].receive().is_some());
        for _ in 0..DEPTH {
            speak(&mut engine, now, 1);
            ports[0].send(now, &mut engine);
            drop(ports[1].receive());
        }
        assert!(ports[0].in_use.len() <= RECLAIM && ports[0].spare.len() <= MAX_SPARE, "{:?}", ports[0].in_use.len());
    }

    #[test]
    fn a_sleeper_sees_what_came_before_it_slept() {
        let (now, mut ports) = (Instant::now(), RelayPort::connect(2));
        assert!(!ports[1].fall_asleep());
        ports[1].wake_up();
        let mut engine = engine(0, now);
        speak(&mut engine, now, 1);
        ports[0].send(now, &mut engine);
        assert!(ports[1].fall_asleep());
        ports[1].clear();
        assert!(!ports[1].fall_asleep());
    }

    #[test]
    fn nothing_is_sent_while_others_hold_too_much() {
        let (now, mut ports) = (Instant::now(), RelayPort::connect(2));
        let mut engine = engine(0, now);
        ports[0].held_bytes = MAX_HELD_BYTES;
        speak(&mut engine, now, 1);
        ports[0].send(now, &mut engine);
        assert!(!engine.has_relay() && ports[1].receive().is_none());
        ports[0].held_bytes = 0;
        let later = Engine::poll_timeout(&engine).expect("it is to be said again");
        Engine::handle_timeout(&mut engine, later, &mut |_| ());
        ports[0].send(later, &mut engine);
        assert!(ports[1].receive().is_some());
    }
}
