//! How rooms do: questions to their shards, and the answers that come back as events.
//!
//! A reading costs a shard up to a millisecond, in which it forwards nothing. So a room is read by one request at a time and at
//! most every [`PACE`], whoever asks how often; who has waited for [`PATIENCE`] is told that the server is busy.

use crate::protocol::error::{ErrorCode, Refusal};
use crate::room::Room;
use crate::session::lock;
use crate::switchboard::Switchboard;
use parlor_media::command::Command;
use parlor_media::ids::TrackId;
use parlor_media::room_stats::RoomStats;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, sleep_until, timeout};

/// How long a request waits for its answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two readings of a room.
const PACE: Duration = Duration::from_millis(250);
/// Questions without an answer, over all rooms.
const MAX_ASKED: usize = 64;

/// The questions that await their answer.
#[derive(Debug)]
pub(crate) struct Readings {
    places: Semaphore,
    next: AtomicU64,
    /// By the number of the question: as many as there are places at most.
    asked: Mutex<HashMap<u64, oneshot::Sender<Box<RoomStats>>>>,
}

impl Default for Readings {
    fn default() -> Self {
        Self { places: Semaphore::new(MAX_ASKED), next: AtomicU64::new(1), asked: Mutex::default() }
    }
}

impl Readings {
    /// The answer to a question; one that nobody waits for any more is dropped.
    pub(crate) fn on_answer(&self, request: u64, stats: Box<RoomStats>) {
        if let Some(asker) = lock(&self.asked).remove(&request) {
            // Whoever asked may have given up in this moment.
            let _ = asker.send(stats);
        }
    }

    /// Questions that await their answer.
    #[cfg(test)]
    pub(crate) fn asked(&self) -> usize {
        lock(&self.asked).len()
    }

    fn ask(&self) -> (Question<'_>, oneshot::Receiver<Box<RoomStats>>) {
        let request = self.next.fetch_add(1, Ordering::Relaxed);
        let (asker, answer) = oneshot::channel();
        lock(&self.asked).insert(request, asker);
        (Question { readings: self, request }, answer)
    }
}

/// Holds a question's place in the table until it is dropped.
struct Question<'a> {
    readings: &'a Readings,
    request: u64,
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        lock(&self.readings.asked).remove(&self.request);
    }
}

impl Switchboard {
    /// How a room does, as its shards see it.
    ///
    /// # Errors
    /// `server-busy` when the shard does not answer in time, or too much is asked at once.
    pub(crate) async fn read_room(&self, room: &Room) -> Result<Box<RoomStats>, Refusal> {
        timeout(PATIENCE, self.ask_shards(room)).await.unwrap_or_else(|_| {
            let message = format!("the room's shard has not answered within {} seconds", PATIENCE.as_secs());
            Err(Refusal::new(ErrorCode::ServerBusy, message))
        })
    }

    async fn ask_shards(&self, room: &Room) -> Result<Box<RoomStats>, Refusal> {
        let mut read_at = room.read_at.lock().await;
        if let Some(latest) = *read_at {
            sleep_until(latest + PACE).await;
        }
        let mut reserved = self.reserve_parts(room, 1).await?;
        let parts = room.lock().parts.clone();
        let (mut places, mut asked) = (Vec::new(), Vec::new());
        for part in parts {
            places.push(self.readings.places.try_acquire().map_err(|_| Refusal::busy())?);
            // One that was opened in this moment has nobody in it.
            if reserved.has(part) {
                let (question, answer) = self.readings.ask();
                reserved.send(part, Command::ReadRoom { request: question.request, room: room.key });
                asked.push((question, answer));
            }
        }
        // Wakes the shards.
        drop(reserved);
        *read_at = Some(Instant::now());
        let mut all = Box::<RoomStats>::default();
        for (_question, answer) in asked {
            let part = answer.await.map_err(|_| Refusal::busy())?;
            all.participants.extend(part.participants);
            all.mirrors.extend(part.mirrors);
        }
        count_mirrors(&mut all);
        Ok(all)
    }
}

/// Counts those who receive a track on other shards than its own.
fn count_mirrors(stats: &mut RoomStats) {
    let mut received: HashMap<TrackId, usize> = HashMap::new();
    for (track, subscribers) in std::mem::take(&mut stats.mirrors) {
        *received.entry(track).or_default() += subscribers;
    }
    let publications = stats.participants.iter_mut().flat_map(|participant| &mut participant.publications);
    publications
        .for_each(|publication| publication.subscribers += received.get(&publication.track).copied().unwrap_or(0));
}
