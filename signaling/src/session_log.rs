//! Who was in a room, from when to when, and why they left: written by the journal, read by REST.

use crate::protocol::ParticipantRef;
use crate::protocol::server::Departure;
use crate::room::{Member, Room};
use crate::store::{SessionRecord, Write};
use crate::switchboard::Switchboard;

impl Switchboard {
    /// Somebody enters; to be called under the room's lock.
    pub(crate) fn log_joined(&self, room: &Room, member: &Member) {
        self.journal.push(Write::Joined(Box::new(SessionRecord {
            room: room.uid,
            participant: ParticipantRef(member.participant),
            identity: member.identity.clone(),
            display_name: member.display_name.clone(),
            role: member.role,
            joined_at: member.joined_at,
            left_at: None,
            reason: None,
        })));
    }

    /// Somebody leaves; to be called under the room's lock.
    pub(crate) fn log_left(&self, room: &Room, member: &Member, reason: Departure) {
        let reason = reason.as_str().to_owned();
        let (participant, at) = (ParticipantRef(member.participant), self.wall_clock());
        self.journal.push(Write::Left { room: room.uid, participant, at, reason });
    }
}
