//! A room as the wire shows it.

use super::ids::RoomCode;
use super::time::Timestamp;
use crate::access::Role;
use crate::room_settings::{Allowed, History, PublishPolicy};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A room: its settings, and how many are in it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Room)]
pub struct RoomView {
    /// What people join it by.
    pub room_id: RoomCode,
    /// For people; `null` without one.
    #[schema(max_length = 64)]
    pub name: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ends; `null` for never.
    pub expires_at: Option<Timestamp>,
    /// Nobody but hosts enters before; `null` when it is open from the start.
    pub not_before: Option<Timestamp>,
    /// How many are in it.
    pub participant_count: usize,
    /// How many may be in it at a time.
    pub max_participants: usize,
    /// What becomes of what is said.
    pub history: History,
    /// Nobody but hosts and invited people enters.
    pub locked: bool,
    /// Newcomers wait until a host admits them.
    pub lobby: bool,
    /// Who enters must know the password.
    pub password_required: bool,
    /// What people are who come without another role.
    pub join_as: Role,
    /// Who may publish what.
    pub publish: PublishPolicy,
    /// Who may write in the chat.
    pub chat: Allowed,
    /// How long it may be empty before it ends; `null` for ever.
    pub empty_timeout_seconds: Option<u64>,
    /// The application's own words, for members, hosts and administrators only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(required = false, nullable = false)]
    pub metadata: Option<Map<String, Value>>,
    /// Of the settings; it grows by one with each change.
    pub version: u64,
}
