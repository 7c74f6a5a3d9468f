//! What is said in the chat, and about it, as both sides write it.

use super::client::tag;
use super::file::SharedFile;
use super::ids::{MessageId, ParticipantRef, RoomCode};
use super::time::Timestamp;
use crate::access::Identity;
use crate::protocol::FileId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most messages of a page.
pub const MAX_PAGE: u64 = 200;
/// Messages of a page that does not say how many.
pub const DEFAULT_PAGE: u64 = 50;

/// Body of `send-message`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SendMessage {
    /// The room.
    pub room_id: RoomCode,
    /// What is said.
    pub text: String,
    /// A name for this message, used when the participant joined without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The message that this one replies to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<MessageId>,
    /// For whose eyes alone; without it, for everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ParticipantRef>,
    /// A file of the room's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file_id: Option<FileId>,
    /// Given back to the sender alone, so that it knows its own message. A nonce says its message once.
    #[serde(default, deserialize_with = "tag", skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// Body of `edit-message`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EditMessage {
    /// The room.
    pub room_id: RoomCode,
    /// A message of the sender's own.
    pub message_id: MessageId,
    /// What it says from now on.
    pub text: String,
}

/// Body of `delete-message`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteMessage {
    /// The room.
    pub room_id: RoomCode,
    /// The message.
    pub message_id: MessageId,
}

/// Body of `react`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct React {
    /// The room.
    pub room_id: RoomCode,
    /// The message.
    pub message_id: MessageId,
    /// One emoji.
    pub emoji: String,
    /// Whether the reaction comes or goes.
    pub on: bool,
}

/// Body of `get-messages`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GetMessages {
    /// The room.
    pub room_id: RoomCode,
    /// The last ones before that `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
    /// The first ones after that `seq`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// How many at most, 1 to [`MAX_PAGE`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Body of `chat-received`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChatReceived {
    /// How many messages came on the data channel since it opened.
    pub count: u64,
}

/// A chat message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Message)]
pub struct ChatMessage {
    /// The message.
    pub id: MessageId,
    /// Its place in the room's one order, counted from 1.
    pub seq: u64,
    /// What was said; empty once it was deleted.
    pub text: String,
    /// By whom.
    pub sender: ParticipantRef,
    /// Who that is, over joins and devices.
    pub identity: Identity,
    /// When.
    pub timestamp: Timestamp,
    /// Where.
    pub room_id: RoomCode,
    /// The message that it replies to.
    pub reply_to: Option<MessageId>,
    /// The sender's name.
    pub display_name: Option<String>,
    /// Whom it is for alone, besides the sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Identity>,
    /// What came along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<SharedFile>,
    /// When it was last changed by its sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// When it was deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted_at: Option<Timestamp>,
    /// In the order of reacting.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reacted>,
    /// Of `send-message`; only its sender is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nonce: Option<String>,
}

/// Who reacted, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Reaction)]
pub struct Reacted {
    /// One emoji.
    pub emoji: String,
    /// Who.
    pub identity: Identity,
}
