//! What the server says.

use super::chat::ChatMessage;
use super::client::{AnswerDescription, CandidateInit, OfferDescription};
use super::error::{ErrorCode, Refusal};
use super::ids::{MessageId, ParticipantRef, RoomCode, TrackRef};
use super::media::{MediaFailure, MediaProtocol, MediaState, PauseReason, SubscriptionFailure, WantedEncoding};
use super::quality::ParticipantQuality;
use super::room::RoomView;
use super::secret::SecretText;
use super::text::MAX_NAME_BYTES;
use super::time::Timestamp;
use super::track::{Participant, Source, Track};
use crate::access::{Identity, Role};
use crate::protocol::FileId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The version of the protocol that `hello` tells.
pub const PROTOCOL_VERSION: u32 = 1;

/// Every message of the server, by its `type`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum ServerMessage {
    /// The first message on every socket.
    Hello {
        /// [`PROTOCOL_VERSION`].
        protocol: u32,
        /// Drawn anew at each start of the server.
        server_id: String,
        /// Whether tokens are needed.
        access: Access,
        /// For `RTCPeerConnection`.
        ice_servers: Vec<IceServer>,
        /// The server's bounds.
        limits: Limits,
    },
    /// The reply to `join-room`.
    RoomJoined(Membership),
    /// The reply to `resume`; the messages that were missed follow.
    Resumed(Membership),
    /// The reply to `join-room` of a room with a lobby: a host is asked. `room-joined` or `room-left` follows.
    LobbyWaiting {
        /// The room.
        room_id: RoomCode,
        /// Who one will be.
        participant_id: ParticipantRef,
        /// Of the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// To hosts: someone waits to be let in.
    LobbyJoined {
        /// Who one would be.
        participant_id: ParticipantRef,
        /// Who it is.
        identity: Identity,
        /// The name; `null` without one.
        display_name: Option<String>,
    },
    /// To hosts: someone waits no more.
    LobbyLeft {
        /// Who.
        participant_id: ParticipantRef,
    },
    /// Someone has another role.
    RoleChanged {
        /// Who.
        participant_id: ParticipantRef,
        /// The new role.
        role: Role,
    },
    /// One has other rights.
    RightsChanged {
        /// All of them.
        rights: Rights,
    },
    /// The reply to `renew-token`.
    TokenRenewed {
        /// When the new token is over.
        expires_at: Timestamp,
        /// Of the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// Someone else joined.
    UserJoined {
        /// How many are in the room now.
        participant_count: usize,
        /// Who joined.
        participant: Participant,
    },
    /// Someone else left.
    UserLeft {
        /// How many are in the room now.
        participant_count: usize,
        /// Who left.
        participant_id: ParticipantRef,
        /// Why.
        reason: Departure,
    },
    /// The participant is no longer in the room: the reply to `leave-room`, or the server's doing.
    RoomLeft {
        /// The room.
        room_id: RoomCode,
        /// Why.
        reason: Departure,
        /// Of `leave-room`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// The room's settings have changed.
    RoomUpdated {
        /// The room as it is now.
        room: RoomView,
    },
    /// The server is about to end: the call may go on that long, and no new one begins.
    ServerDraining {
        /// Until the server ends at the latest.
        seconds_left: u64,
    },
    /// The room ended; `room-left` follows.
    RoomClosed {
        /// The room.
        room_id: RoomCode,
        /// Why.
        reason: Departure,
    },
    /// A shared file is gone.
    FileRemoved {
        /// The file.
        file_id: FileId,
    },
    /// A chat message.
    MessageReceived(ChatMessage),
    /// A chat message says something else from now on.
    MessageEdited {
        /// The message.
        id: MessageId,
        /// Its place.
        seq: u64,
        /// What it says.
        text: String,
        /// When it was changed.
        edited_at: Timestamp,
    },
    /// A chat message is deleted; its place stays.
    MessageDeleted {
        /// The message.
        id: MessageId,
        /// Its place.
        seq: u64,
        /// When it was deleted.
        deleted_at: Timestamp,
    },
    /// Someone reacts to a chat message, or took that back.
    MessageReacted {
        /// The message.
        id: MessageId,
        /// Its place.
        seq: u64,
        /// How.
        emoji: String,
        /// Who.
        identity: Identity,
        /// Whether the reaction comes or goes.
        on: bool,
    },
    /// The reply to `get-messages`.
    Messages {
        /// In the order of `seq`, in their latest form.
        messages: Vec<ChatMessage>,
        /// There are more in the direction that was asked for.
        more: bool,
        /// Of `get-messages`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// What one said is stored for good.
    MessagesSaved {
        /// All up to that `seq`.
        up_to: u64,
    },
    /// Messages, or changes of them, could not be stored: later comers will not see them.
    MessagesLost {
        /// How many.
        count: u64,
        /// The first message concerned.
        from_seq: u64,
        /// The last one.
        to_seq: u64,
    },
    /// Someone else writes, or no longer does.
    Typing {
        /// Who.
        participant_id: ParticipantRef,
        /// Whether.
        typing: bool,
    },
    /// The reply to `offer`.
    AnswerReceived {
        /// The server's answer.
        answer: AnswerDescription,
        /// Always the server.
        from: From,
        /// Of `offer`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// The server offers; `answer` answers.
    OfferReceived {
        /// The offer.
        offer: OfferDescription,
        /// Always the server.
        from: From,
        /// To be given back in `answer`.
        negotiation_id: u32,
    },
    /// A candidate of the server's. The SDP holds them too.
    IceCandidateReceived {
        /// The candidate.
        candidate: CandidateInit,
        /// Always the server.
        from: From,
    },
    /// A track was muted or unmuted: by someone else, or by a host.
    TrackState {
        /// Its publisher.
        participant_id: ParticipantRef,
        /// The track.
        track_id: TrackRef,
        /// The new state.
        muted: bool,
        /// Whose doing it is, when it is not the publisher's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<By>,
    },
    /// A track can be subscribed to. Its publisher is told too.
    TrackPublished {
        /// The publisher.
        participant_id: ParticipantRef,
        /// The track.
        track: Track,
    },
    /// An m-line that the client offered is not published: it has no right to.
    PublishRefused {
        /// The m-line.
        mid: String,
        /// What it would show.
        source: Source,
    },
    /// A track ended. Its publisher is told too.
    TrackUnpublished {
        /// The publisher.
        participant_id: ParticipantRef,
        /// The track.
        track_id: TrackRef,
    },
    /// From now on the m-line carries this track.
    SubscriptionBound {
        /// The m-line.
        mid: String,
        /// The track.
        track_id: TrackRef,
        /// Its publisher.
        participant_id: ParticipantRef,
    },
    /// The m-line carries nothing any more.
    SubscriptionUnbound {
        /// The m-line.
        mid: String,
        /// The track it carried.
        track_id: TrackRef,
    },
    /// A track cannot be had.
    SubscriptionFailed {
        /// The track.
        track_id: TrackRef,
        /// Why.
        reason: SubscriptionFailure,
    },
    /// A subscription is sent nothing for a while.
    SubscriptionPaused {
        /// The track.
        track_id: TrackRef,
        /// Why.
        reason: PauseReason,
    },
    /// A paused subscription goes on.
    SubscriptionResumed {
        /// The track.
        track_id: TrackRef,
    },
    /// A subscription carries another encoding from now on.
    LayerChanged {
        /// The track.
        track_id: TrackRef,
        /// The encoding.
        rid: String,
    },
    /// To the publisher: which encodings of its track anybody watches.
    EncodingsWanted {
        /// The track.
        track_id: TrackRef,
        /// The publisher's m-line.
        mid: String,
        /// Every encoding, the lowest first.
        encodings: Vec<WantedEncoding>,
    },
    /// Who speaks, loudest first.
    ActiveSpeakers {
        /// The speakers.
        speakers: Vec<Speaker>,
    },
    /// How good the connections of some participants are, from now on.
    Quality {
        /// Those whose level has changed; after `room-joined` all of whom one is known.
        participants: Vec<ParticipantQuality>,
    },
    /// The media connection came up or ended.
    MediaState {
        /// Which.
        state: MediaState,
        /// What carries it, when connected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        protocol: Option<MediaProtocol>,
        /// Why it ended, for programs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<MediaFailure>,
        /// Why it ended, for people.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// The reply to `ping`.
    Pong {
        /// Of `ping`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
    /// A request was refused.
    Error {
        /// For programs.
        code: ErrorCode,
        /// For people.
        message: String,
        /// The field to blame.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        field: Option<String>,
        /// When to try again, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_seconds: Option<u32>,
        /// Of the request.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<String>,
    },
}

/// What it takes to get into a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// To know its id.
    Open,
    /// A token, or an invite.
    Keys,
}

/// A member's view of its room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The room.
    pub room_id: RoomCode,
    /// The room's name; `null` without one.
    pub name: Option<String>,
    /// The member itself.
    pub participant_id: ParticipantRef,
    /// How many are in the room, the member included.
    pub participant_count: usize,
    /// Everyone in the room, the member included, in the order of joining.
    pub participants: Vec<Participant>,
    /// Who the member is, over joins and devices.
    pub identity: Identity,
    /// What the member is.
    pub role: Role,
    /// What the member may do.
    pub rights: Rights,
    /// The member's bearer credential for REST while it is in the room; keep it secret.
    pub access_token: SecretText,
    /// The room, with its settings.
    pub room: RoomView,
    /// The `seq` of the latest chat message; 0 before the first.
    pub last_seq: u64,
    /// For `RTCPeerConnection`.
    pub ice_servers: Vec<IceServer>,
    /// For `resume`; keep it secret.
    pub resume_token: SecretText,
    /// How long a lost socket may take to resume.
    pub resume_grace_seconds: u64,
    /// When the room ends; `null` for never.
    pub expires_at: Option<Timestamp>,
    /// Of `hello`.
    pub server_id: String,
    /// Of the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// An `RTCIceServer`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IceServer {
    /// `stun:` or `turn:` URLs.
    pub urls: Vec<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// For TURN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<SecretText>,
}

/// The bounds that `hello` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// Of a chat text.
    pub max_text_bytes: usize,
    /// Of a name.
    pub max_name_bytes: usize,
    /// Of a WebSocket message.
    pub max_frame_bytes: usize,
}

impl Limits {
    /// The bounds, with those that are fixed.
    #[must_use]
    pub fn new(max_text_bytes: usize, max_frame_bytes: usize) -> Self {
        Self { max_text_bytes, max_name_bytes: MAX_NAME_BYTES, max_frame_bytes }
    }
}

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Speaker {
    /// Who.
    pub participant_id: ParticipantRef,
    /// In -dBov: 0 is the loudest, 127 is silence.
    pub level: u8,
}

/// Where descriptions come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum From {
    /// `server`
    Server,
}

/// Whose doing something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// A host's, or an administrator's.
    Host,
}

/// What a participant may do now: its role, its token and the room's settings together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rights {
    /// Publish a microphone.
    pub audio: bool,
    /// Publish a camera.
    pub video: bool,
    /// Publish a screen, and its sound.
    pub screen: bool,
    /// Write in the chat.
    pub chat: bool,
}

