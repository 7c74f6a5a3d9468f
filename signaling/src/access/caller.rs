//! Who makes a REST request: the bearer token of its `Authorization` header (RFC 6750), understood.

use super::loopback::{self, LOOPBACK};
use super::{Action, Grant, Identity, Role, Standing, bad_credential, require};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::room::{Room, RoomState};
use crate::session::{Place, Token};
use crate::stats::CredentialFault;
use crate::store::Secret;
use crate::switchboard::Switchboard;
use axum::extract::ConnectInfo;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::net::SocketAddr;

/// The first letters of a host secret.
pub(crate) const HOST_PREFIX: &str = "host_";
/// The first letters of a participant's access token.
pub(crate) const ACCESS_PREFIX: &str = "access_";

/// A request's credential.
#[derive(Clone)]
pub(crate) enum Caller {
    /// None was shown.
    Nobody,
    /// A room's host secret; of which room is seen when it is compared.
    HostSecret(Secret),
    /// A participant's access token.
    Participant(Place),
    /// A token that is verified.
    Token(Box<Grant>),
    /// The owner of the host that an open server runs on: see [`loopback::check`].
    Loopback,
}

impl Caller {
    /// Who makes the request.
    ///
    /// # Errors
    /// When there is a credential that is not understood or no longer good: it is never taken for none.
    pub(crate) fn of(board: &Switchboard, request: &Parts) -> Result<Self, Refusal> {
        let mut values = request.headers.get_all(AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Ok(Self::Nobody) };
        let text = value.to_str().ok().filter(|_| values.next().is_none());
        let bearer =
            text.and_then(|text| text.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, token) = bearer.ok_or_else(|| {
            let message = "`Authorization` must be there once, as `Bearer` and a token";
            bad_credential(CredentialFault::Malformed, message)
        })?;
        let token = token.trim();
        if let Some(secret) = token.strip_prefix(HOST_PREFIX) {
            return Self::by_host_secret(board, secret);
        }
        if let Some(access) = token.strip_prefix(ACCESS_PREFIX) {
            let place = Token::parse(access).and_then(|access| board.directory.place(access));
            return place.map(Self::Participant).ok_or_else(|| {
                bad_credential(CredentialFault::AccessToken, "the access token is not that of a participant")
            });
        }
        if token == LOOPBACK {
            return Self::by_loopback(board, request);
        }
        board.verify(token).map(|grant| Self::Token(Box::new(grant)))
    }

    fn by_loopback(board: &Switchboard, request: &Parts) -> Result<Self, Refusal> {
        let bad = |reason: &str| {
            let rule =
                "only who asks an open server directly, from the host that it runs on, administers it without a token";
            bad_credential(CredentialFault::Loopback, &format!("{rule}; {reason}"))
        };
        if !board.is_open() {
            return Err(bad("this server has keys"));
        }
        let peer = request.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        let checked = loopback::check(peer, request.version, &request.headers, &board.policy().trusted_proxies);
        checked.map(|()| Self::Loopback).map_err(|reason| bad(&format!("this request does not: {reason}")))
    }

    fn by_host_secret(board: &Switchboard, secret: &str) -> Result<Self, Refusal> {
        let bad = |message| bad_credential(CredentialFault::HostSecret, message);
        if !board.is_open() {
            return Err(bad("this server takes no host secrets: it has keys, show a token"));
        }
        let secret = Token::parse(secret).ok_or_else(|| bad("a host secret has 64 hexadecimal digits"))?;
        Ok(Self::HostSecret(secret.digest()))
    }

    /// What the caller stands for in a room, whose lock is held.
    pub(crate) fn standing(&self, room: &Room, state: &RoomState) -> Standing {
        match self {
            Self::HostSecret(secret) if state.record.host_secret == Some(*secret) => Standing::Member(Role::Host),
            Self::Participant(place) if place.room.key == room.key => {
                let member = state.members.iter().find(|member| member.participant == place.participant);
                member.map_or(Standing::Stranger, |member| Standing::Member(member.role))
            }
            Self::Token(grant) => grant.standing(room, state),
            Self::Loopback => Standing::Loopback,
            Self::Nobody | Self::HostSecret(_) | Self::Participant(_) => Standing::Stranger,
        }
    }

