//! What a client says.

use super::chat::{ChatReceived, DeleteMessage, EditMessage, GetMessages, React, SendMessage};
use super::error::{ErrorCode, Refusal};
use super::fields;
use super::ids::{RoomCode, TrackRef, clip};
use super::secret::SecretText;
use super::track::Source;
use super::view::SetView;
use crate::stats::words;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

/// The longest request `id` and `nonce` in bytes.
pub const MAX_TAG_BYTES: usize = 64;
/// The most tracks that one message may name.
pub const MAX_TRACKS: usize = 64;
/// The longest credential in bytes: a token with generous claims.
pub const MAX_SECRET_BYTES: usize = 8192;
/// The bounds of a guest key in bytes.
pub const GUEST_KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=128;

/// A client's message and the request id it wants echoed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClientFrame {
    /// Echoed in the direct reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The message.
    #[serde(flatten)]
    pub message: ClientMessage,
}

macro_rules! client_messages {
    ($($(#[doc = $doc:literal])* $variant:ident($body:ident) = $name:literal;)*) => {
        /// Every message of a client, by its `type`.
        #[derive(Clone, Debug, PartialEq, Serialize)]
        #[serde(tag = "type")]
        pub enum ClientMessage {
            $($(#[doc = $doc])* #[serde(rename = $name)] $variant($body),)*
        }

        impl ClientMessage {
            /// Every `type` there is.
            pub const TYPES: &'static [&'static str] = &[$($name),*];

            /// The message's `type`.
            #[must_use]
            pub fn message_type(&self) -> ClientType {
                match self {
                    $(Self::$variant(_) => ClientType::$variant,)*
                }
            }

            fn from_fields(name: &str, object: Map<String, Value>) -> Option<Result<Self, fields::FieldError>> {
                match name {
                    $($name => Some(fields::from_object(object).map(Self::$variant)),)*
                    _ => None,
                }
            }
        }

        words! {
            /// The types of what a client says, for who counts.
            ClientType {
                $($(#[doc = $doc])* $variant = $name;)*
                /// What is no message, or not a right one.
                Invalid = "invalid";
            }
        }
    };
}

client_messages! {
    /// Enters a room.
    JoinRoom(JoinRoom) = "join-room";
    /// Takes a session up again after its socket was lost.
    Resume(Resume) = "resume";
    /// Shows a new token before the one of `join-room` is over.
    RenewToken(RenewToken) = "renew-token";
    /// Leaves the room; the socket stays.
    LeaveRoom(LeaveRoom) = "leave-room";
    /// Says something in the room's chat.
    SendMessage(SendMessage) = "send-message";
    /// Changes a message of one's own.
    EditMessage(EditMessage) = "edit-message";
    /// Deletes a message.
    DeleteMessage(DeleteMessage) = "delete-message";
    /// Reacts to a message, or takes that back.
    React(React) = "react";
    /// Asks for what was said.
    GetMessages(GetMessages) = "get-messages";
    /// Acknowledges what came on the data channel.
    ChatReceived(ChatReceived) = "chat-received";
    /// Tells that the participant writes, or no longer does.
    Typing(Typing) = "typing";
    /// Offers what the client publishes.
    Offer(Offer) = "offer";
    /// Answers the server's offer.
    Answer(Answer) = "answer";
    /// A candidate of the client's.
    IceCandidate(IceCandidate) = "ice-candidate";
    /// Mutes or unmutes a track of the client's own.
    TrackState(TrackState) = "track-state";
    /// Asks for tracks.
    Subscribe(Subscription) = "subscribe";
    /// Gives tracks up.
    Unsubscribe(Subscription) = "unsubscribe";
    /// Chooses the encoding of a simulcast track.
    SetLayer(SetLayer) = "set-layer";
    /// Tells how tracks are shown.
    SetView(SetView) = "set-view";
    /// Asks for a `pong`.
    Ping(Ping) = "ping";
}

impl ClientFrame {
    /// Parses one text frame.
    ///
    /// # Errors
    /// When it is not a JSON object, of no known type, or a field is missing, unknown or out of bounds.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let value: Value = serde_json::from_str(text)
            .map_err(|error| Refusal::new(ErrorCode::BadFrame, format!("the frame is not JSON: {error}")))?;
        let Value::Object(mut object) = value else {
            return Err(Refusal::new(ErrorCode::BadFrame, "the frame must hold one JSON object"));
        };
        let id = match object.remove("id") {
            None | Some(Value::Null) => None,
            Some(Value::String(id)) if id.len() <= MAX_TAG_BYTES => Some(id),
            Some(_) => {
                return Err(Refusal::field("id", format!("`id` must be a string of at most {MAX_TAG_BYTES} bytes")));
            }
        };
        Self::message(object).map(|message| Self { id: id.clone(), message }).map_err(|refusal| refusal.with_id(id))
    }

    fn message(mut object: Map<String, Value>) -> Result<ClientMessage, Refusal> {
        let name = match object.remove("type") {
            Some(Value::String(name)) => name,
            Some(_) => return Err(Refusal::field("type", "`type` must be a string")),
            None => return Err(Refusal::field("type", "missing field `type`")),
        };
        match ClientMessage::from_fields(&name, object) {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) if error.field.as_deref() == Some("roomId") => {
                Err(Refusal::new(ErrorCode::BadRoomId, error.message).with_field("roomId"))
            }
            Some(Err(error)) => {
                let refusal = Refusal::new(ErrorCode::BadMessage, format!("{name}: {}", error.message));
                Err(match error.field {
                    Some(field) => refusal.with_field(clip(&field)),
                    None => refusal,
                })
            }
            None => Err(Refusal::new(
                ErrorCode::UnknownType,
                format!("`type` is \"{}\", allowed are {}", clip(&name), ClientMessage::TYPES.join(", ")),
            )
            .with_field("type")),
        }
    }
}

/// Body of `join-room`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JoinRoom {
    /// The room.
    pub room_id: RoomCode,
    /// How the participant wants to be called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// The client follows `subscription-bound`.
    #[serde(default)]
    pub follows_bindings: bool,
    /// Subscribe to every track of the room, present and future.
    #[serde(default = "yes")]
    pub auto_subscribe: bool,
    /// What an application's server gave.
    #[serde(default, deserialize_with = "secret", skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretText>,
    /// What the room's creator got.
    #[serde(default, deserialize_with = "secret", skip_serializing_if = "Option::is_none")]
    pub host_secret: Option<SecretText>,
    /// A one-time invite.
    #[serde(default, deserialize_with = "secret", skip_serializing_if = "Option::is_none")]
    pub invite: Option<SecretText>,
    /// The room's.
    #[serde(default, deserialize_with = "secret", skip_serializing_if = "Option::is_none")]
    pub password: Option<SecretText>,
    /// A secret of the browser's own, by which somebody without a token is known again.
    #[serde(default, deserialize_with = "guest_key", skip_serializing_if = "Option::is_none")]
    pub guest_key: Option<SecretText>,
}

/// Body of `renew-token`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RenewToken {
    /// The room.
    pub room_id: RoomCode,
    /// The new token, of the same identity.
    #[serde(deserialize_with = "one_secret")]
    pub token: SecretText,
}

fn yes() -> bool {
    true
}

/// Body of `resume`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Resume {
    /// The token of `room-joined` or `resumed`.
    pub resume_token: SecretText,
    /// How many messages of the session arrived, `room-joined` being the first; `hello` and `resumed` do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub received: Option<u64>,
}

