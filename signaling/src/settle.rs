//! Brings the people of a room in line with its settings and with the time.
//!
//! What a room's settings, its list of banned people and the clock say is the truth; members follow. Whatever changes one of
//! them calls [`Switchboard::policy_changed`], which does at once what is due; what the shard does not take then, the sweep
//! does. So nothing that was decided depends on a shard having been free at that moment.

use crate::protocol::Timestamp;
use crate::protocol::error::Refusal;
use crate::protocol::server::{Departure, Rights, ServerMessage};
use crate::rights::rights;
use crate::room::{Room, RoomState};
use crate::session::Place;
use crate::shards::Permits;
use crate::spreading::Entry;
use crate::switchboard::Switchboard;
use parlor_media::command::Command;
use parlor_media::ids::ParticipantId;
use std::sync::Arc;

/// Something that is due in a room.
#[derive(Debug, PartialEq)]
enum Due {
    /// A member may stay no longer.
    Remove(ParticipantId, Departure),
    /// A member has other rights.
    Rights(ParticipantId, Rights),
    /// Somebody who waits needs not any more.
    Admit(ParticipantId),
}

/// What was reserved for something that is due.
enum Means<'a> {
    /// A command about that member.
    Of(ParticipantId, Permits<'a>),
    /// Somebody's way in.
    Entry(Entry<'a>),
}

impl Switchboard {
    /// The room's settings have changed, or its list of banned people: members get the rights that they have now, who may not
    /// stay goes, and who waits comes in when there is no lobby any more. Call it without the room's lock.
    pub(crate) async fn policy_changed(&self, room: &Arc<Room>) {
        loop {
            let Some(due) = self.next_due(&mut room.lock(), room) else { return };
            let means = match due {
                Due::Admit(_) => self.reserve_entry(room).await.map(Means::Entry),
                Due::Remove(of, _) | Due::Rights(of, _) => {
                    self.shard_of(room, of).reserve(1).await.map(|p| Means::Of(of, p)).map_err(|_| Refusal::busy())
                }
            };
            let Ok(means) = means else { return };
            if !self.settle_one(room, means) {
                return;
            }
        }
    }

    /// The same, as far as the shard takes it now.
    pub(crate) fn settle(&self, room: &Arc<Room>) {
        loop {
            let Some(due) = self.next_due(&mut room.lock(), room) else { return };
            let means = match due {
                Due::Admit(_) => self.try_reserve_entry(room).map(Means::Entry),
                Due::Remove(of, _) | Due::Rights(of, _) => {
                    self.shard_of(room, of).try_reserve(1).map(|p| Means::Of(of, p))
                }
            };
            let Ok(means) = means else { return };
            if !self.settle_one(room, means) {
                return;
            }
        }
    }

    /// Does what is due next. `false` when nothing is, or it cannot be done.
    fn settle_one(&self, room: &Arc<Room>, means: Means<'_>) -> bool {
        let mut state = room.lock();
        match (self.next_due(&mut state, room), means) {
            (None, _) => false,
            (Some(Due::Remove(participant, reason)), Means::Of(of, permits)) if of == participant => {
                let place = Place { room: Arc::clone(room), participant };
                self.remove_locked(&mut state, &place, reason, None, permits).is_ok()
            }
            (Some(Due::Rights(participant, rights)), Means::Of(of, permits)) if of == participant => {
                self.grant_rights(&mut state, participant, rights, permits);
                true
            }
            (Some(Due::Admit(participant)), Means::Entry(entry)) => {
                self.admit(room, &mut state, participant, entry).is_ok()
            }
            // Something else is due meanwhile, which needs other means.
            (Some(_), _) => true,
        }
    }

    /// Gives a member the rights that it has now, and tells it and the shard.
    pub(crate) fn grant_rights(
        &self,
        state: &mut RoomState,
        participant: ParticipantId,
        rights: Rights,
        mut permits: Permits<'_>,
    ) {
        let Some(member) = state.member(participant) else { return };
        member.rights = rights;
        permits.send(Command::SetRights { participant, rights: rights.media() });
        member.tell(&ServerMessage::RightsChanged { rights });
    }

    /// What is due next. Who waits in vain is sent away on the way: that takes no command.
    fn next_due(&self, state: &mut RoomState, room: &Room) -> Option<Due> {
        let now = self.wall_clock();
        self.clear_lobby(state, room, now);
        let settings = &state.record.settings;
        for member in &state.members {
            if state.record.banned.contains(&member.identity) {
                return Some(Due::Remove(member.participant, Departure::Banned));
            }
            if member.grants.are_over(now) {
                return Some(Due::Remove(member.participant, Departure::TokenExpired));
            }
            let rights = rights(member.role, &member.grants, settings);
            if rights != member.rights {
                return Some(Due::Rights(member.participant, rights));
            }
        }
        if settings.lobby || state.ended {
            return None;
        }
        let first = state.lobby.waiting().first()?;
        crate::admission::check_space(state, &first.arrival).is_ok().then_some(Due::Admit(first.arrival.participant))
    }

    /// Sends away who is banned, whose token is over, and whose socket is gone.
    fn clear_lobby(&self, state: &mut RoomState, room: &Room, now: Timestamp) {
        let banned = &state.record.banned;
        let in_vain = state.lobby.waiting().iter().filter_map(|waiting| {
            let arrival = &waiting.arrival;
            let reason = if banned.contains(&arrival.identity) {
                Departure::Banned
            } else if arrival.grants.are_over(now) {
                Departure::TokenExpired
            } else if !arrival.session.is_attached() {
                Departure::Disconnected
            } else {
                return None;
            };
            Some((arrival.participant, reason))
        });
        for (participant, reason) in in_vain.collect::<Vec<_>>() {
            // It is there: nothing came between.
            let _ = self.dismiss(state, room, participant, reason, None);
        }
    }
}
