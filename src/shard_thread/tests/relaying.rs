//! Two threads that relay to one another.

use super::*;
use parlor_media::loudest::LoudestLimits;
use parlor_media::relay::ShardSet;
use parlor_media::transport::Identity;
use parlor_media::{Shard, ShardSettings};
use std::sync::atomic::{AtomicU32, Ordering};

const ROOM: RoomId = RoomId(1);

/// A media engine whose batches of other shards are counted. One of them can make it panic.
struct Peer {
    shard: Shard,
    heard: Arc<AtomicU32>,
}

impl Engine for Peer {
    fn handle_command(&mut self, now: Instant, command: Command) {
        assert!(!matches!(command, Command::OpenRoom { room: POISON }), "a bug, on purpose");
        self.shard.handle_command(now, command);
    }

    fn gather_datagram(&mut self, now: Instant, path: &Path, datagram: &mut [u8], flush: Flush<'_>) {
        self.shard.gather_datagram(now, path, datagram, flush);
    }

    fn forward(&mut self, now: Instant, flush: Flush<'_>) {
        self.shard.forward(now, flush);
    }

    fn handle_path_closed(&mut self, now: Instant, path: &Path) {
        self.shard.handle_path_closed(now, path);
    }

    fn handle_timeout(&mut self, now: Instant, flush: Flush<'_>) {
        self.shard.handle_timeout(now, flush);
    }

    fn handle_deferred(&mut self, _now: Instant) {}

    fn has_deferred(&self) -> bool {
        false
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.shard.poll_timeout()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.shard.poll_event()
    }

    fn poll_closed_path(&mut self) -> Option<Path> {
        self.shard.poll_closed_path()
    }

    fn outbox(&mut self) -> &mut Outbox {
        self.shard.outbox()
    }

    fn stats(&self) -> ShardStats {
        self.shard.stats()
    }

    fn has_relay(&self) -> bool {
        self.shard.has_relay()
    }

    fn take_relay(&mut self, batch: &mut RelayBatch) {
        self.shard.take_relay(batch);
    }

    fn handle_relay(&mut self, now: Instant, batch: &RelayBatch, flush: Flush<'_>) {
        self.heard.fetch_add(1, Ordering::Relaxed);
        self.shard.handle_relay(now, batch, flush);
    }

    fn relay_refused(&mut self, now: Instant, batch: &RelayBatch, to: u16) {
        self.shard.relay_refused(now, batch, to);
    }
}

struct Pair {
    shards: Vec<ShardThread>,
    heard: Vec<Arc<AtomicU32>>,
    lost: mpsc::UnboundedReceiver<u16>,
    _events: Vec<mpsc::Receiver<Event>>,
}

impl Pair {
    fn new() -> Self {
        let heard: Vec<Arc<AtomicU32>> = vec![Arc::default(), Arc::default()];
        let (lost_sender, lost) = mpsc::unbounded_channel();
        let (clock, identity) = (Clock::start(), Identity::generate().unwrap());
        let (mut shards, mut all_events) = (Vec::new(), Vec::new());
        for ((index, relay), heard) in (0..).zip(RelayPort::connect(2)).zip(&heard) {
            let (sender, events) = mpsc::channel(EVENTS);
            let (lost, heard, identity) = (lost_sender.clone(), Arc::clone(heard), Arc::clone(&identity));
            let setup = ShardSetup {
                index,
                sockets: ShardSockets::bind(0, None).unwrap(),
                gso: true,
                clock,
                events: sender,
                relay,
                on_lost: Box::new(move || {
                    let _ = lost.send(index);
                }),
            };
            let start = move |now, past| {
                let (identity, unix_time) = (Arc::clone(&identity), clock.unix_time(now));
                let loudest = LoudestLimits::NEVER;
                let settings =
                    ShardSettings { index, identity, seed: [1; 32], now, unix_time, loudest, opus_red: true, past };
                let shard = Shard::new(settings);
                Peer { shard, heard: Arc::clone(&heard) }
            };
            shards.push(ShardThread::spawn(setup, start).unwrap());
            all_events.push(events);
        }
        Self { shards, heard, lost, _events: all_events }
    }

    fn command(&self, shard: usize, command: Command) {
        self.shards[shard].commands().blocking_send(command).unwrap();
        (self.shards[shard].wake())();
    }

    /// Opens and links the room on a shard.
    fn link(&self, shard: usize) {
        let shards: ShardSet = [0, 1].into_iter().collect();
        self.command(shard, Command::OpenRoom { room: ROOM });
        self.command(shard, Command::LinkRoom { room: ROOM, home: 0, shards });
    }

    fn heard(&self, shard: usize) -> u32 {
        self.heard[shard].load(Ordering::Relaxed)
    }
}

#[test]
fn a_batch_wakes_a_shard_that_has_nothing_else_to_do() {
    let pair = Pair::new();
    pair.link(0);
    wait_until("the other one hears of it", || pair.heard(1) == 1);
    assert_eq!(pair.heard(0), 0, "it knew of no such room");
    pair.link(1);
    wait_until("who is linked later asks, and is answered", || pair.heard(0) >= 1 && pair.heard(1) == 2);
}

#[test]
fn a_shard_that_was_started_anew_hears_the_others_again() {
    let mut pair = Pair::new();
    pair.command(1, Command::OpenRoom { room: POISON });
    assert_eq!(pair.lost.blocking_recv(), Some(1));
    let before = pair.heard(1);
    pair.link(0);
    wait_until("it hears", || pair.heard(1) > before);
}
