//! What a room's host can set.

use crate::access::Role;
use crate::protocol::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A room's settings; the password, whose hash is kept apart, and the room's end are not among them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomSettings {
    /// For people.
    pub(crate) name: Option<String>,
    /// At a time.
    pub(crate) max_participants: usize,
    /// Nobody but hosts enters before.
    pub(crate) not_before: Option<Timestamp>,
    /// How long the room may be empty before it ends; `None`: for ever.
    pub(crate) empty_timeout_seconds: Option<u64>,
    /// What becomes of what is said.
    pub(crate) history: History,
    /// Nobody but hosts and invited people enters.
    pub(crate) locked: bool,
    /// Newcomers wait until a host admits them.
    pub(crate) lobby: bool,
    /// What people are who come without another role.
    pub(crate) join_as: Role,
    /// Who may publish what.
    pub(crate) publish: PublishPolicy,
    /// Who may write in the chat.
    pub(crate) chat: Allowed,
    /// An application's own words about the room; 4 KiB of JSON at most.
    pub(crate) metadata: Map<String, Value>,
}

/// What becomes of what is said in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum History {
    /// Nothing is stored: who comes later sees nothing of it.
    None,
    /// Stored until the room ends, which it does when it was empty for its time.
    WhileOpen,
    /// Stored until the room is deleted or its time is over; being empty does not end it.
    Keep,
}

/// Who may publish each kind of media.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PublishPolicy {
    /// Microphones.
    pub audio: Allowed,
    /// Cameras.
    pub video: Allowed,
    /// Screens, and their sound.
    pub screen: Allowed,
}

/// Who may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Allowed {
    /// Everyone whose role has it at all: hosts and speakers publish, listeners chat besides.
    #[default]
    Everyone,
    /// Hosts only.
    Hosts,
    /// Nobody.
    Nobody,
}

impl Default for PublishPolicy {
    fn default() -> Self {
        Self { audio: Allowed::Everyone, video: Allowed::Everyone, screen: Allowed::Everyone }
    }
}
