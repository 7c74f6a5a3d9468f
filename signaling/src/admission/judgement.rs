//! The rules of a room's door, in their order. A pure function of what is seen under the room's lock.
//!
//! The order is what newcomers learn by: who is banned learns nothing else, who does not know the password does not learn
//! that the room is full, and nobody uses an invite up in vain.

use super::arrival::{Arrival, host_secret_invalid};
use crate::access::Role;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::{SecretText, Timestamp};
use crate::room::RoomState;
use crate::stats::Limit;
use crate::store::{InviteRecord, Secret};

/// What a newcomer has shown so far that takes longer than a lock may be held.
#[derive(Debug, Default)]
pub(super) struct Proof {
    /// It knows the password of this hash.
    pub(super) password: Option<SecretText>,
    /// Its invite, which is used up.
    pub(super) invite: Option<InviteRecord>,
}

/// What becomes of a newcomer.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// It is to show that it knows the password of this hash.
    AskPassword(SecretText),
    /// Its invite is to be used up.
    RedeemInvite(Secret),
    /// It waits for a host's word, to come in with that role.
    Wait(Role),
    /// It comes in with that role.
    Enter(Role),
}

/// Judges a newcomer. The room has not ended; see [`super`] for who looks.
pub(super) fn judge(state: &RoomState, arrival: &Arrival, proof: &Proof, now: Timestamp) -> Result<Verdict, Refusal> {
    check_ban(state, arrival)?;
    if is_host(state, arrival)? {
        check_space(state, arrival)?;
        return Ok(Verdict::Enter(Role::Host));
    }
    check_opening(state, now)?;
    let Some(invite) = arrival.invite else {
        check_lock(state)?;
        if let Some(hash) = password_to_ask(state, arrival, proof)? {
            return Ok(Verdict::AskPassword(hash));
        }
        check_space(state, arrival)?;
        let role = arrival.role.unwrap_or(state.record.settings.join_as);
        return Ok(if state.record.settings.lobby { Verdict::Wait(role) } else { Verdict::Enter(role) });
    };
    check_space(state, arrival)?;
    Ok(match &proof.invite {
        None => Verdict::RedeemInvite(invite),
        Some(redeemed) => Verdict::Enter(arrival.role.unwrap_or(redeemed.role)),
    })
}

fn check_ban(state: &RoomState, arrival: &Arrival) -> Result<(), Refusal> {
    if state.record.banned.contains(&arrival.identity) {
        return Err(Refusal::new(ErrorCode::Banned, "you may not come back into this room"));
    }
    Ok(())
}

/// Whether it comes as a host. A host secret that is not the room's is an error, never none.
fn is_host(state: &RoomState, arrival: &Arrival) -> Result<bool, Refusal> {
    match arrival.host_secret {
        Some(secret) if state.record.host_secret != Some(secret) => Err(host_secret_invalid()),
        Some(_) => Ok(true),
        None => Ok(arrival.role == Some(Role::Host)),
    }
}

fn check_opening(state: &RoomState, now: Timestamp) -> Result<(), Refusal> {
    match state.record.settings.not_before {
        Some(opening) if now < opening => {
            Err(Refusal::new(ErrorCode::RoomNotOpen, format!("the room opens at {opening}")))
        }
        _ => Ok(()),
    }
}

fn check_lock(state: &RoomState) -> Result<(), Refusal> {
    if state.record.settings.locked {
        return Err(Refusal::new(ErrorCode::RoomLocked, "the room is locked: a host or an invite lets in"));
    }
    Ok(())
}

/// The hash of the password that is still to be shown.
fn password_to_ask(state: &RoomState, arrival: &Arrival, proof: &Proof) -> Result<Option<SecretText>, Refusal> {
    match &state.record.password {
        None => Ok(None),
        // Another password may have been set meanwhile.
        Some(hash) if proof.password.as_ref() == Some(hash) => Ok(None),
        Some(_) if arrival.password.is_none() => {
            Err(Refusal::new(ErrorCode::PasswordRequired, "the room has a password").with_field("password"))
        }
        Some(hash) => Ok(Some(hash.clone())),
    }
}

/// Those who are hidden have as many places as the others, and take none of theirs.
pub(crate) fn check_space(state: &RoomState, arrival: &Arrival) -> Result<(), Refusal> {
    let most = state.record.settings.max_participants;
    let there = state.members.iter().filter(|member| member.grants.hidden == arrival.grants.hidden).count();
    if there >= most {
        let message = format!("the room is full: at most {most} participants are allowed");
        return Err(Refusal::new(ErrorCode::RoomFull, message).by(Limit::ParticipantsPerRoom));
    }
    Ok(())
}
