//! Refusals: what a client is told when a request cannot be done.

use super::ids::RoomCode;
use crate::stats::{Cause, Limit, Word};
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[doc = $doc:literal])* $variant:ident = $name:literal;)*) => {
        /// What went wrong, for programs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum ErrorCode {
            $($(#[doc = $doc])* #[serde(rename = $name)] $variant,)*
        }

        impl ErrorCode {
            /// Every code, in the order of their declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

impl Word for ErrorCode {
    const COUNT: usize = Self::ALL.len();

    fn index(self) -> usize {
        self as usize
    }

    fn at(index: usize) -> Option<Self> {
        Self::ALL.get(index).copied()
    }
}

codes! {
    /// A binary frame, or one that is not a JSON object.
    BadFrame = "bad-frame";
    /// No message has that `type`.
    UnknownType = "unknown-type";
    /// A field is missing, unknown or out of bounds.
    BadMessage = "bad-message";
    /// A frame or body exceeds its bound. The socket is closed.
    FrameTooLarge = "frame-too-large";
    /// Too many messages in too short a time. This one was dropped.
    RateLimited = "rate-limited";
    /// The message needs a room.
    NotJoined = "not-joined";
    /// The socket has joined a room already.
    AlreadyJoined = "already-joined";
    /// The message names another room than the one joined.
    WrongRoom = "wrong-room";
    /// There is no such room.
    RoomNotFound = "room-not-found";
    /// A room of that id is there already.
    RoomExists = "room-exists";
    /// The room has as many participants as it may.
    RoomFull = "room-full";
    /// The room's time is over.
    RoomExpired = "room-expired";
    /// A room's id is outside of its alphabet or bounds.
    BadRoomId = "bad-room-id";
    /// A name is too long or hides something.
    NameInvalid = "name-invalid";
    /// A chat text is empty.
    TextEmpty = "text-empty";
    /// A chat text is too long.
    TextTooLarge = "text-too-large";
    /// The server's own offer is outstanding: answer it first.
    Glare = "glare";
    /// There is no offer to answer.
    NoOffer = "no-offer";
    /// The SDP cannot be used.
    BadSdp = "bad-sdp";
    /// There is no such track, or it is not the participant's own.
    UnknownTrack = "unknown-track";
    /// The session is over or the token is not the latest: join anew.
    ResumeFailed = "resume-failed";
    /// Another socket took the session over. This one is closed.
    Displaced = "displaced";
    /// The data channel takes chat only.
    NotAllowedHere = "not-allowed-here";
    /// The server has no room for more, or a shard does not keep up.
    ServerBusy = "server-busy";
    /// The server is about to end: no new calls begin.
    Draining = "draining";
    /// A fault of the server's.
    Internal = "internal";
    /// REST: no such resource.
    NotFound = "not-found";
    /// REST: the resource has no such method.
    MethodNotAllowed = "method-not-allowed";
    /// REST: the body must be JSON.
    UnsupportedMediaType = "unsupported-media-type";
    /// REST: the body is too large.
    BodyTooLarge = "body-too-large";
    /// REST: the body is not JSON.
    BadJson = "bad-json";
    /// A credential is needed.
    Unauthorized = "unauthorized";
    /// The credential shown is not good, or no longer.
    TokenInvalid = "token-invalid";
    /// What one is does not allow this.
    Forbidden = "forbidden";
    /// The server has as many rooms or participants as it takes, or no memory for more.
    ServerFull = "server-full";
    /// REST: the room is no longer of the version that `If-Match` names.
    VersionConflict = "version-conflict";
    /// REST: the same `Idempotency-Key` came with another body.
    IdempotencyMismatch = "idempotency-mismatch";
    /// The server has no key to sign tokens with.
    NoKeys = "no-keys";
    /// Who this is may not come back.
    Banned = "banned";
    /// The room opens later.
    RoomNotOpen = "room-not-open";
    /// The room takes nobody more but hosts and invited people.
    RoomLocked = "room-locked";
    /// The room has a password.
    PasswordRequired = "password-required";
    /// That is not the room's password.
    PasswordWrong = "password-wrong";
    /// There is no such invite, or it is used or over.
    InviteInvalid = "invite-invalid";
    /// A host has just refused to let this person in.
    LobbyDenied = "lobby-denied";
    /// The database cannot be reached.
    StoreUnavailable = "store-unavailable";
    /// The room has no such file.
    FileNotFound = "file-not-found";
    /// A file is too large.
    FileTooLarge = "file-too-large";
    /// Files of that type are not taken.
    FileTypeRefused = "file-type-refused";
    /// The room's files are as many, or as large together, as they may be.
    FilesFull = "files-full";
    /// There is no such participant in the room.
    UserNotFound = "user-not-found";
    /// There is no such message, or not for these eyes, or it is deleted.
    MessageNotFound = "message-not-found";
    /// The request comes from a page of another origin.
    OriginRefused = "origin-refused";
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub code: ErrorCode,
    /// For people: what was wrong and what is allowed.
    pub message: String,
    /// The field to blame.
    pub field: Option<String>,
    /// The request's id.
    pub id: Option<String>,
    /// When to try again, in seconds, where that is known.
    pub retry_after: Option<u32>,
    /// What the code leaves open, for who counts.
    pub cause: Option<Cause>,
}

impl Refusal {
    /// A refusal of no field in particular.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), field: None, id: None, retry_after: None, cause: None }
    }

    /// A refusal of a message for one of its fields.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BadMessage, message).with_field(field)
    }

    /// The same, with the field to blame.
    #[must_use]
    pub fn with_field(self, field: &str) -> Self {
        Self { field: Some(field.to_owned()), ..self }
    }

    /// The same, with the seconds after which to try again.
    #[must_use]
    pub fn with_retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The same, counted for what the code leaves open.
    #[must_use]
    pub(crate) fn with_cause(self, cause: Cause) -> Self {
        Self { cause: Some(cause), ..self }
    }

    /// The same, by a limit that was reached.
    #[must_use]
    pub(crate) fn by(self, limit: Limit) -> Self {
        self.with_cause(Cause::Limit(limit))
    }

    /// The same, for the request of that id.
    #[must_use]
    pub fn with_id(self, id: Option<String>) -> Self {
        Self { id, ..self }
    }

    pub(crate) fn not_joined() -> Self {
        Self::new(ErrorCode::NotJoined, "join a room first")
    }

    pub(crate) fn already_joined() -> Self {
        Self::new(ErrorCode::AlreadyJoined, "this socket has joined a room already: leave it first")
    }

    pub(crate) fn waiting() -> Self {
        Self::new(ErrorCode::AlreadyJoined, "this socket waits to be let into a room: leave it first")
    }

    pub(crate) fn user_not_found() -> Self {
        Self::new(ErrorCode::UserNotFound, "there is no such participant in the room")
    }

    pub(crate) fn wrong_room(named: &RoomCode, joined: &RoomCode) -> Self {
        Self::new(ErrorCode::WrongRoom, format!("`roomId` is \"{named}\", but this participant joined \"{joined}\""))
            .with_field("roomId")
    }

    pub(crate) fn busy() -> Self {
        Self::new(ErrorCode::ServerBusy, "the server is busy, try again in a moment")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_they_are_named() {
        for &code in ErrorCode::ALL {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
    }
}
