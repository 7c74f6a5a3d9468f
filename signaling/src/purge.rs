//! What is left of ended rooms goes: first their files, then all that the store has of them.
//!
//! A room that ends in memory is queued here; a room whose time was over while nobody looked (the server was off, the
//! database away) is found by a sweep at the start and every half minute. What fails is tried again, for ever.
//!
//! What always holds: a room that was created by this process keeps its place among [`crate::Policy::max_rooms`] until
//! nothing of it is left. So the queue is bounded, and a database that does not forget is not filled without end.

use crate::places::RoomPlace;
use crate::protocol::error::Refusal;
use crate::protocol::server::Departure;
use crate::room::Room;
use crate::session::lock;
use crate::store::RoomUid;
use crate::switchboard::Switchboard;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Between sweeps: half of the minute within which everything is gone.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
/// Rooms of one sweep; when there are more, the next one follows at once.
const SWEEP_LIMIT: usize = 256;
/// After a failure; doubled with each further one.
const FIRST_BACK_OFF: Duration = Duration::from_millis(500);
/// Short enough that a database which is back is rid of everything within a minute.
const LONGEST_BACK_OFF: Duration = Duration::from_secs(10);

/// Rooms that have ended, in the order of their ends.
#[derive(Debug, Default)]
pub(crate) struct Purges {
    queue: Mutex<Queue>,
    pushed: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    ended: VecDeque<Ended>,
    there: HashSet<RoomUid>,
}

#[derive(Debug)]
struct Ended {
    room: RoomUid,
    /// Free again once nothing is left.
    place: Option<RoomPlace>,
}

impl Purges {
    /// A room has ended.
    pub(crate) fn push(&self, room: RoomUid, place: Option<RoomPlace>) {
        let mut queue = lock(&self.queue);
        if queue.there.insert(room) {
            queue.ended.push_back(Ended { room, place });
        } else if let Some(there) = queue.ended.iter_mut().find(|ended| ended.room == room) {
            there.place = there.place.take().or(place);
        }
        drop(queue);
        self.pushed.notify_one();
    }

    fn pop(&self) -> Option<Ended> {
        let mut queue = lock(&self.queue);
        let ended = queue.ended.pop_front()?;
        queue.there.remove(&ended.room);
        Some(ended)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        lock(&self.queue).ended.len()
    }
}

impl Switchboard {
    /// Purges until it is dropped.
    pub(crate) async fn run_purges(&self) {
        let (mut next_sweep, mut back_off) = (Instant::now(), FIRST_BACK_OFF);
        loop {
            if Instant::now() >= next_sweep {
                let more = self.find_due().await;
                next_sweep = Instant::now() + if more { FIRST_BACK_OFF } else { SWEEP_INTERVAL };
            }
            let Some(ended) = self.purges.pop() else {
                tokio::select! {
                    () = self.purges.pushed.notified() => {}
                    () = sleep_until(next_sweep) => {}
                }
                continue;
            };
            match self.purge(ended.room).await {
                Ok(()) => back_off = FIRST_BACK_OFF,
                Err(refusal) => {
                    tracing::warn!(reason = refusal.message, "an ended room could not be purged yet");
                    self.purges.push(ended.room, ended.place);
                    tokio::time::sleep(back_off).await;
                    back_off = (back_off * 2).min(LONGEST_BACK_OFF);
                }
            }
        }
    }

    async fn purge(&self, room: RoomUid) -> Result<(), Refusal> {
        // Hidden first: whatever is interrupted is found again by its mark.
        self.store.end_room(room).await?;
        self.files.remove_room(room).await?;
        Ok(self.store.purge(room).await?)
    }

    /// Queues what the store says is over; `true` when there may be more of it.
    async fn find_due(&self) -> bool {
        let due = match self.store.due(self.wall_clock(), SWEEP_LIMIT).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(%error, "the store could not be searched for ended rooms");
                return false;
            }
        };
        if due.is_empty() {
            return false;
        }
        let live: HashMap<_, _> = self.directory.rooms().into_iter().map(|room| (room.uid, room)).collect();
        for &uid in &due {
            match live.get(&uid) {
                Some(room) => self.end_overdue(room),
                None => self.purges.push(uid, None),
            }
        }
        due.len() >= SWEEP_LIMIT
    }

    /// Ends a room that the store says is over: its time is, or whoever ended it was not told that it worked. What its shards
    /// do not take now is done in the next sweep.
    fn end_overdue(&self, room: &Arc<Room>) {
        let now = self.wall_clock();
        self.end_room_if(room, self.try_reserve_parts(room, 1), |state| {
            Some(if state.is_expired(now) { Departure::RoomExpired } else { Departure::RoomClosed })
        });
    }
}
