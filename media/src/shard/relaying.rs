//! What a shard has for the others, and takes from them.

use super::Shard;
use crate::drop_reason::DropReason;
use crate::ids::TrackId;
use crate::outbox::Outbox;
use crate::relay::{Note, RelayBatch, RelayedPacket};
use std::time::Instant;

impl Shard {
    /// Whether there is something for other shards.
    #[must_use]
    pub fn has_relay(&self) -> bool {
        !self.core.relay.is_empty()
    }

    /// Puts what the other shards are to have into `batch`, whose memory is used for the next. To be called once a tick, after
    /// everything else was handled.
    pub fn take_relay(&mut self, batch: &mut RelayBatch) {
        let spare = std::mem::take(batch);
        *batch = std::mem::replace(&mut self.core.relay, spare.reused_by(self.core.index));
    }

    /// Takes what another shard has said, as far as it is for this one. `flush` is to send and clear the outbox; it is called as
    /// often as that fills.
    pub fn handle_relay(&mut self, now: Instant, batch: &RelayBatch, flush: &mut dyn FnMut(&mut Outbox)) {
        self.forward(now, flush);
        // Rooms with new tracks to offer.
        let mut changed = Vec::new();
        let here = self.core.index;
        for entry in batch.entries.iter().filter(|entry| entry.to.contains(here)) {
            match &entry.note {
                Note::Packet(packet, range) => {
                    if self.core.burst.is_full() {
                        self.forward(now, flush);
                    }
                    self.handle_relayed(now, packet, batch.bytes(range));
                }
                note => {
                    self.forward(now, flush);
                    changed.extend(self.handle_note(now, batch.from(), note));
                }
            }
            if self.core.outbox.needs_flush() {
                flush(&mut self.core.outbox);
            }
        }
        self.forward(now, flush);
        changed.sort_unstable();
        changed.dedup();
        for room in changed {
            if let Some(room) = self.rooms.get_mut(room) {
                room.negotiate_all(&mut self.core.at(now));
            }
        }
    }

    fn handle_relayed(&mut self, now: Instant, relayed: &RelayedPacket, packet: &[u8]) {
        self.core.stats.relay_in.add(packet.len());
        let result = match self.core.mirrors.get(&relayed.track).copied() {
            Some((room, key)) => match self.rooms.get_mut(room as usize) {
                Some(room) => room.handle_relayed(&mut self.core.at(now), key, relayed, packet),
                None => Err(DropReason::NotPublished),
            },
            None => Err(DropReason::NotPublished),
        };
        if let Err(reason) = result {
            self.core.stats.drop(reason);
        }
    }

    /// Takes anything but a packet. Returns the room whose tracks may have changed.
    fn handle_note(&mut self, now: Instant, from: u16, note: &Note) -> Option<usize> {
        match note {
            Note::Share(..) | Note::Roster(..) => return self.handle_tracks(now, from, note),
            Note::Unshare(track) => {
                let (room, key) = self.mirror(from, *track)?;
                self.rooms.get_mut(room)?.end_mirror(&mut self.core.at(now), key);
                return Some(room);
            }
            Note::Want(room, track, wanted) => {
                let room = self.rooms.get_mut(*self.room_ids.get(room)?)?;
                room.on_want(&mut self.core.at(now), from, *track, *wanted);
            }
            Note::Keyframe(room, track, encoding) => {
                self.rooms.get_mut(*self.room_ids.get(room)?)?.on_keyframe_wish(*track, *encoding);
            }
            Note::Heard(track, heard) => {
                let (room, key) = self.mirror(from, *track)?;
                self.rooms.get_mut(room)?.on_heard(&self.core.at(now), key, heard);
            }
            Note::Clock(clock) => {
                let (room, key) = self.mirror(from, clock.track)?;
                self.rooms.get_mut(room)?.on_clock(&self.core.at(now), key, clock);
            }
            Note::Packet(..) => {}
        }
        None
    }

    fn handle_tracks(&mut self, now: Instant, from: u16, note: &Note) -> Option<usize> {
        let (Note::Share(room, _) | Note::Roster(room, ..)) = note else { return None };
        let index = *self.room_ids.get(room)?;
        let shared = match note {
            Note::Share(_, shared) => std::slice::from_ref(shared),
            Note::Roster(_, all, _) => all,
            _ => return None,
        };
        // A shard that was started anew numbers its tracks as before: a mirror of an earlier life makes way.
        for track in shared.iter().map(|shared| shared.track) {
            if let Some((room, key)) = self.core.mirrors.get(&track).copied()
                && room as usize != index
                && let Some(room) = self.rooms.get_mut(room as usize)
            {
                room.end_mirror(&mut self.core.at(now), key);
            }
        }
        let room = self.rooms.get_mut(index)?;
        let mut context = self.core.at(now);
        match note {
            Note::Roster(_, _, asks) => room.on_roster(&mut context, from, shared, *asks),
            _ => shared.iter().for_each(|shared| room.on_share(&mut context, from, shared)),
        }
        Some(index)
    }

    /// Where a track of that shard is mirrored here.
    fn mirror(&self, from: u16, track: TrackId) -> Option<(usize, usize)> {
        let (room, key) = *self.core.mirrors.get(&track)?;
        let mirror = self.rooms.get(room as usize)?.publications.get(key)?.origin()?;
        (mirror.shard == from).then_some((room as usize, key))
    }

    /// A batch did not get to one of its destinations. Packets are lost then; what that shard must know is said again.
    pub fn relay_refused(&mut self, now: Instant, batch: &RelayBatch, to: u16) {
        self.settle(now);
        self.core.stats.relay_dropped += batch.packets_for(to);
        self.core.relay_lost = self.core.relay_lost.with(crate::relay::ShardSet::of(to));
        self.say_again(now);
    }

    /// Makes the rooms say again what some shards may have missed.
    pub(super) fn say_again(&mut self, now: Instant) {
        let lost = std::mem::take(&mut self.core.relay_lost);
        if !lost.is_empty() {
            self.rooms.iter_mut().for_each(|(_, room)| room.relay_lost(&mut self.core.at(now), lost));
        }
    }
}