/// Why a participant is no longer in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Departure {
    /// It left.
    Left,
    /// Its socket was lost and did not resume in time.
    Disconnected,
    /// Its media connection ended.
    MediaFailed,
    /// The room was deleted.
    RoomClosed,
    /// The room's time is over.
    RoomExpired,
    /// The server stops.
    ServerShutdown,
    /// A host ended the call.
    Ended,
    /// A host removed it.
    Kicked,
    /// A host removed it for good.
    Banned,
    /// A host did not let it in.
    Denied,
    /// Its token is over.
    TokenExpired,
}

impl Departure {
    /// The reason as it is written, in messages as in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Disconnected => "disconnected",
            Self::MediaFailed => "media-failed",
            Self::RoomClosed => "room-closed",
            Self::RoomExpired => "room-expired",
            Self::ServerShutdown => "server-shutdown",
            Self::Ended => "ended",
            Self::Kicked => "kicked",
            Self::Banned => "banned",
            Self::Denied => "denied",
            Self::TokenExpired => "token-expired",
        }
    }
}

impl std::convert::From<Refusal> for ServerMessage {
    fn from(refusal: Refusal) -> Self {
        Self::Error {
            code: refusal.code,
            message: refusal.message,
            field: refusal.field,
            retry_after_seconds: refusal.retry_after,
            id: refusal.id,
        }
    }
}
