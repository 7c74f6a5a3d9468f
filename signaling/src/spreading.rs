//! Rooms larger than a core: which shard a newcomer lives on, and how the parts of a room are opened, linked and folded.
//!
//! A room has a *home* shard, chosen when it is created, and gets further parts as it needs them. A participant stays on the
//! shard on which it entered: its commands go there, those about the room go to all of its parts. What is relayed between
//! parts is the shards' business; here they are only told of one another.

use crate::protocol::error::Refusal;
use crate::room::{Room, RoomState};
use crate::shards::{Permits, Shard, ShardBusy};
use crate::switchboard::Switchboard;
use parlor_media::command::Command;
use parlor_media::ids::{ParticipantId, RoomId};
use parlor_media::relay::MAX_RELAYING_SHARDS;

/// When a room gets a part on another shard.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    /// A shard whose thread works for so much of its time, 0 to 1, takes nobody in while there is another.
    pub busy: f32,
    /// Participants of one room on one shard, beyond which others are looked at.
    pub participants: usize,
}

impl Default for Spread {
    fn default() -> Self {
        Self { busy: 0.7, participants: 500 }
    }
}

/// How much less busy another shard must be to be better: a part costs work of its own.
const CLEARLY_LESS: f32 = 0.2;

/// Room for commands in the channels of several shards.
#[derive(Default)]
pub(crate) struct Reserved<'a> {
    parts: Vec<(usize, Permits<'a>)>,
}

impl<'a> Reserved<'a> {
    /// Adds what is reserved on another shard.
    pub(crate) fn add(&mut self, shard: usize, permits: Permits<'a>) {
        self.parts.push((shard, permits));
    }

    /// Whether there is something for that shard.
    pub(crate) fn has(&self, shard: usize) -> bool {
        self.parts.iter().any(|(of, _)| *of == shard)
    }

    /// Whether there is something for all parts of a room.
    pub(crate) fn covers(&self, state: &RoomState) -> bool {
        state.parts.iter().all(|&shard| self.has(shard))
    }

    /// Sends one command to a shard; for one without permits it is left out.
    pub(crate) fn send(&mut self, shard: usize, command: Command) {
        if let Some((_, permits)) = self.parts.iter_mut().find(|(of, _)| *of == shard) {
            permits.send(command);
        }
    }
}

/// Where somebody enters, and what is reserved for that.
pub(crate) struct Entry<'a> {
    pub(crate) shard: usize,
    reserved: Reserved<'a>,
    /// The shard gets a part of the room first.
    opens: bool,
}

impl Entry<'_> {
    /// Whether it is still right: parts may have come and gone since.
    pub(crate) fn fits(&self, state: &RoomState) -> bool {
        state.parts.contains(&self.shard) != self.opens && (!self.opens || self.reserved.covers(state))
    }

    /// Sends the join, and opens the part if there is none. It must fit.
    pub(crate) fn enter(mut self, room: &Room, state: &mut RoomState, join: Command) {
        if self.opens {
            self.reserved.send(self.shard, Command::OpenRoom { room: room.key });
            state.parts.push(self.shard);
            state.link(room.key, &mut self.reserved);
        }
        self.reserved.send(self.shard, join);
    }
}

impl RoomState {
    /// Tells all parts of one another.
    fn link(&self, room: RoomId, reserved: &mut Reserved<'_>) {
        let Some(&home) = self.parts.first() else { return };
        let shards = self.parts.iter().map(|&shard| shard as u16).collect();
        for &shard in &self.parts {
            reserved.send(shard, Command::LinkRoom { room, home: home as u16, shards });
        }
    }

    fn members_on(&self, shard: usize) -> usize {
        self.members.iter().filter(|member| member.shard == shard).count()
    }
}

impl Switchboard {
    /// The shard on which a participant lives; of one who is not there the room's home.
    pub(crate) fn shard_of(&self, room: &Room, participant: ParticipantId) -> &Shard {
        let state = room.lock();
        let member = state.members.iter().find(|member| member.participant == participant);
        // Both are indices of this list, which never changes.
        &self.shards[member.map_or(room.home, |member| member.shard)]
    }

