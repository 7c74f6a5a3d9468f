//! The way to the media shards: bounded command channels and what is placed where.
//!
//! A command is never awaited under a lock. Whoever changes a room's state first reserves permits on its shards' channels, then
//! locks the room, changes it, and sends through the permits: without waiting, and in the order of the changes. The event path
//! never waits for a shard at all: it only tries, so that a shard whose commands back up can always be rid of its events.

use crate::session::lock;
use parlor_media::command::{Candidate, Command};
use parlor_media::path::Protocol;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout};

/// How long a request waits for a shard before the client is told that the server is busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// After that the load of a shard shows who came: it is measured each second, and calls take a moment to begin.
const LAG: Duration = Duration::from_secs(2);

/// The load that a newcomer is taken to bring until it is measured: that of a handshake, and of a small meeting's member.
const EXPECTED_SHARE: f32 = 0.002;

/// Loads within a step are the same: a measurement that wavers does not decide.
const STEP: f32 = 0.05;

/// One shard, from outside.
#[derive(Clone)]
pub struct ShardHandle {
    commands: mpsc::Sender<Command>,
    wake: Arc<dyn Fn() + Send + Sync>,
    port: u16,
    tcp: bool,
    busy: Option<Arc<dyn Fn() -> f32 + Send + Sync>>,
}

impl ShardHandle {
    /// A shard that takes its commands from `commands` whenever `wake` was called, and listens on `port` (UDP and TCP).
    ///
    /// The channel must outlive a restart of the shard: what was queued before belongs to participants that
    /// [`crate::Signaling::shard_lost`] tells to join anew.
    #[must_use]
    pub fn new(commands: mpsc::Sender<Command>, wake: Arc<dyn Fn() + Send + Sync>, port: u16) -> Self {
        Self { commands, wake, port, tcp: true, busy: None }
    }

    /// The same for a shard that listens on UDP only.
    #[must_use]
    pub fn without_tcp(self) -> Self {
        Self { tcp: false, ..self }
    }

    /// The same for a shard of which `busy` tells the share of time, 0 to 1, in which its thread works. It may lag by a second.
    #[must_use]
    pub fn with_load(self, busy: Arc<dyn Fn() -> f32 + Send + Sync>) -> Self {
        Self { busy: Some(busy), ..self }
    }
}

impl std::fmt::Debug for ShardHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardHandle").field("port", &self.port).finish_non_exhaustive()
    }
}

/// The shard takes no commands now, or not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ShardBusy;

/// A shard and what was placed on it.
#[derive(Debug)]
pub(crate) struct Shard {
    handle: ShardHandle,
    participants: AtomicUsize,
    rooms: AtomicUsize,
    lately: Mutex<Lately>,
}

/// Who was placed on a shard so lately that its load does not show it yet.
#[derive(Debug)]
struct Lately {
    since: Instant,
    participants: u32,
}

impl Shard {
    pub(crate) fn new(handle: ShardHandle) -> Self {
        let lately = Mutex::new(Lately { since: Instant::now(), participants: 0 });
        Self { handle, participants: AtomicUsize::new(0), rooms: AtomicUsize::new(0), lately }
    }