    /// Who the caller is in a room, if it is a person.
    pub(crate) fn identity(&self, room: &Room, state: &RoomState) -> Option<Identity> {
        match self {
            Self::Participant(place) if place.room.key == room.key => {
                let member = state.members.iter().find(|member| member.participant == place.participant);
                member.map(|member| member.identity.clone())
            }
            Self::Token(grant) if grant.admin || grant.opens(room) => Some(grant.identity.clone()),
            _ => None,
        }
    }

    /// Who the caller is on the whole server: only tokens say that.
    pub(crate) fn token_identity(&self) -> Option<&Identity> {
        match self {
            Self::Token(grant) => Some(&grant.identity),
            Self::Nobody | Self::HostSecret(_) | Self::Participant(_) | Self::Loopback => None,
        }
    }

    /// Whether the caller administers the server.
    pub(crate) fn is_admin(&self) -> bool {
        matches!(self, Self::Token(grant) if grant.admin)
    }

    /// Whether the caller may look after the server as a whole, as an administrator or from its own host.
    ///
    /// # Errors
    /// `unauthorized` without a credential, `forbidden` with another one. `what` says what it wanted, as in "list all rooms".
    pub(crate) fn require_server(&self, what: &str) -> Result<(), Refusal> {
        match self {
            Self::Loopback => Ok(()),
            Self::Token(grant) if grant.admin => Ok(()),
            Self::Nobody => {
                Err(Refusal::new(ErrorCode::Unauthorized, format!("to {what} an administrator's token is needed")))
            }
            _ => Err(Refusal::new(ErrorCode::Forbidden, format!("only administrators may {what}"))),
        }
    }

    /// Whether the caller may create rooms: on an open server everybody, within its limits; else whose token says so.
    ///
    /// # Errors
    /// `unauthorized` without a token, `forbidden` with another credential.
    pub(crate) fn may_create_rooms(&self, board: &Switchboard) -> Result<(), Refusal> {
        match self {
            _ if board.is_open() => Ok(()),
            Self::Token(grant) if grant.admin || grant.create_rooms => Ok(()),
            Self::Nobody => Err(Refusal::new(ErrorCode::Unauthorized, "to create rooms a token is needed")),
            _ => Err(Refusal::new(ErrorCode::Forbidden, "your credential does not allow to create rooms")),
        }
    }

    /// What the caller stands for in a room, whose lock is held, if that allows the action.
    ///
    /// # Errors
    /// As [`require`]. A server with keys shows strangers nothing at all.
    pub(crate) fn require(
        &self,
        board: &Switchboard,
        room: &Room,
        state: &RoomState,
        action: Action,
    ) -> Result<Standing, Refusal> {
        let standing = self.standing(room, state);
        if standing == Standing::Stranger && !board.is_open() {
            return Err(Refusal::new(ErrorCode::Unauthorized, format!("to {} a token is needed", action.name())));
        }
        require(standing, action).map(|()| standing)
    }
}

impl Grant {
    /// Whether this is the room that the token is for.
    pub(crate) fn opens(&self, room: &Room) -> bool {
        self.room.as_ref() == Some(&room.code)
    }

    /// What the token alone makes of who shows it, in a room whose lock is held.
    ///
    /// Where a room has a door (a lobby, a lock, a password, an opening time) the token of who is no host does not pass it:
    /// until that identity is in, it stands for no more than someone who waits.
    fn standing(&self, room: &Room, state: &RoomState) -> Standing {
        if self.admin {
            return Standing::Admin;
        }
        if !self.opens(room) || state.record.banned.contains(&self.identity) {
            return Standing::Stranger;
        }
        if self.role == Role::Host {
            return Standing::Member(Role::Host);
        }
        if let Some(member) = state.members.iter().find(|member| member.identity == self.identity) {
            return Standing::Member(member.role);
        }
        let settings = &state.record.settings;
        let has_door =
            settings.lobby || settings.locked || state.record.password.is_some() || settings.not_before.is_some();
        if has_door { Standing::Lobby } else { Standing::Member(self.role) }
    }
}