    /// The shard on which the next of a room is to live.
    fn place(&self, home: usize, state: &RoomState) -> usize {
        let spread = self.settings.spread;
        let share = |shard: usize| self.shards[shard].share();
        let is_full = |shard: usize| share(shard) >= spread.busy || state.members_on(shard) >= spread.participants;
        let relays = |shard: usize| shard < usize::from(MAX_RELAYING_SHARDS);
        if let Some(part) = state.parts.iter().copied().find(|&part| !is_full(part)) {
            return part;
        }
        let crowded = state.members_on(home) >= spread.participants;
        let is_better = |&shard: &usize| {
            let is_free = !state.parts.contains(&shard) && share(shard) < spread.busy;
            is_free && (crowded || share(shard) + CLEARLY_LESS <= share(home))
        };
        let others = (0..self.shards.len()).filter(|&shard| relays(shard) && relays(home)).filter(is_better);
        let best = others.min_by_key(|&shard| self.shards[shard].rank());
        let least =
            || state.parts.iter().copied().min_by_key(|&part| (self.shards[part].rank().0, state.members_on(part)));
        best.or_else(least).unwrap_or(home)
    }

    /// Chooses where the next of a room lives, and waits until that can be told to whom it concerns.
    ///
    /// # Errors
    /// `server-busy`
    pub(crate) async fn reserve_entry(&self, room: &Room) -> Result<Entry<'_>, Refusal> {
        let (shard, parts) = self.plan_entry(room);
        let mut reserved = Reserved::default();
        for (part, count) in needs(shard, &parts) {
            reserved.add(part, self.shards[part].reserve(count).await.map_err(|_| Refusal::busy())?);
        }
        Ok(Entry { shard, reserved, opens: !parts.contains(&shard) })
    }

    /// The same without waiting.
    pub(crate) fn try_reserve_entry(&self, room: &Room) -> Result<Entry<'_>, ShardBusy> {
        let (shard, parts) = self.plan_entry(room);
        let mut reserved = Reserved::default();
        for (part, count) in needs(shard, &parts) {
            reserved.add(part, self.shards[part].try_reserve(count)?);
        }
        Ok(Entry { shard, reserved, opens: !parts.contains(&shard) })
    }

    fn plan_entry(&self, room: &Room) -> (usize, Vec<usize>) {
        let state = room.lock();
        (self.place(room.home, &state), state.parts.clone())
    }

    /// Waits until each part of a room takes `count` commands.
    ///
    /// # Errors
    /// `server-busy`
    pub(crate) async fn reserve_parts(&self, room: &Room, count: usize) -> Result<Reserved<'_>, Refusal> {
        let mut reserved = Reserved::default();
        for part in sorted_parts(room) {
            reserved.add(part, self.shards[part].reserve(count).await.map_err(|_| Refusal::busy())?);
        }
        Ok(reserved)
    }

    /// The same without waiting: as far as parts take them.
    pub(crate) fn try_reserve_parts(&self, room: &Room, count: usize) -> Reserved<'_> {
        let mut reserved = Reserved::default();
        for part in sorted_parts(room) {
            if let Ok(permits) = self.shards[part].try_reserve(count) {
                reserved.add(part, permits);
            }
        }
        reserved
    }

    /// Gives up the parts of a room in which nobody is, its home apart. What the shards do not take now is done next time.
    pub(crate) fn fold(&self, room: &Room) {
        let empty = |state: &RoomState| -> Vec<usize> {
            let parts = state.parts.iter().copied().filter(|&part| part != room.home);
            parts.filter(|&part| state.members_on(part) == 0).collect()
        };
        {
            let state = room.lock();
            if state.parts.len() == 1 || empty(&state).is_empty() {
                return;
            }
        }
        let mut reserved = self.try_reserve_parts(room, 1);
        let mut state = room.lock();
        if state.ended || !reserved.covers(&state) {
            return;
        }
        let empty = empty(&state);
        for &part in &empty {
            reserved.send(part, Command::CloseRoom { room: room.key });
        }
        state.parts.retain(|part| !empty.contains(part));
        state.link(room.key, &mut reserved);
    }
}

/// What is to be said to whom when somebody enters on `shard`, in the order in which it is reserved: every room's is the same, so
/// that two who wait do not wait for one another.
fn needs(shard: usize, parts: &[usize]) -> Vec<(usize, usize)> {
    if parts.contains(&shard) {
        return vec![(shard, 1)];
    }
    // To open the part, to link it, and the join.
    let mut needs: Vec<_> = parts.iter().map(|&part| (part, 1)).chain([(shard, 3)]).collect();
    needs.sort_unstable();
    needs
}

fn sorted_parts(room: &Room) -> Vec<usize> {
    let mut parts = room.lock().parts.clone();
    parts.sort_unstable();
    parts
}