/// Body of `leave-room`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaveRoom {
    /// The room.
    pub room_id: RoomCode,
}

/// Body of `typing`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Typing {
    /// The room.
    pub room_id: RoomCode,
    /// Whether the participant writes.
    pub typing: bool,
}

/// Body of `offer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Offer {
    /// The room.
    pub room_id: RoomCode,
    /// The description.
    pub offer: OfferDescription,
    /// What the offered m-lines show.
    #[serde(default, deserialize_with = "bounded", skip_serializing_if = "Vec::is_empty")]
    pub tracks: Vec<OfferedTrack>,
}

/// Body of `answer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// The room.
    pub room_id: RoomCode,
    /// The description.
    pub answer: AnswerDescription,
    /// The `negotiationId` of the offer; without it, the one outstanding is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub negotiation_id: Option<u32>,
}

/// An `RTCSessionDescription` that offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfferDescription {
    /// Always `offer`.
    #[serde(rename = "type")]
    pub kind: OfferType,
    /// The SDP.
    pub sdp: String,
}

/// An `RTCSessionDescription` that answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerDescription {
    /// Always `answer`.
    #[serde(rename = "type")]
    pub kind: AnswerType,
    /// The SDP.
    pub sdp: String,
}

/// The one value of an offer's `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OfferType {
    /// `offer`
    Offer,
}