    /// Waits, within [`PATIENCE`], until the shard takes `count` commands.
    pub(crate) async fn reserve(&self, count: usize) -> Result<Permits<'_>, ShardBusy> {
        match timeout(PATIENCE, self.handle.commands.reserve_many(count)).await {
            Ok(Ok(permits)) => Ok(Permits { permits, shard: self, used: false }),
            _ => Err(ShardBusy),
        }
    }

    /// The same without waiting.
    pub(crate) fn try_reserve(&self, count: usize) -> Result<Permits<'_>, ShardBusy> {
        let permits = self.handle.commands.try_reserve_many(count).map_err(|_| ShardBusy)?;
        Ok(Permits { permits, shard: self, used: false })
    }

    /// The shard's candidates at these addresses, UDP before TCP.
    pub(crate) fn candidates(&self, addresses: &[IpAddr]) -> Arc<[Candidate]> {
        let at = |protocol| {
            addresses.iter().map(move |&ip| Candidate { protocol, address: SocketAddr::new(ip, self.handle.port) })
        };
        let tcp = self.handle.tcp.then(|| at(Protocol::Tcp));
        at(Protocol::Udp).chain(tcp.into_iter().flatten()).collect()
    }

    pub(crate) fn count_participant(&self) {
        self.participants.fetch_add(1, Ordering::Relaxed);
        let (now, mut lately) = (Instant::now(), lock(&self.lately));
        if now.saturating_duration_since(lately.since) >= LAG {
            *lately = Lately { since: now, participants: 0 };
        }
        lately.participants = lately.participants.saturating_add(1);
    }

    pub(crate) fn uncount_participant(&self) {
        self.participants.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn count_room(&self) {
        self.rooms.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn uncount_room(&self) {
        self.rooms.fetch_sub(1, Ordering::Relaxed);
    }

    /// The number of its port, UDP and TCP.
    pub(crate) fn port(&self) -> u16 {
        self.handle.port
    }

    /// Participants and rooms on it; a room with parts on several shards counts on its home.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.participants.load(Ordering::Relaxed), self.rooms.load(Ordering::Relaxed))
    }

    /// The share of time in which its thread works, 0 to 1, as last measured.
    pub(crate) fn busy(&self) -> f32 {
        self.handle.busy.as_ref().map_or(0.0, |busy| busy())
    }

    /// The same with what is to be expected of those who came since.
    pub(crate) fn share(&self) -> f32 {
        let lately = lock(&self.lately);
        let is_new = Instant::now().saturating_duration_since(lately.since) < LAG;
        self.busy() + if is_new { lately.participants as f32 * EXPECTED_SHARE } else { 0.0 }
    }

    /// What to compare shards by: steps of load, within one the participants, then the rooms.
    pub(crate) fn rank(&self) -> (u32, usize, usize) {
        let (participants, rooms) = self.load();
        ((self.share() / STEP) as u32, participants, rooms)
    }
}

/// Room for commands in a shard's channel. The shard is woken when they go out of scope.
pub(crate) struct Permits<'a> {
    permits: mpsc::PermitIterator<'a, Command>,
    shard: &'a Shard,
    used: bool,
}

impl Permits<'_> {
    /// Sends one command; as many can be sent as were reserved, more are left out.
    pub(crate) fn send(&mut self, command: Command) {
        let permit = self.permits.next();
        debug_assert!(permit.is_some(), "more commands than were reserved");
        if let Some(permit) = permit {
            permit.send(command);
            self.used = true;
        }
    }
}

impl Drop for Permits<'_> {
    fn drop(&mut self) {
        if self.used {
            (self.shard.handle.wake)();
        }
    }
}

/// The least busy shard, by steps of load; within one that with the fewest participants, then rooms.
pub(crate) fn least_loaded(shards: &[Shard]) -> Option<usize> {
    (0..shards.len()).min_by_key(|&index| shards[index].rank())
}

#[cfg(test)]
mod tests {
    use super::*;
    use parlor_media::ids::RoomId;

    fn shard(depth: usize) -> (Shard, mpsc::Receiver<Command>, Arc<AtomicUsize>) {
        let (commands, receiver) = mpsc::channel(depth);
        let wakes = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&wakes);
        let wake = Arc::new(move || {
            counter.fetch_add(1, Ordering::Relaxed);
        });
        (Shard::new(ShardHandle::new(commands, wake, 7900)), receiver, wakes)
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_channel_is_busy_and_does_not_wait_forever() {
        let (shard, mut receiver, wakes) = shard(2);
        let mut permits = shard.reserve(2).await.ok().unwrap();
        permits.send(Command::OpenRoom { room: RoomId(1) });
        assert!(shard.try_reserve(1).is_err());
        assert!(shard.reserve(1).await.is_err());
        drop(permits);
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
        // The unused permit went back.
        assert!(shard.try_reserve(1).is_ok());
        assert!(receiver.recv().await.is_some());
        assert_eq!(wakes.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn rooms_go_to_the_least_loaded_shard() {
        let shards: Vec<_> = (0..3).map(|_| shard(1).0).collect();
        assert_eq!(least_loaded(&[]), None);
        assert_eq!(least_loaded(&shards), Some(0));
        shards[0].count_participant();
        shards[1].count_room();
        assert_eq!(least_loaded(&shards), Some(2));
        shards[2].count_participant();
        assert_eq!(least_loaded(&shards), Some(1));
    }

    #[test]
    fn candidates_prefer_udp() {
        let (shard, ..) = shard(1);
        let candidates = shard.candidates(&["127.0.0.1".parse().unwrap(), "::1".parse().unwrap()]);
        let texts: Vec<_> = candidates.iter().map(|c| format!("{:?} {}", c.protocol, c.address)).collect();
        assert_eq!(texts, ["Udp 127.0.0.1:7900", "Udp [::1]:7900", "Tcp 127.0.0.1:7900", "Tcp [::1]:7900"]);
    }
}
