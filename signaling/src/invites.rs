//! One-time invites: each lets one person in, past the lock, the password and the lobby, and stands for a token.
//!
//! An invite is shown once, when it is made; what is kept is its digest. How one is used up is [`crate::admission`].

use crate::access::{Action, Caller, Role};
use crate::admission::INVITE_PREFIX;
use crate::lines::paced;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::{InviteId, SecretText};
use crate::room::Room;
use crate::session::Token;
use crate::store::{InviteRecord, StoreError};
use crate::switchboard::{Switchboard, entropy};
use std::time::Duration;

/// The most unused invites of a room.
pub(crate) const MAX_INVITES: usize = 1000;

/// What invites are to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct InvitePlan {
    pub(crate) count: usize,
    /// What their people are; without one, what the room makes of newcomers.
    pub(crate) role: Option<Role>,
    pub(crate) expires_in: Option<Duration>,
}

/// An invite, shown for the only time.
pub(crate) struct FreshInvite {
    pub(crate) record: InviteRecord,
    /// What is given to the person.
    pub(crate) text: SecretText,
}

pub(crate) fn no_such_invite() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "there is no such unused invite")
}

impl Switchboard {
    /// Makes invites.
    ///
    /// # Errors
    /// When the caller may not, the room would have more than [`MAX_INVITES`], or the store cannot take them.
    pub(crate) async fn make_invites(
        &self,
        caller: &Caller,
        room: &Room,
        plan: InvitePlan,
    ) -> Result<Vec<FreshInvite>, Refusal> {
        let role = {
            let state = room.lock();
            caller.require(self, room, &state, Action::Invite)?;
            plan.role.unwrap_or(state.record.settings.join_as)
        };
        let created_at = self.wall_clock();
        let expires_at = plan.expires_in.map(|time| created_at + time);
        let fresh = || -> Result<FreshInvite, Refusal> {
            let secret = Token::from_entropy(entropy()?);
            let id = u64::from_le_bytes(entropy()?) >> 1;
            let record = InviteRecord { room: room.uid, id, secret: secret.digest(), role, created_at, expires_at };
            Ok(FreshInvite { record, text: secret.written(INVITE_PREFIX) })
        };
        let invites = (0..plan.count).map(|_| fresh()).collect::<Result<Vec<_>, _>>()?;
        // So that two who make invites at a time do not both see room for them.
        let _changing = room.changing.lock().await;
        let there = self.store.invites(room.uid, MAX_INVITES, created_at).await?.len();
        if there + invites.len() > MAX_INVITES {
            let message = format!("the room has {there} unused invites, at most {MAX_INVITES} are allowed");
            return Err(Refusal::field("count", message));
        }
        let records: Vec<_> = invites.iter().map(|invite| invite.record.clone()).collect();
        self.store.add_invites(&records).await.map_err(|error| gone(error, room))?;
        let (room, count) = (room.key.0, records.len());
        paced!(self.lines.credentials, info, room, count, role = role.as_str(), "invites made");
        Ok(invites)
    }

    /// A room's unused invites.
    pub(crate) async fn list_invites(&self, caller: &Caller, room: &Room) -> Result<Vec<InviteRecord>, Refusal> {
        caller.require(self, room, &room.lock(), Action::Invite)?;
        Ok(self.store.invites(room.uid, MAX_INVITES, self.wall_clock()).await?)
    }

    /// Withdraws an invite.
    pub(crate) async fn withdraw_invite(&self, caller: &Caller, room: &Room, id: InviteId) -> Result<(), Refusal> {
        caller.require(self, room, &room.lock(), Action::Invite)?;
        match self.store.remove_invite(room.uid, id.0).await {
            Ok(()) => Ok(()),
            Err(StoreError::Missing) => Err(no_such_invite()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The store knows no such room: it ends.
fn gone(error: StoreError, room: &Room) -> Refusal {
    match error {
        StoreError::Missing => {
            Refusal::new(ErrorCode::RoomNotFound, format!("there is no room \"{}\" any more", room.code))
        }
        error => error.into(),
    }
}
