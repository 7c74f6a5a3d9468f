//! Who may do what.
//!
//! A person is known by an [`Identity`], never by a display name. What somebody may do follows from the [`Standing`] in a
//! room, which a token, a host secret, an invite or the room's settings gave.

mod caller;
mod crypto;
mod grant;
mod keys;
mod loopback;
mod request;
mod table;
mod token;

pub(crate) use caller::{ACCESS_PREFIX, Caller, HOST_PREFIX};
pub(crate) use grant::{Grant, PublishGrant};
pub use keys::{KeyError, KeySources, Keys, MIN_SECRET_BYTES};
pub use request::TokenRequest;
pub(crate) use table::{Action, may, require};

use crate::protocol::{ErrorCode, Refusal};
use crate::stats::{Cause, CredentialFault};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::sync::Arc;
use utoipa::ToSchema;

/// A credential is not good.
pub(crate) fn bad_credential(fault: CredentialFault, message: &str) -> Refusal {
    Refusal::new(ErrorCode::TokenInvalid, message).with_cause(Cause::Credential(fault))
}

/// Who somebody is, over joins and devices: a token's `sub`, or `guest-` and what only the holder of a secret of the
/// browser's own comes to.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(Arc<str>);

impl Identity {
    /// What an identity must look like, for people.
    pub const RULE: &'static str = "1 to 128 of `a`-`z`, `A`-`Z`, `0`-`9`, `.`, `_`, `-`, `@`, `:`, `|`, `+` or `=`";

    /// The identity that `text` writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-@:|+=".contains(&b);
        ((1..=128).contains(&text.len()) && text.bytes().all(is_allowed)).then(|| Self(text.into()))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Identity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Identity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("an identity has {}", Self::RULE)))
    }
}

/// What a participant is in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Moderates.
    Host,
    /// Takes part with what the room lets speakers publish.
    Speaker,
    /// Watches, listens and, where the room lets listeners, chats.
    Listener,
}

impl Role {
    /// Every role, the mightiest first.
    pub const ALL: &'static [Self] = &[Self::Host, Self::Speaker, Self::Listener];
    /// The roles' names, for people.
    pub(crate) const RULE: &'static str = "`host`, `speaker` or `listener`";

    /// The role of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|role| role.as_str() == name)
    }

    /// The role as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Speaker => "speaker",
            Self::Listener => "listener",
        }
    }
}

/// What somebody stands for in regard to one room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// Administers the server.
    Admin,
    /// Administers an open server from its own host: see [`loopback`].
    Loopback,
    /// In the room, or by a credential of this room.
    Member(Role),
    /// Waits to be let in.
    Lobby,
    /// Anybody else.
    Stranger,
}