/// The one value of an answer's `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AnswerType {
    /// `answer`
    Answer,
}

/// What a client says of an m-line it offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OfferedTrack {
    /// The m-line.
    #[serde(deserialize_with = "mid")]
    pub mid: String,
    /// What it shows.
    pub source: Source,
    /// Whether it starts muted.
    #[serde(default)]
    pub muted: bool,
}

/// Body of `ice-candidate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IceCandidate {
    /// The room.
    pub room_id: RoomCode,
    /// The candidate; `null` ends them.
    pub candidate: Option<CandidateInit>,
}

/// An `RTCIceCandidateInit`. Unknown members are let through: it is the browser's object, which may grow.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateInit {
    /// The candidate attribute; empty ends the candidates.
    pub candidate: String,
    /// Its m-line by name.
    #[serde(default)]
    pub sdp_mid: Option<String>,
    /// Its m-line by position.
    #[serde(default, rename = "sdpMLineIndex")]
    pub sdp_m_line_index: Option<u16>,
}

/// Body of `track-state`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrackState {
    /// The room.
    pub room_id: RoomCode,
    /// A track of the sender's own.
    pub track_id: TrackRef,
    /// The new state.
    pub muted: bool,
}

/// Body of `subscribe` and `unsubscribe`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Subscription {
    /// The room.
    pub room_id: RoomCode,
    /// The tracks.
    #[serde(deserialize_with = "bounded")]
    pub track_ids: Vec<TrackRef>,
}

/// Body of `set-layer`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetLayer {
    /// The room.
    pub room_id: RoomCode,
    /// The track.
    pub track_id: TrackRef,
    /// The best encoding that is wanted; `null` for the best there is.
    pub rid: Option<String>,
}

/// Body of `ping`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ping {}

pub(super) fn tag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let tag = Option::<String>::deserialize(deserializer)?;
    match tag {
        Some(tag) if tag.len() > MAX_TAG_BYTES => {
            Err(D::Error::custom(format!("{} bytes, at most {MAX_TAG_BYTES} are allowed", tag.len())))
        }
        tag => Ok(tag),
    }
}

/// A credential; the error does not repeat it.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretText>, D::Error> {
    let Some(secret) = Option::<SecretText>::deserialize(deserializer)? else { return Ok(None) };
    let bytes = secret.expose().len();
    if bytes > MAX_SECRET_BYTES {
        return Err(D::Error::custom(format!("{bytes} bytes, at most {MAX_SECRET_BYTES} are allowed")));
    }
    Ok(Some(secret))
}

fn one_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretText, D::Error> {
    secret(deserializer)?.ok_or_else(|| D::Error::custom("null, a string is needed"))
}

fn guest_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretText>, D::Error> {
    match secret(deserializer)? {
        Some(key) if !GUEST_KEY_BYTES.contains(&key.expose().len()) => {
            let (least, most) = (GUEST_KEY_BYTES.start(), GUEST_KEY_BYTES.end());
            Err(D::Error::custom(format!("{} bytes, {least} to {most} are allowed", key.expose().len())))
        }
        key => Ok(key),
    }
}

/// A media identification tag (RFC 5888) is short in practice: 16 bytes is what a one-byte header extension holds.
fn mid<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let mid = String::deserialize(deserializer)?;
    if mid.is_empty() || mid.len() > 16 {
        return Err(D::Error::custom(format!("`mid` has {} bytes, 1 to 16 are allowed", mid.len())));
    }
    Ok(mid)
}

fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    let list = Vec::deserialize(deserializer)?;
    if list.len() > MAX_TRACKS {
        return Err(D::Error::custom(format!("{} entries, at most {MAX_TRACKS} are allowed", list.len())));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Whatever comes: a message or a refusal, never a panic, and no answer that is longer than a bound.
        #[test]
        fn any_object_is_parsed_or_refused(
            name in prop::sample::select(ClientMessage::TYPES),
            field in prop::sample::select(vec!["roomId", "offer", "answer", "tracks", "trackIds", "candidate", "resumeToken", "nonce", "views", "x"]),
            value in "[\\[{]{0,3}[\\PC]{0,20}[\\]}]{0,3}",
            number: f64,
        ) {
            for value in [value.clone(), format!("\"{value}\""), number.to_string(), format!("[{number}]")] {
                let text = format!(r#"{{"type":"{name}","{field}":{value}}}"#);
                if let Err(refusal) = ClientFrame::parse(&text) {
                    prop_assert!(refusal.message.len() < 1024);
                }
            }
        }
    }

    fn refusal(text: &str) -> Refusal {
        ClientFrame::parse(text).unwrap_err()
    }

    #[test]
    fn what_is_not_a_message_is_told_apart() {
        for (text, code, field) in [
            ("", ErrorCode::BadFrame, None),
            ("[]", ErrorCode::BadFrame, None),
            ("{\"type\":\"ping\"", ErrorCode::BadFrame, None),
            (r#"{"type":"send-message","roomId":"abc","text":"\ud800"}"#, ErrorCode::BadFrame, None),
            ("{}", ErrorCode::BadMessage, Some("type")),
            (r#"{"type":7}"#, ErrorCode::BadMessage, Some("type")),
            (r#"{"type":"dance"}"#, ErrorCode::UnknownType, Some("type")),
            (r#"{"type":"ping","x":1}"#, ErrorCode::BadMessage, None),
            (r#"{"type":"leave-room","roomId":"a b"}"#, ErrorCode::BadRoomId, Some("roomId")),
            (r#"{"type":"leave-room","roomId":{"$ne":null}}"#, ErrorCode::BadRoomId, Some("roomId")),
            (r#"{"type":"typing","roomId":"abc","typing":"yes"}"#, ErrorCode::BadMessage, Some("typing")),
            (r#"{"type":"ping","id":5}"#, ErrorCode::BadMessage, Some("id")),
            (
                r#"{"type":"offer","roomId":"abc","offer":{"type":"answer","sdp":""}}"#,
                ErrorCode::BadMessage,
                Some("offer"),
            ),
            (
                r#"{"type":"offer","roomId":"abc","offer":{"type":"offer","sdp":""},"tracks":[{"mid":"","source":"camera"}]}"#,
                ErrorCode::BadMessage,
                Some("tracks"),
            ),
        ] {
            let refusal = refusal(text);
            assert_eq!((refusal.code, refusal.field.as_deref()), (code, field), "{text}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        assert_eq!(refusal(&"[".repeat(100_000)).code, ErrorCode::BadFrame);
    }

    #[test]
    fn lists_and_tags_are_bounded() {
        let tracks = |n: usize| {
            let ids = vec!["\"t0000000000000\""; n].join(",");
            ClientFrame::parse(&format!(r#"{{"type":"subscribe","roomId":"abc","trackIds":[{ids}]}}"#))
        };
        assert!(tracks(64).is_ok());
        assert_eq!(tracks(65).unwrap_err().field.as_deref(), Some("trackIds"));
        let id = |n: usize| ClientFrame::parse(&format!(r#"{{"type":"ping","id":"{}"}}"#, "x".repeat(n)));
        assert!(id(64).is_ok());
        assert!(id(65).is_err());
        let nonce = format!(r#"{{"type":"send-message","roomId":"abc","text":"a","nonce":"{}"}}"#, "x".repeat(65));
        assert_eq!(refusal(&nonce).field.as_deref(), Some("nonce"));
    }

    #[test]
    fn the_id_is_echoed_in_errors_and_the_text_clipped() {
        let error = refusal(&format!(r#"{{"id":"7","type":"{}"}}"#, "x".repeat(10_000)));
        assert_eq!(error.id.as_deref(), Some("7"));
        assert!(error.message.len() < 400, "{}", error.message.len());
    }

    #[test]
    fn tokens_stay_out_of_logs() {
        let frame = ClientFrame::parse(r#"{"type":"resume","resumeToken":"secret"}"#).unwrap();
        assert!(!format!("{frame:?}").contains("secret"));
    }
}
