//! Who stands at a room's door, and with what: `join-room`, understood.

use crate::access::{Grant, HOST_PREFIX, Identity, Role, bad_credential};
use crate::join_trace::JoinTrace;
use crate::membership::parse_display_name;
use crate::protocol::client::JoinRoom;
use crate::protocol::error::{ErrorCode, Refusal};
use crate::protocol::{ParticipantRef, RoomCode, SecretText};
use crate::rights::Grants;
use crate::session::{Session, Token};
use crate::stats::CredentialFault;
use crate::store::Secret;
use crate::switchboard::{Switchboard, entropy};
use crate::visitor::Whence;
use parlor_media::ids::ParticipantId;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The first letters of an invite.
pub(crate) const INVITE_PREFIX: &str = "invite_";

/// See the module.
pub(crate) struct Arrival {
    /// Who it will be in the room.
    pub(crate) participant: ParticipantId,
    pub(crate) session: Arc<Session>,
    pub(crate) identity: Identity,
    pub(crate) display_name: Option<String>,
    /// The role that its token gives.
    pub(crate) role: Option<Role>,
    pub(crate) grants: Grants,
    /// It may be told of the room: the server is open, or its token is for the room.
    pub(crate) is_known: bool,
    /// Of the room's host secret, if it shows one.
    pub(crate) host_secret: Option<Secret>,
    pub(crate) invite: Option<Secret>,
    pub(crate) password: Option<SecretText>,
    pub(crate) whence: Whence,
    pub(crate) follows_bindings: bool,
    pub(crate) auto_subscribe: bool,
    /// Of the request.
    pub(crate) id: Option<String>,
    /// When it came; later by as long as somebody waited in a lobby.
    pub(crate) asked_at: Instant,
    pub(crate) trace: JoinTrace,
}

impl std::fmt::Debug for Arrival {
    /// Without the password: it must not reach a log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Arrival").field("participant", &self.participant).finish_non_exhaustive()
    }
}

impl Arrival {
    /// Who joins by this message.
    ///
    /// # Errors
    /// When a credential is not good in itself or for that room, or the server wants one and there is none. Nothing is said of
    /// the room, which may not even be there.
    pub(super) fn of(
        board: &Switchboard,
        session: &Arc<Session>,
        whence: Whence,
        id: Option<String>,
        join: JoinRoom,
        trace: JoinTrace,
    ) -> Result<Self, Refusal> {
        let asked_at = Instant::now();
        let participant = ParticipantId(u64::from_le_bytes(entropy()?));
        let invite = join.invite.as_ref().map(parse_invite).transpose()?;
        let host_secret = join.host_secret.as_ref().map(|secret| parse_host_secret(board, secret)).transpose()?;
        let grant = join.token.as_ref().map(|token| grant_for(board, &join.room_id, token.expose())).transpose()?;
        if grant.is_none() && invite.is_none() && !board.is_open() {
            return Err(Refusal::new(ErrorCode::Unauthorized, "to join a token or an invite is needed"));
        }
        let arrival = Self {
            participant,
            session: Arc::clone(session),
            identity: guest(participant, join.guest_key.as_ref())?,
            display_name: parse_display_name(join.display_name.as_deref())?,
            role: None,
            grants: Grants::ALL,
            is_known: board.is_open(),
            host_secret,
            invite,
            password: join.password,
            whence,
            follows_bindings: join.follows_bindings,
            auto_subscribe: join.auto_subscribe,
            id,
            asked_at,
            trace,
        };
        Ok(match grant {
            Some(grant) => arrival.with(grant, board.policy().keys.leeway()),
            None => arrival,
        })
    }

    /// Which credential lets it in, for logs and traces; a password is none.
    pub(crate) fn how(&self) -> &'static str {
        if self.host_secret.is_some() {
            "host-secret"
        } else if self.invite.is_some() {
            "invite"
        } else if self.role.is_some() {
            "token"
        } else {
            "open"
        }
    }

    /// A token says who somebody is; what it says goes before what `join-room` says.
    fn with(self, grant: Grant, leeway: Duration) -> Self {
        Self {
            grants: Grants::of(&grant, leeway),
            identity: grant.identity,
            display_name: grant.name.or(self.display_name),
            role: Some(grant.role),
            is_known: true,
            ..self
        }
    }
}

/// What a token grants in the room of that id.
///
/// # Errors
/// When it is not good, or is for another room.
pub(crate) fn grant_for(board: &Switchboard, room: &RoomCode, token: &str) -> Result<Grant, Refusal> {
    let grant = board.verify(token).map_err(|refusal| refusal.with_field("token"))?;
    if grant.room.as_ref() != Some(room) {
        return Err(Refusal::new(ErrorCode::Forbidden, "the token is not for this room").with_field("token"));
    }
    Ok(grant)
}

/// The identity of who shows that guest key.
#[cfg(test)]
pub(crate) fn guest_of_key(key: &str) -> Identity {
    guest(ParticipantId(0), Some(&SecretText::new(key))).unwrap()
}

/// Who somebody without a token is: what its browser's secret comes to, or, without one, somebody for this stay only.
fn guest(participant: ParticipantId, key: Option<&SecretText>) -> Result<Identity, Refusal> {
    let number = match key {
        None => participant,
        Some(key) => {
            let digest = ring::digest::digest(&ring::digest::SHA256, key.expose().as_bytes());
            let first = digest.as_ref().first_chunk().copied().unwrap_or_default();
            ParticipantId(u64::from_be_bytes(first))
        }
    };
    // The digits of a participant's id, without its letter.
    let text = ParticipantRef(number).to_string();
    let identity = text.get(1..).and_then(|digits| Identity::parse(&format!("guest-{digits}")));
    identity.ok_or_else(|| Refusal::new(ErrorCode::Internal, "a guest has no identity"))
}

fn parse_invite(text: &SecretText) -> Result<Secret, Refusal> {
    let secret = text.expose().strip_prefix(INVITE_PREFIX).and_then(Token::parse).map(Token::digest);
    secret.ok_or_else(invite_invalid)
}

fn parse_host_secret(board: &Switchboard, text: &SecretText) -> Result<Secret, Refusal> {
    if !board.is_open() {
        let message = "this server takes no host secrets: it has keys, show a token";
        return Err(bad_credential(CredentialFault::HostSecret, message).with_field("hostSecret"));
    }
    let secret = text.expose().strip_prefix(HOST_PREFIX).and_then(Token::parse).map(Token::digest);
    secret.ok_or_else(host_secret_invalid)
}

pub(super) fn host_secret_invalid() -> Refusal {
    bad_credential(CredentialFault::HostSecret, "`hostSecret` is not this room's").with_field("hostSecret")
}

pub(super) fn invite_invalid() -> Refusal {
    Refusal::new(ErrorCode::InviteInvalid, "the invite is used, withdrawn or over, or never was").with_field("invite")
}
