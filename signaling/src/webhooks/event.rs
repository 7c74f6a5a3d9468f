//! What applications are told, and how it is written.

use crate::access::{Identity, Role};
use crate::protocol::file::SharedFile;
use crate::protocol::server::Departure;
use crate::protocol::{MessageId, ParticipantRef, RoomCode, Timestamp};
use serde::Serialize;

/// Something that happened in a room. `docs/webhooks.md` explains each.
#[derive(Debug, Serialize)]
#[serde(tag = "type", content = "data")]
pub(crate) enum Event<'a> {
    /// A room began.
    #[serde(rename = "room.started", rename_all = "camelCase")]
    RoomStarted { room_id: &'a RoomCode, name: Option<&'a str>, created_at: Timestamp, expires_at: Option<Timestamp> },
    /// A room ended.
    #[serde(rename = "room.ended", rename_all = "camelCase")]
    RoomEnded { room_id: &'a RoomCode, name: Option<&'a str>, reason: Departure },
    /// Somebody joined a room.
    #[serde(rename = "participant.joined", rename_all = "camelCase")]
    ParticipantJoined {
        room_id: &'a RoomCode,
        participant_id: ParticipantRef,
        identity: &'a Identity,
        display_name: Option<&'a str>,
        role: Role,
        joined_at: Timestamp,
    },
    /// Somebody left a room.
    #[serde(rename = "participant.left", rename_all = "camelCase")]
    ParticipantLeft {
        room_id: &'a RoomCode,
        participant_id: ParticipantRef,
        identity: &'a Identity,
        display_name: Option<&'a str>,
        joined_at: Timestamp,
        reason: Departure,
    },
    /// Somebody said something.
    #[serde(rename = "message.sent", rename_all = "camelCase")]
    MessageSent {
        room_id: &'a RoomCode,
        message_id: MessageId,
        seq: u64,
        participant_id: ParticipantRef,
        identity: &'a Identity,
        /// For whose eyes, where not for everybody's.
        #[serde(skip_serializing_if = "Option::is_none")]
        to: Option<&'a Identity>,
        /// See [`super::Webhooks::text`].
        #[serde(skip_serializing_if = "Option::is_none")]
        text: Option<&'a str>,
    },
    /// Somebody shared a file.
    #[serde(rename = "file.shared", rename_all = "camelCase")]
    FileShared { room_id: &'a RoomCode, file: &'a SharedFile },
}

#[derive(Serialize)]
struct Envelope<'a, 'b> {
    #[serde(flatten)]
    event: &'a Event<'b>,
    timestamp: Timestamp,
}

impl Event<'_> {
    /// The body of its request.
    pub(super) fn to_json(&self, timestamp: Timestamp) -> Vec<u8> {
        // Maps with string keys, numbers and strings always serialise.
        serde_json::to_vec(&Envelope { event: self, timestamp }).unwrap_or_default()
    }
}
