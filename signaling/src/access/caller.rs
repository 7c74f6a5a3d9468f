//! Who makes a REST request: the bearer token of its `Authorization` header (RFC 6750), understood.

use super::{Identity, Standing};
use crate::protocol::error::{ErrorCode, Refusal};
use crate::room::{Room, RoomState};
use crate::session::{Place, Token};
use crate::store::Secret;
use crate::switchboard::Switchboard;
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

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
}

impl Caller {
    /// Who makes the request of these headers.
    ///
    /// # Errors
    /// When there is a credential that is not understood or no longer good: it is never taken for none.
    pub(crate) fn of(board: &Switchboard, headers: &HeaderMap) -> Result<Self, Refusal> {
        let Some(value) = headers.get(AUTHORIZATION) else { return Ok(Self::Nobody) };
        let bad = || Refusal::new(ErrorCode::TokenInvalid, "`Authorization` must be `Bearer` and a good token");
        let (scheme, token) = value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or_else(bad)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(bad());
        }
        let token = token.trim();
        if let Some(secret) = token.strip_prefix(HOST_PREFIX) {
            return Token::parse(secret).map(|secret| Self::HostSecret(secret.digest())).ok_or_else(bad);
        }
        let access = token.strip_prefix(ACCESS_PREFIX).and_then(Token::parse).ok_or_else(bad)?;
        board.directory.place(access).map(Self::Participant).ok_or_else(bad)
    }

    /// What the caller stands for in a room, whose lock is held.
    pub(crate) fn standing(&self, room: &Room, state: &RoomState) -> Standing {
        match self {
            Self::Nobody => Standing::Stranger,
            Self::HostSecret(secret) if state.record.host_secret == Some(*secret) => {
                Standing::Member(super::Role::Host)
            }
            Self::HostSecret(_) => Standing::Stranger,
            Self::Participant(place) if place.room.key == room.key => {
                let member = state.members.iter().find(|member| member.participant == place.participant);
                member.map_or(Standing::Stranger, |member| Standing::Member(member.role))
            }
            Self::Participant(_) => Standing::Stranger,
        }
    }

    /// Who the caller is in a room, if it is a person.
    pub(crate) fn identity(&self, room: &Room, state: &RoomState) -> Option<Identity> {
        match self {
            Self::Participant(place) if place.room.key == room.key => {
                let member = state.members.iter().find(|member| member.participant == place.participant);
                member.map(|member| member.identity.clone())
            }
            _ => None,
        }
    }
}
